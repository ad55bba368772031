import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SeriesAnswer } from '../../../src/api/contract/query.ts'
import { addsUp, addUp, completeBuckets, drawnBuckets, layerAt, layersOf } from './layers.ts'

const row = { key: {}, bytes: 0, packets: 0, flows: 0, low: 0, high: 0 }
function answer(sizes: readonly number[], other?: number): SeriesAnswer {
  const series = sizes.map((size, vlan) => ({
    key: { vlan },
    other: false,
    values: [size, null],
    low: [size, null],
    high: [size, null],
    total: row,
  }))
  const rest =
    other === undefined
      ? []
      : [{ key: {}, other: true, values: [other, 1], low: [other, 1], high: [other, 1], total: row }]
  return {
    columns: ['vlan'],
    from: 0,
    to: 20_000,
    step: 10,
    times: [0, 10_000],
    series: [...series, ...rest],
    total: row,
    source: 'flows',
    rowsRead: 1,
    tookMs: 1,
    samplingRates: [1],
    read: [],
    notes: [],
    unit: { bytes: 'mixed', estimated: false, describe: '' },
    groups: 1,
  }
}

test('the largest is first, and what is beyond seven is one with "other"', () => {
  const layers = layersOf(answer([1, 9, 8, 7, 6, 5, 4, 3, 2], 10))
  assert.deepEqual(
    layers.map((layer) => layer.name),
    ['1', '2', '3', '4', '5', '6', '7', 'other'],
  )
  assert.deepEqual(layers.at(-1)?.values, [1 + 2 + 10, 1])
})

test('a gap stays a gap', () => {
  assert.deepEqual(layersOf(answer([5]))[0]?.values, [5, null])
  assert.deepEqual(addUp([{ values: [null], low: [null], high: [null] }], 1), {
    values: [null],
    low: [null],
    high: [null],
  })
})

test('independent intervals add by the square', () => {
  const sum = addUp(
    [
      { values: [100], low: [97], high: [103] },
      { values: [100], low: [96], high: [104] },
    ],
    1,
  )
  assert.deepEqual(sum, { values: [200], low: [195], high: [205] })
})

test('a bucket that has not ended is not complete', () => {
  assert.equal(completeBuckets([0, 10_000, 20_000], 10, 25_000), 2)
  assert.equal(completeBuckets([0, 10_000, 20_000], 10, 30_000), 3)
  assert.equal(completeBuckets([], 10, 30_000), 0)
})

test('a bucket that has just begun is not drawn: what passed in it has not arrived', () => {
  const times = [0, 30_000, 60_000]
  assert.equal(drawnBuckets(times, 30, 62_000, 58_000), 2)
  assert.equal(drawnBuckets(times, 30, 80_000, 76_000), 3)
  assert.equal(drawnBuckets(times, 30, 90_000, 86_000), 3)
  assert.equal(drawnBuckets(times, 30, 90_000, 900_000), 3, 'of the past')
  assert.equal(drawnBuckets([0], 30, 2000, -2000), 1, 'there is nothing else')
  assert.equal(drawnBuckets([], 30, 0, 0), 0)
})

test('a click meets the band of a stack, or the nearest line', () => {
  const layers = layersOf(answer([5, 3]))
  assert.equal(layerAt(layers, 0, 4, true)?.name, 'untagged')
  assert.equal(layerAt(layers, 0, 7, true)?.name, '1')
  assert.equal(layerAt(layers, 0, 9, true), undefined)
  assert.equal(layerAt(layers, 0, 3.4, false)?.name, '1')
  assert.equal(layerAt(layers, 1, 1, false), undefined)
})

test('groups that count a flow for both of its ends are no parts of one whole, and neither are shares', () => {
  const total = { ...row, bytes: 10 }
  const of = (...sizes: number[]) => ({
    ...answer(sizes),
    series: answer(sizes).series.map((one, at) => ({ ...one, total: { ...row, bytes: sizes[at] ?? 0 } })),
    total,
  })
  assert.ok(addsUp(of(7, 3), 'bytes'))
  assert.ok(addsUp(of(7, 3.000000001), 'bytes'), 'sums differ with the order in which they are added')
  assert.ok(!addsUp(of(7, 5), 'bytes'))
  assert.ok(!addsUp(of(7, 3), 'share'))
  assert.deepEqual(
    layersOf(of(9, 8, 7, 6), 2, undefined, false).map((layer) => layer.name),
    ['untagged', '1'],
    'what is beyond them can not be one',
  )
})
