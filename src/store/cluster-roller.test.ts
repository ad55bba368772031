import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import type { OperatorError } from '../base/errors.ts'
import type { FlowBatch } from '../flow/flow-batch.ts'
import type { ClusterStore } from './cluster.ts'
import { createClusterRetention } from './cluster-retention.ts'
import { createClusterRoller, inBoth } from './cluster-roller.ts'
import { startClickHouse, startClusterStore, type ClickHouse } from './clickhouse.fixture.ts'
import type { EngineFailure } from './engine-protocol.ts'
import { createRollBuild, type ToBuild } from './roll-build.ts'
import { createRollLease } from './roll-lease.ts'
import { BEHIND } from './roll-sql.ts'
import { differences, insertBatch, smallNetwork, totals } from './roller.fixture.ts'
import type { Roller } from './roller.ts'
import { LEVELS, ROLLUP_TABLES, ROLLUPS, rollupTable, type RollupLevel } from './rollups.ts'
import { createPlace, randomFrom, type Place } from './store.fixture.ts'

const DAY = Date.parse('2030-05-06T00:00:00Z')
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

let place: Place
let ch: ClickHouse
/** Two collectors of the first shard and one of the second. */
let stores: readonly [ClusterStore, ClusterStore, ClusterStore]
let now: number
const clock = { now: () => now }
let spools = 0

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
  for (const store of stores) await ready(store)
  const { rows } = await stores[0].query(
    "SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE '%_local' AND total_rows > 0 AND name != 'schema_version_local'",
  )
  for (const [table] of rows) await stores[0].execute(`TRUNCATE TABLE ${String(table)} ON CLUSTER 'blue-green'`)
})

function newRoller(store: ClusterStore): Roller {
  return createClusterRoller({ fewestFlows: 1, worth: 0.5, settleMs: 0 }, { store, clock })
}

async function ready(store: ClusterStore): Promise<void> {
  while (store.status().state !== 'ready') await new Promise((resolve) => setTimeout(resolve, 10))
}

async function insert(store: ClusterStore, batch: FlowBatch): Promise<void> {
  await ready(store)
  return insertBatch(store, join(place.dir, `spool-${spools++}`), batch)
}

async function assertSums(levels: readonly RollupLevel[] = LEVELS): Promise<void> {
  for (const level of levels)
    for (const rollup of ROLLUPS) assert.deepEqual(await differences(stores[0], rollup, level, '1'), [])
}

async function assertTotals(flows: number, levels: readonly RollupLevel[] = LEVELS): Promise<void> {
  const others = LEVELS.filter((level) => !levels.includes(level)).flatMap((level) =>
    ROLLUPS.map((rollup) => rollupTable(rollup, level)),
  )
  const all = Object.fromEntries(Object.entries(await totals(stores[0])).filter(([table]) => !others.includes(table)))
  assert.deepEqual(new Set(Object.values(all)), new Set([flows]), JSON.stringify(all))
}

/** Ranges of the table from the day of the test on, in minutes of that day. */
function covered(roller: Roller, table: string): [number, number][] {
  const later =
    roller
      .coverage()
      .find((held) => held.table === table)
      ?.ranges.filter(({ to }) => to > DAY) ?? []
  return later.map(({ from, to }) => [Math.max(0, (from - DAY) / MINUTE_MS), (to - DAY) / MINUTE_MS])
}

