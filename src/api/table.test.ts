import assert from 'node:assert/strict'
import { test } from 'node:test'
import { csv, flowRows } from './table.ts'

test('a text that a spreadsheet would run begins with an apostrophe, and a negative number does not', () => {
  const texts = ['=1+1', '+1', '@x', '-1+2', '-x', '-', '-1', '-.5', '-1.25', 'web-1']
  const table = { columns: [{ name: 'name', type: 'text' as const }], rows: texts.map((text) => [text]) }
  assert.deepEqual(csv(table).trimEnd().split('\r\n').slice(1), [
    "'=1+1",
    "'+1",
    "'@x",
    "'-1+2",
    "'-x",
    "'-",
    '-1',
    '-.5',
    '-1.25',
    'web-1',
  ])
})

test('times of flows are ISO 8601 to the millisecond, however many different seconds there are', () => {
  const times = Array.from({ length: 3000 }, (_, i) => (i * 2_654_435_761) % 4e12)
  const rows = flowRows([{ name: 'time_start', label: '', format: 'time' }], [[0], [999], ...times.map((t) => [t])])
  assert.deepEqual(
    rows.map(([text]) => text),
    [0, 999, ...times].map((time) => new Date(time).toISOString()),
  )
})
