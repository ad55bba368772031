import { COLUMNS } from '../flow/columns.ts'
import { SLOT_SECONDS } from '../store/schema.ts'
import { ANSWERING_TABLES, type Spread } from '../store/rollups.ts'
import type { Piece, Span } from './plan.ts'

// From where the statements of a question read: the flows themselves, or pieces of rollup tables put together with what
// is left to the flows. Rollup rows have the columns of the flows that they stand for, so the same expressions work on both.

/** How a question reads; without pieces, the table of flows. */
export interface Reading {
  readonly pieces: readonly Piece[]
  readonly notes: readonly string[]
  /** Where each shard has tables of its own. */
  readonly spread?: Spread
  /** Columns that a rollup has in place of an expression over others. */
  readonly replaced: readonly { readonly name: string; readonly expression: string }[]
  /** Columns that keys are made of; what conditions need stays inside. */
  readonly columns: readonly string[]
  /** By dimension, the condition under which its key KEY stands for rare ones that were put together. */
  readonly folded: Readonly<Record<string, string>>
  /** Tables that keep the heaviest addresses alone, and in which column. */
  readonly heaviest: readonly { readonly table: string; readonly column: string }[]
}

/** Of a row, besides its columns: how many flows it stands for, and what the interval is made of. */
const OF_FLOWS = [
  'toInt64(bytes) AS bytes',
  'toInt64(packets) AS packets',
  'toInt64(1) AS flows',
  'if(sampling_rate > 1, toFloat64(bytes) * toFloat64(bytes) / greatest(packets, 1), 0) AS bytes_squares',
  'toUInt32(if(sampling_rate > 1, ceil(bytes / greatest(packets, 1)), 0)) AS packet_bytes',
]
const MEASURES = [
  'bytes',
  'packets',
  'flows',
  'bytes_squares',
  'packet_bytes',
  'sampling_rate',
  'protocol',
  'time_received',
]

/** A range of time, and whether flows can be found by their slots. */
export interface Range extends Span {
  readonly slotted?: boolean | undefined
}

/** What follows FROM: table or tables with their WHERE. `range` is of use only where all is read from the flows. */
export function rowsSql(reading: Reading | undefined, range: Range, condition: string, more = ''): string {
  if (!reading) return flowsSql(range, allOf(condition, more))
  const tables = new Map<string, Span[]>()
  for (const piece of reading.pieces) tables.set(piece.table, [...(tables.get(piece.table) ?? []), piece])
  // Nothing is kept of the range, yet a statement needs a table.
  if (tables.size === 0) tables.set('flows', [{ from: range.from, to: range.from }])
  const conditions = allOf(replacedIn(reading, condition), replacedIn(reading, more))
  const only = [...tables.keys()][0] as string
  if (tables.size === 1 && only !== 'flows')
    return `${only} WHERE ${allOf(timeSql(tables.get(only) as Span[]), conditions)}`
  const columns = [...new Set([...reading.columns, ...MEASURES])]
  const { spread } = reading
  const stored = (table: string): string => spread?.stored(table) ?? table
  const parts = [...tables].map(([table, spans]) => {
    if (table !== 'flows')
      return `SELECT ${columns.join(', ')} FROM ${stored(table)} WHERE ${allOf(timeSql(spans), conditions)}`
    const made = reading.replaced
      .filter(({ name }) => columns.includes(name))
      .map((r) => `${r.expression} AS ${r.name}`)
    const ofFlows = columns.filter((c) => !MADE.has(c) && !reading.replaced.some(({ name }) => name === c))
    const list = [...ofFlows, ...made, ...OF_FLOWS]
    return `SELECT ${sorted(list, columns)} FROM ${stored('flows')} WHERE ${allOf(timeSql(spans), condition, more)}`
  })
  // Each shard puts its own rows together and sums them up, else all of them would be sent to one server for that.
  if (spread) return `cluster('${spread.cluster}', view(${parts.join(' UNION ALL ')}))`
  return `(${parts.join(' UNION ALL ')})`
}

/**
 * Flows of a range. What lies in whole slots is found without its times, which are dear to read; the rest, at either end,
 * by them.
 */
