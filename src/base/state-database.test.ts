import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { OperatorError } from './errors.ts'
import { openStateDatabase } from './state-database.ts'

const dir = mkdtempSync(join(tmpdir(), 'vnetscope-state-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const FIRST = 'CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1)'

test('each step of a part is taken once, in order', () => {
  const file = join(dir, 'below', 'steps.sqlite')
  openStateDatabase(file, [{ name: 'p', steps: [FIRST] }]).close()
  openStateDatabase(file, [{ name: 'p', steps: [FIRST] }]).close()
  const steps = [FIRST, 'ALTER TABLE a ADD COLUMN y INTEGER', 'UPDATE a SET y = x + 1']
  const database = openStateDatabase(file, [
    { name: 'p', steps },
    { name: 'q', steps: ['CREATE TABLE b (x INTEGER) STRICT'] },
  ])
  assert.deepEqual({ ...database.prepare('SELECT * FROM a').get() }, { x: 1, y: 2 })
  assert.deepEqual(
    database
      .prepare('SELECT name, version FROM parts ORDER BY name')
      .all()
      .map((row) => ({ ...row })),
    [
      { name: 'p', version: 3 },
      { name: 'q', version: 1 },
    ],
  )
  database.close()
})

test('a step that fails leaves the state as it was', () => {
  const file = join(dir, 'fails.sqlite')
  openStateDatabase(file, [{ name: 'p', steps: [FIRST] }]).close()
  const steps = [FIRST, 'INSERT INTO a VALUES (2)', 'CREATE TABLE a (x)']
  assert.throws(
    () => openStateDatabase(file, [{ name: 'p', steps }]),
    (e: unknown) => e instanceof OperatorError,
  )
  const database = openStateDatabase(file, [{ name: 'p', steps: [FIRST] }])
  assert.equal(database.prepare('SELECT count(*) AS n FROM a').get()?.['n'], 1)
  database.close()
})

test('a file of a newer version is not touched', () => {
  const file = join(dir, 'newer.sqlite')
  openStateDatabase(file, [{ name: 'p', steps: [FIRST, 'DELETE FROM a'] }]).close()
  assert.throws(
    () => openStateDatabase(file, [{ name: 'p', steps: [FIRST] }]),
    (e: unknown) => e instanceof OperatorError && e.code === 'state_newer',
  )
})
