import { parseIp } from '../base/address.ts'
import { BugError } from '../base/errors.ts'
import { columnNamed, TUNNELS, type ColumnDefinition } from '../flow/columns.ts'
import { KeyTable } from '../inventory/key-table.ts'
import type { Comparator } from './filter/ast.ts'
import { TUNNEL_PROTOCOLS } from './filter/names.ts'
import type { Condition, Constant } from './filter/condition-tree.ts'
import { isLike, isOneOf, NameVerdicts } from './name-verdicts.ts'

// Condition → text of a loop over a batch. Into the text go numbers, the names of columns of our registry, operators, and nothing
// else: whatever a user wrote is in tables that the loop is handed.

/** What the loop looks into: sorted numbers, addresses, two ends of a range of addresses (8 words), or a byte for each value or name. */
export type Table = Float64Array | KeyTable | Uint32Array | Uint8Array

export interface PredicateCode {
  /** Body of a function of `batch`, `into`, `tables` and `helpers`. */
  readonly source: string
  readonly tables: readonly (Table | NameVerdicts)[]
}

/** Lists longer than this are looked up, shorter ones compared one by one. */
const FEW = 6
const HIGH = 4_294_967_296

/** Protocol that carries the tunnel, by the number of its kind. */
const TUNNELED = Uint8Array.from({ length: 256 }, (_, kind) => TUNNEL_PROTOCOLS[TUNNELS[kind as 0] ?? ''] ?? 0)

export const HELPERS = { perSecond, wholePart, servicePort, hasNumber, isBetween, order, TUNNELED }
export type Helpers = typeof HELPERS

/** The loop that a condition is. */
export function predicateCode(condition: Condition): PredicateCode {
  const writer = new Writer()
  const test = writer.condition(condition)
  const columns = [...writer.columns].map((name) => `const ${name} = batch.${name}`)
  const tables = writer.tables.map((_, i) => `const t${i} = tables[${i}]`)
  const helpers = Object.keys(HELPERS).join(', ')
  const source = `'use strict'
const { ${helpers} } = helpers
${[...columns, ...tables].join('\n')}
const n = batch.n
let found = 0
for (let i = 0; i < n; i++) if (${test}) into[found++] = i
return found`
  return { source, tables: writer.tables }
}

class Writer {
  readonly columns = new Set<string>()
  readonly tables: (Table | NameVerdicts)[] = []

  condition(condition: Condition): string {
    switch (condition.kind) {
      case 'all':
      case 'any': {
        const [empty, joint] = condition.kind === 'all' ? ['true', ' && '] : ['false', ' || ']
        if (condition.of.length === 0) return empty
        const parts = condition.of.toSorted((a, b) => cost(a) - cost(b))
        return `(${parts.map((part) => this.condition(part)).join(joint)})`
      }
      case 'not':
        return `!${this.condition(condition.of)}`
      case 'columns':
        return this.beside(condition.of, condition.op, condition.other, condition.times)
      case 'compare':
        return `(${this.value(condition.of)} ${operator(condition.op)} ${number(condition.value)})`
      case 'bits':
        return `((${this.value(condition.of)} & ${number(condition.bits)}) === ${number(condition.bits)})`
      case 'like':
        return this.name(condition.of, isLike(condition.pattern))
      case 'net':
        return this.net(condition.of, condition.address, condition.bits)
      case 'between':
        return this.between(condition.of, condition.low, condition.high)
      default:
        return this.equal(condition.of, condition.values)
    }
  }

  private equal(of: string, values: readonly Constant[]): string {
    const definition = columnNamed(of)
    if (definition?.storage === 'name') return this.name(of, isOneOf(values.map(String)))
    if (definition?.storage === 'ip') return this.addresses(of, values.map(String))
    const numbers = values.map((value) => numberOf(definition, value))
    if (numbers.length > FEW && (definition?.storage === 'u8' || definition?.storage === 'u16')) {
      const marks = new Uint8Array(definition.storage === 'u8' ? 256 : 65_536)
      for (const value of numbers) marks[value] = 1
      return `(${this.table(marks)}[${this.value(of)}] === 1)`
    }
    if (numbers.length > FEW) return `hasNumber(${this.table(Float64Array.from(numbers).sort())}, ${this.value(of)})`
    return `(${numbers.map((value) => this.isNumber(of, definition, value)).join(' || ')})`
  }

