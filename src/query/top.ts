import type { Cell } from '../store/store.ts'
import { codesOf, greatestSql, groupedSql, groupingBy, keyOf, type Grouping } from './group.ts'
import {
  SUM_NAMES,
  UNSAMPLED,
  metricSum,
  rowOf,
  sumsOf,
  sumsSql,
  withoutSums,
  type Row,
  type Sampling,
  type Sums,
} from './measure.ts'
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

/**
 * Nearly every row of the range counts, so that reading it in steps only costs (a fifth); and a hash table is split in
 * 256 for merging only where it is large.
 */
const ONE_PASS =
  'enable_multiple_prewhere_read_steps = 0, group_by_two_level_threshold = 1000000, group_by_two_level_threshold_bytes = 200000000'

/** Keys that a statement can hold by value: the engine reads at most 256 kB of text. */
const MOST_CODES = 300

interface Found {
  readonly cells: readonly Cell[]
  readonly sums: Sums
}

export async function top(asked: Prepared, limit: number, run: Run): Promise<TopAnswer> {
  const prepared = { ...asked, unsampled: await isUnsampled(asked, run) }
  const { dimensions, metric } = prepared
  const columns = dimensions.map((d) => d.name)
  if (dimensions.length === 0) {
    const sums = await totalSums(prepared, run)
    const sampling = await samplingOf(prepared, sums, run)
    const total = rowOf({}, sums, metric, sampling)
    const isEmpty = sums.flows === 0
    return {
      columns,
      rows: isEmpty ? [] : [total],
      groups: isEmpty ? 0 : 1,
      total,
      samplingRates: [...sampling.rates],
      ...run.provenance(),
    }
  }
  const grouping = groupingBy(dimensions)
  const { found, totals, groups } = await greatest(prepared, grouping, limit, run)
  const rest = groups > found.length ? await otherSums(prepared, grouping, found, totals, run) : undefined
  const sampling = await samplingOf(prepared, totals, run)
  return {
    columns,
    groups,
    rows: found.map(({ cells, sums }) => rowOf(keyOf(grouping, cells, 0), sums, metric, sampling)),
    ...(rest && rest.flows > 0 ? { other: rowOf({}, rest, metric, sampling) } : {}),
    total: rowOf({}, totals, metric, sampling),
    samplingRates: [...sampling.rates],
    ...run.provenance(),
  }
}

/** Stops at the first sampled row; where there is none, it has read one column, and the sums are the cheaper for it. */
async function isUnsampled(prepared: Prepared, run: Run): Promise<boolean> {
  const { rows } = await run.query(`SELECT 1 FROM flows WHERE ${where(prepared)} AND sampling_rate > 1 LIMIT 1`)
  return rows.length === 0
}

/** One pass over the rows: the greatest groups, how many there are, and the sums of all. */
async function greatest(
  prepared: Prepared,
  grouping: Grouping,
  limit: number,
  run: Run,
): Promise<{ found: Found[]; totals: Sums; groups: number }> {
  const once = SUM_NAMES.map((name) => `toFloat64(sum(${grouping.either ? `t${name}` : name}))`).join(', ')
  const tuple = `(-toFloat64(${metricSum(prepared.metric)}), ${grouping.keys}, ${SUM_NAMES.map((name) => `toFloat64(${name})`).join(', ')})`
  const answer = await run.query(
    `SELECT count(), ${once}, groupArraySorted(${limit})(${tuple}) FROM (${groupedSql(prepared, grouping)}) SETTINGS ${ONE_PASS}`,
  )
  const cells = answer.rows[0] as readonly Cell[]
  const width = grouping.dimensions.length
  const tuples = cells[1 + SUM_NAMES.length] as readonly (readonly Cell[])[]
  return {
    groups: Number(cells[0]),
    totals: sumsOf(cells, 1),
    found: tuples.map((t) => ({ cells: t.slice(1, 1 + width), sums: sumsOf(t, 1 + width) })),
  }
}

/** What is in none of the greatest groups. Where a row may be in two of them, the rows have to be looked at again. */
async function otherSums(
  prepared: Prepared,
  grouping: Grouping,
  found: readonly Found[],
  totals: Sums,
  run: Run,
): Promise<Sums> {
  if (!grouping.either)
    return withoutSums(
      totals,
      found.map((f) => f.sums),
    )
  if (found.length > MOST_CODES) return otherBySet(prepared, grouping, found.length, run)
  const codes = codesOf(
    grouping,
    found.map((f) => f.cells),
    prepared.params,
  )
  const names = codes.sides.map((side, s) => side.map((_, d) => `c${s}_${d}`))
  const select = codes.sides
    .flatMap((side, s) => side.map((expression, d) => `${expression} AS ${names[s]?.[d]}`))
    .join(', ')
  const groups = names.flat()
  const answer = await run.query(
    `SELECT ${select}, ${sumsSql(prepared.metric, prepared.unsampled)} FROM flows WHERE ${where(prepared)} GROUP BY ${groups.join(', ')}`,
  )
  const width = grouping.dimensions.length
  const inside = answer.rows.filter((cells) =>
    codes.sides.some((_, s) => codes.indexOf(cells.slice(s * width, (s + 1) * width).map(Number)) >= 0),
  )
  return withoutSums(
    totals,
    inside.map((cells) => sumsOf(cells, groups.length)),
  )
}

/** The same where the keys are too many to be written into a statement. */
async function otherBySet(prepared: Prepared, grouping: Grouping, limit: number, run: Run): Promise<Sums> {
  const set = greatestSql(prepared, grouping, limit, prepared.from, prepared.to)
  const inside = grouping.sides.map((side) => `(${side.join(', ')}) IN (${set})`).join(' OR ')
  const answer = await run.query(
    `SELECT ${sumsSql(prepared.metric, prepared.unsampled)} FROM flows WHERE ${where(prepared, prepared.from, prepared.to, `NOT (${inside})`)}`,
  )
  return sumsOf(answer.rows[0] as readonly Cell[], 0)
}

/** The sums over all rows, each once. */
async function totalSums(prepared: Prepared, run: Run): Promise<Sums> {
  const answer = await run.query(
    `SELECT ${sumsSql(prepared.metric, prepared.unsampled)} FROM flows WHERE ${where(prepared)}`,
  )
  return sumsOf(answer.rows[0] as readonly Cell[], 0)
}

/** How the rows were sampled; asked for only if the sums don't say that nothing was. */
export async function samplingOf(
  prepared: Prepared,
  totals: Sums,
  run: Run,
  from = prepared.from,
  to = prepared.to,
): Promise<Sampling> {
  if (totals.flows === 0 || (prepared.metric !== 'flows' && totals.sampled === 0)) return UNSAMPLED
  const size =
    'quantileBFloat16WeightedIf(0.95)(bytes / greatest(packets, 1), bytes * sampling_rate, sampling_rate > 1)'
  const answer = await run.query(
    `SELECT arraySort(groupUniqArray(1000)(sampling_rate)), ${size} FROM flows WHERE ${where(prepared, from, to)}`,
  )
  const [rates, packetBytes] = (answer.rows[0] ?? []) as readonly [readonly Cell[], Cell]
  return rates.length === 0 ? UNSAMPLED : { rates: rates.map(Number), packetBytes: Number(packetBytes) || 0 }
}
