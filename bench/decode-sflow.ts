// Flow samples a second through the sFlow ingest on one core: datagrams of 6 samples from 100 agents, each a 128-byte raw header and an
// extended switch record, and the same with IPv6, QinQ, options and VXLAN mixed in and a router record more.
// Run: node bench/decode-sflow.ts [seconds] [rounds]; a batch holds 6,144 rows a round. Of one round it stays in the second-level cache, so
// that what is measured is decoding; with 20 rounds, as many as a server's batch has, it is the memory of the machine as well.
import { inlineDecoders } from '../src/collect/inlining.ts'
import { createSflowIngest } from '../src/collect/sflow.ts'
import type { Datagram, IngestSink } from '../src/collect/ingest.ts'
import { FlowBatch } from '../src/flow/flow-batch.ts'
import { MetricBatch } from '../src/flow/metric-batch.ts'

const SAMPLES = 6
const DATAGRAMS = 1024
const SLOT = 2048
/** Over all datagrams until the batch is full: then it is zeroed. */
const ROUNDS = Number(process.argv[3] ?? 1)
/** Batches in each slice that is measured: a quarter of a second and more, for the system counts the CPU time of a process in steps of 4 ms. */
const BATCHES = Math.ceil(500 / ROUNDS)

/** What the sampled headers are: `plain` is Ethernet, half of it tagged, IPv4, TCP or UDP; `mixed` is as much IPv6, QinQ, IPv4 options and VXLAN as that. */
type Mix = 'plain' | 'mixed'

/** One compact flow sample; answers where it ends. */
function writeSample(view: DataView, start: number, n: number, mix: Mix): number {
  let at = start
  const u32 = (value: number): void => {
    view.setUint32(at, value)
    at += 4
  }
  u32(1)
  u32(32 + 152 + 24 + (mix === 'mixed' ? 24 : 0))
  for (const word of [n, n % 48, 400, n * 400, 0, n % 48, (n + 7) % 48, mix === 'mixed' ? 3 : 2]) u32(word)
  u32(1)
  u32(144)
  for (const word of [1, 1518, 4, 128]) u32(word)
  const header = at
  view.setUint32(header, 0x52540000 + (n & 0xff))
  view.setUint32(header + 6, 0x52540001)
  view.setUint16(header + 10, n & 0xffff)
  let l3 = header + 14
  const kind = mix === 'plain' ? 0 : n % 8
  if (kind === QINQ) {
    view.setUint16(l3 - 2, 0x88a8)
    view.setUint16(l3, 300 + (n % 9))
    l3 += 4
  }
  if (kind === QINQ || n % 2 === 1) {
    view.setUint16(l3 - 2, 0x8100)
    view.setUint16(l3, 100 + (n % 20))
    l3 += 4
  }
  const v6 = kind === IPV6 || kind === IPV6_EXTENDED
  const protocol = kind === VXLAN || n % 5 === 0 ? 17 : 6
  view.setUint16(l3 - 2, v6 ? 0x86dd : 0x0800)
  const l4 = v6
    ? writeIpv6(view, l3, n, protocol, kind === IPV6_EXTENDED)
    : writeIpv4(view, l3, n, protocol, kind === OPTIONS ? 2 : 0)
  view.setUint16(l4, 1024 + (n % 60000))
  view.setUint16(l4 + 2, kind === VXLAN ? 4789 : 443)
  if (kind === VXLAN) {
    view.setUint32(l4 + 8, 0x08000000)
    view.setUint32(l4 + 12, (5000 + (n % 50)) << 8)
    view.setUint16(l4 + 16 + 12, 0x0800)
    const inner = writeIpv4(view, l4 + 30, n + 9, 6, 0)
    view.setUint16(inner, 443)
    view.setUint16(inner + 2, n % 60000)
    view.setUint8(inner + 13, 0x18)
  } else if (protocol === 6) view.setUint8(l4 + 13, 0x10)
  at += 128
  u32(1001)
  u32(16)
  for (const word of [100 + (n % 20), 0, 100 + (n % 20), 0]) u32(word)
  if (mix === 'mixed') {
    u32(1002)
    u32(16)
    for (const word of [1, 0x0a000001, 24, 24]) u32(word)
  }
  return at
}

// Of eight mixed samples
const IPV6 = 1
const IPV6_EXTENDED = 2
const QINQ = 3
const VXLAN = 4
const OPTIONS = 5

