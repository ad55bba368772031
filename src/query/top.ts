import { UserError } from '../base/errors.ts'
import type { Cell } from '../store/store.ts'
import { MOST_CODES, sumsByKey } from './by-key.ts'
import { greatestSql, groupedSql, groupingBy, keyOf, namedOnly, type Grouping } from './group.ts'
import { greatestKeys } from './greatest-keys.ts'
import { greatestByHash, keysOf } from './hashed.ts'
import {
  SUM_NAMES,
  metricSum,
  rowOf,
  sumsOf,
  sumsSql,
  withoutSums,
  type Row,
  type Sampling,
  type Sums,
} from './measure.ts'
import { missingOf, withMissing, withoutMissing, type MissingOf } from './missing.ts'
import { rowsOf, type Prepared } from './question.ts'
import type { Provenance, Run } from './run.ts'
import { howSampled } from './sampling.ts'
import { withShares } from './speeds.ts'

// The greatest groups of a range: `who are the top talkers?`

export interface TopAnswer extends Provenance {
  columns: string[]
  rows: Row[]
  other?: Row
  groups: number
  total: Row
  /** The same groups in the same order, as they were before. */
  previous?: { from: number; to: number; rows: Row[]; other?: Row; total: Row }
}

/**
 * Nearly every row of the range counts, so that reading it in steps only costs (a fifth); and a hash table is split in
 * 256 for merging only where it is large.
 */
const ONE_PASS =
  'enable_multiple_prewhere_read_steps = 0, group_by_two_level_threshold = 1000000, group_by_two_level_threshold_bytes = 200000000'

interface Found {
  readonly cells: readonly Cell[]
  readonly sums: Sums
}

interface Greatest {
  readonly found: readonly Found[]
  readonly totals: Sums
  readonly groups: number
  /** Of the rows that are in none of them, where that is known at once. */
  readonly rest?: Sums
}

/** @param before the same question for the time before */
export async function top(asked: Prepared, limit: number, run: Run, before?: Prepared): Promise<TopAnswer> {
  const how = howSampled(asked, run)
  const known = how.facts
  // Of the flows it is worth to know beforehand that nothing was sampled; rollups are small either way.
  const prepared = asked.reading ? asked : { ...asked, unsampled: (await known).sampledRate === undefined }
  const { dimensions, metric } = prepared
  const columns = dimensions.map((d) => d.name)
  if (dimensions.length === 0) {
    const [sums, facts] = await Promise.all([totalSums(prepared, run), known])
    const sampling = await how.sampling
    const missing = await missingOf(prepared, [], run)
    const [total] = withMissing([rowOf({}, sums, metric, sampling)], [missing.all]) as [Row]
    const isEmpty = sums.flows === 0
    const earlier = before ? rowOf({}, await totalSums(before, run), metric, sampling) : undefined
    return {
      columns,
      rows: isEmpty ? [] : [total],
      groups: isEmpty ? 0 : 1,
      total,
      ...(before && earlier
        ? { previous: { from: before.from, to: before.to, rows: isEmpty ? [] : [earlier], total: earlier } }
        : {}),
      ...run.provenance(prepared, sampling, facts),
    }
  }
  const grouping = groupingBy(prepared)
  const [all, facts] = await Promise.all([greatest(prepared, grouping, limit, run), known])
  const { found, totals, groups } = all
  const isMore = groups > found.length || grouping.folded !== undefined
  const rest = isMore ? (all.rest ?? (await otherSums(prepared, grouping, found, totals, run))) : undefined
  const sampling = await how.sampling
  const previous = before ? await asBefore(before, found, sampling, run) : undefined
  const kept = found.map(({ cells, sums }) => rowOf(keyOf(grouping, cells, 0), sums, metric, sampling))
  const keys = found.map((f) => f.cells)
  const missing = await missingOf(prepared, keys, run)
  const rows = withMissing(kept, missing.keys)
  return {
    columns,
    groups,
    rows: prepared.unit === 'share' ? await withShares(prepared, rows, run) : rows,
    ...(rest && rest.flows > 0 ? { other: restOf(rowOf({}, rest, metric, sampling), missing) } : {}),
    total: withMissing([rowOf({}, totals, metric, sampling)], [missing.all])[0] as Row,
    ...(previous ? { previous } : {}),
    ...run.provenance(prepared, sampling, facts),
  }
}

