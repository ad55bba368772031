import { createWriteStream, type WriteStream } from 'node:fs'
import { once } from 'node:events'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { systemClock } from '../base/clock.ts'
import { OperatorError } from '../base/errors.ts'
import { DEFAULTS, EXPORT_PROTOCOLS, type SamplePoints, type SimulatorConfig } from '../simulate/config.ts'
import { createSimulator, type Simulator } from '../simulate/simulator.ts'
import { TRUTH_HEADER, truthLine } from '../simulate/truth.ts'
import { createUdpSender, type UdpSender } from '../simulate/udp.ts'

interface Options {
  to: { host: string; port: number }
  seed: number
  hosts: number
  vms: number
  pps: number
  fps?: number
  sampling: number
  polling: number
  protocol: SimulatorConfig['protocol']
  sample: SamplePoints
  activeTimeout: number
  inactiveTimeout: number
  duration?: number
  count?: number
  speed: number
  max?: true
  start?: number
  truth?: string
}

export function addSimulate(program: Command): void {
  program
    .command('simulate')
    .description(
      'A simulated virtual data center whose switches export real sFlow, NetFlow or IPFIX, with known true totals.',
    )
    .addOption(
      new Option('--to <host:port>', 'where the datagrams go')
        .argParser(hostAndPort)
        .default({ host: '127.0.0.1', port: 6343 }, '127.0.0.1:6343'),
    )
    .option('--seed <n>', 'decides everything that is random', number, DEFAULTS.seed)
    .option('--hosts <n>', 'hosts, each with a virtual switch', number, DEFAULTS.hosts)
    .option('--vms <n>', 'virtual machines', number, DEFAULTS.vms)
    .option('--pps <n>', 'packets a second in the whole data center, averaged over a day', number, DEFAULTS.pps)
    .option('--fps <n>', 'samples a second instead: sets --pps to so many times the sampling', number)
    .option('--sampling <n>', 'one packet in so many is sampled', number, DEFAULTS.sampling)
    .option('--polling <seconds>', 'between the counters of an interface, host or VM', number, DEFAULTS.polling)
    .addOption(
      new Option('--protocol <name>', 'what the switches export; mixed: mostly sFlow')
        .choices([...EXPORT_PROTOCOLS, 'mixed'])
        .default(DEFAULTS.protocol),
    )
    .addOption(
      new Option(
        '--sample <ports>',
        'all-ports sees packets between hosts twice, at both hosts; the other sees each packet once',
      )
        .choices(['vm-ports+external', 'all-ports'])
        .default(DEFAULTS.sample),
    )
    .option(
      '--active-timeout <seconds>',
      'after which a NetFlow or IPFIX switch reports a flow that goes on',
      number,
      DEFAULTS.activeTimeout,
    )
    .option(
      '--inactive-timeout <seconds>',
      'after which it reports a flow that is silent',
      number,
      DEFAULTS.inactiveTimeout,
    )
    .option(
      '--duration <time>',
      'simulated time after which it ends, such as 90s, 10m, 2h (default: until stopped)',
      duration,
    )
    .option(
      '--count <n>',
      'datagrams after which it ends; the tenth of a second in which they are reached is sent whole',
      number,
    )
    .option('--speed <factor>', 'simulated seconds in one second', number, 1)
    .option('--max', 'as fast as this machine can')
    .option(
      '--start <time>',
      'simulated time of the start, ISO 8601 (default: now); collectors store samples by the time of receipt',
      moment,
    )
    .option(
      '--truth <file>',
      'writes the true totals of each minute, by VM, VLAN and interface, as tab separated values',
    )
    .action(run)
}

async function run(options: Options): Promise<void> {
  const truth = options.truth === undefined ? undefined : await openTruth(options.truth)
  const simulator = createSimulator(
    { ...options, pps: options.fps === undefined ? options.pps : options.fps * options.sampling },
    {
      clock: systemClock,
      send: (datagram, exporter) => sender.send(datagram, exporter),
      ...(truth === undefined ? {} : { truth: (row) => truth.write(truthLine(row)) }),
    },
    { speed: options.speed, ...(options.start === undefined ? {} : { startAt: options.start }) },
  )
  // The simulator names its exporters, which the sender has to know before the first datagram.
  const sender = createUdpSender(options.to, simulator.exporters)
  await sender.start()
  const { hosts, vms } = simulator.center
  process.stderr.write(
    `simulating ${hosts.length} hosts with ${vms.length} VMs, exporting to ${options.to.host}:${options.to.port}\n`,
  )
  const started = performance.now()
  await runUntilDone(simulator, sender, options)
  simulator.stop()
  await sender.stop()
  if (truth !== undefined) {
    truth.end()
    await once(truth, 'close')
  }
  const seconds = (performance.now() - started) / 1000
  const { packets, samples, datagrams, datagramBytes } = simulator.counts
  const { failed } = sender.sent()
  process.stderr.write(
    `${packets} packets, ${samples} samples, ${datagrams} datagrams (${datagramBytes} bytes) in ${seconds.toFixed(1)} s` +
      `, ${Math.round(samples / seconds)} samples/s${failed > 0 ? `, ${failed} not sent` : ''}\n`,
  )
}

/** Bytes that may wait in the sockets before the next tenth of a second is made. */
const QUEUE = 2_000_000

async function runUntilDone(simulator: Simulator, sender: UdpSender, options: Options): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const end = options.duration === undefined ? Infinity : simulator.now() + options.duration
  const done = (): boolean =>
    stop.signal.aborted || simulator.now() >= end || simulator.counts.datagrams >= (options.count ?? Infinity)
  if (options.max === true) {
    while (!done()) {
      simulator.step()
      await sender.drained(QUEUE)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return
  }
  simulator.start()
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 20))
}

async function openTruth(path: string): Promise<WriteStream> {
  const stream = createWriteStream(path)
  try {
    await once(stream, 'open')
  } catch (cause) {
    throw new OperatorError('truth_file', `can't write ${path}: ${(cause as Error).message}`, { cause })
  }
  stream.write(TRUTH_HEADER)
  return stream
}

function number(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kMG]?)$/.exec(text)
  if (match === null) throw new InvalidArgumentError('expected a number, such as 400, 250k or 2M')
  return Number(match[1]) * { '': 1, k: 1e3, M: 1e6, G: 1e9 }[match[2] as '' | 'k' | 'M' | 'G']
}

function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text)
  if (match === null) throw new InvalidArgumentError('expected a time, such as 90s, 10m or 2h')
  return (
    Number(match[1]) * { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[(match[2] ?? 's') as 'ms' | 's' | 'm' | 'h' | 'd']
  )
}

function moment(text: string): number {
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new InvalidArgumentError('expected a time, such as 2026-01-15T12:00:00Z')
  return time
}

function hostAndPort(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text)
  const port = Number(match?.[3])
  if (match === null || port < 1 || port > 65_535)
    throw new InvalidArgumentError('expected host:port, such as 127.0.0.1:6343 or [::1]:6343')
  return { host: match[1] ?? (match[2] as string), port }
}
