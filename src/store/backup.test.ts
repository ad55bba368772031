import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { openStateDatabase } from '../base/state-database.ts'
import { backUp, restore } from './backup.ts'
import type { EmbeddedStore } from './embedded.ts'
import { createLoader } from './loader.ts'
import { createRoller } from './roller.ts'
import { NAMES, smallNetwork, totals } from './roller.fixture.ts'
import { createSpool } from './spool.ts'
import { createPlace, startStore, type Place } from './store.fixture.ts'

const DAY = Date.parse('2030-05-06T00:00:00Z')
const LATER = DAY + 49 * 3_600_000

let place: Place
const stores: EmbeddedStore[] = []

beforeEach(async () => {
  place = await createPlace()
})
afterEach(async () => {
  for (const store of stores.splice(0)) await store.stop()
  await place.remove()
})

async function open(data: string): Promise<EmbeddedStore> {
  const store = await startStore(join(data, 'store'))
  stores.push(store)
  return store
}

async function write(data: string, seed: number, rows: number): Promise<void> {
  const spool = createSpool({ dir: join(data, 'spool'), maxBytes: 1e9 }, { clock: systemClock })
  await spool.start()
  await spool.write(smallNetwork(seed, rows, DAY + seed * 3_600_000, DAY + (seed * 60 + 5) * 60_000), NAMES)
  await spool.stop()
}

async function load(store: EmbeddedStore, data: string): Promise<void> {
  const loader = createLoader({ dir: join(data, 'spool') }, { store, clock: systemClock })
  await loader.start()
  await loader.drained()
  await loader.stop()
}

async function roll(store: EmbeddedStore): Promise<void> {
  await createRoller({ fewestFlows: 1, worth: 0.1 }, { store, clock: { now: () => LATER } }).run()
}

/** All that came, in every table. */
async function assertWhole(store: EmbeddedStore, flows: number): Promise<void> {
  await roll(store)
  const all = await totals(store)
  assert.deepEqual(new Set(Object.values(all)), new Set([flows]), JSON.stringify(all))
}

test('a backup of a running store has what it had and what waits in the spool, and goes on from there', async () => {
  const data = join(place.dir, 'data')
  const store = await open(data)
  await write(data, 1, 1000)
  await load(store, data)
  await roll(store)
  await write(data, 2, 500)
  await mkdir(join(data, 'state'))
  await writeFile(join(data, 'state', 'templates.json'), '{}')
  const state = openStateDatabase(join(data, 'state', 'state.sqlite'), [
    { name: 'test', steps: ['CREATE TABLE kept (text TEXT)'] },
  ])
  state.exec("INSERT INTO kept VALUES ('hello')")

  const manifest = await backUp(data, join(place.dir, 'copy'), LATER)
  assert.equal(manifest.running, true)
  assert.equal(manifest.waiting, 1)
  assert.deepEqual((await readdir(data)).sort(), ['spool', 'state', 'store'])
  // What comes later changes the backup in nothing.
  await write(data, 3, 700)
  await load(store, data)
  await roll(store)
  await store.execute('OPTIMIZE TABLE flows FINAL')
  state.exec('DELETE FROM kept')
  state.close()

  const other = join(place.dir, 'restored')
  await restore(join(place.dir, 'copy'), other)
  await store.stop()
  await rm(data, { recursive: true })
  const restored = await open(other)
  assert.equal((await totals(restored)).flows, 1000)
  await load(restored, other)
  await assertWhole(restored, 1500)
  const kept = openStateDatabase(join(other, 'state', 'state.sqlite'), [
    { name: 'test', steps: ['CREATE TABLE kept (text TEXT)'] },
  ])
  assert.deepEqual(
    kept
      .prepare('SELECT text FROM kept')
      .all()
      .map((row) => row.text),
    ['hello'],
  )
  kept.close()
  await write(other, 4, 300)
  await load(restored, other)
  await assertWhole(restored, 1800)
})

