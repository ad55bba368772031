// The tree that a filter becomes. Plain data: it can be compared, sent to a worker or kept as JSON.

/** Characters of the text, end exclusive. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** Which side of the flow a test looks at; absent: either. */
export type Side = 'src' | 'dst' | 'in' | 'out'

export type Comparator = '=' | '!=' | '<' | '>' | '<=' | '>='

/** A single thing to compare with. Texts are canonical (addresses as in RFC 5952, IPv4 dotted). */
export type Single =
  | { readonly type: 'number'; readonly value: number }
  | { readonly type: 'ip'; readonly value: string }
  | { readonly type: 'mac'; readonly value: number }
  | { readonly type: 'name'; readonly value: string }
  | { readonly type: 'time'; readonly value: number }
  | { readonly type: 'boolean'; readonly value: boolean }

export type Value =
  | Single
  /** Address of the network and prefix length, which counts from the address's own family (32 or 128 bits). */
  | { readonly type: 'net'; readonly value: string; readonly bits: number }
  | { readonly type: 'mac-net'; readonly value: number; readonly bits: number }
  /** `*` stands for any characters. */
  | { readonly type: 'pattern'; readonly value: string }
  | { readonly type: 'range'; readonly low: Single; readonly high: Single }
  /** TCP flags as bits. */
  | { readonly type: 'flags'; readonly value: number }
  /** What another column of the same row holds, or so many times that. */
  | { readonly type: 'column'; readonly noun: string; readonly side?: Side; readonly times?: number }
  /** A port of a protocol; `port` is absent for protocols without ports. */
  | { readonly type: 'service'; readonly proto: number; readonly port?: number }

/** `src port > 1024`, `ip in [ … ]`, `vm like web*`. */
export interface Test {
  readonly kind: 'test'
  /** Name of the noun in NOUNS. */
  readonly noun: string
  readonly side?: Side
  /** `has`: all of these TCP flags are set; `in`, behind flags: all of one of these. */
  readonly op: Comparator | 'in' | 'like' | 'has'
  /** One value; for `in` as many as the list holds; none for `ipv4` and `ipv6`. */
  readonly values: readonly Value[]
  readonly span: Span
}

export type FilterNode =
  | { readonly kind: 'any'; readonly span: Span }
  | { readonly kind: 'and' | 'or'; readonly of: readonly FilterNode[]; readonly span: Span }
  | { readonly kind: 'not'; readonly of: FilterNode; readonly span: Span }
  /** `@web`: the filter that is saved under this name. */
  | { readonly kind: 'named'; readonly name: string; readonly span: Span }
  | Test

/** True if any test in the tree is of this noun; what `@name` stands for is not looked into. */
export function mentions(node: FilterNode, noun: string): boolean {
  if (node.kind === 'test')
    return node.noun === noun || node.values.some((value) => value.type === 'column' && value.noun === noun)
  if (node.kind === 'not') return mentions(node.of, noun)
  if (node.kind === 'any' || node.kind === 'named') return false
  return node.of.some((part) => mentions(part, noun))
}
