import { parseIp } from '../../base/address.ts'
import { columnNamed } from '../../flow/columns.ts'
import type { FilterNode, Test, Value } from './ast.ts'
import { nounNamed, type Noun } from './nouns.ts'
import { FilterError } from './problem.ts'

// Tree → condition for the store. What a user wrote gets in only as `{name:Type}` parameters; everything else in the
// text is from the tables of this project.

type Param = string | number | readonly (string | number)[]

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

export interface FilterSqlOptions {
  /** Addresses of the exporters of this name (`*` stands for any characters). */
  readonly exporterAddresses?: (name: string) => readonly string[]
}

/** Milliseconds from first to last packet. */
const DURATION = '(toUnixTimestamp64Milli(time_end) - toUnixTimestamp64Milli(time_start))'
const LOWER_PORT = 'if(src_port = 0 OR dst_port = 0, greatest(src_port, dst_port), least(src_port, dst_port))'
const MAPPED = "(src_addr >= toIPv6('::ffff:0.0.0.0') AND src_addr <= toIPv6('::ffff:255.255.255.255'))"

/** Values that are not columns but are compared as such. */
const COMPUTED: Readonly<Record<string, string>> = {
  duration: DURATION,
  // Whole numbers, and 0 where there is nothing to divide by, as nfdump has them.
  pps: `if(${DURATION} > 0, floor(toFloat64(packets) * 1000 / ${DURATION}), 0)`,
  bps: `if(${DURATION} > 0, floor(toFloat64(bytes) * 8000 / ${DURATION}), 0)`,
  bpp: 'intDivOrZero(bytes, packets)',
}

/** What a word asks for besides its value, whether the value is to be the same or another. */
const GUARDS: Readonly<Record<string, string>> = {
  flags: 'proto = 6',
  'icmp-type': 'proto IN (1, 58)',
  'icmp-code': 'proto IN (1, 58)',
  'inner ip': "tunnel != 'none'",
}

/** The lower, hence usually well-known, port of a row; 0 for protocols without ports. */
export const SERVICE_PORT = `if(proto IN (6, 17, 33, 132, 136), ${LOWER_PORT}, 0)`

/** Tree → SQL condition over the table `flows`. @throws FilterError for an exporter that nobody knows. */
export function filterSql(node: FilterNode, params: Params, options: FilterSqlOptions = {}): string {
  switch (node.kind) {
    case 'any':
      return '1'
    case 'not':
      return `NOT (${filterSql(node.of, params, options)})`
    case 'and':
    case 'or':
      return node.of.map((part) => `(${filterSql(part, params, options)})`).join(node.kind === 'and' ? ' AND ' : ' OR ')
    default:
      return testSql(node, params, options)
  }
}

function testSql(test: Test, params: Params, options: FilterSqlOptions): string {
  const noun = nounNamed(test.noun) as Noun
  if (noun.name === 'ipv4') return `(ethertype = 2048 OR ${MAPPED})`
  if (noun.name === 'ipv6') return `(ethertype = 34525 OR (src_addr != toIPv6('::') AND NOT ${MAPPED}))`
  const guard = GUARDS[noun.name]
  if (guard) return `(${guard} AND ${comparison(noun, test, params, options)})`
  return comparison(noun, test, params, options)
}

function comparison(noun: Noun, test: Test, params: Params, options: FilterSqlOptions): string {
  if (test.op === '!=') return `NOT (${comparison(noun, { ...test, op: '=' }, params, options)})`
  const named =
    noun.name === 'exporter' && test.values[0]?.type !== 'column' ? { ...test, ...resolved(test, options) } : test
  return anyOf(noun, named, params)
}

function anyOf(noun: Noun, test: Test, params: Params): string {
  const columns = noun.columns[test.side ?? 'any'] ?? []
  const [value] = test.values
  if (value?.type === 'column') return disjunction(columns.flatMap((column) => compareColumns(column, test, value)))
  // `vlan 0` asks for frames without any tag; each of three columns being 0 would be nearly every frame.
  if (noun.name === 'vlan' && !test.side && (test.op === '=' || test.op === 'in'))
    return untagged(columns, test, params)
  return disjunction(columns.map((column) => compare(column, noun, test, params)))
}

/** Either side of the one with either side of the other; two names that are both unknown are not the same. */
function compareColumns(column: string, test: Test, value: Extract<Value, { type: 'column' }>): string[] {
  const others = nounNamed(value.noun)?.columns[value.side ?? 'any'] ?? []
  return others.map((other) => {
    const same = `${expressionOf(column)} ${test.op} ${expressionOf(other)}`
    return typeOf(column) === 'String' ? `(${same} AND ${column} != '')` : same
  })
}

