import { ALWAYS, NEVER, type Condition, type Constant } from './condition-tree.ts'

// Condition → one that holds for the same rows, with less to ask: chains of “or” over one column become one list, what stands twice is
// asked once. Long filters are lists of addresses and ports in practice, and each part of a condition costs its plan and its time.

export function simplified(condition: Condition): Condition {
  switch (condition.kind) {
    case 'not':
      return negated(simplified(condition.of))
    case 'all':
    case 'any':
      return joined(condition.kind, condition.of.map(simplified))
    default:
      return condition
  }
}

function negated(condition: Condition): Condition {
  if (condition.kind === 'not') return condition.of
  if (isEmpty(condition, 'all')) return NEVER
  if (isEmpty(condition, 'any')) return ALWAYS
  return { kind: 'not', of: condition }
}

/** True for `all` or `any` of nothing. */
function isEmpty(condition: Condition, kind: 'all' | 'any'): boolean {
  return condition.kind === kind && (condition.of as readonly Condition[]).length === 0
}

function joined(kind: 'all' | 'any', given: readonly Condition[]): Condition {
  const flat = given.flatMap((part) => (part.kind === kind ? (part.of as readonly Condition[]) : [part]))
  if (flat.some((part) => isEmpty(part, kind === 'all' ? 'any' : 'all'))) return kind === 'all' ? NEVER : ALWAYS
  const parts = distinct(kind === 'any' ? listed(flat) : unlisted(flat))
  return parts.length === 1 ? (parts[0] as Condition) : { kind, of: parts }
}

/** `port 80 or port 443`: equalities of one column as one list. */
function listed(parts: readonly Condition[]): Condition[] {
  const lists = new Map<string, Set<Constant>>()
  for (const part of parts) {
    if (part.kind !== 'equal') continue
    const values = lists.get(part.of)
    if (values) for (const value of part.values) values.add(value)
    else lists.set(part.of, new Set(part.values))
  }
  return parts.flatMap((part): Condition[] => {
    if (part.kind !== 'equal') return [part]
    const values = lists.get(part.of)
    if (!values) return []
    lists.delete(part.of)
    return [{ ...part, values: [...values] }]
  })
}

/** `not port 80 and not port 443`: none of these, whose equalities are lists again. */
function unlisted(parts: readonly Condition[]): Condition[] {
  const refused = parts.flatMap((part) => (part.kind === 'not' ? [part.of] : []))
  if (refused.length < 2) return [...parts]
  const rest = parts.filter((part) => part.kind !== 'not')
  return [...rest, negated(joined('any', refused))]
}

function distinct(parts: readonly Condition[]): Condition[] {
  if (parts.length < 2) return [...parts]
  const seen = new Set<string>()
  return parts.filter((part) => {
    const key = JSON.stringify(part)
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}
