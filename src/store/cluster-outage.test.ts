import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { startClickHouse, startClusterStore } from './clickhouse.fixture.ts'
import type { Fault } from './clickhouse-server.fixture.ts'
import { createLoader } from './loader.ts'
import { createSpool } from './spool.ts'
import { createPlace, randomBatch, randomFrom, setTime } from './store.fixture.ts'

// Everything that servers can do to a collector, while flows come at full rate: what the spool has accepted is stored
// once. VNETSCOPE_OUTAGE_SECONDS makes the last test's outage as long as an operator's worst day.

const OUTAGE_SECONDS = Number(process.env['VNETSCOPE_OUTAGE_SECONDS'] ?? 2)
const INSERT_TIMEOUT_MS = 1500

interface Collector {
  /** Rows that the spool took, and those that it refused. */
  readonly told: { accepted: number; refused: number; firsts: number[] }
  write(rows: number): Promise<void>
  status(): { waiting: number; problem: string | undefined; spoolProblem: string | undefined }
  drained(): Promise<void>
  stored(): Promise<readonly unknown[]>
  shards(): Promise<readonly unknown[]>
  stop(): Promise<void>
}

async function startCollector(
  dir: string,
  urls: readonly string[],
  firstRow: number,
  { spoolBytes = 2 ** 30, isPatient = false } = {},
): Promise<Collector> {
  const spoolDir = join(dir, `spool-${firstRow}`)
  const store = await startClusterStore(urls, {
    spoolDir,
    ...(isPatient ? {} : { insertTimeoutMs: INSERT_TIMEOUT_MS }),
    ...(urls.length > 1 ? { cluster: 'blue-green' } : {}),
  })
  const loader = createLoader(
    { dir: spoolDir, waitMs: 30, ...(isPatient ? {} : { maxRows: 20_000 }) },
    { store, clock: systemClock },
  )
  const spool = createSpool(
    { dir: spoolDir, maxBytes: spoolBytes },
    { clock: systemClock, written: (file) => loader.notify(file) },
  )
  await spool.start()
  await loader.start()
  const told: Collector['told'] = { accepted: 0, refused: 0, firsts: [] }
  let next = firstRow
  let batch = randomBatch(firstRow, 0, 0, 1)
  return {
    told,
    async write(rows) {
      const first = next
      next += rows
      // Rows are made once and numbered anew: making them would take the time of storing them.
      if (batch.n !== rows) batch = randomBatch(first, rows, 0, 1)
      for (let i = 0; i < rows; i++) {
        batch.observation[i] = first + i
        setTime(batch.time_received, i, systemClock.now())
      }
      for (let i = 1; i < rows; i += 2) setTime(batch.time_received, i, systemClock.now() - 86_400_000)
      const { accepted, refused } = await spool.write(batch, [''])
      told.accepted += accepted
      told.refused += refused
      if (accepted > 0) told.firsts.push(first)
    },
    status: () => ({
      waiting: loader.status().rowsWaiting,
      problem: loader.status().problem ?? store.status().error,
      spoolProblem: spool.status().problem,
    }),
    drained: () => loader.drained(),
    stored: async () => (await store.query('SELECT count(), uniqExact(observation) FROM flows')).rows[0] as unknown[],
    shards: async () =>
      (await store.query('SELECT _database, count() FROM flows GROUP BY _database ORDER BY _database')).rows,
    async stop() {
      await loader.stop()
      await spool.stop()
      await store.stop()
    },
  }
}

