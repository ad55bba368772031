import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import { OperatorError } from '../base/errors.ts'
import { createAsk, type Ask } from '../query/ask.ts'
import { insertRows } from '../query/query.fixture.ts'
import type { EmbeddedStore } from '../store/embedded.ts'
import { quoted } from '../store/literal.ts'
import { createPlace, startStore, type Place } from '../store/store.fixture.ts'
import { createApi, type ApiDeps } from './api.ts'
import { ConversationsAnswer, CostAnswer, DistinctAnswer, TotalsAnswer } from './contract/analysis.ts'
import { EXAMPLES } from './contract/examples.ts'
import { FlowsAnswer, MatrixAnswer, Problem, SeriesAnswer, TopAnswer } from './contract/query.ts'
import { RecordsAnswer } from './contract/records.ts'

const T = Date.parse('2026-03-01T08:30:00Z')
const HOUR = { from: T - 1_800_000, to: T + 1_800_000 }
const ANSWERS: Readonly<Record<keyof typeof EXAMPLES, z.ZodObject>> = {
  top: TopAnswer,
  series: SeriesAnswer,
  matrix: MatrixAnswer,
  flows: FlowsAnswer,
  distinct: DistinctAnswer,
  conversations: ConversationsAnswer,
  records: RecordsAnswer,
  totals: TotalsAnswer,
  cost: CostAnswer,
}

let place: Place
let store: EmbeddedStore
let ask: Ask
let api: FastifyInstance

before(async () => {
  place = await createPlace()
  store = await startStore(place.data, { keepDays: 3650 })
  await insertRows(
    store,
    Array.from({ length: 12 }, (_, i) => ({
      time_received: T + i * 1000,
      exporter: '192.0.2.1',
      in_if: 3,
      out_if: 4,
      src_addr: `10.0.0.${i % 3}`,
      dst_addr: `10.0.1.${i}`,
      src_vm: 'web-7',
      dst_vm: 'db-1',
      src_host: 'host-a',
      dst_host: 'host-b',
      slice: 'blue',
      vlan_in: 20,
      proto: 6,
      src_port: 50_000,
      dst_port: 443,
      tcp_flags: 2,
      bytes: 100 + i,
      packets: 1,
      sampling_rate: i % 2 === 0 ? 100 : 1,
    })),
  )
  ask = createAsk({}, { store, clock: { now: () => T + 3_600_000 } })
  api = await createApi({}, { ask } as unknown as ApiDeps)
})
after(async () => {
  await api.close()
  await store.stop()
  await place.remove()
})

async function post(path: string, payload: object, on = api) {
  return on.inject({ method: 'POST', url: `/api/v1/query/${path}`, payload })
}

test('each example is answered in the shape of its contract, and finds something', async () => {
  for (const [path, { body }] of Object.entries(EXAMPLES)) {
    const answer = await post(path, body)
    assert.equal(answer.statusCode, 200, `${path}: ${answer.body}`)
    const found = ANSWERS[path as keyof typeof EXAMPLES].strict().parse(answer.json()) as Record<string, unknown>
    const rows = (found['rows'] ?? found['series'] ?? found['links']) as unknown[] | undefined
    if (rows) assert.ok(rows.length > 0, path)
  }
  const description = (await api.inject('/api/v1/openapi.json')).json()
  for (const [path, { body }] of Object.entries(EXAMPLES)) {
    const { example } = description.paths[`/api/v1/query/${path}`].post.requestBody.content['application/json']
    assert.deepEqual(example, body, path)
  }
})