  private isNumber(of: string, definition: ColumnDefinition | undefined, value: number): string {
    if (definition?.format === 'boolean') return `((${this.column(of)}[i] !== 0) === ${value !== 0})`
    if (definition?.storage !== 'u64' && definition?.storage !== 'mac')
      return `(${this.value(of)} === ${number(value)})`
    const column = this.column(of)
    return `(${column}[i * 2] === ${number(value % HIGH)} && ${column}[i * 2 + 1] === ${number(Math.floor(value / HIGH))})`
  }

  private name(of: string, matches: (name: string) => boolean): string {
    return `(${this.table(new NameVerdicts(matches))}[${this.column(of)}[i]] === 1)`
  }

  private addresses(of: string, texts: readonly string[]): string {
    const column = this.column(of)
    if (texts.length > FEW) {
      const table = new KeyTable(4, texts.length)
      texts.forEach((text, id) => table.set(words(text), 0, id))
      return `(${this.table(table)}.find(${column}, i * 4) >= 0)`
    }
    // The last word differs most often, so it is looked at first.
    const same = (text: string): string => {
      const parts = [...words(text)].map((word, w) => `${column}[i * 4 + ${w}] === ${number(word)}`)
      return `(${parts.toReversed().join(' && ')})`
    }
    return `(${texts.map(same).join(' || ')})`
  }

  private net(of: string, address: string, bits: number): string {
    const length = address.includes(':') ? bits : bits + 96
    const mask = new Uint8Array(16).map((_, i) => (0xff << (8 - Math.min(8, Math.max(0, length - i * 8)))) & 0xff)
    const masks = new Int32Array(mask.buffer)
    const column = this.column(of)
    const parts = [...new Int32Array(words(address).buffer)].flatMap((word, w) => {
      const bitsOfWord = masks[w] as number
      if (bitsOfWord === 0) return []
      return [`(${column}[i * 4 + ${w}] & ${number(bitsOfWord)}) === ${number(word & bitsOfWord)}`]
    })
    return parts.length === 0 ? 'true' : `(${parts.toReversed().join(' && ')})`
  }

  private between(of: string, low: number | string, high: number | string): string {
    const definition = columnNamed(of)
    if (definition?.storage === 'ip') {
      const ends = new Uint32Array(8)
      ends.set(words(String(low)), 0)
      ends.set(words(String(high)), 4)
      return `isBetween(${this.column(of)}, i * 4, ${this.table(ends)})`
    }
    const [from, to] = [numberOf(definition, low), numberOf(definition, high)]
    return `(${this.value(of)} >= ${number(from)} && ${this.value(of)} <= ${number(to)})`
  }

  private beside(of: string, op: Comparator, other: string, times: number | undefined): string {
    const [left, right] = [columnNamed(of)?.storage, columnNamed(other)?.storage]
    if (left === 'ip') {
      const [a, b] = [this.column(of), this.column(other)]
      const same = [3, 2, 1, 0].map((w) => `${a}[i * 4 + ${w}] === ${b}[i * 4 + ${w}]`).join(' && ')
      return op === '=' ? `(${same})` : `!(${same})`
    }
    if (left === 'name') return `(${this.column(of)}[i] ${operator(op)} ${this.column(other)}[i])`
    // Whole words where both have them: beyond 2^53 a number would not tell neighbours apart.
    if (left === 'u64' && right === 'u64' && times === undefined)
      return `(order(${this.column(of)}, ${this.column(other)}, i * 2) ${operator(op)} 0)`
    const factor = times === undefined ? '' : `${number(times)} * `
    return `(${this.value(of)} ${operator(op)} ${factor}${this.value(other)})`
  }

  /** The value of row i as a number. */
  private value(of: string): string {
    switch (of) {
      case 'duration': {
        const [start, end] = [this.column('time_start'), this.column('time_end')]
        return `((${end}[i * 2 + 1] - ${start}[i * 2 + 1]) * ${HIGH} + (${end}[i * 2] - ${start}[i * 2]))`
      }
      case 'pps':
        return `perSecond(${this.value('packets')}, 1000, ${this.value('duration')})`
      case 'bps':
        return `perSecond(${this.value('bytes')}, 8000, ${this.value('duration')})`
      case 'bpp':
        return `wholePart(${this.column('bytes')}, ${this.column('packets')}, i * 2)`
      case 'service_port':
        return `servicePort(${this.column('proto')}[i], ${this.column('src_port')}[i], ${this.column('dst_port')}[i])`
      case 'tunnel_proto':
        return `TUNNELED[${this.column('tunnel')}[i]]`
    }
    const storage = columnNamed(of)?.storage
    if (storage === 'u64' || storage === 'mac')
      return `(${this.column(of)}[i * 2 + 1] * ${HIGH} + ${this.column(of)}[i * 2])`
    if (storage === 'ip' || storage === undefined) throw new BugError(`${of} is no number`)
    return `${this.column(of)}[i]`
  }

