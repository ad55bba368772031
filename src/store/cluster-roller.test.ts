import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import type { ClusterStore } from './cluster.ts'
import { createClusterRoller, inBoth } from './cluster-roller.ts'
import { startClickHouse, startClusterStore, type ClickHouse } from './clickhouse.fixture.ts'
import { differences, insertBatch, smallNetwork, totals } from './roller.fixture.ts'
import type { Roller } from './roller.ts'
import { LEVELS, ROLLUPS } from './rollups.ts'
import { createPlace, type Place } from './store.fixture.ts'

const DAY = Date.parse('2030-05-06T00:00:00Z')
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

let place: Place
let ch: ClickHouse
/** Two collectors of the first shard and one of the second. */
let stores: readonly [ClusterStore, ClusterStore, ClusterStore]
let now = DAY + 26 * HOUR_MS
const clock = { now: () => now }

before(async () => {
  place = await createPlace()
  ch = await startClickHouse(join(place.dir, 'servers'), { cluster: 'blue-green', shards: 2, replicas: 2 })
  const [a1, a2, b1, b2] = ch.urls as [string, string, string, string]
  const open = (urls: string[], name: string): Promise<ClusterStore> =>
    startClusterStore(urls, { cluster: 'blue-green', spoolDir: join(place.dir, name), keepDays: 36_500 })
  const first = await open([a1, a2, b1, b2], 'one')
  stores = [first, await open([a2, a1, b1, b2], 'two'), await open([b1, b2, a1, a2], 'three')]
})
after(async () => {
  for (const store of stores) await store.stop()
  await ch.stop()
  await place.remove()
})
beforeEach(async () => {
  now = DAY + 26 * HOUR_MS
  const { rows } = await stores[0].query(
    "SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE '%_local' AND name != 'schema_version_local'",
  )
  for (const [table] of rows) await stores[0].execute(`TRUNCATE TABLE ${table} ON CLUSTER 'blue-green'`)
})

function newRoller(store: ClusterStore): Roller {
  return createClusterRoller({ fewestFlows: 1, worth: 0.5, settleMs: 0 }, { store, clock })
}

async function assertSums(): Promise<void> {
  for (const level of LEVELS)
    for (const rollup of ROLLUPS) assert.deepEqual(await differences(stores[0], rollup, level, '1'), [])
}

async function assertTotals(flows: number): Promise<void> {
  const all = await totals(stores[0])
  assert.deepEqual(new Set(Object.values(all)), new Set([flows]), JSON.stringify(all))
}

test('each shard gets the sums of its flows, whoever builds them, all at once, and late flows are added', async () => {
  const [one, two, three] = stores
  await insertBatch(one, join(place.dir, 'a'), smallNetwork(1, 2_000, DAY + HOUR_MS, DAY + HOUR_MS + 5 * MINUTE_MS))
  await insertBatch(three, join(place.dir, 'b'), smallNetwork(2, 1_000, DAY + HOUR_MS, DAY + 2 * HOUR_MS))
  const rollers = [newRoller(one), newRoller(two), newRoller(three)]
  await Promise.all(rollers.map((roller) => roller.run()))
  await assertTotals(3_000)
  await assertSums()
  await insertBatch(two, join(place.dir, 'c'), smallNetwork(3, 500, DAY + HOUR_MS, DAY + HOUR_MS + 15 * MINUTE_MS))
  await insertBatch(three, join(place.dir, 'd'), smallNetwork(4, 500, DAY + HOUR_MS, DAY + HOUR_MS + 15 * MINUTE_MS))
  await Promise.all(rollers.map((roller) => roller.run()))
  await assertTotals(4_000)
  await assertSums()
})

test('ranges that two shards have are those of both', () => {
  const ranges = (...pairs: [number, number][]) => pairs.map(([from, to]) => ({ from, to }))
  assert.deepEqual(inBoth(ranges([0, 5], [7, 9]), ranges([1, 3], [4, 8])), ranges([1, 3], [4, 5], [7, 8]))
  assert.deepEqual(inBoth(ranges([0, 5]), []), [])
})
