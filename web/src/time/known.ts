// Of which part of a time anything can be known: averages are over that part, as what is not kept is no silence.
import type { StorageAnswer } from '../../../src/api/contract/system.ts'
import type { Bounds } from './span.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** The longest bucket of each kind of sums: so much earlier than the first flow may it begin. */
const WIDTHS = [
  ['flows', 0],
  ['minutes', 5 * MINUTE],
  ['hours', 6 * HOUR],
  ['days', 24 * HOUR],
] as const

/** Since when flows or sums of them are kept; undefined if nothing is. */
export function keptSince(
  tables: readonly Pick<StorageAnswer['tables'][number], 'kind' | 'oldest'>[],
): number | undefined {
  let since: number | undefined
  for (const [kind, width] of WIDTHS) {
    for (const table of tables) {
      if (table.kind !== kind || table.oldest === null) continue
      if (since === undefined || table.oldest < since - width) since = table.oldest
    }
  }
  return since
}

/** @param read the pieces of the time that an answer was read from, if it tells */
export function knownPart(
  { from, to }: Bounds,
  now: number,
  since: number | undefined,
  read: readonly { readonly from: number }[] = [],
): Bounds {
  const first = read.length === 0 ? from : Math.min(...read.map((piece) => piece.from))
  const known = { from: Math.max(from, first, since ?? from), to: Math.min(to, now) }
  return known.from < known.to ? known : { from, to }
}

/** How long a rate of it is over. */
export function knownSeconds({ known }: { readonly known: Bounds }): number {
  return Math.max(1, (known.to - known.from) / 1000)
}
