import { UserError } from '../base/errors.ts'
import type { Cell } from '../store/store.ts'
import type { KeyValue } from './dimensions.ts'
import { groupingBy, keyOf, type Grouping } from './group.ts'
import { addSums, intervalOf, noSums, rowOf, sumsOf, sumsSql, weightOf, type Row, type Sums } from './measure.ts'
import { where, type Metric, type Prepared } from './question.ts'
import type { Run } from './run.ts'
import { ratesMet, topKeysSql } from './top.ts'

// The metric over time, for the greatest groups of the whole range and the rest of it as one.

export interface Series {
  key: Record<string, KeyValue>
  other: boolean
  values: (number | null)[]
  low: (number | null)[]
  high: (number | null)[]
  total: Row
}

export interface SeriesAnswer {
  columns: string[]
  from: number
  to: number
  step: number
  times: number[]
  series: Series[]
  total: Row
  source: string
  rowsRead: number
  tookMs: number
  samplingRates: number[]
}

interface Line {
  readonly key: Record<string, KeyValue>
  readonly other: boolean
  readonly buckets: Map<number, Sums>
  readonly sums: Sums
}

const STEPS = [1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400]
const DAY = 86_400
const USUAL_POINTS = 120
const MOST_POINTS = 5000

/** Whole buckets around the range. */
export interface Buckets {
  readonly from: number
  readonly to: number
  /** Seconds. */
  readonly step: number
  readonly count: number
}

/** Buckets of a range: of the step asked for, or of a round one that gives about 120. */
export function bucketsOf(from: number, to: number, asked?: number): Buckets {
  const ideal = (to - from) / 1000 / USUAL_POINTS
  const step = asked ?? STEPS.find((s) => s >= ideal) ?? Math.ceil(ideal / DAY) * DAY
  const width = Math.round(step * 1000)
  const first = Math.floor(from / width) * width
  const last = Math.ceil(to / width) * width
  const count = (last - first) / width
  if (count > MOST_POINTS) throw new UserError(`a step of ${step} s would make ${count} points`, { hint: `at most ${MOST_POINTS}; ask for a greater step or a shorter range` })
  return { from: first, to: last, step: width / 1000, count }
}

/**
 * @param now buckets that begin later have no value yet
 * @param oldest receipt of the oldest row of all: buckets that end before it have none either
 */
export async function series(prepared: Prepared, limit: number, step: number | undefined, now: number, run: Run): Promise<SeriesAnswer> {
  const { dimensions, metric } = prepared
  const buckets = bucketsOf(prepared.from, prepared.to, step)
  const grouping = dimensions.length === 0 ? undefined : groupingBy(dimensions)
  const [rows, samplingRates, oldest, whole] = await Promise.all([
    run.query(seriesSql(prepared, grouping, limit, buckets)),
    ratesMet(prepared, run, buckets.from, buckets.to),
    oldestRow(run),
    grouping?.either ? run.query(seriesSql(prepared, undefined, limit, buckets)) : undefined,
  ])
  const lines = linesOf(rows.rows, grouping)
  const total = noSums()
  for (const line of whole ? linesOf(whole.rows, undefined) : lines) addSums(total, line.sums)
  lines.sort((a, b) => Number(a.other) - Number(b.other) || b.sums[metric] - a.sums[metric])
  const width = buckets.step * 1000
  const times = Array.from({ length: buckets.count }, (_, i) => buckets.from + i * width)
  const isKnown = times.map((time) => time <= now && time + width > oldest)
  return {
    columns: dimensions.map((d) => d.name), from: buckets.from, to: buckets.to, step: buckets.step, times,
    series: lines.map((line) => drawn(line, metric, buckets, isKnown, weightOf(total))),
    total: rowOf({}, total, metric), samplingRates, ...run.provenance(),
  }
}

