import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  DEFAULT_VIEW,
  fixedUrl,
  parseSearch,
  plainSearch,
  readView,
  spanOf,
  spanSearch,
  stringifySearch,
  viewTarget,
  writeView,
} from './search.ts'
import type { View } from './search.ts'

test('a view comes back from its URL as it went', () => {
  const view: View = {
    filter: 'src vm "web-7" and dst port in [443 8443] & not proto udp',
    by: ['src_vm', 'dst_port'],
    metric: 'packets',
    unit: 'l3',
    chart: 'lines',
    top: 20,
    sort: { column: 'peak', descending: true },
    versus: 'week',
    columns: ['time_received', 'src_addr'],
    of: ['dst_vm'],
    exact: true,
  }
  assert.deepEqual(readView(parseSearch(stringifySearch(writeView(view)))), view)
})

test('the usual view leaves the URL empty', () => {
  assert.equal(stringifySearch(writeView(DEFAULT_VIEW)), '')
  assert.deepEqual(readView({}), DEFAULT_VIEW)
})

test('grouping by nothing is not grouping as usual', () => {
  assert.deepEqual(readView(parseSearch(stringifySearch(writeView({ ...DEFAULT_VIEW, by: [] })))).by, [])
})

test('URLs stay readable', () => {
  assert.equal(
    stringifySearch({ last: '6h', by: 'src_vm,dst_port', filter: 'ip 10.0.0.0/8' }),
    '?last=6h&by=src_vm,dst_port&filter=ip+10.0.0.0/8',
  )
})

test('nonsense in a URL falls back to the usual', () => {
  const view = readView({ metric: 'frogs', chart: 'pie', top: '-3', by: 'DROP TABLE,vlan' })
  assert.deepEqual(view, { ...DEFAULT_VIEW, by: ['vlan'] })
  assert.equal(spanOf({ from: 'x', to: 'y' }), undefined)
  assert.equal(spanOf({ from: '2026-11-22T10:00:00Z', to: '2026-11-22T09:00:00Z' }), undefined)
})

test('a span comes back from its URL as it went, to the second', () => {
  const between = { kind: 'between', from: Date.UTC(2026, 10, 22, 8), to: Date.UTC(2026, 10, 22, 9) } as const
  assert.deepEqual(spanOf(parseSearch(stringifySearch(spanSearch(between)))), between)
  assert.deepEqual(spanOf(spanSearch({ kind: 'last', ms: 3_600_000 })), { kind: 'last', ms: 3_600_000 })
})

test('only text survives from what a router may hand over', () => {
  assert.deepEqual(plainSearch({ a: 'x', b: 7, c: { d: 1 }, e: undefined }), { a: 'x', b: '7' })
})

test('a saved view brings its own time, or the usual one', () => {
  assert.deepEqual(viewTarget('/explore?by=vlan&last=6h'), {
    to: '/explore',
    search: { last: '6h', from: '', to: '', by: 'vlan' },
  })
  assert.deepEqual(viewTarget('/machines').search, { last: '', from: '', to: '' })
})

test('a link to the last hour becomes one to this very hour', () => {
  assert.equal(
    fixedUrl('http://host:1/explore?by=src_vm,dst_port&last=1h', { from: 0, to: 3_600_000 }),
    'http://host:1/explore?by=src_vm,dst_port&from=1970-01-01T00:00:00Z&to=1970-01-01T01:00:00Z',
  )
})
