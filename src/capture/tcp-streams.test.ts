import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { IpPayload } from './ip-payloads.ts'
import { createTcpStreams, type TcpLimits } from './tcp-streams.ts'

const SYN = 2
const FIN = 1
const RST = 4
const address = (last: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, last)

function segment(seq: number, data: Uint8Array, flags = 0, port = 40_000): IpPayload {
  const bytes = new Uint8Array(24 + data.length)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, port)
  view.setUint16(2, 4739)
  view.setUint32(4, seq)
  // A header of six words: there are options
  bytes[12] = 0x60
  bytes[13] = flags
  bytes.set(data, 24)
  return { protocol: 6, from: address(1), to: address(2), bytes }
}

interface Seen {
  bytes: number[]
  readonly told: string[]
}

function collect(segments: readonly IpPayload[], limits?: TcpLimits): { seen: Seen[]; ended: boolean } {
  const seen: Seen[] = []
  const streams = createTcpStreams<Seen>(
    {
      open({ whole }) {
        const one: Seen = { bytes: [], told: whole ? [] : ['midway'] }
        seen.push(one)
        return one
      },
      data: (one, bytes) => void one.bytes.push(...bytes),
      gap: (one, missing) => one.told.push(`gap ${missing} at ${one.bytes.length}`),
      repeated: (one, bytes) => one.told.push(`repeated ${bytes}`),
      close: (one) => one.told.push('closed'),
    },
    limits,
  )
  for (const one of segments) streams.segment(one)
  const ended = seen.every(({ told }) => told.at(-1) === 'closed')
  streams.end()
  return { seen, ended }
}

const bytes = (length: number, from = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => from + i)

describe('TCP streams of a capture', () => {
  it('are in order whatever the order of the segments, with what came twice taken once, across the wrap of the sequence', () => {
    const start = fc.integer({ min: 0, max: 0xffff_ffff })
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 199 }), { maxLength: 12 })
    // Where copies of parts of the stream are put in
    const copies = fc.array(fc.tuple(fc.nat(199), fc.integer({ min: 2, max: 60 })), { maxLength: 5 })
    fc.assert(
      fc.property(start, cuts, copies, fc.infiniteStream(fc.nat(1000)), (isn, places, extra, order) => {
        const sent = bytes(200)
        const ends = [0, ...places.toSorted((a, b) => a - b), 200]
        const at = (offset: number): number => (isn + 1 + offset) >>> 0
        const pieces = ends.slice(1).map((end, i) => segment(at(ends[i] as number), sent.slice(ends[i], end)))
        for (const [from, length] of extra) pieces.push(segment(at(from), sent.slice(from, from + length)))
        const shuffled = pieces
          .map((piece) => ({ piece, by: order.next().value }))
          .toSorted((a, b) => a.by - b.by)
          .map(({ piece }) => piece)
        const { seen, ended } = collect([segment(isn, bytes(0), SYN), ...shuffled, segment(at(200), bytes(0), FIN)])
        assert.equal(seen.length, 1)
        assert.deepEqual(seen[0]?.bytes, [...sent])
        assert.ok(seen[0].told.every((told) => !told.startsWith('gap')))
        assert.ok(ended)
      }),
      { numRuns: 300 },
    )
  })

  it('tell of what is missing when the connection ends, and where it was', () => {
    const { seen } = collect([
      segment(9, bytes(0), SYN),
      segment(10, bytes(5)),
      segment(20, bytes(3, 50)),
      segment(30, bytes(2, 70), FIN),
    ])
    assert.deepEqual(seen, [
      { bytes: [0, 1, 2, 3, 4, 50, 51, 52, 70, 71], told: ['gap 5 at 5', 'gap 7 at 8', 'closed'] },
    ])
    const cut = collect([segment(9, bytes(0), SYN), segment(10, bytes(5)), segment(20, bytes(0), FIN)])
    assert.deepEqual(cut.seen[0]?.told, ['gap 5 at 5', 'closed'])
  })

  it('begin where the capture begins, if it lacks the start', () => {
    assert.deepEqual(collect([segment(500, bytes(4)), segment(504, bytes(1, 4), RST)]).seen, [
      { bytes: [0, 1, 2, 3, 4], told: ['midway', 'closed'] },
    ])
  })

  it('are told apart when ports are used again, and questions whether the other side lives are no bytes', () => {
    const { seen } = collect([
      segment(9, bytes(0), SYN),
      segment(10, bytes(3)),
      segment(12, bytes(1)),
      segment(900, bytes(0), SYN),
      segment(900, bytes(0), SYN),
      segment(901, bytes(2)),
    ])
    assert.deepEqual(
      seen.map((one) => one.bytes.length),
      [3, 2],
    )
    assert.deepEqual(
      seen.map((one) => one.told),
      [['closed'], ['closed']],
    )
  })

  it('wait within bounds: what is missing is given up, and the connection heard longest ago', () => {
    const early = Array.from({ length: 5 }, (_, i) => segment(20 + 2 * i, bytes(2)))
    const open = segment(9, bytes(0), SYN)
    assert.deepEqual(collect([open, ...early], { maxWaitingBytes: 8 }).seen[0]?.told, ['gap 10 at 0', 'closed'])
    assert.deepEqual(collect([open, ...early], { maxWaitingSegments: 2 }).seen[0]?.told, ['gap 10 at 0', 'closed'])
    assert.deepEqual(collect([open, ...early], { maxWaitingBytesOfAll: 2 }).seen[0]?.told, ['gap 10 at 0', 'closed'])
    const many = Array.from({ length: 10 }, (_, i) => segment(9, bytes(1), 0, 1000 + i))
    const { seen } = collect([...many, segment(10, bytes(1), 0, 1000)], { maxDirections: 4 })
    assert.equal(seen.length, 11)
  })

  it('never throw on what is no segment', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 }), (all) => {
        collect(all.map((one) => ({ protocol: 6, from: address(1), to: address(2), bytes: one })))
      }),
      { numRuns: 500 },
    )
  })
})
