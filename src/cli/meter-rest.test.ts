import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMeterRest, type MeterRest } from './meter-rest.ts'

const MEGABYTE = 1 << 20

/** How long it rests in the end where so many bytes come each millisecond. */
function settled(rest: MeterRest, bytesEachMs: number): number {
  let ms = rest.next()
  for (let turn = 0; turn < 200; turn++) {
    rest.read(ms * bytesEachMs)
    ms = rest.next()
  }
  return ms
}

test('a quiet link is looked at less often the more blocks its ring has, each of which takes what comes in 10 ms', () => {
  const quiet = [0.5, 1, 2, 4, 8, 32, 1024].map((size) => settled(createMeterRest(size * MEGABYTE), 10))
  assert.deepEqual(quiet, [5, 10, 20, 40, 80, 80, 80])
})

test('a busy link fills about a quarter of its ring meanwhile', () => {
  const ring = 32 * MEGABYTE
  for (const each of [ring / 200, ring / 100, ring / 40]) {
    const filled = (settled(createMeterRest(ring), each) * each) / ring
    assert.ok(filled > 0.15 && filled < 0.35, `${filled} of the ring`)
  }
})
