import { createEmbeddedStore, type EmbeddedStore } from '../src/store/embedded.ts'
import { createLoader } from '../src/store/loader.ts'
import { createRoller } from '../src/store/roller.ts'
import { NAMES, smallNetwork } from '../src/store/roller.fixture.ts'
import { createSpool } from '../src/store/spool.ts'
import { setTime } from '../src/store/store.fixture.ts'

// A server reduced to spool, loader, store, rollups and retention, to be killed at any moment. Its rows are numbered; what
// the spool has accepted it prints, a line a batch: `<first> <rows>`. Half of its rows are of now, most others of
// yesterday, whose rollups are built again and again, and some are older than they may be. It prints, too, what its
// statements are about: `begin roll`, `end roll`.
// Arguments: spool directory, data directory, first number, greatest age in days; `owes` if what is too old waits until it
// is summed up.

const [spoolDir, dataDir, first, keepDays, owes] = process.argv.slice(2) as [string, string, string, string, string?]
const DAY_MS = 86_400_000
const clock = { now: () => Date.now() }
const keep = { flows: { days: Number(keepDays) } }
const store = createEmbeddedStore(
  { dir: dataDir, memoryBytes: 2 ** 30, keep },
  { clock, noted: () => roller.look(), owes: (before) => owes !== undefined && roller.owes?.(before) === true },
)
const { execute, insertFiles } = store

async function telling<T>(what: string, work: () => Promise<T>): Promise<T> {
  process.stdout.write(`begin ${what}\n`)
  try {
    return await work()
  } finally {
    process.stdout.write(`end ${what}\n`)
  }
}

const isRetention = (sql: string): boolean => /^ALTER TABLE \w+ DROP PART|^INSERT INTO dropped/.test(sql)
Object.assign(store, {
  execute: (sql, options) => telling(isRetention(sql) ? 'retention' : 'roll', () => execute(sql, options)),
  insertFiles: (...insert) => telling('ingest', () => insertFiles(...insert)),
} satisfies Partial<EmbeddedStore>)
const roller = createRoller({ fewestFlows: 1, worth: 0.01, lagMs: 0 }, { store, clock })
const loader = createLoader(
  { dir: spoolDir, waitMs: 30, maxRows: 15_000 },
  { store, clock, stored: () => roller.arrived() },
)
const spool = createSpool({ dir: spoolDir, maxBytes: 2 ** 30 }, { clock, written: (file) => loader.notify(file) })

let next = Number(first)
/** Several days at once, so that a group becomes blocks in several partitions. */
async function write(rows: number): Promise<void> {
  const from = next
  next += rows
  const batch = smallNetwork(from, rows, clock.now(), clock.now() + 1)
  for (let i = 0; i < rows; i++) {
    batch.observation[i] = from + i
    const days = i % 2 === 0 ? 0 : i % 20 === 19 && Number(keepDays) < 1000 ? Number(keepDays) + 1 : 1
    setTime(batch.time_received, i, clock.now() - days * DAY_MS)
  }
  const { accepted } = await spool.write(batch, NAMES)
  if (accepted > 0) process.stdout.write(`${from} ${accepted}\n`)
}

async function writer(rows: number): Promise<void> {
  for (;;) {
    await write(rows)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Whatever fails is tried again: the engine may be killed alone. */
async function forever(work: () => Promise<void>): Promise<void> {
  for (;;) {
    await work().catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

await spool.start()
// Rows come before the store is there, as they do in a server that starts.
void writer(300)
void writer(1000)
await store.start()
await loader.start()
void forever(() => roller.run())
void forever(() => store.retain())
process.stdout.write(`engine ${store.status().pid}\n`)
