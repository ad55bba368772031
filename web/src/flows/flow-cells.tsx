// Single values of flow records.
import type { KeyValue } from '../../../src/api/contract/query.ts'
import { bytesText, countText } from '../figures/units.ts'
import { isUnknown, valueText } from '../names/dimensions.ts'
import { NamedNote } from '../names/named.tsx'
import { Name } from '../parts/name.tsx'
import { clockText, momentText } from '../time/zone.ts'
import type { Zone } from '../time/zone.ts'
import type { FlowColumn } from './list.ts'

export function cellText(value: KeyValue): string {
  return value === null ? '' : String(value)
}

export function FlowCell({
  column,
  value,
  zone,
  dated,
  exact = false,
  proto,
}: {
  readonly column: FlowColumn
  readonly value: KeyValue
  readonly zone: Zone
  readonly dated: boolean
  /** Times to the millisecond. */
  readonly exact?: boolean
  /** The protocol of the flow, which a port belongs to. */
  readonly proto?: KeyValue
}) {
  switch (column.format) {
    case 'time':
      return (
        <span className="figures dim">
          {dated ? momentText(Number(value), zone, true).slice(exact ? 0 : 5) : clockText(Number(value), zone, true)}
          {exact ? `.${String(Number(value) % 1000).padStart(3, '0')}` : ''}
        </span>
      )
    case 'bytes':
      return bytesText(Number(value))
    case 'packets':
      return countText(Number(value))
    case 'mac':
      return (
        <>
          <code className="dim">{String(value)}</code>
          {exact ? <NamedNote of={column.name} value={value} /> : null}
        </>
      )
    case 'port':
      return (
        <>
          {String(value)}
          {exact && proto !== undefined ? <NamedNote of={column.name} value={value} proto={proto} /> : null}
        </>
      )
    case 'flags':
      return value === '' || Number(value) === 0 ? <span className="dim">–</span> : String(value)
    case 'as':
      return (
        <>
          {Number(value) === 0 ? <span className="dim">–</span> : String(value)}
          <NamedNote of={column.name} value={value} />
        </>
      )
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
