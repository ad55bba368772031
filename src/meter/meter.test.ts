import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { frameOf, someFlows, type KnownFlow } from '../../test/interop/frames.ts'
import { createPacketBlock, type PacketBlock } from '../capture/packet-block.ts'
import { alignDirections } from './biflow.ts'
import { FlowHash } from './flow-hash.ts'
import { FIELD, FIELDS, keyMask, type TrackLevel } from './flow-key.ts'
import { bobHash, createFlowSampler } from './flow-sampling.ts'
import { createFlowTable, type FlowEnded, type FlowTable, type FlowTableOptions } from './flow-table.ts'
import { END, type FlowTimeouts } from './flow-timeouts.ts'
import { createMeter } from './meter.ts'
import { BATCH, createPacketReader, type PacketReader } from './packet-reader.ts'

const TIMEOUTS: FlowTimeouts = { active: 300, tcp: 60, tcpFin: 5, tcpRst: 5, udp: 60, icmp: 60, general: 60 }

/** Frames as a block, at these times in milliseconds. */
function blockOf(frames: readonly Uint8Array[], times: readonly number[] = frames.map(() => 0)): PacketBlock {
  const block = createPacketBlock(frames.length)
  block.bytes = Buffer.concat(frames)
  block.view = new DataView(block.bytes.buffer, block.bytes.byteOffset, block.bytes.length)
  let at = 0
  for (const [i, frame] of frames.entries()) {
    block.offset[i] = at
    block.captured[i] = frame.length
    block.original[i] = frame.length
    block.linkType[i] = 1
    const time = times[i] as number
    block.seconds[i] = Math.floor(time / 1000)
    block.nanos[i] = Math.round((time % 1000) * 1e6)
    at += frame.length
  }
  block.count = frames.length
  return block
}

interface Ended {
  readonly key: string
  readonly packets: number
  readonly bytes: number
  readonly reason: number
}

/** A flow table, and what reads packets for it. */
type FedTable = FlowTable & { readonly reader: PacketReader }

function fedTable(options: FlowTableOptions, report: FlowEnded): FedTable {
  const reader = createPacketReader()
  return Object.assign(createFlowTable(options, reader, report), { reader })
}

function tableWith(maxFlows: number, ended: Ended[], timeouts = TIMEOUTS, track: TrackLevel = 'ether'): FedTable {
  return fedTable(
    { maxFlows, mask: keyMask({ track, tos: true }), timeouts, seed: 12_345, biflow: false },
    ({ fields, there }, reason) =>
      ended.push({ key: fields.join(), packets: there.packets, bytes: there.bytes, reason }),
  )
}

function addAll(table: FedTable, block: PacketBlock): void {
  const { reader } = table
  for (let i = 0; i < block.count; i++) {
    reader.read(block, i, i + 1)
    if (reader.count === BATCH || i === block.count - 1) {
      table.add()
      reader.count = 0
    }
  }
}

const FLOWS = someFlows(60, { ipv6: true, vlans: [1, 2, 3] })
const frame = (flow: KnownFlow, n = 1): Uint8Array => frameOf({ ...flow, packets: 99 }, n)

