import { join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import { bucketSeconds, LEVELS, ROLLUPS, rollupTable, type Rollup, type TableLevel } from './rollups.ts'
import { createSpool } from './spool.ts'
import { randomFrom, setTime } from './store.fixture.ts'
import type { Store } from './store.ts'

export const NAMES = ['', 'web-1', 'web-2', 'db-1', 'db-2', 'host-a', 'host-b', 'blue', 'DE', 'FR']

/**
 * Sampled and unsampled flows of a small network received between two times: few keys, a few hundred addresses of which
 * some are far greater than others.
 */
export function smallNetwork(seed: number, rows: number, from: number, to: number): FlowBatch {
  const random = randomFrom(seed)
  const below = (n: number): number => random() % n
  const batch = new FlowBatch(rows)
  batch.n = rows
  for (let i = 0; i < rows; i++) {
    const time = from + Math.floor((random() / 2 ** 32) * (to - from))
    setTime(batch.time_received, i, time)
    setTime(batch.time_start, i, time - 1000)
    setTime(batch.time_end, i, time)
    const exporter = below(2)
    address(batch.exporter, i, 192, exporter)
    batch.protocol[i] = exporter === 0 ? 1 : 10
    batch.sampling_rate[i] = exporter === 0 ? 400 : 1
    batch.in_if[i] = below(3)
    batch.out_if[i] = below(3)
    batch.vlan_in[i] = 100 + below(2)
    const greatest = below(4) > 0
    address(batch.src_addr, i, 10, greatest ? below(8) : below(400))
    address(batch.dst_addr, i, 10, below(3) > 0 ? below(8) : below(400))
    batch.proto[i] = below(5) === 0 ? 17 : 6
    batch.src_port[i] = 30_000 + below(20_000)
    batch.dst_port[i] = [443, 53, 5432][below(3)] as number
    const packets = 1 + below(exporter === 0 ? 1 : 50)
    setTime(batch.packets, i, packets)
    setTime(batch.bytes, i, packets * (64 + below(1400)))
    batch.src_as[i] = below(3)
    batch.src_vm[i] = below(3)
    batch.dst_vm[i] = below(5)
    batch.src_host[i] = 5 + below(2)
    batch.dst_host[i] = 5 + below(2)
    batch.slice[i] = below(2) * 7
    batch.src_country[i] = 8 + below(2)
    batch.locality[i] = below(6)
    batch.counted[i] = below(10) === 0 ? 0 : 1
  }
  return batch
}

function address(words: Uint32Array, row: number, net: number, host: number): void {
  const bytes = new Uint8Array(words.buffer, words.byteOffset + row * 16, 16)
  bytes.fill(0)
  bytes.set([0xff, 0xff, net, 0, host >> 8, host & 255], 10)
}

let inserts = 0

/** A batch into the store, by way of a spool file. */
export async function insertBatch(
  store: Pick<Store, 'insertFiles'>,
  spoolDir: string,
  batch: FlowBatch,
): Promise<void> {
  const files: string[] = []
  const spool = createSpool(
    { dir: spoolDir, maxBytes: 1e9 },
    { clock: systemClock, written: (file) => files.push(join(spoolDir, file)) },
  )
  await spool.start()
  await spool.write(batch, NAMES)
  await spool.stop()
  await store.insertFiles('flows', files, `batch-${inserts++}`)
}

/** Groups, a hash of their keys and sums, and the sum of squares: equal where each group has the same sums. */
async function fingerprint(
  store: Pick<Store, 'query'>,
  table: string,
  keys: readonly string[],
  where: string,
): Promise<string> {
  const flows = table === 'flows' ? 'count()' : 'sum(flows)'
  const squares =
    table === 'flows' ? 'sumIf(toFloat64(bytes) * bytes / packets, sampling_rate > 1)' : 'sum(bytes_squares)'
  const names = keys.map((_, i) => `k${i}`).join(', ')
  const list = keys.map((key, i) => `${key} AS k${i}`).join(', ')
  const answer = await store.query(
    `SELECT count(), sum(cityHash64(${names}, toInt64(b), toInt64(p), toInt64(f))), round(sum(v) / 1000), sum(f), max(r)
     FROM (SELECT ${list}, sum(bytes) AS b, sum(packets) AS p, ${flows} AS f, ${squares} AS v, max(sampling_rate) AS r FROM ${table} WHERE ${where} GROUP BY ${names} HAVING f != 0)`,
  )
  return JSON.stringify(answer.rows[0])
}

/**
 * Compares a rollup with the flows: the sums by all keys, or by those of a rollup of addresses that are never folded.
 * Answers what differs.
 */
export async function differences(
  store: Pick<Store, 'query'>,
  rollup: Rollup,
  level: TableLevel,
  where: string,
): Promise<string[]> {
  const kept = new Set(['counted', 'protocol', 'sampling_rate'])
  const keys = rollup.keys.filter((key) => rollup.exact || kept.has(key.name))
  const bucket = `intDiv(toUnixTimestamp(time_received), ${bucketSeconds(rollup, level)})`
  const table = rollupTable(rollup, level)
  const ought = await fingerprint(store, 'flows', [bucket, ...keys.map((key) => key.expression)], where)
  const is = await fingerprint(store, table, [bucket, ...keys.map((key) => key.name)], where)
  return ought === is ? [] : [`${table}: ${is} for ${ought}`]
}

/** Flows in each table: all equal where every level is built over the whole. */
export async function totals(store: Pick<Store, 'query'>, where = '1'): Promise<Record<string, number>> {
  const tables = LEVELS.flatMap((level) => ROLLUPS.map((rollup) => rollupTable(rollup, level)))
  const each = [
    `SELECT 'flows' AS name, count() AS flows FROM flows WHERE ${where}`,
    `SELECT 'arrivals', sum(flows) FROM arrivals`,
    ...tables.map((table) => `SELECT '${table}', sum(flows) FROM ${table} WHERE ${where}`),
  ]
  const { rows } = await store.query(each.join(' UNION ALL '))
  return Object.fromEntries(rows.map(([name, flows]) => [name as string, Number(flows)]))
}
