// Which tables a range is read from: whole days from the table of days, what is left of it from the next finer ones, and the
// edges from the rows themselves. What a finer table no longer keeps is read from a coarser one, whole buckets at a time.

/** A table that could answer a question, and what it holds. */
export interface Level {
  readonly table: string
  /** Milliseconds of a bucket; 1 for the rows themselves. */
  readonly stepMs: number
  /** Where it is complete: ascending and apart. */
  readonly ranges: readonly Span[]
}

/** Milliseconds, `to` not included. */
export interface Span {
  readonly from: number
  readonly to: number
}

export interface Piece {
  readonly table: string
  readonly from: number
  readonly to: number
}

export interface Plan {
  /** By time; they don't overlap. */
  readonly pieces: readonly Piece[]
  /** Parts of the range of which nothing is kept in these tables. */
  readonly missing: readonly Span[]
}

/** @param levels finest first; each bucket holds whole buckets of the one before */
export function planRange(from: number, to: number, levels: readonly Level[]): Plan {
  let pieces: Piece[] = []
  const gaps: Span[] = []
  cover(from, to, levels, levels.length - 1, pieces, gaps)
  const missing: Span[] = []
  for (const gap of gaps) {
    const around = widened(gap, levels)
    if (!around) missing.push(gap)
    // Another gap may have brought the same bucket.
    else if (!pieces.some((piece) => piece.from <= around.from && piece.to >= around.to))
      pieces = [...pieces.flatMap((piece) => without(piece, around)), around]
  }
  pieces.sort((a, b) => a.from - b.from)
  return { pieces: joined(pieces), missing }
}

/** The whole buckets of the coarsest level, and what is before and after them by the finer ones. */
function cover(from: number, to: number, levels: readonly Level[], at: number, pieces: Piece[], gaps: Span[]): void {
  if (from >= to) return
  const level = levels[at]
  if (!level) {
    gaps.push({ from, to })
    return
  }
  let reached = from
  for (const range of overlapping(level.ranges, from, to)) {
    const first = ceilTo(Math.max(reached, range.from), level.stepMs)
    const last = floorTo(Math.min(to, range.to), level.stepMs)
    if (last <= first) continue
    cover(reached, first, levels, at - 1, pieces, gaps)
    pieces.push({ table: level.table, from: first, to: last })
    reached = last
  }
  cover(reached, to, levels, at - 1, pieces, gaps)
}

function overlapping(ranges: readonly Span[], from: number, to: number): readonly Span[] {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ranges[middle] as Span).to <= from) low = middle + 1
    else high = middle
  }
  let end = low
  while (end < ranges.length && (ranges[end] as Span).from < to) end++
  return ranges.slice(low, end)
}

/** The buckets around a gap, of the finest level that holds them. */
function widened(gap: Span, levels: readonly Level[]): Piece | undefined {
  for (const level of levels) {
    const from = floorTo(gap.from, level.stepMs)
    const to = ceilTo(gap.to, level.stepMs)
    if (level.ranges.some((range) => range.from <= from && range.to >= to)) return { table: level.table, from, to }
  }
  return undefined
}

/** What of a piece lies outside of a span: buckets lie within each other, so that it is cut between its own. */
function without(piece: Piece, span: Span): Piece[] {
  const { table } = piece
  const before = { table, from: piece.from, to: Math.min(piece.to, span.from) }
  const after = { table, from: Math.max(piece.from, span.to), to: piece.to }
  return [before, after].filter((part) => part.from < part.to)
}

/** Pieces of one table that follow each other as one. */
function joined(pieces: readonly Piece[]): Piece[] {
  const result: Piece[] = []
  for (const piece of pieces) {
    const last = result.at(-1)
    if (last && last.table === piece.table && last.to === piece.from)
      result[result.length - 1] = { ...last, to: piece.to }
    else result.push(piece)
  }
  return result
}

function floorTo(value: number, step: number): number {
  return Math.floor(value / step) * step
}

function ceilTo(value: number, step: number): number {
  return Math.ceil(value / step) * step
}
