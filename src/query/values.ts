import type { KeyValue } from './dimensions.ts'
import { greatestSql, groupingBy, keyOf } from './group.ts'
import type { Prepared } from './question.ts'
import type { Run } from './run.ts'

// Values that a dimension has had, for completion while a filter is typed.

const CANDIDATES = 5000

/** The most frequent values whose text begins with the prefix (or, for names, holds it); at most `limit`. */
export async function valuesOf(prepared: Prepared, prefix: string, limit: number, run: Run): Promise<KeyValue[]> {
  const grouping = groupingBy(prepared)
  const name = (prepared.dimensions[0] as { name: string }).name
  const answer = await run.query(greatestSql({ ...prepared, metric: 'flows' }, grouping, CANDIDATES))
  const wanted = prefix.toLowerCase()
  const starting: KeyValue[] = []
  const holding: KeyValue[] = []
  for (const cells of answer.rows) {
    const value = keyOf(grouping, cells, 0)[name] as KeyValue
    const text = String(value).toLowerCase()
    if (text === '') continue
    if (text.startsWith(wanted)) starting.push(value)
    else if (text.includes(wanted)) holding.push(value)
  }
  return [...starting, ...holding].slice(0, limit)
}
