import { spawn } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from 'commander'
import { createDatagramSender, type DatagramSender } from '../base/datagram-sender.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import { parseProbeConfig, type ProbeConfig } from '../probe/config.ts'
import { createProbe, type Probe } from '../probe/probe.ts'

interface ProbeOptions {
  readonly config: string
  readonly daemon: boolean
  readonly pidFile: string
}

/** Set in the process that `--daemon` leaves behind. */
const DAEMON = 'VNETSCOPE_PROBE_DAEMON'

export function addProbe(program: Command): void {
  program
    .command('probe')
    .description(
      'Exports sFlow for virtual switches that export nothing themselves, from a mirror port, a bridge or a tap.',
    )
    .option('--config <file>', 'what to monitor; read again at SIGHUP', '/etc/vsprobed.conf')
    .option('--daemon', 'go on in the background, and log to syslog', false)
    .option('--pid-file <file>', 'where --daemon writes its process ID', '/var/run/vsprobed.pid')
    .action((options: ProbeOptions) =>
      options.daemon && process.env[DAEMON] === undefined ? daemon(options) : probe(options),
    )
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

const REST_MS = 10
const WINDOW = 1024

async function probe(options: ProbeOptions): Promise<void> {
  let config = readConfig(options.config)
  let sender = await createDatagramSender(config.collectors)
  const say = speaker()
  const running: Probe = createProbe(config, {
    send: (datagram) => {
      // Where a collector's resolver or route hangs, memory is not to fill with what waits
      if (sender.flying < WINDOW) sender.send(datagram)
    },
    now: Date.now,
    random: { unit: Math.random },
    say,
  })
  let isEnding = false
  let isAskedToReload = false
  process.on('SIGTERM', () => (isEnding = true))
  process.on('SIGINT', () => (isEnding = true))
  process.on('SIGHUP', () => (isAskedToReload = true))
  say(started(config, running))
  while (!isEnding) {
    if (isAskedToReload) {
      isAskedToReload = false
      ;[config, sender] = await reloaded(options.config, config, sender, running, say)
    }
    const isBusy = running.turn()
    await (isBusy ? new Promise<void>((resolve) => setImmediate(resolve)) : wait(REST_MS))
  }
  running.stop()
  await sender.below(1)
  const { switches } = running.status()
  say(
    `ended: ${switches.map((s) => `${s.device} ${s.frames} frames, ${s.samples} samples, ${s.drops} dropped by the kernel`).join('; ')}`,
  )
  sender.close()
  if (process.env[DAEMON] !== undefined) rmSync(options.pidFile, { force: true })
}

/** A wrong file, or a device that can't be opened, leaves everything as it was. */
async function reloaded(
  file: string,
  before: ProbeConfig,
  sender: DatagramSender,
  running: Probe,
  say: (sentence: string) => void,
): Promise<[ProbeConfig, DatagramSender]> {
  try {
    const config = readConfig(file)
    const next = await createDatagramSender(config.collectors)
    try {
      running.reload(config)
    } catch (error) {
      next.close()
      throw error
    }
    await sender.below(1)
    sender.close()
    say(`${file} is read again. ${started(config, running)}`)
    return [config, next]
  } catch (error) {
    if (!(error instanceof UserError || error instanceof OperatorError)) throw error
    say(`${file} is not taken over, the former settings stay: ${error.message}`)
    return [before, sender]
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

/** Standard error in the foreground, syslog in the background. */
function speaker(): (sentence: string) => void {
  if (process.env[DAEMON] === undefined) return (sentence) => void process.stderr.write(`vnetscope: ${sentence}\n`)
  const logger = spawn('logger', ['-t', 'vnetscope-probe', '-p', 'daemon.notice'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // A machine without syslog monitors all the same
  logger.on('error', () => undefined)
  logger.stdin.on('error', () => undefined)
  return (sentence) => void logger.stdin.write(`${sentence}\n`)
}

/** Checks what can be checked while somebody looks, and goes on without a terminal. */
function daemon(options: ProbeOptions): void {
  readConfig(options.config)
  const child = spawn(process.execPath, process.argv.slice(1), {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, [DAEMON]: '1' },
  })
  if (child.pid === undefined) throw new OperatorError('no_daemon', 'the background process can’t be started')
  try {
    writeFileSync(options.pidFile, `${child.pid}\n`)
  } catch (cause) {
    child.kill()
    throw new OperatorError(
      'pid_file',
      `${options.pidFile} can’t be written (${(cause as NodeJS.ErrnoException).code ?? ''})`,
      {
        hint: 'name another with --pid-file',
        cause,
      },
    )
  }
  child.unref()
}
