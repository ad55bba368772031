// Flow samples a second through the sFlow ingest on one core: datagrams of 6 samples, each a 128-byte raw header, an extended switch
// and an extended router record, from 100 agents. Run: node bench/decode-sflow.ts [seconds]
import { inlineDecoders } from '../src/collect/inlining.ts'
import { createSflowIngest } from '../src/collect/sflow.ts'
import type { Datagram, IngestSink } from '../src/collect/ingest.ts'
import { FlowBatch } from '../src/flow/flow-batch.ts'
import { MetricBatch } from '../src/flow/metric-batch.ts'

const SAMPLES = 6
const DATAGRAMS = 1024
const SLOT = 2048

/** One compact flow sample; answers where it ends. */
function writeSample(view: DataView, start: number, n: number): number {
  let at = start
  const u32 = (value: number): void => {
    view.setUint32(at, value)
    at += 4
  }
  u32(1)
  u32(32 + 152 + 24 + 24)
  for (const word of [n, n % 48, 400, n * 400, 0, n % 48, (n + 7) % 48, 3]) u32(word)
  u32(1)
  u32(144)
  for (const word of [1, 1518, 4, 128]) u32(word)
  const header = at
  view.setUint32(header, 0x52540000 + (n & 0xff))
  view.setUint32(header + 6, 0x52540001)
  view.setUint16(header + 10, n & 0xffff)
  // Every other frame is tagged, one in eight is IPv6, one in eight VXLAN
  let l3 = header + 14
  const v6 = n % 8 === 0
  if (n % 2 === 1) {
    view.setUint16(header + 12, 0x8100)
    view.setUint16(header + 14, 100 + (n % 20))
    l3 += 4
  }
  view.setUint16(l3 - 2, v6 ? 0x86dd : 0x0800)
  const l4 = v6 ? writeIpv6(view, l3, n) : writeIpv4(view, l3, n, n % 8 === 3 ? 17 : 6)
  view.setUint16(l4, 1024 + (n % 60000))
  view.setUint16(l4 + 2, n % 8 === 3 ? 4789 : 443)
  if (n % 8 === 3) {
    view.setUint32(l4 + 8, 0x08000000)
    view.setUint32(l4 + 12, (5000 + (n % 50)) << 8)
    view.setUint16(l4 + 16 + 12, 0x0800)
    const inner = writeIpv4(view, l4 + 30, n + 9, 6)
    view.setUint16(inner, 443)
    view.setUint16(inner + 2, n % 60000)
    view.setUint8(inner + 13, 0x18)
  } else view.setUint8(l4 + 13, 0x10)
  at += 128
  u32(1001)
  u32(16)
  for (const word of [100 + (n % 20), 0, 100 + (n % 20), 0]) u32(word)
  u32(1002)
  u32(16)
  for (const word of [1, 0x0a000001, 24, 24]) u32(word)
  return at
}

function writeIpv4(view: DataView, at: number, n: number, protocol: number): number {
  view.setUint8(at, 0x45)
  view.setUint16(at + 2, 1500)
  view.setUint8(at + 8, 64)
  view.setUint8(at + 9, protocol)
  view.setUint32(at + 12, 0x0a000000 + (n & 0xffff))
  view.setUint32(at + 16, 0xc0a80000 + ((n * 7) & 0xffff))
  return at + 20
}

function writeIpv6(view: DataView, at: number, n: number): number {
  view.setUint32(at, 0x60000000)
  view.setUint16(at + 4, 1460)
  view.setUint8(at + 6, 6)
  view.setUint8(at + 7, 64)
  view.setUint32(at + 8, 0x20010db8)
  view.setUint32(at + 20, n)
  view.setUint32(at + 24, 0x20010db8)
  view.setUint32(at + 36, n * 3)
  return at + 40
}

function main(): void {
  const seconds = Number(process.argv[2] ?? 3)
  const bytes = new Uint8Array(DATAGRAMS * SLOT)
  const view = new DataView(bytes.buffer)
  const lengths: number[] = []
  for (let d = 0; d < DATAGRAMS; d++) {
    let at = d * SLOT
    for (const word of [5, 1, 0x0a010000 + (d % 100), 0, Math.floor(d / 100) + 1, 1000 * d, SAMPLES]) {
      view.setUint32(at, word)
      at += 4
    }
    for (let s = 0; s < SAMPLES; s++) at = writeSample(view, at, d * SAMPLES + s)
    lengths.push(at - d * SLOT)
  }

  inlineDecoders()
  const ingest = createSflowIngest({ seed: 1 }, { clock: { now: () => 0 } })
  const batch = new FlowBatch()
  const sink: IngestSink = {
    flows: batch,
    metrics: new MetricBatch(),
    room(rows) {
      if (batch.n + rows > batch.capacity) batch.clear()
      return true
    },
    sighting() {},
    problem() {},
  }
  const datagram: Datagram = {
    bytes,
    view,
    offset: 0,
    length: 0,
    receivedAt: 1_750_000_000_000,
    source0: 0,
    source1: 0,
    source2: 0xffff0000,
    source3: 0x0100007f,
    sourcePort: 40000,
  }
  /** Four rounds over all datagrams: CPU nanoseconds a sample. */
  const slice = (): number => {
    const before = process.cpuUsage()
    let rows = 0
    for (let d = 0; d < 4 * DATAGRAMS; d++) {
      datagram.offset = (d % DATAGRAMS) * SLOT
      datagram.length = lengths[d % DATAGRAMS] as number
      rows += ingest.datagram(datagram, sink)
    }
    const { user, system } = process.cpuUsage(before)
    return ((user + system) * 1000) / rows
  }
  const warm = performance.now() + 1000
  while (performance.now() < warm) slice()
  const heap = process.memoryUsage().heapUsed
  const slices: number[] = []
  const until = performance.now() + seconds * 1000
  while (performance.now() < until) slices.push(slice())
  const grown = process.memoryUsage().heapUsed - heap
  slices.sort((x, y) => x - y)
  const quantile = (part: number): string => {
    const nanos = slices[Math.floor(part * (slices.length - 1))] as number
    return `${(1000 / nanos).toFixed(2)} M (${nanos.toFixed(0)} ns each)`
  }
  // Other work on the machine only ever adds time: the best slice is nearest to what the code costs
  process.stdout.write(
    `samples a CPU second, zeroed columns included: best ${quantile(0)}, median ${quantile(0.5)} of ${slices.length} slices; heap ${(grown / 1048576).toFixed(1)} MiB more\n`,
  )
}

main()
