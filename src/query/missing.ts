import { ipText, parseIp } from '../base/address.ts'
import { FOLDED_ADDRESS } from '../store/rollups.ts'
import type { Cell } from '../store/store.ts'
import { addressTests } from './filter/address-tests.ts'
import { conditionSql } from './filter/sql.ts'
import { metricSql } from './measure.ts'
import type { Prepared } from './question.ts'
import type { Run } from './run.ts'
import { replacedIn, timeSql } from './source.ts'

// Rollups of addresses keep the heaviest of each bucket alone, and say what any other had there at most: so much may be
// missing of an address. What may be missing of several is at most as much of each, and at most all that the rare ones had.

/** The metric that may be missing, by bucket of a series; of anything else all is in bucket 0. */
export type Missing = ReadonlyMap<number, number>

export interface MissingOf {
  /** Of each of the keys that were asked about. */
  readonly keys: readonly Missing[]
  /** Of all that the filter asks for: of any sum of it. */
  readonly all: Missing
}

const FOLDED = `toIPv6('${FOLDED_ADDRESS}')`

/** @param bucket expression named `t`, the bucket of a row */
export async function missingOf(
  prepared: Prepared,
  keys: readonly (readonly Cell[])[],
  run: Run,
  bucket = '0 AS t',
): Promise<MissingOf> {
  const ofKeys = keys.map(() => new Map<number, number>())
  const all = new Map<number, number>()
  for (const { table, column } of prepared.reading?.heaviest ?? []) {
    const tests = addressTests(prepared.tests, column)
    const at = prepared.dimensions.findIndex((d) => d.name === column)
    const asked = tests.addresses?.map(canonical) ?? []
    const wanted = at < 0 ? asked : [...asked, ...keys.map((key) => canonical(String(key[at])))]
    const [unseen, rare] = await Promise.all([
      wanted.length > 0 ? unseenOf(prepared, table, column, wanted, bucket, run) : undefined,
      tests.any ? rareSums(prepared, table, column, bucket, run) : undefined,
    ])
    const filtered = smaller(asked.length > 0 ? added(asked.map((one) => unseen?.(one))) : undefined, rare)
    add(all, filtered)
    for (const [i, key] of keys.entries())
      add(ofKeys[i] as Map<number, number>, at < 0 ? filtered : smaller(unseen?.(canonical(String(key[at]))), rare))
  }
  return { keys: ofKeys, all }
}

/** All buckets together. */
export function sumOf(missing: Missing): number {
  return [...missing.values()].reduce((sum, value) => sum + value, 0)
}

/** Rows whose upper ends hold what may be missing of them. */
export function withMissing<T extends { readonly high: number }>(rows: readonly T[], missing: readonly Missing[]): T[] {
  return rows.map((row, i) => ({ ...row, high: row.high + sumOf(missing[i] as Missing) }))
}

/** What is left over has what is missing elsewhere: at least that much less of its own. */
export function withoutMissing<T extends { readonly low: number }>(rest: T, missing: readonly Missing[]): T {
  return { ...rest, low: Math.max(0, rest.low - missing.reduce((sum, one) => sum + sumOf(one), 0)) }
}

/** What an address that has no row had at most, less what each address is known to have had there. */
async function unseenOf(
  { reading, metric, params }: Prepared,
  table: string,
  column: string,
  addresses: readonly string[],
  bucket: string,
  run: Run,
): Promise<(address: string) => Missing> {
  const wanted = params.add('Array(IPv6)', [...new Set(addresses)].map(mapped))
  const answer = await run.query(
    `SELECT ${bucket}, ${column}, sum(unseen_${metric}) FROM ${table} WHERE ${timeOf(reading, table)} AND (${column} = ${FOLDED} OR has(${wanted}, ${column})) GROUP BY t, ${column}`,
  )
  const most = new Map<number, number>()
  const known = new Map<string, Map<number, number>>()
  for (const [t, address, sum] of answer.rows) {
    const of = canonical(String(address))
    if (of === FOLDED_ADDRESS) most.set(Number(t), Number(sum))
    else known.set(of, (known.get(of) ?? new Map<number, number>()).set(Number(t), Number(sum)))
  }
  return (address) => {
    const own = known.get(address)
    return new Map([...most].map(([t, sum]) => [t, Math.max(0, sum - (own?.get(t) ?? 0))]))
  }
}

/** All that rare addresses had; undefined where the filter does not say which of their rows could be meant. */
async function rareSums(
  prepared: Prepared,
  table: string,
  column: string,
  bucket: string,
  run: Run,
): Promise<Missing | undefined> {
  const rare = rareCondition(prepared, column)
  if (rare === undefined) return undefined
  const answer = await run.query(
    `SELECT ${bucket}, ${metricSql(prepared)} FROM ${table} WHERE ${timeOf(prepared.reading, table)} AND ${rare} GROUP BY t`,
  )
  return new Map(answer.rows.map(([t, sum]) => [Number(t), Math.max(0, Number(sum))]))
}

/** Rows of rare addresses, put together, of which some may be what the filter asks for. */
function rareCondition({ tests, params, reading }: Prepared, column: string): string | undefined {
  const { loosened } = addressTests(tests, column)
  if (loosened === undefined) return undefined
  const others = replacedIn(reading, conditionSql(loosened, params))
  return `${column} = ${FOLDED} AND (${others})`
}

/** What a filter by addresses found in the tables of the heaviest, and what rare ones may have had beside. */
export function foundAndRareSql(prepared: Prepared): string | undefined {
  const parts: string[] = []
  for (const { table, column } of prepared.reading?.heaviest ?? []) {
    const rare = rareCondition(prepared, column)
    if (rare === undefined) return undefined
    const from = `FROM ${table} WHERE ${timeOf(prepared.reading, table)} AND`
    const condition = replacedIn(prepared.reading, prepared.condition)
    parts.push(
      `SELECT ${metricSql(prepared)} AS found, toFloat64(0) AS rare ${from} ${condition}`,
      `SELECT 0 AS found, toFloat64(${metricSql(prepared)}) AS rare ${from} ${rare}`,
    )
  }
  if (parts.length === 0) return undefined
  return `SELECT sum(toFloat64(found)), sum(rare) FROM (${parts.join(' UNION ALL ')})`
}

function timeOf(reading: Prepared['reading'], table: string): string {
  const spans = (reading?.pieces ?? []).filter((piece) => piece.table === table)
  return spans.length === 0 ? '0' : timeSql(spans)
}

/** The one way of writing an address by which it is looked up. */
function canonical(address: string): string {
  const bytes = parseIp(address)
  return bytes ? ipText(bytes) : address
}

/** As a parameter has to be. */
function mapped(address: string): string {
  return address.includes(':') ? address : `::ffff:${address}`
}

function add(to: Map<number, number>, more: Missing | undefined): void {
  for (const [t, value] of more ?? []) to.set(t, (to.get(t) ?? 0) + value)
}

function added(list: readonly (Missing | undefined)[]): Missing {
  const sum = new Map<number, number>()
  for (const one of list) add(sum, one)
  return sum
}

/** The lesser of two bounds, bucket by bucket; a bucket that has none is whole. */
function smaller(one: Missing | undefined, other: Missing | undefined): Missing | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return new Map([...one].map(([t, value]) => [t, Math.min(value, other.get(t) ?? 0)]))
}
