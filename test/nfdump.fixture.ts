// The same flows in nfdump's files and in the store, for what is asked of both.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { parseIp } from '../src/base/address.ts'
import { systemClock } from '../src/base/clock.ts'
import type { Datagram, IngestSink } from '../src/collect/ingest.ts'
import { createNetflowIngest } from '../src/collect/netflow.ts'
import { FlowBatch } from '../src/flow/flow-batch.ts'
import { MetricBatch } from '../src/flow/metric-batch.ts'
import type { EmbeddedStore } from '../src/store/embedded.ts'
import { createLoader } from '../src/store/loader.ts'
import { createSpool } from '../src/store/spool.ts'
import { createPlace, randomFrom, startStore, type Place } from '../src/store/store.fixture.ts'
import { Netflow9Encoder, type Netflow9Template } from '../src/wire/netflow9/encode.ts'
import { intoNfcapd } from './interop/peers.ts'

/** Far enough ahead that no retention takes it away. */
export const NOON = Date.UTC(2031, 0, 15, 12)
export const FLOWS = 1500

// Elements and their lengths (RFC 3954 §8), in the order in which `record` writes them.
const COMMON: readonly (readonly [type: number, length: number])[] = [
  [10, 4],
  [14, 4],
  [1, 8],
  [2, 8],
  [22, 4],
  [21, 4],
  [6, 1],
  [4, 1],
  [5, 1],
  [52, 1],
  [16, 4],
  [17, 4],
  [58, 2],
  [59, 2],
  [56, 6],
  [80, 6],
  [61, 1],
  [89, 1],
  [70, 3],
]
const IPV4 = [8, 12, 15].map((type): readonly [number, number] => [type, 4])
const IPV6 = [27, 28, 62].map((type): readonly [number, number] => [type, 16])
const TCP_UDP = [
  [7, 2],
  [11, 2],
] as const
const ICMP = [[32, 2]] as const
const MASKS4 = [
  [9, 1],
  [13, 1],
] as const
const MASKS6 = [
  [29, 1],
  [30, 1],
] as const

function templateOf(id: number, ...groups: readonly (readonly (readonly [number, number])[])[]): Netflow9Template {
  return { id, fields: groups.flat().map(([type, length]) => ({ type, length })) }
}
const TEMPLATES = {
  v4: templateOf(256, IPV4, MASKS4, TCP_UDP, COMMON),
  v6: templateOf(257, IPV6, MASKS6, TCP_UDP, COMMON),
  icmp4: templateOf(258, IPV4, MASKS4, ICMP, COMMON),
  icmp6: templateOf(259, IPV6, MASKS6, ICMP, COMMON),
}