describe('the flow table', () => {
  test('loses and doubles no packet, whatever its size and whatever comes', () => {
    const steps = fc.array(fc.tuple(fc.nat(FLOWS.length - 1), fc.nat(40_000), fc.nat(3)), { maxLength: 400 })
    fc.assert(
      fc.property(fc.constantFrom(1, 3, 16, 200), fc.constantFrom('vlan', 'ether'), steps, (maxFlows, track, list) => {
        const ended: Ended[] = []
        const table = tableWith(maxFlows, ended, TIMEOUTS, track)
        const truth = new Map<string, { packets: number; bytes: number }>()
        let now = 1_700_000_000_000
        const times = list.map(([, pause]) => (now += pause))
        const frames = list.map(([i]) => frame(FLOWS[i] as KnownFlow))
        const { reader } = table
        for (let i = 0; i < frames.length; i++) {
          const block = blockOf([frames[i] as Uint8Array], [times[i] as number])
          reader.read(block, 0, 1)
          const key = reader.fields.subarray(0, FIELDS).join()
          const sum = truth.get(key) ?? { packets: 0, bytes: 0 }
          truth.set(key, { packets: sum.packets + 1, bytes: sum.bytes + (reader.ipLength[0] as number) })
          table.add()
          reader.count = 0
          table.sweep(times[i] as number, list[i]?.[2] ?? 0)
          assert.ok(table.count <= maxFlows)
        }
        while (table.endSome(7, 0));
        assert.equal(table.count, 0)
        const seen = new Map<string, { packets: number; bytes: number }>()
        for (const { key, packets, bytes } of ended) {
          const sum = seen.get(key) ?? { packets: 0, bytes: 0 }
          seen.set(key, { packets: sum.packets + packets, bytes: sum.bytes + bytes })
        }
        assert.deepEqual(seen, truth)
      }),
      { numRuns: 300 },
    )
  })

  test('ends a flow at rest, in pieces while it lasts, and behind a FIN', () => {
    const [flow] = FLOWS as [KnownFlow]
    const ended: Ended[] = []
    const table = tableWith(100, ended)
    const at = (seconds: number, which = 1): void =>
      addAll(table, blockOf([frame(flow, which)], [1_700_000_000_000 + seconds * 1000]))
    at(0)
    at(59)
    at(120)
    assert.deepEqual(
      ended.map(({ packets, reason }) => [packets, reason]),
      [[2, END.idle]],
    )
    for (let second = 150; second <= 450; second += 30) at(second)
    assert.deepEqual(
      ended.slice(1).map(({ packets, reason }) => [packets, reason]),
      [[10, END.active]],
    )
    at(451, 98)
    table.sweep(1_700_000_455_000, 100)
    assert.equal(ended.length, 2)
    table.sweep(1_700_000_456_000, 100)
    assert.deepEqual(
      ended.slice(2).map(({ packets, reason }) => [packets, reason]),
      [[3, END.detected]],
    )
    assert.equal(table.count, 0)
  })

  test('begins a new flow where a connection is opened again behind its end', () => {
    const [flow] = FLOWS as [KnownFlow]
    const ended: Ended[] = []
    const table = tableWith(100, ended)
    addAll(table, blockOf([frame(flow, 98), frame(flow, 0), frame(flow, 1)], [1000, 1500, 1600]))
    assert.deepEqual(
      ended.map(({ packets, reason }) => [packets, reason]),
      [[1, END.detected]],
    )
    assert.equal(table.count, 1)
  })

  test('keeps flows apart whose keys differ in a few bits only', () => {
    const reader = createPacketReader()
    const hash = new FlowHash(keyMask({ track: 'ether', tos: true }), 12_345)
    // A network that asks each address of another one; and by the upper bits of every word of IPv6 addresses, as if on purpose
    for (const keyOf of [
      (i: number) => [0, 0, 0xffff0000, 10 | ((i & 255) << 24), 0, 0, 0xffff0000, 172 | ((i >>> 8) << 24)],
      (i: number) => Array.from({ length: 8 }, (_, w) => ((i >>> (2 * w)) & 3) << 30),
    ]) {
      const hashes = new Set<number>()
      for (let i = 0; i < 65_536; i++) {
        reader.fields.set(keyOf(i))
        hashes.add(hash.of(reader.fields, 0))
      }
      assert.ok(hashes.size > 60_000, `${hashes.size} hashes of 65536 flows`)
    }
  })

  test('finds each of many flows again while its index grows, and after it began to end all of them', () => {
    const many = 150_000
    let [records, packets] = [0, 0]
    const mask = keyMask({ track: 'vlan', tos: true })
    const options = { maxFlows: 200_000, mask, timeouts: TIMEOUTS, seed: 7, biflow: false }
    const table = fedTable(options, ({ there }) => {
      records++
      packets += there.packets
    })
    const { reader } = table
    reader.read(blockOf([frame(FLOWS[0] as KnownFlow)]), 0, 1)
    const fields = reader.fields.slice(0, FIELDS)
    const addEach = (from: number): void => {
      for (let flow = from; flow < many; flow += BATCH) {
        reader.count = Math.min(BATCH, many - flow)
        for (let row = 0; row < reader.count; row++) {
          reader.fields.set(fields, row * FIELDS)
          // Every other one is of IPv6, whose addresses lie elsewhere in part
          if ((flow + row) % 2 === 1) reader.fields[row * FIELDS + FIELD.protocol] = 0x86dd0006
          reader.fields[row * FIELDS + FIELD.src + ((flow + row) % 2 === 1 ? 0 : 3)] = flow + row
          reader.time[row] = 1000
        }
        table.add()
      }
    }
    addEach(0)
    addEach(0)
    assert.equal(table.count, many)
    assert.equal(records, 0)
    // Slots are taken in turn: these are the first flows
    assert.equal(table.endSome(BATCH * 500, 0), true)
    assert.deepEqual([records, packets, table.count], [BATCH * 500, 2 * BATCH * 500, many - BATCH * 500])
    addEach(BATCH * 500)
    assert.equal(table.count, many - BATCH * 500)
    addEach(0)
    assert.equal(table.count, many)
    while (table.endSome(4096, 0));
    // Twice two packets of each, once one of those that were there still, once one of all
    assert.deepEqual([records, packets], [many + BATCH * 500, 2 * many + (many - BATCH * 500) + many])
    addEach(many - 10)
    assert.equal(table.count, 10)
  })

  test('ends flows that lie ahead of a clock that was set back', () => {
    const ended: Ended[] = []
    const table = tableWith(100, ended)
    addAll(
      table,
      blockOf(
        FLOWS.map((flow) => frame(flow)),
        FLOWS.map(() => 1_700_000_000_000),
      ),
    )
    table.sweep(1_600_000_000_000, 100)
    assert.equal(table.count, 0)
    assert.deepEqual(new Set(ended.map(({ reason }) => reason)), new Set([END.forced]))
  })
})

