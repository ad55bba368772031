import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { EmbeddedStore } from './embedded.ts'
import { clusterHome } from './home.ts'
import { migrate } from './migrate.ts'
import { FLOWS, TABLES, type SchemaOptions } from './schema.ts'
import type { QueryAnswer } from './store.ts'
import { createPlace, startStore, type Place } from './store.fixture.ts'

// What a cluster is told, read by the engine's own parser: here there is no cluster that could carry it out.

const OPTIONS: SchemaOptions = {
  keepDays: 30,
  keep: { minutes: { days: 60 }, hours: { days: 1100 }, days: {} },
  maxPartBytes: 2 ** 30,
  home: clusterHome('blue', 'vnetscope'),
}
let place: Place
let store: EmbeddedStore

before(async () => {
  place = await createPlace()
  store = await startStore(place.data)
})
after(async () => {
  await store.stop()
  await place.remove()
})

/** Statements of a migration over servers that hold the given columns. */
async function statements(types: readonly (readonly [string, string, string])[] = []): Promise<string[]> {
  const executed: string[] = []
  const answer = (rows: QueryAnswer['rows']): QueryAnswer => ({
    columns: [],
    rows,
    rowsRead: 0,
    bytesRead: 0,
    elapsedMs: 0,
  })
  await migrate(
    {
      execute: async (sql) => void executed.push(sql),
      query: async (sql) => answer(/system\.columns/.test(sql) ? types : []),
    },
    OPTIONS,
  )
  return executed
}

async function formatted(sql: string): Promise<string> {
  const answer = await store.query('SELECT formatQuerySingleLine({sql:String})', { params: { sql } })
  return answer.rows[0]?.[0] as string
}

test('each statement of a new cluster is one that the engine can read, and goes to the whole cluster', async () => {
  const all = await statements()
  for (const sql of all) {
    const read = await formatted(sql)
    if (!sql.startsWith('INSERT')) assert.match(read, / ON CLUSTER blue /, sql)
    assert.doesNotMatch(read, /ENGINE = (?!Replicated|Distributed)/, sql)
  }
  for (const { name } of TABLES) {
    const local = all.find((sql) => sql.startsWith(`CREATE TABLE IF NOT EXISTS ${name}_local`)) as string
    assert.match(
      await formatted(local),
      /ReplicatedMergeTree\('\/clickhouse\/tables\/\{shard\}\/\{database\}\/\{table\}', '\{replica\}'\).* TTL .*replicated_deduplication_window = 20000/,
    )
    assert.match(
      await formatted(all.find((sql) => sql.startsWith(`CREATE TABLE IF NOT EXISTS ${name} `)) as string),
      new RegExp(`AS vnetscope.${name}_local ENGINE = Distributed\\('blue', 'vnetscope', '${name}_local'\\)$`),
    )
  }
})

test('rollups age by their kind, and what tells of them is kept; the view counts what a shard gets', async () => {
  const all = await statements()
  const made = (name: string): string =>
    all.find((sql) => sql.startsWith(`CREATE TABLE IF NOT EXISTS ${name}_local`)) ?? ''
  assert.match(made('traffic_minute'), /inserts UInt8[^]*TTL toDateTime\(time_received\) \+ toIntervalDay\(60\)/)
  assert.match(made('sources_5minutes'), /TTL toDateTime\(time_received\) \+ toIntervalDay\(60\)/)
  assert.match(made('networks_hour'), /TTL toDateTime\(time_received\) \+ toIntervalDay\(1100\)/)
  for (const name of ['traffic_day', 'arrivals', 'rolled', 'dropped']) {
    assert.notEqual(made(name), '')
    assert.doesNotMatch(made(name), /TTL/)
  }
  assert.match(made('rolled'), /ReplicatedAggregatingMergeTree\('[^']*', '\{replica\}'\)/)
  const views = all.filter((sql) => /MATERIALIZED VIEW/.test(sql))
  assert.equal(views.length, 1)
  assert.match(
    await formatted(views[0] as string),
    /^CREATE MATERIALIZED VIEW IF NOT EXISTS count_arrivals ON CLUSTER blue TO vnetscope\.arrivals_local AS SELECT .* FROM vnetscope\.flows_local GROUP BY time$/,
  )
  // A collector inserts after the last statement; the view counts from then on.
  assert.ok(
    all.indexOf(views[0] as string) < all.findIndex((sql) => sql.startsWith('INSERT INTO schema_version_local')),
  )
})

test('a new column comes to the tables that hold rows and to those that are asked, and a wider type too', async () => {
  const older = FLOWS.columns
    .filter((column) => column.name !== 'ttl')
    .map((column) => ['flows_local', column.name, column.name === 'tos' ? 'Int8' : column.type] as const)
  const alters = (await statements(older)).filter((sql) => /^ALTER TABLE flows/.test(sql) && / COLUMN /.test(sql))
  const read = await Promise.all(alters.map(formatted))
  assert.deepEqual(
    read.map((sql) => sql.replace(/ CODEC\(.*$/, ' …')),
    [
      'ALTER TABLE flows_local ON CLUSTER blue (MODIFY COLUMN `tos` UInt8 …',
      'ALTER TABLE flows ON CLUSTER blue (MODIFY COLUMN `tos` UInt8)',
      'ALTER TABLE flows_local ON CLUSTER blue (ADD COLUMN `ttl` UInt8 …',
      'ALTER TABLE flows ON CLUSTER blue (ADD COLUMN `ttl` UInt8)',
    ],
  )
})

test('engines of every family get their place in the keeper first', () => {
  const { engine } = clusterHome('blue', 'vnetscope')
  const place = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
  assert.equal(engine('MergeTree'), `ReplicatedMergeTree(${place})`)
  assert.equal(engine('SummingMergeTree((bytes, packets))'), `ReplicatedSummingMergeTree(${place}, (bytes, packets))`)
  assert.equal(engine('AggregatingMergeTree()'), `ReplicatedAggregatingMergeTree(${place})`)
})

for (const [what, sql] of [
  ['a day is dropped', "ALTER TABLE flows_local ON CLUSTER blue DROP PARTITION ID '20300506'"],
  [
    'parts of all shards are counted',
    `SELECT sum(rows) FROM ${(OPTIONS.home as { parts: string }).parts} WHERE active`,
  ],
  ['a file is checked', "INSERT INTO FUNCTION null('a UInt8') FORMAT Native"],
  ['a query is ended', "KILL QUERY WHERE query_id = 'vnetscope\\x2d1' ASYNC"],
] as const) {
  test(`the engine can read how ${what}`, async () => {
    assert.notEqual(await formatted(sql), '')
  })
}
