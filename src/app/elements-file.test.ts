import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OperatorError, UserError } from '../base/errors.ts'
import { defaultConfig } from './config.ts'
import { readElementsFile } from './elements-file.ts'
import { netflowOptionsOf } from './netflow-config.ts'

test('a file of elements goes to the decoders; what is wrong in it is told with file and line', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'vnetscope-elements-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'mine.tsv')
  const { decode, ...rest } = defaultConfig()
  const config = { ...rest, decode: { ...decode, elements: file } }
  writeFileSync(file, '35632 57 l7Protocol unsigned16\n')
  assert.deepEqual(netflowOptionsOf(config).elements, [
    { enterprise: 35632, id: 57, name: 'l7Protocol', type: 'unsigned16' },
  ])
  writeFileSync(file, '35632 57 l7Protocol unsigned16\n35632 58 l7ProtocolName\n')
  assert.throws(
    () => readElementsFile(file),
    (error) =>
      error instanceof UserError &&
      error.message === `${file}:2: expected enterprise, id, name and type, found 3 words`,
  )
  assert.throws(() => readElementsFile(join(dir, 'none.tsv')), OperatorError)
})
