import type { Cell } from '../store/store.ts'
import type { Buckets } from './buckets.ts'
import type { KeyValue } from './dimensions.ts'
import { codesOf, groupingBy, keyOf, type Codes } from './group.ts'
import { greatestKeys } from './greatest-keys.ts'
import {
  addSums,
  intervalOf,
  noSums,
  rowOf,
  sumsOf,
  sumsSql,
  weightOf,
  type Metric,
  type Row,
  type Sampling,
  type Sums,
} from './measure.ts'
import { missingOf, withMissing, withoutMissing, type Missing, type MissingOf } from './missing.ts'
import { rowsOf, type Prepared } from './question.ts'
import type { Provenance, Run } from './run.ts'
import { howSampled } from './sampling.ts'
import { SLOT_SECONDS } from '../store/schema.ts'
import { speedsOf } from './speeds.ts'

// The metric over time, for the greatest groups of the whole range and the rest of it as one; and the same lines some
// time before, where that is asked for.

export interface Drawn {
  values: (number | null)[]
  low: (number | null)[]
  high: (number | null)[]
  total: Row
}

export interface Series extends Drawn {
  key: Record<string, KeyValue>
  other: boolean
  /** The 95th percentile of the known values by nearest rank, as traffic is billed; null without any. */
  p95: { value: number; low: number; high: number } | null
  /** Of the line's interface, bits a second. */
  speed?: number | null
}

export interface SeriesAnswer extends Provenance {
  columns: string[]
  from: number
  to: number
  step: number
  times: number[]
  series: Series[]
  groups: number
  total: Row
  /** The same lines, in the same order, as they were before: index by index beside those of now. */
  previous?: { from: number; to: number; series: Drawn[]; total: Row }
}

interface Line {
  readonly key: Record<string, KeyValue>
  readonly other: boolean
  readonly buckets: Map<number, Sums>
  readonly sums: Sums
}

/** Prepared for whole buckets. */
export interface Drawing {
  /** Read from tables whose buckets lie within those of the series. */
  readonly prepared: Prepared
  /** The same range, read from the coarsest tables: sums of all of it are cheaper there. */
  readonly overall: Prepared
  readonly buckets: Buckets
}

/**
 * @param before the same question for the time before, bucket by bucket
 * @param now buckets that begin later have no value yet
 */
export async function series(
  { prepared, overall, buckets }: Drawing,
  before: Omit<Drawing, 'overall'> | undefined,
  limit: number,
  now: number,
  run: Run,
): Promise<SeriesAnswer> {
  const { dimensions, metric } = prepared
  const how = howSampled(overall, run)
  const [facts, { lines, total, groups, keys }, oldest] = await Promise.all([
    how.facts,
    dimensions.length === 0 ? wholeLine(prepared, buckets, run) : greatestLines(prepared, overall, buckets, limit, run),
    oldestRow(prepared, run),
  ])
  const order = lines
    .map((_, i) => i)
    .sort(
      (a, b) =>
        Number(at(lines, a).other) - Number(at(lines, b).other) ||
        at(lines, b).sums[metric] - at(lines, a).sums[metric],
    )
  const sampling = await how.sampling
  const isShare = prepared.unit === 'share'
  const speedOf = isShare
    ? await speedsOf(
        prepared,
        lines.map((line) => line.key),
        run,
      )
    : undefined
  const draw = (line: Line, i: number, of: Buckets, known: readonly boolean[], missing: MissingOf): Drawn => {
    const drawing = drawn(line, metric, of, known, sampling, doubtOf(line, i, missing))
    return speedOf ? asShare(drawing, line.other ? null : speedOf(line.key)) : drawing
  }
  const known = isKnown(buckets, now, oldest, prepared)
  const knownBefore = before ? isKnown(before.buckets, now, oldest, before.prepared) : []
  const missing = await missingOf(prepared, keys ?? [], run, bucketSql(buckets))
  const previous = before
    ? await Promise.all([
        linesOf(before.prepared, before.buckets, keys, lines, run),
        missingOf(before.prepared, keys ?? [], run, bucketSql(before.buckets)),
      ]).then(([then, missed]) => ({
        from: before.buckets.from,
        to: before.buckets.to,
        series: order.map((i) => draw(at(then.lines, i), i, before.buckets, knownBefore, missed)),
        total: totalOf(then.total, metric, sampling, missed),
      }))
    : undefined
  return {
    columns: dimensions.map((d) => d.name),
    from: buckets.from,
    to: buckets.to,
    step: buckets.step,
    times: timesOf(buckets),
    series: order.map((i) => {
      const { key, other } = at(lines, i)
      const line = draw(at(lines, i), i, buckets, known, missing)
      const speed = speedOf ? { speed: other ? null : speedOf(key) } : {}
      return { key, other, ...line, p95: percentile95(line), ...speed }
    }),
    groups,
    total: totalOf(total, metric, sampling, missing),
    ...(previous ? { previous } : {}),
    ...run.provenance(prepared, sampling, facts),
  }
}

