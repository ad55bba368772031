import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { OperatorError } from '../base/errors.ts'
import { createEmbeddedStore, type EmbeddedStore } from './embedded.ts'
import { SCHEMA_VERSION } from './schema.ts'
import { createSpool } from './spool.ts'
import { createPlace, randomBatch, startStore, type Place } from './store.fixture.ts'

const LONG = 'SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))'
const NOW = Date.parse('2030-05-06T12:00:00Z')
let place: Place
const stores: EmbeddedStore[] = []

beforeEach(async () => {
  place = await createPlace()
})
afterEach(async () => {
  for (const store of stores.splice(0)) await store.stop()
  await place.remove()
})

async function start(config: Parameters<typeof startStore>[1] = {}): Promise<EmbeddedStore> {
  const store = await startStore(place.data, config)
  stores.push(store)
  return store
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10))
}

async function runningQueries(store: EmbeddedStore): Promise<number> {
  const answer = await store.query(
    "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'",
  )
  return answer.rows[0]?.[0] as number
}

async function insertSome(store: EmbeddedStore, rows: number, token: string): Promise<void> {
  const spool = createSpool(
    { dir: place.spool, maxBytes: 1e9 },
    { clock: systemClock, written: (file) => files.push(join(place.spool, file)) },
  )
  const files: string[] = []
  await spool.start()
  await spool.write(randomBatch(1, rows, NOW, 1), [''])
  await store.insertFiles('flows', files, token)
}

test('an aborted query rejects at once and ends in the engine', async () => {
  const store = await start()
  const abort = new AbortController()
  const query = store.query(LONG, { signal: abort.signal })
  await until(async () => (await runningQueries(store)) === 1)
  abort.abort()
  await assert.rejects(query, { code: 'query_cancelled' })
  await until(async () => (await runningQueries(store)) === 0)
  await assert.rejects(store.query('SELECT 1', { signal: abort.signal }), { code: 'query_cancelled' })
})

test('a query that takes too long is ended, one that waits in line too', async () => {
  const store = await start({ readers: 1 })
  const long = [
    store.query(LONG, { timeoutMs: 300 }),
    store.query(LONG, { timeoutMs: 300 }),
    store.query('SELECT 1', { timeoutMs: 100 }),
  ]
  await Promise.all(long.map((query) => assert.rejects(query, { code: 'query_timeout' })))
  assert.deepEqual((await store.query('SELECT 1')).rows, [[1]])
})

test('a query above its memory fails alone, and spills before it fails', async () => {
  const store = await start({ memoryBytes: 2 ** 30, queryMemoryBytes: 400 * 2 ** 20 })
  await assert.rejects(store.query('SELECT groupArray(number) FROM numbers(200000000)'), { code: 'query_memory' })
  const grouped = await store.query(
    'SELECT count() FROM (SELECT number, count() FROM numbers(20000000) GROUP BY number)',
  )
  assert.deepEqual(grouped.rows, [[20_000_000]])
  assert.equal(store.status().state, 'ready')
})

test('a wrong statement is an error with the reason and harms nothing', async () => {
  const store = await start()
  await assert.rejects(
    store.query('SELECT nonsense FROM flows'),
    (error: OperatorError) => error.code === 'query_failed' && /nonsense/.test(error.message),
  )
  await assert.rejects(store.execute('ALTER TABLE nowhere DROP COLUMN x'), OperatorError)
  assert.deepEqual((await store.query('SELECT count() FROM flows')).rows, [[0]])
})

test('inserts go on while every reader is busy', async () => {
  const store = await start({ readers: 2 })
  const abort = new AbortController()
  const busy = [1, 2, 3, 4].map(() =>
    store.query(LONG, { signal: abort.signal }).catch((error: OperatorError) => error.code),
  )
  await insertSome(store, 1000, 'one')
  abort.abort()
  assert.deepEqual(await Promise.all(busy), Array(4).fill('query_cancelled'))
  assert.deepEqual((await store.query('SELECT count() FROM flows')).rows, [[1000]])
})

test('after the engine was killed, queries under way say so, and the data is there when it is back', async () => {
  const store = await start()
  await insertSome(store, 1000, 'one')
  const query = store.query(LONG)
  await until(async () => (await runningQueries(store)) === 1)
  const { pid } = store.status()
  process.kill(pid as number, 'SIGKILL')
  await assert.rejects(query, { code: 'store_away', retryable: true })
  await assert.rejects(store.query('SELECT 1'), { code: 'store_away', retryable: true })
  assert.equal(store.status().state, 'away')
  await until(() => store.status().state === 'ready')
  assert.equal(store.status().restarts, 1)
  assert.notEqual(store.status().pid, pid)
  assert.deepEqual((await store.query('SELECT count() FROM flows')).rows, [[1000]])
})

test('it stops while a query and an insert are under way', async () => {
  const store = await start()
  const query = assert.rejects(store.query(LONG), { code: 'query_cancelled' })
  const insert = store
    .execute('INSERT INTO schema_version SELECT 1, now64(3) FROM numbers(3000000000) WHERE sipHash64(number) = 0')
    .catch((error: OperatorError) => error.code)
  await until(async () => (await runningQueries(store)) === 2)
  const { pid } = store.status()
  await store.stop()
  await query
  assert.equal(await insert, 'store_away')
  assert.throws(() => process.kill(pid as number, 0))
  assert.equal(store.status().state, 'stopped')
})

