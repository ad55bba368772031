import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRoller } from '../store/roller.ts'
import { insertBatch, smallNetwork } from '../store/roller.fixture.ts'
import { createPlace, startStore } from '../store/store.fixture.ts'
import { createAsk } from './ask.ts'
import type { Row } from './measure.ts'

const START = Date.parse('2030-05-06T01:05:00Z')

test('up to now is answered from minutes, from the pieces of the one that is not over, and from the last flows', async () => {
  const place = await createPlace()
  const store = await startStore(place.data)
  try {
    const clock = { now: () => START + 98_000 }
    await insertBatch(store, place.spool, smallNetwork(1, 6_000, START, START + 98_000))
    const config = { openMinutes: { fewestFlows: 100, worth: 0.2, pauseMs: 0 } }
    const rollups = createRoller(config, { store, clock })
    await rollups.run()
    const raw = createAsk({}, { store, clock })
    const rolled = createAsk({}, { store, clock, rollups })
    const figures = (rows: readonly (Row | undefined)[]): string[] =>
      rows
        .map((row) => JSON.stringify([row?.key, row?.bytes, row?.packets, row?.flows, Math.round(row?.low ?? 0)]))
        .sort()
    const range = { from: START - 60_000, to: START + 98_000, limit: 1000 }
    for (const by of [['src_vm', 'dst_vm'], ['vm'], ['service'], ['exporter', 'in_if'], ['src_as', 'dst_country']]) {
      const [one, other] = await Promise.all([raw.top({ ...range, by }), rolled.top({ ...range, by })])
      assert.deepEqual(figures([...other.rows, other.total]), figures([...one.rows, one.total]), by.join())
      const table = by.includes('src_as') ? 'networks' : 'traffic'
      assert.equal(other.source, `${table}_minute, ${table}_10seconds, flows`)
      assert.deepEqual(
        other.read.map(({ describe, from }) => [describe, (from - START) / 1000]),
        [
          ['1-minute table', -60],
          ['10-second table', 60],
          ['flows', 90],
        ],
      )
    }
    for (const [step, source] of [
      [10, 'traffic_10seconds, flows'],
      [60, 'traffic_minute, traffic_10seconds, flows'],
      [5, 'flows'],
    ] as const) {
      const asked = { ...range, by: ['vlan'], limit: 8, step }
      const [one, other] = await Promise.all([raw.series(asked), rolled.series(asked)])
      assert.equal(other.source, source)
      assert.deepEqual(
        other.series.map(({ key, values }) => [key, values]),
        one.series.map(({ key, values }) => [key, values]),
      )
    }
  } finally {
    await store.stop()
    await place.remove()
  }
})
