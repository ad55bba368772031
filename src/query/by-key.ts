import type { Cell } from '../store/store.ts'
import { codesOf, type Grouping } from './group.ts'
import { addSums, noSums, sumsOf, sumsSql, type Sums } from './measure.ts'
import { rowsOf, type Prepared } from './question.ts'
import type { Run } from './run.ts'

// What groups that are already known amount to: in another time, or where a row may stand in two of them.

/** Keys that a statement can hold by value: the engine reads at most 256 kB of text. */
export const MOST_CODES = 300

/** Sums of these groups, of the rows that are in none of them, and of all rows once. */
export async function sumsByKey(
  prepared: Prepared,
  grouping: Grouping,
  keys: readonly (readonly Cell[])[],
  run: Run,
): Promise<{ of: Sums[]; rest: Sums; total: Sums }> {
  const codes = codesOf(grouping, keys, prepared.params)
  const expressions = codes.sides.flat()
  const names = expressions.map((_, i) => `c${i}`)
  const select = expressions.map((expression, i) => `${expression} AS ${names[i]}`).join(', ')
  const answer = await run.query(
    `SELECT ${select}, ${sumsSql(prepared)} FROM ${rowsOf(prepared)} GROUP BY ${names.join(', ')}`,
  )
  const of = keys.map(() => noSums())
  const [rest, total] = [noSums(), noSums()]
  const width = grouping.dimensions.length
  for (const cells of answer.rows) {
    const sums = sumsOf(cells, expressions.length)
    addSums(total, sums)
    const met = new Set(codes.sides.map((_, s) => codes.indexOf(cells.slice(s * width, (s + 1) * width).map(Number))))
    met.delete(-1)
    if (met.size === 0) addSums(rest, sums)
    for (const index of met) addSums(of[index] as Sums, sums)
  }
  return { of, rest, total }
}
