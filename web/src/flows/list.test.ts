import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFilter } from '../../../src/query/filter/parse.ts'
import { askedColumns, chosenColumns, listOrder, sameRow, whereOf } from './list.ts'

const columns = ['time_received', 'exporter', 'src_addr', 'dst_addr', 'src_port', 'dst_port', 'proto', 'bytes'].map(
  (name) => ({ name, label: name, format: 'name' }),
)
const cells = [1000, '192.0.2.1', '10.0.0.1', '2001:db8::1', 40_000, 443, 'tcp', 1500]

test('a chosen list shows those columns in that order, and asks for what finds a flow again', () => {
  const asked = askedColumns(['bytes', 'src_addr'])
  assert.deepEqual(asked.slice(0, 2), ['bytes', 'src_addr'])
  assert.ok(asked.includes('time_received') && asked.includes('proto'))
  assert.deepEqual(
    chosenColumns({ columns, rows: [cells] }, ['bytes', 'src_addr', 'no_such']).map(({ column, at }) => [
      column.name,
      at,
    ]),
    [
      ['bytes', 7],
      ['src_addr', 2],
    ],
  )
})

test('the usual list leaves out what no row tells', () => {
  const told = chosenColumns({ columns, rows: [[1000, '192.0.2.1', '10.0.0.1', '::', 0, 443, 'tcp', 9]] }, [])
  assert.deepEqual(
    told.map(({ column }) => column.name),
    ['time_received', 'src_addr', 'dst_port', 'proto', 'bytes', 'exporter'],
  )
})

test('a flow is found again by its moment and its ends, whatever the list shows', () => {
  const { from, filter } = whereOf({ columns }, { id: 0, cells })
  assert.equal(from, 1000)
  assert.ok(parseFilter(filter).ok, filter)
  assert.match(filter, /src ip 10\.0\.0\.1 and dst ip 2001:db8::1 and src port 40000 and dst port 443 and proto tcp/)
})

test('among flows of the same ends the one with the same values is meant', () => {
  const listed = { columns: columns.slice(0, 2) }
  const found = { columns, rows: [[1000, '192.0.2.2', ...cells.slice(2)], cells] }
  assert.equal(sameRow(listed, { id: 0, cells: cells.slice(0, 2) }, found), cells)
  assert.equal(sameRow(listed, { id: 0, cells: [1000, '192.0.2.9'] }, found), undefined)
})

test('the newest first is no order of its own', () => {
  assert.equal(listOrder({ column: 'time_received', descending: true }), undefined)
  assert.equal(listOrder({ column: 'bytes', descending: true }), 'bytes')
  assert.equal(listOrder({ column: 'ttl', descending: true }), undefined)
})