/** What a meter exports of a block. */
function exported(version: 5 | 9 | 10, block: PacketBlock): Buffer[] {
  const sent: Buffer[] = []
  const meter = createMeter(
    {
      version,
      track: 'full',
      keyTos: true,
      maxFlows: 16,
      reading: { tunnels: 'inner', fragments: 'together' },
      timeouts: TIMEOUTS,
      samplingRate: 1,
      flowSampling: 1,
      kernelSampling: 1,
      biflow: false,
      domain: 0,
      templateEvery: 100,
      templateSeconds: 60,
      maxBytes: 1400,
    },
    { send: (datagram) => sent.push(Buffer.from(datagram)), random: () => 0, startedAt: 1_700_000_000_777 },
  )
  meter.block(block)
  while (meter.end(16));
  return sent
}

describe('the meter', () => {
  const [flow] = FLOWS as [KnownFlow]

  test('tells times in NetFlow v9 to the millisecond, though its header has whole seconds', () => {
    const block = blockOf([frame(flow), frame(flow)], [1_700_000_012_345, 1_700_000_012_999])
    const [datagram] = exported(9, block) as [Buffer]
    const began = datagram.readUInt32BE(8) * 1000 - datagram.readUInt32BE(4)
    // Behind the template: addresses, bytes and packets, then the times
    const times = 20 + datagram.readUInt16BE(22) + 4 + 8 + 16
    assert.deepEqual(
      [began + datagram.readUInt32BE(times), began + datagram.readUInt32BE(times + 4)],
      [1_700_000_012_345, 1_700_000_012_999],
    )
    assert.ok(datagram.readUInt32BE(times + 4) <= datagram.readUInt32BE(4))
  })

  test('tells of what the machine sends by which interface it left, and of the rest by which it came', () => {
    for (const [direction, input, output] of [
      [0, 7, 0],
      [1, 0, 7],
    ] as const) {
      const block = blockOf([frame(flow)], [1_700_000_012_345])
      block.port[0] = 7
      block.direction[0] = direction
      const [five] = exported(5, block) as [Buffer]
      assert.deepEqual([five.readUInt16BE(24 + 12), five.readUInt16BE(24 + 14)], [input, output])
      const [nine] = exported(9, block) as [Buffer]
      // Behind the times: the interfaces and the direction
      const interfaces = 20 + nine.readUInt16BE(22) + 4 + 8 + 16 + 8
      assert.deepEqual(
        [nine.readUInt32BE(interfaces), nine.readUInt32BE(interfaces + 4), nine.readUInt8(interfaces + 8)],
        [input, output, direction],
      )
    }
  })
})

/** The same flow seen from the other side. */
const answer = (flow: KnownFlow): KnownFlow => ({
  ...flow,
  src: flow.dst,
  dst: flow.src,
  srcPort: flow.dstPort,
  dstPort: flow.srcPort,
})