/** NetFlow version 9 datagrams of many kinds of flows, the same each time. */
function datagrams(): Buffer[] {
  const random = randomFrom(9)
  const below = (limit: number): number => random() % limit
  const of = <T>(...values: readonly T[]): T => values[below(values.length)] as T
  const sent: Buffer[] = []
  const encoder = new Netflow9Encoder({ sourceId: 77 }, (bytes) => sent.push(Buffer.from(bytes)))
  encoder.now = NOON
  encoder.uptime = 3_600_000
  for (const template of Object.values(TEMPLATES)) encoder.template(template)
  const address = (v6: boolean): Uint8Array => {
    const text = v6
      ? of('2001:db8::', '2001:db8:1::', 'fd00::') + (1 + below(4))
      : of('10.0.0.', '10.0.1.', '172.16.5.', '192.168.1.', '203.0.113.') + (1 + below(4))
    const bytes = parseIp(text) as Uint8Array
    return v6 ? bytes : bytes.subarray(12)
  }
  for (let i = 0; i < FLOWS; i++) {
    const v6 = below(4) === 0
    const proto = of(6, 6, 6, 17, 17, v6 ? 58 : 1, 47, 50, 132)
    const isIcmp = proto === 1 || proto === 58
    const template = TEMPLATES[`${isIcmp ? 'icmp' : 'v'}${v6 ? 6 : 4}`]
    encoder.beginRecord(template)
    for (let a = 0; a < 3; a++) encoder.octets(address(v6))
    encoder.u8(of(0, 8, 24, 32))
    encoder.u8(of(0, 16, 24, 32))
    if (isIcmp) encoder.u16(of(0x0000, 0x0800, 0x0300, 0x0301, 0x8000, 0x8100))
    else {
      const ports = proto !== 47 && proto !== 50
      encoder.u16(ports ? of(53, 80, 443, 1024 + below(64_000)) : 0)
      encoder.u16(ports ? of(22, 53, 80, 443, 8000 + below(100), 1024 + below(64_000)) : 0)
    }
    encoder.u32(of(1, 2, 3, 70_000))
    encoder.u32(of(1, 2, 3, 4))
    const packets = of(1, 1, 2, 10, 1 + below(5000))
    encoder.u64(packets * (40 + below(1460)) + below(packets))
    encoder.u64(packets)
    const first = 3_000_000 + below(500_000)
    encoder.u32(first)
    encoder.u32(first + of(0, 0, 1, 1000, 5000, below(90_000)))
    encoder.u8(proto === 6 ? of(0x02, 0x12, 0x10, 0x18, 0x1b, 0x04, 0x14, 0x29, 0xc2, 0) : 0)
    encoder.u8(proto)
    encoder.u8(of(0, 0, 8, 46 << 2, 255))
    encoder.u8(of(1, 32, 63, 64, 128, 255))
    encoder.u32(of(0, 64_500, 65_000, 4_200_000_001))
    encoder.u32(of(0, 64_500, 64_512))
    encoder.u16(of(0, 0, 110, 120, 4000))
    encoder.u16(of(0, 110, 130))
    for (let m = 0; m < 2; m++) encoder.octets(Uint8Array.of(2, 0, 0x5e, 0x10, 0, 1 + below(3)))
    encoder.u8(below(2))
    encoder.u8(of(64, 64, 128, 131))
    const label = of(0, 16, 3001, 500_000)
    encoder.octets(Uint8Array.of(label >> 12, (label >> 4) & 0xff, ((label & 15) << 4) | (label === 0 ? 0 : 1)))
    encoder.endRecord()
  }
  encoder.flush()
  return sent
}

export interface Peers {
  readonly store: EmbeddedStore
  /** nfcapd's files. */
  readonly folder: string
  stop(): Promise<void>
}

/** A store and nfdump's files that were sent the same datagrams. */
export async function startPeers(): Promise<Peers> {
  const place = await createPlace()
  mkdirSync(place.dir, { recursive: true })
  const folder = mkdtempSync(join(place.dir, 'nfcapd-'))
  const store = await startStore(place.data)
  const sent = datagrams()
  await Promise.all([intoStore(sent, place, store), intoNfcapd(sent, folder)])
  return {
    store,
    folder,
    stop: async () => {
      await store.stop()
      await place.remove()
    },
  }
}

/** Through the collector's own ingest, spool and loader. */
async function intoStore(sent: readonly Buffer[], place: Place, store: EmbeddedStore): Promise<void> {
  const clock = { now: () => NOON }
  const ingest = createNetflowIngest({}, { clock })
  const sink: IngestSink = {
    flows: new FlowBatch(),
    room: (rows) => sink.flows.n + rows <= sink.flows.capacity,
    metrics: new MetricBatch(),
    sighting: () => undefined,
    problem: (code, offset) => assert.fail(`${code} at ${offset}`),
  }
  const [source0, source1, source2, source3] = [0, 0, 0x0000_ffff, 0x7f00_0001]
  for (const bytes of sent) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const given = { bytes, view, offset: 0, length: bytes.length, receivedAt: NOON, sourcePort: 9 }
    const at = new DataView(new ArrayBuffer(16))
    ;[source0, source1, source2, source3].forEach((word, i) => at.setUint32(4 * i, word))
    const raw = (i: number): number => at.getUint32(4 * i, true)
    ingest.datagram(
      { ...given, source0: raw(0), source1: raw(1), source2: raw(2), source3: raw(3) } as unknown as Datagram,
      sink,
    )
  }
  assert.equal(sink.flows.n, FLOWS)
  const spool = createSpool({ dir: place.spool, maxBytes: 1e9 }, { clock: systemClock })
  const loader = createLoader({ dir: place.spool }, { store, clock: systemClock })
  await spool.start()
  await loader.start()
  try {
    assert.deepEqual(await spool.write(sink.flows, ['']), { accepted: FLOWS, refused: 0 })
    await loader.drained()
  } finally {
    await loader.stop()
  }
}
