import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { frameOf, someFlows, type KnownFlow } from '../../test/interop/frames.ts'
import { createPacketBlock, type PacketBlock } from '../capture/packet-block.ts'
import { FIELD, FIELDS, keyMask, type TrackLevel } from './flow-key.ts'
import { END, FlowTable, type FlowTimeouts } from './flow-table.ts'
import { createMeter } from './meter.ts'
import { BATCH, PacketReader } from './packet-reader.ts'

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

function tableWith(maxFlows: number, ended: Ended[], timeouts = TIMEOUTS, track: TrackLevel = 'ether'): FlowTable {
  return new FlowTable(
    { maxFlows, mask: keyMask({ track, tos: true }), timeouts, seed: 12_345, biflow: false },
    ({ fields, there }, reason) =>
      ended.push({ key: fields.join(), packets: there.packets, bytes: there.bytes, reason }),
  )
}

function addAll(table: FlowTable, block: PacketBlock): void {
  const reader = new PacketReader()
  for (let i = 0; i < block.count; i++) {
    reader.read(block, i)
    if (reader.count === BATCH || i === block.count - 1) {
      table.add(reader)
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
        const reader = new PacketReader()
        for (let i = 0; i < frames.length; i++) {
          const block = blockOf([frames[i] as Uint8Array], [times[i] as number])
          reader.read(block, 0)
          const key = reader.fields.subarray(0, FIELDS).join()
          const sum = truth.get(key) ?? { packets: 0, bytes: 0 }
          truth.set(key, { packets: sum.packets + 1, bytes: sum.bytes + (reader.ipLength[0] as number) })
          table.add(reader)
          reader.count = 0
          table.sweep(times[i] as number, list[i]?.[2] ?? 0)
          assert.ok(table.count <= maxFlows)
        }
        while (table.endSome(END.forced, 7));
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
    const reader = new PacketReader()
    const table = tableWith(1 << 16, [])
    // A network that asks each address of another one; and by the upper bits of every word of IPv6 addresses, as if on purpose
    for (const keyOf of [
      (i: number) => [0, 0, 0xffff0000, 10 | ((i & 255) << 24), 0, 0, 0xffff0000, 172 | ((i >>> 8) << 24)],
      (i: number) => Array.from({ length: 8 }, (_, w) => ((i >>> (2 * w)) & 3) << 30),
    ]) {
      const hashes = new Set<number>()
      for (let i = 0; i < 65_536; i++) {
        reader.fields.set(keyOf(i))
        hashes.add(table.hashOf(reader.fields, 0))
      }
      assert.ok(hashes.size > 60_000, `${hashes.size} hashes of 65536 flows`)
    }
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

describe('a packet', () => {
  test('is the same flow by the short way and by the dissector', () => {
    const reader = new PacketReader()
    for (const flow of FLOWS) {
      const bytes = frame(flow)
      // A link type that the short way does not take: the same IP packet behind a Linux cooked header
      const start = flow.vlan === undefined ? 14 : 18
      const cooked = Buffer.concat([Buffer.alloc(14), bytes.subarray(start - 2)])
      const block = blockOf([bytes, cooked])
      block.linkType[1] = 113
      reader.count = 0
      assert.ok(reader.read(block, 0) && reader.read(block, 1))
      assert.deepEqual(reader.fields.subarray(0, 10), reader.fields.subarray(FIELDS, FIELDS + 10))
      assert.equal(reader.ipLength[0], reader.ipLength[1])
      assert.equal(reader.ttl[0], reader.ttl[1])
      assert.equal(reader.tcpFlags[0], reader.tcpFlags[1])
    }
  })

  test('behind MPLS labels, PPPoE and PPP is the same flow', () => {
    const reader = new PacketReader()
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
        assert.ok(reader.read(block, i), `${i} of ${flow.src}`)
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
          const reader = new PacketReader()
          reader.read(block, 0)
          const ended: Ended[] = []
          tableWith(4, ended).add(reader)
        },
      ),
      { numRuns: 5000 },
    )
  })
})
