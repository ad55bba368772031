import type { DistinctAnswer } from '../api/contract/analysis.ts'
import type { FlowsAnswer, Question, TopAnswer } from '../api/contract/query.ts'
import type { RecordOrder, RecordsAnswer, RecordsQuestion } from '../api/contract/records.ts'
import { parquet } from '../api/parquet.ts'
import { csv, distinctTable, flowsTable, recordsTable, rowsTable, type Table } from '../api/table.ts'
import { UserError } from '../base/errors.ts'
import { COLUMNS, columnNamed } from '../flow/columns.ts'
import { listed, nearest } from '../query/filter/problem.ts'
import { formatOfKeys, formatted, readFormat, type LineFormat } from './query-format.ts'
import {
  cellsOfFlows,
  cellsOfRecords,
  infoText,
  rawText,
  statText,
  summaryText,
  totalsOf,
  type Totals,
} from './query-records.ts'
import type { Source, WholeFormat } from './query-source.ts'
import { distinctText, flowsText, topText } from './query-text.ts'
import { FIVE_TUPLE, readKeys, readListOrder, readRecordOrder, readStat, type Order } from './query-words.ts'

// What `vnetscope query` asks, and how it prints the answer.

/** Formats beside nfdump's lines; all but the first are for programs. */
export const FORMATS: readonly string[] = ['table', 'json', 'ndjson', 'csv', 'parquet']

export interface Wanted {
  readonly from: number
  readonly to: number
  readonly filter: string
  readonly s?: readonly string[]
  readonly a?: boolean
  readonly A?: string
  readonly b?: boolean
  readonly B?: boolean
  readonly O?: string
  readonly n?: number
  readonly c?: number
  readonly o?: string
  /** Columns of a list, parted by commas. */
  readonly columns?: string
  readonly unit?: Question['unit']
  /** Counts different values of these in each group of -A. */
  readonly distinct?: string
  /** Rare keys may be counted with the rest. */
  readonly rough?: boolean
  readonly q?: boolean
  readonly N?: boolean
  readonly I?: boolean
  /** Where the answer goes; resolves when it may go on. */
  readonly out: (text: string | Uint8Array) => void | Promise<void>
  /** Rows that an answer can have. */
  readonly most: number
  /** What titles name, and rates are of: the range, unless flows are asked for that lie in another. */
  readonly shown?: { readonly from: number; readonly to: number }
  /** First and last packet of all that there is, where that is known. */
  readonly window?: { readonly first: number; readonly last: number }
}

const STAT_ROWS = 10
const LIST_ROWS = 100
/** What a list shows on a terminal; the other formats give every usual column. */
const TABLE_COLUMNS = [
  'time_received',
  'exporter',
  'vlan_in',
  'proto',
  'src_addr',
  'src_port',
  'dst_addr',
  'dst_port',
  'tcp_flags',
  'src_vm',
  'dst_vm',
  'packets',
  'bytes',
  'sampling_rate',
]

export async function askAndPrint(source: Source, wanted: Wanted): Promise<void> {
  if (wanted.o === 'raw' && (wanted.s ?? wanted.A ?? (wanted.a || wanted.b || wanted.B || wanted.distinct)))
    throw new UserError('-o raw is for lists of flows', {
      hint: 'what was counted or put together comes whole as json',
    })
  if (wanted.columns !== undefined && !isList(wanted))
    throw new UserError('--columns chooses those of a list of flows', {
      hint: 'what is counted or put together has the columns of -s or -A; nfdump’s formats have theirs, or fmt: with tags',
    })
  if (wanted.unit === 'share') checkShare(wanted)
  if (wanted.I) return info(source, wanted)
  if (wanted.distinct !== undefined) return distinct(source, wanted, readKeys(wanted.distinct))
  if (wanted.s !== undefined) return stats(source, wanted, wanted.s)
  if (wanted.b || wanted.B) return together(source, wanted)
  if (wanted.A !== undefined || wanted.a) return aggregated(source, wanted)
  return list(source, wanted)
}

/** True for flows as they are, in a format that has no columns of its own. */
function isList({ s, A, a, b, B, I, distinct: counted, o = 'table' }: Wanted): boolean {
  return (
    s === undefined && A === undefined && !a && !b && !B && !I && counted === undefined && readFormat(o) === undefined
  )
}

/** @throws UserError for a unit in which nothing but sums is answered */
function refuseUnit({ unit }: Wanted): void {
  if (unit === 'l2' || unit === 'l3')
    throw new UserError('--unit l2 and l3 are of sums, as a table or for programs', {
      hint: 'for example -s srcip/bytes --unit l3; flows, records and nfdump’s formats have bytes as they were exported',
    })
}

