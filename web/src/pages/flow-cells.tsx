// Single values of flow records.
import type { FlowsAnswer, KeyValue } from '../../../src/api/contract/query.ts'
import { bytesText, countText } from '../figures/units.ts'
import { isUnknown, valueText } from '../names/dimensions.ts'
import { Name } from '../parts/name.tsx'
import { clockText, momentText } from '../time/zone.ts'
import type { Zone } from '../time/zone.ts'

type FlowColumn = FlowsAnswer['columns'][number]

export function cellText(value: KeyValue): string {
  return value === null ? '' : String(value)
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
const NEVER = new Set([
  'time_start',
  'time_end',
  'counted',
  'observation',
  'source_if',
  'src_host',
  'dst_host',
  'tos',
  'ttl',
  'forwarding_status',
  'src_mask',
  'dst_mask',
])

export function shownColumns(answer: FlowsAnswer): { column: FlowColumn; at: number }[] {
  const told = (column: FlowColumn, at: number) =>
    answer.rows.some((row) => {
      const value = row[at]
      return (
        !isUnknown(column.name, value) &&
        value !== 0 &&
        value !== 'unknown' &&
        value !== 'none' &&
        value !== '00:00:00:00:00:00'
      )
    })
  const vlanAt = answer.columns.findIndex((column) => column.name === 'vlan_in')
  const outAt = answer.columns.findIndex((column) => column.name === 'vlan_out')
  const sameVlans = answer.rows.every((row) => row[vlanAt] === row[outAt])
  const rank = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : 100)
  return answer.columns
    .map((column, at) => ({ column, at }))
    .filter(
      ({ column, at }) => !NEVER.has(column.name) && told(column, at) && !(column.name === 'vlan_out' && sameVlans),
    )
    .sort((a, b) => rank(a.column.name) - rank(b.column.name) || a.at - b.at)
}

export function FlowCell({
  column,
  value,
  zone,
  dated,
}: {
  readonly column: FlowColumn
  readonly value: KeyValue
  readonly zone: Zone
  readonly dated: boolean
}) {
  switch (column.format) {
    case 'time':
      return (
        <span className="figures dim">
          {dated ? momentText(Number(value), zone, true).slice(5) : clockText(Number(value), zone, true)}
        </span>
      )
    case 'bytes':
      return bytesText(Number(value))
    case 'packets':
      return countText(Number(value))
    case 'port':
      return String(value)
    case 'mac':
      return <code className="dim">{String(value)}</code>
    case 'name':
    case 'ip':
    case 'vlan':
      return isUnknown(column.name, value) ? (
        <span className="dim">–</span>
      ) : (
        <Name of={column.name} value={value} strong={column.format === 'name'} />
      )
    case 'number':
      return column.name === 'sampling_rate'
        ? Number(value) > 1
          ? `1 in ${countText(Number(value))}`
          : 'all'
        : String(value)
    default:
      return isUnknown(column.name, value) ? <span className="dim">–</span> : valueText(column.name, value)
  }
}