/** What is in none of the rows: less by what may be missing of them, more by what may be missing of all. */
function restOf(rest: Row, { keys, all }: MissingOf): Row {
  return withMissing([withoutMissing(rest, keys)], [all])[0] as Row
}

async function asBefore(
  before: Prepared,
  found: readonly Found[],
  sampling: Sampling,
  run: Run,
): Promise<TopAnswer['previous']> {
  const { from, to, metric } = before
  if (found.length > MOST_CODES)
    throw new UserError(`an earlier time is answered beside at most ${MOST_CODES} rows`, { hint: 'give a lower limit' })
  const grouping = groupingBy(before)
  const keys = found.map((f) => f.cells)
  const { of, rest, total } = await sumsByKey(before, grouping, keys, run)
  const missing = await missingOf(before, keys, run)
  const rows = keys.map((cells, i) => rowOf(keyOf(grouping, cells, 0), of[i] as Sums, metric, sampling))
  return {
    from,
    to,
    rows: withMissing(rows, missing.keys),
    ...(rest.flows > 0 ? { other: restOf(rowOf({}, rest, metric, sampling), missing) } : {}),
    total: withMissing([rowOf({}, total, metric, sampling)], [missing.all])[0] as Row,
  }
}

/** One pass over the rows: the greatest groups, how many there are, and the sums of all. */
async function greatest(prepared: Prepared, grouping: Grouping, limit: number, run: Run): Promise<Greatest> {
  if (grouping.either && limit <= MOST_CODES) return greatestOfEither(prepared, grouping, limit, run)
  const wanted = { sql: sumsSql(prepared), names: SUM_NAMES, order: metricSum(prepared.metric) }
  const hashed = grouping.either ? undefined : await greatestByHash(prepared, keysOf(grouping), wanted, limit, run)
  if (hashed)
    return {
      groups: hashed.groups,
      totals: sumsOf(hashed.totals, 0),
      found: hashed.found.map(({ cells, sums }) => ({ cells, sums: sumsOf(sums, 0) })),
    }
  const once = SUM_NAMES.map((name) => `toFloat64(sum(${grouping.either ? `t${name}` : name}))`).join(', ')
  const tuple = `(-toFloat64(${metricSum(prepared.metric)}), ${grouping.keys}, ${SUM_NAMES.map((name) => `toFloat64(${name})`).join(', ')})`
  const named = namedOnly(grouping)
  const answer = await run.query(
    `SELECT ${named.count}, ${once}, ${named.list(limit)}(${tuple}${named.more}) FROM (${groupedSql(prepared, grouping)}) SETTINGS ${ONE_PASS}`,
    grouping.sides.length,
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

/** First which they are, by the metric alone; then what they amount to, and all rows once. */
async function greatestOfEither(prepared: Prepared, grouping: Grouping, limit: number, run: Run): Promise<Greatest> {
  const { keys, groups } = await greatestKeys(prepared, grouping, limit, run)
  const { of, rest, total } = await sumsByKey(prepared, grouping, keys, run)
  return { groups, totals: total, rest, found: keys.map((cells, i) => ({ cells, sums: of[i] as Sums })) }
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
  return otherBySet(prepared, grouping, found.length, run)
}

/** The same where the keys are too many to be written into a statement. */
async function otherBySet(prepared: Prepared, grouping: Grouping, limit: number, run: Run): Promise<Sums> {
  const set = greatestSql(prepared, grouping, limit)
  const inside = grouping.sides.map((side) => `(${side.join(', ')}) IN (${set})`).join(' OR ')
  const answer = await run.query(`SELECT ${sumsSql(prepared)} FROM ${rowsOf(prepared, `NOT (${inside})`)}`)
  return sumsOf(answer.rows[0] as readonly Cell[], 0)
}

/** The sums over all rows, each once. */
async function totalSums(prepared: Prepared, run: Run): Promise<Sums> {
  const answer = await run.query(`SELECT ${sumsSql(prepared)} FROM ${rowsOf(prepared)}`)
  return sumsOf(answer.rows[0] as readonly Cell[], 0)
}
