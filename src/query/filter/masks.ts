import type { Condition } from './condition-tree.ts'
import { bitsOf, expressionOf, isListed, mapped, networkOf, typeOf, type Params } from './sql-columns.ts'

// Many parts of a filter that ask the same of other values (`ip A and not port 1 or ip B and not port 2 or …`) as a few
// expressions. Each part is a bit of a number of 256 bits: a value of a row is looked up once for all parts, which gives the
// bits of those that it meets, and and, or and not join such numbers. Written out, each part costs the engine a millisecond
// of its plan, and each row a look at each part.

/** Fewer parts are asked one by one as fast. */
const ALIKE = 16
const WIDTH = 256
/** Of the tests that can't be looked up, at most this share may be different ones. */
const DIFFERENT = 1 / 4

type Joined = Extract<Condition, { kind: 'all' | 'any' }>
type Atom = Exclude<Condition, { kind: 'all' | 'any' | 'not' }>

/** What a part asks but for its values, and its tests in an order that is the same for all parts of one outline. */
interface Outline {
  readonly id: number
  readonly part: Condition
  readonly of: readonly Outline[]
}

/** @returns SQL for the parts that are put together, and the parts that are left */
export function putTogether(
  { kind, of }: Joined,
  params: Params,
  sqlOf: (condition: Condition) => string,
): { sql: string[]; rest: readonly Condition[] } {
  if (of.length < ALIKE) return { sql: [], rest: of }
  const ids = new Map<string, number>()
  const groups = new Map<number, Outline[]>()
  for (const part of of) {
    const outline = outlineOf(part, ids)
    const group = groups.get(outline.id)
    if (group) group.push(outline)
    else groups.set(outline.id, [outline])
  }
  const sql: string[] = []
  const taken = new Set<Condition>()
  for (const group of groups.values()) {
    if (group.length < ALIKE || !isWorthwhile(group)) continue
    for (let i = 0; i < group.length; i += WIDTH)
      sql.push(chunkSql(kind, group.slice(i, i + WIDTH), new Masks(params, sqlOf)))
    for (const { part } of group) taken.add(part)
  }
  return { sql, rest: of.filter((part) => !taken.has(part)) }
}

function outlineOf(part: Condition, ids: Map<string, number>): Outline {
  const named = (text: string, of: readonly Outline[]): Outline => {
    const id = ids.get(text) ?? ids.size
    ids.set(text, id)
    return { id, part, of }
  }
  switch (part.kind) {
    case 'all':
    case 'any': {
      const of = part.of.map((one) => outlineOf(one, ids)).sort((a, b) => a.id - b.id)
      return named(`${part.kind} ${of.map(({ id }) => id).join(' ')}`, of)
    }
    case 'not': {
      const inner = outlineOf(part.of, ids)
      return named(`not ${inner.id}`, [inner])
    }
    default:
      return named(kindOf(part), [])
  }
}

/** Tests of one kind can be looked up together. */
function kindOf(test: Atom): string {
  if (isRange(test)) return `range ${test.of}`
  if (test.kind === 'net') return `net ${test.of} ${bitsOf(test)}`
  if (test.kind === 'equal' && isListed(test.of) && typeOf(test.of) !== 'Float64') return `equal ${test.of}`
  return `other ${test.kind} ${test.of}`
}

/** Where too many tests differ that can't be looked up, nothing is won. */
function isWorthwhile(group: readonly Outline[]): boolean {
  const different = new Set<string>()
  let tests = 0
  const look = ({ part, of }: Outline): void => {
    for (const one of of) look(one)
    if (part.kind === 'all' || part.kind === 'any' || part.kind === 'not') return
    tests++
    if (kindOf(part as Atom).startsWith('other')) different.add(JSON.stringify(part))
  }
  for (const outline of group) look(outline)
  return different.size <= tests * DIFFERENT
}

function chunkSql(kind: Joined['kind'], group: readonly Outline[], masks: Masks): string {
  const all = (1n << BigInt(group.length)) - 1n
  const used = masks.literal(all)
  const found = `bitAnd(${masks.of(group, all)}, ${used})`
  return kind === 'any' ? `${found} != toUInt256(0)` : `${found} = ${used}`
}

class Masks {
  private readonly params: Params
  private readonly sqlOf: (condition: Condition) => string

  constructor(params: Params, sqlOf: (condition: Condition) => string) {
    this.params = params
    this.sqlOf = sqlOf
  }

  literal(mask: bigint): string {
    return this.params.add('UInt256', String(mask))
  }

  /** Bits of the parts that a row meets; those beyond the last part may be anything. */
  of(group: readonly Outline[], all: bigint): string {
    const { part, of } = group[0] as Outline
    switch (part.kind) {
      case 'all':
      case 'any': {
        if (of.length === 0) return this.literal(part.kind === 'all' ? all : 0n)
        const parts = of.map((_, i) =>
          this.of(
            group.map((one) => one.of[i] as Outline),
            all,
          ),
        )
        return balanced(part.kind === 'all' ? 'bitAnd' : 'bitOr', parts)
      }
      case 'not':
        return `bitNot(${this.of(
          group.map((one) => one.of[0] as Outline),
          all,
        )})`
      default:
        return this.ofTests(group.map((one) => one.part as Atom))
    }
  }

