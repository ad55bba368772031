import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { systemClock } from '../src/base/clock.ts'
import { bareEngine, restoreDump, type BareEngine } from '../src/store/dump.fixture.ts'
import { createLoader } from '../src/store/loader.ts'
import { settleMovedDirectory } from '../src/store/moved-directory.ts'
import { createRoller } from '../src/store/roller.ts'
import { differences, totals } from '../src/store/roller.fixture.ts'
import { LEVELS, ROLLUPS } from '../src/store/rollups.ts'
import { SCHEMA_VERSION } from '../src/store/schema.ts'
import { createPlace, randomFrom, startStore } from '../src/store/store.fixture.ts'

// A server that is killed while it brings the store of an earlier version up to its own: flows that were there and flows
// that came meanwhile are in every table once.

const KILLS = Number(process.env.VNETSCOPE_MIGRATION_KILLS ?? 1)
const FLOWS = 2000
const DAY_MS = 86_400_000
const KEEP_DAYS = 36_500
const PROGRAM = new URL('./crash-loader.ts', import.meta.url).pathname
/** Released ones, of which there are dumps; the last first. */
const VERSIONS = Array.from({ length: SCHEMA_VERSION - 1 }, (_, i) => SCHEMA_VERSION - 1 - i).slice(0, KILLS)
/** Numbers of the rows that come, which those of the dumps do not have. */
const FIRST = 3_000_000_000

/** Starts the server on the directory and kills it; answers what it had accepted. */
async function live(dir: string, first: number, until: (isUp: Promise<unknown>) => Promise<unknown>): Promise<number> {
  const words = [PROGRAM, join(dir, 'spool'), join(dir, 'store'), String(first), String(KEEP_DAYS)]
  const server = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: server.stdout })
  let accepted = 0
  const isUp = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      const [word, value] = line.split(' ') as [string, string]
      if (word === 'engine') resolve()
      else if (/^\d+$/.test(word)) accepted += Number(value)
    })
  })
  const ended = Promise.all([once(server, 'exit'), once(lines, 'close')])
  await until(isUp)
  server.kill('SIGKILL')
  await ended
  return accepted
}

/** Tables that the engine has begun to make, by its files. */
function tablesOf(dir: string): number {
  return readdirSync(join(dir, 'store', 'metadata', 'default')).filter((name) => name.endsWith('.sql')).length
}

/** A server that was killed leaves its engine a moment to notice. */
async function whenUnlocked(dir: string): Promise<BareEngine> {
  for (let tries = 0; ; tries++) {
    try {
      return await bareEngine(dir)
    } catch (error) {
      if (tries > 20) throw error
    }
  }
}

/** True if the migration had begun and was not over: some of its tables are there, and its version is not noted. */
async function isHalfMade(dir: string, tables: number): Promise<boolean> {
  const engine = await whenUnlocked(dir)
  try {
    const { rows } = await engine.query(
      'SELECT (SELECT max(version) FROM schema_version), (SELECT count() FROM system.tables WHERE database = currentDatabase())',
    )
    const [version, there] = rows[0] as [number, number]
    return version < SCHEMA_VERSION && there !== tables
  } finally {
    await engine.process.stop(2000)
  }
}

test(`${KILLS} kills of a server while it brings an older store up lose nothing of it, and nothing that came meanwhile`, async () => {
  const place = await createPlace()
  const random = randomFrom(20_301_124)
  let cut = 0
  try {
    const tables = new Map<number, number>()
    for (const version of VERSIONS) {
      const dir = join(place.dir, `released-${version}`)
      await restoreDump(version, join(dir, 'store'))
      const engine = await bareEngine(join(dir, 'store'))
      const { rows } = await engine.query('SELECT count() FROM system.tables WHERE database = currentDatabase()')
      tables.set(version, Number(rows[0]?.[0]))
      await engine.process.stop(2000)
    }
    const released = (name: string, version: number): string => {
      const dir = join(place.dir, name)
      cpSync(join(place.dir, `released-${version}`), dir, { recursive: true, verbatimSymlinks: true })
      settleMovedDirectory(join(dir, 'store'))
      return dir
    }
    // How many tables there are where nobody kills it.
    const made = new Map<number, number>()
    for (const version of VERSIONS) {
      const dir = released(`whole-${version}`, version)
      await live(dir, FIRST, (isUp) => isUp)
      made.set(version, tablesOf(dir))
    }
    for (let kill = 0; kill < KILLS; kill++) {
      const version = VERSIONS[kill % VERSIONS.length] as number
      const dir = released(`killed-${kill}`, version)
      const before = tablesOf(dir)
      const enough = before + 1 + (random() % ((made.get(version) as number) - before))
      const someMade = async (isUp: Promise<unknown>): Promise<void> => {
        let isOver = false
        void isUp.then(() => (isOver = true))
        while (!isOver && tablesOf(dir) < enough) await new Promise((resolve) => setImmediate(resolve))
        await setTimeout(random() % 50)
      }
      let accepted = await live(dir, FIRST, someMade)
      if (await isHalfMade(join(dir, 'store'), tables.get(version) as number)) cut++
      // Where it is brought up after all, it goes on for a moment.
      accepted += await live(dir, FIRST + 100_000_000, (isUp) => isUp.then(() => setTimeout(random() % 500)))
      const store = await startStore(join(dir, 'store'), { keepDays: KEEP_DAYS })
      try {
        const loader = createLoader({ dir: join(dir, 'spool') }, { store, clock: systemClock })
        await loader.start()
        await loader.drained()
        await loader.stop()
        const { rows } = await store.query(
          `SELECT countIf(observation < ${FIRST}), countIf(observation >= ${FIRST}), uniqExactIf(observation, observation >= ${FIRST}) FROM flows`,
        )
        const [old, came, unique] = rows[0] as [number, number, number]
        assert.equal(old, FLOWS)
        assert.equal(came, unique, 'a row is stored twice')
        // A batch may have been accepted without a word of it.
        assert.ok(came >= accepted, `${came} of ${accepted} flows`)
        const clock = { now: () => Date.now() + 2 * DAY_MS }
        await createRoller({ fewestFlows: 1, worth: 0.01 }, { store, clock }).run()
        const all = await totals(store)
        assert.deepEqual(new Set(Object.values(all)), new Set([all.flows]), JSON.stringify(all))
        for (const level of LEVELS)
          for (const rollup of ROLLUPS) assert.deepEqual(await differences(store, rollup, level, '1'), [])
      } finally {
        await store.stop()
      }
    }
    if (KILLS >= 10) {
      console.log(`${KILLS} kills, ${cut} of them in the middle of a migration`)
      assert.ok(cut > KILLS / 2, `a migration was under way at ${cut} of ${KILLS} kills`)
    }
  } finally {
    await place.remove()
  }
})
