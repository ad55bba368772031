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
  assert.equal(placeAt(boxes, 2, 70, 10), 1)
  assert.equal(placeAt(boxes, 0, 20, 40), 2)
  assert.equal(placeAt(boxes, 0, 55, 10), undefined)
})

test('a narrow chip passes a wide one only where it will lie under the pointer', () => {
  const line = (widths: readonly number[]) =>
    widths.map((width, at) => {
      const left = widths.slice(0, at).reduce((sum, before) => sum + before + 10, 0)
      return { left, right: left + width, top: 0, bottom: 20 }
    })
  for (const [widths, from] of [
    [[40, 100], 0],
    [[100, 40], 1],
    [[100, 40], 0],
  ] as const) {
    for (let x = 0; x <= 150; x++) {
      const to = placeAt(line(widths), from, x, 10)
      if (to === undefined || to === from) continue
      assert.equal(to, 1 - from)
      assert.equal(placeAt(line([widths[1], widths[0]]), to, x, 10) ?? to, to, `at ${x} they would change places again`)
    }
  }
})