test('each shard gets the sums of its flows, whoever builds them, all at once, and late flows are added', async () => {
  const [one, two, three] = stores
  await insert(one, smallNetwork(1, 2_000, DAY + HOUR_MS, DAY + HOUR_MS + 5 * MINUTE_MS))
  await insert(three, smallNetwork(2, 1_000, DAY + HOUR_MS + MINUTE_MS, DAY + HOUR_MS + 3 * MINUTE_MS))
  const rollers = [newRoller(one), newRoller(two)] as const
  const [first] = rollers
  await first.run()
  await assertTotals(3_000)
  assert.deepEqual(covered(first, 'traffic_minute'), [[0, 26 * 60 - 5]])
  assert.deepEqual(covered(first, 'networks_day'), [[0, 24 * 60]])

  // Late flows in one shard: until they are built, that time is covered nowhere.
  await insert(two, smallNetwork(3, 500, DAY + HOUR_MS, DAY + HOUR_MS + 5 * MINUTE_MS))
  await first.look()
  assert.deepEqual(covered(first, 'traffic_minute'), [
    [0, 60],
    [65, 26 * 60 - 5],
  ])
  assert.deepEqual(covered(first, 'sources_day'), [])
  await Promise.all(rollers.map((roller) => roller.run()))
  await assertTotals(3_500)
  await assertSums()
  for (const roller of rollers) assert.deepEqual(covered(roller, 'sources_day'), [[0, 24 * 60]])

  // As after a crash between the rows and the note that they are there.
  await one.execute("TRUNCATE TABLE rolled_local ON CLUSTER 'blue-green'")
  const again = newRoller(two)
  await again.run()
  assert.notEqual(again.status().built, 0)
  await assertTotals(3_500)
})

test('what is built counts as covered when replicas have had time to fetch it, what arrives counts at once', async () => {
  const [one, two] = stores
  now = DAY + HOUR_MS + 6 * MINUTE_MS
  let elapsed = 0
  const roller = createClusterRoller({}, { store: two, clock, elapsed: () => elapsed })
  await insert(one, smallNetwork(1, 300, DAY + HOUR_MS, DAY + HOUR_MS + MINUTE_MS))
  await roller.look()
  assert.deepEqual(covered(roller, 'traffic_minute'), [[0, 60]])
  await newRoller(one).run()
  await roller.look()
  assert.deepEqual(covered(roller, 'traffic_minute'), [[0, 60]])
  elapsed = 15_000
  await roller.look()
  assert.deepEqual(covered(roller, 'traffic_minute'), [[0, 65]])
  await insert(one, smallNetwork(2, 30, DAY + HOUR_MS, DAY + HOUR_MS + MINUTE_MS))
  await roller.look()
  assert.deepEqual(covered(roller, 'traffic_minute'), [[0, 60]])
})

test('a unit that another has built meanwhile is not built twice, whatever was seen before', async () => {
  const [one] = stores
  const start = (DAY + HOUR_MS) / 1000
  await insert(one, smallNetwork(1, 1_000, DAY + HOUR_MS, DAY + HOUR_MS + 5 * MINUTE_MS))
  const at = one.at('1')
  const stale = new Map<string, Awaited<ReturnType<typeof at.query>>>()
  /** Tells what was there when it was asked first. */
  const forgetful = {
    ...at,
    async query(sql: string): ReturnType<typeof at.query> {
      if (!/^SELECT 'traffic' AS name/.test(sql)) return at.query(sql)
      const before = stale.get(sql)
      const answer = await at.query(sql)
      if (!before) stale.set(sql, answer)
      return before ?? answer
    },
  }
  const config = { memoryBytes: 2 ** 28, fewestFlows: 1, worth: 0.5, shared: { stored: one.home.stored } }
  const build = createRollBuild(config, { store: at })
  const late = createRollBuild(config, { store: forgetful })
  const unit: ToBuild = { level: 'minute', start, from: 'flows', flows: 1_000, isNew: true, wasWorthIt: true }
  const flowsThere = async (): Promise<unknown[]> =>
    (
      await one.query(
        ROLLUPS.map((rollup) => `SELECT sum(flows) FROM ${rollupTable(rollup, 'minute')}`).join(' UNION ALL '),
      )
    ).rows.flat()
  await late(unit)
  assert.deepEqual(
    await flowsThere(),
    ROLLUPS.map(() => 1_000),
  )
  await insert(one, smallNetwork(2, 200, DAY + HOUR_MS, DAY + HOUR_MS + 5 * MINUTE_MS))
  await late({ ...unit, flows: 1_200 }).catch(() => undefined)
  assert.deepEqual(
    await flowsThere(),
    ROLLUPS.map(() => 1_000),
  )
  await build({ ...unit, flows: 1_200 })
  assert.deepEqual(
    await flowsThere(),
    ROLLUPS.map(() => 1_200),
  )
  await late({ ...unit, flows: 1_200 }).catch(() => undefined)
  assert.deepEqual(
    await flowsThere(),
    ROLLUPS.map(() => 1_200),
  )
})

