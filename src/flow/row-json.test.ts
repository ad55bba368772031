import { test } from 'node:test'
import assert from 'node:assert/strict'
import { COLUMNS } from './columns.ts'
import { FlowBatch } from './flow-batch.ts'
import { rowAsJson } from './row-json.ts'

test('a row is shown with every column in its format', () => {
  const batch = new FlowBatch(4)
  const time = 1_760_000_000_123
  batch.n = 3
  batch.time_start[4] = time >>> 0
  batch.time_start[5] = Math.floor(time / 2 ** 32)
  new Uint8Array(batch.src_addr.buffer, batch.src_addr.byteOffset + 32, 16).set([
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1,
  ])
  batch.src_mac[4] = 0x56aabbcc
  batch.src_mac[5] = 0x0050
  batch.bytes[4] = 5
  batch.bytes[5] = 1
  batch.packets[4] = 0xffff_ffff
  batch.packets[5] = 0xffff_ffff
  batch.direction[2] = 2
  batch.counted[2] = 1
  batch.src_vm[2] = 1
  const json = rowAsJson(batch, 2, ['', 'web-1'])
  assert.deepEqual(
    Object.keys(json),
    COLUMNS.map((column) => column.name),
  )
  assert.deepEqual(
    [
      json['time_start'],
      json['src_addr'],
      json['dst_addr'],
      json['src_mac'],
      json['bytes'],
      json['packets'],
      json['direction'],
      json['counted'],
      json['src_vm'],
      json['dst_vm'],
    ],
    [
      '2025-10-09T08:53:20.123Z',
      '192.0.2.1',
      '::',
      '00:50:56:aa:bb:cc',
      2 ** 32 + 5,
      '18446744073709551615',
      'egress',
      true,
      'web-1',
      '',
    ],
  )
  assert.equal('src_vm' in rowAsJson(batch, 2), false)
})
