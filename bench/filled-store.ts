import { join } from 'node:path'
import { systemClock } from '../src/base/clock.ts'
import type { FlowBatch } from '../src/flow/flow-batch.ts'
import type { EmbeddedStore } from '../src/store/embedded.ts'
import { createSpool } from '../src/store/spool.ts'
import { simulateRows } from './simulated-rows.ts'

// A store with as many flows of the simulated data center as wanted, over as long as wanted.

const FILES_AT_ONCE = 16

/** Milliseconds since 1970. */
export interface Span {
  readonly from: number
  readonly to: number
}

export interface Simulated extends Span {
  readonly rows: number
  readonly vms: number
  readonly protocol: 'sflow' | 'mixed' | 'ipfix'
}

/** Somebody else who gets the datagrams that the rows are made of. */
export interface AlsoSent {
  send(bytes: Uint8Array): unknown
  flush(): Promise<void>
}

/**
 * Inserts rows of the simulator, received evenly over a span; a few more where somebody else gets them too, who cannot stop
 * in the middle of a datagram. `name` must be new to this store.
 */
export async function insertSimulated(
  store: EmbeddedStore,
  spoolDir: string,
  name: string,
  wanted: Simulated,
  also?: AlsoSent,
): Promise<void> {
  const files: string[] = []
  const spool = createSpool(
    { dir: spoolDir, maxBytes: 1e12 },
    { clock: systemClock, written: (file) => files.push(join(spoolDir, file)) },
  )
  await spool.start()
  let done = 0
  let inserts = 0
  const insert = async (): Promise<void> => {
    if (files.length > 0) await store.insertFiles('flows', files.splice(0), `${name}-${inserts++}`)
  }
  const { from, rows, vms, protocol } = wanted
  await simulateRows(
    rows,
    { startAt: from, pps: 2e6, vms, hosts: 60, protocol, whole: also !== undefined },
    async (batch, names) => {
      spread(batch, done, wanted)
      done += batch.n
      await spool.write(batch, names)
      await also?.flush()
      if (files.length >= FILES_AT_ONCE) await insert()
    },
    also ? (bytes) => also.send(bytes) : undefined,
  )
  await insert()
}

/** Inserts the flows of a span once more, each so many milliseconds later (or earlier, if less than 0). */
export async function copyFlows(
  store: EmbeddedStore,
  { from, to }: Span,
  later: number,
  limit?: number,
): Promise<void> {
  const times = ['time_received', 'time_start', 'time_end']
    .map((column) => `${column} + toIntervalMillisecond(${later}) AS ${column}`)
    .join(', ')
  const inside = `time_received >= fromUnixTimestamp64Milli(${from}, 'UTC') AND time_received < fromUnixTimestamp64Milli(${to}, 'UTC')`
  await store.execute(
    `INSERT INTO flows SELECT * REPLACE (${times}) FROM (SELECT * FROM flows WHERE ${inside}${limit === undefined ? '' : ` LIMIT ${limit}`}) SETTINGS max_insert_threads = 2, max_execution_time = 0`,
  )
}

/** Receipt times evenly over the span, in the order of the rows; the other times keep their distance. */
function spread(batch: FlowBatch, done: number, { from, to, rows }: Simulated): void {
  for (let i = 0; i < batch.n; i++) {
    const received = Math.min(to - 1, from + Math.floor(((done + i) / rows) * (to - from)))
    const was = read(batch.time_received, i)
    for (const column of [batch.time_start, batch.time_end])
      write(column, i, Math.max(0, read(column, i) + received - was))
    write(batch.time_received, i, received)
  }
}

function read(words: Uint32Array, row: number): number {
  return (words[2 * row + 1] as number) * 2 ** 32 + (words[2 * row] as number)
}

function write(words: Uint32Array, row: number, value: number): void {
  words[2 * row] = value % 2 ** 32
  words[2 * row + 1] = Math.floor(value / 2 ** 32)
}

/** Until no merge has run for three seconds. */
export async function mergesSettled(store: EmbeddedStore): Promise<void> {
  for (let quiet = 0; quiet < 3;) {
    const { rows } = await store.query('SELECT count() FROM system.merges')
    quiet = Number(rows[0]?.[0]) === 0 ? quiet + 1 : 0
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
}

/** Rows and bytes of each table that has any. */
export async function tableSizes(store: EmbeddedStore): Promise<{ table: string; rows: number; bytes: number }[]> {
  const { rows } = await store.query(
    `SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() AND rows > 0 GROUP BY table ORDER BY table`,
  )
  return rows.map(([table, count, bytes]) => ({ table: String(table), rows: Number(count), bytes: Number(bytes) }))
}