test('a replica that has not got all flows, or not all inserts of a unit, builds nothing of it', async () => {
  const [one] = stores
  const start = (DAY + HOUR_MS) / 1000
  const at = one.at('1')
  const unit: ToBuild = { level: 'minute', start, from: 'flows', flows: 1_000, isNew: true, wasWorthIt: true }
  const config = { memoryBytes: 2 ** 28, fewestFlows: 1, worth: 0.5, shared: { stored: one.home.stored } }
  const build = createRollBuild(config, { store: at })
  /** Builds where some rows of a table are not there yet; what is asked before may be answered by another replica. */
  const lagging = (table: string, missing: string, asked: 'here' | 'elsewhere' = 'here') => {
    const behind = (sql: string): string =>
      sql.replaceAll(`FROM ${table} `, `FROM (SELECT * FROM ${table} WHERE NOT (${missing})) `)
    return createRollBuild(config, {
      store: {
        query: (sql, options) => at.query(asked === 'here' ? behind(sql) : sql, options),
        execute: (sql) => at.execute(behind(sql)),
      },
    })
  }
  const isBehind = (error: OperatorError): boolean => (error.cause as EngineFailure).code === BEHIND
  const there = async (): Promise<unknown> =>
    (await one.query('SELECT sum(flows), sum(inserts) FROM traffic_minute')).rows[0]

  // Parts stay as they were inserted.
  await at.execute('SYSTEM STOP MERGES traffic_minute_local')
  await insert(one, smallNetwork(1, 1_000, DAY + HOUR_MS, DAY + HOUR_MS + 5 * MINUTE_MS))
  await assert.rejects(lagging('flows_local', 'src_port % 7 = 0')(unit), isBehind)
  assert.deepEqual(await there(), [0, 0])
  await build(unit)
  assert.deepEqual(await there(), [1_000, 1])
  // Of two inserts the replica has the second alone, so it would add the first again.
  await insert(one, smallNetwork(2, 200, DAY + HOUR_MS, DAY + HOUR_MS + 5 * MINUTE_MS))
  await build({ ...unit, flows: 1_200 })
  assert.deepEqual(await there(), [1_200, 2])
  await insert(one, smallNetwork(3, 100, DAY + HOUR_MS, DAY + HOUR_MS + 5 * MINUTE_MS))
  const { rows } = await one.query('SELECT DISTINCT _part FROM traffic_minute ORDER BY _part')
  assert.equal(rows.length, 2)
  const first = `_part = '${rows[0]?.[0] as string}'`
  await lagging('traffic_minute_local', first)({ ...unit, flows: 1_300 }).catch(() => undefined)
  assert.deepEqual(await there(), [1_200, 2])
  await assert.rejects(lagging('traffic_minute_local', first, 'elsewhere')({ ...unit, flows: 1_300 }), isBehind)
  assert.deepEqual(await there(), [1_200, 2])
  await lagging('traffic_minute_local', '1')({ ...unit, flows: 1_300 }).catch(() => undefined)
  assert.deepEqual(await there(), [1_200, 2])
  // Fewer flows than are in the rows already take nothing away.
  await lagging('flows_local', 'src_port % 7 = 0')({ ...unit, flows: 900, least: 0 })
  assert.deepEqual(await there(), [1_200, 2])
  await build({ ...unit, flows: 1_300 })
  assert.deepEqual(await there(), [1_300, 3])
  await at.execute('SYSTEM START MERGES traffic_minute_local')
})