/** A packet of it back, between the same machines. */
function frameBack(flow: KnownFlow, n = 1): Uint8Array {
  const bytes = Uint8Array.from(frame(answer(flow), n))
  const there = frame(flow)
  bytes.set(there.subarray(6, 12), 0)
  bytes.set(there.subarray(0, 6), 6)
  return bytes
}

interface BothEnded {
  readonly sides: string
  readonly counts: readonly number[]
  readonly initiator: number
}

function biflowTable(ended: BothEnded[], maxFlows = 100): FedTable {
  const mask = keyMask({ track: 'ether', tos: true, biflow: true })
  return fedTable(
    { maxFlows, mask, timeouts: TIMEOUTS, seed: 99, biflow: true },
    ({ fields, there, back, initiator }) =>
      ended.push({
        sides: `${fields.subarray(0, 8).join()} ${fields[FIELD.ports]}`,
        counts: [there.packets, there.bytes, there.tcpFlags, back.packets, back.bytes, back.tcpFlags],
        initiator,
      }),
  )
}

function addAligned(table: FedTable, block: PacketBlock): void {
  const { reader } = table
  for (let i = 0; i < block.count; i++) {
    reader.read(block, i, i + 1)
    alignDirections(reader)
    table.add()
    reader.count = 0
  }
}

describe('both directions as one flow', () => {
  const sidesOf = (flow: KnownFlow): string => {
    const reader = createPacketReader()
    reader.read(blockOf([frame(flow)]), 0, 1)
    return `${reader.fields.subarray(0, 8).join()} ${reader.fields[FIELD.ports]}`
  }

  test('is one record that has the packets of either side, whichever address is the greater', () => {
    for (const flow of FLOWS.filter(({ proto }) => proto !== 1).flatMap((one) => [one, answer(one)])) {
      const ended: BothEnded[] = []
      const table = biflowTable(ended)
      const frames = [frame(flow, 0), frameBack(flow), frameBack(flow), frame(flow, 98)]
      addAligned(table, blockOf(frames, [1000, 1001, 1002, 1003]))
      while (table.endSome(10, 0));
      const bytes = frames[0]!.length - (flow.vlan === undefined ? 14 : 18)
      const [there, back] = flow.proto === 6 ? [0x13, 0x10] : [0, 0]
      assert.deepEqual(ended, [
        { sides: sidesOf(flow), counts: [2, 2 * bytes, there, 2, 2 * bytes, back], initiator: 1 },
      ])
    }
  })

  test('begins with who sent the first packet, unless that one answers a SYN; of a connection already open nobody knows', () => {
    const [flow] = FLOWS as [KnownFlow]
    for (const [flags, initiator] of [
      [0x02, 1],
      [0x12, 2],
      [0x10, 0],
    ] as const) {
      const ended: BothEnded[] = []
      const table = biflowTable(ended)
      const first = Uint8Array.from(frame(flow))
      first[(flow.vlan === undefined ? 14 : 18) + (flow.src.includes(':') ? 40 : 20) + 13] = flags
      addAligned(table, blockOf([first], [1000]))
      while (table.endSome(10, 0));
      assert.deepEqual(
        ended.map((one) => [one.sides, one.initiator]),
        [[sidesOf(flow), initiator]],
      )
    }
  })

  test('puts an echo and its answer together, and no other types of ICMP', () => {
    const ping = FLOWS.find(({ proto }) => proto === 1) as KnownFlow
    const type = (from: Uint8Array, value: number): Uint8Array => {
      const bytes = Uint8Array.from(from)
      bytes[(ping.vlan === undefined ? 14 : 18) + 20] = value
      return bytes
    }
    const [there, back] = [frame(ping), frameBack(ping)]
    const ended: BothEnded[] = []
    const table = biflowTable(ended)
    addAligned(table, blockOf([type(there, 8), type(back, 0), type(back, 3), type(back, 8)], [1, 2, 3, 4]))
    while (table.endSome(10, 0));
    assert.deepEqual(
      ended.map(({ counts }) => [counts[0], counts[3]]),
      [
        [1, 1],
        [1, 0],
        [1, 0],
      ],
    )
  })

  test('keeps the side that began it in the pieces of a long flow, and turns a piece in which only the other one spoke', () => {
    const flow = FLOWS.find(({ proto }) => proto === 17) as KnownFlow
    const ended: BothEnded[] = []
    const table = biflowTable(ended)
    const frames: Uint8Array[] = []
    const times: number[] = []
    const add = (isBack: boolean, second: number): void => {
      frames.push(isBack ? frameBack(flow) : frame(flow))
      times.push(1_700_000_000_000 + second * 1000)
    }
    for (let second = 0; second < 300; second += 30) add(false, second)
    // The next piece begins with the other side; the one behind it has nothing else
    for (let second = 300; second < 600; second += 30) add(second % 60 === 0, second)
    for (let second = 600; second < 690; second += 30) add(true, second)
    addAligned(table, blockOf(frames, times))
    while (table.endSome(10, 0));
    assert.deepEqual(
      ended.map(({ sides, counts, initiator }) => [sides === sidesOf(flow), counts[0], counts[3], initiator]),
      [
        [true, 10, 0, 1],
        [true, 5, 5, 1],
        [false, 3, 0, 2],
      ],
    )
  })

  test('loses and doubles no packet of either direction', () => {
    const steps = fc.array(fc.tuple(fc.nat(FLOWS.length - 1), fc.boolean(), fc.nat(40_000), fc.nat(3)), {
      maxLength: 300,
    })
    fc.assert(
      fc.property(fc.constantFrom(1, 3, 200), steps, (maxFlows, list) => {
        const ended: BothEnded[] = []
        const table = biflowTable(ended, maxFlows)
        let now = 1_700_000_000_000
        let packets = 0
        for (const [i, isBack, pause, sweep] of list) {
          now += pause
          const flow = FLOWS[i] as KnownFlow
          addAligned(table, blockOf([isBack ? frameBack(flow) : frame(flow)], [now]))
          packets++
          table.sweep(now, sweep)
        }
        while (table.endSome(7, 0));
        assert.equal(
          ended.reduce((sum, { counts }) => sum + (counts[0] as number) + (counts[3] as number), 0),
          packets,
        )
        // A record has a first direction
        assert.ok(ended.every(({ counts }) => (counts[0] as number) > 0))
      }),
      { numRuns: 150 },
    )
  })
})

