import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import { createAsk } from '../query/ask.ts'
import { insertRows } from '../query/query.fixture.ts'
import { createSaved, type Saved } from '../query/saved.ts'
import type { EmbeddedStore } from '../store/embedded.ts'
import { bindParams, quoted } from '../store/literal.ts'
import { createPlace, startStore, type Place } from '../store/store.fixture.ts'
import type { Store } from '../store/store.ts'
import { createApi, type ApiDeps } from './api.ts'

// No text of a user becomes part of a statement: not in filters, names of things, URLs, nor in what exporters have sent.

const T = Math.floor(Date.now() / 60_000) * 60_000 - 600_000
const range = { from: T, to: T + 60_000 }
/** More by hand: VNETSCOPE_RUNS=5000 */
const RUNS = Number(process.env['VNETSCOPE_RUNS'] ?? 25)

let place: Place
let store: EmbeddedStore
let api: FastifyInstance
let saved: Saved
/** Statements as the engine got them. */
const sent: string[] = []

const PIECES = [
  "'",
  "''",
  '"',
  '\\',
  "\\'",
  '\\x27',
  '%27',
  '`',
  ';',
  ' -- ',
  '/*',
  '*/',
  '#',
  '{p0:String}',
  '{p0:Identifier}',
  '}',
  '{',
  '$1',
  '@canary',
  '\n\n',
  '\r',
  '\0',
  '\u2028',
  '’',
  'ü',
  '\ud800',
  'DROP TABLE canary',
  "'; DROP TABLE canary; --",
  "') OR 1=1 --",
  ') UNION ALL SELECT name FROM system.tables',
  "file('/etc/passwd')",
  'SETTINGS max_threads=1',
  'FORMAT Native',
  ' or any',
  ')',
  '(',
  'web',
]
const hostile = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary', maxLength: 20 }),
)
const NAMES = PIECES.filter((piece) => piece !== '\ud800')

before(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  await store.execute('CREATE TABLE canary (n UInt8) ENGINE = MergeTree ORDER BY n')
  await store.execute('INSERT INTO canary SELECT 1')
  await insertRows(
    store,
    NAMES.map((name, i) => ({
      time_received: T + i,
      src_addr: '10.0.0.1',
      dst_addr: '10.0.0.2',
      src_vm: name,
      dst_vm: `x${name}`,
      bytes: 100,
      packets: 1,
      sampling_rate: 10,
    })),
  )
  const watched: Store = {
    ...store,
    query: (sql, options = {}) => {
      sent.push(bindParams(sql, options.params ?? {}))
      return store.query(sql, options)
    },
  }
  const ask = createAsk(
    {},
    {
      store: watched,
      clock: { now: () => T + 120_000 },
      // Names of exporters come from the network; their addresses do not.
      exporterAddresses: (name) => (name.length % 2 === 0 ? ['192.0.2.1', '2001:db8::1'] : []),
      asNumbers: () => [64_500],
      namedFilter: (name) => saved.filters.text(name),
    },
  )
  saved = createSaved({ file: ':memory:' }, { clock: { now: () => T } })
  saved.start()
  saved.filters.put('saved', 'vm web', '')
  api = await createApi({ host: '0.0.0.0' }, { ask, saved } as unknown as ApiDeps)
})
after(async () => {
  await api.close()
  saved.stop()
  await store.stop()
  await place.remove()
})

/** What is left of a statement without its literals. */
function skeleton(sql: string): string {
  return sql.replaceAll(/'(?:[^'\\]|\\.|'')*'/gs, '?')
}

function checkSent(): void {
  for (const sql of sent.splice(0)) {
    assert.match(skeleton(sql), /^[\w\s(),.*=<>!+\-/[\]?]*$/, sql)
    assert.doesNotMatch(skeleton(sql), /--|\/\*|canary|passwd|system\.tables/i, sql)
  }
}

async function request(method: 'POST' | 'GET' | 'DELETE' | 'PUT', url: string, payload?: object): Promise<number> {
  const answer = await api.inject({ method, url, ...(payload ? { payload } : {}) })
  assert.ok(
    [200, 204, 400, 404, 414, 422].includes(answer.statusCode),
    `${method} ${url}: ${answer.statusCode} ${answer.body}`,
  )
  checkSent()
  return answer.statusCode
}

const FILTERS: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => `vm ${text}`,
  (text) => `src vm "${text}"`,
  (text) => `src vm '${text}'`,
  (text) => `vm in ["${text}", web]`,
  (text) => `slice like "${text}*"`,
  (text) => `exporter "${text}"`,
  (text) => `as "${text}"`,
  (text) => `country "${text}"`,
  (text) => `service ${text}`,
  (text) => `src ip ${text}`,
  (text) => `@${text}`,
  (text) => `@saved and not vm ${JSON.stringify(text)}`,
]
const KINDS = ['top', 'series', 'matrix', 'flows', 'distinct', 'conversations', 'totals', 'records', 'cost'] as const

