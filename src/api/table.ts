import type { RecordsAnswer } from './contract/records.ts'
import type { ConversationsAnswer, DistinctAnswer, TotalsAnswer } from './contract/analysis.ts'
import { dimensionNamed } from '../query/dimensions.ts'
import type { FlowsAnswer, KeyValue, SeriesAnswer, TopAnswer } from './contract/query.ts'

// Answers as plain tables, for CSV, JSON lines and Parquet.

/** Of a column, whatever its values are: files of the same question have the same columns. */
export type CellType = 'text' | 'number' | 'whole' | 'boolean'

export interface Table {
  readonly columns: readonly { readonly name: string; readonly type: CellType }[]
  readonly rows: readonly (readonly KeyValue[])[]
}

const WHOLE = new Set(['number', 'bytes', 'packets', 'port', 'interface', 'vlan', 'as'])

/** Of the values of a column or dimension of this format. */
export function cellTypeOf(format: string): CellType {
  if (format === 'boolean') return 'boolean'
  return WHOLE.has(format) ? 'whole' : 'text'
}

function keysOf(names: readonly string[]): Table['columns'] {
  return names.map((name) => ({ name, type: cellTypeOf(dimensionNamed(name).format) }))
}

const MEASURES = ['bytes', 'packets', 'flows', 'low', 'high'] as const
const COUNTS: ReadonlySet<string> = new Set(['bytes', 'packets', 'flows'])

function numbers(names: readonly string[], type: CellType = 'number'): Table['columns'] {
  return names.map((name) => ({ name, type }))
}

function measures(before = ''): Table['columns'] {
  return MEASURES.map((name) => ({ name: `${before}${name}`, type: COUNTS.has(name) ? 'whole' : 'number' }))
}

/** Rows of a top or a matrix: the key, then the measures, then the share of the interface's speed where it was asked for. */
export function rowsTable(columns: readonly string[], rows: TopAnswer['rows']): Table {
  const isShare = rows.some((row) => row.share !== undefined)
  return {
    columns: [...keysOf(columns), ...measures(), ...numbers(isShare ? ['share', 'speed'] : [])],
    rows: rows.map((row) => [
      ...columns.map((name) => row.key[name] ?? null),
      ...MEASURES.map((name) => row[name]),
      ...(isShare ? [row.share?.value ?? null, row.speed ?? null] : []),
    ]),
  }
}

/** The key, of each dimension how many were seen and how many there may be, then the measures. */
export function distinctTable(answer: DistinctAnswer): Table {
  return {
    columns: [
      ...keysOf(answer.columns),
      ...answer.of.flatMap((name): Table['columns'] => [
        { name: `distinct_${name}`, type: 'whole' },
        { name: `distinct_${name}_high`, type: 'number' },
      ]),
      ...measures(),
    ],
    rows: answer.rows.map((row) => [
      ...answer.columns.map((name) => row.key[name] ?? null),
      ...answer.of.flatMap((name) => [row.distinct[name]?.value ?? null, row.distinct[name]?.high ?? null]),
      ...MEASURES.map((name) => row[name]),
    ]),
  }
}

/** Both ends, what they share, then the measures of both directions, of a to b and of b to a. */
export function conversationsTable({ ends, shared, rows }: ConversationsAnswer): Table {
  const ways = ['both', 'forth', 'back'] as const
  const named = (end: 'a' | 'b'): Table['columns'] =>
    keysOf(ends).map(({ name, type }) => ({ name: `${end}_${name}`, type }))
  return {
    columns: [
      ...named('a'),
      ...named('b'),
      ...keysOf(shared),
      ...ways.flatMap((way) => measures(way === 'both' ? '' : `${way}_`)),
    ],
    rows: rows.map((row) => [
      ...ends.map((name) => row.a[name] ?? null),
      ...ends.map((name) => row.b[name] ?? null),
      ...shared.map((name) => row.key[name] ?? null),
      ...ways.flatMap((way) => MEASURES.map((name) => row[way][name])),
    ]),
  }
}

/** One row a metric. */
export function totalsTable(answer: TotalsAnswer): Table {
  const metrics = ['bytes', 'packets', 'flows'] as const
  const values = ['value', 'low', 'high', 'perSecond'] as const
  return {
    columns: [{ name: 'metric', type: 'text' }, ...numbers(values)],
    rows: metrics.map((metric) => [metric, ...values.map((name) => answer[metric][name])]),
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
  const columns: Table['columns'] = [
    { name: 'time', type: 'text' },
    ...keysOf(answer.columns),
    { name: 'other', type: 'boolean' },
    ...numbers(['value', 'low', 'high']),
  ]
  return { columns, rows }
}

/** Rows of a list of flows, in which times become ISO 8601. */
export function flowRows(columns: FlowsAnswer['columns'], rows: Table['rows']): Table['rows'] {
  const isTime = columns.map((column) => column.format === 'time')
  const iso = isoTimes()
  return rows.map((row) => row.map((cell, i) => (isTime[i] ? iso(Number(cell)) : cell)))
}

/** Milliseconds → ISO 8601. Flows follow each other closely, so that most times differ from the last one in their milliseconds alone. */
function isoTimes(): (time: number) => string {
  const starts = new Map<number, string>()
  return (time) => {
    const second = Math.floor(time / 1000)
    let start = starts.get(second)
    if (start === undefined) {
      if (starts.size >= SECONDS_KEPT) starts.clear()
      starts.set(second, (start = new Date(second * 1000).toISOString().slice(0, -4)))
    }
    return `${start}${String(time - second * 1000).padStart(3, '0')}Z`
  }
}

const SECONDS_KEPT = 1000

export function flowsTable(answer: FlowsAnswer): Table {
  const rows = flowRows(answer.columns, answer.rows)
  return {
    columns: answer.columns.map(({ name, format }) => ({ name, type: cellTypeOf(format) })),
    rows,
  }
}

/** One row a record: first and last packet in ISO 8601, the key, then the sums. */
export function recordsTable(answer: RecordsAnswer): Table {
  const sums = ['bytes', 'packets', 'flows', 'bytesBack', 'packetsBack', 'flags'] as const
  const time = (millis: number): string => (millis === 0 ? '' : new Date(millis).toISOString())
  return {
    columns: [
      { name: 'first', type: 'text' },
      { name: 'last', type: 'text' },
      ...keysOf(answer.columns),
      ...numbers(sums, 'whole'),
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
  return csvRows([table.columns.map((c) => c.name)]) + csvRows(table.rows)
}

export function csvRows(rows: Table['rows']): string {
  return rows.map((row) => `${row.map(csvCell).join(',')}\r\n`).join('')
}

/** One JSON object a row, each on a line of its own. */
export function jsonLines(
  table: Pick<Table, 'rows'> & { readonly columns: readonly { readonly name: string }[] },
): string {
  const names = table.columns.map((column) => column.name)
  return table.rows
    .map((row) => `${JSON.stringify(Object.fromEntries(names.map((name, i) => [name, row[i] ?? null])))}\n`)
    .join('')
}

function csvCell(value: KeyValue): string {
  if (value === null) return ''
  if (typeof value !== 'string') return String(value)
  const text = /^[=+@\t\r]|^-(?!\d*\.?\d+$)/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
