import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from 'commander'
import { createDatagramSender, type DatagramSender } from '../base/datagram-sender.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import { capabilitiesFor } from '../capture/packet-source.ts'
import { dropPrivileges } from '../capture/privileges.ts'
import { parseProbeConfig, type ProbeConfig } from '../probe/config.ts'
import { createProbe, type Probe, type ProbeStatus } from '../probe/probe.ts'
import { isDaemon, removePidFile, startDaemon, tellFailed, tellStarted } from './daemon.ts'
import { createServedCaptures, readAllowed, type AllowedCaptures, type ServedCaptures } from './served-captures.ts'
import { createTargetWatch } from './target-watch.ts'

interface ProbeOptions {
  readonly config: string
  readonly daemon: boolean
  readonly pidFile: string
  readonly user?: string
}

export function addProbe(program: Command): void {
  program
    .command('probe')
    .description(
      'Exports sFlow for virtual switches that export nothing themselves, from a mirror port, a bridge or a tap.',
    )
    .option('--config <file>', 'what to monitor; read again at SIGHUP', '/etc/vsprobed.conf')
    .option('--daemon', 'go on in the background, and log to syslog', false)
    .option('--pid-file <file>', 'where --daemon writes its process ID', '/var/run/vsprobed.pid')
    .option('--user <name>', 'go on as this user once the devices are open; started as root')
    .action((options: ProbeOptions) => {
      if (!options.daemon || isDaemon()) return probe(options)
      // What can be checked at once is said here, with its place.
      readConfig(options.config)
      return startDaemon(options.pidFile)
    })
}

/** @throws UserError that names every problem with its place */
function readConfig(file: string): ProbeConfig {
  let source: string
  try {
    source = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new UserError(`${file} can’t be read (${(cause as NodeJS.ErrnoException).code ?? String(cause)})`, {
      hint: 'name another with --config',
    })
  }
  const { config, problems } = parseProbeConfig(source)
  if (config) return config
  throw new UserError(problems.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`).join('\n'))
}

const WINDOW = 1024

async function probe(options: ProbeOptions): Promise<void> {
  const { say, end } = isDaemon() ? syslog() : terminal()
  try {
    await monitor(options, say)
  } catch (error) {
    // Nobody sees what a process in the background writes
    if (isDaemon()) {
      say(error instanceof Error ? error.message : String(error))
      // Gone before whoever waits goes on
      removePidFile(options.pidFile)
      tellFailed(error)
    }
    throw error
  } finally {
    if (isDaemon()) removePidFile(options.pidFile)
    end()
  }
}

/** The kernel has handed over what came last after so many milliseconds. */
const HAND_OVER_MS = 30
const WATCH_EACH_MS = 1000

async function monitor(options: ProbeOptions, say: (sentence: string) => void): Promise<void> {
  let isEnding = false
  let isAskedToReload = false
  process.on('SIGTERM', () => (isEnding = true))
  process.on('SIGINT', () => (isEnding = true))
  process.on('SIGHUP', () => (isAskedToReload = true))
  const first = readConfig(options.config)
  let sender = await createDatagramSender(first.collectors)
  const running: Probe = createProbe(first, {
    send: (datagram) => {
      // Where a collector's resolver or route hangs, memory is not to fill with what waits
      if (sender.flying < WINDOW) sender.send(datagram)
    },
    random: { unit: Math.random },
    say,
  })
  say(started(first, running))
  const captures = createServedCaptures(say)
  await captures.take(readAllowed(first.captures))
  if (options.user !== undefined)
    dropPrivileges(options.user, capabilitiesFor(first.switches.map(({ device }) => device)))
  if (isDaemon()) tellStarted()
  const watch = createTargetWatch(say)
  let watchedAt = performance.now()
  // Names of collectors may take long to resolve: frames are counted meanwhile
  let isPreparing = false
  let prepared: Prepared | undefined
  while (!isEnding) {
    if (isAskedToReload && !isPreparing && !prepared) {
      isAskedToReload = false
      isPreparing = true
      void prepare(options.config).then((result) => {
        prepared = result
        isPreparing = false
      })
    }
    if (prepared) {
      sender = takeOver(options.config, prepared, sender, running, captures, say)
      prepared = undefined
    }
    if (performance.now() - watchedAt >= WATCH_EACH_MS) {
      watchedAt = performance.now()
      watch(sender.status())
    }
    const isBusy = running.turn()
    await (isBusy ? new Promise<void>((resolve) => setImmediate(resolve)) : wait(running.restMs()))
  }
  await captures.stop()
  await wait(HAND_OVER_MS)
  running.stop()
  await sender.below(1)
  const { switches } = running.status()
  say(`ended: ${switches.map(ended).join('; ')}`)
  sender.close()
}

function ended(of: ProbeStatus['switches'][number]): string {
  return (
    `${of.device} ${of.frames} frames, ${of.samples} samples, ${of.drops} dropped by the kernel` +
    (of.others > 0 ? `, ${of.others} were no mirrors` : '') +
    (of.short > 0 ? `, ${of.short} without addresses` : '')
  )
}

type Prepared =
  | { readonly config: ProbeConfig; readonly sender: DatagramSender; readonly allowed: AllowedCaptures | undefined }
  | { readonly error: unknown }

/** Never rejects. */
async function prepare(file: string): Promise<Prepared> {
  try {
    const config = readConfig(file)
    const allowed = readAllowed(config.captures)
    return { config, sender: await createDatagramSender(config.collectors), allowed }
  } catch (error) {
    return { error }
  }
}

/** A wrong file, or a device that can't be opened, leaves everything as it was. Answers the sender to go on with. */
function takeOver(
  file: string,
  prepared: Prepared,
  before: DatagramSender,
  running: Probe,
  captures: ServedCaptures,
  say: (sentence: string) => void,
): DatagramSender {
  try {
    if ('error' in prepared) throw prepared.error
    running.reload(prepared.config)
    say(`${file} is read again. ${started(prepared.config, running)}`)
    void before.below(1).then(() => before.close())
    captures
      .take(prepared.allowed)
      .catch((error: unknown) => say(error instanceof Error ? error.message : String(error)))
    return prepared.sender
  } catch (error) {
    if ('sender' in prepared) prepared.sender.close()
    if (!(error instanceof UserError || error instanceof OperatorError)) throw error
    say(`${file} is not taken over, the former settings stay: ${error.message}`)
    return before
  }
}

function started(config: ProbeConfig, running: Probe): string {
  const to = config.collectors.map(({ host, port }) => `${host}:${port}`).join(', ')
  const list = running
    .status()
    .switches.map(({ device, subAgent, ports }) => {
      const first = ports[0]?.index
      const last = ports[ports.length - 1]?.index
      return `${device} (sub-agent ${subAgent}, ${first === undefined ? 'no ports yet' : `ports ${first} to ${last}`})`
    })
    .join(', ')
  return `monitoring ${list}: 1 in ${config.samplingRate}, counters each ${config.pollingInterval} s, to ${to}`
}

interface Speaker {
  say(sentence: string): void
  end(): void
}

function terminal(): Speaker {
  return { say: (sentence) => void process.stderr.write(`vnetscope: ${sentence}\n`), end: () => undefined }
}

function syslog(): Speaker {
  const logger = spawn('logger', ['-t', 'vnetscope-probe', '-p', 'daemon.notice'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // A machine without syslog monitors all the same
  logger.on('error', () => undefined)
  logger.stdin.on('error', () => undefined)
  return { say: (sentence) => void logger.stdin.write(`${sentence}\n`), end: () => void logger.stdin.end() }
}
