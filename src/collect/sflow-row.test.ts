import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { flowSample, hex, sampledHeader, sflowDatagram, TCP_FRAME, tlv, viewOf, xdr } from '../../test/fixtures/xdr.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import { SflowReader } from '../wire/sflow/reader.ts'
import { fillPlainRow, fillSflowRow } from './sflow-row.ts'

const SWITCH = tlv(1001, xdr(100, 0, 200, 3))
const ROUTER = tlv(1002, xdr(1, 0x0a090909, 24, 16))
const ROUTER6 = tlv(1002, xdr(2, 0x20010db8, 0, 0, 1, 64, 48))
const GATEWAY = tlv(1003, xdr(1, 0x0a090909, 64_512, 64_513, 64_514, 1, 2, 2, 65_001, 65_002, 0, 100))
const QINQ = hex(`
  525400000002 525400000001 88a8 012c 8100 0064 0800
  4500 0034 0001 4000 40 11 0000 0a010203 0a040506 9c40 0035 0020 0000`)

const records = fc.array(
  fc.constantFrom(sampledHeader(TCP_FRAME), sampledHeader(QINQ), SWITCH, ROUTER, ROUTER6, GATEWAY, tlv(77, xdr(1))),
  { maxLength: 4 },
)
// Ports: known, unknown or discarded (the top bits); sources of each class.
const sample = fc
  .tuple(records, fc.constantFrom(3, 7, 0x02000003), fc.constantFrom(7, 3, 0x40000102, 0x80000002, 0xffffffff))
  .map(([parts, source, output]) => flowSample(parts, source, output))
const changes = fc.array(fc.tuple(fc.nat(400), fc.constantFrom(0, 1, 4, 0x45, 0x60, 0x7f, 0x80, 0xff)), {
  maxLength: 3,
})

test('a plain sample makes the same row read at once as read record by record, and any other sample none at all', () => {
  const bytesOf = (batch: FlowBatch): Buffer => Buffer.from(new Uint8Array(batch.buffer))
  const zero = bytesOf(new FlowBatch(1))
  let plain = 0
  let other = 0
  fc.assert(
    fc.property(sample, changes, fc.nat(40), (body, flips, cut) => {
      const bytes = sflowDatagram([body])
      for (const [at, value] of flips) if (28 + 8 + at < bytes.length) bytes[28 + 8 + at] = value
      const reader = new SflowReader()
      // Now and then the sample says that it is shorter than it is
      const length = bytes.length - (cut < 8 ? cut * 4 : 0)
      viewOf(bytes).setUint32(32, Math.max(0, length - 36))
      assert.equal(reader.start(viewOf(bytes), 0, bytes.length) && reader.stepSample(), true)
      const atOnce = new FlowBatch(1)
      const made = fillPlainRow(reader.view, reader.sampleAt, reader.sampleEnd, atOnce, 0)
      if (!made) {
        other++
        assert.deepEqual(bytesOf(atOnce), zero)
        return
      }
      plain++
      const byRecord = new FlowBatch(1)
      assert.equal(reader.readHead() && fillSflowRow(reader, byRecord, 0), true)
      assert.deepEqual([reader.problem, reader.unknownRecords], ['', 0])
      assert.deepEqual(bytesOf(atOnce), bytesOf(byRecord))
    }),
    { numRuns: 4000 },
  )
  assert.ok(plain > 200 && other > 200, `${plain} plain, ${other} others`)
})
