import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keptSince, knownPart, knownSeconds } from './known.ts'

const DAY = 86_400_000
const noon = 100 * DAY + DAY / 2

test('sums begin with a whole bucket, though the first flow came within it', () => {
  const tables = [
    { kind: 'flows', oldest: noon },
    { kind: 'minutes', oldest: noon - 20_000 },
    { kind: 'hours', oldest: noon - 40 * 60_000 },
    { kind: 'days', oldest: 100 * DAY },
    { kind: 'counters', oldest: 3 * DAY },
  ] as const
  assert.equal(keptSince(tables), noon)
  assert.equal(keptSince([]), undefined)
})

test('sums are kept when the flows are gone', () => {
  const tables = [
    { kind: 'flows', oldest: noon },
    { kind: 'minutes', oldest: noon - 30 * DAY },
    { kind: 'hours', oldest: noon - 90 * DAY },
    { kind: 'days', oldest: null },
  ] as const
  assert.equal(keptSince(tables), noon - 90 * DAY)
})

test('a rate is over the time that is kept and has come', () => {
  const bounds = { from: noon - 30 * DAY, to: noon + DAY }
  assert.deepEqual(knownPart(bounds, noon, noon - DAY), { from: noon - DAY, to: noon })
  assert.deepEqual(knownPart(bounds, noon, undefined, [{ from: noon - 2 * DAY }, { from: noon - DAY }]), {
    from: noon - 2 * DAY,
    to: noon,
  })
  assert.deepEqual(knownPart(bounds, noon + 2 * DAY, noon + 2 * DAY), bounds, 'nothing is kept: a rate of nothing')
  assert.equal(knownSeconds({ known: { from: noon, to: noon + 100 } }), 1)
})
