import type { Cell } from '../store/store.ts'
import { groupingBy, keyOf, type Grouping } from './group.ts'
import { metricSum, rowOf, sumsOf, sumsSql, weightOf, withoutSums, type Row, type Sums } from './measure.ts'
import { where, type Prepared } from './question.ts'
import type { Run } from './run.ts'

// The greatest groups of a range: `who are the top talkers?`

export interface TopAnswer {
  columns: string[]
  rows: Row[]
  other?: Row
  groups: number
  total: Row
  source: string
  rowsRead: number
  tookMs: number
  samplingRates: number[]
}

const SUMS = 5

export async function top(prepared: Prepared, limit: number, run: Run): Promise<TopAnswer> {
  const { dimensions, metric } = prepared
  const columns = dimensions.map((d) => d.name)
  if (dimensions.length === 0) {
    const [sums, samplingRates] = await Promise.all([totalSums(prepared, run), ratesMet(prepared, run)])
    const total = rowOf({}, sums, metric)
    return { columns, rows: sums.flows > 0 ? [total] : [], groups: sums.flows > 0 ? 1 : 0, total, samplingRates, ...run.provenance() }
  }
  const grouping = groupingBy(dimensions)
  const [answer, samplingRates, whole] = await Promise.all([
    run.query(topSql(prepared, grouping, limit)),
    ratesMet(prepared, run),
    grouping.either ? totalSums(prepared, run) : undefined,
  ])
  const cells = answer.rows[0] as readonly Cell[]
  const found = (cells[1 + SUMS] as readonly (readonly Cell[])[]).map((cell) => ({
    key: keyOf(grouping, cell, 1), sums: sumsOf(cell, 1 + dimensions.length),
  }))
  const totals = whole ?? sumsOf(cells, 1)
  const groups = Number(cells[0])
  const weight = weightOf(totals)
  const rows = found.map(({ key, sums }) => rowOf(key, sums, metric, sums.sampled > 0 ? weight : 0))
  const rest = groups <= rows.length ? undefined : grouping.either ? await otherSums(prepared, grouping, limit, run) : withoutSums(totals, found.map((f) => f.sums))
  return {
    columns, rows, groups, total: rowOf({}, totals, metric), samplingRates,
    ...(rest && rest.flows > 0 ? { other: rowOf({}, rest, metric, rest.sampled > 0 ? weight : 0) } : {}),
    ...run.provenance(),
  }
}

/** One row: how many groups, their sums, and the greatest of them as tuples (−metric, keys…, sums…). One pass over the rows. */
function topSql(prepared: Prepared, grouping: Grouping, limit: number): string {
  const m = metricSum(prepared.metric)
  const outer = ['b', 'p', 'f', 'v', 'y'].map((name) => `toFloat64(sum(${name}))`).join(', ')
  const tuple = `(-toFloat64(${m}), ${grouping.keys}, toFloat64(b), toFloat64(p), toFloat64(f), v, toFloat64(y))`
  return `SELECT count(), ${outer}, groupArraySorted(${limit})(${tuple}) FROM (${groupedSql(prepared, grouping)})`
}

function groupedSql(prepared: Prepared, grouping: Grouping): string {
  return `SELECT ${grouping.select}, ${sumsSql(prepared.metric)} FROM ${grouping.from} WHERE ${where(prepared)} GROUP BY ${grouping.keys}`
}

/** The greatest keys as a set, for `… IN (…)`. */
export function topKeysSql(prepared: Prepared, grouping: Grouping, limit: number, from = prepared.from, to = prepared.to): string {
  const m = { bytes: 'sum(bytes * sampling_rate)', packets: 'sum(packets * sampling_rate)', flows: 'count()' }[prepared.metric]
  // Equal sums are told apart by their keys, as groupArraySorted does.
  return `SELECT tuple(${grouping.keys}) FROM (SELECT ${grouping.select}, ${m} AS m FROM ${grouping.from} WHERE ${where(prepared, from, to)} GROUP BY ${grouping.keys} ORDER BY m DESC, ${grouping.keys} LIMIT ${limit})`
}

/** Rows of which no side is among the greatest. */
async function otherSums(prepared: Prepared, grouping: Grouping, limit: number, run: Run): Promise<Sums> {
  const keys = topKeysSql(prepared, grouping, limit)
  const [first, second] = grouping.sideTuples
  const inside = `${first} IN (SELECT * FROM top) OR ${second} IN (SELECT * FROM top)`
  const sql = `WITH top AS (${keys}) SELECT ${sumsSql(prepared.metric)} FROM flows WHERE ${where(prepared)} AND NOT (${inside})`
  return sumsOf((await run.query(sql)).rows[0] as readonly Cell[], 0)
}

/** The sums over all rows, each once. */
export async function totalSums(prepared: Prepared, run: Run): Promise<Sums> {
  const answer = await run.query(`SELECT ${sumsSql(prepared.metric)} FROM flows WHERE ${where(prepared)}`)
  return sumsOf(answer.rows[0] as readonly Cell[], 0)
}

/** The sampling rates of the rows, ascending. */
export async function ratesMet(prepared: Prepared, run: Run, from = prepared.from, to = prepared.to): Promise<number[]> {
  const answer = await run.query(`SELECT arraySort(groupUniqArray(1000)(sampling_rate)) FROM flows WHERE ${where(prepared, from, to)}`)
  const rates = (answer.rows[0]?.[0] ?? []) as readonly Cell[]
  return rates.length === 0 ? [1] : rates.map(Number)
}
