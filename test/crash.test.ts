import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { systemClock } from '../src/base/clock.ts'
import type { EmbeddedStore } from '../src/store/embedded.ts'
import { createLoader, type Loader } from '../src/store/loader.ts'
import { createRoller } from '../src/store/roller.ts'
import { differences, totals } from '../src/store/roller.fixture.ts'
import { ROLLUPS } from '../src/store/rollups.ts'
import { createPlace, randomFrom, startStore, type Place } from '../src/store/store.fixture.ts'

// Rows that the spool has accepted are in the store and in the rollups once, whatever is killed and whenever: in an insert, in
// a roll or while old rows are dropped.

const KILLS = Number(process.env.VNETSCOPE_KILLS ?? 8)
const MOST_MS_BEFORE_KILL = 1500
const KEEP_DAYS = 40
const DAY_MS = 86_400_000
const PROGRAM = new URL('./crash-loader.ts', import.meta.url).pathname

interface Plan {
  /** Whether the clock starts when the engine is up, rather than when the server starts. */
  readonly whenUp: boolean
  readonly afterMs: number
  /** Kill the engine first, and the server as long after that again. */
  readonly engineFirst: boolean
  /** Whether what is too old waits until it is summed up, which so busy a roller seldom lets come to an end. */
  readonly owes: boolean
}

const KINDS = ['ingest', 'roll', 'retention'] as const
type Kind = (typeof KINDS)[number]

/** One life of the server: what it had accepted, by first number, and the number after the last. */
interface Life {
  readonly accepted: Map<number, number>
  next: number
  /** What was under way at each kill. */
  readonly cut: Kind[]
}

async function live(place: Place, first: number, plan: Plan): Promise<Life> {
  const life: Life = { accepted: new Map(), next: first, cut: [] }
  const underWay = { ingest: 0, roll: 0, retention: 0 }
  const cut = (): void => void life.cut.push(...KINDS.filter((kind) => underWay[kind] > 0))
  const owes = plan.owes ? ['owes'] : []
  const server = spawn(
    process.execPath,
    [PROGRAM, place.spool, place.data, String(first), String(KEEP_DAYS), ...owes],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const lines = createInterface({ input: server.stdout })
  let engine: number | undefined
  const isUp = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      const [word, value] = line.split(' ') as [string, string]
      if (word === 'engine') {
        engine = Number(value)
        resolve()
      } else if (word === 'begin' || word === 'end') underWay[value as Kind] += word === 'begin' ? 1 : -1
      else {
        life.accepted.set(Number(word), Number(value))
        life.next = Math.max(life.next, Number(word) + Number(value))
      }
    })
  })
  const ended = Promise.all([once(server, 'exit'), once(lines, 'close')])
  if (plan.whenUp) await isUp
  await setTimeout(plan.afterMs)
  if (plan.engineFirst && engine !== undefined) {
    cut()
    process.kill(engine, 'SIGKILL')
    await setTimeout(plan.afterMs)
  }
  server.kill('SIGKILL')
  await ended
  cut()
  return life
}

/** Every table tells of as many flows; of those that are dropped the rollups have all that were built in time. */
async function assertRollups(store: EmbeddedStore): Promise<void> {
  const clock = { now: () => Date.now() + 2 * DAY_MS }
  await createRoller({ fewestFlows: 1, worth: 0.01 }, { store, clock }).run()
  const recent = 'time_received >= now() - INTERVAL 10 DAY'
  const flows = await totals(store, recent)
  const arrived = await store.query('SELECT sumIf(flows, time >= now() - INTERVAL 10 DAY), sum(flows) FROM arrivals')
  const [recently, ever] = arrived.rows[0] as [number, number]
  assert.deepEqual({ ...flows, arrivals: recently }, mapOf(flows, recently))
  for (const level of ['minute', 'hour', 'day'] as const)
    for (const rollup of ROLLUPS) assert.deepEqual(await differences(store, rollup, level, recent), [])
  const all = await totals(store)
  assert.equal(all.flows, recently)
  assert.ok((all.traffic_day as number) <= ever)
}

function mapOf(like: Record<string, number>, value: number): Record<string, number> {
  return Object.fromEntries(Object.keys(like).map((key) => [key, value]))
}

test(`${KILLS} kills of the server and of its engine lose no accepted row and double none`, async () => {
  const place = await createPlace()
  const random = randomFrom(20_301_122)
  const accepted = new Map<number, number>()
  const cut = { ingest: 0, roll: 0, retention: 0 }
  let next = 0
  let store: EmbeddedStore | undefined
  let loader: Loader | undefined
  try {
    for (let kill = 0; kill < KILLS;) {
      const whenUp = random() % 4 > 0
      const afterMs = random() % MOST_MS_BEFORE_KILL
      const plan = { whenUp, afterMs, engineFirst: whenUp && random() % 3 === 0, owes: random() % 2 === 0 }
      const life = await live(place, next, plan)
      for (const [first, rows] of life.accepted) accepted.set(first, rows)
      for (const kind of life.cut) cut[kind]++
      // A batch may have been accepted without a word of it any more: its numbers are left free.
      next = life.next + 100_000
      kill += plan.engineFirst ? 2 : 1
    }
    store = await startStore(place.data, { keep: { flows: { days: KEEP_DAYS } } })
    loader = createLoader({ dir: place.spool }, { store, clock: systemClock })
    await loader.start()
    await loader.drained()
    await store.retain()
    const answer = await store.query('SELECT count(), uniqExact(observation), min(observation) FROM flows')
    const [rows, unique] = answer.rows[0] as [number, number]
    assert.equal(rows, unique, 'a row is stored twice')
    await assertRollups(store)
    const firsts = [...accepted.keys()]
    const numbers = await store.queryBytes('SELECT observation FROM flows ORDER BY observation', 'RowBinary')
    const present = new Set(new Uint32Array(Uint8Array.from(numbers).buffer))
    for (const first of firsts) {
      for (let i = 0; i < (accepted.get(first) as number); i++)
        assert.equal(present.has(first + i), i % 20 !== 19, `row ${first + i} is missing, or kept too long`)
    }
    assert.equal(loader.status().rowsRejected, 0)
    assert.ok(firsts.length > KILLS)
    if (KILLS >= 50) {
      console.log(`${KILLS} kills, in the middle of: ${KINDS.map((kind) => `${kind} ${cut[kind]}`).join(', ')}`)
      for (const kind of KINDS) assert.ok(cut[kind] > 2, `${kind} was hardly under way at any of the kills`)
    }
  } finally {
    await loader?.stop()
    await store?.stop()
    await place.remove()
  }
})
