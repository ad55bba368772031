import type { Cell } from '../store/store.ts'
import { sumsByKey } from './by-key.ts'
import type { Dimension, KeyValue } from './dimensions.ts'
import { codesOf, groupingBy, keyOf, namedOnly, type Grouping } from './group.ts'
import { measuresOf, type Measures, type Sums } from './measure.ts'
import { rowsOf, type Prepared } from './question.ts'
import type { Provenance, Run } from './run.ts'
import { howSampled } from './sampling.ts'
import { replacedIn } from './source.ts'

// How many different values of a dimension each group has: `who scans?` is the sources with the most destinations.

export interface DistinctRow extends Measures {
  key: Record<string, KeyValue>
  distinct: Record<string, { value: number; low: number; high: number }>
}

export interface DistinctAnswer extends Provenance {
  columns: string[]
  of: string[]
  rows: DistinctRow[]
  groups: number
  total: Measures
}

/** @param order index in `counted`, by which the groups are ordered */
export async function distinct(prepared: Prepared, order: number, limit: number, run: Run): Promise<DistinctAnswer> {
  const { metric, counted: of = [] } = prepared
  const columns = prepared.dimensions.map((d) => d.name)
  const how = howSampled(prepared, run)
  const grouping = groupingBy(prepared)
  const { keys, counts, groups } = await greatest(prepared, grouping, of, order, limit, run)
  const sums = await sumsByKey(prepared, grouping, keys, run)
  const [facts, sampling] = await Promise.all([how.facts, how.sampling])
  const rare = facts.sampledRate !== undefined ? await rareValues(prepared, grouping, of, keys, run) : undefined
  return {
    columns,
    of: of.map((d) => d.name),
    rows: keys.map((key, row) => ({
      key: keyOf(grouping, key, 0),
      distinct: Object.fromEntries(
        of.map(({ name }, i) => {
          const seen = counts[row]?.[i] ?? 0
          const { once, twice } = rare?.[row]?.[i] ?? { once: 0, twice: 0 }
          return [name, { value: seen, low: seen, high: seen + unseenAtMost(once, twice) }]
        }),
      ),
      ...measuresOf(sums.of[row] as Sums, metric, sampling),
    })),
    groups,
    total: measuresOf(sums.total, metric, sampling),
    ...run.provenance(prepared, sampling, facts),
  }
}

async function greatest(
  prepared: Prepared,
  grouping: Grouping,
  of: readonly Dimension[],
  order: number,
  limit: number,
  run: Run,
): Promise<{ keys: (readonly Cell[])[]; counts: number[][]; groups: number }> {
  const named = namedOnly(grouping)
  const numbers = of.map((_, i) => `uniqExact(v${i}) AS d${i}`).join(', ')
  const tuple = `(-toFloat64(d${order}), ${grouping.keys}, ${of.map((_, i) => `d${i}`).join(', ')})`
  const answer = await run.query(
    `SELECT ${named.count}, ${named.list(limit)}(${tuple}${named.more}) FROM (SELECT ${grouping.keys}, ${numbers} FROM (${sidesSql(prepared, grouping, of, grouping.sides, 'k')}) GROUP BY ${grouping.keys})`,
    timesOf(grouping.either, of),
  )
  const [groups = 0, tuples = []] = answer.rows[0] ?? []
  const width = grouping.dimensions.length
  const list = tuples as readonly (readonly Cell[])[]
  return {
    groups: Number(groups),
    keys: list.map((t) => t.slice(1, 1 + width)),
    counts: list.map((t) => t.slice(1 + width).map(Number)),
  }
}

/**
 * Rows with their keys and the values that are counted. Where keys or values have two sides, each row stands there twice:
 * a value of two sides is that of the other end.
 */
function sidesSql(
  prepared: Prepared,
  { either }: Grouping,
  of: readonly Dimension[],
  keys: readonly (readonly string[])[],
  name: string,
): string {
  const side = (s: 0 | 1): string => {
    const key = (keys[s] ?? (keys[0] as readonly string[])).map((expression, i) => `${expression} AS ${name}${i}`)
    const values = of.map((d, i) => `${replacedIn(prepared.reading, d.sides[1 - s] ?? d.sides[0])} AS v${i}`)
    return `SELECT ${[...key, ...values].join(', ')}, if(sampling_rate > 1, packets, 1000) AS seen FROM ${rowsOf(prepared)}`
  }
  return timesOf(either, of) === 2 ? `${side(0)} UNION ALL ${side(1)}` : side(0)
}

function timesOf(either: boolean, of: readonly Dimension[]): number {
  return either || of.some((d) => d.sides.length === 2) ? 2 : 1
}

interface Rare {
  /** Values met by one sampled packet alone. */
  readonly once: number
  readonly twice: number
}

/** For each key and each dimension counted: the values that sampling has nearly missed. */
async function rareValues(
  prepared: Prepared,
  grouping: Grouping,
  of: readonly Dimension[],
  keys: readonly (readonly Cell[])[],
  run: Run,
): Promise<Rare[][]> {
  const rare: Rare[][] = keys.map(() => of.map(() => ({ once: 0, twice: 0 })))
  if (keys.length === 0) return rare
  const codes = codesOf(grouping, keys, prepared.params)
  const names = grouping.dimensions.map((_, i) => `c${i}`)
  const known = names.map((name) => `${name} > 0`).join(' AND ')
  const list = names.join(', ')
  for (const [i, dimension] of of.entries()) {
    const rows = `SELECT ${list}, v0, sum(seen) AS n FROM (${sidesSql(prepared, grouping, [dimension], codes.sides, 'c')}) WHERE ${known} GROUP BY ${list}, v0`
    const answer = await run.query(
      `SELECT ${list}, countIf(n = 1), countIf(n = 2) FROM (${rows}) GROUP BY ${list}`,
      timesOf(grouping.either, [dimension]),
    )
    for (const cells of answer.rows) {
      const row = codes.indexOf(cells.slice(0, names.length).map(Number))
      const [once = 0, twice = 0] = cells.slice(names.length).map(Number)
      if (row >= 0) (rare[row] as Rare[])[i] = { once, twice }
    }
  }
  return rare
}

/**
 * How many values sampling has missed, at most in 95 % of cases if they are about equally frequent: Chao's estimate from
 * those met once and twice, with its log-normal interval (A. Chao, Biometrics 43, 1987, 783–791). Where many are far rarer
 * than the others there were more, and nothing seen can tell how many. Where none was met twice, half of one is taken for it.
 */
export function unseenAtMost(once: number, twice: number): number {
  if (once === 0) return 0
  const ratio = once / Math.max(twice, 0.5)
  const missed = (once * ratio) / 2
  const variance = Math.max(twice, 0.5) * (ratio ** 4 / 4 + ratio ** 3 + ratio ** 2 / 2)
  return missed * Math.exp(1.96 * Math.sqrt(Math.log(1 + variance / missed ** 2)))
}
