import assert from 'node:assert/strict'
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import type { EmbeddedStore } from './embedded.ts'
import { createLoader, type Loader } from './loader.ts'
import { setAside } from './rejected.ts'
import { createSpool, type Spool } from './spool.ts'
import { createPlace, randomBatch, setTime, startStore, type Place } from './store.fixture.ts'

const NOW = Date.parse('2030-05-06T23:59:59Z')
let place: Place
let store: EmbeddedStore
let spool: Spool
const loaders: Loader[] = []

beforeEach(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  spool = await startSpool()
})
afterEach(async () => {
  for (const loader of loaders.splice(0)) await loader.stop()
  await store.stop()
  await place.remove()
})

async function startSpool(): Promise<Spool> {
  const made = createSpool({ dir: place.spool, maxBytes: 1e9 }, { clock: systemClock })
  await made.start()
  return made
}

async function startLoader(config: { waitMs?: number; maxRows?: number } = {}): Promise<Loader> {
  const loader = createLoader({ dir: place.spool, ...config }, { store, clock: systemClock })
  loaders.push(loader)
  await loader.start()
  return loader
}

/** Rows `first` up to `first + rows`, half of them on the next day. */
async function write(first: number, rows: number): Promise<void> {
  const batch = randomBatch(first, rows, NOW, 1, first)
  for (let i = 1; i < rows; i += 2) setTime(batch.time_received, i, NOW + 3_600_000)
  assert.deepEqual(await spool.write(batch, ['']), { accepted: rows, refused: 0 })
}

async function files(ending = '.native'): Promise<string[]> {
  return (await readdir(place.spool)).filter((name) => name.endsWith(ending)).sort()
}

async function stored(): Promise<readonly unknown[]> {
  const answer = await store.query('SELECT count(), uniqExact(observation) FROM flows')
  return answer.rows[0] as unknown[]
}

function killed(): Promise<void> {
  process.kill(store.status().pid as number, 'SIGKILL')
  return until(() => store.status().state === 'away')
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10))
}

test('an insert that is repeated under its token changes nothing, after a kill of the engine neither', async () => {
  for (let i = 0; i < 6; i++) await write(i * 50_000, 50_000)
  const paths = (await files()).map((file) => join(place.spool, file))
  await store.insertFiles('flows', paths, 'group-1')
  assert.deepEqual(await stored(), [300_000, 300_000])
  await store.insertFiles('flows', paths.toReversed(), 'group-1')
  assert.deepEqual(await stored(), [300_000, 300_000])
  await killed()
  await until(() => store.status().state === 'ready')
  await store.insertFiles('flows', paths, 'group-1')
  assert.deepEqual(await stored(), [300_000, 300_000])
  await store.insertFiles('flows', paths.slice(0, 1), 'group-2')
  assert.deepEqual(await stored(), [350_000, 300_000])
})

test('a group becomes one block in each partition', async () => {
  for (let i = 0; i < 6; i++) await write(i * 50_000, 50_000)
  await store.execute('SYSTEM STOP MERGES flows')
  await store.insertFiles(
    'flows',
    (await files()).map((file) => join(place.spool, file)),
    'group-1',
  )
  const parts = await store.query(
    "SELECT partition, rows FROM system.parts WHERE table = 'flows' AND active ORDER BY partition",
  )
  assert.deepEqual(parts.rows, [
    ['20300506', 150_000],
    ['20300507', 150_000],
  ])
})

test('a group whose insert was answered, but whose files were not deleted, is not stored twice', async () => {
  await write(0, 1000)
  await write(1000, 1000)
  const before = await files()
  for (const file of before) await copyFile(join(place.spool, file), join(place.dir, file))
  const first = await startLoader()
  await first.drained()
  await first.stop()
  assert.deepEqual(await files(), [])
  // The moment after the insert and before the rename to .done.
  const id = (before[0] as string).slice(0, 16)
  for (const file of before) await rename(join(place.dir, file), join(place.spool, file))
  await writeFile(join(place.spool, `flows-${id}-2.group`), JSON.stringify({ table: 'flows', files: before }))
  await write(2000, 500)
  const second = await startLoader()
  await second.drained()
  assert.deepEqual(await stored(), [2500, 2500])
  assert.deepEqual((await readdir(place.spool)).sort(), ['epoch', 'rejected'])
})

