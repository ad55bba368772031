import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeFilter } from './filter/complete.ts'
import { NOUNS } from './filter/nouns.ts'
import { parseFilter } from './filter/parse.ts'
import { dimensionNamed, type KeyValue } from './dimensions.ts'
import { createValues } from './values.ts'

test('what completes a word, on each of its sides, is a dimension that can be asked for', () => {
  let asked = 0
  for (const noun of NOUNS) {
    for (const side of Object.keys(noun.columns)) {
      const text = side === 'any' ? `${noun.name} = ` : `${side} ${noun.name} = `
      const { values } = completeFilter(text, text.length)
      if (!values) continue
      asked++
      assert.equal(dimensionNamed(values.column).name, values.column, text)
    }
  }
  assert.ok(asked > 60, String(asked))
})

test('while a word is typed the store is asked once, and again when that is old', async () => {
  let now = 1000
  const asked: string[] = []
  const values = createValues({ now: () => now })
  const read = async (filter: string): Promise<KeyValue[]> => {
    asked.push(filter)
    return ['web-1', 'db-1', 'new-web']
  }
  assert.deepEqual(await values.of('src_vm', '', 10, read), ['web-1', 'db-1', 'new-web'])
  assert.deepEqual(await values.of('src_vm', 'W', 10, read), ['web-1', 'new-web'])
  assert.deepEqual(await values.of('src_vm', 'we', 1, read), ['web-1'])
  assert.deepEqual(asked, [''])
  await values.of('dst_vm', 'we', 1, read)
  now += 20_000
  await values.of('src_vm', 'we', 1, read)
  assert.deepEqual(asked, ['', '', ''])
})

test('what is not among the frequent values is asked for by what is typed', async () => {
  const many = Array.from({ length: 5000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`)
  const filters: string[] = []
  const read = async (filter: string): Promise<KeyValue[]> => {
    filters.push(filter)
    return filter === '' ? many : ['10.2.0.1', '10.2.0.2', '10.3.0.1']
  }
  const values = createValues({ now: () => 0 })
  assert.deepEqual(await values.of('src_addr', '10.2.0', 5, read), ['10.2.0.1', '10.2.0.2'])
  assert.deepEqual(await values.of('src_vm', 'a"b\\', 5, read), [])
  assert.deepEqual(await values.of('port', '99999', 5, read), [])
  assert.deepEqual(await values.of('ip', '999.1', 5, read), [])
  assert.deepEqual(await values.of('src_net', '10.9.', 5, read), [])
  assert.deepEqual(filters, ['', 'src_addr in [10.2.0.0/16]', '', 'src_vm like "*a\\"b\\\\*"', '', '', ''])
  for (const filter of filters) assert.ok(parseFilter(filter).ok, filter)
})

test('so many lists are kept, and no more', async () => {
  let reads = 0
  const values = createValues({ now: () => 0 })
  const read = async (): Promise<KeyValue[]> => {
    reads++
    return ['x']
  }
  for (let i = 0; i < 40; i++) await values.of(`column ${i}`, '', 5, read)
  await values.of('column 0', '', 5, read)
  await values.of('column 39', '', 5, read)
  assert.equal(reads, 41)
})
