import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdirSync, readlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { backUp, restore } from '../src/store/backup.ts'
import { createEmbeddedStore, type EmbeddedStore } from '../src/store/embedded.ts'
import { createLoader, type Loader } from '../src/store/loader.ts'
import { createSpool, type Spool } from '../src/store/spool.ts'
import { createPlace, randomBatch, type Place } from '../src/store/store.fixture.ts'

// What disks, clocks and a slow engine can do to spool, loader and embedded store: nothing that was accepted is lost or
// doubled, and what is refused is counted and said.

const NOW = Date.parse('2030-05-06T12:00:00Z')
const DAY = 86_400_000
let place: Place
/** How far the clock has been set, in milliseconds; else it runs as time does. */
let set = NOW
const clock = { now: () => Math.round(set + performance.now()) }
let parts: { store: EmbeddedStore; loader: Loader; spool: Spool } | undefined
let mounted: string[] = []
const others: ChildProcess[] = []
let next = 0
let told = { accepted: 0, refused: 0 }

beforeEach(async () => {
  place = await createPlace()
  set = NOW
  next = 0
  told = { accepted: 0, refused: 0 }
})
afterEach(async () => {
  await stop()
  for (const path of mounted.reverse()) execFileSync('umount', ['--lazy', path])
  mounted = []
  for (const other of others.splice(0)) other.kill('SIGKILL')
  await place.remove()
})

/** A file system of its own. */
function disk(name: string, megabytes: number): string {
  const path = join(place.dir, name)
  mkdirSync(path)
  mount(['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path], path)
  return path
}

/**
 * Whoever has a mount namespace made meanwhile (`ip netns exec`) gets a copy of each mount, and holds the file system by it. So
 * mounts are below one that is shared: what is unmounted here is unmounted there.
 */
function mount(words: readonly string[], path: string): void {
  if (mounted.length === 0) {
    execFileSync('mount', ['--bind', place.dir, place.dir])
    mounted.push(place.dir)
    execFileSync('mount', ['--make-shared', place.dir])
  }
  execFileSync('mount', words)
  mounted.push(path)
}

function free(path: string): number {
  return Number(execFileSync('df', ['--output=avail', '-B1', path], { encoding: 'utf8' }).split('\n')[1])
}

function unmount(path: string): void {
  execFileSync('umount', [path])
  mounted = mounted.filter((one) => one !== path)
}

/** A program that gets a copy of what is mounted, as in a network namespace. */
async function copyMounts(): Promise<void> {
  const other = spawn('unshare', ['--mount', '--propagation', 'slave', 'sleep', 'infinity'], { stdio: 'ignore' })
  others.push(other)
  const namespace = (pid: number | string): string => readlinkSync(`/proc/${pid}/ns/mnt`)
  await until(() => namespace(other.pid as number) !== namespace('self'))
}

async function start(dir: string, { maxBytes = 2 ** 30, keepDays = 30 } = {}): Promise<void> {
  const spoolDir = join(dir, 'spool')
  const store = createEmbeddedStore({ dir: join(dir, 'store'), keepDays, memoryBytes: 2 ** 30 }, { clock })
  const loader = createLoader({ dir: spoolDir, waitMs: 20 }, { store, clock })
  const spool = createSpool(
    { dir: spoolDir, maxBytes, minFreeBytes: 2 ** 20 },
    { clock, written: (file) => loader.notify(file) },
  )
  await spool.start()
  await store.start()
  await loader.start()
  parts = { store, loader, spool }
}

async function stop(): Promise<void> {
  const { store, loader, spool } = parts ?? {}
  parts = undefined
  await loader?.stop()
  await spool?.stop()
  await store?.stop()
}

function running(): NonNullable<typeof parts> {
  assert.ok(parts)
  return parts
}

async function write(rows = 500): Promise<{ accepted: number; refused: number }> {
  const result = await running().spool.write(randomBatch(next, rows, clock.now(), 1, next), [''])
  next += rows
  told = { accepted: told.accepted + result.accepted, refused: told.refused + result.refused }
  return result
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10))
}

async function assertAllStoredOnce(): Promise<void> {
  await running().loader.drained()
  const { rows } = await running().store.query('SELECT count(), uniqExact(observation) FROM flows')
  assert.deepEqual(rows, [[told.accepted, told.accepted]])
}

