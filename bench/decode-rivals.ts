// CPU seconds per million records on the same datagrams: decoded into columns here, from memory, one core; and received, decoded and written to
// their files by nfcapd and sfcapd. What receiving costs here too is in bench/receive.ts. Linux only; needs nfdump.
// Run: node bench/decode-rivals.ts [seconds]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { inlineDecoders } from '../src/collect/inlining.ts'
import type { Datagram, Ingest, IngestSink } from '../src/collect/ingest.ts'
import { createNetflowIngest } from '../src/collect/netflow.ts'
import { createSflowIngest } from '../src/collect/sflow.ts'
import { FlowBatch } from '../src/flow/flow-batch.ts'
import { MetricBatch } from '../src/flow/metric-batch.ts'
import { machineLine } from './machine.ts'
import { startNfdumpCollector } from './nfdump-collector.ts'
import { netflow9Datagrams, type Prepared, sflowDatagrams } from './udp-blast-datagrams.ts'

const SECONDS = Number(process.argv[2] ?? 5)
/** Slow enough that nothing is lost. */
const RATE = 10_000
const OPTIONS = { count: 4096, hosts: 200_000, seed: 1 }

const batch = new FlowBatch()
const sink: IngestSink = {
  flows: batch,
  metrics: new MetricBatch(),
  room(rows) {
    if (batch.n + rows > batch.capacity) batch.clear()
    return true
  },
  sighting() {},
  problem(code) {
    throw new Error(`problem ${code}`)
  },
}

/** CPU seconds per million records: best of slices. */
function ours(ingest: Ingest, prepared: Prepared): number {
  const datagram: Datagram = {
    bytes: new Uint8Array(prepared.bytes),
    view: new DataView(prepared.bytes),
    offset: 0,
    length: prepared.size,
    receivedAt: 1_760_000_000_000,
    source0: 0,
    source1: 0,
    source2: 0xffff0000,
    source3: 0x0100007f,
    sourcePort: 2055,
  }
  let sequence = 0
  if (prepared.template) {
    const view = new DataView(prepared.template)
    prepared.stamp(view, 0, sequence++, 0, datagram.receivedAt)
    const template = { ...datagram, bytes: new Uint8Array(prepared.template), view, length: view.byteLength }
    ingest.datagram(template, sink)
  }
  const slices: number[] = []
  const until = performance.now() + (SECONDS + 1) * 1000
  while (performance.now() < until) {
    for (let d = 0; d < prepared.count; d++)
      prepared.stamp(datagram.view, d * prepared.size, sequence++, 0, datagram.receivedAt)
    const before = process.cpuUsage()
    let rows = 0
    for (let d = 0; d < prepared.count; d++) {
      datagram.offset = d * prepared.size
      rows += ingest.datagram(datagram, sink)
    }
    const { user, system } = process.cpuUsage(before)
    slices.push((user + system) / rows)
  }
  slices.sort((x, y) => x - y)
  return slices[Math.floor(slices.length / 2)] as number
}

async function theirs(program: 'nfcapd' | 'sfcapd', kind: string): Promise<{ cpu: number; records: number }> {
  const rival = await startNfdumpCollector(program)
  try {
    const before = rival.cpuSeconds()
    const flags = [
      '--to',
      `127.0.0.1:${rival.port}`,
      '--kind',
      kind,
      '--rate',
      String(RATE),
      '--seconds',
      String(SECONDS),
    ]
    const sender = spawn(process.execPath, [new URL('./udp-blast.ts', import.meta.url).pathname, ...flags], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    sender.stdout.resume()
    await once(sender, 'exit')
    await pause(1000)
    const cpu = rival.cpuSeconds() - before
    await rival.stop()
    return { cpu, records: rival.totals().flows }
  } finally {
    rival.remove()
  }
}

inlineDecoders()
process.stdout.write(`${machineLine()}\n`)
const clock = { clock: { now: () => 0 } }
for (const [kind, program, ingest, prepared] of [
  ['v9', 'nfcapd', createNetflowIngest({}, clock), netflow9Datagrams(OPTIONS)],
  ['sflow', 'sfcapd', createSflowIngest({ seed: 1 }, clock), sflowDatagrams(OPTIONS)],
] as const) {
  const mine = ours(ingest, prepared)
  const rival = await theirs(program, kind)
  const perMillion = (rival.cpu * 1e6) / rival.records
  process.stdout.write(
    `${kind.padEnd(5)} CPU seconds per million records: decoded into columns ${mine.toFixed(3)}, ${program} with receiving and writing ${perMillion.toFixed(3)} (${rival.records} records)\n`,
  )
}
