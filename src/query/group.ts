import { UserError } from '../base/errors.ts'
import type { Cell } from '../store/store.ts'
import type { Dimension, KeyValue } from './dimensions.ts'
import type { Params } from './filter/sql.ts'
import { SUM_NAMES, metricSql, sumsSql } from './measure.ts'
import { rowsOf, type Prepared } from './question.ts'
import { replacedIn } from './source.ts'

// Grouping by dimensions. A dimension of two sides (ip, vm, …) is grouped once by each, and the groups put together;
// several such dimensions take the same side of a row together.

export interface Grouping {
  readonly dimensions: readonly Dimension[]
  /** True if a row may stand in two groups. */
  readonly either: boolean
  /** `k0, k1, …` */
  readonly keys: string
  /** Names of the keys inside, where rows are grouped: `u0` for an address as a number, which groups a fifth faster. */
  readonly inside: readonly string[]
  readonly packed: boolean
  /** Expressions of the key, one list a side. */
  readonly sides: readonly [readonly string[]] | readonly [readonly string[], readonly string[]]
  /** Condition over `k0, k1, …` of groups that stand for several, where a rollup has put rare ones together. */
  readonly folded?: string
}

const MOST_DIMENSIONS = 8

/** How to group by the dimensions (at least one), as they are written where the question is read. */
export function groupingBy({ dimensions, reading }: Pick<Prepared, 'dimensions' | 'reading'>): Grouping {
  if (dimensions.length > MOST_DIMENSIONS)
    throw new UserError(`at most ${MOST_DIMENSIONS} dimensions can be asked for at once`)
  const either = dimensions.some((d) => d.sides.length === 2)
  const first = dimensions.map((d) => replacedIn(reading, d.sides[0]))
  const second = dimensions.map((d) => replacedIn(reading, d.sides[1] ?? d.sides[0]))
  const packed = dimensions.length === 1 && dimensions[0]?.type === 'IPv6'
  const folded = dimensions.flatMap(({ name }, i) => reading?.folded[name]?.replaceAll('KEY', `k${i}`) ?? [])
  return {
    dimensions,
    either,
    keys: dimensions.map((_, i) => `k${i}`).join(', '),
    inside: dimensions.map((_, i) => `${packed ? 'u' : 'k'}${i}`),
    packed,
    sides: either ? [first, second] : [first],
    ...(folded.length > 0 ? { folded: folded.join(' OR ') } : {}),
  }
}

/** SELECT of one row a group: its keys and sums; those that count a row once as tb … ty, for totals. */
export function groupedSql(prepared: Prepared, grouping: Grouping): string {
  const sums = sumsSql(prepared)
  if (!grouping.either) return unpacked(grouping, oneSide(prepared, grouping, 0, sums))
  const keys = grouping.inside.join(', ')
  const list = SUM_NAMES.map((name) => `sum(${name}) AS ${name}2`).join(', ')
  const once = SUM_NAMES.map((name) => `sumIf(${name}, first) AS t${name}`).join(', ')
  const both = `${oneSide(prepared, grouping, 0, `${sums}, true AS first`)} UNION ALL ${oneSide(prepared, grouping, 1, `${sums}, false AS first`)}`
  const renamed = SUM_NAMES.map((name) => `${name}2 AS ${name}`).join(', ')
  const all = `SELECT ${keys}, ${renamed}, ${SUM_NAMES.map((name) => `t${name}`).join(', ')} FROM (SELECT ${keys}, ${list}, ${once} FROM (${both}) GROUP BY ${keys})`
  return unpacked(grouping, all)
}

/** The keys as the values that they stand for, whatever they were grouped as. */
function unpacked(grouping: Grouping, sql: string): string {
  return grouping.packed ? `SELECT CAST(u0, 'IPv6') AS k0, * EXCEPT u0 FROM (${sql})` : sql
}

/** SELECT of one row a group: its keys and the sum `m` of the metric. */
export function measuredSql(prepared: Prepared, grouping: Grouping): string {
  const list = `${metricSql(prepared)} AS m`
  if (!grouping.either) return unpacked(grouping, oneSide(prepared, grouping, 0, list))
  if (isPaired(grouping)) return pairedSql(prepared, grouping, list)
  const keys = grouping.inside.join(', ')
  const both = `${oneSide(prepared, grouping, 0, list)} UNION ALL ${oneSide(prepared, grouping, 1, list)}`
  return unpacked(grouping, `SELECT ${keys}, sum(m) AS m FROM (${both}) GROUP BY ${keys}`)
}

const FEW_VALUES: ReadonlySet<string> = new Set(['String', 'Int8', 'UInt8'])

/** Of names there are so few pairs that rows are put together by both ends at once, and then by each. */
function isPaired({ either, dimensions }: Grouping): boolean {
  return either && dimensions.every(({ name, type }) => FEW_VALUES.has(type) || name === 'vlan')
}

/** Times that the statement of `measuredSql` reads each row. */
export function timesMeasured(grouping: Grouping): number {
  return isPaired(grouping) ? 1 : grouping.sides.length
}

