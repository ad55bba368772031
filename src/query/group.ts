import type { Dimension, KeyValue } from './dimensions.ts'
import type { Cell } from '../store/store.ts'
import { UserError } from '../base/errors.ts'

// Grouping by dimensions. A dimension of two sides (ip, vm, …) is asked for by laying both sides of each row below each
// other; several such dimensions take the same side of the row together.

export interface Grouping {
  readonly dimensions: readonly Dimension[]
  /** True if a row may stand in two groups. */
  readonly either: boolean
  /** `k0, k1, …` */
  readonly keys: string
  /** FROM clause in which the keys exist. */
  readonly from: string
  /** The keys of one side as a tuple of expressions, for conditions on rows. */
  readonly sideTuples: readonly string[]
  /** SELECT list that makes the keys. */
  readonly select: string
}

const MOST = 8

/** How to group by the dimensions (at least one). */
export function groupingBy(dimensions: readonly Dimension[]): Grouping {
  if (dimensions.length > MOST) throw new UserError(`at most ${MOST} dimensions can be asked for at once`)
  const either = dimensions.some((d) => d.sides.length === 2)
  const side = (dimension: Dimension, which: 0 | 1): string => (which === 0 ? dimension.sides[0] : (dimension.sides[1] ?? dimension.sides[0]))
  const keys = dimensions.map((_, i) => `k${i}`).join(', ')
  const tuple = (which: 0 | 1): string => `tuple(${dimensions.map((d) => side(d, which)).join(', ')})`
  if (!either) {
    return {
      dimensions, either, keys, from: 'flows', sideTuples: [tuple(0)],
      select: dimensions.map((d, i) => `${d.sides[0]} AS k${i}`).join(', '),
    }
  }
  const [first, second] = [tuple(0), tuple(1)]
  // A row with the same on both sides counts once.
  return {
    dimensions, either, keys, sideTuples: [first, second],
    from: `flows ARRAY JOIN if(${first} = ${second}, [${first}], [${first}, ${second}]) AS side`,
    select: dimensions.map((_, i) => `tupleElement(side, ${i + 1}) AS k${i}`).join(', '),
  }
}

/** Cells from `at` on → the key of a row. */
export function keyOf(grouping: Grouping, cells: readonly Cell[], at: number): Record<string, KeyValue> {
  const key: Record<string, KeyValue> = {}
  for (const [i, dimension] of grouping.dimensions.entries()) key[dimension.name] = dimension.decode(cells[at + i] as Cell)
  return key
}