test('a group that is marked done is only tidied away', async () => {
  await write(0, 10)
  await write(10, 10)
  const [first, second] = (await files()) as [string, string]
  await writeFile(
    join(place.spool, 'flows-x-2.done'),
    JSON.stringify({ table: 'flows', files: [first, 'deleted-before.native'] }),
  )
  const loader = await startLoader()
  await loader.drained()
  assert.deepEqual(await stored(), [10, 10])
  assert.notEqual(second, undefined)
  assert.deepEqual((await readdir(place.spool)).sort(), ['epoch', 'rejected'])
})

test('a file that cannot be read is set aside and the others of its group are stored once', async () => {
  for (let i = 0; i < 4; i++) await write(i * 100, 100)
  const third = (await files())[2] as string
  await writeFile(join(place.spool, third), 'this is no block')
  const loader = await startLoader()
  await loader.drained()
  assert.deepEqual(await stored(), [300, 300])
  assert.equal(loader.status().rowsRejected, 100)
  assert.deepEqual(await readdir(join(place.spool, 'rejected')), [third])
})

for (const [what, spoil] of [
  ['is cut off', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
  ['is empty', () => Buffer.alloc(0)],
  [
    'says it holds a billion columns',
    (bytes: Buffer) => Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]), bytes]),
  ],
  [
    'says it holds a billion rows',
    (bytes: Buffer) =>
      Buffer.concat([bytes.subarray(0, 1), Buffer.from([0xff, 0xff, 0xff, 0xff, 0x07]), bytes.subarray(3)]),
  ],
  ['holds noise', (bytes: Buffer) => Buffer.from(bytes.map((b, i) => (i % 7 === 0 ? b ^ 0x5a : b)))],
] as const) {
  test(`a file that ${what} does not stop the others`, async () => {
    await write(0, 1000)
    const path = join(place.spool, (await files())[0] as string)
    await writeFile(path, spoil(await readFile(path)))
    await write(1000, 1000)
    const loader = await startLoader()
    await loader.drained()
    const [, unique] = await stored()
    assert.equal(unique, 1000)
    assert.equal(loader.status().rowsRejected, 1000)
  })
}

test('rows wait in the spool while the engine is away and are stored when it is back', async () => {
  const loader = await startLoader({ waitMs: 10 })
  await killed()
  for (let i = 0; i < 5; i++) await write(i * 100, 100)
  await loader.drained()
  assert.deepEqual(await stored(), [500, 500])
  assert.equal(store.status().restarts, 1)
  assert.equal(loader.status().rowsStored, 500)
})

test('since when rows wait is told of those whose insert is under way, too', async () => {
  const loader = await startLoader({ waitMs: 10 })
  const engine = store.status().pid as number
  process.kill(engine, 'SIGSTOP')
  try {
    await write(0, 100)
    await until(async () => (await files('.group')).length === 1)
    const { rowsWaiting, waitingSince } = loader.status()
    assert.equal(rowsWaiting, 100)
    assert.notEqual(waitingSince, undefined)
  } finally {
    process.kill(engine, 'SIGCONT')
  }
  await loader.drained()
  assert.equal(loader.status().waitingSince, undefined)
})

test('files come in groups of about as many rows as asked for', async () => {
  for (let i = 0; i < 10; i++) await write(i * 100, 100)
  const loader = await startLoader({ maxRows: 300 })
  await loader.drained()
  assert.equal(loader.status().inserts, 4)
  assert.deepEqual(await stored(), [1000, 1000])
})

test('of the files set aside the newest are kept', async () => {
  for (let i = 0; i < 3; i++) await write(i * 100, 100)
  const names = await files()
  await mkdir(join(place.spool, 'rejected'))
  for (const file of names) await setAside(place.spool, file, 50_000)
  assert.deepEqual(await readdir(join(place.spool, 'rejected')), names.slice(1))
})

test('a file that somebody deletes is missed and nothing else', async () => {
  await write(0, 10)
  await write(10, 10)
  const [first, second] = (await files()) as [string, string]
  await writeFile(
    join(place.spool, 'flows-y-2.group'),
    JSON.stringify({ table: 'flows', files: [first, 'gone.native'] }),
  )
  const loader = await startLoader()
  loader.notify(second.replace('.native', '0.native'))
  await loader.drained()
  assert.deepEqual(await stored(), [20, 20])
})

test("a directory that appears in the spool, or a stranger's file, is left alone", async () => {
  await mkdir(join(place.spool, 'lost+found'))
  await writeFile(join(place.spool, 'README'), 'hello')
  await write(0, 10)
  const loader = await startLoader()
  await loader.drained()
  assert.deepEqual(await stored(), [10, 10])
  await rm(join(place.spool, 'README'))
})
