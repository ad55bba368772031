import { UserError } from '../base/errors.ts'
import type { Cell } from '../store/store.ts'
import type { KeyValue } from './dimensions.ts'
import { groupingBy } from './group.ts'
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
import { rowsOf, type Prepared } from './question.ts'
import type { Provenance, Run } from './run.ts'
import { factsOf, samplingOf } from './sampling.ts'

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
  const facts = await factsOf(prepared, run)
  const { found, groups, total } = await greatest(prepared, limit, run)
  const sampling = await samplingOf(prepared, total, facts, run)
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
  const tupleOf = (side: readonly string[]): string => `tuple(${ends.map((i) => side[i]).join(', ')})`
  const up = `(${tupleOf(first)} <= ${tupleOf(second)})`
  const keys = [
    ...ends.map((i, n) => `if(up, ${first[i]}, ${second[i]}) AS a${n}`),
    ...ends.map((i, n) => `if(up, ${second[i]}, ${first[i]}) AS z${n}`),
    ...shared.map((i, n) => `${first[i]} AS s${n}`),
  ]
  const names = keys.map((key) => key.split(' AS ').at(-1) as string)
  const list = names.join(', ')
  const oneWay = `SELECT ${up} AS up, ${keys.join(', ')}, ${sumsSql(prepared)} FROM ${rowsOf(prepared)} GROUP BY up, ${list}`
  const ways = SUM_NAMES.flatMap((name) => [`sumIf(${name}, up) AS ${name}u`, `sumIf(${name}, NOT up) AS ${name}d`])
  const pairs = `SELECT ${list}, ${ways.join(', ')} FROM (${oneWay}) GROUP BY ${list}`
  const metric = metricSum(prepared.metric)
  const each = (way: 'u' | 'd'): string => SUM_NAMES.map((name) => `toFloat64(${name}${way})`).join(', ')
  const tuple = `(-toFloat64(${metric}u + ${metric}d), ${list}, ${each('u')}, ${each('d')})`
  const all = SUM_NAMES.map((name) => `toFloat64(sum(${name}u + ${name}d))`).join(', ')
  const answer = await run.query(`SELECT count(), ${all}, groupArraySorted(${limit})(${tuple}) FROM (${pairs})`)
  const cells = answer.rows[0] as readonly Cell[]
  const tuples = cells[1 + SUM_NAMES.length] as readonly (readonly Cell[])[]
  return {
    groups: Number(cells[0]),
    total: sumsOf(cells, 1),
    found: tuples.map((t) => ({
      key: t.slice(1, 1 + names.length),
      up: sumsOf(t, 1 + names.length),
      down: sumsOf(t, 1 + names.length + SUM_NAMES.length),
    })),
  }
}
