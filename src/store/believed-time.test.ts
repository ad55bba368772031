import assert from 'node:assert/strict'
import { test } from 'node:test'
import { believedStateOf, believedTime, type BelievedState } from './believed-time.ts'

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
  const time = believedTime(T, deps).now
  pass(HOUR)
  state.wall += 60_000
  assert.equal(time(), T + HOUR + 60_000)
})

test('a clock that jumps ahead is believed after a day, and at once when it comes back', () => {
  const { state, deps, pass } = clocks(T)
  const time = believedTime(T, deps).now
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
  const time = believedTime(T, deps).now
  assert.equal(time(), T)
  pass(2 * HOUR)
  assert.equal(time(), T + 2 * HOUR)
})

test('a clock that is behind the newest row counts', () => {
  const { deps } = clocks(T)
  assert.equal(believedTime(T + DAY, deps).now(), T)
})

test('a machine that is switched off each night lags some nights behind, not more and more', () => {
  const { state, deps, pass } = clocks(T)
  let kept: BelievedState | number = T
  let lag = 0
  for (let day = 0; day < 60; day++) {
    // The time since the start begins anew with the machine.
    state.elapsed = 5
    const time = believedTime(kept, deps)
    for (let minutes = 0; minutes < 8 * 60; minutes += 10) {
      assert.ok(time.now() <= state.wall)
      pass(10 * 60_000)
    }
    time.now()
    kept = believedStateOf(JSON.parse(JSON.stringify(time.state()))) as BelievedState
    assert.ok(kept.ahead.length < 40)
    state.wall += 16 * HOUR
    lag = Math.max(lag, state.wall - kept.believed)
  }
  assert.ok(lag <= 5 * 16 * HOUR, `${lag / HOUR} hours`)
})

test('a clock that is set wrong while the machine catches up is believed as far as it was ahead all day', () => {
  const { state, deps, pass } = clocks(T)
  const first = believedTime(T, deps)
  state.wall += 16 * HOUR
  first.now()
  pass(20 * HOUR)
  first.now()
  const time = believedTime(first.state(), deps)
  state.wall += 1000 * DAY
  assert.equal(time.now(), T + 20 * HOUR)
  for (let i = 0; i < 4; i++) {
    pass(HOUR)
    time.now()
  }
  assert.equal(time.now(), T + 24 * HOUR + 16 * HOUR)
  for (let i = 0; i < 19; i++) {
    pass(HOUR)
    time.now()
  }
  assert.equal(time.now(), T + 43 * HOUR + 16 * HOUR)
  for (let i = 0; i < 6; i++) {
    pass(HOUR)
    time.now()
  }
  assert.equal(time.now(), state.wall)
})

test('what is not what was kept is not taken for it', () => {
  for (const value of [undefined, null, 5, {}, { believed: 'x', ahead: [] }, { believed: 1, ahead: [{ ran: 1 }] }])
    assert.equal(believedStateOf(value), undefined)
})
