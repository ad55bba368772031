// `npm run soak`: meter, probe and collector at rate, for hours, in one run. In between the device goes and comes back, a
// collector can't be reached, the clocks of the exporters step. It fails if memory grows, if a counter drifts from the
// kernel's own, or if anything ends or complains that should not.
//
//   npm run soak -- [--minutes 180] [--rate 50000]

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { TopAnswer } from '../src/api/contract/query.ts'
import { createSflowReader } from '../src/collect/sflow-reader.ts'
import { cpuOf, processTree } from '../bench/machine.ts'
import { freePort, start, until, type Program } from '../test/interop/processes.ts'
import { startServer, temporaryFolder } from '../test/interop/server.ts'
import { growthOf, residentBytes } from './soak/memory.ts'
import { createNetwork, MACHINES, macOf, UPLINK_MAC } from './soak/network.ts'

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '180' }, rate: { type: 'string', default: '50000' } },
})
const seconds = Number(values.minutes) * 60
const rate = Number(values.rate)
if (!(seconds >= 60) || !(rate >= 100)) throw new Error('--minutes from 1, --rate from 100')

const MAIN = join(import.meta.dirname, '../src/cli/main.ts')
const MEGABYTE = 2 ** 20
const HOUR_MS = 3_600_000
/** Traffic rests after so many seconds at most, to be compared. */
const ROUND_SECONDS = Math.min(60, seconds / 10)
/** The store merges and caches as it likes. */
const SERVER_SLACK = 256 * MEGABYTE

const folder = temporaryFolder()
const failures: string[] = []
const began = performance.now()
const elapsed = (): number => (performance.now() - began) / 1000
const say = (sentence: string): void =>
  void process.stdout.write(`${elapsed().toFixed(0).padStart(6)} s  ${sentence}\n`)
const fail = (sentence: string): void => {
  failures.push(sentence)
  say(`FAILED: ${sentence}`)
}

const network = createNetwork(folder.path)
const server = await startServer(join(folder.path, 'data'))
/** Whatever the probe sends goes on to the collector, and its counters are read here. */
const relay = createSocket({ type: 'udp4', recvBufferSize: 8 * MEGABYTE })
const reader = createSflowReader()
const told = new Map<string, { frames: number; octets: number }>()
relay.on('message', (message) => {
  for (const sample of reader.read(message, '127.0.0.1')) {
    if (sample.kind !== 'counter_sample') continue
    const record = sample.records.find(({ type }) => type === 'if_counters') ?? {}
    const value = (name: string): number => Number((record as Record<string, unknown>)[name])
    const frames = ['ucast', 'multicast', 'broadcast'].reduce((sum, kind) => sum + value(`if_in_${kind}_pkts`), 0)
    told.set(sample.source, { frames, octets: value('if_in_octets') })
  }
  relay.send(message, server.port, '127.0.0.1')
})
relay.bind(0, '127.0.0.1')
await once(relay, 'listening')

/** A second collector, which can't be reached at times. */
const outagePort = await freePort()
let second: Socket | undefined
async function secondCollector(isThere: boolean): Promise<void> {
  if (!isThere) {
    second?.close()
    second = undefined
    return
  }
  second = createSocket('udp4')
  second.on('error', () => undefined)
  second.bind(outagePort, '127.0.0.1')
  await once(second, 'listening')
}
await secondCollector(true)

const clock = join(folder.path, 'clock')
const config = join(folder.path, 'vsprobed.conf')
writeFileSync(
  config,
  `sflow {
  agentip = 192.0.2.1
  counterpollinginterval = 1
  collector { ip = 127.0.0.1 udpport = ${relay.address().port} }
  collector { ip = 127.0.0.1 udpport = ${outagePort} }
  virtualswitch {
    pcap { device = ${network.device} }
    uplink { mac = ${UPLINK_MAC} }
${Array.from({ length: MACHINES }, (_, i) => `    virtualinterface { mac = ${macOf(i)} tagged = 1 }`).join('\n')}
  }
}
`,
)
const program = (...args: string[]): Program =>
  start(process.execPath, ['--import', join(import.meta.dirname, 'soak/clock.mjs'), MAIN, ...args], {
    env: { SOAK_CLOCK: clock },
  })
