import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { planRange, type Level } from './plan.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const EVER = { from: 0, until: Number.POSITIVE_INFINITY }
const LEVELS: readonly Level[] = [
  { table: 'raw', stepMs: 1, ...EVER },
  { table: 'minute', stepMs: MINUTE, ...EVER },
  { table: 'hour', stepMs: HOUR, ...EVER },
  { table: 'day', stepMs: DAY, ...EVER },
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
  const levels = LEVELS.map((level) => (level.table === 'raw' ? level : { ...level, until: at(3, 5) }))
  assert.deepEqual(told(at(2), at(4), levels), [
    ['hour', at(2), at(3)],
    ['minute', at(3), at(3, 5)],
    ['raw', at(3, 5), at(4)],
  ])
})

test('where the rows are gone, the buckets around the edge answer', () => {
  const kept = LEVELS.map((level) => ({ ...level, from: { raw: at(30), minute: at(20), hour: 0, day: 0 }[level.table] ?? 0 }))
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
  const middle = kept.map((level) => (level.table === 'raw' ? { ...level, from: at(25, 0, 40) } : level))
  assert.deepEqual(told(at(25, 0, 30), at(25, 2), middle), [['minute', at(25), at(25, 2)]])
})

test('pieces never overlap, lie within what their tables hold, and leave out only what no table has', () => {
  const moment = fc.integer({ min: 0, max: 4 * DAY })
  const level = fc.record({ from: fc.oneof(fc.constant(0), moment), until: fc.oneof(fc.constant(EVER.until), moment) })
  fc.assert(
    fc.property(moment, moment, fc.tuple(level, level, level, level), (a, b, kept) => {
      const levels = LEVELS.map((l, i) => ({ ...l, ...(kept[i] as { from: number; until: number }) }))
      const [from, to] = [Math.min(a, b), Math.max(a, b)]
      const { pieces, missing } = planRange(from, to, levels)
      let end = Number.NEGATIVE_INFINITY
      for (const piece of pieces) {
        const held = levels.find((l) => l.table === piece.table) as Level
        assert.ok(piece.from >= end && piece.to > piece.from)
        assert.ok(piece.from % held.stepMs === 0 && piece.to % held.stepMs === 0)
        assert.ok(piece.from >= held.from && piece.to <= held.until)
        end = piece.to
      }
      const all = [...pieces, ...missing].sort((x, y) => x.from - y.from)
      let reached = from
      for (const span of all) {
        assert.ok(span.from <= reached, 'a hole')
        reached = Math.max(reached, span.to)
      }
      assert.ok(reached >= to)
      for (const gap of missing)
        for (const l of levels) {
          const [first, last] = [Math.floor(gap.from / l.stepMs) * l.stepMs, Math.ceil(gap.to / l.stepMs) * l.stepMs]
          assert.ok(first < l.from || last > l.until)
        }
    }),
    { numRuns: 2000 },
  )
})
