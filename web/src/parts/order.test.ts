import assert from 'node:assert/strict'
import { test } from 'node:test'
import { moved, placeAt } from './order.ts'

test('one is moved, the others keep their order', () => {
  assert.deepEqual(moved(['a', 'b', 'c'], 0, 2), ['b', 'c', 'a'])
  assert.deepEqual(moved(['a', 'b', 'c'], 2, 0), ['c', 'a', 'b'])
})

test('there is no place beyond the ends', () => {
  const items = ['a', 'b']
  assert.equal(moved(items, 0, -1), items)
  assert.equal(moved(items, 1, 2), items)
  assert.equal(moved(items, 5, 0), items)
})

test('a pointer means the chip that it is over, in whichever line', () => {
  const boxes = [
    { left: 0, right: 50, top: 0, bottom: 20 },
    { left: 60, right: 90, top: 0, bottom: 20 },
    { left: 0, right: 40, top: 30, bottom: 50 },
  ]
  assert.equal(placeAt(boxes, 70, 10), 1)
  assert.equal(placeAt(boxes, 20, 40), 2)
  assert.equal(placeAt(boxes, 55, 10), undefined)
})
