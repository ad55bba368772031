import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, test } from 'node:test'
import { filesToRead, type Asked } from './file-list.ts'

const dir = mkdtempSync(join(tmpdir(), 'vnetscope-file-list-'))
after(() => rmSync(dir, { recursive: true }))
for (const path of ['a/01/nf.1', 'a/01/nf.2', 'a/02/nf.1', 'a/02/nf.2', 'b/01/nf.1', 'b/01/nf.2', 'b/01/.stat']) {
  mkdirSync(join(dir, path, '..'), { recursive: true })
  writeFileSync(join(dir, path), '')
}

function files(asked: Asked): string[] {
  return filesToRead(asked).files.map((file) => relative(dir, file))
}

test('a range goes from one file to another, also over directories', () => {
  const range = (text: string): string[] => files({ R: [join(dir, text)] })
  assert.deepEqual(range('a/01/nf.2'), ['a/01/nf.2'])
  assert.deepEqual(range('a/01/nf.1:nf.2'), ['a/01/nf.1', 'a/01/nf.2'])
  assert.deepEqual(range('a/01/nf.2:02/nf.1'), ['a/01/nf.2', 'a/02/nf.1'])
  assert.deepEqual(range('a/02/nf.2:b/01/nf.1'), ['a/02/nf.2', 'b/01/nf.1'])
  assert.throws(() => range('a/01/nf.1:02/nf.9'), /there is no .*a\/02\/nf\.9/)
  assert.throws(() => range('a/03'), /there is no/)
})

test('the same files are read in each of some directories', () => {
  const several = `${join(dir, 'a')}:b`
  assert.deepEqual(files({ M: several, R: ['01/nf.1:nf.2'] }), ['a/01/nf.1', 'a/01/nf.2', 'b/01/nf.1', 'b/01/nf.2'])
  assert.deepEqual(files({ M: several, r: ['01/nf.2'] }), ['a/01/nf.2', 'b/01/nf.2'])
  assert.throws(() => files({ M: several, r: ['02/nf.2'] }), /there is no file .*b\/02\/nf\.2/)
})

test('files that were found are told from those that somebody named', () => {
  const named = join(dir, 'a/01/nf.1')
  const { found } = filesToRead({ r: [named, join(dir, 'b')] })
  assert.deepEqual(
    [...found].map((file) => relative(dir, file)),
    ['b/01/nf.1', 'b/01/nf.2'],
  )
})
