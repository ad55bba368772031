import { BATCH_ROWS, FlowBatch } from '../src/flow/flow-batch.ts'
import { randomFrom, setTime } from '../src/store/store.fixture.ts'

// Flows of a busy campus, for measurements: 20,000 inside hosts in 40 VLANs, 200,000 outside, every client port another, a
// few scanners, 50 exporters. Harder to store than simulated traffic, in which few conversations recur.

const INSIDE = 20_000
const OUTSIDE = 200_000
const EXPORTERS = 50
const SERVICES = [
  443, 80, 53, 22, 25, 123, 3389, 8080, 993, 5432, 6379, 3306, 445, 389, 161, 514, 9100, 2049, 3260, 10_000,
]

export interface DiverseRows {
  readonly names: readonly string[]
  /** Fills a batch with the next rows, so many a second of receipt time. */
  fill(batch: FlowBatch, rows: number): void
}

export function createDiverseRows(seed: number, startAt: number, rowsPerSecond: number): DiverseRows {
  const random = randomFrom(seed)
  const unit = (): number => random() / 2 ** 32
  /** Ranks as in Zipf's law: half of all at the top of the list. */
  const rank = (count: number, skew: number): number => Math.min(count - 1, Math.floor(count * unit() ** skew))
  const names = ['', ...Array.from({ length: INSIDE / 10 }, (_, i) => `vm-${i + 1}.example`)]
  let made = 0

  function address(words: Uint32Array, row: number, host: number, inside: boolean): void {
    const v6 = host % 7 === 0
    const bytes = new Uint8Array(words.buffer, words.byteOffset + row * 16, 16)
    const hashed = Math.imul(host + 1, 2_654_435_761) >>> 0
    if (v6) {
      bytes.set(inside ? [0x20, 1, 0xd, 0xb8, 0, host % 40] : [0x26, 0x00, hashed >>> 24, (hashed >>> 16) & 255, 0, 1])
      bytes.set([(hashed >>> 24) & 255, (hashed >>> 16) & 255, (hashed >>> 8) & 255, hashed & 255], 12)
      return
    }
    bytes.set(
      [
        0xff,
        0xff,
        ...(inside
          ? [10, host % 40, (host >> 8) & 255, host & 255]
          : [23 + ((hashed >>> 24) % 180), (hashed >>> 16) & 255, (hashed >>> 8) & 255, hashed & 255]),
      ],
      10,
    )
  }

  return {
    names,
    fill(batch, rows) {
      for (let i = 0; i < rows; i++, made++) {
        const now = startAt + Math.floor((made / rowsPerSecond) * 1000)
        const host = rank(INSIDE, 3)
        const other = rank(OUTSIDE, 2.5)
        const outward = unit() < 0.5
        const vlan = host % 40
        const service = SERVICES[rank(SERVICES.length, 2)] as number
        const client = 1024 + (random() % 64_000)
        const packets = Math.min(1e6, Math.ceil(1 / (1 - unit()) ** 0.8))
        const lasted = Math.floor(unit() ** 3 * 60_000)
        address(batch.src_addr, i, outward ? host : other, outward)
        address(batch.dst_addr, i, outward ? other : host, !outward)
        setTime(batch.time_received, i, now)
        setTime(batch.time_start, i, now - lasted - 5)
        setTime(batch.time_end, i, now - (random() % 1000))
        new Uint8Array(batch.exporter.buffer, batch.exporter.byteOffset + i * 16 + 10, 6).set([
          0xff,
          0xff,
          192,
          0,
          2,
          vlan % EXPORTERS,
        ])
        batch.protocol[i] = 10
        batch.source_if[i] = vlan
        batch.in_if[i] = outward ? 100 + vlan : 1
        batch.out_if[i] = outward ? 1 : 100 + vlan
        batch.sampling_rate[i] = 1
        batch.src_mac[2 * i] = outward ? host : 0x1234
        batch.src_mac[2 * i + 1] = 0x0200
        batch.dst_mac[2 * i] = outward ? 0x1234 : host
        batch.dst_mac[2 * i + 1] = 0x0200
        batch.vlan_in[i] = 100 + vlan
        batch.ethertype[i] = (outward ? host : other) % 7 === 0 ? 0x86dd : 0x0800
        batch.proto[i] = service === 53 || service === 123 ? 17 : 6
        batch.src_port[i] = outward ? client : service
        batch.dst_port[i] = outward ? service : client
        batch.tcp_flags[i] = batch.proto[i] === 6 ? (([0x1b, 0x02, 0x12, 0x1f] as const)[random() % 4] as number) : 0
        batch.ttl[i] = outward ? 64 : 50 + (random() % 8)
        batch.src_as[i] = outward ? 0 : (other % 5000) + 1
        batch.dst_as[i] = outward ? (other % 5000) + 1 : 0
        setTime(batch.packets, i, packets)
        setTime(batch.bytes, i, packets * (60 + (random() % 1400)))
        batch.src_vm[i] = outward ? (host % (INSIDE / 10)) + 1 : 0
        batch.dst_vm[i] = outward ? 0 : (host % (INSIDE / 10)) + 1
        batch.locality[i] = 4
        batch.counted[i] = 1
      }
      batch.n = rows
    },
  }
}

/** Batches of at most `batchRows` rows until there are so many; `take` may keep a batch only until it resolves. */
export async function diverseRows(
  rows: number,
  startAt: number,
  take: (batch: FlowBatch, names: readonly string[]) => Promise<unknown>,
  batchRows = BATCH_ROWS,
): Promise<void> {
  const source = createDiverseRows(1, startAt, 20_000)
  const batch = new FlowBatch(batchRows)
  for (let left = rows; left > 0; left -= batch.n) {
    batch.clear()
    source.fill(batch, Math.min(left, batchRows))
    await take(batch, source.names)
  }
}
