import type { RecordsAnswer } from './contract/records.ts'
import type { FlowsAnswer, KeyValue, SeriesAnswer, TopAnswer } from './contract/query.ts'

// Answers as plain tables, for CSV and Parquet.

export type CellType = 'text' | 'number' | 'boolean'

export interface Table {
  readonly columns: readonly { readonly name: string; readonly type: CellType }[]
  readonly rows: readonly (readonly KeyValue[])[]
}

function columnOf(name: string, values: readonly KeyValue[]): Table['columns'][number] {
  const type = values.every((v) => typeof v === 'number')
    ? 'number'
    : values.every((v) => typeof v === 'boolean')
      ? 'boolean'
      : 'text'
  return { name, type: values.length === 0 ? 'text' : type }
}

const MEASURES = ['bytes', 'packets', 'flows', 'low', 'high'] as const

/** Rows of a top or a matrix: the key, then the measures. */
export function rowsTable(columns: readonly string[], rows: TopAnswer['rows']): Table {
  return {
    columns: [
      ...columns.map((name) =>
        columnOf(
          name,
          rows.map((row) => row.key[name] ?? null),
        ),
      ),
      ...MEASURES.map((name) => ({ name, type: 'number' as const })),
    ],
    rows: rows.map((row) => [...columns.map((name) => row.key[name] ?? null), ...MEASURES.map((name) => row[name])]),
  }
}

/** One row a bucket and series; `other` tells the rest of the range from the named series. */
export function seriesTable(answer: SeriesAnswer): Table {
  const rows = answer.series.flatMap((series) =>
    answer.times.map((time, i): KeyValue[] => [
      new Date(time).toISOString(),
      ...answer.columns.map((name) => series.key[name] ?? null),
      series.other,
      series.values[i] ?? null,
      series.low[i] ?? null,
      series.high[i] ?? null,
    ]),
  )
  const keys = answer.columns.map((name) =>
    columnOf(
      name,
      answer.series.filter((s) => !s.other).map((s) => s.key[name] ?? null),
    ),
  )
  const measured = ['value', 'low', 'high'].map((name) => ({ name, type: 'number' as const }))
  return { columns: [{ name: 'time', type: 'text' }, ...keys, { name: 'other', type: 'boolean' }, ...measured], rows }
}

/** Times become ISO 8601. */
export function flowsTable(answer: FlowsAnswer): Table {
  const isTime = answer.columns.map((column) => column.format === 'time')
  const rows = answer.rows.map((row) => row.map((cell, i) => (isTime[i] ? new Date(Number(cell)).toISOString() : cell)))
  return {
    columns: answer.columns.map(({ name }, i) =>
      columnOf(
        name,
        rows.map((row) => row[i] ?? null),
      ),
    ),
    rows,
  }
}

/** One row a record: first and last packet in ISO 8601, the key, then the sums. */
export function recordsTable(answer: RecordsAnswer): Table {
  const keys = answer.columns.map((name) =>
    columnOf(
      name,
      answer.rows.map((row) => row.key[name] ?? null),
    ),
  )
  const sums = ['bytes', 'packets', 'flows', 'bytesBack', 'packetsBack', 'flags'] as const
  const time = (millis: number): string => (millis === 0 ? '' : new Date(millis).toISOString())
  return {
    columns: [
      { name: 'first', type: 'text' },
      { name: 'last', type: 'text' },
      ...keys,
      ...sums.map((name) => ({ name, type: 'number' as const })),
    ],
    rows: answer.rows.map((row) => [
      time(row.first),
      time(row.last),
      ...answer.columns.map((name) => row.key[name] ?? null),
      ...sums.map((name) => row[name]),
    ]),
  }
}

/** RFC 4180, with a header. A text that a spreadsheet would run as a formula is kept from it by a leading apostrophe. */
export function csv(table: Table): string {
  const lines = [table.columns.map((c) => csvCell(c.name)), ...table.rows.map((row) => row.map(csvCell))]
  return lines.map((cells) => `${cells.join(',')}\r\n`).join('')
}

function csvCell(value: KeyValue): string {
  if (value === null) return ''
  if (typeof value !== 'string') return String(value)
  const text = /^[=+@\t\r]|^-(?![\d.])/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
