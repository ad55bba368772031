// The table under a picture: one row a group, computed from what the picture draws.
import type { SeriesAnswer } from '../../../../src/api/contract/query.ts'
import { rateOf, summed } from '../../figures/rates.ts'
import type { WholeBuckets } from '../../chart/layers.ts'
import type { MetricName } from '../../figures/units.ts'
import type { Key } from '../../names/dimensions.ts'
import type { Cell } from '../../table/text.ts'

export interface Group {
  readonly id: string
  readonly key: Key
  readonly other: boolean
  /** The metric a second over the whole span: bits for bytes; null for a share of a link whose speed is not known. */
  readonly average: number | null
  readonly averageLow: number
  readonly averageHigh: number
  /** The highest bucket that is complete. */
  readonly peak: number | null
  /** The 95th percentile of the complete buckets. */
  readonly p95: number | null
  readonly total: number
  readonly share: number
  /** The average of the time that it is held against; null if nothing is, or nothing was. */
  readonly before: number | null
}

/** What one average is beside an earlier one: 0.085 for 8.5 % more; null without one to hold it against. */
export function changeOf(now: number | null, before: number | null): number | null {
  return now === null || before === null || before <= 0 ? null : now / before - 1
}

/** The nearest-rank percentile, as transit is billed. */
export function percentile(values: readonly (number | null)[], share: number): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b)
  return known[Math.max(0, Math.ceil(known.length * share) - 1)] ?? null
}

/** The part of the earlier time of which anything is known: where no bucket has a value, nothing is kept. */
export function knownBefore(answer: Pick<SeriesAnswer, 'previous' | 'times'>): number {
  const { previous, times } = answer
  if (!previous || times.length === 0) return 1
  const known = times.filter((_, at) => previous.series.some(({ values }) => (values[at] ?? null) !== null)).length
  return known / times.length
}

/** What a table of groups is computed over. */
export interface Over extends WholeBuckets {
  /** Of the time shown, what is known. */
  readonly seconds: number
  /** Of the whole time shown: the earlier one is as long. */
  readonly whole: number
}

export function groupsOf(answer: SeriesAnswer, metric: MetricName, over: Over): Group[] {
  const { seconds, first, complete } = over
  const counted = summed(metric)
  const sum = answer.total[counted]
  // An average of the time that is known; what is not kept is no silence.
  const earlierSeconds = over.whole * knownBefore(answer)
  return answer.series
    .map((series, index) => {
      const values = series.values.slice(first, complete)
      const total = series.total[counted]
      const rate = rateOf(series.total, metric, seconds, series.speed)
      const earlier = answer.previous?.series[index]?.total
      return {
        id: series.other ? '\u0000other' : JSON.stringify(series.key),
        key: series.key,
        other: series.other,
        average: rate?.value ?? null,
        averageLow: rate?.low ?? 0,
        averageHigh: rate?.high ?? 0,
        peak: values.reduce<number | null>((most, value) => (value === null ? most : Math.max(most ?? 0, value)), null),
        p95: percentile(values, 0.95),
        total,
        share: sum > 0 ? total / sum : 0,
        before:
          earlier && earlierSeconds > 0 ? (rateOf(earlier, metric, earlierSeconds, series.speed)?.value ?? null) : null,
      }
    })
    .sort((a, b) => Number(a.other) - Number(b.other) || b.total - a.total)
}

/** The table as it is exported: raw numbers, with their units in the head. */
export function groupsTable(columns: readonly string[], groups: readonly Group[], metric: MetricName): Cell[][] {
  const unit = metric === 'bytes' ? 'bits_per_second' : metric === 'share' ? 'share_of_link' : `${metric}_per_second`
  const exact = (n: number | null) => (n === null ? null : metric === 'share' ? Number(n.toFixed(6)) : Math.round(n))
  const head = [
    ...columns,
    `average_${unit}`,
    `low95_${unit}`,
    `high95_${unit}`,
    `peak_${unit}`,
    `p95_${unit}`,
    `total_${summed(metric)}`,
    'share',
    `before_${unit}`,
  ]
  return [
    head,
    ...groups.map((group) => [
      ...columns.map((column, at) => (group.other ? (at === 0 ? 'other' : '') : group.key[column])),
      ...[group.average, group.averageLow, group.averageHigh, group.peak, group.p95].map(exact),
      Math.round(group.total),
      Number(group.share.toFixed(6)),
      exact(group.before),
    ]),
  ]
}
