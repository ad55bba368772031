// A store as this version makes it, small, as statements and Native files: what later versions have to bring up to theirs.
//
//   node scripts/store-dump.ts src/store/fixtures/schema-N

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { simulateRows } from '../bench/simulated-rows.ts'
import { systemClock } from '../src/base/clock.ts'
import { MetricBatch } from '../src/flow/metric-batch.ts'
import { createEmbeddedStore } from '../src/store/embedded.ts'
import { createRoller } from '../src/store/roller.ts'
import { ROLLUP_TABLES } from '../src/store/rollups.ts'
import { createSpool } from '../src/store/spool.ts'

const START = Date.parse('2026-11-20T21:58:00Z')
const FLOWS = 2_000
/** What counts arrivals is filled by its view as the flows are read back. */
const DATA = ['flows', 'metrics', 'schema_version', 'rolled', ...ROLLUP_TABLES.map(({ name }) => name)]
/** When the day after is over, too. */
const LATER = Date.parse('2026-11-22T03:00:00Z')

const [out] = process.argv.slice(2)
if (out === undefined) throw new Error('name a directory for the dump')
const work = mkdtempSync(join(tmpdir(), 'vnetscope-dump-'))
const store = createEmbeddedStore({ dir: join(work, 'store'), keepDays: 36_500 }, { clock: systemClock })
try {
  await store.start()
  const files: string[] = []
  const spool = createSpool(
    { dir: join(work, 'spool'), maxBytes: 1e9 },
    { clock: systemClock, written: (file) => files.push(join(work, 'spool', file)) },
  )
  await spool.start()
  await simulateRows(FLOWS, { startAt: START, pps: 8_000, vms: 20, hosts: 4, protocol: 'mixed' }, (batch, names) =>
    spool.write(batch, names),
  )
  const metrics = new MetricBatch()
  for (let i = 0; i < 20; i++)
    metrics.add(START + i * 30_000, '192.0.2.1', 1, `if:${i % 4}`, 'if_counters.if_in_octets', i * 1_000)
  await spool.writeMetrics(metrics)
  for (const [i, file] of files.entries())
    await store.insertFiles(file.includes('-metrics-') ? 'metrics' : 'flows', [file], `dump-${i}`)
  await createRoller({ fewestFlows: 1, worth: 0.1 }, { store, clock: { now: () => LATER } }).run()

  mkdirSync(out, { recursive: true })
  const { rows } = await store.query(
    "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY engine = 'MaterializedView', name",
  )
  writeFileSync(join(out, 'tables.sql'), rows.map(([, ddl]) => `${ddl as string};\n`).join('\n'))
  for (const table of DATA) {
    const bytes = await store.queryBytes(`SELECT * FROM ${table} ORDER BY ALL`, 'Native')
    writeFileSync(join(out, `${table}.native.zst`), zstdCompressSync(bytes))
  }
} finally {
  await store.stop()
  rmSync(work, { recursive: true, force: true })
}