  private column(name: string): string {
    if (!columnNamed(name)) throw new BugError(`${name} is no column`)
    this.columns.add(name)
    return name
  }

  private table(table: Table | NameVerdicts): string {
    return `t${this.tables.push(table) - 1}`
  }
}

const OPERATORS: Readonly<Record<Comparator, string>> = {
  '=': '===',
  '!=': '!==',
  '<': '<',
  '>': '>',
  '<=': '<=',
  '>=': '>=',
}

function operator(op: Comparator): string {
  return OPERATORS[op]
}

/** A number as it is written in the text. */
function number(value: number): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new BugError('no number where one must be')
  return value < 0 ? `(${value})` : String(value)
}

/** The number that a column holds for a value: of an enumeration its own, of a boolean 0 or 1. */
function numberOf(definition: ColumnDefinition | undefined, value: Constant): number {
  if (typeof value === 'number') return value
  if (typeof value === 'boolean') return value ? 1 : 0
  const found = Object.entries(definition?.values ?? {}).find(([, text]) => text === value)
  if (!found) throw new BugError('no value of this column')
  return Number(found[0])
}

/** The address as four raw words, as a batch has it. */
function words(text: string): Uint32Array<ArrayBuffer> {
  return new Uint32Array((parseIp(text) as Uint8Array).slice().buffer)
}

/** What costs least is asked first: the order changes nothing else. */
function cost(condition: Condition): number {
  switch (condition.kind) {
    case 'all':
    case 'any':
      return condition.of.reduce((sum, part) => sum + cost(part), 1)
    case 'not':
      return cost(condition.of)
    case 'equal':
      return condition.values.length > FEW
        ? 8
        : condition.values.length * (columnNamed(condition.of)?.storage === 'ip' ? 2 : 1)
    case 'net':
      return 2
    default:
      return columnNamed(condition.of) ? 2 : 4
  }
}

function perSecond(amount: number, factor: number, duration: number): number {
  return duration > 0 ? Math.floor((amount * factor) / duration) : 0
}

/** Bytes a packet, rounded down; 0 without packets. */
function wholePart(bytes: Uint32Array, packets: Uint32Array, at: number): number {
  const high = packets[at + 1] as number
  const divisor = high * HIGH + (packets[at] as number)
  if (divisor === 0) return 0
  const dividend = (bytes[at + 1] as number) * HIGH + (bytes[at] as number)
  if (dividend <= Number.MAX_SAFE_INTEGER && divisor <= Number.MAX_SAFE_INTEGER) return Math.floor(dividend / divisor)
  // No exporter that is right sends so many bytes in a row.
  const whole = (of: Uint32Array): bigint => (BigInt(of[at + 1] as number) << 32n) | BigInt(of[at] as number)
  return Number(whole(bytes) / whole(packets))
}

/** As SERVICE_PORT in filter/sql.ts. */
function servicePort(proto: number, source: number, destination: number): number {
  if (proto !== 6 && proto !== 17 && proto !== 33 && proto !== 132 && proto !== 136) return 0
  if (source === 0 || destination === 0) return source > destination ? source : destination
  return source < destination ? source : destination
}

function hasNumber(sorted: Float64Array, value: number): boolean {
  let low = 0
  let high = sorted.length - 1
  while (low <= high) {
    const middle = (low + high) >>> 1
    const found = sorted[middle] as number
    if (found === value) return true
    if (found < value) low = middle + 1
    else high = middle - 1
  }
  return false
}

/** True if the address at `at` lies between the two of `ends`, as network-order numbers. */
function isBetween(column: Uint32Array, at: number, ends: Uint32Array): boolean {
  return compareAddresses(column, at, ends, 0) >= 0 && compareAddresses(column, at, ends, 4) <= 0
}

function compareAddresses(a: Uint32Array, at: number, b: Uint32Array, other: number): number {
  for (let w = 0; w < 4; w++) {
    const x = a[at + w] as number
    const y = b[other + w] as number
    if (x !== y) return swapped(x) < swapped(y) ? -1 : 1
  }
  return 0
}

/** A raw word as the network-order number that it is. */
function swapped(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0
}

/** Less than, equal to or more than 0, as the one 64-bit number is to the other. */
function order(a: Uint32Array, b: Uint32Array, at: number): number {
  const high = (a[at + 1] as number) - (b[at + 1] as number)
  return high === 0 ? (a[at] as number) - (b[at] as number) : high
}
