import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { MetricBatch } from '../flow/metric-batch.ts'
import { headerProblem } from './native-header.ts'
import { createSpool, type Spool } from './spool.ts'
import { parseSpoolFile } from './spool-files.ts'
import { createPlace, randomBatch, type Place } from './store.fixture.ts'

const NOW = Date.parse('2030-05-06T12:00:00Z')
let place: Place
let now = NOW
const clock = { now: () => now }

beforeEach(async () => {
  place = await createPlace()
  now = NOW
})
afterEach(() => place.remove())

async function start(maxBytes = 1e9): Promise<Spool> {
  const spool = createSpool({ dir: place.spool, maxBytes }, { clock })
  await spool.start()
  return spool
}

async function files(): Promise<string[]> {
  return (await readdir(place.spool)).filter((name) => name.endsWith('.native')).sort()
}

test('a file says its table and rows by its name and its first bytes', async () => {
  const spool = await start()
  assert.deepEqual(await spool.write(randomBatch(1, 300, NOW, 1), ['']), { accepted: 300, refused: 0 })
  const metrics = new MetricBatch()
  metrics.add(NOW, '192.0.2.1', 0, 'if:1', 'if_counters.if_in_octets', 1)
  assert.deepEqual(await spool.writeMetrics(metrics), { accepted: 1, refused: 0 })
  const [flows, counters] = (await files()).map(parseSpoolFile)
  assert.deepEqual([flows?.table, flows?.rows, counters?.table, counters?.rows], ['flows', 300, 'metrics', 1])
  assert.equal(await headerProblem(join(place.spool, flows?.file as string), 300), undefined)
  assert.match((await headerProblem(join(place.spool, flows?.file as string), 299)) as string, /300 rows/)
})

test('an empty batch makes no file', async () => {
  const spool = await start()
  assert.deepEqual(await spool.writeMetrics(new MetricBatch()), { accepted: 0, refused: 0 })
  assert.deepEqual(await files(), [])
})

test('ids go up over restarts, even if the clock is set back or the directory was emptied', async () => {
  const ids: string[] = []
  const writeOne = async (): Promise<void> => {
    const spool = await start()
    await spool.write(randomBatch(1, 1, NOW, 1), [''])
    for (const file of await files()) if (!ids.includes(file)) ids.push(file)
  }
  await writeOne()
  now -= 86_400_000
  await writeOne()
  for (const file of await files()) await rm(join(place.spool, file))
  await writeOne()
  now += 3 * 86_400_000
  await rm(join(place.spool, 'epoch'))
  await writeOne()
  assert.equal(ids.length, 4)
  assert.deepEqual(ids, ids.toSorted())
})

test('what a crash left half written is deleted at the start', async () => {
  await mkdir(place.spool, { recursive: true })
  await writeFile(join(place.spool, '0000000100000001-flows-5.native.tmp'), 'half')
  await start()
  assert.deepEqual(await readdir(place.spool), ['epoch'])
})

test('what the loader is writing while the spool starts is left to it', async () => {
  await mkdir(place.spool, { recursive: true })
  await writeFile(join(place.spool, 'flows-0000000100000001-1.group.tmp'), '{}')
  await start()
  assert.deepEqual((await readdir(place.spool)).sort(), ['epoch', 'flows-0000000100000001-1.group.tmp'])
})

test('it refuses what does not fit, says why, and takes rows again when the loader has made room', async () => {
  const spool = await start(200_000)
  const batch = randomBatch(1, 300, NOW, 1)
  assert.equal((await spool.write(batch, [''])).accepted, 300)
  assert.equal((await spool.write(batch, [''])).accepted, 300)
  assert.deepEqual(await spool.write(batch, ['']), { accepted: 0, refused: 300 })
  assert.match(spool.status().problem as string, /spool holds \d+ of 200000 bytes/)
  assert.equal(spool.status().refused, 300)
  await rm(join(place.spool, (await files())[0] as string))
  now += 1000
  assert.equal((await spool.write(batch, [''])).accepted, 300)
  assert.equal(spool.status().problem, undefined)
})

test('it leaves the store some room on the disk', async () => {
  const spool = createSpool({ dir: place.spool, maxBytes: 1e9, minFreeBytes: 1e18 }, { clock })
  await spool.start()
  assert.deepEqual(await spool.write(randomBatch(1, 300, NOW, 1), ['']), { accepted: 0, refused: 300 })
  assert.match(spool.status().problem as string, /less than 1000000000000000000 bytes left/)
})

test('files that wait from an earlier life count as bytes', async () => {
  const first = await start()
  await first.write(randomBatch(1, 300, NOW, 1), [''])
  const second = await start()
  assert.equal(second.status().bytesWaiting, first.status().bytesWaiting)
  assert.ok(second.status().bytesWaiting > 300 * 200)
})

test('an error of the disk refuses the rows and nothing else; later ones are taken', async () => {
  const spool = await start()
  const batch = randomBatch(1, 300, NOW, 1)
  await rename(place.spool, `${place.spool}-away`)
  assert.deepEqual(await spool.write(batch, ['']), { accepted: 0, refused: 300 })
  assert.match(spool.status().problem as string, /ENOENT/)
  await rename(`${place.spool}-away`, place.spool)
  assert.equal((await spool.write(batch, [''])).accepted, 300)
  assert.equal(spool.status().problem, undefined)
})

test('a write that the system cuts short leaves no file behind', async () => {
  const script = `
    import { createSpool } from ${JSON.stringify(new URL('./spool.ts', import.meta.url).href)}
    import { randomBatch } from ${JSON.stringify(new URL('./store.fixture.ts', import.meta.url).href)}
    const spool = createSpool({ dir: process.argv[1], maxBytes: 1e9 }, { clock: { now: () => Date.now() } })
    await spool.start()
    const big = await spool.write(randomBatch(1, 3000, Date.now(), 1), [''])
    const small = await spool.write(randomBatch(1, 30, Date.now(), 1), [''])
    console.log(JSON.stringify([big, small]))`
  // Files may have 200 blocks of 1024 bytes: what a full disk is to one file.
  const out = execFileSync('bash', [
    '-c',
    `ulimit -f 200; trap '' XFSZ; exec "$0" --input-type=module-typescript -e "$1" "$2"`,
    process.execPath,
    script,
    place.spool,
  ])
  assert.deepEqual(JSON.parse(String(out)), [
    { accepted: 0, refused: 3000 },
    { accepted: 30, refused: 0 },
  ])
  assert.deepEqual((await readdir(place.spool)).map((name) => name.replace(/^[0-9a-f]+-/, '')).sort(), [
    'epoch',
    'flows-30.native',
  ])
})

test('batches that are written at once each have their file', async () => {
  const spool = await start()
  const results = await Promise.all(
    [1, 2, 3, 4].map((seed) => spool.write(randomBatch(seed, 100 * seed, NOW, 1), [''])),
  )
  assert.deepEqual(
    results.map((r) => r.accepted),
    [100, 200, 300, 400],
  )
  assert.deepEqual((await files()).map((file) => parseSpoolFile(file)?.rows).sort(), [100, 200, 300, 400])
  await spool.stop()
})

test('a place where no directory can be is refused with the reason', async () => {
  await writeFile(join(place.dir, 'file'), '')
  const spool = createSpool({ dir: join(place.dir, 'file', 'spool'), maxBytes: 1e9 }, { clock })
  await assert.rejects(spool.start(), { code: 'spool_unusable' })
  assert.equal(String(await readFile(join(place.dir, 'file'))), '')
})
