import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { IpfixEncoder, type IpfixTemplate } from './encode.ts'

const FLOW: IpfixTemplate = {
  id: 256,
  fields: [
    { element: 8, length: 4 },
    { element: 1, length: 8 },
    { element: 12_345, length: 1, enterprise: 6876 },
  ],
}
const OPTIONS: IpfixTemplate = {
  id: 257,
  scope: [{ element: 149, length: 4 }],
  fields: [
    { element: 305, length: 4 },
    { element: 306, length: 4 },
  ],
}

function encoder(maxBytes?: number): { encoder: IpfixEncoder; messages: Buffer[] } {
  const messages: Buffer[] = []
  const made = new IpfixEncoder({ observationDomain: 77, ...(maxBytes === undefined ? {} : { maxBytes }) }, (message) =>
    messages.push(Buffer.from(message)),
  )
  made.now = 1_700_000_000_250
  return { encoder: made, messages }
}

function add(made: IpfixEncoder, n: number): void {
  made.beginRecord(FLOW)
  made.octets(Uint8Array.of(10, 0, 0, 1))
  made.u64(2 ** 33 + n)
  made.u8(6)
  made.endRecord()
}

test('templates, options and records are, byte by byte, what RFC 7011 says', () => {
  const { encoder: made, messages } = encoder()
  made.template(FLOW)
  made.template(OPTIONS)
  made.beginRecord(OPTIONS)
  made.u32(77)
  made.u32(1)
  made.u32(399)
  made.endRecord()
  add(made, 1)
  made.flush()
  assert.equal(
    messages[0]?.toString('hex'),
    '000a005f' +
      '6553f100' +
      '00000000' +
      '0000004d' +
      '00020018' +
      '01000003' +
      '00080004' +
      '00010008' +
      'b0390001' +
      '00001adc' +
      '00030016' +
      '010100030001' +
      '00950004' +
      '01310004' +
      '01320004' +
      '01010010' +
      '0000004d' +
      '00000001' +
      '0000018f' +
      '01000011' +
      '0a000001' +
      '0000000200000001' +
      '06',
  )
})

test('the sequence counts data records, those of options among them and templates not', () => {
  const { encoder: made, messages } = encoder()
  made.template(FLOW)
  made.flush()
  made.beginRecord(OPTIONS)
  for (let i = 0; i < 3; i++) made.u32(i)
  made.endRecord()
  add(made, 1)
  made.flush()
  made.template(FLOW)
  add(made, 2)
  made.flush()
  add(made, 3)
  made.flush()
  made.flush()
  assert.deepEqual(
    messages.map((message) => message.readUInt32BE(8)),
    [0, 0, 2, 3],
  )
})

test('records go on in the next message when one is full, in order', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 100, max: 600 }), (count, maxBytes) => {
      const { encoder: made, messages } = encoder(maxBytes)
      for (let i = 0; i < count; i++) add(made, i)
      made.flush()
      const seen: number[] = []
      for (const message of messages) {
        assert.ok(message.length <= maxBytes)
        assert.equal(message.readUInt16BE(2), message.length)
        assert.equal(message.readUInt32BE(8), seen.length)
        for (let at = 20; at < message.length; at += 13) seen.push(message.readUInt32BE(at + 8))
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
  for (let i = 0; i < 4; i++) made.u64(1)
  assert.throws(() => made.endRecord(), /not as long as its template says/)
})
