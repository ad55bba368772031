// A list of flows: which columns are asked for and shown, in which order, and how one flow is found again.
import type { FlowsAnswer, KeyValue, Question } from '../../../src/api/contract/query.ts'
import { isUnknown } from '../names/dimensions.ts'
import { termFor } from '../names/narrow.ts'
import type { Sort } from '../url/search.ts'

export type FlowColumn = FlowsAnswer['columns'][number]

export interface FlowRow {
  readonly id: number
  readonly cells: readonly KeyValue[]
}

export const LIST_ROWS = 500

type ListOrder = NonNullable<Question['order']>

/** Columns by which the server can order the list, in the direction in which it does. */
const ORDERS: Readonly<Record<string, { readonly order: ListOrder | undefined; readonly descending: boolean }>> = {
  time_received: { order: undefined, descending: true },
  time_start: { order: 'start', descending: false },
  time_end: { order: 'end', descending: false },
  bytes: { order: 'bytes', descending: true },
  packets: { order: 'packets', descending: true },
}

/** Whether the list by this column is descending, or undefined if it can't be ordered by it. */
export function listDirection(column: string): boolean | undefined {
  return ORDERS[column]?.descending
}

/** The order to ask for; the newest first if undefined. */
export function listOrder(sort: Sort | undefined): ListOrder | undefined {
  return sort === undefined ? undefined : ORDERS[sort.column]?.order
}

/** By these a flow is found again. */
const IDENTITY = ['time_received', 'exporter', 'src_addr', 'dst_addr', 'src_port', 'dst_port', 'proto'] as const

/** The columns to ask for, so that `chosen` can be shown and a flow be opened. */
export function askedColumns(chosen: readonly string[]): readonly string[] {
  return [...new Set([...chosen, ...IDENTITY])]
}

/** First what a reader looks for; columns that are empty in every row are left out. */
const FIRST = [
  'time_received',
  'src_vm',
  'src_addr',
  'src_port',
  'dst_vm',
  'dst_addr',
  'dst_port',
  'proto',
  'vlan_in',
  'vlan_out',
  'bytes',
  'packets',
  'sampling_rate',
  'tcp_flags',
  'locality',
  'in_if',
  'out_if',
  'exporter',
  'protocol',
]
const SELDOM = new Set(['time_start', 'time_end', 'counted', 'src_host', 'dst_host'])

export function isTold(name: string, value: KeyValue | undefined): boolean {
  return (
    !isUnknown(name, value) &&
    value !== 0 &&
    value !== '0' &&
    value !== 'unknown' &&
    value !== 'none' &&
    value !== '00:00:00:00:00:00'
  )
}

interface Shown {
  readonly column: FlowColumn
  readonly at: number
}

/** The columns that are shown: those chosen, in that order, or the usual ones that say something. */
export function chosenColumns(answer: Pick<FlowsAnswer, 'columns' | 'rows'>, chosen: readonly string[]): Shown[] {
  const all = answer.columns.map((column, at) => ({ column, at }))
  if (chosen.length > 0) return chosen.flatMap((name) => all.find(({ column }) => column.name === name) ?? [])
  const told = ({ column, at }: Shown) => answer.rows.some((row) => isTold(column.name, row[at]))
  const vlanAt = answer.columns.findIndex((column) => column.name === 'vlan_in')
  const outAt = answer.columns.findIndex((column) => column.name === 'vlan_out')
  const sameVlans = answer.rows.every((row) => row[vlanAt] === row[outAt])
  const rank = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : 100)
  return all
    .filter((shown) => !SELDOM.has(shown.column.name) && told(shown))
    .filter(({ column }) => !(column.name === 'vlan_out' && sameVlans))
    .sort((a, b) => rank(a.column.name) - rank(b.column.name) || a.at - b.at)
}

const MEASURES: ReadonlySet<string> = new Set(['time', 'bytes', 'packets'])

export function isNarrowable(column: FlowColumn): boolean {
  return !MEASURES.has(column.format)
}

/** The question that one row of a list can be found by: its moment, and a filter. */
export function whereOf(
  answer: Pick<FlowsAnswer, 'columns'>,
  row: FlowRow,
): { readonly from: number; readonly filter: string } {
  const value = (name: string) => row.cells[answer.columns.findIndex((column) => column.name === name)]
  const terms = IDENTITY.filter((name) => name !== 'time_received').flatMap((name) => {
    const known = value(name)
    return known === undefined ? [] : [termFor(name, known)]
  })
  return { from: Number(value('time_received')), filter: terms.join(' and ') }
}

/** Among rows found by that question the one that agrees with `row` in every column that both have. */
export function sameRow(
  listed: Pick<FlowsAnswer, 'columns'>,
  row: FlowRow,
  found: Pick<FlowsAnswer, 'columns' | 'rows'>,
): readonly KeyValue[] | undefined {
  const at = listed.columns.map((column) => found.columns.findIndex((other) => other.name === column.name))
  return found.rows.find((cells) => at.every((index, i) => index < 0 || cells[index] === row.cells[i]))
}
