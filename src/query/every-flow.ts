import type { ColumnDefinition } from '../flow/columns.ts'
import type { QueryAnswer } from '../store/store.ts'
import type { KeyValue } from './dimensions.ts'
import { columnsNamed, rowOfFlow, selectOf } from './flows.ts'
import { where, type Prepared } from './question.ts'

// All flows of a range, the oldest first, however many: read by spans of time that hold a page each, so that no more
// than a page is held.

export interface EveryFlow {
  readonly columns: readonly Pick<ColumnDefinition, 'name' | 'label' | 'format'>[]
  /** Rows as they were observed; cancelled by ending the iteration. */
  readonly pages: AsyncIterable<KeyValue[][]>
}

/** Rows of a page, unless more came within one millisecond. */
const PAGE = 20_000
/** Parts into which a span with too many rows is cut. */
const PARTS = 64

export function everyFlow(
  prepared: Prepared,
  names: readonly string[],
  most: number | undefined,
  query: (sql: string) => Promise<QueryAnswer>,
): EveryFlow {
  const columns = columnsNamed(names)
  const select = selectOf(columns)

  async function page(from: number, to: number): Promise<KeyValue[][]> {
    const answer = await query(`SELECT ${select} FROM flows WHERE ${where(prepared, from, to)} ORDER BY time_received`)
    return answer.rows.map((cells) => rowOfFlow(columns, cells))
  }

  /** Spans of at most a page, in order; neighbours with few rows are one. */
  async function* spans(from: number, to: number): AsyncGenerator<[from: number, to: number]> {
    const width = Math.max(1, Math.ceil((to - from) / PARTS))
    const answer = await query(
      `SELECT intDiv(toUnixTimestamp64Milli(time_received) - ${from}, ${width}) AS t, count() FROM flows WHERE ${where(prepared, from, to)} GROUP BY t ORDER BY t`,
    )
    let start = from
    let held = 0
    for (const [part, count] of answer.rows.map((cells) => cells.map(Number) as [number, number])) {
      const begin = from + part * width
      const end = Math.min(to, begin + width)
      if (held > 0 && held + count > PAGE) {
        yield [start, begin]
        held = 0
      }
      if (held === 0) start = begin
      if (count > PAGE && width > 1) yield* spans(begin, end)
      else if (count > PAGE) yield [begin, end]
      else held += count
    }
    if (held > 0) yield [start, to]
  }

  async function* pages(): AsyncGenerator<KeyValue[][]> {
    let left = most ?? Number.POSITIVE_INFINITY
    for await (const [from, to] of spans(prepared.from, prepared.to)) {
      const rows = await page(from, to)
      yield rows.length > left ? rows.slice(0, left) : rows
      left -= rows.length
      if (left <= 0) return
    }
  }

  return { columns: columns.map(({ name, label, format }) => ({ name, label, format })), pages: pages() }
}
