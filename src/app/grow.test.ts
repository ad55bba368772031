import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { COLUMNS } from '../flow/columns.ts'
import { MetricBatch } from '../flow/metric-batch.ts'
import { startClickHouse, startClusterStore, type ClickHouse } from '../store/clickhouse.fixture.ts'
import { createClusterRoller } from '../store/cluster-roller.ts'
import type { ClusterStore } from '../store/cluster.ts'
import { createLoader } from '../store/loader.ts'
import { createRetention } from '../store/retention.ts'
import { createRoller } from '../store/roller.ts'
import { ROLLUP_TABLES } from '../store/rollups.ts'
import { createSpool } from '../store/spool.ts'
import type { Store } from '../store/store.ts'
import { createPlace, randomBatch, setTime, startStore, type Place } from '../store/store.fixture.ts'
import { ConfigSchema, type Config } from './config.ts'
import { grow } from './grow.ts'

const NOW = Date.now()
const DAY = 86_400_000
/** As `installation` leaves it; each test takes a copy. */
let made: Place
let place: Place
const ends: (() => Promise<void>)[] = []

before(async () => {
  made = await createPlace()
  await installation(made)
})
after(() => made.remove())
beforeEach(async () => {
  place = await createPlace()
  await cp(made.dir, place.dir, { recursive: true, verbatimSymlinks: true })
})
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
  await place.remove()
})

/** Before the day of the test. */
const EARLIER = `time_received < toStartOfDay(toDateTime(${Math.floor(NOW / 1000)}, 'UTC'))`
const BUILD_ALL = { fewestFlows: 1, worth: 0.1, settleMs: 0 }

/** An embedded store with rows of three days, of which the oldest are in rollups alone, and what its last insert left in the spool. */
async function installation(place: Place): Promise<void> {
  const store = await startStore(place.data)
  const spool = createSpool({ dir: place.spool, maxBytes: 1e9 }, { clock: systemClock })
  const loader = createLoader({ dir: place.spool }, { store, clock: systemClock })
  await spool.start()
  await loader.start()
  for (let day = 0; day < 3; day++) {
    const batch = randomBatch(day, 400, NOW, 1, day * 400)
    for (let i = 0; i < batch.n; i++) setTime(batch.time_received, i, NOW - day * DAY - (i % 60) * 1000)
    await spool.write(batch, [''])
  }
  const metrics = new MetricBatch()
  for (let i = 0; i < 50; i++) metrics.add(NOW - i * 1000, '192.0.2.1', 0, `if:${i}`, 'if_counters.if_in_octets', i)
  await spool.writeMetrics(metrics)
  await loader.drained()
  await loader.stop()
  await createRoller(BUILD_ALL, { store, clock: systemClock }).run()
  await createRetention({ keep: { flows: { days: 1.5 } } }, { store, clock: systemClock }).run()
  await spool.write(randomBatch(9, 100, NOW, 1, 50_000), [''])
  await store.stop()
}

function configOf(ch: ClickHouse, cluster: string | undefined): Config {
  return ConfigSchema.parse({
    data: place.dir,
    storage: { url: [...ch.urls], ...(cluster === undefined ? {} : { cluster }) },
  })
}

async function servers(cluster: string | undefined): Promise<ClickHouse> {
  const ch = await startClickHouse(
    join(place.dir, 'servers'),
    cluster === undefined ? {} : { cluster, shards: 2, replicas: 2 },
  )
  ends.push(() => ch.stop())
  return ch
}

