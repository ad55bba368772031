// What an answer is held against: the same question over an earlier time.
import { useMemo } from 'react'
import type { SeriesAnswer } from '../../../../src/api/contract/query.ts'
import { useSeries, useTop } from '../../api/questions.ts'
import type { Answered } from '../../api/questions.ts'
import type { Bounds, Span } from '../../time/span.ts'
import type { Versus, View } from '../../url/search.ts'
import { groupId } from './groups.ts'

const DAY = 86_400_000
/** Groups of the earlier time that are asked for: one that was smaller than these counts as not known. */
const MOST_GROUPS = 2000

/** How far back the other time lies: whole buckets, so that one lies under the other. */
export function shiftOf(versus: Versus, bounds: Bounds, stepSeconds: number): number {
  if (versus === 'none') return 0
  const least = versus === 'before' ? bounds.to - bounds.from : versus === 'day' ? DAY : 7 * DAY
  const step = Math.max(1, stepSeconds) * 1000
  return Math.ceil(least / step) * step
}

export interface Before {
  /** The total of each bucket, under those of the answer. */
  readonly values: readonly (number | null)[]
  /** The sum of the metric by group. */
  readonly totals: ReadonlyMap<string, number>
  readonly shift: number
}

/** The values of an earlier answer at the times of a later one. */
export function placed(
  times: readonly number[],
  shift: number,
  earlier: Pick<SeriesAnswer, 'times' | 'series'>,
): (number | null)[] {
  const at = new Map(earlier.times.map((time, index) => [time, index]))
  const values = earlier.series[0]?.values ?? []
  return times.map((time) => values[at.get(time - shift) ?? -1] ?? null)
}

export function useBefore(view: View, answer: Answered<SeriesAnswer> | undefined) {
  const enabled = view.versus !== 'none' && answer !== undefined && view.chart !== 'flows'
  const shift = answer ? shiftOf(view.versus, answer.bounds, answer.step) : 0
  const { from, to } = answer?.bounds ?? { from: 0, to: 1 }
  const span: Span = { kind: 'between', from: from - shift, to: to - shift }
  const { filter, metric, by } = view
  const line = useSeries({ by: [], filter, metric, span, step: answer?.step ?? 60, enabled })
  const groups = useTop({ by, filter, metric, limit: MOST_GROUPS, span, enabled: enabled && by.length > 0 })
  const before = useMemo<Before | undefined>(() => {
    if (!enabled || !answer || !line.data) return undefined
    const totals = new Map(
      (groups.data?.rows ?? []).map((row) => [groupId({ key: row.key, other: false }), row[metric]]),
    )
    if (by.length === 0) totals.set('{}', line.data.total[metric])
    else if (groups.data) {
      // The rest is what the named ones of now leave of all that was.
      const named = answer.series.filter((series) => !series.other)
      const known = named.reduce((sum, series) => sum + (totals.get(groupId(series)) ?? 0), 0)
      totals.set(groupId({ key: {}, other: true }), Math.max(0, groups.data.total[metric] - known))
    }
    return { values: placed(answer.times, shift, line.data), totals, shift }
  }, [enabled, answer, line.data, groups.data, by, metric, shift])
  return { before, error: line.error ?? groups.error }
}
