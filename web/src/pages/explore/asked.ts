// What a view asks for, in the words of the API.
import type { Metric } from '../../../../src/api/contract/query.ts'
import type { Counted } from '../../api/questions.ts'
import { summed } from '../../figures/rates.ts'
import { LIST_ROWS } from '../../flows/list.ts'
import type { View } from '../../url/search.ts'

/** Heat maps and Sankey diagrams say little with only a few groups. */
const LEAST: Partial<Readonly<Record<View['chart'], number>>> = { heat: 20, sankey: 30 }

export function limitOf(view: Pick<View, 'chart' | 'top'>): number {
  return view.chart === 'flows' ? LIST_ROWS : Math.max(view.top, LEAST[view.chart] ?? 1)
}

/** What is summed, and what its bytes count. */
export function measureOf({ metric, unit }: Pick<View, 'metric' | 'unit'>): Measure {
  return {
    metric: summed(metric),
    ...(metric === 'share' ? { unit: 'share' as const } : unit === 'observed' ? {} : { unit }),
  }
}

export interface Measure {
  readonly metric: Metric
  readonly unit?: 'share' | 'l2' | 'l3'
}

/** The view of an answer that is shown, which may be that of the question before: its numbers keep their own unit. */
export function viewOf(view: View, counted: Counted | undefined): View {
  if (!counted) return view
  const { metric, unit, versus } = counted
  return { ...view, metric: unit === 'share' ? 'share' : metric, versus }
}

/** The same for a matrix, whose links are no interfaces. */
export function plainMeasure(measure: Measure): Measure {
  return measure.unit === 'share' ? { metric: measure.metric } : measure
}

/** A share of a link needs to know which: the exporter, and one of its interfaces. */
export function canShare(by: readonly string[]): boolean {
  return by.includes('exporter') && (by.includes('in_if') || by.includes('out_if'))
}

/** Of the dimensions that are counted, the one by which the groups are ordered. */
export function countedFirst({ of, sort }: Pick<View, 'of' | 'sort'>): string {
  return of.find((name) => name === sort?.column) ?? of[0] ?? ''
}