test('collectors whose statements are refused, lost or repeated, and servers that die, leave nothing out and nothing twice', async () => {
  const long = process.env['VNETSCOPE_KILLS']
  const rounds = Number(long ?? 1)
  // The levels above are built of these alike; by hand all of them are.
  if (long === undefined) now = DAY + HOUR_MS + 20 * MINUTE_MS
  const random = randomFrom(rounds)
  let flows = 0
  for (let round = 0; round < rounds; round++) {
    for (const store of stores) {
      const from = DAY + HOUR_MS + (random() % 3) * 5 * MINUTE_MS
      await insert(store, smallNetwork(100 + flows, 300, from, from + 5 * MINUTE_MS))
      flows += 300
    }
    for (const door of [0, 1, 2, 3]) {
      const kinds = ['cut-after', 'cut-before', 'cut-after'] as const
      for (let i = 0; i < 2; i++)
        await ch.fault(door, {
          on: 'query',
          times: 1 + (random() % 2),
          what: { kind: kinds[random() % 3] as 'cut-after' },
        })
    }
    const running = (long === undefined ? [stores[0], stores[2]] : stores).map((store) =>
      newRoller(store)
        .run()
        .catch(() => undefined),
    )
    if (round % 2 === 0) {
      for (let looks = 0; looks < 5 + (random() % 40); looks++)
        await stores[0].query('SELECT count() FROM rolled').catch(() => undefined)
      await ch.kill()
      await ch.revive()
    }
    await Promise.all(running)
    for (const store of stores) await ready(store)
  }
  await newRoller(stores[1]).run()
  await assertTotals(flows, long === undefined ? ['minute'] : LEVELS)
  await assertSums(long === undefined ? ['minute'] : LEVELS)
})

test('of the collectors of a shard one builds, and another when that has stopped', async () => {
  const [one] = stores
  const at = one.at('1')
  const lease = (collector: string, isOwn = true) => createRollLease({ table: 'rolling_local', collector, isOwn }, at)
  const [a, b, stranger] = [lease('a'), lease('b'), lease('c', false)]
  assert.equal(await stranger.mine(), false)
  assert.equal(await a.mine(), true)
  assert.equal(await b.mine(), false)
  assert.equal(await a.mine(), true)
  const agedBy = async (seconds: number): Promise<void> => {
    await at.execute('TRUNCATE TABLE rolling_local')
    await at.execute(`INSERT INTO rolling_local SELECT now64(3) - toIntervalSecond(${seconds}), 'a'`)
  }
  await agedBy(70)
  assert.equal(await stranger.mine(), false)
  assert.equal(await b.mine(), true)
  assert.equal(await a.mine(), false)
  await agedBy(200)
  assert.equal(await stranger.mine(), true)
})

test('what is dropped for its size is told, stays dropped, and leaves coarser tables as they are', async () => {
  const [one, , three] = stores
  for (const [store, days] of [
    [one, 2],
    [three, 1],
  ] as const)
    for (let day = 0; day < days; day++)
      await insert(store, smallNetwork(7 + day, 200, DAY - day * 24 * HOUR_MS, DAY - day * 24 * HOUR_MS + MINUTE_MS))
  const roller = newRoller(one)
  await roller.run()
  const [built, before] = [roller.status().built, await totals(one)]
  assert.deepEqual(new Set(Object.values(before)), new Set([600]))
  const keep = { flows: { maxBytes: 1 }, minutes: { maxBytes: 1 } }
  await createClusterRetention({ keep }, { store: one }).run()
  await roller.run()
  assert.deepEqual([roller.status().built, roller.status().waiting], [built, 0])
  const left = await totals(one)
  for (const [table, flows] of Object.entries(left))
    assert.equal(flows, table === 'flows' || table.includes('minute') ? 400 : 600, table)
  const from = (table: string) => roller.coverage().find((held) => held.table === table)?.ranges[0]?.from
  assert.equal(from('flows'), DAY - 23 * HOUR_MS - 59 * MINUTE_MS)
  assert.equal(from('traffic_minute'), DAY - 23 * HOUR_MS - 55 * MINUTE_MS)
  assert.equal(from('traffic_day'), 0)
})

