import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aligned, boundsOf, durationCode, parseDuration, parseSpan, shiftOf, spanText, stepFor } from './span.ts'
import { agoText, durationText } from './zone.ts'

// A Sunday.
const now = Date.UTC(2026, 10, 22, 9, 30)
const at = (day: number, hour: number, minute = 0) => Date.UTC(2026, 10, day, hour, minute)
const read = (text: string) => parseSpan(text, now, 'utc')

test('a length of time is the last so long', () => {
  assert.deepEqual(read('6h'), { kind: 'last', ms: 6 * 3_600_000 })
  assert.deepEqual(read('last 2 days'), { kind: 'last', ms: 2 * 86_400_000 })
  assert.deepEqual(read('past hour'), { kind: 'last', ms: 3_600_000 })
  assert.deepEqual(read('90 min'), { kind: 'last', ms: 5_400_000 })
})

test('yesterday 14:00 to 16:00 is two hours of yesterday', () => {
  assert.deepEqual(read('yesterday 14:00 to 16:00'), { kind: 'between', from: at(21, 14), to: at(21, 16) })
})

test('times without a day are of today', () => {
  assert.deepEqual(read('08:00-09:15'), { kind: 'between', from: at(22, 8), to: at(22, 9, 15) })
  assert.deepEqual(read('since 9am'), { kind: 'between', from: at(22, 9), to: now })
  assert.deepEqual(read('2 hours ago to now'), { kind: 'between', from: at(22, 7, 30), to: now })
})

test('days stand for the whole of them, and today ends now', () => {
  assert.deepEqual(read('yesterday'), { kind: 'between', from: at(21, 0), to: at(22, 0) })
  assert.deepEqual(read('today'), { kind: 'between', from: at(22, 0), to: now })
  assert.deepEqual(read('2026-11-18 to 2026-11-19'), { kind: 'between', from: at(18, 0), to: at(20, 0) })
  assert.deepEqual(read('monday 10:00 to 12:00'), { kind: 'between', from: at(16, 10), to: at(16, 12) })
})

test('a span may pass midnight', () => {
  assert.deepEqual(read('yesterday 22:00 to 02:00'), { kind: 'between', from: at(21, 22), to: at(22, 2) })
})

test('ISO moments keep their zone', () => {
  assert.deepEqual(read('2026-11-20T10:00:00Z to 2026-11-20T12:00:00+01:00'), {
    kind: 'between',
    from: at(20, 10),
    to: at(20, 11),
  })
})

test('what makes no sense is not guessed at', () => {
  for (const text of ['', 'soon', '25:00 to 26:00', '2026-02-31', 'yesterday 16:00 to yesterday 14:00', '10 parsecs']) {
    assert.equal(read(text), undefined, text)
  }
})

test('a length is written back with its largest unit', () => {
  for (const code of ['5m', '1h', '6h', '1d', '7d', '45s']) assert.equal(durationCode(parseDuration(code) ?? 0), code)
})

test('a span is said in words', () => {
  assert.equal(spanText({ kind: 'last', ms: 6 * 3_600_000 }, now, 'utc'), 'Last 6 hours')
  assert.equal(spanText({ kind: 'last', ms: 3_600_000 }, now, 'utc'), 'Last hour')
  assert.equal(spanText({ kind: 'between', from: at(22, 7), to: at(22, 8) }, now, 'utc'), '07:00 – 08:00')
  assert.equal(
    spanText({ kind: 'between', from: at(21, 7), to: at(22, 8) }, now, 'utc'),
    '2026-11-21 07:00 – 2026-11-22 08:00',
  )
})

test('buckets are round and the first is whole', () => {
  const bounds = boundsOf({ kind: 'last', ms: 3_600_000 }, now + 17_000)
  const step = stepFor(bounds)
  assert.equal(step, 60)
  assert.equal(aligned(bounds, step).from % 60_000, 0)
  assert.ok(aligned(bounds, step).from <= bounds.from)
})

test('how long ago is said shortly', () => {
  assert.equal(agoText(now - 240_000, now), '4 min ago')
  assert.equal(agoText(now - 500, now), 'just now')
  assert.equal(durationText(3 * 86_400_000), '3 days')
})

test('the time before ends where the shown one begins, on a whole bucket', () => {
  assert.equal(shiftOf('before', 3_599_000, 30), 3_600_000)
  assert.equal(shiftOf('day', 3_599_000, 30), 86_400_000)
  assert.equal(shiftOf('week', 3_599_000, 30), 7 * 86_400_000)
  assert.equal(shiftOf('none', 3_599_000, 30), undefined)
})