test('what the page on the API shows is asked as it stands there', async () => {
  const page = await readFile(new URL('../../docs/reference/api.md', import.meta.url), 'utf8')
  const [, path = '', body = ''] =
    /^curl -s localhost:8080\/api\/v1\/query\/(\w+) [^']*'[^']*' -d '([^']*)'$/m.exec(page) ?? []
  const curl = await post(path, JSON.parse(body))
  assert.equal(curl.statusCode, 200, curl.body)
  assert.ok(TopAnswer.parse(curl.json()).rows.length > 0)
  const shown = [...page.matchAll(/`POST \/api\/v1\/query\/(\w+)`\n\n```json\n(.*)\n```/g)]
  assert.deepEqual(
    shown.map(([, route = '', text = '']) => [route, JSON.parse(text)]),
    Object.entries(EXAMPLES).map(([route, example]) => [route, example.body]),
  )
})

test('a question with a part that none has is refused, not answered for all traffic', async () => {
  for (const path of Object.keys(EXAMPLES)) {
    const answer = await post(path, { ...EXAMPLES[path as keyof typeof EXAMPLES].body, fliter: 'port 1' })
    assert.equal(answer.statusCode, 400, path)
    assert.match(Problem.parse(answer.json()).hint ?? '', /“filter”/)
  }
})

test('each answer is a table too', async () => {
  const lines = async (path: string, format: string, body: object): Promise<string[]> =>
    (await post(`${path}?format=${format}`, body)).body.trimEnd().split(/\r?\n/)
  const distinct = await lines('distinct', 'csv', { ...HOUR, by: ['src_vm'], of: ['dst_addr'] })
  assert.equal(distinct[0], 'src_vm,distinct_dst_addr,distinct_dst_addr_high,bytes,packets,flows,low,high')
  assert.match(distinct[1] as string, /^web-7,12,\d+(\.\d+)?,/)
  const talks = await lines('conversations', 'csv', { ...HOUR, by: ['vm', 'proto'] })
  assert.match(talks[0] as string, /^a_vm,b_vm,proto,bytes,.*,forth_bytes,.*,back_high$/)
  assert.match(talks[1] as string, /^web-7,db-1,tcp,/)
  const totals = await lines('totals', 'jsonl', HOUR)
  assert.deepEqual(
    totals.map((line) => JSON.parse(line).metric),
    ['bytes', 'packets', 'flows'],
  )
  const shares = await lines('top', 'csv', { ...HOUR, by: ['exporter', 'in_if'], unit: 'share' })
  assert.match(shares[0] as string, /,share,speed$/)
})

test('a Parquet file has the same columns whatever was found', async () => {
  const file = join(place.dir, 'answer.parquet')
  const columnsOf = async (path: string, body: object): Promise<{ columns: readonly unknown[]; rows: number }> => {
    const answer = await post(`${path}?format=parquet`, body)
    assert.equal(answer.statusCode, 200, answer.body)
    await writeFile(file, answer.rawPayload)
    const { columns, rows } = await store.query(`SELECT * FROM file(${quoted(file)}, 'Parquet')`)
    return { columns, rows: rows.length }
  }
  for (const [path, { body }] of Object.entries(EXAMPLES)) {
    if (path === 'cost') continue
    const some = await columnsOf(path, body)
    const none = await columnsOf(path, { ...body, filter: 'port 1 and port 2' })
    assert.deepEqual(some.columns, none.columns, path)
    assert.ok(some.rows > 0)
  }
})