async function open(ch: ClickHouse, cluster: string | undefined): Promise<ClusterStore> {
  const store = await startClusterStore(ch.urls, {
    spoolDir: join(place.dir, 'elsewhere'),
    ...(cluster === undefined ? {} : { cluster }),
  })
  ends.push(() => store.stop())
  return store
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** A sum over all columns of all rows. */
async function fingerprint(store: Store): Promise<unknown> {
  const columns = COLUMNS.map((column) => column.name).join(', ')
  const flows = await store.query(`SELECT count(), sum(cityHash64(${columns})) FROM flows WHERE observation < 1000000`)
  const metrics = await store.query('SELECT count(), sum(cityHash64(*)) FROM metrics')
  return [flows.rows, metrics.rows]
}

/** What each rollup has of the days before. */
async function rollupSums(store: Store): Promise<unknown> {
  const each = ROLLUP_TABLES.map(
    ({ name }) => `SELECT '${name}' AS name, sum(flows), sum(bytes * sampling_rate) FROM ${name} WHERE ${EARLIER}`,
  )
  return (await store.query(`SELECT * FROM (${each.join(' UNION ALL ')}) ORDER BY name`)).rows
}

const quiet = { clock: systemClock, log: { info: () => undefined, warn: () => undefined }, pieceRows: 200 }

for (const cluster of [undefined, 'blue-green']) {
  const where = cluster === undefined ? 'a server' : 'a cluster'
  test(`an embedded store moves to ${where} whole, broken off or not, while flows come`, async () => {
    const ch = await servers(cluster)
    const config = configOf(ch, cluster)
    const target = await open(ch, cluster)
    // A collector stores there already, today's rows beside today's.
    const files: string[] = []
    const spool = createSpool(
      { dir: join(place.dir, 'new'), maxBytes: 1e9 },
      { clock: systemClock, written: (file) => files.push(join(place.dir, 'new', file)) },
    )
    await spool.start()
    await spool.write(randomBatch(77, 300, NOW, 1, 2_000_000), [''])
    await target.insertFiles('flows', files, 'new')

    const words: string[] = []
    const breakingAfter = (lines: number) => (line: string) => {
      words.push(line)
      if (words.length >= lines) throw new Error('broken off')
    }
    if (cluster !== undefined) {
      await assert.rejects(grow(config, { ...quiet, say: breakingAfter(3) }), /broken off/)
      // The next attempt meets a connection that breaks after the server has done its part, and servers that vanish.
      for (let door = 0; door < ch.urls.length; door++)
        await ch.fault(door, { on: 'insert', times: 1, what: { kind: 'cut-after' } })
      await assert.rejects(grow(config, { ...quiet, say: breakingAfter(16) }), /broken off/)
      await ch.kill()
      await ch.revive()
    }
    const moved = await grow(config, { ...quiet, say: (line) => words.push(line) })
    assert.match(words[0] as string, /^The server can be started/)
    assert.deepEqual([moved['flows'], moved['metrics']], [900, 50])
    assert.equal(words.filter((line) => line.startsWith('flows of')).length, 2)

    const old = await startStore(place.data)
    const expected = await fingerprint(old)
    const sums = await rollupSums(old)
    const dropped = await old.query("SELECT toUnixTimestamp(max(until)) FROM dropped WHERE table = 'flows'")
    await old.stop()
    await until(async () => target.status().state === 'ready')
    assert.deepEqual(await fingerprint(target), expected)
    const { rows } = await target.query('SELECT count() FROM flows WHERE observation >= 1000000')
    assert.deepEqual(rows, [[300]])
    const left = await target.query("SELECT count() FROM system.tables WHERE name LIKE '%moving%'")
    assert.deepEqual(left.rows, [[0]])
    // What is named differently in one server is told by the rows alone.
    if (cluster !== undefined) {
      // Rollups of flows that are gone came along; of the others they are built there.
      const roller = createClusterRoller(BUILD_ALL, { store: target, clock: systemClock })
      await roller.run()
      assert.deepEqual(await rollupSums(target), sums)
      assert.deepEqual([roller.status().waiting, roller.status().problem], [0, undefined])
      const [flows] = roller.coverage()
      assert.equal(flows?.ranges[0]?.from, Number(dropped.rows[0]?.[0]) * 1000)
      for (const { table, ranges } of roller.coverage().slice(1))
        assert.ok(
          (ranges[0]?.from ?? NOW) < NOW - 3 * DAY && (ranges.at(-1)?.to ?? 0) > NOW - DAY,
          `${table} has a hole`,
        )
      // Done is done.
      assert.deepEqual(await grow(config, { ...quiet, say: () => undefined }), moved)
      assert.deepEqual(await fingerprint(target), expected)
      const shards = await target.query('SELECT uniqExact(_database) FROM flows WHERE observation < 1000000')
      assert.deepEqual(shards.rows, [[2]])
    }
  })
}

test('without servers in the configuration, and without an old store, it says so', async () => {
  const empty = join(place.dir, 'empty')
  const config = ConfigSchema.parse({ data: empty })
  await assert.rejects(grow(config, { ...quiet, say: () => undefined }), /names no servers/)
  const named = ConfigSchema.parse({ data: empty, storage: { url: 'http://127.0.0.1:9' } })
  await assert.rejects(grow(named, { ...quiet, say: () => undefined }), /no embedded store/)
})
