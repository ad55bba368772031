import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { planRange, type Level } from './plan.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const EVER = [{ from: 0, to: Number.POSITIVE_INFINITY }]
const LEVELS: readonly Level[] = [
  { table: 'raw', stepMs: 1, ranges: EVER },
  { table: 'minute', stepMs: MINUTE, ranges: EVER },
  { table: 'hour', stepMs: HOUR, ranges: EVER },
  { table: 'day', stepMs: DAY, ranges: EVER },
]

/** A moment of the tenth day. */
const at = (hours: number, minutes = 0, seconds = 0): number =>
  10 * DAY + hours * HOUR + minutes * MINUTE + seconds * 1000
const told = (from: number, to: number, levels = LEVELS): unknown =>
  planRange(from, to, levels).pieces.map((piece) => [piece.table, piece.from, piece.to])

test('a range is whole days, hours and minutes, and the edges of it', () => {
  assert.deepEqual(told(at(22, 58, 30), at(50, 1, 10)), [
    ['raw', at(22, 58, 30), at(22, 59)],
    ['minute', at(22, 59), at(23)],
    ['hour', at(23), at(24)],
    ['day', at(24), at(48)],
    ['hour', at(48), at(50)],
    ['minute', at(50), at(50, 1)],
    ['raw', at(50, 1), at(50, 1, 10)],
  ])
  assert.deepEqual(told(at(1, 2, 3), at(1, 2, 4)), [['raw', at(1, 2, 3), at(1, 2, 4)]])
  assert.deepEqual(told(at(0), at(24)), [['day', at(0), at(24)]])
})

test('what is not yet built is read from what is', () => {
  const levels = LEVELS.map((level) =>
    level.table === 'raw' ? level : { ...level, ranges: [{ from: 0, to: at(3, 5) }] },
  )
  assert.deepEqual(told(at(2), at(4), levels), [
    ['hour', at(2), at(3)],
    ['minute', at(3), at(3, 5)],
    ['raw', at(3, 5), at(4)],
  ])
})

test('where the rows are gone, the buckets around the edge answer', () => {
  const since = (level: Level, from: number): Level => ({ ...level, ranges: [{ from, to: Number.POSITIVE_INFINITY }] })
  const kept = LEVELS.map((level) => since(level, { raw: at(30), minute: at(20) }[level.table] ?? 0))
  assert.deepEqual(told(at(25, 0, 30), at(30, 0, 30), kept), [
    ['minute', at(25), at(26)],
    ['hour', at(26), at(30)],
    ['raw', at(30), at(30, 0, 30)],
  ])
  assert.deepEqual(told(at(10, 10), at(12, 20), kept), [['hour', at(10), at(13)]], 'minutes are gone too')
  const rawOnly = kept.slice(0, 1)
  assert.deepEqual(planRange(at(29), at(31), rawOnly), {
    pieces: [{ table: 'raw', from: at(30), to: at(31) }],
    missing: [{ from: at(29), to: at(30) }],
  })
  // The rows are kept from the middle of a minute on, which is answered as a whole then.
  const middle = kept.map((level) => (level.table === 'raw' ? since(level, at(25, 0, 40)) : level))
  assert.deepEqual(told(at(25, 0, 30), at(25, 2), middle), [['minute', at(25), at(25, 2)]])
})

test('a bucket that a table lacks is read from a finer one', () => {
  const levels = LEVELS.map((level) =>
    level.table === 'hour'
      ? {
          ...level,
          ranges: [
            { from: 0, to: at(2) },
            { from: at(3), to: at(9) },
          ],
        }
      : level,
  )
  assert.deepEqual(told(at(1), at(5), levels), [
    ['hour', at(1), at(2)],
    ['minute', at(2), at(3)],
    ['hour', at(3), at(5)],
  ])
})

test('pieces never overlap, lie within what their tables hold, and leave out only what no table has', () => {
  const moment = fc.integer({ min: 0, max: 4 * DAY })
  const ranges = fc.oneof(
    fc.constant(EVER),
    fc.uniqueArray(moment, { maxLength: 7 }).map((ends) => {
      const sorted = ends.toSorted((a, b) => a - b)
      return sorted.flatMap((from, i) =>
        i % 2 === 0 && i + 1 < sorted.length ? [{ from, to: sorted[i + 1] as number }] : [],
      )
    }),
  )
  const holds = (level: Level, from: number, to: number): boolean =>
    level.ranges.some((range) => range.from <= from && range.to >= to)
  fc.assert(
    fc.property(moment, moment, fc.tuple(ranges, ranges, ranges, ranges), (a, b, kept) => {
      const levels = LEVELS.map((l, i) => ({ ...l, ranges: kept[i] as Level['ranges'] }))
      const [from, to] = [Math.min(a, b), Math.max(a, b)]
      const { pieces, missing } = planRange(from, to, levels)
      let end = Number.NEGATIVE_INFINITY
      for (const piece of pieces) {
        const level = levels.find((l) => l.table === piece.table) as Level
        assert.ok(piece.from >= end && piece.to > piece.from)
        assert.ok(piece.from % level.stepMs === 0 && piece.to % level.stepMs === 0)
        assert.ok(holds(level, piece.from, piece.to))
        end = piece.to
      }
      let reached = from
      for (const span of [...pieces, ...missing].sort((x, y) => x.from - y.from)) {
        assert.ok(span.from <= reached, 'a hole')
        reached = Math.max(reached, span.to)
      }
      assert.ok(reached >= to)
      for (const gap of missing)
        for (const level of levels) {
          const [first, last] = [Math.floor(gap.from / level.stepMs), Math.ceil(gap.to / level.stepMs)]
          assert.ok(!holds(level, first * level.stepMs, last * level.stepMs))
        }
    }),
    { numRuns: 2000 },
  )
})
