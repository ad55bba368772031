import { columnNamed } from '../../flow/columns.ts'
import type { Comparator, FilterNode, Test, Value } from './ast.ts'
import { ALWAYS, NEVER, type Condition, type Constant } from './condition-tree.ts'
import { expandFilter, type NamedFilterOptions } from './expand.ts'
import { nounNamed, type Noun } from './nouns.ts'
import { FilterError } from './problem.ts'
import { simplified } from './simplify.ts'

// Tree → what it asks of a row, without the words of the language: sides are spelled out, names of exporters are their
// addresses, guards stand beside what they guard. SQL (sql.ts) and the predicate over batches (../predicate.ts) are both made
// of this, so that they can't come to mean different things.

/** What is worked out of a row and compared like a column (see sql.ts for each), and the columns that it is made of. */
const MADE_OF: Readonly<Record<string, readonly string[]>> = {
  duration: ['time_start', 'time_end'],
  pps: ['packets', 'time_start', 'time_end'],
  bps: ['bytes', 'time_start', 'time_end'],
  bpp: ['bytes', 'packets'],
  service_port: ['proto', 'src_port', 'dst_port'],
  tunnel_proto: ['tunnel'],
}

export interface ConditionOptions extends NamedFilterOptions {
  /** Addresses of the exporters of this name (`*` stands for any characters). */
  readonly exporterAddresses?: (name: string) => readonly string[]
  /** Numbers of the autonomous systems of this name (`*` stands for any characters). */
  readonly asNumbers?: (name: string) => readonly number[]
  /** What a name that nobody knows means: a mistake of who asks (unless given), or nothing yet, as for what runs on for days. */
  readonly unknownNames?: 'refuse' | 'nothing'
}

const IPV4: Condition = { kind: 'net', of: 'src_addr', address: '0.0.0.0', bits: 0 }

/** What a word asks for besides its value, whether the value is to be the same or another. */
const GUARDS: Readonly<Record<string, Condition>> = {
  flags: { kind: 'equal', of: 'proto', values: [6] },
  'icmp-type': { kind: 'equal', of: 'proto', values: [1, 58] },
  'icmp-code': { kind: 'equal', of: 'proto', values: [1, 58] },
  'inner ip': { kind: 'not', of: { kind: 'equal', of: 'tunnel', values: ['none'] } },
  'inner port': { kind: 'not', of: { kind: 'equal', of: 'tunnel', values: ['none'] } },
  'inner proto': { kind: 'not', of: { kind: 'equal', of: 'tunnel', values: ['none'] } },
}

/** Tree → condition. @throws FilterError for a name that nobody knows. */
export function conditionOf(tree: FilterNode, options: ConditionOptions = {}): Condition {
  return simplified(plainConditionOf(tree, options))
}

/** The same, word by word as it was written. */
export function plainConditionOf(tree: FilterNode, options: ConditionOptions = {}): Condition {
  return lowered(expandFilter(tree, options), options)
}

function lowered(node: FilterNode, options: ConditionOptions): Condition {
  switch (node.kind) {
    case 'any':
      return ALWAYS
    case 'not':
      return { kind: 'not', of: lowered(node.of, options) }
    case 'and':
    case 'or':
      return { kind: node.kind === 'and' ? 'all' : 'any', of: node.of.map((part) => lowered(part, options)) }
    case 'named':
      // expandFilter() leaves none.
      return NEVER
    default:
      return ofTest(node, options)
  }
}

function ofTest(test: Test, options: ConditionOptions): Condition {
  const noun = nounNamed(test.noun) as Noun
  if (noun.name === 'ipv4') return { kind: 'any', of: [{ kind: 'equal', of: 'ethertype', values: [0x0800] }, IPV4] }
  if (noun.name === 'ipv6') {
    const known: Condition = { kind: 'not', of: { kind: 'equal', of: 'src_addr', values: ['::'] } }
    const other: Condition = { kind: 'all', of: [known, { kind: 'not', of: IPV4 }] }
    return { kind: 'any', of: [{ kind: 'equal', of: 'ethertype', values: [0x86dd] }, other] }
  }
  const guard = GUARDS[noun.name]
  const asked = compared(noun, test, options)
  return guard ? { kind: 'all', of: [guard, asked] } : asked
}

function compared(noun: Noun, test: Test, options: ConditionOptions): Condition {
  if (test.op === '!=') return { kind: 'not', of: compared(noun, { ...test, op: '=' }, options) }
  const columns = noun.columns[test.side ?? 'any'] ?? []
  const [value] = test.values
  if (value?.type === 'column') return anyOf(columns.flatMap((column) => beside(column, test, value)))
  const known = { ...test, values: resolved(noun, test, options) }
  if (known.values.length === 0) return NEVER
  // `vlan 0` asks for frames without any tag; each of three columns being 0 would be nearly every frame.
  if (noun.name === 'vlan' && !test.side && (test.op === '=' || test.op === 'in'))
    return untagged(columns, known.values)
  return anyOf(columns.map((column) => ofColumn(column, noun, known)))
}

function anyOf(parts: readonly Condition[]): Condition {
  return parts.length === 1 ? (parts[0] as Condition) : { kind: 'any', of: parts }
}

