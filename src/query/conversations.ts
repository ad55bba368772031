import { UserError } from '../base/errors.ts'
import type { Cell } from '../store/store.ts'
import type { Dimension, KeyValue } from './dimensions.ts'
import { groupingBy } from './group.ts'
import { greatestByHash, greatestByKey } from './hashed.ts'
import {
  SUM_NAMES,
  addSums,
  measuresOf,
  metricSum,
  noSums,
  sumsOf,
  sumsSql,
  withoutSums,
  type Measures,
  type Sums,
} from './measure.ts'
import type { Prepared } from './question.ts'
import type { Provenance, Run } from './run.ts'
import { howSampled } from './sampling.ts'

// Who talks with whom: one row an unordered pair of ends, with what went each way.

export interface Conversation {
  /** The end that sent more of the metric. */
  a: Record<string, KeyValue>
  b: Record<string, KeyValue>
  key: Record<string, KeyValue>
  forth: Measures
  back: Measures
  both: Measures
}

export interface ConversationsAnswer extends Provenance {
  ends: string[]
  shared: string[]
  rows: Conversation[]
  other?: Measures
  groups: number
  total: Measures
}

interface Found {
  readonly key: readonly Cell[]
  readonly up: Sums
  readonly down: Sums
}

export async function conversations(prepared: Prepared, limit: number, run: Run): Promise<ConversationsAnswer> {
  const { dimensions, metric } = prepared
  const ends = dimensions.filter((d) => d.sides.length === 2)
  const shared = dimensions.filter((d) => d.sides.length === 1)
  if (ends.length === 0)
    throw new UserError('a conversation needs something that both of its ends have', {
      hint: 'for example by: ["ip"], or ["vm", "port"]',
    })
  const how = howSampled(prepared, run)
  const { found, groups, total } = await greatest(prepared, limit, run)
  const [facts, sampling] = await Promise.all([how.facts, how.sampling])
  const measures = (sums: Sums): Measures => measuresOf(sums, metric, sampling)
  const named = (of: typeof dimensions, cells: readonly Cell[]): Record<string, KeyValue> =>
    Object.fromEntries(of.map((d, i) => [d.name, d.decode(cells[i] as Cell)]))
  const rest = withoutSums(total, found.map(bothOf))
  return {
    ends: ends.map((d) => d.name),
    shared: shared.map((d) => d.name),
    rows: found.map((one) => {
      const low = named(ends, one.key)
      const high = named(ends, one.key.slice(ends.length))
      const turned = one.down[metric] > one.up[metric]
      return {
        a: turned ? high : low,
        b: turned ? low : high,
        key: named(shared, one.key.slice(2 * ends.length)),
        forth: measures(turned ? one.down : one.up),
        back: measures(turned ? one.up : one.down),
        both: measures(bothOf(one)),
      }
    }),
    ...(groups > found.length || rest.flows > 0 ? { other: measures(rest) } : {}),
    groups,
    total: measures(total),
    ...run.provenance(prepared, sampling, facts),
  }
}

function bothOf({ up, down }: Pick<Found, 'up' | 'down'>): Sums {
  const sums = noSums()
  addSums(sums, up)
  addSums(sums, down)
  return sums
}

/** Keys: the lesser end, the greater end, what they share. `up` is from the lesser to the greater. */
async function greatest(
  prepared: Prepared,
  limit: number,
  run: Run,
): Promise<{ found: Found[]; groups: number; total: Sums }> {
  const grouping = groupingBy(prepared)
  const { dimensions } = prepared
  const [first, second] = grouping.sides as readonly [readonly string[], readonly string[]]
  const ends = dimensions.flatMap((d, i) => (d.sides.length === 2 ? [i] : []))
  const shared = dimensions.flatMap((d, i) => (d.sides.length === 1 ? [i] : []))
  const endOf = (side: readonly string[]): string => {
    const parts = ends.map((i) => side[i])
    return parts.length === 1 ? (parts[0] as string) : `tuple(${parts.join(', ')})`
  }
  const up = `(${endOf(first)} <= ${endOf(second)})`
  const expressions = [
    ...ends.map((i) => `if(${up}, ${first[i]}, ${second[i]})`),
    ...ends.map((i) => `if(${up}, ${second[i]}, ${first[i]})`),
    ...shared.map((i) => first[i] as string),
  ]
  const keys = { expressions, types: [...ends, ...ends, ...shared].map((i) => (dimensions[i] as Dimension).type) }
  const metric = metricSum(prepared.metric)
  const wanted = {
    sql: `${sumsSql(prepared, { when: up, suffix: 'u' })}, ${sumsSql(prepared, { when: `NOT ${up}`, suffix: 'd' })}`,
    names: ['u', 'd'].flatMap((way) => SUM_NAMES.map((name) => `${name}${way}`)),
    order: `(${metric}u + ${metric}d)`,
  }
  const { found, groups, totals } =
    (await greatestByHash(prepared, keys, wanted, limit, run)) ??
    (await greatestByKey(prepared, keys, wanted, limit, run))
  const total = sumsOf(totals, 0)
  addSums(total, sumsOf(totals, SUM_NAMES.length))
  return {
    groups,
    total,
    found: found.map(({ cells, sums }) => ({ key: cells, up: sumsOf(sums, 0), down: sumsOf(sums, SUM_NAMES.length) })),
  }
}
