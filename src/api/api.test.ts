import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { OperatorError } from '../base/errors.ts'
import type { Ask, AskOptions } from '../query/ask.ts'
import { createAsk } from '../query/ask.ts'
import { insertRows } from '../query/query.fixture.ts'
import { createPlace, startStore, type Place } from '../store/store.fixture.ts'
import type { EmbeddedStore } from '../store/embedded.ts'
import { createApi, type ApiDeps } from './api.ts'
import { ColumnsAnswer } from './contract/system.ts'
import {
  FilterCheck,
  FlowsAnswer,
  MatrixAnswer,
  Problem,
  SeriesAnswer,
  TopAnswer,
  ValuesAnswer,
} from './contract/query.ts'

const T = Math.floor(Date.now() / 60_000) * 60_000 - 600_000
const range = { from: T, to: T + 60_000 }
const NOTHING = {
  health: () => ({}),
  exporters: () => ({}),
  inventory: () => ({}),
  storage: () => ({ tables: [], keepBytes: null, disk: null, rollups: null }),
  metricsText: async () => '# nothing\n',
} as unknown as Omit<ApiDeps, 'ask'>

let place: Place
let store: EmbeddedStore
let ask: Ask
let api: FastifyInstance

before(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  await insertRows(store, [
    {
      time_received: T,
      src_addr: '10.0.0.1',
      dst_addr: '10.0.0.2',
      proto: 6,
      src_port: 50_000,
      dst_port: 443,
      src_vm: '=cmd|"x"',
      bytes: 1500,
      packets: 1,
      sampling_rate: 400,
    },
    {
      time_received: T + 1000,
      src_addr: '10.0.0.2',
      dst_addr: '10.0.0.1',
      proto: 17,
      src_port: 53,
      dst_port: 5353,
      src_vm: 'b',
      bytes: 100,
      packets: 1,
    },
  ])
  ask = createAsk({}, { store, clock: { now: () => T + 120_000 } })
  api = await createApi({ version: '1.2.3' }, { ask, ...NOTHING })
})
after(async () => {
  await api.close()
  await store.stop()
  await place.remove()
})

async function post(path: string, payload: object | string, headers: Record<string, string> = {}, on = api) {
  return on.inject({ method: 'POST', url: path, payload, headers: { 'content-type': 'application/json', ...headers } })
}

