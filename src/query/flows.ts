import { COLUMNS, columnNamed, type ColumnDefinition } from '../flow/columns.ts'
import { UserError } from '../base/errors.ts'
import type { Cell } from '../store/store.ts'
import { DECODERS, type KeyValue } from './dimensions.ts'
import { nearest } from './filter/problem.ts'
import { expressionOf } from './filter/sql.ts'
import { where, type FlowOrder, type Prepared } from './question.ts'
import type { Run } from './run.ts'

// The rows themselves as they were observed, newest first unless another order is asked for.

export interface FlowsAnswer {
  columns: { name: string; label: string; format: string }[]
  rows: KeyValue[][]
  more: boolean
  source: string
  rowsRead: number
  tookMs: number
  samplingRates: number[]
}

/** Columns of a list for which none were asked. */
const USUAL = [
  'time_received',
  'time_start',
  'time_end',
  'exporter',
  'in_if',
  'out_if',
  'vlan_in',
  'vlan_out',
  'proto',
  'src_addr',
  'src_port',
  'dst_addr',
  'dst_port',
  'tcp_flags',
  'bytes',
  'packets',
  'sampling_rate',
  'src_vm',
  'dst_vm',
  'src_host',
  'dst_host',
  'slice',
  'locality',
  'counted',
]
const ORDERS: Readonly<Record<Exclude<FlowOrder, 'received'>, string>> = {
  start: 'time_start',
  end: 'time_end',
  duration: `${expressionOf('duration')} DESC`,
  bytes: 'bytes DESC',
  packets: 'packets DESC',
  pps: `${expressionOf('pps')} DESC`,
  bps: `${expressionOf('bps')} DESC`,
  bpp: `${expressionOf('bpp')} DESC`,
}
const FIRST_WINDOW = 5 * 60_000

/** Columns of a flow; the usual ones if no names are given. @throws UserError for a name that no column has */
export function columnsNamed(names: readonly string[]): ColumnDefinition[] {
  return (names.length > 0 ? names : USUAL).map((name) => {
    const column = columnNamed(name)
    if (column) return column
    const near = nearest(
      name,
      COLUMNS.map((c) => c.name),
    )
    throw new UserError(
      `“${name}” is not a column of a flow`,
      near.length > 0 ? { hint: `did you mean ${near.join(' or ')}?` } : {},
    )
  })
}

export function selectOf(columns: readonly ColumnDefinition[]): string {
  return columns.map((c) => (c.format === 'time' ? `toUnixTimestamp64Milli(${c.name})` : c.name)).join(', ')
}

/** Cells of `selectOf`, from `at` on, as an answer says them. */
export function rowOfFlow(columns: readonly ColumnDefinition[], cells: readonly Cell[], at = 0): KeyValue[] {
  return columns.map((column, i) => DECODERS[column.format](cells[at + i] as Cell))
}

/** @param names columns, of all that a row has; the usual ones if empty */
export async function flows(
  prepared: Prepared,
  names: readonly string[],
  limit: number,
  run: Run,
  order: FlowOrder = 'received',
): Promise<FlowsAnswer> {
  const columns = columnsNamed(names)
  const select = selectOf(columns)
  const found: (readonly Cell[])[] = []
  if (order !== 'received') {
    const by = ORDERS[order]
    const answer = await run.query(
      `SELECT sampling_rate, ${select} FROM flows WHERE ${where(prepared)} ORDER BY ${by}, time_received DESC LIMIT ${limit + 1}`,
    )
    found.push(...answer.rows)
  } else await newest(found)
  /** The newest rows lie at the end: look there first, then ever further back. */
  async function newest(rows: (readonly Cell[])[]): Promise<void> {
    let to = prepared.to
    for (let span = FIRST_WINDOW; to > prepared.from && rows.length <= limit; span *= 8) {
      const from = Math.max(prepared.from, to - span)
      const answer = await run.query(
        `SELECT sampling_rate, ${select} FROM flows WHERE ${where(prepared, from, to)} ORDER BY time_received DESC LIMIT ${limit + 1 - rows.length}`,
      )
      rows.push(...answer.rows)
      to = from
    }
  }
  const shown = found.slice(0, limit)
  const rows = shown.map((cells) => rowOfFlow(columns, cells, 1))
  const rates = shown.length === 0 ? [1] : shown.map((cells) => Number(cells[0]))
  const samplingRates = [...new Set(rates)].sort((a, b) => a - b)
  return {
    columns: columns.map(({ name, label, format }) => ({ name, label, format })),
    rows,
    more: found.length > limit,
    samplingRates,
    source: 'flows',
    ...run.spent(),
  }
}
