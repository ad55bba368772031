import { columnNamed } from '../../flow/columns.ts'
import type { Condition } from './condition-tree.ts'
import { TUNNEL_PROTOCOLS } from './names.ts'

// What stands in SQL for a column of a condition, and for the values that it is held against.

type Param = string | number | readonly (string | number)[]

/** The parameters of one statement. */
export class Params {
  readonly values: Record<string, Param> = {}
  /** Comparisons that the conditions with these parameters are made of: what a statement's plan costs goes by them. */
  comparisons = 0
  private count = 0

  /** A place in the SQL for the value. */
  add(type: string, value: Param): string {
    const name = `p${this.count++}`
    this.values[name] = value
    return `{${name}:${type}}`
  }
}

/** Milliseconds from first to last packet. */
const DURATION = '(toUnixTimestamp64Milli(time_end) - toUnixTimestamp64Milli(time_start))'
const LOWER_PORT = 'if(src_port = 0 OR dst_port = 0, greatest(src_port, dst_port), least(src_port, dst_port))'

/** The lower, hence usually well-known, port of a row; 0 for protocols without ports. */
export const SERVICE_PORT = `if(proto IN (6, 17, 33, 132, 136), ${LOWER_PORT}, 0)`

/** Values that are not columns but are compared as such. */
const EXPRESSIONS: Readonly<Record<string, readonly [expression: string, type: string]>> = {
  duration: [DURATION, 'Int64'],
  // Whole numbers, and 0 where there is nothing to divide by, as nfdump has them.
  pps: [`if(${DURATION} > 0, floor(toFloat64(packets) * 1000 / ${DURATION}), 0)`, 'Float64'],
  bps: [`if(${DURATION} > 0, floor(toFloat64(bytes) * 8000 / ${DURATION}), 0)`, 'Float64'],
  bpp: ['intDivOrZero(bytes, packets)', 'UInt64'],
  service_port: [SERVICE_PORT, 'UInt16'],
  tunnel_proto: [tunnelProtocol(), 'UInt8'],
}

export type Net = Extract<Condition, { kind: 'net' }>

function tunnelProtocol(): string {
  const kinds = Object.keys(TUNNEL_PROTOCOLS)
  const cases = [...new Set(Object.values(TUNNEL_PROTOCOLS))].map((protocol) => {
    const carried = kinds.filter((kind) => TUNNEL_PROTOCOLS[kind] === protocol)
    return `tunnel IN (${carried.map((kind) => `'${kind}'`).join(', ')}), ${protocol}`
  })
  return `multiIf(${cases.join(', ')}, 0)`
}

/** Length of the prefix in 128 bits. */
export function bitsOf({ address, bits }: Net): number {
  return address.includes(':') ? bits : bits + 96
}

/** The network of such length that a column's address lies in. */
export function networkOf(net: Net, params: Params): string {
  return `tupleElement(IPv6CIDRToRange(${expressionOf(net.of)}, ${params.add('UInt8', bitsOf(net))}), 1)`
}

/** True for columns whose values a list can hold as they are. */
export function isListed(column: string): boolean {
  const definition = columnNamed(column)
  return definition?.values === undefined && definition?.format !== 'boolean'
}

/** A column, or what is worked out from some. */
export function expressionOf(column: string): string {
  return (
    EXPRESSIONS[column]?.[0] ?? (columnNamed(column)?.format === 'time' ? `toUnixTimestamp64Milli(${column})` : column)
  )
}

export function typeOf(column: string): string {
  if (EXPRESSIONS[column]) return EXPRESSIONS[column][1]
  const type = columnNamed(column)?.type ?? 'UInt64'
  if (type.startsWith('Enum8') || type.startsWith('LowCardinality')) return 'String'
  return type.startsWith('DateTime64') ? 'Int64' : type
}

/** IPv4 has to be written as mapped for an IPv6 parameter. */
export function mapped(type: string, value: string | number): string | number {
  return type === 'IPv6' && !String(value).includes(':') ? `::ffff:${value}` : value
}