const targets = `127.0.0.1:${server.port},127.0.0.1:${outagePort}`
const meter = program('meter', '-i', network.device, '-v', '9', '-n', targets, '-t', 'maxlife=30', '--status', '1')
const probe = program('probe', '--config', config)
const exporters = [
  ['meter', meter],
  ['probe', probe],
] as const
await until('meter and probe to begin', () =>
  meter.output().includes('metering') && probe.output().includes('monitoring') ? true : undefined,
)

const watched = [...exporters, ['collector', server.program] as const].map(([name, { child }]) => ({
  name,
  pid: child.pid as number,
  child,
  samples: [] as number[],
}))
const sampling = setInterval(() => {
  for (const each of watched) {
    each.samples.push(residentBytes(processTree(each.pid)))
    const { exitCode, signalCode } = each.child
    if ((exitCode !== null || signalCode !== null) && !isOver) {
      fail(`the ${each.name} ended with ${exitCode ?? signalCode}`)
      isOver = true
    }
  }
}, 1000)
let isOver = false

/** What the kernel counted on devices that are gone. */
let gone = { frames: 0, octets: 0 }
const truth = (): { frames: number; octets: number } => {
  const { frames, octets } = network.counted()
  return { frames: gone.frames + frames, octets: gone.octets + octets }
}
const lastOf = (text: string, pattern: RegExp): number => Number([...text.matchAll(pattern)].at(-1)?.[1] ?? 0)
/** What the kernel had to drop for want of time is told by it, and by the meter each second. */
const droppedBy = (each: Program): number => lastOf(each.output(), /(\d+) dropped by the kernel/g)
const metered = (): number => lastOf(meter.output(), /^(\d+) packets, \d+ bytes of IP/gm)
const probed = (): { frames: number; octets: number } => {
  const all = [...told.values()]
  return {
    frames: all.reduce((sum, each) => sum + each.frames, 0),
    octets: all.reduce((sum, each) => sum + each.octets, 0),
  }
}

/** Waits until both have told all that the kernel counted; what they lack then is drift. */
async function compare(): Promise<void> {
  const { frames, octets } = truth()
  const isSame = (): boolean =>
    metered() + droppedBy(meter) === frames && probed().frames === frames && probed().octets === octets
  for (let i = 0; i < 100 && !isSame(); i++) await wait(100)
  if (isSame()) return
  const ours = probed()
  fail(
    `drift: the kernel counted ${frames} frames, ${octets} octets; the meter ${metered()} and ${droppedBy(meter)} dropped, the probe ${ours.frames} and ${ours.octets}`,
  )
}

async function stepClock(milliseconds: number): Promise<void> {
  writeFileSync(clock, String(milliseconds))
  for (const [, { child }] of exporters) child.kill('SIGUSR2')
  say(`the clocks of meter and probe are ${milliseconds / HOUR_MS} h off`)
  await wait(100)
}

async function withoutDevice(): Promise<void> {
  const before = network.counted()
  gone = { frames: gone.frames + before.frames, octets: gone.octets + before.octets }
  network.remove()
  const saidBy = (what: string, count: number): Promise<true> =>
    until(`both to say “${what}”`, () =>
      exporters.every(([, { output }]) => output().split(what).length > count) ? true : undefined,
    )
  await saidBy('is away', 1)
  network.add()
  await saidBy('is back', 1)
  say('the device went and came back')
}

/** Each at its part of the whole time. */
const events: { readonly at: number; readonly what: () => Promise<void> }[] = [
  { at: 0.2, what: withoutDevice },
  {
    at: 0.3,
    what: async () => {
      await secondCollector(false)
      say('a collector can’t be reached')
    },
  },
  { at: 0.4, what: () => stepClock(HOUR_MS) },
  { at: 0.5, what: () => stepClock(-HOUR_MS) },
  { at: 0.6, what: () => stepClock(0) },
  {
    at: 0.7,
    what: async () => {
      await secondCollector(true)
      say('the collector is there again')
    },
  },
]

