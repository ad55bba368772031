// Bytes that decoding allocates a record in steady state, by V8's sampling heap profiler, which also counts what was collected meanwhile; and by
// how much the heap grew. Run: node --expose-gc bench/allocation.ts [million records]
import { Session, type HeapProfiler } from 'node:inspector/promises'
import { inlineDecoders } from '../src/collect/inlining.ts'
import type { Datagram, Ingest, IngestSink } from '../src/collect/ingest.ts'
import { createNetflowIngest } from '../src/collect/netflow.ts'
import { createSflowIngest } from '../src/collect/sflow.ts'
import { FlowBatch } from '../src/flow/flow-batch.ts'
import { MetricBatch } from '../src/flow/metric-batch.ts'
import { netflow9Datagrams, type Prepared, sflowDatagrams } from './udp-blast-datagrams.ts'

const MILLIONS = Number(process.argv[2] ?? 20)
const OPTIONS = { count: 1024, hosts: 20_000, seed: 1 }
/** Bytes between two samples of the profiler: small, so that little escapes it. */
const INTERVAL = 512

const batch = new FlowBatch()
const sink: IngestSink = {
  flows: batch,
  metrics: new MetricBatch(),
  room(rows) {
    // Zeroing a batch, which is not the decoder's work, makes a view of each column
    if (batch.n + rows > batch.capacity) batch.n = 0
    return true
  },
  sighting() {},
  problem(code) {
    throw new Error(`problem ${code}`)
  },
}

function decode(ingest: Ingest, prepared: Prepared, records: number, datagram: Datagram): number {
  let made = 0
  let d = 0
  while (made < records) {
    datagram.offset = d * prepared.size
    made += ingest.datagram(datagram, sink)
    d = d + 1 === prepared.count ? 0 : d + 1
  }
  return made
}

interface Site {
  readonly name: string
  readonly bytes: number
}

function sitesOf(node: HeapProfiler.SamplingHeapProfileNode, into: Site[]): Site[] {
  const { functionName, url, lineNumber } = node.callFrame
  if (node.selfSize > 0)
    into.push({ name: `${functionName || '(top)'} ${url.split('/').at(-1)}:${lineNumber + 1}`, bytes: node.selfSize })
  for (const child of node.children) sitesOf(child, into)
  return into
}

async function measure(name: string, ingest: Ingest, prepared: Prepared): Promise<void> {
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
  for (let d = 0; d < prepared.count; d++)
    prepared.stamp(datagram.view, d * prepared.size, d + 1, 0, datagram.receivedAt)
  if (prepared.template) {
    const view = new DataView(prepared.template)
    prepared.stamp(view, 0, 0, 0, datagram.receivedAt)
    const template = { ...datagram, bytes: new Uint8Array(prepared.template), view, length: view.byteLength }
    ingest.datagram(template, sink)
  }
  // Until everything is compiled and every stream is known; a full collection throws code away, so once more after it
  decode(ingest, prepared, 5e6, datagram)
  globalThis.gc?.()
  const heap = process.memoryUsage().heapUsed
  decode(ingest, prepared, 5e6, datagram)
  const session = new Session()
  session.connect()
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: INTERVAL,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  })
  const made = decode(ingest, prepared, MILLIONS * 1e6, datagram)
  const { profile } = await session.post('HeapProfiler.stopSampling')
  session.disconnect()
  globalThis.gc?.()
  const grown = process.memoryUsage().heapUsed - heap
  const sites = sitesOf(profile.head, []).sort((x, y) => y.bytes - x.bytes)
  const bytes = sites.reduce((sum, site) => sum + site.bytes, 0)
  process.stdout.write(
    `${name.padEnd(9)} ${(made / 1e6).toFixed(0)} M records: ${bytes} bytes allocated, ${(bytes / made).toFixed(6)} a record; heap ${grown} bytes more\n`,
  )
  for (const site of sites.slice(0, 3)) process.stdout.write(`  ${site.bytes} in ${site.name}\n`)
}

inlineDecoders()
const clock = { clock: { now: () => 0 } }
await measure('sflow', createSflowIngest({ seed: 1 }, clock), sflowDatagrams(OPTIONS))
await measure('netflow9', createNetflowIngest({}, clock), netflow9Datagrams(OPTIONS))
