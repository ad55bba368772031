import type { Command } from 'commander'
import { loadConfig } from '../app/config-file.ts'
import { systemClock } from '../base/clock.ts'
import type { BackupManifest } from '../store/backup.ts'

interface DataFlags {
  config?: string
  data?: string
}

export function addBackup(program: Command): void {
  program
    .command('backup')
    .description('Copy all that a server keeps into a new directory, while it runs or not.')
    .argument('<directory>', 'where the copy goes; must not be there yet')
    .option('--config <file>', 'configuration of the server, which names its data directory')
    .option('--data <dir>', 'data directory of the server (default: ./data)')
    .action(async (directory: string, flags: DataFlags) => {
      const { backUp } = await import('../store/backup.ts')
      const data = dataOf(flags)
      const manifest = await backUp(data, directory, systemClock.now())
      process.stdout.write(`${data} is backed up to ${directory}: ${whatOf(manifest)}\n`)
      if (manifest.running)
        process.stdout.write('The server was running: flows that were just being inserted may be missing.\n')
    })
}

export function addRestore(program: Command): void {
  program
    .command('restore')
    .description('Make the data directory of a server from a backup.')
    .argument('<directory>', 'the backup')
    .option('--config <file>', 'configuration of the server, which names its data directory')
    .option('--data <dir>', 'data directory to make; must be empty or not there (default: ./data)')
    .action(async (directory: string, flags: DataFlags) => {
      const { restore } = await import('../store/backup.ts')
      const data = dataOf(flags)
      const manifest = await restore(directory, data)
      const taken = new Date(manifest.taken).toISOString()
      process.stdout.write(`${directory}, taken ${taken}, is restored to ${data}: ${whatOf(manifest)}\n`)
    })
}

function dataOf(flags: DataFlags): string {
  return flags.data ?? loadConfig(flags.config).data
}

function whatOf({ bytes, waiting }: BackupManifest): string {
  const size = bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`
  return waiting === 0 ? size : `${size}, with ${waiting} files that wait for the store`
}
