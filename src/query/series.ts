import { UserError } from '../base/errors.ts'
import type { Cell } from '../store/store.ts'
import type { KeyValue } from './dimensions.ts'
import { codesOf, greatestSql, groupingBy, keyOf, type Grouping } from './group.ts'
import {
  addSums,
  intervalOf,
  noSums,
  rowOf,
  sumsOf,
  sumsSql,
  weightOf,
  type Row,
  type Sampling,
  type Sums,
} from './measure.ts'
import { where, type Metric, type Prepared } from './question.ts'
import type { Run } from './run.ts'
import { samplingOf } from './top.ts'

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

const STEPS = [
  1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400,
]
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
  if (count > MOST_POINTS)
    throw new UserError(`a step of ${step} s would make ${count} points`, {
      hint: `at most ${MOST_POINTS}; ask for a greater step or a shorter range`,
    })
  return { from: first, to: last, step: width / 1000, count }
}

/**
 * @param now buckets that begin later have no value yet
 */
export async function series(
  prepared: Prepared,
  limit: number,
  step: number | undefined,
  now: number,
  run: Run,
): Promise<SeriesAnswer> {
  const { dimensions, metric } = prepared
  const buckets = bucketsOf(prepared.from, prepared.to, step)
  const [{ lines, total }, oldest] = await Promise.all([
    dimensions.length === 0
      ? wholeLine(prepared, buckets, run)
      : greatestLines(prepared, groupingBy(dimensions), limit, buckets, run),
    oldestRow(run),
  ])
  lines.sort((a, b) => Number(a.other) - Number(b.other) || b.sums[metric] - a.sums[metric])
  const sampling = await samplingOf(prepared, total, run, buckets.from, buckets.to)
  const width = buckets.step * 1000
  const times = Array.from({ length: buckets.count }, (_, i) => buckets.from + i * width)
  const isKnown = times.map((time) => time <= now && time + width > oldest)
  return {
    columns: dimensions.map((d) => d.name),
    from: buckets.from,
    to: buckets.to,
    step: buckets.step,
    times,
    series: lines.map((line) => drawn(line, metric, buckets, isKnown, sampling)),
    total: rowOf({}, total, metric, sampling),
    samplingRates: [...sampling.rates],
    ...run.provenance(),
  }
}

interface Lines {
  readonly lines: Line[]
  /** Each row once. */
  readonly total: Sums
}

function bucketSql(buckets: Buckets): string {
  return `toUInt32(intDiv(toUnixTimestamp64Milli(time_received) - ${buckets.from}, ${Math.round(buckets.step * 1000)})) AS t`
}

function newLine(key: Record<string, KeyValue>, other: boolean): Line {
  return { key, other, buckets: new Map(), sums: noSums() }
}

function addTo(line: Line, bucket: number, sums: Sums): void {
  const there = line.buckets.get(bucket)
  if (there) addSums(there, sums)
  else line.buckets.set(bucket, { ...sums })
  addSums(line.sums, sums)
}

/** All of it as one line. */
async function wholeLine(prepared: Prepared, buckets: Buckets, run: Run): Promise<Lines> {
  const answer = await run.query(
    `SELECT ${bucketSql(buckets)}, ${sumsSql(prepared.metric)} FROM flows WHERE ${where(prepared, buckets.from, buckets.to)} GROUP BY t`,
  )
  const line = newLine({}, false)
  for (const cells of answer.rows) addTo(line, Number(cells[0]), sumsOf(cells, 1))
  return { lines: answer.rows.length > 0 ? [line] : [], total: line.sums }
}

/** One line a group, the greatest of the whole range, and one for the rest: first the keys, then their buckets by code. */
async function greatestLines(
  prepared: Prepared,
  grouping: Grouping,
  limit: number,
  buckets: Buckets,
  run: Run,
): Promise<Lines> {
  const { from, to } = buckets
  const keys = (await run.query(greatestSql(prepared, grouping, limit, from, to))).rows
  if (keys.length === 0) return { lines: [], total: noSums() }
  const codes = codesOf(grouping, keys, prepared.params)
  const expressions = codes.sides.flat()
  const names = expressions.map((_, i) => `c${i}`)
  const select = expressions.map((expression, i) => `${expression} AS ${names[i]}`).join(', ')
  const answer = await run.query(
    `SELECT ${bucketSql(buckets)}, ${select}, ${sumsSql(prepared.metric)} FROM flows WHERE ${where(prepared, from, to)} GROUP BY t, ${names.join(', ')}`,
  )
  const lines = keys.map((key) => newLine(keyOf(grouping, key, 0), false))
  const other = newLine({}, true)
  const total = noSums()
  const width = grouping.dimensions.length
  for (const cells of answer.rows) {
    const sums = sumsOf(cells, 1 + names.length)
    const bucket = Number(cells[0])
    addSums(total, sums)
    const met = new Set(
      codes.sides.map((_, s) => codes.indexOf(cells.slice(1 + s * width, 1 + (s + 1) * width).map(Number))),
    )
    met.delete(-1)
    if (met.size === 0) addTo(other, bucket, sums)
    for (const index of met) addTo(lines[index] as Line, bucket, sums)
  }
  return { lines: other.sums.flows > 0 ? [...lines, other] : lines, total }
}

/** A line with a value a second in each bucket; bytes as bits. */
function drawn(line: Line, metric: Metric, buckets: Buckets, isKnown: readonly boolean[], sampling: Sampling): Series {
  const scale = (metric === 'bytes' ? 8 : 1) / buckets.step
  // An empty bucket of a sampled line may have had packets that no sample met.
  const lineWeight = weightOf(line.sums, metric, sampling)
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
    const range = intervalOf(sums, metric, sums.sampled > 0 ? weightOf(sums, metric, sampling) : lineWeight)
    values.push(sums[metric] * scale)
    low.push(range.low * scale)
    high.push(range.high * scale)
  }
  return { key: line.key, other: line.other, values, low, high, total: rowOf(line.key, line.sums, metric, sampling) }
}

/** Receipt of the oldest row kept, which the store knows without reading; infinity if there is none. */
async function oldestRow(run: Run): Promise<number> {
  const answer = await run.query('SELECT count() > 0, toUnixTimestamp64Milli(min(time_received)) FROM flows')
  const [some, oldest] = answer.rows[0] as readonly Cell[]
  return some === 1 || some === true ? Number(oldest) : Number.POSITIVE_INFINITY
}
