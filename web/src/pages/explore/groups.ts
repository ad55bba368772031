// The table under a picture: one row a group, computed from what the picture draws.
import type { SeriesAnswer } from '../../../../src/api/contract/query.ts'
import type { Key } from '../../names/dimensions.ts'
import type { MetricName } from '../../figures/units.ts'
import type { Cell } from '../../table/text.ts'

export interface Group {
  readonly id: string
  readonly key: Key
  readonly other: boolean
  /** The metric a second over the whole span: bits for bytes. */
  readonly average: number
  readonly averageLow: number
  readonly averageHigh: number
  /** The highest bucket that is complete. */
  readonly peak: number | null
  /** The 95th percentile of the complete buckets. */
  readonly p95: number | null
  readonly total: number
  readonly share: number
}

/** The nearest-rank percentile, as transit is billed. */
export function percentile(values: readonly (number | null)[], share: number): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b)
  return known[Math.max(0, Math.ceil(known.length * share) - 1)] ?? null
}

export function groupsOf(answer: SeriesAnswer, metric: MetricName, seconds: number, complete: number): Group[] {
  const scale = (metric === 'bytes' ? 8 : 1) / Math.max(1, seconds)
  const whole = answer.total[metric]
  return answer.series
    .map((series) => {
      const values = series.values.slice(0, Math.max(1, complete))
      const total = series.total[metric]
      return {
        id: series.other ? '\u0000other' : JSON.stringify(series.key),
        key: series.key,
        other: series.other,
        average: total * scale,
        averageLow: series.total.low * scale,
        averageHigh: series.total.high * scale,
        peak: values.reduce<number | null>((most, value) => (value === null ? most : Math.max(most ?? 0, value)), null),
        p95: percentile(values, 0.95),
        total,
        share: whole > 0 ? total / whole : 0,
      }
    })
    .sort((a, b) => Number(a.other) - Number(b.other) || b.total - a.total)
}

/** The table as it is exported: raw numbers, with their units in the head. */
export function groupsTable(columns: readonly string[], groups: readonly Group[], metric: MetricName): Cell[][] {
  const unit = metric === 'bytes' ? 'bits_per_second' : `${metric}_per_second`
  const head = [
    ...columns,
    `average_${unit}`,
    `low95_${unit}`,
    `high95_${unit}`,
    `peak_${unit}`,
    `p95_${unit}`,
    `total_${metric}`,
    'share',
  ]
  return [
    head,
    ...groups.map((group) => [
      ...columns.map((column, at) => (group.other ? (at === 0 ? 'other' : '') : group.key[column])),
      ...[group.average, group.averageLow, group.averageHigh, group.peak, group.p95, group.total].map((n) =>
        n === null ? null : Math.round(n),
      ),
      Number(group.share.toFixed(6)),
    ]),
  ]
}
