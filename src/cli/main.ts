// The command line: which commands there are. A command's module is loaded only when it is called (or its help
// is asked for), so that `--help` and wrong usage answer at once.

import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import { Command, CommanderError } from 'commander'
import { exitStatus, report } from './report-error.ts'
import { version } from './version.ts'

interface CommandEntry {
  readonly name: string
  readonly summary: string
  readonly add: () => Promise<(program: Command) => void>
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'serve',
    summary: 'collector, store, API and console in one',
    add: async () => (await import('./serve.ts')).addServe,
  },
  {
    name: 'probe',
    summary: 'export sFlow for a virtual switch, from its mirror',
    add: async () => (await import('./probe.ts')).addProbe,
  },
  {
    name: 'meter',
    summary: 'meter packets into flows and export them as NetFlow or IPFIX',
    add: async () => (await import('./meter.ts')).addMeter,
  },
  {
    name: 'capture',
    summary: 'capture packets into pcapng files, within bounds, here or at a probe',
    add: async () => (await import('./capture.ts')).addCapture,
  },
  {
    name: 'decode',
    summary: 'print what captured sFlow, NetFlow and IPFIX datagrams say, as JSON lines',
    add: async () => (await import('./decode.ts')).addDecode,
  },
  {
    name: 'replay',
    summary: 'send the UDP payloads of a capture again',
    add: async () => (await import('./replay.ts')).addReplay,
  },
  {
    name: 'simulate',
    summary: 'a virtual data center that exports its traffic',
    add: async () => (await import('./simulate.ts')).addSimulate,
  },
  {
    name: 'query',
    summary: 'ask a server, in nfdump’s words',
    add: async () => (await import('./query.ts')).addQuery,
  },
  {
    name: 'grow',
    summary: 'move the embedded store’s content to ClickHouse servers',
    add: async () => (await import('./grow.ts')).addGrow,
  },
  {
    name: 'backup',
    summary: 'copy all that a server keeps, while it runs or not',
    add: async () => (await import('./backup.ts')).addBackup,
  },
  {
    name: 'restore',
    summary: 'make a data directory of a backup',
    add: async () => (await import('./backup.ts')).addRestore,
  },
  {
    name: 'check',
    summary: 'say whether a configuration file is right',
    add: async () => (await import('./check.ts')).addCheck,
  },
  {
    name: 'doctor',
    summary: 'look at this machine and say what to mend',
    add: async () => (await import('./doctor.ts')).addDoctor,
  },
]

/** The whole program with the one command loaded that the arguments name; the others stand in the help by name. */
export async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('vnetscope')
    .description('Traffic visibility for virtual networks: sFlow, NetFlow and IPFIX, every VLAN, VM and host by name.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help; after a command, the help of that command')
    .helpCommand('help [command]', 'print the help of a command')
    .showHelpAfterError('(see --help)')
    .configureHelp({ sortOptions: false })
    .exitOverride()
  const words = args.filter((word) => !word.startsWith('-'))
  const wanted = words[0] === 'help' ? words[1] : words[0]
  for (const entry of COMMANDS) {
    if (entry.name === wanted) (await entry.add())(program)
    else program.command(entry.name).description(entry.summary)
  }
  for (const command of program.commands) {
    command.exitOverride().helpOption('-h, --help', 'print this help').showHelpAfterError('(see --help)')
  }
  return program
}

async function run(args: readonly string[]): Promise<void> {
  // Reading from a pipe that has ended (`vnetscope decode … | head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  try {
    const program = await createProgram(args)
    if (args.length === 0) {
      program.outputHelp({ error: true })
      process.exitCode = 2
      return
    }
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) report(error)
    process.exitCode = exitStatus(error)
  }
}

if (import.meta.main) {
  const cache = fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url))
  enableCompileCache(cache)
  // Threads and child processes take it from here: each would load the TypeScript stripper otherwise, 20 MB apiece.
  process.env['NODE_COMPILE_CACHE'] = cache
  await run(process.argv.slice(2))
}