/** What may stand elsewhere because rare addresses were put together: missing of a line, or too much in the rest. */
interface Doubt {
  readonly more: Missing
  readonly less: readonly Missing[]
}

function doubtOf({ other }: Line, index: number, { keys, all }: MissingOf): Doubt {
  return other ? { more: all, less: keys } : { more: keys[index] ?? all, less: [] }
}

function totalOf(sums: Sums, metric: Metric, sampling: Sampling, { all }: MissingOf): Row {
  return withMissing([rowOf({}, sums, metric, sampling)], [all])[0] as Row
}

function at(lines: readonly Line[], index: number): Line {
  return lines[index] as Line
}

function timesOf(buckets: Buckets): number[] {
  return Array.from({ length: buckets.count }, (_, i) => buckets.from + i * buckets.step * 1000)
}

/** Of each bucket whether it may have rows: it has begun, and something is kept of it where the question is read. */
function isKnown(buckets: Buckets, now: number, oldest: number, { reading }: Prepared): boolean[] {
  const width = buckets.step * 1000
  const isKept = (time: number): boolean =>
    !reading || reading.pieces.some((piece) => piece.from < time + width && piece.to > time)
  return timesOf(buckets).map((time) => time <= now && time + width > oldest && isKept(time))
}

interface Lines {
  readonly lines: Line[]
  /** Each row once. */
  readonly total: Sums
}

type Keys = readonly (readonly Cell[])[]

interface Chosen extends Lines {
  readonly groups: number
  /** Of the lines, by which rows are told to belong to them; undefined if all do. */
  readonly keys?: Keys | undefined
}