test('each question is answered in the shape of its contract', async () => {
  const top = await post('/api/v1/query/top', { ...range, by: ['src_addr'] })
  assert.equal(top.statusCode, 200, top.body)
  assert.deepEqual(
    TopAnswer.strict()
      .parse(top.json())
      .rows.map((row) => [row.key['src_addr'], row.bytes]),
    [
      ['10.0.0.1', 600_000],
      ['10.0.0.2', 100],
    ],
  )
  SeriesAnswer.strict().parse((await post('/api/v1/query/series', { ...range, by: ['proto'] })).json())
  FlowsAnswer.strict().parse((await post('/api/v1/query/flows', range)).json())
  MatrixAnswer.strict().parse((await post('/api/v1/query/matrix', { ...range, by: ['src_addr', 'dst_addr'] })).json())
  ColumnsAnswer.strict().parse((await api.inject('/api/v1/columns')).json())
  assert.deepEqual(ValuesAnswer.parse((await api.inject('/api/v1/values?column=src_vm&prefix=B')).json()).values, ['b'])
  assert.deepEqual(FilterCheck.parse((await post('/api/v1/filter/check', { filter: 'PROTO 6' })).json()), {
    ok: true,
    canonical: 'proto tcp',
  })
  assert.equal(FilterCheck.parse((await post('/api/v1/filter/check', { filter: 'proto' })).json()).ok, false)
  const long = Array.from({ length: 501 }, (_, i) => `vm like a${i}*`).join(' or ')
  for (const filter of ['exporter nobody', long])
    assert.equal(FilterCheck.parse((await post('/api/v1/filter/check', { filter })).json()).ok, false, filter)
  const list = `ip in [${Array.from({ length: 9000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`).join(' ')}]`
  assert.equal(FilterCheck.parse((await post('/api/v1/filter/check', { filter: list })).json()).ok, true)
})

test('answers come as CSV or Parquet to whoever asks for them', async () => {
  const question = { ...range, by: ['src_vm', 'proto'] }
  const csv = await post('/api/v1/query/top', question, { accept: 'text/csv' })
  assert.match(String(csv.headers['content-type']), /^text\/csv/)
  // A name that a spreadsheet would run is kept from it.
  const lines = csv.body.split('\r\n')
  assert.equal(lines[0], 'src_vm,proto,bytes,packets,flows,low,high')
  assert.match(lines[1] as string, /^"'=cmd\|""x""",tcp,600000,400,1,/)
  assert.equal(lines[2], 'b,udp,100,1,1,100,100')
  assert.match(
    (await post('/api/v1/query/series?format=csv', { ...question, step: 60 })).body,
    /^time,src_vm,proto,other,value,low,high\r\n2/,
  )
  assert.match((await post('/api/v1/query/flows?format=csv', range)).body, /^time_received,time_start,/)
  const file = await post('/api/v1/query/matrix?format=parquet', question)
  assert.equal(file.rawPayload.subarray(0, 4).toString(), 'PAR1')
  assert.match(String(file.headers['content-disposition']), /vnetscope-matrix\.parquet/)
  assert.equal((await post('/api/v1/query/top', question, { accept: 'image/png' })).statusCode, 400)
})

test('what is wrong is a problem with its place and a hint', async () => {
  const filter = await post('/api/v1/query/top', { ...range, filter: 'any and src prt 80' })
  assert.match(String(filter.headers['content-type']), /^application\/problem\+json/)
  const { position, length, hint, code, status } = Problem.parse(filter.json())
  assert.deepEqual(
    { position, length, hint, code, status, http: filter.statusCode },
    { position: 12, length: 3, hint: 'did you mean “port”?', code: 'filter', status: 400, http: 400 },
  )
  const cases: readonly (readonly [object | string, number, RegExp])[] = [
    [{ ...range, by: ['src_adr'] }, 400, /src_adr/],
    [{ ...range, metric: 'octets' }, 400, /metric/],
    [{ ...range, limit: 20_000 }, 400, /limit/],
    [{ to: range.to }, 400, /from/],
    [{ ...range, filter: 'x'.repeat(20_000) }, 400, /filter/],
    ['{"from":', 400, /JSON/],
    [JSON.stringify({ ...range, filter: 'x'.repeat(300_000) }), 413, /./],
  ]
  for (const [payload, status, detail] of cases) {
    const answer = await post('/api/v1/query/top', payload)
    assert.equal(answer.statusCode, status, answer.body)
    assert.match(Problem.parse(answer.json()).detail ?? '', detail)
  }
  assert.equal((await post('/api/v1/query/top', 'a=b', { 'content-type': 'text/plain' })).statusCode, 415)
  assert.equal((await api.inject('/api/v1/nothing')).statusCode, 404)
  assert.equal((await api.inject({ method: 'DELETE', url: '/api/v1/query/none' })).statusCode, 404)
})

test('what fails has the status of its kind, and our own mistakes keep their words to themselves', async () => {
  const failing = async (error: Error): Promise<{ statusCode: number; body: string }> => {
    const broken = await createApi({}, { ...NOTHING, ask: { ...ask, top: () => Promise.reject(error) } })
    const answer = await post('/api/v1/query/top', range, {}, broken)
    await broken.close()
    return answer
  }
  for (const [code, status] of [
    ['store_away', 503],
    ['query_timeout', 504],
    ['query_memory', 422],
    ['query_queue', 503],
    ['query_failed', 500],
  ] as const) {
    assert.equal((await failing(new OperatorError(code, 'so it is'))).statusCode, status)
  }
  const bug = await failing(new TypeError('secret of line 7'))
  assert.equal(bug.statusCode, 500)
  assert.doesNotMatch(bug.body, /secret/)
})

test('a client that goes away, or asks for it, ends its question', async () => {
  let seen: AskOptions | undefined
  const asked = Promise.withResolvers<void>()
  const aborted = Promise.withResolvers<void>()
  const waiting: Ask = {
    ...ask,
    top: (_question, options = {}) => {
      seen = options
      options.signal?.addEventListener('abort', () => aborted.resolve())
      asked.resolve()
      return aborted.promise.then(() => Promise.reject(new OperatorError('query_cancelled', 'cancelled')))
    },
    cancel: (id) => id === 'mine',
  }
  const slow = await createApi({}, { ...NOTHING, ask: waiting })
  await slow.listen({ port: 0, host: '127.0.0.1' })
  const { port } = slow.server.address() as { port: number }
  const controller = new AbortController()
  const request = fetch(`http://127.0.0.1:${port}/api/v1/query/top`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(range),
    signal: controller.signal,
  })
  await asked.promise
  controller.abort()
  await assert.rejects(request)
  await aborted.promise
  assert.equal(seen?.signal?.aborted, true)
  assert.equal((await slow.inject({ method: 'DELETE', url: '/api/v1/query/mine' })).statusCode, 204)
  await slow.close()
})