/** What can be said to be wrong before anything is read. @throws UserError */
export function checkWords({
  s = [],
  A,
  distinct: counted,
  o = 'table',
  columns,
  O,
}: Pick<Wanted, 's' | 'A' | 'distinct' | 'o' | 'columns' | 'O'>): void {
  s.map(readStat)
  if (O !== undefined && s.length > 0)
    throw new UserError('-O orders flows and records; a statistic has its order behind it', {
      hint: `for example -s ${(s[0] as string).split('/')[0]}/${O}`,
    })
  for (const keys of [A, counted]) if (keys !== undefined) readKeys(keys)
  readFormat(o)
  for (const name of columns === undefined ? [] : namesIn(columns))
    if (!columnNamed(name)) throw new UserError(`“${name}” is not a column of a flow`, { hint: columnHint(name) })
}

function columnHint(name: string): string {
  const names = COLUMNS.map((column) => column.name)
  const near = nearest(name, names)
  return near.length > 0 ? `did you mean ${listed(near)}?` : `there are ${names.join(', ')}`
}

/** @throws UserError where no share of a link’s speed can be shown */
function checkShare({ s, A, a, b, B, I, distinct: counted, o = 'table' }: Wanted): void {
  if ((s === undefined && A === undefined) || a || b || B || I || counted !== undefined || !FORMATS.includes(o))
    throw new UserError('--unit share is for statistics of interfaces, as a table or for programs', {
      hint: 'for example -s router,inif --unit share',
    })
}

/** @throws UserError */
function metricOf(order: string, { unit }: Wanted): Order {
  if (unit === 'share' && order !== 'bytes')
    throw new UserError('a share of a link’s speed is of bytes', { hint: `leave out the order ${order}` })
  return order as Order
}

function base(wanted: Wanted, usual: number): Pick<Question, 'from' | 'to' | 'filter'> & { limit: number } {
  const { from, to, filter, most } = wanted
  const count = wanted.n ?? wanted.c ?? usual
  if (count > most)
    throw new UserError(`an answer has at most ${most} rows`, {
      hint: 'more flows come as ndjson, csv or parquet, without -O, in the order of their receipt',
    })
  return { from, to, filter, limit: count === 0 ? most : count }
}

const totalsAsked = async (source: Source, wanted: Wanted): Promise<{ answer: RecordsAnswer; totals: Totals }> => {
  const answer = await source.records({ ...base(wanted, STAT_ROWS), by: ['proto'], limit: 256 })
  return { answer, totals: totalsOf(answer) }
}

async function info(source: Source, wanted: Wanted): Promise<void> {
  refuseUnit(wanted)
  const { answer, totals } = await totalsAsked(source, wanted)
  if (wanted.o === undefined || wanted.o === 'table') void wanted.out(infoText(totals))
  else forPrograms(wanted, answer, () => recordsTable(answer))
}

/** Prints what nfdump prints below its lines. */
async function summary(source: Source, wanted: Wanted): Promise<void> {
  if (wanted.q) return
  const { answer, totals } = await totalsAsked(source, wanted)
  const window = wanted.window ?? { first: totals.first, last: totals.last }
  void wanted.out(summaryText(totals, window, answer, wanted.N === true))
}

const METRICS: readonly string[] = ['flows', 'packets', 'bytes']

