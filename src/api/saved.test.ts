import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import fc from 'fast-check'
import { createAsk } from '../query/ask.ts'
import { createSaved } from '../query/saved.ts'
import type { Store } from '../store/store.ts'
import { createApi, type ApiDeps } from './api.ts'
import { FilterCheck, Problem } from './contract/query.ts'
import { FiltersAnswer, SavedFilter, SavedView, ViewsAnswer } from './contract/saved.ts'

let api: FastifyInstance
const saved = createSaved({ file: ':memory:' }, { clock: { now: () => 1234 } })

before(async () => {
  saved.start()
  const { filters } = saved
  const namedFilter = (name: string): string | undefined => filters.text(name)
  const filterNames = (): string[] => [...filters.names()]
  // Nothing is asked of a store.
  const ask = createAsk({}, { store: {} as Store, clock: { now: () => 1234 }, namedFilter, filterNames })
  api = await createApi({}, { saved, ask } as unknown as ApiDeps)
})
after(async () => {
  await api.close()
  saved.stop()
})

async function put(path: string, payload: object) {
  return api.inject({ method: 'PUT', url: path, payload })
}

test('a filter is saved, listed, changed and removed', async () => {
  const made = await put('/api/v1/filters/web', { filter: 'port in [80, 443]', describe: 'browsing' })
  assert.equal(made.statusCode, 200)
  const web = SavedFilter.parse(made.json())
  assert.deepEqual(web, {
    name: 'web',
    filter: 'port in [80, 443]',
    describe: 'browsing',
    uses: [],
    usedBy: [],
    updatedAt: 1234,
  })
  await put('/api/v1/filters/ours', { filter: '@web and vm web-*' })
  const list = FiltersAnswer.parse((await api.inject('/api/v1/filters')).json())
  assert.deepEqual(
    list.filters.map(({ name, usedBy }) => [name, usedBy]),
    [
      ['ours', []],
      ['web', ['ours']],
    ],
  )
  assert.deepEqual(SavedFilter.parse((await api.inject('/api/v1/filters/WEB')).json()).usedBy, ['ours'])
  const inUse = await api.inject({ method: 'DELETE', url: '/api/v1/filters/web' })
  assert.equal(inUse.statusCode, 409)
  assert.match(Problem.parse(inUse.json()).detail ?? '', /“@ours”/)
  assert.equal((await api.inject({ method: 'DELETE', url: '/api/v1/filters/ours' })).statusCode, 204)
  assert.equal((await api.inject({ method: 'DELETE', url: '/api/v1/filters/ours' })).statusCode, 404)
  assert.equal((await api.inject('/api/v1/filters/ours')).statusCode, 404)
})

test('a wrong filter is refused at its character, and so are unknown names and cycles', async () => {
  const wrong = await put('/api/v1/filters/x', { filter: 'proto tcp and prot 80' })
  assert.equal(wrong.statusCode, 400)
  assert.match(wrong.headers['content-type'] as string, /problem\+json/)
  const problem = Problem.parse(wrong.json())
  assert.deepEqual([problem.code, problem.position, problem.length], ['filter', 14, 4])
  for (const [filter, position] of [
    ['any and @nobody', 8],
    ['not @x', 4],
  ] as const) {
    const answer = await put('/api/v1/filters/x', { filter })
    assert.equal(answer.statusCode, 400, filter)
    assert.equal(Problem.parse(answer.json()).position, position, filter)
  }
  assert.equal((await put('/api/v1/filters/1x', { filter: 'any' })).statusCode, 400)
  assert.equal((await put('/api/v1/filters/x', { filter: 'x'.repeat(10_001) })).statusCode, 400)
  assert.equal((await put('/api/v1/filters/x', {})).statusCode, 400)
})

test('checking a filter looks at the saved ones that it uses', async () => {
  await put('/api/v1/filters/web', { filter: 'port 80' })
  const check = async (filter: string) =>
    FilterCheck.parse((await api.inject({ method: 'POST', url: '/api/v1/filter/check', payload: { filter } })).json())
  assert.deepEqual(await check('not @web'), { ok: true, canonical: 'not @web' })
  const unknown = await check('not @web2')
  assert.ok(!unknown.ok && unknown.position === 4 && unknown.length === 5, JSON.stringify(unknown))
  assert.match(unknown.hint ?? '', /did you mean “@web”/)
})

test('no name, text or address of a page makes more of itself than that', async () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 120 }),
    fc.constantFrom(
      "x'; DROP TABLE views; --",
      "' OR '1'='1",
      '../../etc/passwd',
      '%2e%2e/',
      '\0',
      '?',
      '#',
      '"',
      '\\',
      'a/b',
      '__proto__',
      'constructor',
      '{}',
      '${x}',
      '<script>',
    ),
  )
  await put('/api/v1/filters/kept', { filter: 'any' })
  await fc.assert(
    fc.asyncProperty(hostile, hostile, async (name, text) => {
      if (!name.isWellFormed() || name === '' || name === '.' || name === '..') return
      const at = encodeURIComponent(name)
      const filter = await put(`/api/v1/filters/${at}`, { filter: `vm ${JSON.stringify(text)}`, describe: text })
      assert.ok([200, 400, 404, 414].includes(filter.statusCode), `${filter.statusCode}: ${filter.body}`)
      const url = `/explore?filter=${text.isWellFormed() ? encodeURIComponent(text) : ''}`
      const view = await put(`/api/v1/views/${at}`, { url })
      assert.ok([200, 400, 404, 414].includes(view.statusCode), `${view.statusCode}: ${view.body}`)
      if (view.statusCode !== 200) return
      assert.deepEqual(SavedView.parse((await api.inject(`/api/v1/views/${at}`)).json()), {
        name,
        url,
        updatedAt: 1234,
      })
      assert.equal((await api.inject({ method: 'DELETE', url: `/api/v1/views/${at}` })).statusCode, 204)
    }),
    { numRuns: 200, seed: 41 },
  )
  assert.equal(saved.filters.get('kept').filter, 'any')
  assert.deepEqual(saved.views.list(), [])
})

test('a view is saved by any name, listed and removed', async () => {
  const name = 'Monday / “top” 100 %'
  const path = `/api/v1/views/${encodeURIComponent(name)}`
  const url = '/explore?last=6h&by=src_vm'
  assert.deepEqual(SavedView.parse((await put(path, { url })).json()), { name, url, updatedAt: 1234 })
  assert.deepEqual(SavedView.parse((await api.inject(path)).json()).url, url)
  assert.deepEqual(
    ViewsAnswer.parse((await api.inject('/api/v1/views')).json()).views.map((view) => view.name),
    [name],
  )
  assert.equal((await put(path, { url: '//elsewhere.example/' })).statusCode, 400)
  assert.equal((await api.inject({ method: 'DELETE', url: path })).statusCode, 204)
  assert.equal((await api.inject(path)).statusCode, 404)
})
