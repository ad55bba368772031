import assert from 'node:assert/strict'
import { test } from 'node:test'
import { believedTime } from './believed-time.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const T = Date.parse('2030-05-06T00:00:00Z')

function clocks(wall: number) {
  const state = { wall, elapsed: 5 }
  return {
    state,
    deps: { clock: { now: () => state.wall }, elapsed: () => state.elapsed },
    pass(ms: number) {
      state.wall += ms
      state.elapsed += ms
    },
  }
}

test('time goes on with the clock, small corrections with it', () => {
  const { state, deps, pass } = clocks(T)
  const time = believedTime(T, deps)
  pass(HOUR)
  state.wall += 60_000
  assert.equal(time(), T + HOUR + 60_000)
})

test('a clock that jumps ahead is believed after a day, and at once when it comes back', () => {
  const { state, deps, pass } = clocks(T)
  const time = believedTime(T, deps)
  state.wall += 1000 * DAY
  assert.equal(time(), T)
  pass(DAY - 1)
  assert.equal(time(), T + DAY - 1)
  pass(1)
  assert.equal(time(), T + 1001 * DAY)
  state.wall -= 1000 * DAY
  assert.equal(time(), T + DAY)
  // A second jump waits again.
  state.wall += 1000 * DAY
  assert.equal(time(), T + DAY)
})

test('a clock that is far ahead of the newest row at the start is not believed either', () => {
  const { deps, pass } = clocks(T + 1000 * DAY)
  const time = believedTime(T, deps)
  assert.equal(time(), T)
  pass(2 * HOUR)
  assert.equal(time(), T + 2 * HOUR)
})

test('a clock that is behind the newest row counts', () => {
  const { deps } = clocks(T)
  assert.equal(believedTime(T + DAY, deps)(), T)
})
