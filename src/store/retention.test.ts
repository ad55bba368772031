import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import type { EmbeddedStore } from './embedded.ts'
import { createRetention, type RetentionConfig } from './retention.ts'
import { createRoller } from './roller.ts'
import { differences, insertBatch, smallNetwork, totals } from './roller.fixture.ts'
import { ROLLUPS } from './rollups.ts'
import { createPlace, startStore, type Place } from './store.fixture.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const FIRST = Date.parse('2030-05-06T10:00:00Z')
const DAYS = 3
const ROWS = 600

let place: Place
let store: EmbeddedStore
let now = FIRST
let elapsed = 0
const clock = { now: () => now }

beforeEach(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  now = FIRST + DAYS * DAY_MS
  for (let day = 0; day < DAYS; day++) {
    const at = FIRST + day * DAY_MS + (day === DAYS - 1 ? HOUR_MS : 0)
    await insertBatch(store, place.spool, smallNetwork(day, ROWS, at, at + 5 * MINUTE_MS))
  }
})
afterEach(async () => {
  await store.stop()
  await place.remove()
})

function retain(keep: RetentionConfig['keep'], maxBytes?: number): Promise<void> {
  const config = { keep, ...(maxBytes === undefined ? {} : { maxBytes }) }
  return createRetention(config, { store, clock, elapsed: () => elapsed }).run()
}

function newRoller() {
  return createRoller({ fewestFlows: 1, worth: 0.1 }, { store, clock })
}

async function bytesOf(table: string): Promise<number> {
  const { rows } = await store.query(`SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = '${table}'`)
  return Number(rows[0]?.[0])
}

test('no question is planned over what is gone: that it goes is known before', async () => {
  const roller = newRoller()
  await roller.run()
  const from = (table: string): number | undefined =>
    roller.coverage().find((coverage) => coverage.table === table)?.ranges[0]?.from
  assert.equal(from('traffic_minute'), 0)
  const known: boolean[] = []
  const noted = async (): Promise<void> => {
    await roller.look()
    const [gone, all] = [from('traffic_minute') ?? Infinity, (await totals(store)).traffic_minute]
    known.push(gone > FIRST && all === DAYS * ROWS)
  }
  await createRetention({ keep: { minutes: { days: 2 } } }, { store, clock, elapsed: () => elapsed, noted }).run()
  assert.equal((await totals(store)).traffic_minute, 2 * ROWS)
  assert.equal(known[0], true)
})

test('flows, minutes and hours are kept as long as each may be, and what is gone is told', async () => {
  await newRoller().run()
  await retain({ flows: { days: 1 }, minutes: { days: 2 } })
  const all = await totals(store)
  assert.equal(all.flows, ROWS)
  assert.equal(all.traffic_minute, 2 * ROWS)
  assert.equal(all.sources_5minutes, 2 * ROWS)
  assert.equal(all.traffic_hour, DAYS * ROWS)
  assert.equal(all.arrivals, DAYS * ROWS)
  const roller = newRoller()
  await roller.run()
  assert.equal(roller.status().built, 0)
  const from = new Map(roller.coverage().map(({ table, ranges }) => [table, ranges[0]?.from]))
  const gone = (days: number): number => FIRST + (days - 1) * DAY_MS
  assert.ok((from.get('flows') as number) > gone(2) && (from.get('flows') as number) <= gone(2) + 6 * MINUTE_MS)
  assert.equal(from.get('traffic_minute'), gone(1) + 5 * MINUTE_MS)
  assert.equal(from.get('traffic_hour'), 0)

  // Late flows for a time that is deleted change nothing in the rollups of it; those of other times do.
  await insertBatch(store, place.spool, smallNetwork(20, 50, FIRST + DAY_MS, FIRST + DAY_MS + MINUTE_MS))
  await insertBatch(store, place.spool, smallNetwork(21, 50, FIRST + 2 * DAY_MS, FIRST + 2 * DAY_MS + MINUTE_MS))
  await newRoller().run()
  assert.equal((await totals(store)).traffic_hour, DAYS * ROWS + 50)
  const since = `time_received >= toDateTime64('2030-05-08 00:00:00', 3, 'UTC')`
  for (const rollup of ROLLUPS) assert.deepEqual(await differences(store, rollup, 'hour', since), [])
})

