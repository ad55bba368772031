// From a value to the filter that keeps only it.
import type { KeyValue } from '../../../src/api/contract/query.ts'
import { quoteName } from '../../../src/query/filter/format.ts'
import { nounNamed } from '../../../src/query/filter/nouns.ts'
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

/** `filter` narrowed to `key`; an `or` in it is kept together, and what it already says is not said twice. */
export function narrowed(filter: string, columns: readonly string[], key: Key): string {
  const terms = columns.map((column) => termFor(column, key[column]))
  const before = filter.trim()
  if (before === '' || before === 'any') return terms.join(' and ')
  const said = new Set(before.split(/\s+and\s+/))
  const kept = terms.filter((term) => !said.has(term))
  if (kept.length === 0) return before
  const whole = /\bor\b|\|/.test(before) ? `(${before})` : before
  return [whole, ...kept].join(' and ')
}
