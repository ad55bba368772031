// From a value to the filter that keeps only it.
import type { KeyValue } from '../../../src/api/contract/query.ts'
import { formatFilter, quoteName } from '../../../src/query/filter/format.ts'
import { nounNamed } from '../../../src/query/filter/nouns.ts'
import { parseFilter } from '../../../src/query/filter/parse.ts'
import type { Key } from './dimensions.ts'

/** Dimensions that the filter language calls by another name than their own. */
const WORDS: Readonly<Record<string, string>> = {
  src_vm: 'src vm',
  dst_vm: 'dst vm',
  src_host: 'src host',
  dst_host: 'dst host',
  src_addr: 'src ip',
  dst_addr: 'dst ip',
  src_net: 'src net',
  dst_net: 'dst net',
  src_port: 'src port',
  dst_port: 'dst port',
  src_mac: 'src mac',
  dst_mac: 'dst mac',
  src_as: 'src as',
  dst_as: 'dst as',
  in_if: 'in if',
  out_if: 'out if',
  tunnel_src: 'src tun ip',
  tunnel_dst: 'dst tun ip',
  src_mask: 'src mask',
  dst_mask: 'dst mask',
  tcp_flags: 'flags =',
  icmp_type: 'icmp-type',
  icmp_code: 'icmp-code',
  next_hop: 'next ip',
}

/** The term for one value, such as `src vm web-7`. */
export function termFor(dimension: string, value: KeyValue | undefined): string {
  const words = WORDS[dimension] ?? dimension
  const noun = words.replace(/^(src|dst|in|out) /, '')
  if (dimension === 'counted') return `counted ${value === true ? 'yes' : 'no'}`
  const text = String(value ?? '')
  return `${words} ${text === '' ? '""' : nounNamed(noun)?.kind === 'name' ? quoteName(noun, text) : text}`
}

/** What a filter says at its top, each part in its canonical form. */
function partsOf(filter: string): { readonly parts: ReadonlySet<string>; readonly joins: boolean } {
  const read = parseFilter(filter)
  if (!read.ok) return { parts: new Set(), joins: true }
  const { ast } = read
  return {
    parts: new Set((ast.kind === 'and' ? ast.of : [ast]).map(formatFilter)),
    // What begins behind a bracket stands in brackets already.
    joins: ast.kind !== 'or' || ast.span.from > 0,
  }
}

function canonical(term: string): string {
  const read = parseFilter(term)
  return read.ok ? formatFilter(read.ast) : term
}

/** `filter` with more terms that must hold too; an `or` in it is kept together, and what it already says is not said twice. */
function joined(filter: string, terms: readonly string[]): string {
  const before = filter.trim()
  if (before === '' || before === 'any') return terms.join(' and ')
  const { parts, joins } = partsOf(before)
  const more = terms.filter((term) => !parts.has(canonical(term)))
  return more.length === 0 ? before : [joins ? before : `(${before})`, ...more].join(' and ')
}

/** `filter` narrowed to `key`. */
export function narrowed(filter: string, columns: readonly string[], key: Key): string {
  return joined(
    filter,
    columns.map((column) => termFor(column, key[column])),
  )
}

/** `filter` without what `key` names. */
export function excluding(filter: string, columns: readonly string[], key: Key): string {
  const terms = columns.map((column) => termFor(column, key[column]))
  return joined(filter, [terms.length === 1 ? `not ${terms[0] ?? ''}` : `not (${terms.join(' and ')})`])
}
