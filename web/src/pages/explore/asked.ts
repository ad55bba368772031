// How many groups or flows a view asks for.
import { LIST_ROWS } from '../../flows/list.ts'
import type { View } from '../../url/search.ts'

/** Heat maps and Sankey diagrams say little with only a few groups. */
const LEAST: Partial<Readonly<Record<View['chart'], number>>> = { heat: 20, sankey: 30 }

export function limitOf(view: Pick<View, 'chart' | 'top'>): number {
  return view.chart === 'flows' ? LIST_ROWS : Math.max(view.top, LEAST[view.chart] ?? 1)
}