test('a disk that the kernel makes read-only costs what comes meanwhile, and after its repair everything is there', async () => {
  const image = join(place.dir, 'image')
  const path = join(place.dir, 'ext4')
  mkdirSync(path)
  execFileSync('truncate', ['-s', '300M', image])
  execFileSync('mkfs.ext4', ['-q', image])
  mount(['-o', 'loop', image, path], path)
  await start(path)
  await write()
  await running().loader.drained()
  await copyMounts()
  // What a disk that fails does: the journal ends, and what was not flushed is gone.
  await write()
  execFileSync('mount', ['-o', 'remount,abort', path])
  assert.deepEqual(await write(), { accepted: 0, refused: 500 })
  assert.match(running().spool.status().problem as string, /cannot be written to \(EROFS\)/)
  await until(() => running().loader.status().problem !== undefined)
  await stop()
  unmount(path)
  // Status 1: there was something to mend, and it is.
  assert.ok((spawnSync('e2fsck', ['-p', image]).status as number) <= 1)
  mount(['-o', 'loop', image, path], path)
  await start(path)
  assert.deepEqual(await write(), { accepted: 500, refused: 0 })
  await assertAllStoredOnce()
  assert.equal(told.refused, 500)
})

test('a disk that is full for spool and store keeps what was accepted, and goes on when there is room', async () => {
  const path = disk('full', 200)
  await start(path)
  await write()
  await running().loader.drained()
  const ballast = join(path, 'ballast')
  // Room for the spool, but not for the store to take over what it holds.
  await write()
  execFileSync('fallocate', ['-l', String(free(path)), ballast])
  const refused = []
  for (let i = 0; i < 3; i++) {
    set += 1000
    refused.push((await write()).refused)
  }
  assert.deepEqual(refused, [500, 500, 500])
  assert.match(running().spool.status().problem as string, /bytes left|is full/)
  execFileSync('rm', [ballast])
  set += 5000
  assert.deepEqual(await write(), { accepted: 500, refused: 0 })
  await assertAllStoredOnce()
})

test('a disk that another program has filled does not keep what is old from going', async () => {
  const path = disk('filled', 500)
  await start(path, { keepDays: 100 })
  set = NOW - 40 * DAY
  for (let i = 0; i < 3; i++) await write()
  set = NOW
  await write()
  await running().loader.drained()
  // Once a minute: while there is plenty of room some is taken.
  await running().store.retain()
  await stop()
  await start(path)
  execFileSync('fallocate', ['-l', String(free(path)), join(path, 'ballast')])
  assert.equal(free(path), 0)
  const flows = async (): Promise<unknown> => (await running().store.query('SELECT count() FROM flows')).rows
  assert.deepEqual(await flows(), [[2000]])
  await running().store.retain()
  assert.deepEqual(await flows(), [[500]])
})

test('a data directory that is a disk of its own is restored where it is', async () => {
  await start(place.dir)
  await write()
  await running().loader.drained()
  await stop()
  const backup = join(disk('backups', 200), 'today')
  await assert.rejects(backUp(place.dir, join(place.dir, 'backups'), NOW), /is a disk of its own/)
  await backUp(place.dir, backup, NOW)
  const path = disk('data', 200)
  mkdirSync(join(path, 'lost+found'))
  // As one that was killed leaves it.
  mkdirSync(join(path, 'restoring'))
  await restore(backup, path)
  assert.deepEqual((await readdir(path)).sort(), ['lost+found', 'spool', 'store'])
  await start(path)
  await assertAllStoredOnce()
})

test('a clock that jumps ahead and back by seconds, days and years stores each row once, and without waiting for it', async () => {
  await start(place.dir)
  const years = 365 * DAY
  for (const jump of [1500, -1000, DAY, -2 * DAY, 400 * DAY, -400 * DAY, 40 * years, -40 * years]) {
    const isFarBack = jump < -100 * DAY
    if (isFarBack) await running().loader.drained()
    await write()
    set += jump
    // What waits for others waits by the clock, but not until it has caught up.
    if (isFarBack) await until(() => running().loader.status().rowsWaiting === 0)
  }
  assert.equal(told.refused, 0)
  await assertAllStoredOnce()
  // Restarted while the clock is behind: names of files must not come again.
  await stop()
  set -= 10 * DAY
  await start(place.dir)
  for (let i = 0; i < 3; i++) await write()
  await assertAllStoredOnce()
})

test('an engine that hangs fills the spool, which says what it refuses, and nothing of the rest is lost', async () => {
  await start(place.dir, { maxBytes: 400_000 })
  await write()
  await running().loader.drained()
  const pid = running().store.status().pid as number
  process.kill(pid, 'SIGSTOP')
  try {
    while ((await write()).refused === 0) set += 1000
    assert.match(running().spool.status().problem as string, /more slowly than they come, or not at all/)
    assert.notEqual(running().loader.status().rowsWaiting, 0)
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  await assertAllStoredOnce()
  set += 5000
  assert.equal((await write()).accepted, 500)
  await assertAllStoredOnce()
  assert.deepEqual(await readdir(join(place.spool, 'rejected')), [])
})