describe('flows of which one in so many is metered', () => {
  // One-at-a-time over bytes, as RFC 5475 prints it
  function bobOfBytes(bytes: Uint8Array, initialiser: number): number {
    let [a, b, c] = [0x9e3779b9, 0x9e3779b9, initialiser]
    const word = (at: number, from = 0): number =>
      [0, 1, 2, 3].reduce((sum, i) => sum + (i < from ? 0 : (bytes[at + i - from] ?? 0) * 2 ** (8 * i)), 0)
    const mix = (): void => {
      a = ((a - b - c) ^ (c >>> 13)) >>> 0
      b = ((b - c - a) ^ (a << 8)) >>> 0
      c = ((c - a - b) ^ (b >>> 13)) >>> 0
      a = ((a - b - c) ^ (c >>> 12)) >>> 0
      b = ((b - c - a) ^ (a << 16)) >>> 0
      c = ((c - a - b) ^ (b >>> 5)) >>> 0
      a = ((a - b - c) ^ (c >>> 3)) >>> 0
      b = ((b - c - a) ^ (a << 10)) >>> 0
      c = ((c - a - b) ^ (b >>> 15)) >>> 0
    }
    let at = 0
    for (; bytes.length - at >= 12; at += 12) {
      a = (a + word(at)) >>> 0
      b = (b + word(at + 4)) >>> 0
      c = (c + word(at + 8)) >>> 0
      mix()
    }
    a = (a + word(at)) >>> 0
    b = (b + word(at + 4)) >>> 0
    c = (c + bytes.length + word(at + 8, 1)) >>> 0
    mix()
    return c
  }

  test('are chosen by the hash BOB of the key', () => {
    assert.equal(bobHash(new Uint32Array(0), 0, 0, new Uint32Array(0), 0), 0xbd49d10d)
    fc.assert(
      fc.property(fc.uint32Array({ maxLength: 20 }), fc.nat(0xffffffff), (words, initialiser) => {
        const mask = new Uint32Array(words.length).fill(0xffffffff)
        const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
        assert.equal(bobHash(words, 0, words.length, mask, initialiser), bobOfBytes(bytes, initialiser))
      }),
    )
  })

  test('are whole, in both directions, and about one in so many', () => {
    const many = someFlows(4000)
    const frames = many.flatMap((flow) => [frame(flow, 0), frame(answer(flow), 1), frame(flow, 2)])
    const mask = keyMask({ track: 'full', tos: true, biflow: true })
    const sampler = createFlowSampler({ mask, one: 8, initialiser: 4711 })
    const kept = new Map<string, number>()
    const reader = createPacketReader()
    const block = blockOf(frames)
    for (let i = 0; i < frames.length; i++) {
      reader.count = 0
      reader.read(block, i, i + 1)
      alignDirections(reader)
      const key = reader.fields.subarray(0, 10).join()
      if (sampler.keep(reader) === 1) kept.set(key, (kept.get(key) ?? 0) + 1)
    }
    const connections = [...kept.values()].filter((packets) => packets >= 3)
    // 500 expected; five standard deviations
    assert.ok(
      Math.abs(connections.length - (4000 * 8) / 9 / 8) < 5 * Math.sqrt((4000 * 7) / 64),
      `${connections.length}`,
    )
    assert.ok(
      connections.every((packets) => packets === 3),
      'flows in part',
    )
  })
})

