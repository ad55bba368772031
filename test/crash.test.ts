import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { systemClock } from '../src/base/clock.ts'
import type { EmbeddedStore } from '../src/store/embedded.ts'
import { createLoader, type Loader } from '../src/store/loader.ts'
import { createPlace, randomFrom, startStore, type Place } from '../src/store/store.fixture.ts'

// Rows that the spool has accepted are in the store once, whatever is killed and whenever.

const KILLS = 25
const MOST_MS_BEFORE_KILL = 900
const PROGRAM = new URL('./crash-loader.ts', import.meta.url).pathname

interface Plan {
  /** Whether the clock starts when the engine is up, rather than when the server starts. */
  readonly whenUp: boolean
  readonly afterMs: number
  /** Kill the engine first, and the server as long after that again. */
  readonly engineFirst: boolean
}

/** One life of the server: what it had accepted, by first number, and the number after the last. */
interface Life {
  readonly accepted: Map<number, number>
  next: number
}

async function live(place: Place, first: number, plan: Plan): Promise<Life> {
  const life: Life = { accepted: new Map(), next: first }
  const server = spawn(process.execPath, [PROGRAM, place.spool, place.data, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: server.stdout })
  let engine: number | undefined
  const isUp = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      const [word, value] = line.split(' ') as [string, string]
      if (word === 'engine') {
        engine = Number(value)
        resolve()
      } else {
        life.accepted.set(Number(word), Number(value))
        life.next = Math.max(life.next, Number(word) + Number(value))
      }
    })
  })
  const ended = Promise.all([once(server, 'exit'), once(lines, 'close')])
  if (plan.whenUp) await isUp
  await setTimeout(plan.afterMs)
  if (plan.engineFirst && engine !== undefined) {
    process.kill(engine, 'SIGKILL')
    await setTimeout(plan.afterMs)
  }
  server.kill('SIGKILL')
  await ended
  return life
}

test(`${KILLS} kills of the server and of its engine lose no accepted row and double none`, async () => {
  const place = await createPlace()
  const random = randomFrom(20_301_122)
  const accepted = new Map<number, number>()
  let next = 0
  let store: EmbeddedStore | undefined
  let loader: Loader | undefined
  try {
    for (let kill = 0; kill < KILLS;) {
      const whenUp = random() % 4 > 0
      const plan = { whenUp, afterMs: random() % MOST_MS_BEFORE_KILL, engineFirst: whenUp && random() % 3 === 0 }
      const life = await live(place, next, plan)
      for (const [first, rows] of life.accepted) accepted.set(first, rows)
      // A batch may have been accepted without a word of it any more: its numbers are left free.
      next = life.next + 100_000
      kill += plan.engineFirst ? 2 : 1
    }
    store = await startStore(place.data)
    loader = createLoader({ dir: place.spool }, { store, clock: systemClock })
    await loader.start()
    await loader.drained()
    const answer = await store.query('SELECT count(), uniqExact(observation), min(observation) FROM flows')
    const [rows, unique] = answer.rows[0] as [number, number]
    assert.equal(rows, unique, 'a row is stored twice')
    const firsts = [...accepted.keys()]
    const numbers = await store.queryBytes('SELECT observation FROM flows ORDER BY observation', 'RowBinary')
    const present = new Set(new Uint32Array(Uint8Array.from(numbers).buffer))
    for (const first of firsts) {
      for (let i = 0; i < (accepted.get(first) as number); i++)
        assert.ok(present.has(first + i), `row ${first + i} is missing`)
    }
    assert.equal(loader.status().rowsRejected, 0)
    assert.ok(firsts.length > KILLS)
  } finally {
    await loader?.stop()
    await store?.stop()
    await place.remove()
  }
})
