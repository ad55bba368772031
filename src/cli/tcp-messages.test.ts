import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { IpPayload } from '../capture/ip-payloads.ts'
import { ip, ipfix, set, template, u32 } from '../../test/fixtures/netflow-messages.ts'
import { createTcpMessages, type StreamTrouble } from './tcp-messages.ts'

const FROM = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1)
const TEMPLATE = set(
  2,
  template(256, [
    [8, 4],
    [1, 4],
  ]),
)
const messages = Array.from({ length: 6 }, (_, n) =>
  n === 0
    ? ipfix({ domain: 7 }, TEMPLATE)
    : ipfix({ domain: 7, sequence: n }, set(256, ...Array.from({ length: n }, () => [...ip('10.0.0.1'), ...u32(n)]))),
)
const STREAM = Buffer.concat(messages)
const starts = messages.map((_, n) => messages.slice(0, n).reduce((sum, { length }) => sum + length, 0))
const SYN = 2
const FIN = 1

function segment(seq: number, data: Uint8Array, flags = 0): IpPayload {
  const bytes = new Uint8Array(20 + data.length)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, 50_000)
  view.setUint16(2, 4739)
  view.setUint32(4, seq)
  bytes[12] = 0x50
  bytes[13] = flags
  bytes.set(data, 20)
  return { protocol: 6, from: FROM, to: FROM, bytes }
}

/** Which messages come out of the parts of the stream that the capture has, and what is told. */
function read(
  parts: readonly (readonly [from: number, to: number])[],
  { syn = true, stream = STREAM as Uint8Array } = {},
) {
  const out: number[] = []
  const troubles: Omit<StreamTrouble, 'from'>[] = []
  let foreign = 0
  const streams = createTcpMessages({
    message: ({ bytes, from, fromPort }) => {
      assert.deepEqual([from, fromPort], ['192.0.2.1', 50_000])
      out.push(messages.findIndex((one) => Buffer.compare(one, bytes) === 0))
    },
    problem: ({ code, offset, bytes }) => troubles.push({ code, offset, ...(bytes === undefined ? {} : { bytes }) }),
    foreign: () => foreign++,
  })
  if (syn) streams.segment(segment(999, new Uint8Array(0), SYN))
  for (const [from, to] of parts) streams.segment(segment(1000 + from, stream.subarray(from, to)))
  streams.segment(segment(1000 + stream.length, new Uint8Array(0), FIN))
  streams.end()
  return { out, troubles, foreign }
}

const END = STREAM.length
const at = (n: number): number => starts[n] as number

describe('IPFIX messages of TCP connections in a capture', () => {
  it('are whole wherever segments cut them', () => {
    for (let length = 1; length <= END; length += 3) {
      const parts = Array.from({ length: Math.ceil(END / length) }, (_, i) => [i * length, (i + 1) * length] as const)
      assert.deepEqual(read(parts), { out: [0, 1, 2, 3, 4, 5], troubles: [], foreign: 0 })
    }
  })

  it('go on behind bytes that are missing, with the next message of the same domain', () => {
    const { out, troubles } = read([
      [0, at(2) + 10],
      [at(2) + 20, at(4) + 3],
      [at(4) + 3, END],
    ])
    assert.deepEqual(out, [0, 1, 3, 4, 5])
    assert.deepEqual(troubles, [{ code: 'stream_gap', offset: at(2) + 10, bytes: 10 }])
  })

  it('are told of when they came again, and not read twice', () => {
    const { out, troubles } = read([
      [0, at(3)],
      [at(1), at(3)],
      [at(2), at(4)],
      [at(4), END],
    ])
    assert.deepEqual(out, [0, 1, 2, 3, 4, 5])
    assert.deepEqual(
      troubles.map(({ code, bytes }) => [code, bytes]),
      [
        ['stream_repeated', at(3) - at(1)],
        ['stream_repeated', at(3) - at(2)],
      ],
    )
  })

  it('are found where the capture begins within the connection', () => {
    const { out, troubles } = read([[at(1) + 5, END]], { syn: false })
    assert.deepEqual(out, [2, 3, 4, 5])
    assert.deepEqual(troubles, [{ code: 'stream_midway', offset: at(2) - at(1) - 5 }])
  })

  it('are found again behind what is no message', () => {
    const broken = Uint8Array.from(STREAM)
    broken[at(2) + 1] = 9
    const { out, troubles } = read([[0, END]], { stream: broken })
    assert.deepEqual(out, [0, 1, 3, 4, 5])
    assert.deepEqual(troubles, [{ code: 'bad_stream', offset: at(2) }])
  })

  it('that are cut off at the end are told of', () => {
    const { out, troubles } = read([[0, END - 4]], { stream: STREAM.subarray(0, END - 4) })
    assert.deepEqual([out, troubles], [[0, 1, 2, 3, 4], [{ code: 'truncated', offset: END - 4 }]])
  })

  it('are none of connections that carry something else', () => {
    const web = Buffer.from('GET / HTTP/1.1\r\nHost: example.net\r\n\r\n')
    assert.deepEqual(read([[0, web.length]], { stream: web }), { out: [], troubles: [], foreign: 1 })
    assert.deepEqual(read([[0, web.length]], { stream: web, syn: false }), { out: [], troubles: [], foreign: 1 })
  })
})
