import type { Comparator } from './ast.ts'

// What a filter asks of a row, as plain data. Made by condition.ts, read by sql.ts and ../predicate-code.ts.

/** A value as the column has it: a number, an address as text, a name or the text of an enumeration. */
export type Constant = number | string | boolean

/** `of` is a column, or what is worked out of a row: duration, pps, bps, bpp, service_port, tunnel_proto. */
export type Condition =
  | { readonly kind: 'all' | 'any'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  /** One of the values; never without any. */
  | { readonly kind: 'equal'; readonly of: string; readonly values: readonly Constant[] }
  | { readonly kind: 'compare'; readonly of: string; readonly op: Comparator; readonly value: number }
  /** Ends included; addresses as text. */
  | { readonly kind: 'between'; readonly of: string; readonly low: number | string; readonly high: number | string }
  /** An address in a network; `bits` count from the address's own family. */
  | { readonly kind: 'net'; readonly of: string; readonly address: string; readonly bits: number }
  /** Upper and lower case are alike; `*` stands for any characters. */
  | { readonly kind: 'like'; readonly of: string; readonly pattern: string }
  /** All of the bits are set. */
  | { readonly kind: 'bits'; readonly of: string; readonly bits: number }
  /** One column beside another, that times a factor where there is one. */
  | {
      readonly kind: 'columns'
      readonly of: string
      readonly op: Comparator
      readonly other: string
      readonly times?: number
    }

/** What holds always: all of nothing. */
export const ALWAYS: Condition = { kind: 'all', of: [] }
/** What holds never: any of nothing. */
export const NEVER: Condition = { kind: 'any', of: [] }