function writeIpv4(view: DataView, at: number, n: number, protocol: number, optionWords: number): number {
  view.setUint8(at, 0x45 + optionWords)
  view.setUint16(at + 2, 1500)
  view.setUint8(at + 8, 64)
  view.setUint8(at + 9, protocol)
  view.setUint32(at + 12, 0x0a000000 + (n & 0xffff))
  view.setUint32(at + 16, 0xc0a80000 + ((n * 7) & 0xffff))
  for (let i = 0; i < optionWords; i++) view.setUint32(at + 20 + 4 * i, 0x01010101)
  return at + 20 + 4 * optionWords
}

function writeIpv6(view: DataView, at: number, n: number, protocol: number, extended: boolean): number {
  view.setUint32(at, 0x60000000)
  view.setUint16(at + 4, 1460)
  view.setUint8(at + 6, extended ? 0 : protocol)
  view.setUint8(at + 7, 64)
  view.setUint32(at + 8, 0x20010db8)
  view.setUint32(at + 20, n)
  view.setUint32(at + 24, 0x20010db8)
  view.setUint32(at + 36, n * 3)
  // A hop-by-hop header of 8 bytes
  if (extended) view.setUint8(at + 40, protocol)
  return at + (extended ? 48 : 40)
}

/** Datagrams of one mix, each in a slot of its own. */
interface Datagrams {
  readonly mix: Mix
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly lengths: readonly number[]
  /** CPU nanoseconds a sample, of each slice measured. */
  readonly slices: number[]
}

function datagramsOf(mix: Mix): Datagrams {
  const bytes = new Uint8Array(DATAGRAMS * SLOT)
  const view = new DataView(bytes.buffer)
  const lengths: number[] = []
  for (let d = 0; d < DATAGRAMS; d++) {
    let at = d * SLOT
    for (const word of [5, 1, 0x0a010000 + (d % 100), 0, Math.floor(d / 100) + 1, 1000 * d, SAMPLES]) {
      view.setUint32(at, word)
      at += 4
    }
    for (let s = 0; s < SAMPLES; s++) at = writeSample(view, at, d * SAMPLES + s, mix)
    lengths.push(at - d * SLOT)
  }
  return { mix, bytes, view, lengths, slices: [] }
}

function main(): void {
  const seconds = Number(process.argv[2] ?? 12)
  inlineDecoders()
  const ingest = createSflowIngest({ seed: 1 }, { clock: { now: () => 0 } })
  const batch = new FlowBatch(ROUNDS * DATAGRAMS * SAMPLES)
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
  const mixes = [datagramsOf('plain'), datagramsOf('mixed')] as const
  const datagram: Datagram = {
    bytes: mixes[0].bytes,
    view: mixes[0].view,
    offset: 0,
    length: 0,
    receivedAt: 1_750_000_000_000,
    source0: 0,
    source1: 0,
    source2: 0xffff0000,
    source3: 0x0100007f,
    sourcePort: 40000,
  }
  const fill = (of: Datagrams, batches: number): number => {
    datagram.bytes = of.bytes
    datagram.view = of.view
    let rows = 0
    for (let d = 0; d < batches * ROUNDS * DATAGRAMS; d++) {
      datagram.offset = (d % DATAGRAMS) * SLOT
      datagram.length = of.lengths[d % DATAGRAMS] as number
      rows += ingest.datagram(datagram, sink)
    }
    return rows
  }
  const slice = (of: Datagrams): number => {
    const before = process.cpuUsage()
    const rows = fill(of, BATCHES)
    const { user, system } = process.cpuUsage(before)
    return ((user + system) * 1000) / rows
  }
  const warm = performance.now() + 1500
  while (performance.now() < warm) for (const mix of mixes) fill(mix, 1)
  const until = performance.now() + seconds * 1000
  // By turns, so that other work on the machine slows both alike
  while (performance.now() < until) for (const mix of mixes) mix.slices.push(slice(mix))
  const quantile = (of: Datagrams, part: number): number => {
    const slices = of.slices.toSorted((x, y) => x - y)
    return slices[Math.floor(part * (slices.length - 1))] as number
  }
  const text = (nanos: number): string => `${(1000 / nanos).toFixed(2)} M (${nanos.toFixed(0)} ns each)`
  // Other work only ever adds time: the best slice is nearest to what the code costs
  for (const mix of mixes)
    process.stdout.write(
      `${mix.mix.padEnd(5)} samples a CPU second, zeroed columns included: best ${text(quantile(mix, 0))}, median ${text(quantile(mix, 0.5))} of ${mix.slices.length} slices\n`,
    )
  const times = (part: number): string => (quantile(mixes[1], part) / quantile(mixes[0], part)).toFixed(2)
  process.stdout.write(`mixed takes ${times(0)} times as long (best), ${times(0.5)} (median)\n`)
}

main()