function pairedSql(prepared: Prepared, grouping: Grouping, list: string): string {
  const [first, second] = grouping.sides as readonly [readonly string[], readonly string[]]
  const ends = [...new Set([...first, ...second])]
  const select = ends.map((expression, i) => `${expression} AS e${i}`).join(', ')
  const names = ends.map((_, i) => `e${i}`).join(', ')
  const end = (expression: string): string => `e${ends.indexOf(expression)}`
  const keys = first.map((one, i) => {
    const other = second[i] as string
    return `${one === other ? end(one) : `if(side = 0, ${end(one)}, ${end(other)})`} AS k${i}`
  })
  const same = equal(first.map(end), second.map(end))
  const pairs = `SELECT ${select}, ${list} FROM ${rowsOf(prepared)} GROUP BY ${names}${havingSql(prepared)}`
  return `SELECT ${keys.join(', ')}, sum(m) AS m FROM (${pairs}) ARRAY JOIN [0, 1] AS side WHERE side = 0 OR NOT (${same}) GROUP BY ${grouping.keys}`
}

/** SELECT of the greatest groups: their keys alone. Equal ones are told apart by their keys. */
export function greatestSql(prepared: Prepared, grouping: Grouping, limit: number): string {
  const { keys, folded } = grouping
  const named = folded === undefined ? '' : ` WHERE NOT (${folded})`
  return `SELECT ${keys} FROM (${measuredSql(prepared, grouping)})${named} ORDER BY m DESC, ${keys} LIMIT ${limit}`
}

/** Aggregates that leave out what a rollup has put together of rare keys. */
export function namedOnly({ folded }: Grouping): { count: string; list(limit: number): string; more: string } {
  if (folded === undefined) return { count: 'count()', list: (limit) => `groupArraySorted(${limit})`, more: '' }
  return {
    count: `countIf(NOT (${folded}))`,
    list: (limit) => `groupArraySortedIf(${limit})`,
    more: `, NOT (${folded})`,
  }
}

function oneSide(prepared: Prepared, grouping: Grouping, side: 0 | 1, list: string): string {
  const [first, second] = grouping.sides
  const select = ((side === 0 ? first : second) as readonly string[])
    .map((expression, i) => `${grouping.packed ? `toUInt128(${expression})` : expression} AS ${grouping.inside[i]}`)
    .join(', ')
  // A row with the same on both sides counts once.
  const more = side === 0 ? '' : `NOT (${equal(first, second as readonly string[])})`
  return `SELECT ${select}, ${list} FROM ${rowsOf(prepared, more)} GROUP BY ${grouping.inside.join(', ')}${havingSql(prepared)}`
}

/** Rows of a rollup may be differences that leave nothing of a group. */
export function havingSql({ reading }: Prepared): string {
  return reading ? ' HAVING sum(flows) != 0' : ''
}

function equal(first: readonly string[], second: readonly string[]): string {
  return first
    .flatMap((expression, i) => (expression === second[i] ? [] : [`${expression} = ${second[i]}`]))
    .join(' AND ')
}

/** Cells from `at` on → the key of a row. */
export function keyOf(grouping: Grouping, cells: readonly Cell[], at: number): Record<string, KeyValue> {
  const key: Record<string, KeyValue> = {}
  for (const [i, dimension] of grouping.dimensions.entries())
    key[dimension.name] = dimension.decode(cells[at + i] as Cell)
  return key
}

/**
 * Numbers in place of values: for each dimension an expression that is 1, 2, … for the values among the given keys, and 0
 * for all others. Groups of numbers are far cheaper than groups of names and addresses.
 */
export interface Codes {
  /** Expressions, one list a side. */
  readonly sides: readonly (readonly string[])[]
  /** Index in the given keys of these codes, or −1. */
  indexOf(codes: readonly number[]): number
}

export function codesOf(grouping: Grouping, keys: readonly (readonly Cell[])[], params: Params): Codes {
  const byDimension = grouping.dimensions.map((_, d) => [
    ...new Map(keys.map((key) => [String(key[d]), key[d] as Cell])).entries(),
  ])
  const lists = byDimension.map((values, d) => {
    const dimension = grouping.dimensions[d] as Dimension
    const list = params.add(
      `Array(${dimension.type})`,
      values.map(([, cell]) => raw(cell)),
    )
    const codes = `[${values.map((_, i) => i + 1).join(', ')}]`
    return (expression: string): string =>
      `transform(${expression}, ${list}, CAST(${codes}, 'Array(UInt16)'), toUInt16(0))`
  })
  const numbers = byDimension.map((values) => new Map(values.map(([text], i) => [text, i + 1])))
  const known = new Map(keys.map((key, i) => [key.map((cell, d) => numbers[d]?.get(String(cell))).join(','), i]))
  return {
    sides: grouping.sides.map((side) => side.map((expression, d) => (lists[d] as (e: string) => string)(expression))),
    indexOf: (codes) => known.get(codes.join(',')) ?? -1,
  }
}

function raw(cell: Cell): string | number {
  return typeof cell === 'boolean' ? Number(cell) : (cell as string | number)
}
