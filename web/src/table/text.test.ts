import assert from 'node:assert/strict'
import { test } from 'node:test'
import { csvCell, sortedBy, toCsv, toTsv } from './text.ts'

test('a cell with a comma, quote or line break is quoted', () => {
  assert.equal(toCsv([['a', 'b,c', 'd"e', 'f\ng', 12, null]]), 'a,"b,c","d""e","f\ng",12,\r\n')
})

test('a name that looks like a formula is not run by a spreadsheet', () => {
  assert.equal(csvCell('=cmd()'), "'=cmd()")
  assert.equal(csvCell('-1+2'), "'-1+2")
  assert.equal(csvCell('-12.5'), '-12.5')
  assert.equal(csvCell(-3), '-3')
})

test('the clipboard takes one line a row', () =>
  assert.equal(
    toTsv([
      ['a\tb', 1],
      ['c\n', null],
    ]),
    'a b\t1\nc \t',
  ))

test('names sort with their numbers, what is missing last', () => {
  const rows = ['web-10', 'web-2', '', 'db']
  assert.deepEqual(
    sortedBy(rows, (row) => row, false),
    ['db', 'web-2', 'web-10', ''],
  )
  assert.deepEqual(
    sortedBy(rows, (row) => row, true),
    ['web-10', 'web-2', 'db', ''],
  )
  assert.deepEqual(
    sortedBy([3, 1, 2], (row) => row, true),
    [3, 2, 1],
  )
})