/** Either side of the one with either side of the other; two names that are both unknown are not the same. */
function beside(column: string, test: Test, value: Extract<Value, { type: 'column' }>): Condition[] {
  const others = nounNamed(value.noun)?.columns[value.side ?? 'any'] ?? []
  const times = value.times === undefined ? {} : { times: value.times }
  return others.map((other) => {
    const same: Condition = { kind: 'columns', of: column, op: test.op as Comparator, other, ...times }
    if (columnNamed(column)?.format !== 'name') return same
    return { kind: 'all', of: [same, { kind: 'not', of: { kind: 'equal', of: column, values: [''] } }] }
  })
}

function untagged(columns: readonly string[], values: readonly Value[]): Condition {
  const isZero = (value: Value): boolean => value.type === 'number' && value.value === 0
  const rest = values.filter((value) => !isZero(value))
  const parts = rest.length > 0 ? columns.map((column) => membership(column, rest)) : []
  if (rest.length < values.length)
    parts.push({ kind: 'all', of: columns.map((column) => ({ kind: 'equal', of: column, values: [0] })) })
  return anyOf(parts)
}

function ofColumn(column: string, noun: Noun, test: Test): Condition {
  if (noun.kind === 'service') return anyOf(test.values.map(service))
  if (noun.kind === 'flags' && (test.op === 'has' || test.op === 'in'))
    return anyOf(test.values.map((value) => ({ kind: 'bits', of: column, bits: numeric(value) })))
  if (test.op === '=' || test.op === 'in' || test.op === 'like') return membership(column, test.values)
  return { kind: 'compare', of: column, op: test.op as Comparator, value: numeric(test.values[0] as Value) }
}

/** One of the values: single ones together as a set, networks, ranges and patterns each by its own. */
function membership(column: string, values: readonly Value[]): Condition {
  const singles: Constant[] = []
  const parts: Condition[] = []
  for (const value of values) {
    if (value.type === 'net') parts.push({ kind: 'net', of: column, address: value.value, bits: value.bits })
    else if (value.type === 'mac-net')
      parts.push({ kind: 'between', of: column, low: value.value, high: value.value + 2 ** (48 - value.bits) - 1 })
    else if (value.type === 'range')
      parts.push({ kind: 'between', of: column, low: plain(value.low), high: plain(value.high) })
    else if (value.type === 'pattern') parts.push({ kind: 'like', of: column, pattern: value.value })
    else singles.push(constant(value))
  }
  if (singles.length > 0) parts.unshift({ kind: 'equal', of: column, values: singles })
  return anyOf(parts)
}

function service(value: Value): Condition {
  if (value.type !== 'service') return NEVER
  const proto: Condition = { kind: 'equal', of: 'proto', values: [value.proto] }
  return { kind: 'all', of: [proto, { kind: 'equal', of: 'service_port', values: [value.port ?? 0] }] }
}

function constant(value: Value): Constant {
  return value.type === 'boolean' ? value.value : plain(value)
}

function plain(value: Value): number | string {
  return (value as { value: number | string }).value
}

function numeric(value: Value): number {
  return (value as { value: number }).value
}

/** The values with addresses and numbers in place of names that stand for several. */
function resolved(noun: Noun, test: Test, options: ConditionOptions): readonly Value[] {
  if (noun.name === 'exporter') {
    const found = (name: string): Value[] =>
      (options.exporterAddresses?.(name) ?? []).map((address) => ({ type: 'ip', value: address }))
    return named(test, options, found, 'exporter', ['an address', 'a name from the Exporters page'])
  }
  if (noun.kind === 'as') {
    const found = (name: string): Value[] =>
      (options.asNumbers?.(name) ?? []).map((number) => ({ type: 'number', value: number }))
    return named(test, options, found, 'AS', ['a number', 'a name from the AS database that the server was given'])
  }
  return test.values
}

function named(
  test: Test,
  { unknownNames }: ConditionOptions,
  found: (name: string) => Value[],
  what: string,
  expected: readonly string[],
): readonly Value[] {
  return test.values.flatMap((value) => {
    if (value.type !== 'name' && value.type !== 'pattern') return [value]
    const values = found(value.value)
    if (values.length > 0 || unknownNames === 'nothing') return values
    throw new FilterError({
      message: `no ${what} is known by the name “${value.value}”`,
      position: test.span.from,
      length: test.span.to - test.span.from,
      expected,
    })
  })
}

/** The columns that a condition reads. */
export function columnsOf(condition: Condition, into = new Set<string>()): Set<string> {
  switch (condition.kind) {
    case 'all':
    case 'any':
      for (const part of condition.of) columnsOf(part, into)
      break
    case 'not':
      columnsOf(condition.of, into)
      break
    default:
      for (const name of [condition.of, ...(condition.kind === 'columns' ? [condition.other] : [])])
        for (const column of MADE_OF[name] ?? [name]) into.add(column)
  }
  return into
}

/** The columns that a filter reads. @throws FilterError for a name that nobody knows */
export function filterColumns(tree: FilterNode, options: ConditionOptions = {}): Set<string> {
  return columnsOf(conditionOf(tree, { ...options, unknownNames: 'nothing' }))
}
