import type { Cell } from '../store/store.ts'
import { FOLDED_ADDRESS } from '../store/rollups.ts'
import type { Row } from './measure.ts'
import type { Prepared } from './question.ts'
import type { Run } from './run.ts'
import { timeSql } from './source.ts'

// Rollups of addresses keep the heaviest of each bucket alone, and say what any other had there at most: so much may be
// missing of an address, whose interval is the wider for it.

/** Rows whose upper ends hold what may be missing of them. */
export async function withMissing(
  prepared: Prepared,
  keys: readonly (readonly Cell[])[],
  rows: readonly Row[],
  run: Run,
): Promise<Row[]> {
  const { reading, dimensions, metric, params } = prepared
  const missing = rows.map(() => 0)
  for (const { table, column } of reading?.heaviest ?? []) {
    const at = dimensions.findIndex((d) => d.name === column)
    const spans = (reading?.pieces ?? []).filter((piece) => piece.table === table)
    if (at < 0 || spans.length === 0 || keys.length === 0) continue
    const wanted = params.add('Array(IPv6)', [...new Set(keys.map((key) => String(key[at])))])
    const folded = `toIPv6('${FOLDED_ADDRESS}')`
    const answer = await run.query(
      `SELECT ${column}, sum(unseen_${metric}) FROM ${table} WHERE ${timeSql(spans)} AND (${column} = ${folded} OR has(${wanted}, ${column})) GROUP BY ${column}`,
    )
    const unseen = new Map(answer.rows.map(([address, sum]) => [String(address), Number(sum)]))
    const most = unseen.get(FOLDED_ADDRESS) ?? 0
    for (const [i, key] of keys.entries())
      missing[i] = (missing[i] as number) + Math.max(0, most - (unseen.get(String(key[at])) ?? 0))
  }
  return rows.map((row, i) => ({ ...row, high: row.high + (missing[i] as number) }))
}
