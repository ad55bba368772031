import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SeriesAnswer } from '../../../../src/api/contract/query.ts'
import { changeOf, groupsOf, groupsTable, knownBefore, percentile } from './groups.ts'

const row = (bytes: number) => ({ key: {}, bytes, packets: 0, flows: 1, low: bytes * 0.9, high: bytes * 1.1 })
const answer: SeriesAnswer = {
  columns: ['vlan'],
  from: 0,
  to: 20_000,
  step: 10,
  times: [0, 10_000],
  series: [
    { key: { vlan: 1 }, other: false, values: [80, 800], low: [80, 800], high: [80, 800], total: row(1000) },
    { key: {}, other: true, values: [8, null], low: [8, null], high: [8, null], total: row(1500) },
    { key: { vlan: 2 }, other: false, values: [16, 16], low: [16, 16], high: [16, 16], total: row(500) },
  ],
  total: row(3000),
  source: 'flows',
  rowsRead: 1,
  tookMs: 1,
  samplingRates: [1],
  read: [],
  notes: [],
  unit: { bytes: 'mixed', estimated: false, describe: '' },
  groups: 1,
}

test('averages are over the whole span, peaks over complete buckets, and other is last', () => {
  const groups = groupsOf(answer, 'bytes', { seconds: 20, whole: 20, first: 0, complete: 1 })
  assert.deepEqual(
    groups.map((group) => [group.key['vlan'] ?? 'other', group.average, group.peak]),
    [
      [1, 400, 80],
      [2, 200, 16],
      ['other', 600, 8],
    ],
  )
  assert.equal(groups[0]?.share, 1 / 3)
})

test('an earlier time of which a part alone is known is an average of that part', () => {
  const values = [null, 80]
  const series = answer.series.map(({ key, other }) => ({
    key,
    other,
    values,
    low: values,
    high: values,
    total: row(100),
  }))
  const held = { ...answer, previous: { from: -20_000, to: 0, series, total: row(300) } }
  assert.equal(knownBefore(held), 0.5)
  assert.equal(groupsOf(held, 'bytes', { seconds: 20, whole: 20, first: 0, complete: 2 })[0]?.before, 80)
  const none = series.map((one) => ({ ...one, values: [null, null] }))
  assert.equal(
    groupsOf({ ...held, previous: { ...held.previous, series: none } }, 'bytes', {
      seconds: 20,
      whole: 20,
      first: 0,
      complete: 2,
    })[0]?.before,
    null,
  )
  assert.equal(knownBefore(answer), 1)
})

test('a percentile is the nearest rank and skips gaps', () => {
  assert.equal(percentile([1, 2, 3, 4, null, 5], 0.95), 5)
  assert.equal(
    percentile(
      Array.from({ length: 100 }, (_, i) => i + 1),
      0.95,
    ),
    95,
  )
  assert.equal(percentile([null], 0.95), null)
})

test('the export has raw numbers under heads with units', () => {
  const table = groupsTable(
    ['vlan'],
    groupsOf(answer, 'bytes', { seconds: 20, whole: 20, first: 0, complete: 2 }),
    'bytes',
  )
  assert.deepEqual(table[0], [
    'vlan',
    'average_bits_per_second',
    'low95_bits_per_second',
    'high95_bits_per_second',
    'peak_bits_per_second',
    'p95_bits_per_second',
    'total_bytes',
    'share',
    'before_bits_per_second',
  ])
  assert.deepEqual(table[1], [1, 400, 360, 440, 800, 800, 1000, 0.333333, null])
  assert.equal(table[3]?.[0], 'other')
})

test('a group is held against what it was before', () => {
  const drawn = (bytes: number) => ({ values: [1, 1], low: [], high: [], total: row(bytes) })
  const previous = { from: -20_000, to: 0, series: [drawn(500), drawn(0), drawn(1000)], total: row(1500) }
  const groups = groupsOf({ ...answer, previous }, 'bytes', { seconds: 20, whole: 20, first: 0, complete: 1 })
  assert.deepEqual(
    groups.map((group) => changeOf(group.average, group.before)),
    [1, -0.5, null],
  )
})

test('a share of a link is of the speed that the server says, and unknown where it does not', () => {
  const [first, second] = answer.series
  assert.ok(first && second)
  const told = { ...row(1000), share: { value: 0.4, low: 0.3, high: 0.5 } }
  const third = { ...second, other: false, key: { vlan: 3 }, speed: 800, total: row(500) }
  const shared = { ...answer, series: [{ ...first, total: told }, { ...second, total: row(1500) }, third] }
  const groups = groupsOf(shared, 'share', { seconds: 20, whole: 20, first: 0, complete: 1 })
  assert.deepEqual(
    groups.map((group) => [group.average, group.averageHigh]),
    [
      [0.4, 0.5],
      [0.25, 0.275],
      [null, 0],
    ],
  )
})
