import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, afterEach, beforeEach, test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import type { OperatorError } from '../base/errors.ts'
import type { ClusterStore, ClusterStoreConfig } from './cluster.ts'
import { identityFile } from './collector-identity.ts'
import { startClickHouse, startClusterStore, type ClickHouse, type ClickHouseOptions } from './clickhouse.fixture.ts'
import { createSpool } from './spool.ts'
import { createPlace, randomBatch, type Place } from './store.fixture.ts'

const LONG = 'SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))'
const TWO_SHARDS: ClickHouseOptions = { cluster: 'blue-green', shards: 2, replicas: 2 }
const NOW = Date.parse('2030-05-06T12:00:00Z')
let place: Place
const ends: (() => Promise<void>)[] = []

/** Servers that tests take one after another. */
const shared = new Map<string, { readonly servers: ClickHouse; readonly place: Place }>()

beforeEach(async () => {
  place = await createPlace()
})
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
  await place.remove()
})
after(async () => {
  for (const { servers, place: at } of shared.values()) {
    await servers.stop()
    await at.remove()
  }
})

/** Without flows, for tests that leave them as they are. */
async function sharedServers(kind: 'one' | 'two shards'): Promise<ClickHouse> {
  const there = shared.get(kind)
  if (!there) {
    const at = await createPlace()
    const started = await startClickHouse(join(at.dir, 'servers'), kind === 'one' ? {} : TWO_SHARDS)
    shared.set(kind, { servers: started, place: at })
    return started
  }
  const [url] = there.servers.urls
  const table = kind === 'one' ? 'flows' : "flows_local ON CLUSTER 'blue-green'"
  const cleared = await fetch(`${url}/?database=vnetscope`, {
    method: 'POST',
    body: `TRUNCATE TABLE IF EXISTS ${table}`,
  })
  assert.equal(cleared.status, 200, await cleared.text())
  return there.servers
}

async function servers(options: ClickHouseOptions = {}): Promise<ClickHouse> {
  const started = await startClickHouse(join(place.dir, 'servers'), options)
  ends.push(() => started.stop())
  return started
}

