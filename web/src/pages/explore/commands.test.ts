import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { DEFAULT_VIEW } from '../../url/search.ts'
import type { View } from '../../url/search.ts'
import { asCall, asCommand, callOf, shellQuoted } from './commands.ts'

const HOUR = { kind: 'last', ms: 3_600_000 } as const
const BOUNDS = { from: 0, to: 60_000 }

test('a view is a command', () => {
  const view = { ...DEFAULT_VIEW, filter: 'src vm web-7 and port 443', by: ['src_vm', 'dst_port'] }
  assert.equal(
    asCommand(view, HOUR, 'http://127.0.0.1:8080'),
    "vnetscope query 'src vm web-7 and port 443' -A src_vm,dst_port -n 7 --last 1h --url http://127.0.0.1:8080",
  )
  const words = (more: Partial<View>) => asCommand({ ...view, ...more }, HOUR, 'http://h')
  assert.match(words({ metric: 'packets' }), / -O packets -n 7 /)
  assert.match(words({ by: [] }), / -A none /)
  assert.match(words({ unit: 'l3' }), / --unit l3 -n 7 /)
  assert.match(
    words({ chart: 'distinct', of: ['dst_addr', 'dst_port'] }),
    / -A src_vm,dst_port --distinct dst_addr,dst_port /,
  )
  const links = { metric: 'share', by: ['exporter', 'out_if'] } as const
  assert.match(words({ ...links, by: [...links.by] }), / -A exporter,out_if --unit share -n 7 /)
  assert.doesNotMatch(
    words({ ...links, by: [...links.by], chart: 'sankey' }),
    /--unit/,
    'links of a Sankey are no interfaces',
  )
})

test('over long times the rare ones are counted with the rest in the command too, unless each is asked for', () => {
  const week = { kind: 'last', ms: 7 * 86_400_000 } as const
  assert.match(asCommand(DEFAULT_VIEW, week, 'http://h'), / --rough --last 7d /)
  assert.doesNotMatch(asCommand({ ...DEFAULT_VIEW, exact: true }, week, 'http://h'), /--rough/)
  const bounds = { from: 0, to: week.ms }
  assert.equal(callOf(DEFAULT_VIEW, bounds, 3600).body['exact'], false)
  assert.equal(callOf({ ...DEFAULT_VIEW, exact: true }, bounds, 3600).body['exact'], undefined)
})

test('the time that is shown can be said exactly', () => {
  assert.match(
    asCommand(DEFAULT_VIEW, { kind: 'between', ...BOUNDS }, 'http://h'),
    /--from 1970-01-01T00:00:00.000Z --to 1970-01-01T00:01:00.000Z/,
  )
})

test('a list of flows is a list in either', () => {
  const view = { ...DEFAULT_VIEW, chart: 'flows', sort: { column: 'bytes', descending: true } } as const
  assert.equal(asCommand(view, HOUR, 'http://h'), 'vnetscope query any -O bytes -n 500 --last 1h --url http://h')
  assert.deepEqual(callOf({ ...view, columns: ['src_addr'] }, BOUNDS, undefined), {
    kind: 'flows',
    body: {
      from: '1970-01-01T00:00:00.000Z',
      to: '1970-01-01T00:01:00.000Z',
      by: ['src_addr'],
      order: 'bytes',
      limit: 500,
    },
  })
})

test('each picture is the question that it is drawn from', () => {
  const kinds = (['stacked', 'lines', 'heat', 'table', 'sankey'] as const).map(
    (chart) => callOf({ ...DEFAULT_VIEW, by: ['src_vm', 'dst_vm'], chart }, BOUNDS, 10).kind,
  )
  assert.deepEqual(kinds, ['series', 'series', 'series', 'top', 'matrix'])
  assert.equal(callOf({ ...DEFAULT_VIEW, chart: 'sankey' }, BOUNDS, 10).kind, 'series')
})

test('a shell reads back exactly what was quoted', () => {
  for (const text of ["it's", 'a "b" $HOME `id` \\', 'plain', '']) {
    assert.equal(execFileSync('sh', ['-c', `printf %s ${shellQuoted(text)}`], { encoding: 'utf8' }), text)
  }
})

test('the body of the call is JSON that a shell passes on whole', () => {
  const call = asCall(callOf({ ...DEFAULT_VIEW, chart: 'table', filter: `vm "it's"` }, BOUNDS, 1), 'http://h')
  const body = execFileSync('sh', ['-c', call.replace(/^curl .* \\\n {2}-d/, 'printf %s')], { encoding: 'utf8' })
  assert.deepEqual(JSON.parse(body), {
    from: '1970-01-01T00:00:00.000Z',
    to: '1970-01-01T00:01:00.000Z',
    filter: `vm "it's"`,
    by: ['vlan'],
    metric: 'bytes',
    limit: 7,
  })
})
