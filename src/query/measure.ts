import type { Cell } from '../store/store.ts'
import type { KeyValue } from './dimensions.ts'
import { interval } from './interval.ts'
import type { Reading } from './source.ts'
import { addedBytesSql, type Unit } from './units.ts'

// The five sums that every answer is made of, and what they say: estimates of bytes and packets (each row scaled once by
// its rate), records, and for the metric the variance and the part that was sampled. All five add up over cells.

export type Metric = 'bytes' | 'packets' | 'flows'

export interface Sums {
  bytes: number
  packets: number
  flows: number
  variance: number
  sampled: number
}

export interface Measures {
  bytes: number
  packets: number
  flows: number
  low: number
  high: number
}

export interface Row extends Measures {
  key: Record<string, KeyValue>
  /** Bits a second as a part of the speed of the row's interface; null if that is not known. */
  share?: { value: number; low: number; high: number } | null
  /** Of the row's interface, bits a second. */
  speed?: number | null
}

const RATE = 'toFloat64(sampling_rate)'

/** Names of the sums in statements. */
export const SUM_NAMES = ['b', 'p', 'f', 'v', 'y'] as const

/** What the sums of a question depend on. */
export interface Measured {
  readonly metric: Metric
  readonly unit: Unit
  /** True if it is known that every row of the range was seen unsampled: nothing has to be scaled then. */
  readonly unsampled?: boolean
  /** Where rows of rollups are read. */
  readonly reading?: Reading | undefined
}

/** Rows that are summed up, and what their sums are called. */
export interface Part {
  readonly when: string
  /** Follows the names of the sums. */
  readonly suffix: string
}

/** The SELECT list of the sums, in the order of `sumsOf`, under their names; of a part of the rows if one is given. */
export function sumsSql(measured: Measured, part?: Part): string {
  const { metric, unsampled = false, reading } = measured
  const sum = (sql: string, when?: string): string => {
    const all = [when, part?.when].filter((one) => one !== undefined)
    return all.length === 0 ? `sum(${sql})` : `sumIf(${sql}, ${all.join(' AND ')})`
  }
  const named = (list: readonly string[]): string =>
    list.map((sql, i) => `${sql} AS ${SUM_NAMES[i]}${part?.suffix ?? ''}`).join(', ')
  const bytes = bytesSql(measured)
  const flows = reading ? sum('flows') : part ? `countIf(${part.when})` : 'count()'
  const none = 'toFloat64(0)'
  if (unsampled) return named([sum(bytes), sum('packets'), flows, none, none])
  const variance = {
    bytes: sum(`${RATE} * (${RATE} - 1) * ${squaresSql(measured)}`),
    packets: sum(`${RATE} * (${RATE} - 1) * packets`),
    flows: none,
  }[metric]
  const one = metric === 'bytes' ? bytes : 'packets'
  const sampled = metric === 'flows' ? none : sum(`${one} * sampling_rate`, 'sampling_rate > 1')
  return named([sum(`${bytes} * sampling_rate`), sum('packets * sampling_rate'), flows, variance, sampled])
}

/** The sum of the metric alone. */
export function metricSql(measured: Measured): string {
  if (measured.metric === 'flows') return flowsSql(measured)
  return `sum(${measured.metric === 'bytes' ? bytesSql(measured) : 'packets'} * sampling_rate)`
}

/** Bytes of a row in the unit that was asked for. Rows of rollups may be differences, hence below 0. */
function bytesSql({ unit, reading }: Measured): string {
  const added = addedBytesSql(unit)
  if (added === undefined) return 'bytes'
  const bytes = `toInt64(bytes) + ${added} * toInt64(packets)`
  return reading ? `(${bytes})` : `greatest(${bytes}, 0)`
}

/** Σ x² / p of a row, x its bytes in the unit; with c bytes more a packet that is Σ x² / p + 2 c x + c² p. */
function squaresSql({ unit, reading }: Measured): string {
  const squares = reading ? 'bytes_squares' : 'toFloat64(bytes) * toFloat64(bytes) / greatest(packets, 1)'
  const added = addedBytesSql(unit)
  if (added === undefined) return squares
  return `(${squares} + 2 * ${added} * toFloat64(bytes) + ${added} * ${added} * toFloat64(packets))`
}

function flowsSql({ reading }: Measured): string {
  return reading ? 'sum(flows)' : 'count()'
}

/** Which of the sums is the metric. */
export function metricSum(metric: Metric): 'b' | 'p' | 'f' {
  return metric === 'bytes' ? 'b' : metric === 'packets' ? 'p' : 'f'
}

/** Five cells of an answer, from `at` on. */
export function sumsOf(cells: readonly Cell[], at: number): Sums {
  return {
    bytes: Number(cells[at]),
    packets: Number(cells[at + 1]),
    flows: Number(cells[at + 2]),
    variance: Number(cells[at + 3]),
    sampled: Number(cells[at + 4]),
  }
}

export function noSums(): Sums {
  return { bytes: 0, packets: 0, flows: 0, variance: 0, sampled: 0 }
}

export function addSums(to: Sums, more: Sums): void {
  to.bytes += more.bytes
  to.packets += more.packets
  to.flows += more.flows
  to.variance += more.variance
  to.sampled += more.sampled
}

/** `whole − parts`, not below 0 where rounding would have it so. */
export function withoutSums(whole: Sums, parts: readonly Sums[]): Sums {
  const sum = noSums()
  for (const part of parts) addSums(sum, part)
  return {
    bytes: Math.max(0, whole.bytes - sum.bytes),
    packets: Math.max(0, whole.packets - sum.packets),
    flows: Math.max(0, whole.flows - sum.flows),
    variance: Math.max(0, whole.variance - sum.variance),
    sampled: Math.max(0, whole.sampled - sum.sampled),
  }
}

/** How the rows of a range were sampled. */
export interface Sampling {
  /** The rates met, ascending. */
  readonly rates: readonly number[]
  /** Size of a large sampled packet: at most this are those that carry 95 % of the bytes. */
  readonly packetBytes: number
}

export const UNSAMPLED: Sampling = { rates: [1], packetBytes: 0 }

/**
 * What one packet that no sample met may add to such sums: a large packet, at their rate. A cell that by chance holds only
 * small packets would otherwise promise too much. 0 where nothing is sampled.
 */
export function weightOf(sums: Sums, metric: Metric, sampling: Sampling): number {
  if (sums.sampled <= 0) return 0
  const mean = sums.variance / sums.sampled
  if (metric !== 'bytes') return mean
  const sampled = sampling.rates.filter((rate) => rate > 1)
  const [least = 1, most = 1] = [sampled[0], sampled[sampled.length - 1]]
  // Packets a record are never fewer than one, so the rate is at most their estimate a record.
  const rate = Math.min(most, Math.max(least, sums.packets / sums.flows))
  return Math.max(mean, (rate - 1) * sampling.packetBytes)
}

/** The sums as a row of an answer. */
export function rowOf(key: Record<string, KeyValue>, sums: Sums, metric: Metric, sampling: Sampling): Row {
  return { key, ...measuresOf(sums, metric, sampling) }
}

/** The sums as an answer says them, with the interval of the metric. */
export function measuresOf(sums: Sums, metric: Metric, sampling: Sampling): Measures {
  const { bytes, packets, flows } = sums
  return { bytes, packets, flows, ...intervalOf(sums, metric, weightOf(sums, metric, sampling)) }
}

export function intervalOf(sums: Sums, metric: Metric, weight: number): { low: number; high: number } {
  return interval({ estimate: sums[metric], sampled: sums.sampled, variance: sums.variance }, weight)
}
