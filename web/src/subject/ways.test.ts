import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SeriesAnswer } from '../../../src/api/contract/query.ts'
import type { Answered } from '../api/questions.ts'
import { peersOf, waysOf } from './ways.ts'

const row = (key: Record<string, string>, bytes: number) => ({ key, bytes, packets: 0, flows: 0, low: 0, high: 0 })
function answer(times: number[], values: number[]): Answered<SeriesAnswer> {
  return {
    columns: [],
    from: 0,
    to: 30_000,
    step: 10,
    times,
    series: [{ key: {}, other: false, values, low: values, high: values, total: row({}, 1) }],
    total: row({}, 1),
    source: 'flows',
    rowsRead: 5,
    tookMs: 2,
    samplingRates: [1],
    read: [],
    notes: [],
    unit: { bytes: 'mixed', estimated: false, describe: '' },
    groups: 1,
    bounds: { from: 0, to: 30_000 },
    counted: { metric: 'bytes', unit: undefined, versus: 'none' },
    known: { from: 0, to: 30_000 },
    askedAt: 30_000,
  }
}

test('out and in are aligned by their times, and what is missing is a gap', () => {
  const ways = waysOf(answer([0, 10_000, 20_000], [1, 2, 3]), answer([10_000, 20_000, 30_000], [7, 8, 9]))
  assert.deepEqual(
    ways.series.map((series) => series.values),
    [
      [1, 2, 3],
      [null, 7, 8],
    ],
  )
  assert.deepEqual(
    ways.series.map((series) => series.key),
    [{ way: 'out' }, { way: 'in' }],
  )
})

test('a machine with two addresses is one peer', () => {
  const peers = peersOf(
    {
      rows: [
        row({ dst_vm: 'db', dst_addr: '10.0.0.1' }, 5),
        row({ dst_vm: 'db', dst_addr: '2001:db8::1' }, 2),
        row({ dst_vm: '', dst_addr: '192.0.2.9' }, 1),
      ],
    },
    { rows: [row({ src_vm: 'db', src_addr: '10.0.0.1' }, 4)] },
  )
  assert.deepEqual(
    peers.map((peer) => [peer.id, peer.out, peer.in]),
    [
      ['vm db', 7, 4],
      ['ip 192.0.2.9', 1, 0],
    ],
  )
})
