import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sankeyData } from './sankey-data.ts'

const row = (src: string, dst: string, bytes: number) => ({
  key: { src_host: src, dst_host: dst },
  bytes,
  packets: 0,
  flows: 0,
  low: bytes,
  high: bytes,
})

test('a host that talks to itself is a node on each side, never a cycle', () => {
  const data = sankeyData(['src_host', 'dst_host'], [row('a', 'a', 5), row('a', 'b', 3), row('b', 'a', 2)], 'bytes')
  assert.equal(data.nodes.length, 4)
  assert.ok(data.links.every((link) => link.source.startsWith('0') && link.target.startsWith('1')))
})

test('links of the same ends are one, and what is nothing is not drawn', () => {
  const data = sankeyData(['src_host', 'dst_host'], [row('a', 'b', 5), row('a', 'b', 3), row('c', 'd', 0)], 'bytes')
  assert.deepEqual(
    data.links.map((link) => link.value),
    [8],
  )
})

test('only the largest are drawn', () => {
  assert.equal(
    sankeyData(['src_host', 'dst_host'], [row('a', 'b', 1), row('c', 'd', 9)], 'bytes', 1).nodes[0]?.text,
    'c',
  )
})

test('exporters are shown by their names, and asked for by their addresses', () => {
  const link = { ...row('', '', 5), key: { exporter: '192.0.2.1', vlan: 10 } }
  const names = new Map([['192.0.2.1', 'leaf-1']])
  const [node] = sankeyData(['exporter', 'vlan'], [link], 'bytes', 40, names).nodes
  assert.deepEqual([node?.text, node?.key], ['leaf-1', { exporter: '192.0.2.1' }])
})

test('a band keeps its origin through all columns, so that it can have one colour', () => {
  const path = (src: string, port: string, dst: string, bytes: number) => ({
    ...row(src, dst, bytes),
    key: { src_host: src, service: port, dst_host: dst },
  })
  const { links } = sankeyData(
    ['src_host', 'service', 'dst_host'],
    [path('a', '443/tcp', 'x', 5), path('b', '443/tcp', 'x', 3), path('a', '443/tcp', 'y', 1)],
    'bytes',
  )
  assert.deepEqual(
    links.filter((link) => link.source === '1/443/tcp').map(({ target, origin, value }) => [target, origin, value]),
    [
      ['2/x', '0/a', 5],
      ['2/x', '0/b', 3],
      ['2/y', '0/a', 1],
    ],
  )
  assert.equal(links.find((link) => link.origin === '0/a' && link.source === '0/a')?.value, 6)
})
