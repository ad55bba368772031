import assert from 'node:assert/strict'
import { test } from 'node:test'
import { csv } from './table.ts'

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