/** A column, or what is worked out from some. */
export function expressionOf(column: string): string {
  return COMPUTED[column] ?? (columnNamed(column)?.format === 'time' ? `toUnixTimestamp64Milli(${column})` : column)
}

function untagged(columns: readonly string[], test: Test, params: Params): string {
  const zero = test.values.some((value) => value.type === 'number' && value.value === 0)
  const rest = test.values.filter((value) => !(value.type === 'number' && value.value === 0))
  const parts = rest.length > 0 ? columns.map((column) => membership(column, 'UInt16', rest, params)) : []
  if (zero) parts.push(`(${columns.map((column) => `${column} = 0`).join(' AND ')})`)
  return disjunction(parts)
}

function disjunction(parts: readonly string[]): string {
  return parts.length === 1 ? (parts[0] as string) : `(${parts.join(' OR ')})`
}

function compare(column: string, noun: Noun, test: Test, params: Params): string {
  const type = typeOf(column)
  if (noun.kind === 'service') return disjunction(test.values.map((value) => serviceSql(value, params)))
  if (noun.kind === 'flags') {
    return disjunction(
      test.values.map((value) => {
        const bits = params.add('UInt16', (value as { value: number }).value)
        return test.op === 'has' || test.op === 'in'
          ? `bitAnd(${column}, ${bits}) = ${bits}`
          : `${column} ${test.op} ${bits}`
      }),
    )
  }
  const expression = expressionOf(column)
  if (test.op === '=' || test.op === 'in' || test.op === 'like')
    return membership(expression, type, test.values, params)
  return `${expression} ${test.op} ${params.add(type, plain(test.values[0] as Value))}`
}

function typeOf(column: string): string {
  if (COMPUTED[column]) return 'Float64'
  const type = columnNamed(column)?.type ?? 'UInt64'
  if (type.startsWith('Enum8') || type.startsWith('LowCardinality')) return 'String'
  return type.startsWith('DateTime64') ? 'Int64' : type
}

/** One of the values: single ones together as a set, prefixes, ranges and patterns each by its own. */
function membership(expression: string, type: string, values: readonly Value[], params: Params): string {
  const singles: (string | number)[] = []
  const parts: string[] = []
  for (const value of values) {
    if (value.type === 'net') parts.push(between(expression, type, ...networkEnds(value.value, value.bits), params))
    else if (value.type === 'mac-net')
      parts.push(between(expression, type, value.value, value.value + 2 ** (48 - value.bits) - 1, params))
    else if (value.type === 'range') parts.push(between(expression, type, plain(value.low), plain(value.high), params))
    else if (value.type === 'pattern')
      parts.push(`${expression} ILIKE ${params.add('String', likePattern(value.value))}`)
    else singles.push(plain(value))
  }
  if (singles.length === 1) parts.unshift(`${expression} = ${params.add(type, singles[0] as string)}`)
  else if (singles.length > 1)
    parts.unshift(`${expression} IN (${singles.map((single) => params.add(type, single)).join(', ')})`)
  return disjunction(parts)
}

function between(
  expression: string,
  type: string,
  low: string | number,
  high: string | number,
  params: Params,
): string {
  return `(${expression} >= ${params.add(type, low)} AND ${expression} <= ${params.add(type, high)})`
}

function plain(value: Value): string | number {
  if (value.type === 'boolean') return value.value ? 'true' : 'false'
  if (value.type === 'ip') return parsedIpText(value.value)
  return (value as { value: string | number }).value
}

/** IPv4 has to be written as mapped for an IPv6 parameter. */
function parsedIpText(text: string): string {
  return text.includes(':') ? text : `::ffff:${text}`
}

function networkEnds(address: string, bits: number): [string, string] {
  const low = parseIp(address) as Uint8Array
  const length = address.includes(':') ? bits : bits + 96
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

function serviceSql(value: Value, params: Params): string {
  if (value.type !== 'service') return '0'
  const proto = `proto = ${params.add('UInt8', value.proto)}`
  return `(${proto} AND ${SERVICE_PORT} = ${params.add('UInt16', value.port ?? 0)})`
}

function resolved(test: Test, options: FilterSqlOptions): Pick<Test, 'op' | 'values'> {
  const values = test.values.flatMap((value): Value[] => {
    if (value.type !== 'name' && value.type !== 'pattern') return [value]
    const addresses = options.exporterAddresses?.(value.value) ?? []
    if (addresses.length === 0) {
      throw new FilterError({
        message: `no exporter is known by the name “${value.value}”`,
        position: test.span.from,
        length: test.span.to - test.span.from,
        expected: ['an address', 'a name from the Exporters page'],
      })
    }
    return addresses.map((address) => ({ type: 'ip', value: address }))
  })
  return { op: 'in', values }
}