test('every flow of a range goes out as a stream, whatever the format', async () => {
  const body = { ...HOUR, by: ['time_received', 'src_addr', 'bytes', 'counted', 'src_vm'] }
  const csv = await post('flows?all=true&format=csv', body)
  assert.match(String(csv.headers['content-type']), /^text\/csv/)
  const rows = csv.body.trimEnd().split('\r\n')
  assert.deepEqual([rows.length, rows[0]], [13, 'time_received,src_addr,bytes,counted,src_vm'])
  assert.equal(rows[1], '2026-03-01T08:30:00.000Z,10.0.0.0,100,true,web-7')
  const objects = (await post('flows?all=true&format=jsonl', { ...body, limit: 20_000 })).body.trimEnd().split('\n')
  assert.deepEqual(JSON.parse(objects[11] as string), {
    time_received: '2026-03-01T08:30:11.000Z',
    src_addr: '10.0.0.2',
    bytes: 111,
    counted: true,
    src_vm: 'web-7',
  })
  const file = join(place.dir, 'flows.parquet')
  await writeFile(file, (await post('flows?all=true&format=parquet', body)).rawPayload)
  const read = await store.query(`SELECT count(), sum(bytes), any(src_vm) FROM file(${quoted(file)}, 'Parquet')`)
  assert.deepEqual(read.rows[0], [12, 1266, 'web-7'])
  assert.equal((await post('flows?all=true&format=csv', { ...body, filter: 'vm nobody' })).body.split('\r\n').length, 2)
  assert.equal((await post('flows?all=true', body)).statusCode, 400)
  assert.equal((await post('flows?all=true&format=csv', { ...body, filter: 'src prt 1' })).statusCode, 400)
  assert.equal((await post('flows', { ...body, limit: 20_000 })).statusCode, 400)
})

test('a question that would take longer than one waits is not asked, and says what it would take', async () => {
  const answer = await post('top', { ...HOUR, by: ['src_addr'], atMostSeconds: 0.0001 })
  const { status, code, detail } = Problem.parse(answer.json())
  assert.deepEqual([answer.statusCode, status, code], [422, 422, 'query_long'])
  assert.match(detail ?? '', /about .* s: .* rows .* of flows/)
})

test('questions of one address wait for each other, not for those of another', async () => {
  const clients: (string | undefined)[] = []
  const noting: Ask = {
    ...ask,
    top: (question, options) => {
      clients.push(options?.client)
      return ask.top(question, options)
    },
  }
  const other = await createApi({ host: '0.0.0.0' }, { ask: noting } as unknown as ApiDeps)
  for (const remoteAddress of ['192.0.2.7', '192.0.2.8'])
    await other.inject({ method: 'POST', url: '/api/v1/query/top', payload: HOUR, remoteAddress })
  assert.deepEqual(clients, ['192.0.2.7', '192.0.2.8'])
  await other.close()
  const behind = { host: '0.0.0.0', trustProxy: ['10.9.0.0/16'] }
  const proxied = await createApi(behind, { ask: noting } as unknown as ApiDeps)
  const headers = { 'x-forwarded-for': '192.0.2.1, 198.51.100.4' }
  for (const remoteAddress of ['10.9.1.1', '10.10.1.1'])
    await proxied.inject({ method: 'POST', url: '/api/v1/query/top', payload: HOUR, remoteAddress, headers })
  assert.deepEqual(clients.slice(2), ['198.51.100.4', '10.10.1.1'], 'only a proxy that is trusted is believed')
  await proxied.close()
})

test('a client that goes away in the middle of a stream ends what is read for it', async () => {
  const ended = Promise.withResolvers<void>()
  const endless: Ask = {
    ...ask,
    everyFlow: (_question, options = {}) => ({
      columns: [{ name: 'bytes', label: 'bytes', format: 'bytes' }],
      pages: (async function* () {
        try {
          for (;;) {
            yield Array.from({ length: 1000 }, (_, i) => [i])
            await new Promise((resolve) => setImmediate(resolve))
            if (options.signal?.aborted) throw new OperatorError('query_cancelled', 'cancelled')
          }
        } finally {
          ended.resolve()
        }
      })(),
    }),
  }
  const server = await createApi({}, { ask: endless } as unknown as ApiDeps)
  await server.listen({ port: 0, host: '127.0.0.1' })
  const { port } = server.server.address() as { port: number }
  const controller = new AbortController()
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query/flows?all=true&format=jsonl`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(HOUR),
    signal: controller.signal,
  })
  const reader = answer.body?.getReader()
  assert.ok(((await reader?.read())?.value?.length ?? 0) > 0)
  controller.abort()
  await ended.promise
  const next = await server.inject({ method: 'POST', url: '/api/v1/query/top', payload: HOUR })
  assert.equal(next.statusCode, 200)
  await server.close()
})
