import type { Command } from 'commander'
import { readElementsFile } from '../app/elements-file.ts'
import { parseConfig, problemText, readConfigText } from '../app/config-file.ts'

export function addCheck(program: Command): void {
  program
    .command('check')
    .description(
      'Says whether a configuration file is right; each problem with its line, its column and what was expected.',
    )
    .argument('<file>', 'configuration file (YAML)')
    .action((file: string) => {
      const { config, problems } = parseConfig(readConfigText(file))
      for (const problem of problems) process.stderr.write(`${problemText(file, problem)}\n`)
      // Throws what is wrong with it.
      if (config?.decode.elements) readElementsFile(config.decode.elements)
      if (problems.length === 0) process.stdout.write(`${file} is right\n`)
      else process.exitCode = 1
    })
}