  private ofTests(tests: readonly Atom[]): string {
    const [first] = tests as [Atom]
    const kind = kindOf(first)
    if (kind.startsWith('range')) return this.ofRanges(tests as readonly Range[])
    if (kind.startsWith('other')) return this.ofOthers(tests)
    this.params.comparisons++
    const type = typeOf(first.of)
    const values = new Map<string | number, bigint>()
    for (const [i, test] of tests.entries())
      for (const value of test.kind === 'equal' ? test.values : [(test as { address: string }).address]) {
        const key = mapped(type, value as string | number)
        values.set(key, (values.get(key) ?? 0n) | (1n << BigInt(i)))
      }
    const looked = first.kind === 'net' ? networkOf(first, this.params) : expressionOf(first.of)
    return this.lookup(looked, type, values)
  }

  /** The bits that a value has, none if it is not among the values. */
  private lookup(looked: string, type: string, values: ReadonlyMap<string | number, bigint>): string {
    const masks = [...new Set(values.values())].filter((mask) => mask !== 0n)
    const places = new Map(masks.map((mask, i) => [mask, i + 2]))
    const from = this.params.add(`Array(${type})`, [...values.keys()])
    const to = this.params.add(
      'Array(UInt16)',
      Array.from(values.values(), (mask) => places.get(mask) ?? 1),
    )
    const list = this.params.add('Array(UInt256)', ['0', ...masks.map(String)])
    return `arrayElement(${list}, transform(${looked}, ${from}, ${to}, toUInt16(1)))`
  }

  /** A number has the bits of the greatest border that is not above it. */
  private ofRanges(tests: readonly Range[]): string {
    this.params.comparisons++
    const [first] = tests as [Range]
    const type = typeOf(first.of)
    const least = leastOf(type)
    const spans = tests.map(spanOf)
    const borders = [
      ...new Set([least, ...spans.flatMap(({ low, high }) => [low, ...(high === undefined ? [] : [high + 1n])])]),
    ]
      .filter((border) => border >= least && border <= greatestOf(type))
      .sort((a, b) => (a < b ? -1 : 1))
    const values = new Map<string, bigint>()
    for (const border of borders) {
      let mask = 0n
      for (const [i, { low, high }] of spans.entries())
        if (border >= low && (high === undefined || border <= high)) mask |= 1n << BigInt(i)
      values.set(String(border), mask)
    }
    const list = this.params.add(`Array(${type})`, borders.map(String))
    return this.lookup(`roundDown(${expressionOf(first.of)}, ${list})`, type, values)
  }

  private ofOthers(tests: readonly Atom[]): string {
    const different = new Map<string, { test: Atom; mask: bigint }>()
    for (const [i, test] of tests.entries()) {
      const key = JSON.stringify(test)
      const mask = (different.get(key)?.mask ?? 0n) | (1n << BigInt(i))
      different.set(key, { test, mask })
    }
    const parts = Array.from(
      different.values(),
      ({ test, mask }) => `if(${this.sqlOf(test)}, ${this.literal(mask)}, toUInt256(0))`,
    )
    return balanced('bitOr', parts)
  }
}

type Range = Extract<Condition, { kind: 'between' | 'compare' }>

/** True of ranges whose borders are whole numbers of the column's type. */
function isRange(test: Atom): test is Range {
  if (test.kind !== 'between' && test.kind !== 'compare') return false
  if (!/^(?:UInt(?:8|16|32|64)|Int64)$/.test(typeOf(test.of))) return false
  const borders = test.kind === 'between' ? [test.low, test.high] : [test.value]
  if (test.kind === 'compare' && (test.op === '=' || test.op === '!=')) return false
  const [least, greatest] = [leastOf(typeOf(test.of)), greatestOf(typeOf(test.of))]
  return borders.every((b) => Number.isSafeInteger(b) && BigInt(b) >= least && BigInt(b) <= greatest)
}

/** Ends included; without a high end, whatever follows. */
function spanOf(test: Range): { low: bigint; high: bigint | undefined } {
  const least = leastOf(typeOf(test.of))
  if (test.kind === 'between') return { low: BigInt(test.low), high: BigInt(test.high) }
  const value = BigInt(test.value)
  switch (test.op) {
    case '<':
      return { low: least, high: value - 1n }
    case '<=':
      return { low: least, high: value }
    case '>':
      return { low: value + 1n, high: undefined }
    default:
      return { low: value, high: undefined }
  }
}

function leastOf(type: string): bigint {
  return type === 'Int64' ? -(2n ** 63n) : 0n
}

function greatestOf(type: string): bigint {
  return type === 'Int64' ? 2n ** 63n - 1n : 2n ** BigInt(type.slice('UInt'.length)) - 1n
}

/** Calls of two arguments, nested no deeper than they must be. */
function balanced(call: string, parts: readonly string[]): string {
  if (parts.length === 1) return parts[0] as string
  const middle = parts.length >> 1
  return `${call}(${balanced(call, parts.slice(0, middle))}, ${balanced(call, parts.slice(middle))})`
}