function flowsSql({ from, to, slotted }: Range, condition: string): string {
  const start = Math.ceil(from / SLOT_MS) * SLOT_MS
  const end = Math.min(Math.floor(to / SLOT_MS) * SLOT_MS, LAST_SLOT)
  if (slotted !== true || end - start < FEWEST_SLOTS * SLOT_MS)
    return `flows WHERE ${allOf(timeSql([{ from, to }]), condition)}`
  const slots = `indexHint(${timeSql([{ from: start, to: end }])}) AND slot >= ${slotSql(start)} AND slot < ${slotSql(end)}`
  const ends = [
    { from, to: start },
    { from: end, to },
  ].filter((span) => span.from < span.to)
  if (ends.length === 0) return `flows WHERE ${allOf(slots, condition)}`
  const parts = [slots, timeSql(ends)].map((found) => `SELECT *, slot FROM flows WHERE ${allOf(found, condition)}`)
  return `(${parts.join(' UNION ALL ')})`
}

export const SLOT_MS = SLOT_SECONDS * 1000
/** A slot is a time of 32 bits. */
const LAST_SLOT = Math.floor(2 ** 32 / SLOT_SECONDS) * SLOT_MS
/** Of fewer the times are read as fast as two statements are planned. */
const FEWEST_SLOTS = 4

function slotSql(time: number): string {
  return `toDateTime(${time / 1000}, 'UTC')`
}

const MADE = new Set(OF_FLOWS.map((item) => item.split(' AS ').at(-1)))

/** A SELECT list in the order of the columns: UNION ALL goes by place, not by name. */
function sorted(list: readonly string[], columns: readonly string[]): string {
  const byName = new Map(list.map((item) => [item.split(' AS ').at(-1) as string, item]))
  return columns.map((column) => byName.get(column) as string).join(', ')
}

/** Rows received in one of the spans. */
export function timeSql(spans: readonly Span[]): string {
  const parts = spans.map(
    ({ from, to }) =>
      `time_received >= fromUnixTimestamp64Milli(${from}, 'UTC') AND time_received < fromUnixTimestamp64Milli(${to}, 'UTC')`,
  )
  return parts.length === 1 ? (parts[0] as string) : `(${parts.join(' OR ')})`
}

function allOf(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' AND ')
}

/** An expression over flows as it is written where a rollup is read. */
export function replacedIn(reading: Pick<Reading, 'replaced'> | undefined, sql: string): string {
  return (reading?.replaced ?? []).reduce((text, { name, expression }) => text.replaceAll(expression, name), sql)
}

const NAMES = new Set(COLUMNS.map((column) => column.name))

/** Columns of a flow that an expression of ours reads. What users gave stands in it only as parameters. */
export function columnsIn(sql: string): Set<string> {
  const bare = sql.replaceAll(/\{[^{}]*\}/g, ' ').replaceAll(/'(?:[^'\\]|\\.)*'/g, ' ')
  return new Set((bare.match(/[A-Za-z_]\w*/g) ?? []).filter((word) => NAMES.has(word)))
}

/** Tables that are read, and the condition on their time. */
export function tablesOf(range: Span & { readonly reading?: Reading | undefined }): { table: string; time: string }[] {
  const pieces = range.reading?.pieces ?? [{ table: 'flows', from: range.from, to: range.to }]
  const tables = [...new Set(pieces.map((piece) => piece.table))]
  return tables.map((table) => ({ table, time: timeSql(pieces.filter((piece) => piece.table === table)) }))
}

function stepOf(table: string): number {
  return ANSWERING_TABLES.find(({ name }) => name === table)?.stepMs ?? 1
}

/** `1-hour table` */
function describe(table: string): string {
  const step = stepOf(table)
  if (step === 1) return 'flows'
  const minutes = step / 60_000
  if (minutes < 1) return `${step / 1000}-second table`
  if (minutes < 60) return `${minutes}-minute table`
  return minutes < 1440 ? `${minutes / 60}-hour table` : `${minutes / 1440}-day table`
}

/** Tables of a reading as an answer names them, the coarsest first. */
export function readFrom(range: Span & { readonly reading?: Reading | undefined }): {
  source: string
  read: { table: string; describe: string; from: number; to: number }[]
  notes: string[]
} {
  const pieces = range.reading?.pieces ?? [{ table: 'flows', from: range.from, to: range.to }]
  const tables = [...new Set(pieces.map((piece) => piece.table))].sort((a, b) => stepOf(b) - stepOf(a))
  return {
    source: tables.join(', '),
    read: pieces.map(({ table, from, to }) => ({ table, describe: describe(table), from, to })),
    notes: [...(range.reading?.notes ?? [])],
  }
}