const FAULTS: readonly Fault['what'][] = [
  { kind: 'refuse', code: 242, message: 'Table is in readonly mode since table metadata was not found in zookeeper' },
  { kind: 'refuse', code: 999, message: 'Coordination::Exception: Connection loss' },
  { kind: 'refuse', code: 252, message: 'Too many parts (3000 with average size of 1.00 MiB)' },
  { kind: 'refuse', code: 319, message: 'Unknown quorum status. The data was inserted in the local replica' },
  { kind: 'refuse', code: 241, message: '(total) memory limit exceeded' },
  { kind: 'refuse', code: 243, message: 'Cannot reserve 1.00 MiB, not enough space' },
  { kind: 'refuse', code: 49, message: 'Logical error nobody has seen before' },
  { kind: 'proxy', status: 502 },
  { kind: 'proxy', status: 504 },
  { kind: 'cut-before' },
  { kind: 'cut-after' },
  { kind: 'slow', ms: 400 },
  // Longer than the collector waits: the server does it all the same, and the replay has to find that out.
  { kind: 'slow', ms: INSERT_TIMEOUT_MS + 500 },
  { kind: 'late', tag: true },
]

test('two collectors of a cluster, while its servers answer slowly, wrongly or not at all, store each row once', async () => {
  const place = await createPlace()
  const ch = await startClickHouse(join(place.dir, 'servers'), { cluster: 'blue-green', shards: 2, replicas: 2 })
  const [a1, a2, b1, b2] = ch.urls as [string, string, string, string]
  const one = await startCollector(place.dir, [a1, a2, b1, b2], 0)
  const two = await startCollector(place.dir, [b1, b2, a1, a2], 1_000_000_000)
  const random = randomFrom(20_301_123)
  try {
    for (const [i, what] of FAULTS.entries()) {
      for (const door of [0, 1, 2, 3]) if (random() % 3 > 0) await ch.fault(door, { on: 'insert', times: 1, what })
      await Promise.all([one.write(500), two.write(1 + (random() % 900))])
      if (i % 3 === 0) await Promise.all([one.drained(), two.drained()])
    }
    await ch.kill()
    for (let i = 0; i < 5; i++) await Promise.all([one.write(800), two.write(800)])
    await ch.revive()
    await Promise.all([one.drained(), two.drained()])
    const accepted = one.told.accepted + two.told.accepted
    assert.equal(one.told.refused + two.told.refused, 0)
    assert.deepEqual(await one.stored(), [accepted, accepted])
    assert.deepEqual(await two.shards(), [
      ['vnetscope__1', one.told.accepted],
      ['vnetscope__2', two.told.accepted],
    ])
  } finally {
    await one.stop()
    await two.stop()
    await ch.stop()
    await place.remove()
  }
})

test(`a store that is gone for ${OUTAGE_SECONDS} seconds, hangs and dies in the middle of inserts costs nothing but what is refused and said`, async () => {
  const place = await createPlace()
  const ch = await startClickHouse(join(place.dir, 'servers'))
  const isLong = OUTAGE_SECONDS > 60
  const collector = await startCollector(place.dir, ch.urls, 0, {
    spoolBytes: isLong ? 2 ** 32 : 2 ** 21,
    isPatient: isLong,
  })
  const began = performance.now()
  const rate = isLong ? 20_000 : 1000
  try {
    for (const moment of ['frozen', 'killed', 'killed again'] as const) {
      await collector.write(rate)
      if (moment === 'frozen') ch.freeze()
      else await ch.kill()
      const until = performance.now() + (OUTAGE_SECONDS * 1000) / 3
      do {
        await collector.write(rate)
        // Some 200,000 flows a second, or as many as this machine can make.
        if (isLong) await new Promise((resolve) => setTimeout(resolve, 60))
      } while (performance.now() < until)
      assert.notEqual(collector.status().waiting, 0)
      if (moment === 'frozen') ch.thaw()
      else await ch.revive()
      await collector.drained()
      assert.equal(collector.status().problem, undefined)
    }
    const { accepted, refused } = collector.told
    assert.deepEqual(await collector.stored(), [accepted, accepted])
    if (!isLong) {
      assert.notEqual(refused, 0, 'the small spool was never full')
    }
    if (process.env['VNETSCOPE_OUTAGE_SECONDS'] !== undefined) {
      const seconds = (performance.now() - began) / 1000
      console.log(`${accepted} rows accepted and stored, ${refused} refused, in ${seconds.toFixed(0)} s`)
    }
  } finally {
    ch.thaw()
    await collector.stop()
    await ch.stop()
    await place.remove()
  }
})
