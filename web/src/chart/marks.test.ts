import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Event } from '../../../src/api/contract/events.ts'
import { eventsIn, marksOf } from './marks.ts'

const event = (at: number): Event => ({ at, since: null, kind: 'store', exporter: null, text: `at ${at}` })

test('events of one bucket are one mark, and each is found again in its bucket', () => {
  const marks = marksOf([event(1000), event(9000), event(10_000)], 10)
  assert.deepEqual(
    marks.map(({ at, events }) => [at, events.length]),
    [
      [9000, 2],
      [10_000, 1],
    ],
  )
  assert.deepEqual(eventsIn(marks, 0, 10), [event(1000), event(9000)])
  assert.deepEqual(eventsIn(marks, 10_000, 10), [event(10_000)])
  assert.deepEqual(eventsIn(marks, 20_000, 10), [])
})
