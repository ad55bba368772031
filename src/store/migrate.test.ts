import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { bareEngine, restoreDump } from './dump.fixture.ts'
import type { EmbeddedStore } from './embedded.ts'
import { migrate } from './migrate.ts'
import { settleMovedDirectory } from './moved-directory.ts'
import { createRoller } from './roller.ts'
import { differences, totals } from './roller.fixture.ts'
import { LEVELS, PIECE_TABLES, ROLLUPS, type RollupLevel } from './rollups.ts'
import { SCHEMA_VERSION } from './schema.ts'
import { createPlace, startStore, type Place } from './store.fixture.ts'

// VNETSCOPE_LONG=1: a death at every statement of a migration, not at some alone.
const FLOWS = 2000
const LATER = Date.parse('2026-11-22T03:00:00Z')
const OPTIONS = { keepDays: 36_500, maxPartBytes: 2 ** 30 }

let place: Place
let store: EmbeddedStore | undefined

before(async () => {
  place = await createPlace()
  await restoreDump(1, join(place.dir, 'first'))
})
afterEach(async () => {
  await store?.stop()
  store = undefined
})
after(() => place.remove())

/** The released store in a directory of its own. */
function released(name: string): string {
  const dir = join(place.dir, name)
  cpSync(join(place.dir, 'first'), dir, { recursive: true, verbatimSymlinks: true })
  settleMovedDirectory(dir)
  return dir
}

async function assertBroughtUp(at: EmbeddedStore): Promise<void> {
  const [[flows, metrics]] = (await at.query('SELECT (SELECT count() FROM flows), (SELECT count() FROM metrics)'))
    .rows as [[number, number]]
  assert.deepEqual([flows, metrics], [FLOWS, 20])
  const versions = await at.query('SELECT version FROM schema_version ORDER BY version')
  assert.deepEqual(versions.rows, [[1], [SCHEMA_VERSION]])
  const arrived = await at.query('SELECT sum(flows) FROM arrivals')
  assert.deepEqual(arrived.rows, [[FLOWS]])
}

async function assertRolledUp(at: EmbeddedStore): Promise<void> {
  const roller = createRoller({ fewestFlows: 1, worth: 0.1 }, { store: at, clock: { now: () => LATER } })
  await roller.run()
  const all = await totals(at)
  assert.deepEqual(new Set(Object.values(all)), new Set([FLOWS]), JSON.stringify(all))
}

test('a store of version 1 keeps its flows and counters and gets the rollups of them', async () => {
  store = await startStore(released('whole'))
  await assertBroughtUp(store)
  await assertRolledUp(store)
  for (const level of LEVELS)
    for (const rollup of ROLLUPS) assert.deepEqual(await differences(store, rollup, level, '1'), [])
  const [[ttl, countries]] = (
    await store.query(
      "SELECT (SELECT countIf(create_table_query LIKE '% TTL %') FROM system.tables), (SELECT count() FROM flows WHERE src_country = '')",
    )
  ).rows as [[number, number]]
  assert.deepEqual([ttl, countries], [0, FLOWS])
  await store.stop()
  // Once more: nothing is left to do.
  store = await startStore(join(place.dir, 'whole'))
  assert.equal((await totals(store)).traffic_day, FLOWS)
})

/** Rollups that came later are made of those that are there; a level that came later by the roller. */
async function assertKept(version: number): Promise<void> {
  const dir = join(place.dir, `version-${version}`)
  await restoreDump(version, dir)
  settleMovedDirectory(dir)
  const at = await startStore(dir)
  store = at
  const versions = await at.query('SELECT version FROM schema_version ORDER BY version')
  assert.deepEqual(versions.rows, [[version], [SCHEMA_VERSION]])
  const assertSums = async (levels: readonly RollupLevel[]): Promise<void> => {
    for (const level of levels)
      for (const rollup of ROLLUPS) assert.deepEqual(await differences(at, rollup, level, '1'), [])
  }
  await assertSums(LEVELS.filter((level) => level !== '6hours'))
  const built: string[] = []
  const watched: EmbeddedStore = Object.create(at, {
    execute: {
      value: (...[sql, more]: Parameters<EmbeddedStore['execute']>) => {
        built.push(...(/^INSERT INTO \w+/.exec(sql) ?? []))
        return at.execute(sql, more)
      },
    },
  })
  const roller = createRoller({ fewestFlows: 1, worth: 0.1 }, { store: watched, clock: { now: () => LATER } })
  await roller.run()
  assert.deepEqual(
    built.filter((table) => !table.endsWith('_6hours') && !table.endsWith(' rolled')),
    [],
  )
  await assertSums(LEVELS)
  const all = await totals(at)
  assert.deepEqual(new Set(Object.values(all)), new Set([FLOWS]), JSON.stringify(all))
  const { rows } = await at.query(
    "SELECT count(), countIf(slot = toStartOfFiveMinutes(time_received)), (SELECT countIf(compression_codec = 'CODEC(T64, LZ4)') FROM system.columns WHERE name = 'packet_bytes') FROM flows",
  )
  assert.deepEqual(rows, [[FLOWS, FLOWS, LEVELS.length * ROLLUPS.length + PIECE_TABLES.length]])
}

for (const version of [2, 3])
  test(`a store of version ${version} keeps its rollups, and gets those that came later`, () => assertKept(version))

test('a migration that a death cuts short is made good at the next start', async () => {
  let statements = 0
  const counting = await bareEngine(released('counted'))
  const count = async (sql: string): Promise<void> => {
    statements++
    await counting.execute(sql)
  }
  await migrate({ execute: count, query: (sql) => counting.query(sql) }, OPTIONS)
  await counting.process.stop(2000)
  const long = process.env.VNETSCOPE_LONG === '1'
  const every = Array.from({ length: statements }, (_, i) => i)
  const moments = long ? every : [5, Math.floor(statements / 2), statements - 5]
  for (const moment of moments) {
    const dir = released(`cut-${moment}`)
    const engine = await bareEngine(dir)
    let done = 0
    const cut = async (sql: string): Promise<void> => {
      if (done++ < moment) return await engine.execute(sql)
      const running = engine.execute(sql).catch(() => undefined)
      if (moment % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
      engine.process.kill()
      await running
      throw new Error('cut short')
    }
    await assert.rejects(migrate({ execute: cut, query: (sql) => engine.query(sql) }, OPTIONS), /cut short/)
    await engine.process.stop(0)
    store = await startStore(dir)
    await assertBroughtUp(store)
    await store.stop()
    store = undefined
  }
})

test('a store of a later version is refused in words', async () => {
  const dir = released('later')
  const engine = await bareEngine(dir)
  await engine.execute(`INSERT INTO schema_version SELECT ${SCHEMA_VERSION + 1}, now64(3)`)
  await engine.process.stop(2000)
  await assert.rejects(startStore(dir), { code: 'store_version', message: /later version of vnetscope/ })
})