test('the description is OpenAPI 3.1 and names every route and the shapes of its answers', async () => {
  const description = (await api.inject('/api/v1/openapi.json')).json()
  assert.match(description.openapi, /^3\.1/)
  assert.equal(description.info.version, '1.2.3')
  const paths = [
    'columns',
    'exporters',
    'filter/check',
    'health',
    'inventory',
    'query/flows',
    'query/matrix',
    'query/series',
    'query/top',
    'query/{id}',
    'values',
  ].map((path) => `/api/v1/${path}`)
  const described = new Set(Object.keys(description.paths))
  for (const path of paths) assert.ok(described.has(path), path)
  for (const [path, methods] of Object.entries(
    description.paths as Record<
      string,
      Record<string, { summary?: string; responses?: object; parameters?: { in: string; name: string }[] }>
    >,
  )) {
    for (const [method, operation] of Object.entries(methods)) {
      assert.ok(operation.summary, `${method} ${path} has no summary`)
      assert.ok(Object.keys(operation.responses ?? {}).length > 0, `${method} ${path} has no response`)
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1])
      assert.deepEqual(
        (operation.parameters ?? []).filter((p) => p.in === 'path').map((p) => p.name),
        inPath,
      )
    }
  }
  const row =
    description.paths['/api/v1/query/top'].post.responses['200'].content['application/json'].schema.properties.rows
      .items
  assert.deepEqual(Object.keys(row.properties).slice(0, 6), ['key', 'bytes', 'packets', 'flows', 'low', 'high'])
  const references = JSON.stringify(description).matchAll(/"\$ref":"#\/([^"]+)"/g)
  for (const [, pointer] of references) {
    assert.ok(
      (pointer as string)
        .split('/')
        .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], description) !== undefined,
      pointer ?? '',
    )
  }
})

test('no other site can use the server: names, headers and kinds of content are checked', async () => {
  for (const host of ['127.0.0.1:8080', 'localhost', '[::1]:8080', '127.0.0.1'])
    assert.equal((await api.inject({ url: '/metrics', headers: { host } })).statusCode, 200, host)
  for (const host of ['evil.example', '127.0.0.1.evil.example', '10.0.0.1', 'localhost.evil.example:8080'])
    assert.equal((await api.inject({ url: '/metrics', headers: { host } })).statusCode, 403, host)
  const open = await createApi({ host: '0.0.0.0' }, { ask, ...NOTHING })
  const answer = await open.inject({ url: '/metrics', headers: { host: 'collector.example' } })
  assert.equal(answer.statusCode, 200)
  assert.match(String(answer.headers['content-security-policy']), /default-src 'self'/)
  assert.equal(answer.headers['x-content-type-options'], 'nosniff')
  assert.equal(answer.headers['access-control-allow-origin'], undefined)
  await open.close()
})

test('the console is served: hashed files for ever, pages by their address, nothing outside of it', async () => {
  const webRoot = join(place.dir, 'web')
  await mkdir(join(webRoot, 'assets'), { recursive: true })
  await writeFile(join(webRoot, 'index.html'), '<title>console</title>')
  await writeFile(join(webRoot, 'assets', 'main-abc123.js'), 'export {}')
  await writeFile(join(place.dir, 'secret.txt'), 'secret')
  const withConsole = await createApi({}, { ask, ...NOTHING, webRoot })
  const get = (url: string) => withConsole.inject({ url, headers: { accept: 'text/html,*/*' } })
  assert.match((await get('/assets/main-abc123.js')).headers['cache-control'] as string, /immutable/)
  for (const page of ['/', '/explore?by=vm', '/vlan/110', '/vm/web.prod.example']) {
    const answer = await get(page)
    assert.deepEqual(
      [answer.statusCode, answer.body, answer.headers['cache-control']],
      [200, '<title>console</title>', 'no-cache'],
      page,
    )
  }
  for (const path of ['/assets/gone.js', '/api/v1/gone']) assert.equal((await get(path)).statusCode, 404, path)
  for (const path of ['/..%2fsecret.txt', '/%2e%2e/secret.txt', '/assets/..%2f..%2fsecret.txt'])
    assert.notEqual((await get(path)).body, 'secret', path)
  await withConsole.close()
})