test('a kind of table that is too large loses its oldest, and a store that is too large its flows before its rollups', async () => {
  await newRoller().run()
  for (const table of ['traffic_minute', 'networks_minute', 'sources_5minutes', 'destinations_5minutes'])
    await store.execute(`SYSTEM STOP MERGES ${table}`)
  const minutes = await bytesOf('traffic_minute')
  await retain({ minutes: { maxBytes: minutes } })
  const all = await totals(store)
  assert.ok((all.traffic_minute as number) < DAYS * ROWS)
  assert.equal(all.flows, DAYS * ROWS)
  await retain({}, 1)
  assert.deepEqual(new Set(Object.values({ ...(await totals(store)), arrivals: 0 })), new Set([0]))
})

test('flows that came late go when they are summed up, or after a while all the same, and nothing newer goes before them', async () => {
  const roller = newRoller()
  await roller.run()
  const old = `time_received < toDateTime64('2030-05-06 12:00:00', 3, 'UTC')`
  await insertBatch(store, place.spool, smallNetwork(20, 50, FIRST, FIRST + MINUTE_MS))
  await roller.look()
  const deps = {
    store,
    clock,
    elapsed: () => elapsed,
    noted: () => roller.look(),
    owes: (at: number) => roller.owes?.(at) === true,
  }
  const retention = createRetention({ keep: { flows: { days: 2 } } }, deps)
  const bySize = createRetention({ keep: { flows: { maxBytes: (await bytesOf('flows')) - 1 } } }, deps)
  await retention.run()
  assert.equal((await totals(store, old)).flows, ROWS + 50)
  await bySize.run()
  assert.equal((await totals(store)).flows, DAYS * ROWS + 50)
  await roller.run()
  await retention.run()
  const all = await totals(store)
  assert.deepEqual([all.flows, all.traffic_hour, all.sources_day], [2 * ROWS, 3 * ROWS + 50, 3 * ROWS + 50])

  await insertBatch(store, place.spool, smallNetwork(21, 50, FIRST + DAY_MS, FIRST + DAY_MS + MINUTE_MS))
  await roller.look()
  const shorter = createRetention({ keep: { flows: { days: 1 } } }, deps)
  await shorter.run()
  elapsed += 599_000
  await shorter.run()
  assert.equal((await totals(store)).flows, (DAYS - 1) * ROWS + 50)
  elapsed += 1_000
  await shorter.run()
  assert.equal((await totals(store)).flows, ROWS)
})

test('no part is a large share of what is kept of its kind', async () => {
  const mib = 2 ** 20
  const most = async (keep: RetentionConfig['keep']): Promise<unknown> => {
    await store.stop()
    store = await startStore(place.data, { keep, maxBytes: 1024 * mib })
    const { rows } = await store.query(
      "SELECT toUInt64(extract(create_table_query, 'max_bytes_to_merge_at_max_space_in_pool = ([0-9]+)')) FROM system.tables WHERE database = currentDatabase() AND name IN ('flows', 'metrics', 'traffic_hour') ORDER BY name",
    )
    return rows.flat()
  }
  assert.deepEqual(await most({ flows: { maxBytes: 320_000_000 }, hours: { maxBytes: 2 * mib } }), [
    20_000_000,
    64 * mib,
    mib,
  ])
  // One that begins with the same digits.
  assert.deepEqual(await most({ flows: { maxBytes: 32_000_000 } }), [2_000_000, 64 * mib, 64 * mib])
  assert.deepEqual(await most({}), [64 * mib, 64 * mib, 64 * mib])
})

test('a clock that jumps years ahead deletes nothing until it has stayed there for a day', async () => {
  now = FIRST + 2 * DAY_MS + HOUR_MS
  let kept: unknown
  const clockFile = { read: () => kept, write: async (state: unknown) => void (kept = structuredClone(state)) }
  const deps = { store, clock, elapsed: () => elapsed, clockFile }
  const retention = createRetention({ keep: { flows: { days: 30 } } }, deps)
  await retention.run()
  now += 1000 * DAY_MS
  await retention.run()
  elapsed += 23 * HOUR_MS
  await retention.run()
  assert.equal((await totals(store)).flows, DAYS * ROWS)
  // A new start knows what was believed.
  const next = createRetention({ keep: { flows: { days: 30 } } }, deps)
  await next.run()
  assert.equal((await totals(store)).flows, DAYS * ROWS)
  elapsed += HOUR_MS
  await next.run()
  assert.equal((await totals(store)).flows, 0)
})
