import type { Command } from 'commander'
import { loadConfig } from '../app/config-file.ts'
import { systemClock } from '../base/clock.ts'

export function addGrow(program: Command): void {
  program
    .command('grow')
    .description(
      'Moves what the embedded store of a data directory holds to the ClickHouse servers that the configuration names. It can be ended and begun again at any time; see docs/how-to/grow.md.',
    )
    .requiredOption('--config <file>', 'configuration (YAML) with storage.url')
    .option('--data <dir>', 'data directory of the embedded store (default: ./data)')
    .action(async (flags: { config: string; data?: string }) => {
      const config = loadConfig(flags.config)
      const { grow } = await import('../app/grow.ts')
      const say = (words: string): void => void process.stdout.write(`${words}\n`)
      const log = {
        info: () => undefined,
        warn: (words: string) => void process.stderr.write(`${words}\n`),
      }
      const moved = await grow({ ...config, data: flags.data ?? config.data }, { clock: systemClock, log, say })
      const rows = Object.entries(moved).map(([table, count]) => `${count} rows of ${table}`)
      say(rows.length === 0 ? 'The old store is empty.' : `Moved: ${rows.join(', ')}.`)
    })
}
