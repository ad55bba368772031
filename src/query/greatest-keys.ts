import type { Cell } from '../store/store.ts'
import { measuredSql, namedOnly, timesMeasured, type Grouping } from './group.ts'
import { greatestByHash, keysOf } from './hashed.ts'
import { metricSql } from './measure.ts'
import type { Prepared } from './question.ts'
import type { Run } from './run.ts'

/** The keys of the greatest groups, and how many groups there are. */
export async function greatestKeys(
  prepared: Prepared,
  grouping: Grouping,
  limit: number,
  run: Run,
): Promise<{ keys: readonly (readonly Cell[])[]; groups: number }> {
  const wanted = { sql: `${metricSql(prepared)} AS m`, names: ['m'], order: 'm' }
  const hashed = grouping.either ? undefined : await greatestByHash(prepared, keysOf(grouping), wanted, limit, run)
  if (hashed) return { keys: hashed.found.map(({ cells }) => cells), groups: hashed.groups }
  const named = namedOnly(grouping)
  const answer = await run.query(
    `SELECT ${named.count}, ${named.list(limit)}((-toFloat64(m), ${grouping.keys})${named.more}) FROM (${measuredSql(prepared, grouping)})`,
    timesMeasured(grouping),
  )
  const [groups = 0, tuples = []] = answer.rows[0] ?? []
  return { groups: Number(groups), keys: (tuples as readonly (readonly Cell[])[]).map((tuple) => tuple.slice(1)) }
}
