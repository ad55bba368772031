import { parseIp } from '../../base/address.ts'
import { ALWAYS, type Condition } from './condition-tree.ts'

// What a filter asks of the addresses of one column, for tables in which rare addresses stand together as `::`.

export interface AddressTests {
  /** False if nothing is asked of the column. */
  readonly any: boolean
  /** The addresses, if single ones are all that is asked for. */
  readonly addresses?: readonly string[]
  /**
   * The condition as if all that is asked of the column held: what it finds among rare addresses is at least what the condition
   * itself would. Missing where that can't be said: an address is denied, compared, or `::` itself is asked for.
   */
  readonly loosened?: Condition
}

/** @param column of addresses */
export function addressTests(condition: Condition, column: string): AddressTests {
  const tests: Condition[] = []
  const loosened = loosen(condition, column, tests)
  const addresses = tests.flatMap((test) => (test.kind === 'equal' ? test.values.map(String) : []))
  const isSingle = loosened !== undefined && tests.length > 0 && tests.every((test) => test.kind === 'equal')
  return {
    any: tests.length > 0 || loosened === undefined,
    ...(isSingle ? { addresses: [...new Set(addresses)] } : {}),
    ...(loosened === undefined ? {} : { loosened }),
  }
}

/** Undefined where it can't be done; `met` gets the tests that were taken for true. */
function loosen(condition: Condition, column: string, met: Condition[]): Condition | undefined {
  switch (condition.kind) {
    case 'all':
    case 'any': {
      const parts = condition.of.map((part) => loosen(part, column, met))
      return parts.includes(undefined) ? undefined : { ...condition, of: parts as Condition[] }
    }
    case 'not':
      return mentions(condition.of, column) ? undefined : condition
    case 'columns':
      return mentions(condition, column) ? undefined : condition
    default:
      if (condition.of !== column) return condition
      if (!isOfKnown(condition)) return undefined
      met.push(condition)
      return ALWAYS
  }
}

function mentions(condition: Condition, column: string): boolean {
  switch (condition.kind) {
    case 'all':
    case 'any':
      return condition.of.some((part) => mentions(part, column))
    case 'not':
      return mentions(condition.of, column)
    case 'columns':
      return condition.of === column || condition.other === column
    default:
      return condition.of === column
  }
}

/** True of addresses and networks in which `::` is not. */
function isOfKnown(condition: Condition): boolean {
  if (condition.kind === 'equal') return condition.values.every((value) => !isUnspecified(String(value)))
  return condition.kind === 'net' && !isUnspecified(condition.address)
}

/** `::`, with which every network begins that holds it. */
function isUnspecified(address: string): boolean {
  return parseIp(address)?.every((byte) => byte === 0) ?? true
}