test('it stops while it starts', async () => {
  const store = createEmbeddedStore({ dir: place.data }, { clock: systemClock })
  const started = assert.rejects(store.start(), { code: 'store_away' })
  await store.stop()
  await started
  assert.equal(store.status().state, 'stopped')
  assert.deepEqual((await (await start()).query('SELECT 1')).rows, [[1]])
})

test('a second server over the same directory is refused with the reason', async () => {
  await start()
  const second = createEmbeddedStore({ dir: place.data }, { clock: systemClock })
  await assert.rejects(
    second.start(),
    (error: OperatorError) =>
      error.code === 'store_locked' && /another server/.test(error.message) && error.hint !== undefined,
  )
})

test('a directory that cannot be one is refused with the reason', async () => {
  await writeFile(join(place.dir, 'file'), '')
  const store = createEmbeddedStore({ dir: join(place.dir, 'file', 'data') }, { clock: systemClock })
  await assert.rejects(
    store.start(),
    (error: OperatorError) => error.code === 'store_directory' && error.hint !== undefined,
  )
})

test("without the engine's library it says what to install", async () => {
  const app = join(place.dir, 'app')
  for (const folder of ['base', 'flow', 'store']) {
    await cp(new URL(`../${folder}`, import.meta.url), join(app, 'src', folder), { recursive: true })
  }
  await writeFile(join(app, 'package.json'), '{"type":"module"}')
  const { create } = (await import(join(app, 'src/store/embedded.ts')).then((module: Record<string, unknown>) => ({
    create: module['createEmbeddedStore'],
  }))) as { create: typeof createEmbeddedStore }
  const store = create({ dir: place.data }, { clock: systemClock })
  await assert.rejects(store.start(), { code: 'store_library' })
})

test('when the server is killed its engine ends too, and the next server opens the directory', async () => {
  const script = `
    import { createEmbeddedStore } from ${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)}
    const store = createEmbeddedStore({ dir: process.argv[1] }, { clock: { now: () => Date.now() } })
    await store.start()
    store.query(${JSON.stringify(LONG)}).catch(() => undefined)
    console.log(store.status().pid)`
  const server = spawn(process.execPath, ['--input-type=module-typescript', '-e', script, place.data], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(server.stdout, 'data')
  server.kill('SIGKILL')
  const store = await start()
  assert.deepEqual((await store.query('SELECT 1')).rows, [[1]])
})

test('columns that are missing or narrower are mended at the next start', async () => {
  const first = await start()
  await first.execute('ALTER TABLE flows DROP COLUMN ttl')
  await first.execute('ALTER TABLE flows DROP COLUMN tunnel')
  await first.execute("ALTER TABLE flows ADD COLUMN tunnel Enum8('none' = 0, 'vxlan' = 1)")
  await first.stop()
  const second = await start()
  const [[ddl]] = (await second.query("SELECT create_table_query FROM system.tables WHERE name = 'flows'")).rows as [
    [string],
  ]
  assert.match(ddl, /`ttl` UInt8/)
  assert.match(ddl, /`tunnel` Enum8\('none' = 0, 'vxlan' = 1, 'geneve' = 2/)
  const versions = await second.query('SELECT version FROM schema_version')
  assert.deepEqual(versions.rows, [[SCHEMA_VERSION]])
})

test('rows past the age and above the size are dropped, the oldest first', async () => {
  await mkdir(place.spool, { recursive: true })
  const clock = { now: () => NOW }
  const open = async (maxBytes: number): Promise<EmbeddedStore> => {
    const store = createEmbeddedStore({ dir: place.data, keepDays: 40, maxBytes, memoryBytes: 2 ** 30 }, { clock })
    stores.push(store)
    await store.start()
    return store
  }
  const store = await open(1e9)
  await store.execute('SYSTEM STOP MERGES flows')
  await store.execute('SYSTEM STOP TTL MERGES flows')
  for (const daysAgo of [42, 3, 2, 1]) {
    const files: string[] = []
    const spool = createSpool(
      { dir: place.spool, maxBytes: 1e9 },
      { clock: systemClock, written: (file) => files.push(join(place.spool, file)) },
    )
    await spool.start()
    await spool.write(randomBatch(daysAgo, 20_000, NOW - daysAgo * 86_400_000, 1, daysAgo * 100_000), [''])
    await store.insertFiles('flows', files, `day-${daysAgo}`)
  }
  const days = async (at: EmbeddedStore): Promise<unknown> =>
    (await at.query('SELECT DISTINCT intDiv(observation, 100000) AS d FROM flows ORDER BY d')).rows.flat()
  await store.retain()
  assert.deepEqual(await days(store), [1, 2, 3])
  const [[bytes]] = (await store.query("SELECT max(bytes_on_disk) FROM system.parts WHERE table = 'flows' AND active"))
    .rows as [[number]]
  await store.stop()
  const smaller = await open(Math.floor(bytes * 2.5))
  await smaller.retain()
  assert.deepEqual(await days(smaller), [1, 2])
})