try {
  say(`${values.minutes} minutes at ${rate} packets/s, compared each ${ROUND_SECONDS} s`)
  while (elapsed() < seconds && !isOver) {
    await network.send(Math.min(ROUND_SECONDS, Math.max(1, seconds - elapsed())), rate)
    await compare()
    while (events[0] && elapsed() / seconds >= events[0].at) await events.shift()?.what()
  }
  for (const { what } of events.splice(0)) await what()
  clearInterval(sampling)
  const isComplete = !isOver
  isOver = true
  if (isComplete) await endWell()
} catch (error) {
  fail(error instanceof Error ? (error.stack ?? error.message) : String(error))
} finally {
  clearInterval(sampling)
  isOver = true
  for (const [, each] of exporters) await each[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  second?.close()
  relay.close()
  network.close()
  folder.remove()
}
process.stdout.write(failures.length === 0 ? 'soaked: all is well\n' : `${failures.length} failed\n`)
process.exitCode = failures.length === 0 ? 0 : 1

/** Ends them one after the other, and holds what each said last against the others. */
async function endWell(): Promise<void> {
  const used = watched.map(
    ({ name, pid }) =>
      `${name} ${processTree(pid)
        .reduce((sum, each) => sum + cpuOf(each), 0)
        .toFixed(1)}`,
  )
  const { frames, octets } = truth()
  for (const [name, each] of exporters) {
    const status = await each.stop()
    if (status !== 0) fail(`the ${name} ended with ${status}: ${each.output().slice(-1000)}`)
    for (const line of each.output().split('\n'))
      if (/error|exception|warning|trace/i.test(line)) fail(`the ${name} said: ${line}`)
  }
  for (const [name, each] of exporters)
    if (droppedBy(each) > 0)
      say(`the kernel dropped ${droppedBy(each)} packets of the ${name}: a lower --rate shows more`)
  const last = lastOf(probe.output(), /ended: \S+ (\d+) frames/g)
  if (last + droppedBy(probe) !== frames) fail(`the probe ended with ${last} frames of ${frames}`)
  if (metered() + droppedBy(meter) !== frames) fail(`the meter ended with ${metered()} packets of ${frames}`)
  await compareStored(metered())
  for (const { name, samples } of watched) {
    const { first, last: now, grown, allowed } = growthOf(samples, name === 'collector' ? SERVER_SLACK : undefined)
    const text = `${name}: ${mebibytes(first)} to ${mebibytes(now)} MiB while warm, ${mebibytes(grown)} by its slope`
    if (grown > allowed) fail(`memory grows: ${text}`)
    else say(text)
  }
  say(`${frames} frames, ${octets} octets; CPU seconds: ${used.join(', ')}`)
  const status = await server.stop()
  if (status !== 0) fail(`the collector ended with ${status}`)
}

/** Every packet that was metered is stored, once. */
async function compareStored(frames: number): Promise<void> {
  const health = await server.health()
  const { datagrams } = health.ledger
  if (datagrams.kernelDropped + datagrams.rejected > 0)
    fail(`the collector lost datagrams: ${JSON.stringify(datagrams)}`)
  let stored = 0
  for (let i = 0; i < 100 && stored !== frames; i++) {
    await wait(200)
    const body = {
      from: Date.now() - seconds * 1000 - 3 * HOUR_MS,
      to: Date.now() + 3 * HOUR_MS,
      by: ['exporter'],
      limit: 10,
    }
    const answer = await fetch(`${server.url}/api/v1/query/top`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const rows = TopAnswer.parse(await answer.json()).rows
    stored = rows.find(({ key }) => String(key['exporter']).endsWith('127.0.0.1'))?.packets ?? 0
  }
  if (stored !== frames) fail(`the collector has ${stored} packets of the meter’s ${frames}`)
}

function mebibytes(bytes: number): string {
  return (bytes / MEGABYTE).toFixed(0)
}