function bodyOf(kind: (typeof KINDS)[number], more: object): object {
  const usual = { matrix: { by: ['src_vm', 'dst_vm'] }, distinct: { by: ['src_vm'], of: ['dst_vm'] } }
  return { ...range, ...(usual as Record<string, object>)[kind], ...more }
}

test('a filter of any text finds, or is refused, and changes no statement', async () => {
  const kind = fc.constantFrom(...KINDS)
  let found = 0
  await fc.assert(
    fc.asyncProperty(hostile, fc.constantFrom(...FILTERS), kind, async (text, place, asked) => {
      if ((await request('POST', `/api/v1/query/${asked}`, bodyOf(asked, { filter: place(text) }))) === 200) found++
      await request('POST', '/api/v1/filter/check', { filter: place(text) })
    }),
    { numRuns: RUNS },
  )
  assert.ok(found > 0, `${found} were filters`)
})

test('no other field of a question is more than a value or a name of ours', async () => {
  const fields = [
    'by',
    'of',
    'orderBy',
    'metric',
    'order',
    'unit',
    'from',
    'to',
    'id',
    'limit',
    'step',
    'ways',
    'previous',
  ]
  await fc.assert(
    fc.asyncProperty(hostile, fc.constantFrom(...fields), fc.constantFrom(...KINDS), async (text, field, kind) => {
      const value = field === 'by' || field === 'of' ? [text, 'src_vm'] : text
      await request('POST', `/api/v1/query/${kind}`, bodyOf(kind, { [field]: value }))
    }),
    { numRuns: RUNS },
  )
})

test('no URL is', async () => {
  await fc.assert(
    fc.asyncProperty(hostile, fc.constantFrom('src_vm', 'service', 'src_addr'), async (text, column) => {
      const part = encodeURIComponent(text.toWellFormed())
      await request('GET', `/api/v1/values?column=${column}&prefix=${part}`)
      await request('GET', `/api/v1/values?column=${part}`)
      await request('DELETE', `/api/v1/query/${part}`)
      await request('PUT', `/api/v1/filters/${part}`, { filter: `vm ${JSON.stringify(text)}`, describe: text })
      await request('GET', `/api/v1/filters/${part}`)
      await request('POST', `/api/v1/query/top?format=${part}`, range)
      await request('POST', `/api/v1/query/flows?all=${part}&format=csv`, range)
    }),
    { numRuns: Math.ceil(RUNS / 3) },
  )
})

test('names that came from the network are found by name, listed and grouped, and run as nothing', async () => {
  const top = await api.inject({
    method: 'POST',
    url: '/api/v1/query/top',
    payload: { ...range, by: ['src_vm'], limit: 100 },
  })
  const rows = top.json().rows as { key: { src_vm: string } }[]
  assert.deepEqual(new Set(rows.map((row) => row.key.src_vm)), new Set(NAMES))
  for (const kind of ['series', 'conversations', 'distinct', 'matrix', 'flows', 'top'] as const) {
    const by = { series: ['vm'], conversations: ['vm'], matrix: ['src_vm', 'dst_vm'], top: ['vm'] } as Record<
      string,
      string[]
    >
    const more = { limit: 50, previous: 60_000, ...(by[kind] ? { by: by[kind] } : {}) }
    assert.equal(await request('POST', `/api/v1/query/${kind}`, bodyOf(kind, more)), 200, kind)
  }
  for (const name of NAMES.filter((text) => /^[\x20-\x7e]+$/.test(text))) {
    const filter = `src vm ${JSON.stringify(name)}`
    const answer = await api.inject({ method: 'POST', url: '/api/v1/query/totals', payload: { ...range, filter } })
    if (answer.statusCode === 200 && !name.includes('*')) assert.equal(answer.json().flows.value, 1, name)
  }
  checkSent()
})

test('after all that the tables are as they were', async () => {
  assert.deepEqual((await store.query('SELECT count() FROM canary')).rows, [[1]])
  const answer = await store.query(`SELECT count() FROM flows WHERE src_vm IN (${NAMES.map(quoted).join(', ')})`)
  assert.deepEqual(answer.rows, [[NAMES.length]])
  assert.throws(() => checkOne('SELECT 1; DROP TABLE canary'))
  assert.throws(() => checkOne("SELECT 1 WHERE vm = 'a' OR 1=1 -- '"))
})

/** The check itself finds what it is for. */
function checkOne(sql: string): void {
  sent.push(sql)
  checkSent()
}