test('where flows were stored before they were counted, rollups begin with the next day', async () => {
  const [one] = stores
  await insert(one, smallNetwork(1, 100, DAY, DAY + MINUTE_MS))
  await one.execute("DROP VIEW count_arrivals ON CLUSTER 'blue-green' SYNC")
  await one.execute("TRUNCATE TABLE arrivals_local ON CLUSTER 'blue-green'")
  const later = await startClusterStore(ch.urls, { cluster: 'blue-green', spoolDir: join(place.dir, 'later') })
  await later.stop()
  const { rows } = await one.query(
    "SELECT count(), min(until) > now(), max(until) <= now() + toIntervalDay(1), min(until) = toStartOfDay(min(until), 'UTC') FROM dropped",
  )
  assert.deepEqual(rows, [[ROLLUP_TABLES.length, 1, 1, 1]])
  const views = await one.query("SELECT count() FROM system.tables WHERE name = 'count_arrivals'")
  assert.deepEqual(views.rows, [[2]])

  // A level that comes later, and is made of another, has nothing of them either.
  for (const rollup of ROLLUPS)
    for (const table of [rollupTable(rollup, '6hours'), `${rollupTable(rollup, '6hours')}_local`])
      await one.execute(`DROP TABLE ${table} ON CLUSTER 'blue-green' SYNC`)
  await one.execute("ALTER TABLE dropped_local DELETE WHERE table LIKE '%6hours' SETTINGS mutations_sync = 2")
  await (await startClusterStore(ch.urls, { cluster: 'blue-green', spoolDir: join(place.dir, 'last') })).stop()
  const begin = await one.query(
    "SELECT countIf(table LIKE '%6hours'), uniqExact(until) FROM dropped WHERE table LIKE '%hour%'",
  )
  assert.deepEqual(begin.rows, [[ROLLUPS.length, 1]])
})

test('a rollup that a later version adds answers for the days from the next on, and no other loses any', async () => {
  const [one, , three] = stores
  now = DAY + HOUR_MS + 20 * MINUTE_MS
  await insert(one, smallNetwork(1, 300, DAY + HOUR_MS, DAY + HOUR_MS + MINUTE_MS))
  await newRoller(one).run()
  for (const table of ['segments_minute', 'segments_minute_local'])
    await one.execute(`DROP TABLE ${table} ON CLUSTER 'blue-green' SYNC`)
  const later = await startClusterStore(ch.urls, { cluster: 'blue-green', spoolDir: join(place.dir, 'newer') })
  const roller = newRoller(later)
  // Of what comes late all is there, in the rollup that is new as well.
  await insert(three, smallNetwork(2, 200, DAY + HOUR_MS, DAY + HOUR_MS + MINUTE_MS))
  await insert(one, smallNetwork(3, 200, DAY + HOUR_MS + 5 * MINUTE_MS, DAY + HOUR_MS + 6 * MINUTE_MS))
  await roller.run()
  assert.deepEqual(covered(roller, 'traffic_minute'), [[0, 75]])
  const begins = (table: string) => roller.coverage().find((held) => held.table === table)?.ranges[0]?.from
  const tomorrow = (Math.floor(Date.now() / 86_400_000) + 1) * 86_400_000
  assert.deepEqual([begins('segments_minute'), begins('segments_hour')], [tomorrow, 0])
  const { rows } = await one.query(
    'SELECT (SELECT sum(flows) FROM traffic_minute), (SELECT sum(flows) FROM segments_minute)',
  )
  assert.deepEqual(rows, [[700, 400]])
  await later.stop()
})

test('a shard that is added to a cluster leaves the rollups of the others as they are', async () => {
  const [one] = stores
  await insert(one, smallNetwork(1, 300, DAY + HOUR_MS, DAY + HOUR_MS + MINUTE_MS))
  // The second shard has no view and no flows, as one that is new.
  await stores[2].at('2').execute('DROP VIEW count_arrivals')
  const [, , b1] = ch.urls as [string, string, string]
  const later = await startClusterStore([b1], { cluster: 'blue-green', spoolDir: join(place.dir, 'added') })
  const views = await one.query("SELECT count() FROM system.tables WHERE name = 'count_arrivals'")
  assert.deepEqual(views.rows, [[2]])
  assert.deepEqual((await one.query('SELECT count() FROM dropped')).rows, [[0]])
  await later.stop()
})

test('ranges that two shards have are those of both', () => {
  const ranges = (...pairs: [number, number][]) => pairs.map(([from, to]) => ({ from, to }))
  assert.deepEqual(inBoth(ranges([0, 5], [7, 9]), ranges([1, 3], [4, 8])), ranges([1, 3], [4, 5], [7, 8]))
  assert.deepEqual(inBoth(ranges([0, 5]), []), [])
})
