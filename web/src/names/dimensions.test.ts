import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isUnknown, valueText } from './dimensions.ts'
import { termFor } from './narrow.ts'

test('a zero that stands for nothing is said so, and still asked for as it is', () => {
  assert.equal(valueText('dst_as', 0), 'not known')
  assert.equal(valueText('vni', 0), 'none')
  assert.equal(valueText('tcp_flags', '0'), 'none')
  assert.equal(valueText('tos', 0), '0')
  assert.ok(!isUnknown('dst_port', 0))
  assert.equal(termFor('dst_as', 0), 'dst as 0')
})

test('link types are written as people write them', () => {
  assert.equal(valueText('ethertype', 'ipv4'), 'IPv4')
  assert.equal(valueText('ethertype', '0x8100'), '0x8100')
})