test('a group that was under way when the server died is in the backup once', async () => {
  const data = join(place.dir, 'data')
  const store = await open(data)
  await write(data, 1, 400)
  const [file] = (await readdir(join(data, 'spool'))).filter((name) => name.endsWith('.native')) as [string]
  const token = `flows-${file.slice(0, 16)}-1`
  await writeFile(join(data, 'spool', `${token}.group`), JSON.stringify({ table: 'flows', files: [file] }))
  await store.insertFiles('flows', [join(data, 'spool', file)], token)
  process.kill(store.status().pid as number, 'SIGKILL')
  await store.stop()

  const manifest = await backUp(data, join(place.dir, 'copy'), LATER)
  assert.equal(manifest.running, false)
  const other = join(place.dir, 'restored')
  await restore(join(place.dir, 'copy'), other)
  const restored = await open(other)
  await load(restored, other)
  await assertWhole(restored, 400)
})

test('what is no backup, or would be overwritten, is refused in words', async () => {
  const data = join(place.dir, 'data')
  await assert.rejects(backUp(data, join(place.dir, 'copy'), LATER), { code: 'backup_source' })
  const store = await open(data)
  await store.stop()
  await mkdir(join(place.dir, 'full'))
  await writeFile(join(place.dir, 'full', 'mine'), '')
  await assert.rejects(backUp(data, join(place.dir, 'full'), LATER), { code: 'backup_target' })
  await assert.rejects(restore(join(place.dir, 'full'), join(place.dir, 'new')), { code: 'restore_source' })
  await backUp(data, join(place.dir, 'copy'), LATER)
  await assert.rejects(restore(join(place.dir, 'copy'), join(place.dir, 'full')), { code: 'restore_target' })
  assert.equal(existsSync(join(place.dir, 'new')), false)
  // What is a file is no directory that is empty.
  await assert.rejects(backUp(data, join(place.dir, 'full', 'mine'), LATER), { code: 'backup_target' })
  await assert.rejects(restore(join(place.dir, 'copy'), join(place.dir, 'full', 'mine')), { code: 'restore_target' })
  await assert.rejects(backUp(data, join(data, 'store', 'copy'), LATER), { code: 'backup_target' })
  assert.equal(existsSync(join(data, 'store', 'copy.partial')), false)

  const manifest = join(place.dir, 'copy', 'vnetscope-backup.json')
  const written = await readFile(manifest, 'utf8')
  for (const odd of ['{"format": 1}', '{', written.replace(/"taken": \d+/, '"taken": 1e300')]) {
    await writeFile(manifest, odd)
    await assert.rejects(restore(join(place.dir, 'copy'), join(place.dir, 'new')), { code: 'restore_source' })
  }
  await writeFile(manifest, written.replace(/"schema": \d+/, '"schema": 999'))
  await assert.rejects(restore(join(place.dir, 'copy'), join(place.dir, 'new')), { code: 'restore_version' })
  // A file that was cut short on the way.
  await writeFile(manifest, written)
  const files = await readdir(join(place.dir, 'copy', 'store'), { recursive: true })
  await truncate(join(place.dir, 'copy', 'store', files.find((name) => name.endsWith('.sql')) as string), 5)
  await assert.rejects(restore(join(place.dir, 'copy'), join(place.dir, 'new')), /is damaged: it had \d+ files of/)
  assert.equal(existsSync(join(place.dir, 'new')), false)
})

test('a backup that is killed leaves nothing that the next one does not remove', async () => {
  const data = join(place.dir, 'data')
  const store = await open(data)
  await write(data, 1, 1000)
  await load(store, data)
  const copy = join(place.dir, 'copy')
  const program = join(import.meta.dirname, '..', 'cli', 'main.ts')
  for (let kills = 0; kills < 1;) {
    const child = spawn(process.execPath, [program, 'backup', '--data', data, copy], { stdio: 'ignore' })
    let isOver = false
    const ended = once(child, 'exit').finally(() => (isOver = true))
    const links = join(data, `backup-${child.pid}.links`)
    while (!isOver && !existsSync(links)) await new Promise((resolve) => setImmediate(resolve))
    child.kill('SIGKILL')
    await ended
    if (existsSync(links)) kills++
    assert.equal(existsSync(copy), false)
  }
  await backUp(data, copy, LATER)
  assert.deepEqual((await readdir(data)).sort(), ['spool', 'store'])
  assert.deepEqual((await readdir(place.dir)).sort(), ['copy', 'data'])
  await store.stop()
  await restore(copy, join(place.dir, 'restored'))
  await assertWhole(await open(join(place.dir, 'restored')), 1000)
})