describe('a packet', () => {
  test('is the same flow by the short way and by the dissector', () => {
    const reader = createPacketReader()
    for (const flow of FLOWS) {
      const bytes = frame(flow)
      // A link type that the short way does not take: the same IP packet behind a Linux cooked header
      const start = flow.vlan === undefined ? 14 : 18
      const cooked = Buffer.concat([Buffer.alloc(14), bytes.subarray(start - 2)])
      const block = blockOf([bytes, cooked])
      block.linkType[1] = 113
      reader.count = 0
      assert.equal(reader.read(block, 0, 2), 2)
      assert.equal(reader.count, 2)
      assert.deepEqual(reader.fields.subarray(0, 10), reader.fields.subarray(FIELDS, FIELDS + 10))
      assert.equal(reader.ipLength[0], reader.ipLength[1])
      assert.equal(reader.ttl[0], reader.ttl[1])
      assert.equal(reader.tcpFlags[0], reader.tcpFlags[1])
    }
  })

  test('behind MPLS labels, PPPoE and PPP is the same flow', () => {
    const reader = createPacketReader()
    for (const flow of FLOWS.filter(({ vlan }) => vlan === FLOWS[0]?.vlan)) {
      const bytes = frame(flow)
      const start = flow.vlan === undefined ? 14 : 18
      const ip = bytes.subarray(start)
      const isV6 = flow.src.includes(':')
      const macs = bytes.subarray(0, 12)
      const ppp = isV6 ? '0057' : '0021'
      const block = blockOf([
        Buffer.concat([macs, bytes.subarray(start - 2, start), ip]),
        Buffer.concat([macs, Buffer.from('8847000640ff0000a1ff', 'hex'), ip]),
        Buffer.concat([macs, Buffer.from(`8864110000010000${ppp}`, 'hex'), ip]),
        Buffer.concat([Buffer.from(`ff03${ppp}`, 'hex'), ip]),
      ])
      block.linkType[3] = 9
      reader.count = 0
      for (let i = 0; i < 4; i++) {
        reader.read(block, i, i + 1)
        assert.equal(reader.count, i + 1, `${i} of ${flow.src}`)
        assert.deepEqual(reader.fields.subarray(i * FIELDS, i * FIELDS + 10), reader.fields.subarray(0, 10))
        assert.equal(reader.ipLength[i], reader.ipLength[0])
      }
      assert.equal((reader.fields[FIELDS + FIELD.mpls] as number) & 0xfffff, 100)
    }
  })

  test('that is cut or broken anywhere is read within its bounds', () => {
    fc.assert(
      fc.property(
        fc.nat(FLOWS.length - 1),
        fc.nat(200),
        fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 8 }),
        fc.constantFrom(1, 101, 113, 276, 0, 239),
        (which, length, flips, linkType) => {
          const bytes = Uint8Array.from(frame(FLOWS[which] as KnownFlow).subarray(0, length))
          for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value
          const block = blockOf([bytes])
          block.linkType[0] = linkType
          const table = tableWith(4, [])
          table.reader.read(block, 0, 1)
          table.add()
        },
      ),
      { numRuns: 5000 },
    )
  })
})
