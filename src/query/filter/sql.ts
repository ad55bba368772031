import { parseIp } from '../../base/address.ts'
import type { FilterNode } from './ast.ts'
import { conditionOf, type ConditionOptions } from './condition.ts'
import type { Condition, Constant } from './condition-tree.ts'
import { putTogether } from './masks.ts'
import { bitsOf, expressionOf, isListed, mapped, networkOf, typeOf, type Net, type Params } from './sql-columns.ts'

export { Params, SERVICE_PORT, expressionOf } from './sql-columns.ts'

// Tree → condition for the store. What a user wrote gets in only as `{name:Type}` parameters; everything else in the
// text is from the tables of this project.

/** Lists longer than this are one parameter: each part of a statement costs its plan. */
const FEW = 4

export type FilterSqlOptions = ConditionOptions

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
      const { networks, rest: others } = networksApart(condition)
      const { sql, rest } = putTogether({ kind: condition.kind, of: others }, params, (part) =>
        conditionSql(part, params),
      )
      const parts = [
        ...networks.map((list) => listOfNetworks(list, params)),
        ...sql,
        ...rest.map((part) => conditionSql(part, params)),
      ].map((part) => `(${part})`)
      return parts.length === 0 ? empty : parts.join(joint)
    }
    case 'not':
      return `NOT (${conditionSql(condition.of, params)})`
    case 'columns': {
      params.comparisons++
      const [left, right] = [expressionOf(condition.of), expressionOf(condition.other)]
      if (condition.times === undefined) return `${left} ${condition.op} ${right}`
      return `toFloat64(${left}) ${condition.op} ${params.add('Float64', condition.times)} * toFloat64(${right})`
    }
    case 'net': {
      const [low, high] = networkEnds(condition)
      return conditionSql({ kind: 'between', of: condition.of, low, high }, params)
    }
    default:
      params.comparisons++
      return ofColumn(condition, expressionOf(condition.of), typeOf(condition.of), params)
  }
}

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
  params.comparisons++
  return `${networkOf(list[0] as Net, params)} IN ${params.add(
    'Array(IPv6)',
    list.map(({ address }) => String(mapped('IPv6', address))),
  )}`
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
