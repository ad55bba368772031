import type { Command } from 'commander'
import { loadConfig } from '../app/config-file.ts'
import { examine } from '../app/doctor.ts'

const MARKS = { ok: 'ok   ', warn: 'warn ', fail: 'FAIL ' } as const

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'Looks at this machine (libraries, privileges, buffers, memory, disk, ports, clock) and says what to mend.',
    )
    .option('--config <file>', 'configuration file of the server (default: none, every option at its default)')
    .option('--data <directory>', 'data directory, instead of the configured one')
    .action(async (options: { config?: string; data?: string }) => {
      const config = loadConfig(options.config)
      const findings = await examine(options.data === undefined ? config : { ...config, data: options.data })
      for (const { level, what, mend } of findings) {
        process.stdout.write(`${MARKS[level]}${what}\n${mend === undefined ? '' : `       → ${mend}\n`}`)
      }
      if (findings.some(({ level }) => level === 'fail')) process.exitCode = 1
    })
}
