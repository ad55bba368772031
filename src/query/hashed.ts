import type { Cell } from '../store/store.ts'
import { havingSql, type Grouping } from './group.ts'
import { rowsOf, type Prepared } from './question.ts'
import type { Run } from './run.ts'

// Groups by several long keys: the engine groups numbers of 64 bits nearly three times as fast as two addresses and a port,
// so rows are grouped by a hash of their key, and the greatest groups by their keys afterwards.

/** The greatest groups with their sums, and sums over all. */
export interface Greatest {
  /** Of five million groups two share a hash, and are one too few here, once in a million times. */
  readonly groups: number
  /** Of all groups, one cell a sum. */
  readonly totals: readonly Cell[]
  readonly found: readonly { readonly cells: readonly Cell[]; readonly sums: readonly Cell[] }[]
}

/** Sums of a group: their SELECT list, their names, and that by which groups are greatest: whole, and not below 0. */
export interface GroupSums {
  readonly sql: string
  readonly names: readonly string[]
  readonly order: string
}

/** Expressions of the keys, and their types as parameters. */
export interface Keys {
  readonly expressions: readonly string[]
  readonly types: readonly string[]
}

/** Of a grouping whose rows stand in one group each. */
export function keysOf({ dimensions, sides: [expressions] }: Grouping): Keys {
  return { expressions, types: dimensions.map((dimension) => dimension.type) }
}

/** Keys that are longer together the engine groups as texts. */
const SHORT_BYTES = 16

/** So many hashes, twice, fit a statement. */
const MOST_FOUND = 2000

/** True if the flows themselves are grouped, by keys that are long together, and not too many groups are asked for. */
function isLong({ reading }: Prepared, types: readonly string[], limit: number): boolean {
  if (reading || types.length < 2 || limit > MOST_FOUND) return false
  return types.reduce((sum, type) => sum + bytesOf(type), 0) > SHORT_BYTES
}

/** Of a raw value; 0 of a name, of which there are few. */
function bytesOf(type: string): number {
  return type === 'IPv6' ? 16 : Number(/\d+$/.exec(type)?.[0] ?? 0) / 8
}

/** The greatest groups. Equal ones are told apart by their keys. */
export async function greatestByKey(
  prepared: Prepared,
  { expressions }: Keys,
  { sql, names, order }: GroupSums,
  limit: number,
  run: Run,
): Promise<Greatest> {
  const list = expressions.map((_, i) => `k${i}`).join(', ')
  const keys = expressions.map((expression, i) => `${expression} AS k${i}`).join(', ')
  const numbers = names.map((name) => `toFloat64(sum(${name}))`).join(', ')
  const tuple = `(-toFloat64(${order}), ${list}, ${names.map((name) => `toFloat64(${name})`).join(', ')})`
  const { rows } = await run.query(
    `SELECT count(), groupArraySorted(${limit})(${tuple}), ${numbers} FROM (SELECT ${keys}, ${sql} FROM ${rowsOf(prepared)} GROUP BY ${list}${havingSql(prepared)})`,
  )
  const [groups, tuples, ...totals] = rows[0] as readonly Cell[]
  const width = expressions.length
  return {
    groups: Number(groups),
    totals,
    found: (tuples as readonly (readonly Cell[])[]).map((t) => ({
      cells: t.slice(1, 1 + width),
      sums: t.slice(1 + width),
    })),
  }
}

/**
 * The same, by a hash of the keys. Of groups that are equally great at the end of the list any may be in it. Undefined if
 * the keys are not long, or if two of those found have the same hash: one that is missing may be greater than either.
 */
export async function greatestByHash(
  prepared: Prepared,
  { expressions, types }: Keys,
  { sql, names, order }: GroupSums,
  limit: number,
  run: Run,
): Promise<Greatest | undefined> {
  if (!isLong(prepared, types, limit)) return undefined
  const hash = `xxh3(${expressions.join(', ')})`
  const numbers = names.map((name) => `toFloat64(sum(${name}))`).join(', ')
  // Sum and hash in one number, which sorts far faster than a tuple: the greatest sum is the least.
  const packed = `bitNot(bitShiftLeft(toUInt128(${order}), 64) + h)`
  const { rows } = await run.query(
    `SELECT count(), groupArraySorted(${limit})(${packed}), ${numbers} FROM (SELECT ${hash} AS h, ${sql} FROM ${rowsOf(prepared)} GROUP BY h)`,
  )
  const [groups, list, ...totals] = rows[0] as readonly Cell[]
  const hashes = (list as readonly Cell[]).map((cell) => BigInt.asUintN(64, ~BigInt(cell as string)).toString())
  if (hashes.length === 0) return { groups: 0, totals, found: [] }
  const wanted = `${hash} IN (${hashes.join(', ')})`
  const keys = expressions.map((expression, i) => `${expression} AS k${i}`).join(', ')
  const keyNames = expressions.map((_, i) => `k${i}`).join(', ')
  const sums = names.map((name) => `toFloat64(${name})`).join(', ')
  const answer = await run.query(
    `SELECT ${keyNames}, ${sums} FROM (SELECT ${keys}, ${sql} FROM ${rowsOf(prepared, wanted)} GROUP BY ${keyNames}) ORDER BY ${order} DESC, ${keyNames}`,
  )
  if (answer.rows.length > hashes.length) return undefined
  const width = expressions.length
  return {
    groups: Number(groups),
    totals,
    found: answer.rows.map((cells) => ({ cells: cells.slice(0, width), sums: cells.slice(width) })),
  }
}
