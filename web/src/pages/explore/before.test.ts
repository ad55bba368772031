import assert from 'node:assert/strict'
import { test } from 'node:test'
import { placed, shiftOf } from './before.ts'

const bounds = { from: 1_000_000, to: 1_000_000 + 3_599_000 }

test('the time before ends where the shown one begins, on a whole bucket', () => {
  assert.equal(shiftOf('before', bounds, 30), 3_600_000)
  assert.equal(shiftOf('day', bounds, 30), 86_400_000)
  assert.equal(shiftOf('week', bounds, 30), 7 * 86_400_000)
  assert.equal(shiftOf('none', bounds, 30), 0)
})

test('earlier buckets lie under those of now, and gaps stay gaps', () => {
  const total = { key: {}, bytes: 0, packets: 0, flows: 0, low: 0, high: 0 }
  const earlier = {
    times: [0, 10, 20],
    series: [{ key: {}, other: false, values: [1, null, 3], low: [], high: [], total }],
  }
  assert.deepEqual(placed([100, 110, 120, 130], 100, earlier), [1, null, 3, null])
})
