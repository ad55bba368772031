import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heatColour, heatHeight, mostOf } from './heat-option.ts'

const brightness = (colour: string) => [...colour.matchAll(/\d+/g)].reduce((sum, [digits]) => sum + Number(digits), 0)

test('more is darker on a light page and lighter on a dark one, without a turn', () => {
  const shares = [0, 0.01, 0.1, 0.25, 0.5, 0.8, 1]
  const light = shares.map((share) => brightness(heatColour(share, 'light')))
  const dark = shares.map((share) => brightness(heatColour(share, 'dark')))
  assert.deepEqual(
    light,
    [...light].sort((a, b) => b - a),
  )
  assert.deepEqual(
    dark,
    [...dark].sort((a, b) => a - b),
  )
  assert.equal(new Set(light).size, shares.length)
})

test('what is out of range has the colour of the nearest end', () => {
  assert.equal(heatColour(7, 'dark'), heatColour(1, 'dark'))
  assert.equal(heatColour(-1, 'light'), heatColour(0, 'light'))
})

test('gaps count as nothing for the most', () => {
  const layer = { id: '', name: '', key: {}, other: false, values: [null, 3, 9], low: [], high: [] }
  assert.equal(mostOf([layer]), 9)
  assert.equal(mostOf([]), 0)
  assert.ok(heatHeight(30) > heatHeight(8))
})