/** @param slotted true where rows of flows are read, each with the slot in which it was received */
function bucketSql(buckets: Buckets, slotted = false): string {
  const { from, step } = buckets
  const isOfSlots = slotted && [from / 1000, step].every((seconds) => seconds % SLOT_SECONDS === 0)
  const time = isOfSlots ? 'toInt64(toUnixTimestamp(slot)) * 1000' : 'toUnixTimestamp64Milli(time_received)'
  return `toUInt32(intDiv(${time} - ${from}, ${Math.round(step * 1000)})) AS t`
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
async function wholeLine(prepared: Prepared, buckets: Buckets, run: Run): Promise<Chosen> {
  const { lines, total } = await linesOf(prepared, buckets, undefined, [newLine({}, false)], run)
  return total.flows > 0 ? { lines, total, groups: 1 } : { lines: [], total, groups: 0 }
}

/** One line a group, the greatest of the whole range, and one for the rest: first the keys, then their buckets by code. */
async function greatestLines(
  prepared: Prepared,
  overall: Prepared,
  buckets: Buckets,
  limit: number,
  run: Run,
): Promise<Chosen> {
  const grouping = groupingBy(overall)
  const { keys, groups } = await greatestKeys(overall, grouping, limit, run)
  // What a rollup has put together of rare keys has no name, and yet is there.
  if (groups === 0 && grouping.folded === undefined) return { lines: [], total: noSums(), groups }
  const wanted = [...keys.map((key) => newLine(keyOf(grouping, key, 0), false)), newLine({}, true)]
  const { lines, total } = await linesOf(prepared, buckets, keys, wanted, run)
  const rest = lines.at(-1) as Line
  return { lines: rest.sums.flows > 0 ? lines : lines.slice(0, -1), total, groups, keys }
}

/** Lines of the same keys over these buckets; what is in none goes to the one that is `other`, or is left out. */
async function linesOf(
  prepared: Prepared,
  buckets: Buckets,
  keys: Keys | undefined,
  like: readonly Line[],
  run: Run,
): Promise<Lines> {
  const lines = like.map(({ key, other }) => newLine(key, other))
  const total = noSums()
  if (lines.length === 0) return { lines, total }
  const codes = keys ? codesOf(groupingBy(prepared), keys, prepared.params) : undefined
  const expressions = codes?.sides.flat() ?? []
  const select = expressions.map((expression, i) => `${expression} AS c${i}, `).join('')
  const names = expressions.map((_, i) => `, c${i}`).join('')
  const slotted = prepared.slotted === true && !prepared.reading
  const answer = await run.query(
    `SELECT ${bucketSql(buckets, slotted)}, ${select}${sumsSql(prepared)} FROM ${rowsOf(prepared)} GROUP BY t${names}`,
  )
  const other = lines.findIndex((line) => line.other)
  for (const cells of answer.rows) {
    const sums = sumsOf(cells, 1 + expressions.length)
    const bucket = Number(cells[0])
    addSums(total, sums)
    for (const index of codes ? linesMet(codes, cells, other) : [0])
      if (index >= 0) addTo(at(lines, index), bucket, sums)
  }
  return { lines, total }
}

function linesMet(codes: Codes, cells: readonly Cell[], other: number): Iterable<number> {
  const width = (codes.sides[0] as readonly string[]).length
  const met = new Set(
    codes.sides.map((_, s) => codes.indexOf(cells.slice(1 + s * width, 1 + (s + 1) * width).map(Number))),
  )
  met.delete(-1)
  return met.size > 0 ? met : [other]
}

/** A line with a value a second in each bucket; bytes as bits. */
function drawn(
  line: Line,
  metric: Metric,
  buckets: Buckets,
  known: readonly boolean[],
  sampling: Sampling,
  { more, less }: Doubt,
): Drawn {
  const scale = (metric === 'bytes' ? 8 : 1) / buckets.step
  // An empty bucket of a sampled line may have had packets that no sample met.
  const lineWeight = weightOf(line.sums, metric, sampling)
  const values: (number | null)[] = []
  const low: (number | null)[] = []
  const high: (number | null)[] = []
  const none = noSums()
  for (let i = 0; i < buckets.count; i++) {
    const sums = line.buckets.get(i) ?? none
    if (!known[i] && sums === none) {
      values.push(null)
      low.push(null)
      high.push(null)
      continue
    }
    const range = intervalOf(sums, metric, sums.sampled > 0 ? weightOf(sums, metric, sampling) : lineWeight)
    values.push(sums[metric] * scale)
    const tooMuch = less.reduce((sum, missing) => sum + (missing.get(i) ?? 0), 0)
    low.push(Math.max(0, range.low - tooMuch) * scale)
    high.push((range.high + (more.get(i) ?? 0)) * scale)
  }
  const row = rowOf(line.key, line.sums, metric, sampling)
  return { values, low, high, total: withMissing([withoutMissing(row, less)], [more])[0] as Row }
}

/** Bits a second as parts of a speed; unknown where the speed is. */
function asShare({ total, ...line }: Drawn, speed: number | null): Drawn {
  const part = (list: readonly (number | null)[]): (number | null)[] =>
    list.map((value) => (value === null || speed === null ? null : value / speed))
  return { values: part(line.values), low: part(line.low), high: part(line.high), total }
}

/** Each of the three by its own rank: a band around what would have been billed. */
export function percentile95(line: Pick<Drawn, 'values' | 'low' | 'high'>): Series['p95'] {
  const ranked = (list: readonly (number | null)[]): number | undefined => {
    const known = list.filter((value) => value !== null).sort((a, b) => a - b)
    return known[Math.ceil(known.length * 0.95) - 1]
  }
  const value = ranked(line.values)
  if (value === undefined) return null
  return { value, low: ranked(line.low) ?? value, high: ranked(line.high) ?? value }
}

/** Receipt of the oldest row kept, which the store knows without reading; infinity if there is none. */
async function oldestRow({ reading }: Prepared, run: Run): Promise<number> {
  const tables = new Set(reading?.pieces.map((piece) => piece.table) ?? ['flows'])
  const each = [...tables].map(
    (table) => `SELECT count() > 0 AS some, toUnixTimestamp64Milli(min(time_received)) AS t FROM ${table}`,
  )
  if (each.length === 0) return Number.POSITIVE_INFINITY
  const answer = await run.query(`SELECT max(some), minIf(t, some) FROM (${each.join(' UNION ALL ')})`)
  const [some, oldest] = answer.rows[0] as readonly Cell[]
  return some === 1 || some === true ? Number(oldest) : Number.POSITIVE_INFINITY
}
