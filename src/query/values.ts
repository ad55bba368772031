import type { Clock } from '../base/clock.ts'
import { dimensionNamed, type KeyValue } from './dimensions.ts'
import { nounNamed } from './filter/nouns.ts'
import { greatestSql, groupingBy, keyOf } from './group.ts'
import type { Prepared } from './question.ts'
import type { Run } from './run.ts'

// Values that a dimension has had, for completion while a filter is typed: one question serves the letters that follow.

const CANDIDATES = 5000
const FRESH_MS = 15_000
/** Lists of candidates that are kept at the same time. */
const KEPT = 16

/** The most frequent values of the one dimension that was prepared. */
export async function candidatesOf(prepared: Prepared, run: Run): Promise<KeyValue[]> {
  const grouping = groupingBy(prepared)
  const name = (prepared.dimensions[0] as { name: string }).name
  const answer = await run.query(greatestSql({ ...prepared, metric: 'flows' }, grouping, CANDIDATES))
  return answer.rows.map((cells) => keyOf(grouping, cells, 0)[name] as KeyValue).filter((value) => value !== '')
}

export function createValues(clock: Clock) {
  const kept = new Map<string, { readonly at: number; readonly values: readonly KeyValue[] }>()

  async function candidates(
    column: string,
    filter: string,
    read: (filter: string) => Promise<readonly KeyValue[]>,
  ): Promise<readonly KeyValue[]> {
    const key = `${column} ${filter}`
    const now = clock.now()
    const known = kept.get(key)
    if (known && Math.abs(now - known.at) < FRESH_MS) return known.values
    const values = await read(filter)
    kept.delete(key)
    kept.set(key, { at: now, values })
    if (kept.size > KEPT) kept.delete(kept.keys().next().value as string)
    return values
  }

  return {
    /** Those whose text begins with the prefix, the most frequent first, then those that hold it; at most `limit`. */
    async of(
      column: string,
      prefix: string,
      limit: number,
      read: (filter: string) => Promise<readonly KeyValue[]>,
    ): Promise<KeyValue[]> {
      const frequent = await candidates(column, '', read)
      const found = matching(frequent, prefix)
      if (found.length >= limit || frequent.length < CANDIDATES) return found.slice(0, limit)
      const filter = narrowing(column, prefix)
      if (filter === '') return found.slice(0, limit)
      // Rare ones are not among the candidates: the store is asked for what is typed.
      return matching(await candidates(column, filter, read), prefix).slice(0, limit)
    },
  }
}

/** Those that begin with the prefix, whatever its case, before those that hold it. */
export function matching(values: readonly KeyValue[], prefix: string): KeyValue[] {
  const wanted = prefix.toLowerCase()
  const starting: KeyValue[] = []
  const holding: KeyValue[] = []
  for (const value of values) {
    const text = String(value).toLowerCase()
    if (text.startsWith(wanted)) starting.push(value)
    else if (text.includes(wanted)) holding.push(value)
  }
  return [...starting, ...holding]
}

/** A filter for rows of which one has such a value; empty where none can say so. */
function narrowing(column: string, prefix: string): string {
  const { format } = dimensionNamed(column)
  if (!nounNamed(column)) return ''
  if (prefix !== '' && format === 'name' && column !== 'service')
    return `${column} like "*${prefix.replaceAll(/[\\"]/g, (sign) => `\\${sign}`)}*"`
  const network = /^((?:\d{1,3}\.){1,3})\d{0,3}$/.exec(prefix)?.[1]
  if (format !== 'ip' || network === undefined) return ''
  const parts = network.slice(0, -1).split('.')
  if (parts.some((part) => Number(part) > 255 || (part.length > 1 && part.startsWith('0')))) return ''
  return `${column} in [${[...parts, '0', '0', '0'].slice(0, 4).join('.')}/${parts.length * 8}]`
}