async function open(urls: readonly string[], config: Partial<ClusterStoreConfig> = {}): Promise<ClusterStore> {
  const store = await startClusterStore(urls, { spoolDir: place.spool, ...config })
  ends.push(() => store.stop())
  return store
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Files of numbered rows, in a spool of their own. */
async function filesOf(name: string, first: number, rows: number, time = NOW): Promise<string[]> {
  const dir = join(place.dir, name)
  const files: string[] = []
  const spool = createSpool(
    { dir, maxBytes: 1e9 },
    { clock: systemClock, written: (file) => files.push(join(dir, file)) },
  )
  await spool.start()
  await spool.write(randomBatch(first, rows, time, 1, first), [''])
  return files
}

async function stored(store: ClusterStore): Promise<unknown> {
  return (await store.query('SELECT count(), uniqExact(observation) FROM flows')).rows[0]
}

async function running(store: ClusterStore): Promise<number> {
  const answer = await store.query(
    "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'",
  )
  return answer.rows[0]?.[0] as number
}

test('an aborted query rejects at once and ends in the server, and so does one that takes too long', async () => {
  const store = await open((await sharedServers('one')).urls)
  const abort = new AbortController()
  const query = store.query(LONG, { signal: abort.signal })
  await until(async () => (await running(store)) === 1)
  abort.abort()
  await assert.rejects(query, { code: 'query_cancelled' })
  await until(async () => (await running(store)) === 0)
  await assert.rejects(store.query('SELECT 1', { signal: abort.signal }), { code: 'query_cancelled' })
  await assert.rejects(store.query(LONG, { timeoutMs: 300 }), { code: 'query_timeout' })
  await until(async () => (await running(store)) === 0)
  assert.equal(store.status().state, 'ready')
})

test('a question of a long filter has as many parts as in the embedded store', async () => {
  const store = await open((await sharedServers('one')).urls)
  const { rows } = await store.query(`SELECT ignore(${Array.from({ length: 60_000 }, () => 'dummy').join(', ')})`)
  assert.deepEqual(rows, [[0]])
})

test('a query above its memory, and a wrong one, fail alone and say why', async () => {
  const store = await open((await sharedServers('one')).urls, { queryMemoryBytes: 200 * 2 ** 20 })
  await assert.rejects(store.query('SELECT groupArray(number) FROM numbers(200000000)'), { code: 'query_memory' })
  await assert.rejects(
    store.query('SELECT nonsense FROM flows'),
    (error: OperatorError) => error.code === 'query_failed' && /nonsense/.test(error.message),
  )
  await assert.rejects(store.query('DROP TABLE flows'), { code: 'store_away' })
  assert.deepEqual(await stored(store), [0, 0])
})

test('an exception after status 200 is an error, and half an answer is none', async () => {
  const ch = await sharedServers('one')
  const store = await open(ch.urls)
  for (const tag of [true, false]) {
    await ch.fault(0, { on: 'query', times: 1, what: { kind: 'late', tag } })
    await assert.rejects(store.query('SELECT number FROM numbers(100)'), { code: 'query_memory' })
    await ch.fault(0, { on: 'query', times: 1, what: { kind: 'late', tag } })
    await assert.rejects(store.queryBytes('SELECT number FROM numbers(100)', 'CSV'), { code: 'query_memory' })
  }
  const quoted = await store.queryBytes("SELECT 'Code: 241. DB::Exception: x (version 26.7.2.1)'", 'CSV')
  assert.match(Buffer.from(quoted).toString(), /^"Code: 241/)
})

test('text of every kind gets to the server letter for letter, in lists too', async () => {
  const store = await open((await sharedServers('one')).urls)
  const texts = [
    "'",
    "\\'",
    '\\',
    '\\n',
    'a\nb\r\t\b\f\0',
    "'; DROP TABLE flows; --",
    '[',
    "']",
    '{a:String}',
    '%',
    '&b=1',
    'ä☃𝄞',
    '',
    'NULL',
    '\\N',
  ]
  const answer = await store.query('SELECT {list:Array(String)}, {numbers:Array(UInt16)}, {addresses:Array(IPv6)}', {
    params: { list: texts, numbers: [0, 65_535], addresses: ['::1', '::ffff:10.0.0.1'] },
  })
  assert.deepEqual(answer.rows, [[texts, [0, 65_535], ['::1', '::ffff:10.0.0.1']]])
  for (const text of texts)
    assert.deepEqual((await store.query('SELECT {text:String}', { params: { text } })).rows, [[text]])
  assert.deepEqual(await stored(store), [0, 0])
})

test('values too long for a URL get to the server as well', async () => {
  const store = await open((await sharedServers('one')).urls)
  const list = Array.from({ length: 5000 }, (_, i) => `it's\n${i}`)
  const answer = await store.query('SELECT length({list:Array(String)}), {list:Array(String)}[5000]', {
    params: { list },
  })
  assert.deepEqual(answer.rows, [[5000, "it's\n4999"]])
})

test('a wrong password is said, and nothing is lost until it is right', async () => {
  const ch = await servers({ user: 'collector', password: 's3cret' })
  const url = ch.urls[0] as string
  const wrong = await open([], { servers: [{ url, user: 'collector', password: 'guess' }] })
  assert.equal(wrong.status().state, 'away')
  assert.match(wrong.status().error as string, /Authentication failed/)
  await assert.rejects(wrong.insertFiles('flows', await filesOf('a', 0, 10), 't'), {
    code: 'store_away',
    retryable: true,
  })
  const right = await open([], { servers: [{ url, user: 'collector', password: 's3cret' }] })
  await right.insertFiles('flows', await filesOf('b', 0, 10), 't')
  assert.deepEqual(await stored(right), [10, 10])
})

test('over TLS the server has to be the one that the authority vouches for, and may ask who comes', async () => {
  const pem = async (name: string): Promise<string> => readFile(join(place.dir, name), 'utf8')
  const openssl = (...words: string[]): unknown => execFileSync('openssl', words, { cwd: place.dir, stdio: 'ignore' })
  for (const name of ['ca', 'other']) {
    const subject = ['-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.crt`]
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', ...subject)
  }
  for (const name of ['server', 'client']) {
    const subject = ['-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`]
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', ...subject)
    await writeFile(join(place.dir, 'san'), 'subjectAltName=IP:127.0.0.1')
    const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'san']
    openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-out', `${name}.crt`)
  }
  const ca = await pem('ca.crt')
  const ch = await servers({ tls: { cert: await pem('server.crt'), key: await pem('server.key'), ca } })
  const url = ch.urls[0] as string
  const mine = { cert: await pem('client.crt'), key: await pem('client.key') }
  const known = await open([], { servers: [{ url, tls: { ca, ...mine } }] })
  assert.deepEqual((await known.query('SELECT 1')).rows, [[1]])
  const stranger = await open([], { servers: [{ url, tls: { ca: await pem('other.crt'), ...mine } }] })
  assert.match(stranger.status().error as string, /certificate|self-signed/)
  const nobody = await open([], { servers: [{ url, tls: { ca } }] })
  assert.equal(nobody.status().state, 'away')
})

test('two collectors store in two shards under tokens of their own, and each asks for all', async () => {
  const ch = await sharedServers('two shards')
  const [a1, a2, b1, b2] = ch.urls as [string, string, string, string]
  const one = await open([a1, a2, b1, b2], { cluster: 'blue-green' })
  const two = await open([b1, b2, a1, a2], { cluster: 'blue-green', spoolDir: join(place.dir, 'spool-two') })
  // Group tokens are made of the time of the start: two collectors may have the same.
  await one.insertFiles('flows', await filesOf('one', 0, 1000), 'flows-1-1')
  await two.insertFiles('flows', await filesOf('two', 5000, 500), 'flows-1-1')
  const three = await open([a2, b1], { cluster: 'blue-green', spoolDir: join(place.dir, 'spool-three') })
  await three.insertFiles('flows', await filesOf('three', 9000, 70), 'flows-1-1')
  for (const store of [one, two, three]) assert.deepEqual(await stored(store), [1570, 1570])
  const shards = await one.query('SELECT _database, count() FROM flows GROUP BY _database ORDER BY _database')
  assert.deepEqual(shards.rows, [
    ['vnetscope__1', 1070],
    ['vnetscope__2', 500],
  ])
})

test('a replay changes nothing, whichever replica of the shard it reaches', async () => {
  const ch = await sharedServers('two shards')
  const [a1, a2, b1] = ch.urls as [string, string, string, string]
  const store = await open([a1, a2, b1], { cluster: 'blue-green' })
  const files = await filesOf('files', 0, 1000)
  await ch.fault(0, { on: 'insert', times: 1, what: { kind: 'cut-after' } })
  await store.insertFiles('flows', files, 'group')
  assert.deepEqual(await stored(store), [1000, 1000])
  await store.insertFiles('flows', files, 'group')
  assert.deepEqual(await stored(store), [1000, 1000])
})

test('one replica that refuses is passed over, and while all of them do, questions are still answered', async () => {
  const ch = await sharedServers('two shards')
  const [a1, a2] = ch.urls as [string, string]
  const store = await open([a1, a2], { cluster: 'blue-green' })
  const readOnly = { kind: 'refuse', code: 242, message: 'Table is in readonly mode. (TABLE_IS_READ_ONLY)' } as const
  await ch.fault(0, { on: 'insert', times: 1, what: readOnly })
  await store.insertFiles('flows', await filesOf('one', 0, 10), 'one')
  await ch.fault(0, { on: 'insert', times: 1, what: readOnly })
  await ch.fault(1, { on: 'insert', times: 1, what: readOnly })
  await assert.rejects(store.insertFiles('flows', await filesOf('two', 10, 10), 'two'), { code: 'store_away' })
  assert.equal(store.status().state, 'ready')
  assert.deepEqual(await stored(store), [10, 10])
})

test('a group under way is not repeated in another place than it was', async () => {
  const ch = await sharedServers('two shards')
  const [a1, , b1] = ch.urls as [string, string, string]
  const first = await open([a1], { cluster: 'blue-green' })
  await first.stop()
  await writeFile(join(place.spool, 'flows-x-1.group'), '{}')
  const moved = await open([b1], { cluster: 'blue-green' })
  assert.equal(moved.status().state, 'away')
  assert.match(moved.status().error as string, /1 inserts under way to blue-green vnetscope shard 1, .* shard 2/)
  const back = await open([a1], { cluster: 'blue-green' })
  assert.equal(back.status().state, 'ready')
  await rm(join(place.spool, 'flows-x-1.group'))
  const settled = await open([b1], { cluster: 'blue-green' })
  assert.equal(settled.status().state, 'ready')
  assert.match(await readFile(identityFile(place.spool), 'utf8'), /shard 2/)
})

test('a spool of the embedded store with a group under way is not taken to servers', async () => {
  const ch = await sharedServers('one')
  await filesOf('spool', 0, 1)
  await writeFile(join(place.spool, 'flows-x-1.group'), '{}')
  const store = await open(ch.urls)
  assert.match(store.status().error as string, /under way to the embedded store/)
})

test('a server that does not know the cluster, or not its own place in it, says so', async () => {
  const ch = await sharedServers('two shards')
  const store = await open(ch.urls, { cluster: 'elsewhere' })
  assert.match(store.status().error as string, /knows no cluster elsewhere, only blue-green/)
})

test('it starts while no server answers, and is ready when one does', async () => {
  const ch = await servers()
  await ch.kill()
  const store = await open(ch.urls)
  assert.equal(store.status().state, 'away')
  await assert.rejects(store.query('SELECT 1'), { code: 'store_away', retryable: true })
  await ch.revive()
  await until(() => store.status().state === 'ready')
  assert.equal(store.status().restarts, 1)
  assert.deepEqual((await store.query('SELECT 1')).rows, [[1]])
})

test('it stops while servers do not answer', async () => {
  const ch = await servers()
  const store = await open(ch.urls)
  ch.freeze()
  const insert = assert.rejects(store.insertFiles('flows', await filesOf('a', 0, 10), 't'), { code: 'store_away' })
  await store.stop()
  ch.thaw()
  await insert
  assert.equal(store.status().state, 'stopped')
})

test('tables that somebody drops are made again', async () => {
  const ch = await servers()
  const store = await open(ch.urls)
  await store.execute('DROP TABLE flows SYNC')
  const files = await filesOf('a', 0, 10)
  await assert.rejects(store.insertFiles('flows', files, 't'), { code: 'store_away' })
  await until(() => store.status().state === 'ready')
  await store.insertFiles('flows', files, 't')
  assert.deepEqual(await stored(store), [10, 10])
})

test('above the size that may be kept the oldest days go from all shards, and the newest stays', async () => {
  const ch = await sharedServers('two shards')
  const [a1, , b1] = ch.urls as [string, string, string]
  const one = await open([a1], { cluster: 'blue-green' })
  const two = await open([b1], { cluster: 'blue-green', spoolDir: join(place.dir, 'spool-two'), maxBytes: 1 })
  for (const [day, store] of [
    [3, one],
    [2, two],
    [1, one],
    [0, two],
  ] as const) {
    const files = await filesOf(`day-${day}`, day * 1000, 500, NOW - day * 86_400_000)
    await store.insertFiles('flows', files, `day-${day}`)
  }
  const days = async (): Promise<unknown> =>
    (await one.query('SELECT DISTINCT intDiv(observation, 1000) AS d FROM flows ORDER BY d')).rows.flat()
  assert.deepEqual(await days(), [0, 1, 2, 3])
  await two.retain()
  assert.deepEqual(await days(), [0])
})

test('a file that cannot be read is told apart from servers that are away', async () => {
  const ch = await sharedServers('one')
  const store = await open(ch.urls)
  const [file] = (await filesOf('a', 0, 1000)) as [string]
  await store.checkFile('flows', file)
  const bytes = await readFile(file)
  await writeFile(file, bytes.subarray(0, bytes.length / 2))
  await assert.rejects(store.checkFile('flows', file), { code: 'insert_rejected' })
  await assert.rejects(store.insertFiles('flows', [file], 't'), { code: 'insert_rejected' })
  assert.deepEqual(await stored(store), [0, 0])
  await ch.fault(0, { on: 'insert', times: 2, what: { kind: 'proxy', status: 502 } })
  await assert.rejects(store.checkFile('flows', file), { code: 'store_away' })
  assert.deepEqual(await readdir(join(place.dir, 'a')), [file.split('/').at(-1), 'epoch'].sort())
})
