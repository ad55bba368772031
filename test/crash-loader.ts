import { createEmbeddedStore } from '../src/store/embedded.ts'
import { createLoader } from '../src/store/loader.ts'
import { createSpool } from '../src/store/spool.ts'
import { randomBatch, setTime } from '../src/store/store.fixture.ts'

// A server reduced to spool, loader and store, to be killed at any moment. Its rows are numbered; what the spool has
// accepted it prints, a line a batch: `<first> <rows>`.
// Arguments: spool directory, data directory, first number.

const [spoolDir, dataDir, first] = process.argv.slice(2) as [string, string, string]
const clock = { now: () => Date.now() }
const store = createEmbeddedStore({ dir: dataDir, memoryBytes: 2 ** 30 }, { clock })
const loader = createLoader({ dir: spoolDir, waitMs: 30, maxRows: 15_000 }, { store, clock })
const spool = createSpool({ dir: spoolDir, maxBytes: 2 ** 30 }, { clock, written: (file) => loader.notify(file) })

let next = Number(first)
/** Two days at once, so that a group becomes blocks in two partitions. */
async function write(rows: number): Promise<void> {
  const from = next
  next += rows
  const batch = randomBatch(from, rows, clock.now(), 1, from)
  for (let i = 1; i < rows; i += 2) setTime(batch.time_received, i, clock.now() - 86_400_000)
  const { accepted } = await spool.write(batch, [''])
  if (accepted > 0) process.stdout.write(`${from} ${accepted}\n`)
}

async function writer(rows: number): Promise<void> {
  for (;;) await write(rows)
}

await spool.start()
// Rows come before the store is there, as they do in a server that starts.
void writer(300)
void writer(2000)
await store.start()
await loader.start()
process.stdout.write(`engine ${store.status().pid}\n`)