/** Rows (bucket, 1 if among the greatest, keys…, sums…). */
function seriesSql(prepared: Prepared, grouping: Grouping | undefined, limit: number, buckets: Buckets): string {
  const { from, to } = buckets
  const bucket = `toUInt32(intDiv(toUnixTimestamp64Milli(time_received) - ${from}, ${Math.round(buckets.step * 1000)})) AS t`
  const sums = sumsSql(prepared.metric)
  if (!grouping) return `SELECT ${bucket}, 1, ${sums} FROM flows WHERE ${where(prepared, from, to)} GROUP BY t`
  const top = `WITH top AS (${topKeysSql(prepared, grouping, limit, from, to)})`
  const [first, second] = grouping.sideTuples as [string, string?]
  const isTop = (tuple: string): string => `${tuple} IN (SELECT * FROM top)`
  const blank = `tuple(${grouping.dimensions.map((d) => `defaultValueOfArgumentType(${d.sides[0]})`).join(', ')})`
  const keys = grouping.dimensions.map((_, i) => `tupleElement(side, ${i + 2}) AS k${i}`).join(', ')
  const tagged = (tag: 0 | 1, tuple: string): string => `tupleConcat(tuple(${tag}), ${tuple})`
  // Each row lies under each of its sides that is among the greatest, or else once under the rest.
  const sides = second === undefined
    ? `[if(${isTop(first)}, ${tagged(1, first)}, ${tagged(0, blank)})]`
    : `multiIf(${first} = ${second} AND ${isTop(first)}, [${tagged(1, first)}],
        ${isTop(first)} AND ${isTop(second)}, [${tagged(1, first)}, ${tagged(1, second)}],
        ${isTop(first)}, [${tagged(1, first)}], ${isTop(second)}, [${tagged(1, second)}], [${tagged(0, blank)}])`
  return `${top} SELECT ${bucket}, tupleElement(side, 1) AS g, ${keys}, ${sums} FROM flows ARRAY JOIN ${sides} AS side
    WHERE ${where(prepared, from, to)} GROUP BY t, g, ${grouping.keys}`
}

function linesOf(rows: readonly (readonly Cell[])[], grouping: Grouping | undefined): Line[] {
  const lines = new Map<string, Line>()
  const width = grouping?.dimensions.length ?? 0
  for (const cells of rows) {
    const other = Number(cells[1]) === 0
    const id = other ? 'other' : JSON.stringify(cells.slice(2, 2 + width))
    let line = lines.get(id)
    if (!line) {
      line = { key: other || !grouping ? {} : keyOf(grouping, cells, 2), other, buckets: new Map(), sums: noSums() }
      lines.set(id, line)
    }
    const sums = sumsOf(cells, 2 + width)
    line.buckets.set(Number(cells[0]), sums)
    addSums(line.sums, sums)
  }
  return [...lines.values()]
}

/** A line with a value a second in each bucket; bytes as bits. */
function drawn(line: Line, metric: Metric, buckets: Buckets, isKnown: readonly boolean[], totalWeight: number): Series {
  const scale = (metric === 'bytes' ? 8 : 1) / buckets.step
  const isSampled = line.sums.sampled > 0
  // An empty bucket of a sampled line may have had packets that no sample met.
  const weight = isSampled ? Math.max(weightOf(line.sums), totalWeight) : 0
  const values: (number | null)[] = []
  const low: (number | null)[] = []
  const high: (number | null)[] = []
  const none = noSums()
  for (let i = 0; i < buckets.count; i++) {
    const sums = line.buckets.get(i) ?? none
    if (!isKnown[i] && sums === none) {
      values.push(null)
      low.push(null)
      high.push(null)
      continue
    }
    const range = intervalOf(sums, metric, weight)
    values.push(sums[metric] * scale)
    low.push(range.low * scale)
    high.push(range.high * scale)
  }
  return { key: line.key, other: line.other, values, low, high, total: rowOf(line.key, line.sums, metric, isSampled ? totalWeight : 0) }
}

/** Receipt of the oldest row kept, which the store knows without reading; infinity if there is none. */
async function oldestRow(run: Run): Promise<number> {
  const answer = await run.query('SELECT count() > 0, toUnixTimestamp64Milli(min(time_received)) FROM flows')
  const [some, oldest] = answer.rows[0] as readonly Cell[]
  return some === 1 || some === true ? Number(oldest) : Number.POSITIVE_INFINITY
}
