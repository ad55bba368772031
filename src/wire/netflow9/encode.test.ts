import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Netflow9Encoder, SCOPE, type Netflow9Template } from './encode.ts'

const FLOW: Netflow9Template = {
  id: 256,
  fields: [
    { type: 8, length: 4 },
    { type: 1, length: 8 },
    { type: 4, length: 1 },
  ],
}
const OPTIONS: Netflow9Template = {
  id: 257,
  scope: [{ type: SCOPE.system, length: 4 }],
  fields: [
    { type: 34, length: 4 },
    { type: 35, length: 1 },
  ],
}

function encoder(maxBytes?: number): { encoder: Netflow9Encoder; datagrams: Buffer[] } {
  const datagrams: Buffer[] = []
  const made = new Netflow9Encoder({ sourceId: 77, ...(maxBytes === undefined ? {} : { maxBytes }) }, (datagram) =>
    datagrams.push(Buffer.from(datagram)),
  )
  made.uptime = 3000
  made.now = 1_700_000_000_250
  return { encoder: made, datagrams }
}

function add(made: Netflow9Encoder, n: number): void {
  made.beginRecord(FLOW)
  made.octets(Uint8Array.of(10, 0, 0, 1))
  made.u64(2 ** 33 + n)
  made.u8(6)
  made.endRecord()
}

test('templates, options and records are, byte by byte, what RFC 3954 says', () => {
  const { encoder: made, datagrams } = encoder()
  made.template(FLOW)
  made.template(OPTIONS)
  made.beginRecord(OPTIONS)
  made.u32(0)
  made.u32(400)
  made.u8(2)
  made.endRecord()
  add(made, 1)
  add(made, 2)
  made.flush()
  assert.equal(
    datagrams[0]?.toString('hex'),
    '00090005' +
      '00000bb8' +
      '6553f100' +
      '00000000' +
      '0000004d' +
      '00000014' +
      '01000003' +
      '00080004' +
      '00010008' +
      '00040001' +
      '00010018' +
      '010100040008' +
      '00010004' +
      '00220004' +
      '00230001' +
      '0000' +
      '01010010' +
      '00000000' +
      '00000190' +
      '02' +
      '000000' +
      '01000020' +
      '0a000001' +
      '0000000200000001' +
      '06' +
      '0a000001' +
      '0000000200000002' +
      '06' +
      '0000',
  )
})

test('records go on in the next datagram when one is full, in order, and the sequence counts datagrams', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 100, max: 600 }), (count, maxBytes) => {
      const { encoder: made, datagrams } = encoder(maxBytes)
      for (let i = 0; i < count; i++) add(made, i)
      made.flush()
      const seen: number[] = []
      for (const [i, datagram] of datagrams.entries()) {
        assert.ok(datagram.length <= maxBytes)
        assert.equal(datagram.readUInt32BE(12), i)
        assert.equal(datagram.readUInt16BE(20), 256)
        assert.equal(datagram.readUInt16BE(22), datagram.length - 20)
        for (let at = 24, n = 0; n < datagram.readUInt16BE(2); n++, at += 13) seen.push(datagram.readUInt32BE(at + 8))
      }
      assert.deepEqual(
        seen,
        Array.from({ length: count }, (_, i) => i),
      )
    }),
  )
})

test('a record that is not as long as its template says is a bug', () => {
  const { encoder: made } = encoder()
  made.beginRecord(FLOW)
  made.u32(1)
  assert.throws(() => made.endRecord(), /not as long as its template says/)
})