async function stats(source: Source, wanted: Wanted, words: readonly string[]): Promise<void> {
  // A link is full of bytes, not of flows.
  const given = words
    .map((word) => readStat(wanted.unit === 'share' && !word.includes('/') ? `${word}/bytes` : word))
    .map((stat) => (stat.word === 'record' && wanted.A !== undefined ? { ...stat, by: readKeys(wanted.A) } : stat))
  if (given.some(({ word }) => word !== 'record') && (wanted.A !== undefined || wanted.a || wanted.b || wanted.B))
    throw new UserError('-a, -A, -b and -B put flows together to records, which -s STAT does not count', {
      hint: 'leave them out, or say -s record',
    })
  const [only] = given
  if (only && (wanted.b || wanted.B)) {
    if (given.length > 1 || only.orders.length > 1)
      throw new UserError('-s record is one table with -b and -B', { hint: 'give one order: -s record/bytes' })
    return together(source, { ...wanted, O: only.orders[0] as string })
  }
  const { o = 'table' } = wanted
  const format = readFormat(o)
  const tables = given.flatMap(({ word, by, orders }) => orders.map((order) => ({ word, by: [...by], order })))
  if (tables.length > 1 && o === 'parquet')
    throw new UserError('one Parquet file holds one table', { hint: 'give one -s with one order' })
  if (format && o.startsWith('fmt:') && given.some(({ word }) => word !== 'record'))
    throw new UserError(`-o ${o} is for flows and records`, {
      hint: `statistics come as ${FORMATS.join(', ')}, or as nfdump has them by -o line`,
    })
  let totals: Totals | undefined
  for (const [i, { word, by, order }] of tables.entries()) {
    const question = { ...base(wanted, STAT_ROWS), by }
    if (i > 0 && (o === 'csv' || (o === 'table' && !wanted.q))) void wanted.out('\n')
    if (!format && (METRICS.includes(order) || wanted.unit === 'share')) {
      await top(source, wanted, { ...question, metric: metricOf(order, wanted) })
      continue
    }
    refuseUnit(wanted)
    const answer = await source.records({ ...question, order: order as RecordOrder })
    if (!format && o !== 'table') {
      forPrograms(wanted, answer, () => recordsTable(answer))
      continue
    }
    totals ??= (await totalsAsked(source, wanted)).totals
    const most = wanted.n ?? wanted.c ?? STAT_ROWS
    if (word === 'record' && !wanted.q)
      void wanted.out(`Top ${most || answer.rows.length} flows ordered by ${order}:\n`)
    if (word === 'record') void wanted.out(linesOf(recordFormat(format, by, wanted), answer, wanted))
    else
      void wanted.out(
        statText(word, order, answer, totals, { quiet: wanted.q === true, full: wanted.N === true, most }),
      )
  }
  if (format) await summary(source, wanted)
}

async function aggregated(source: Source, wanted: Wanted): Promise<void> {
  const by = wanted.A === undefined ? [...FIVE_TUPLE] : readKeys(wanted.A)
  const { o = 'table' } = wanted
  const format = readFormat(o)
  // Nothing goes the other way: without -b all is of one.
  const order = readRecordOrder(wanted.O ?? 'bytes').replace(/^in_/, '') as RecordOrder
  if (!format && (METRICS.includes(order) || wanted.unit === 'share'))
    return top(source, wanted, { ...base(wanted, STAT_ROWS), by, metric: metricOf(order, wanted) })
  if (by.length === 0) throw new UserError('-A none is one total', { hint: 'it needs no -O, and comes as a table' })
  await records(source, wanted, { ...base(wanted, STAT_ROWS), by, order }, recordFormat(format, by, wanted))
}

/** nfdump makes a format of the keys of -A, unless one is asked for by its tags; of connections it is `line`. */
function recordFormat(format: LineFormat | undefined, by: readonly string[], { A, o }: Wanted): LineFormat {
  if (A !== undefined && !o?.startsWith('fmt:')) return formatOfKeys(by)
  return format ?? (readFormat('line') as LineFormat)
}

async function together(source: Source, wanted: Wanted): Promise<void> {
  if (wanted.A !== undefined)
    throw new UserError('-b and -B put flows together by protocol, addresses and ports', { hint: 'leave out -A' })
  const { o = 'table' } = wanted
  const format = (
    o === 'table' || o === 'line' ? readFormat('biline') : o === 'long' ? readFormat('bilong') : readFormat(o)
  ) as LineFormat
  const order = readRecordOrder(wanted.O ?? 'bytes')
  const question: RecordsQuestion = {
    ...base(wanted, STAT_ROWS),
    by: [...FIVE_TUPLE],
    order,
    ways: wanted.B ? 'clients' : 'together',
  }
  await records(source, wanted, question, format)
}

async function records(source: Source, wanted: Wanted, question: RecordsQuestion, format: LineFormat): Promise<void> {
  refuseUnit(wanted)
  const answer = await source.records(question)
  const { o = 'table' } = wanted
  if (o !== 'table' && FORMATS.includes(o)) return forPrograms(wanted, answer, () => recordsTable(answer))
  void wanted.out(linesOf(format, answer, wanted))
  await summary(source, wanted)
}

function linesOf(format: LineFormat, answer: RecordsAnswer, wanted: Wanted): string {
  return formatted(format, cellsOfRecords(answer), { quiet: wanted.q === true, full: wanted.N === true })
}

async function top(
  source: Source,
  wanted: Wanted,
  question: Question & { by: string[]; metric: Order },
): Promise<void> {
  const answer = await source.top({ ...question, ...measured(wanted) })
  const { o = 'table' } = wanted
  const { from, to } = wanted.shown ?? wanted
  if (o === 'table')
    void wanted.out(topText(answer, question.metric, from, to, { quiet: wanted.q === true, full: wanted.N === true }))
  else forPrograms(wanted, answer, () => rowsTable(answer.columns, answer.rows))
}

