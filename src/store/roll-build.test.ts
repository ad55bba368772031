import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { OperatorError } from '../base/errors.ts'
import type { EmbeddedStore } from './embedded.ts'
import { createRoller, type Roller, type RollerConfig } from './roller.ts'
import { insertBatch, smallNetwork } from './roller.fixture.ts'
import { createPlace, startStore, type Place } from './store.fixture.ts'

// What happens to the store while rollups are built.

const START = Date.parse('2030-05-06T01:00:00Z')
const MINUTE_MS = 60_000
const EVERYTHING: RollerConfig = { fewestFlows: 1, worth: 0.5 }

let place: Place
let store: EmbeddedStore
let now = START
const clock = { now: () => now }
const rollers: Roller[] = []

beforeEach(async () => {
  place = await createPlace()
  store = await startStore(place.data)
})
afterEach(async () => {
  for (const roller of rollers.splice(0)) await roller.stop()
  await store.stop()
  await place.remove()
})

/** @param before called with each statement before it is executed */
function newRoller(config: RollerConfig, before: (sql: string) => Promise<void>): Roller {
  const watched: typeof store = Object.create(store, {
    execute: {
      value: async (...[sql, options]: Parameters<EmbeddedStore['execute']>) => {
        await before(sql)
        return store.execute(sql, options)
      },
    },
  })
  const roller = createRoller(config, { store: watched, clock })
  rollers.push(roller)
  return roller
}

async function flowsOf(table: string): Promise<number> {
  return Number((await store.query(`SELECT sum(flows) FROM ${table}`)).rows[0]?.[0])
}

test('flows that are deleted while their unit is built again are not taken out of what is built', async () => {
  now = START + 2 * 60 * MINUTE_MS
  let gone = true
  const roller = newRoller(EVERYTHING, async (sql) => {
    if (gone || !sql.startsWith('INSERT INTO traffic_minute')) return
    gone = true
    await store.execute(`INSERT INTO dropped SELECT 'flows', toDateTime(${(START + 4 * MINUTE_MS) / 1000}, 'UTC')`)
    await store.execute('ALTER TABLE flows DROP PARTITION ALL')
  })
  await insertBatch(store, place.spool, smallNetwork(1, 2_000, START, START + 5 * MINUTE_MS))
  await roller.run()
  await insertBatch(store, place.spool, smallNetwork(2, 300, START, START + 5 * MINUTE_MS))
  gone = false
  await roller.run()
  assert.equal(gone, true)
  assert.equal(await flowsOf('traffic_minute'), 2_000)
  assert.equal(await flowsOf('segments_hour'), 2_000)
  assert.equal(await flowsOf('sources_5minutes'), 2_000)
})

test('a minute that cannot be built before its five are over costs no question what is built', async () => {
  now = START + 8 * MINUTE_MS + 15_000
  let failures = 0
  const roller = newRoller({ ...EVERYTHING, openMinutes: { fewestFlows: 1, worth: 0.5, pauseMs: 0 } }, async (sql) => {
    if (!/INSERT INTO traffic_minute.*time_received < fromUnixTimestamp64Milli/.test(sql)) return
    if (!sql.includes(String(START + 6 * MINUTE_MS))) return
    failures++
    throw new OperatorError('query_failed', 'too much memory')
  })
  await insertBatch(store, place.spool, smallNetwork(1, 4_000, START, START + 8 * MINUTE_MS + 5000))
  await roller.run()
  const ranges = (table: string): number | undefined =>
    roller
      .coverage()
      .find((coverage) => coverage.table === table)
      ?.ranges.at(-1)?.to
  assert.equal(ranges('traffic_minute'), START + 5 * MINUTE_MS)
  assert.equal(failures, 1)
  // It is left for when the five are over.
  await roller.run()
  assert.equal(failures, 1)
  assert.equal(ranges('traffic_hour'), START)
})
