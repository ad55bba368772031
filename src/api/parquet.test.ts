import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createPlace, startStore, type Place } from '../store/store.fixture.ts'
import type { EmbeddedStore } from '../store/embedded.ts'
import { quoted } from '../store/literal.ts'
import { parquet } from './parquet.ts'
import type { Table } from './table.ts'

let place: Place
let store: EmbeddedStore

before(async () => {
  place = await createPlace()
  store = await startStore(place.data)
})
after(async () => {
  await store.stop()
  await place.remove()
})

/** What the engine reads out of the file that we wrote. */
async function readBack(table: Table) {
  const file = join(place.dir, 'answer.parquet')
  await writeFile(file, parquet(table))
  return store.query(`SELECT * FROM file(${quoted(file)}, 'Parquet')`)
}

test('another reader finds every value, missing ones too', async () => {
  const table: Table = {
    columns: [
      { name: 'name', type: 'text' },
      { name: 'port', type: 'whole' },
      { name: 'low', type: 'number' },
      { name: 'other', type: 'boolean' },
    ],
    rows: [
      ['a', 443, 0.5, true],
      ['', null, -1e300, false],
      ['größe\n"x"', 2 ** 52, null, null],
      [null, -1, 1 / 3, true],
    ],
  }
  const answer = await readBack(table)
  assert.deepEqual(
    answer.columns.map((c) => [c.name, c.type]),
    [
      ['name', 'Nullable(String)'],
      ['port', 'Nullable(Int64)'],
      ['low', 'Nullable(Float64)'],
      ['other', 'Nullable(Bool)'],
    ],
  )
  assert.deepEqual(answer.rows, table.rows)
})

test('many columns and rows, and none at all', async () => {
  const columns = Array.from({ length: 40 }, (_, i) => ({ name: `c${i}`, type: 'whole' as const }))
  const rows = Array.from({ length: 1001 }, (_, r) => columns.map((_c, c) => (r % 7 === c % 7 ? null : r * c)))
  assert.deepEqual((await readBack({ columns, rows })).rows, rows)
  assert.deepEqual((await readBack({ columns, rows: [] })).rows, [])
})

test('texts that come again, of any number of different ones and with gaps, and big and negative numbers', async () => {
  const columns = [
    ...[1, 2, 3, 8, 9, 700, 5000].map((different) => ({ name: `t${different}`, type: 'text' as const, different })),
    { name: 'none', type: 'text' as const, different: 0 },
    { name: 'whole', type: 'whole' as const, different: 0 },
  ]
  const rows = Array.from({ length: 10_007 }, (_, row) =>
    columns.map(({ name, different }) => {
      if (name === 'none') return null
      if (name === 'whole')
        return [2 ** 53 - 1, -(2 ** 53) + 1, -1, 2 ** 32, 2 ** 31, -(2 ** 31), 0, null][row % 8] as number
      return row % 5 === different % 5 ? null : `größe ${(row * 7919) % different}`
    }),
  )
  assert.deepEqual((await readBack({ columns, rows })).rows, rows)
  const plain = rows.reduce((sum, row) => sum + JSON.stringify(row).length, 0)
  assert.ok(parquet({ columns, rows }).length < plain / 4)
})
