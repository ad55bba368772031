import type { Command } from 'commander'
import { readElementsFile } from '../app/elements-file.ts'
import { parseConfig, problemText, readConfigText } from '../app/config-file.ts'
import { parseProbeConfig } from '../probe/config.ts'

export function addCheck(program: Command): void {
  program
    .command('check')
    .description(
      'Says whether a configuration file is right; each problem with its line, its column and what was expected.',
    )
    .argument('<file>', 'configuration of `serve` (YAML), or of `probe` (a section sflow)')
    .action((file: string) => {
      const text = readConfigText(file)
      if (isProbeConfig(text)) return checkProbe(file, text)
      const { config, problems } = parseConfig(text)
      for (const problem of problems) process.stderr.write(`${problemText(file, problem)}\n`)
      // Throws what is wrong with it.
      if (config?.decode.elements) readElementsFile(config.decode.elements)
      if (problems.length === 0) process.stdout.write(`${file} is right\n`)
      else process.exitCode = 1
    })
}

/** Begins, but for comments, with a section as YAML has none. */
function isProbeConfig(text: string): boolean {
  return /^(?:\s|#[^\n]*\n)*[a-z]+\s*\{/i.test(text)
}

function checkProbe(file: string, text: string): void {
  const { problems } = parseProbeConfig(text)
  for (const problem of problems) process.stderr.write(`${problemText(file, { path: '', ...problem })}\n`)
  if (problems.length === 0) process.stdout.write(`${file} is right\n`)
  else process.exitCode = 1
}
