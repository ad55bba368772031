import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assignColours, colourOf, OTHER_COLOUR, stableHash } from './colours.ts'

const seven = ['web-1', 'web-2', 'web-3', 'db-1', 'db-2', 'stor-1', 'backup']

test('seven things have seven colours', () => {
  assert.equal(new Set(assignColours(seven).values()).size, 7)
})

test('a thing alone has the colour of its hash, whatever else was there before', () => {
  assert.equal(assignColours(['db-1']).get('db-1'), stableHash('db-1') % 7)
})

test('a refresh in another order keeps the colours that were given', () => {
  const before = assignColours(seven)
  const after = assignColours([...seven].reverse(), before)
  for (const name of seven) assert.equal(after.get(name), before.get(name))
})

test('a newcomer takes a free place and moves nobody', () => {
  const before = assignColours(seven.slice(0, 6))
  const after = assignColours(['new', ...seven.slice(0, 6)], before)
  for (const name of seven.slice(0, 6)) assert.equal(after.get(name), before.get(name))
  assert.equal(new Set(after.values()).size, 7)
})

test('more things than colours share them evenly', () => {
  const many = assignColours(Array.from({ length: 14 }, (_, i) => `vm-${i}`))
  const counts = new Map<number, number>()
  for (const slot of many.values()) counts.set(slot, (counts.get(slot) ?? 0) + 1)
  assert.deepEqual([...counts.values()], [2, 2, 2, 2, 2, 2, 2])
})

test('what has no place is grey', () => assert.equal(colourOf(undefined, 'dark'), OTHER_COLOUR.dark))
