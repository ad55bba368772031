import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sortedBy, toTsv } from './text.ts'

test('a name that looks like a formula is not run by a spreadsheet', () => {
  assert.equal(toTsv([['=cmd()', '-1+2', '-12.5', -3, '+1', '@x']]), "'=cmd()\t'-1+2\t-12.5\t-3\t'+1\t'@x")
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