/** Columns that were asked for by name. */
function chosen({ columns }: Wanted): { by?: string[] } {
  return columns === undefined ? {} : { by: namesIn(columns) }
}

function namesIn(columns: string): string[] {
  return columns.split(',').map((name) => name.trim())
}

/** Formats that hold any number of flows. */
const WHOLE: Readonly<Record<string, WholeFormat>> = { ndjson: 'jsonl', csv: 'csv', parquet: 'parquet' }

/** What bytes are, and how exact the answer has to be. */
function measured({ unit, rough }: Wanted): Pick<Question, 'unit' | 'exact'> {
  return { ...(unit === undefined ? {} : { unit }), ...(rough ? { exact: false } : {}) }
}

async function distinct(source: Source, wanted: Wanted, of: string[]): Promise<void> {
  if (wanted.A === undefined) throw new UserError('--distinct counts within the groups of -A', { hint: DISTINCT_HINT })
  const { o = 'table' } = wanted
  const { from, to } = wanted.shown ?? wanted
  if (!FORMATS.includes(o))
    throw new UserError(`-o ${o} is for flows and records`, { hint: `it is ${FORMATS.join(', ')}` })
  const question = { ...base(wanted, STAT_ROWS), by: readKeys(wanted.A), of, ...measured(wanted) }
  const answer = await source.distinct(question)
  if (o === 'table')
    void wanted.out(distinctText(answer, from, to, { quiet: wanted.q === true, full: wanted.N === true }))
  else forPrograms(wanted, answer, () => distinctTable(answer))
}

const DISTINCT_HINT = 'for example -A srcip --distinct dstip,dstport'

async function list(source: Source, wanted: Wanted): Promise<void> {
  refuseUnit(wanted)
  const { o = 'table', O, from, to, filter } = wanted
  const { shown = wanted } = wanted
  const count = wanted.n ?? wanted.c
  const whole = WHOLE[o]
  if (whole && O === undefined && count !== undefined && (count === 0 || count > wanted.most)) {
    const question: Question = { from, to, filter, ...chosen(wanted), ...(count === 0 ? {} : { limit: count }) }
    for await (const piece of source.everyFlow(question, whole)) await wanted.out(piece)
    return
  }
  if (o === 'raw') return raw(source, wanted)
  const format = readFormat(o)
  const order = O === undefined ? {} : { order: readListOrder(O) }
  const by = format?.columns ?? chosen(wanted).by ?? (o === 'table' ? TABLE_COLUMNS : undefined)
  const answer = await source.flows({ ...base(wanted, LIST_ROWS), ...order, ...(by ? { by: [...by] } : {}) })
  if (format) {
    void wanted.out(formatted(format, cellsOfFlows(answer), { quiet: wanted.q === true, full: wanted.N === true }))
    if (answer.more && !wanted.q) void wanted.out('There are more: ask for them by -n.\n')
    await summary(source, wanted)
  } else if (o === 'table') void wanted.out(flowsText(answer, shown.from, shown.to, O, { quiet: wanted.q === true }))
  else forPrograms(wanted, answer, () => flowsTable(answer))
}

/** Every column of each flow that is known of it, one a line. */
async function raw(source: Source, wanted: Wanted): Promise<void> {
  const order = wanted.O === undefined ? {} : { order: readListOrder(wanted.O) }
  const by = wanted.columns === undefined ? COLUMNS.map(({ name }) => name) : (chosen(wanted).by as string[])
  const answer = await source.flows({ ...base(wanted, LIST_ROWS), ...order, by })
  void wanted.out(rawText(answer))
  if (answer.more && !wanted.q) void wanted.out('There are more: ask for them by -n.\n')
  await summary(source, wanted)
}

function forPrograms(
  wanted: Wanted,
  answer: TopAnswer | FlowsAnswer | RecordsAnswer | DistinctAnswer,
  table: () => Table,
): void {
  const { o: format } = wanted
  if (format === 'json') void wanted.out(`${JSON.stringify(answer)}\n`)
  else if (format === 'ndjson') void wanted.out(ndjson(table()))
  else if (format === 'csv') void wanted.out(csv(table()))
  else void wanted.out(parquet(table()))
}

/** One object a line. */
function ndjson({ columns, rows }: Table): string {
  return rows
    .map((row) => `${JSON.stringify(Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])))}\n`)
    .join('')
}
