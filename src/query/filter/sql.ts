import { parseIp } from '../../base/address.ts'
import { columnNamed } from '../../flow/columns.ts'
import type { FilterNode } from './ast.ts'
import { conditionOf, type ConditionOptions } from './condition.ts'
import { TUNNEL_PROTOCOLS } from './names.ts'
import type { Condition, Constant } from './condition-tree.ts'

// Tree → condition for the store. What a user wrote gets in only as `{name:Type}` parameters; everything else in the
// text is from the tables of this project.

type Param = string | number | readonly (string | number)[]

/** Lists longer than this are one parameter: each part of a statement costs its plan. */
const FEW = 4

/** The parameters of one statement. */
export class Params {
  readonly values: Record<string, Param> = {}
  private count = 0

  /** A place in the SQL for the value. */
  add(type: string, value: Param): string {
    const name = `p${this.count++}`
    this.values[name] = value
    return `{${name}:${type}}`
  }
}

export type FilterSqlOptions = ConditionOptions

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

/** Tree → SQL condition over the table `flows`. @throws FilterError for a name that nobody knows */
export function filterSql(tree: FilterNode, params: Params, options: FilterSqlOptions = {}): string {
  return conditionSql(conditionOf(tree, options), params)
}

/** Condition → SQL; `1` and `0` for what holds always and never. */
export function conditionSql(condition: Condition, params: Params): string {
  switch (condition.kind) {
    case 'all':
    case 'any': {
      const [empty, joint] = condition.kind === 'all' ? ['1', ' AND '] : ['0', ' OR ']
      const { networks, rest } = networksApart(condition)
      const parts = [
        ...networks.map((list) => listOfNetworks(list, params)),
        ...rest.map((part) => conditionSql(part, params)),
      ].map((part) => `(${part})`)
      return parts.length === 0 ? empty : parts.join(joint)
    }
    case 'not':
      return `NOT (${conditionSql(condition.of, params)})`
    case 'columns': {
      const [left, right] = [expressionOf(condition.of), expressionOf(condition.other)]
      if (condition.times === undefined) return `${left} ${condition.op} ${right}`
      return `toFloat64(${left}) ${condition.op} ${params.add('Float64', condition.times)} * toFloat64(${right})`
    }
    case 'net': {
      const [low, high] = networkEnds(condition)
      return conditionSql({ kind: 'between', of: condition.of, low, high }, params)
    }
    default:
      return ofColumn(condition, expressionOf(condition.of), typeOf(condition.of), params)
  }
}

function tunnelProtocol(): string {
  const kinds = Object.keys(TUNNEL_PROTOCOLS)
  const cases = [...new Set(Object.values(TUNNEL_PROTOCOLS))].map((protocol) => {
    const carried = kinds.filter((kind) => TUNNEL_PROTOCOLS[kind] === protocol)
    return `tunnel IN (${carried.map((kind) => `'${kind}'`).join(', ')}), ${protocol}`
  })
  return `multiIf(${cases.join(', ')}, 0)`
}

type Net = Extract<Condition, { kind: 'net' }>

/** Of many networks of one column and one length, which are one list; and the rest. */
function networksApart(condition: Extract<Condition, { kind: 'all' | 'any' }>): {
  networks: (readonly Net[])[]
  rest: readonly Condition[]
} {
  if (condition.kind === 'all') return { networks: [], rest: condition.of }
  const nets = condition.of.filter((part): part is Net => part.kind === 'net')
  const lists = new Map<string, Net[]>()
  for (const net of nets) {
    const key = `${net.of} ${bitsOf(net)}`
    const list = lists.get(key)
    if (list) list.push(net)
    else lists.set(key, [net])
  }
  const networks = [...lists.values()].filter((list) => list.length > FEW)
  const taken = new Set<Condition>(networks.flat())
  return { networks, rest: condition.of.filter((part) => !taken.has(part)) }
}

/** One look into a list, whatever its length. */
function listOfNetworks(list: readonly Net[], params: Params): string {
  const { of } = list[0] as Net
  const first = `tupleElement(IPv6CIDRToRange(${of}, ${params.add('UInt8', bitsOf(list[0] as Net))}), 1)`
  return `${first} IN ${params.add(
    'Array(IPv6)',
    list.map(({ address }) => String(mapped('IPv6', address))),
  )}`
}

/** Length of the prefix in 128 bits. */
function bitsOf({ address, bits }: Net): number {
  return address.includes(':') ? bits : bits + 96
}

/** True for columns whose values a list can hold as they are. */
function isListed(column: string): boolean {
  const definition = columnNamed(column)
  return definition?.values === undefined && definition?.format !== 'boolean'
}

function ofColumn(
  condition: Extract<Condition, { kind: 'equal' | 'compare' | 'between' | 'like' | 'bits' }>,
  expression: string,
  type: string,
  params: Params,
): string {
  const place = (value: Constant): string =>
    params.add(type, typeof value === 'boolean' ? String(value) : mapped(type, value))
  switch (condition.kind) {
    case 'equal': {
      const [only] = condition.values
      if (condition.values.length === 1) return `${expression} = ${place(only as Constant)}`
      if (condition.values.length > FEW && isListed(condition.of))
        return `${expression} IN ${params.add(
          `Array(${type})`,
          condition.values.map((value) => mapped(type, value as string)),
        )}`
      return `${expression} IN (${condition.values.map(place).join(', ')})`
    }
    case 'compare':
      return `${expression} ${condition.op} ${place(condition.value)}`
    case 'between':
      return `${expression} >= ${place(condition.low)} AND ${expression} <= ${place(condition.high)}`
    case 'like':
      // ILIKE folds letters in two ways, by the form of the pattern; this is one way, and JavaScript's.
      return `lowerUTF8(${expression}) LIKE ${params.add('String', likePattern(condition.pattern.toLowerCase()))}`
    case 'bits': {
      const bits = place(condition.bits)
      return `bitAnd(${expression}, ${bits}) = ${bits}`
    }
  }
}

/** A column, or what is worked out from some. */
export function expressionOf(column: string): string {
  return (
    EXPRESSIONS[column]?.[0] ?? (columnNamed(column)?.format === 'time' ? `toUnixTimestamp64Milli(${column})` : column)
  )
}

function typeOf(column: string): string {
  if (EXPRESSIONS[column]) return EXPRESSIONS[column][1]
  const type = columnNamed(column)?.type ?? 'UInt64'
  if (type.startsWith('Enum8') || type.startsWith('LowCardinality')) return 'String'
  return type.startsWith('DateTime64') ? 'Int64' : type
}

/** IPv4 has to be written as mapped for an IPv6 parameter. */
function mapped(type: string, value: string | number): string | number {
  return type === 'IPv6' && !String(value).includes(':') ? `::ffff:${value}` : value
}

function networkEnds(net: Net): [string, string] {
  const { address } = net
  const low = parseIp(address) as Uint8Array
  const length = bitsOf(net)
  const high = low.map((byte, i) => byte | (0xff >> Math.min(8, Math.max(0, length - i * 8))))
  return [hexText(low), hexText(high)]
}

function hexText(bytes: Uint8Array): string {
  const groups: string[] = []
  for (let i = 0; i < 16; i += 2) groups.push((((bytes[i] as number) << 8) | (bytes[i + 1] as number)).toString(16))
  return groups.join(':')
}

/** `*` → `%`, with the store's own signs taken literally. */
function likePattern(pattern: string): string {
  return pattern.replaceAll(/[\\%_]/g, (sign) => `\\${sign}`).replaceAll('*', '%')
}
