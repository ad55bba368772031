import {
  ANSWERING_TABLES,
  FOLDED_PORT,
  type Rollup,
  type RollupStatus,
  type RollupTable,
  type TableLevel,
} from '../store/rollups.ts'
import type { Buckets } from './buckets.ts'
import { planRange, type Level, type Plan, type Span } from './plan.ts'
import type { Prepared } from './question.ts'
import { addressTests } from './filter/address-tests.ts'
import { foundAndRareSql } from './missing.ts'
import { columnsIn, replacedIn, timeSql, type Reading } from './source.ts'
import { addedBytesSql } from './units.ts'

// Each question goes to the coarsest tables that answer it: exactly, unless it says that less will do, or what would
// answer exactly is no longer kept.

export interface PlannerDeps {
  readonly rollups?: RollupStatus
  /** Does the statement find a row? */
  readonly finds: (sql: string) => Promise<boolean>
  /** The numbers of the one row of a statement. */
  readonly sums: (sql: string) => Promise<readonly number[]>
}

export interface Wish {
  /** False if rare addresses, ports and autonomous systems may be put together. */
  readonly exact: boolean
  /** Of a series, whose borders must be borders of the tables'. */
  readonly buckets?: Buckets
}

/** A key of a rollup whose rare values may stand in one row. */
type Fold = Rollup['folds'][number]

/** So many spans of a table fit a statement; a table with more holes in the range is not read. */
const MOST_SPANS = 200
/** Of the range that is asked for. */
const MUCH_MORE = 0.1
const ALWAYS: readonly Span[] = [{ from: 0, to: Number.POSITIVE_INFINITY }]

/** The question with where it is to be read. */
export async function plan(prepared: Prepared, wish: Wish, deps: PlannerDeps): Promise<Prepared> {
  const kept = keptFor(prepared, deps)
  if (!kept) return prepared
  const { flows } = kept
  const usable = kept.usable.filter(({ table }) => fits(table, wish.buckets))
  const exact = wish.exact || (await lacksTooMuch(prepared, usable, wish, flows, deps))
  const spread = deps.rollups?.spread
  const read = (tables: readonly Usable[], used: readonly Usable[] = tables): Prepared => {
    const found = withReading(prepared, [flows, ...levelsOf(tables, prepared)], used, { ...wish, exact })
    return spread && found.reading ? { ...found, reading: { ...found.reading, spread } } : found
  }
  const whole = usable.filter(({ needs }) => needs.folds.length === 0)
  if (whole.length === usable.length) return read(usable)
  if (!exact) return read(usable)
  // What was put together only in other times or not at all is as good as the flows.
  const all = read(usable)
  const folded = usable.filter((one) => one.needs.folds.length > 0)
  if (!(await deps.finds(foldedSql(all, folded)))) return asExact(all)
  const start = flows.ranges[0]?.from ?? Number.POSITIVE_INFINITY
  const gone = folded.map((one) => ({ ...one, ranges: before(one.ranges, ceilTo(start, one.table.stepMs)) }))
  return read([...whole, ...gone.filter(({ ranges }) => ranges.length > 0)])
}

/** Of what is found of several addresses, the most that may be missing. Where it is more, the flows are asked. */
const MOST_MISSING = 0.1

/**
 * True if the filter is on more than one address, in a table that keeps the greatest alone, and too much of what they had may
 * stand among the rare: of a network, most of whose addresses are rare, nearly all could.
 */
async function lacksTooMuch(
  prepared: Prepared,
  usable: readonly Usable[],
  wish: Wish,
  flows: Level,
  deps: PlannerDeps,
): Promise<boolean> {
  const many = usable.some(({ table, needs }) => {
    if (table.rollup.exact) return false
    const tests = needs.folds.map((fold) => addressTests(prepared.tests, fold.key))
    return tests.some(({ any, addresses }) => any && addresses?.length !== 1)
  })
  if (!many) return false
  const sql = foundAndRareSql(withReading(prepared, [flows, ...levelsOf(usable, prepared)], usable, wish))
  if (sql === undefined) return true
  const [found = 0, rare = 0] = await deps.sums(sql)
  return rare > found * MOST_MISSING
}

/** What was not put together is nothing to be said about. */
function asExact(prepared: Prepared): Prepared {
  const { reading } = prepared
  if (!reading) return prepared
  return {
    ...prepared,
    reading: { ...reading, folded: {}, heaviest: [], notes: reading.notes.filter((n) => !isOfFolds(n)) },
  }
}

function isOfFolds(note: string): boolean {
  return note.endsWith(WITH_THE_REST)
}

const WITH_THE_REST = 'may be missing or counted with the rest.'

interface Needs {
  /** Keys that the question reads of which rare values may stand together. */
  readonly folds: readonly Fold[]
}

interface Usable {
  readonly table: RollupTable<TableLevel>
  readonly needs: Needs
  readonly ranges: readonly Span[]
  readonly rows: number
}

/** What is kept that could answer the question; undefined where there are no rollups. */
function keptFor(
  prepared: Prepared,
  { rollups }: Pick<PlannerDeps, 'rollups'>,
): { flows: Level; usable: readonly Usable[] } | undefined {
  const held = new Map((rollups?.coverage() ?? []).map((table) => [table.table, table]))
  if (held.size === 0) return undefined
  const usable = ANSWERING_TABLES.flatMap((table) => {
    const { ranges = [], rows = 0 } = held.get(table.name) ?? {}
    const needs = needsOf(table.rollup, prepared)
    return needs && ranges.length > 0 ? [{ table, needs, ranges, rows }] : []
  })
  return { flows: { table: 'flows', stepMs: 1, ranges: held.get('flows')?.ranges ?? ALWAYS }, usable }
}

/** What the question needs of a rollup; undefined if that lacks any of it. */
export function needsOf(rollup: Rollup, prepared: Prepared): Needs | undefined {
  const replaced = replacedBy(rollup)
  const keys = new Set(rollup.keys.map((key) => key.name))
  const texts = textsOf(prepared).map((text) => replacedIn({ replaced }, text))
  if (texts.some((text) => [...columnsIn(text)].some((column) => !keys.has(column)))) return undefined
  const words = new Set(texts.flatMap(wordsOf))
  return { folds: rollup.folds.filter((fold) => words.has(fold.key)) }
}

function wordsOf(text: string): string[] {
  return text.match(/[A-Za-z_]\w*/g) ?? []
}

/** Expressions of the question. Parameters stand in them, never what a user wrote. */
export function textsOf({
  dimensions,
  counted = [],
  condition,
  unit,
}: Pick<Prepared, 'dimensions' | 'counted' | 'condition' | 'unit'>): string[] {
  return [...[...dimensions, ...counted].flatMap((d) => [...d.sides]), condition, addedBytesSql(unit) ?? '']
}

function replacedBy(rollup: Rollup): Reading['replaced'] {
  return rollup.keys.filter((key) => key.expression !== key.name).map(({ name, expression }) => ({ name, expression }))
}

/** Each bucket of the table lies within one of the series. */
function fits(table: RollupTable<TableLevel>, buckets: Buckets | undefined): boolean {
  if (!buckets) return true
  return (buckets.step * 1000) % table.stepMs === 0 && buckets.from % table.stepMs === 0
}

/** For each width of buckets the table that answers most exactly, then that has most of the range, then with the fewest rows. */
function levelsOf(usable: readonly Usable[], span: Span): Level[] {
  const best = new Map<number, Usable>()
  const much = (span.to - span.from) * MUCH_MORE
  for (const one of usable) {
    const there = best.get(one.table.stepMs)
    const folds = one.needs.folds.length - (there?.needs.folds.length ?? 0)
    if (!there || folds < 0) best.set(one.table.stepMs, one)
    if (!there || folds !== 0) continue
    // Minutes of few keys are there where others were left out.
    const more = covered(one.ranges, span) - covered(there.ranges, span)
    if (Math.abs(more) > much ? more > 0 : one.rows < there.rows) best.set(one.table.stepMs, one)
  }
  return [...best.values()]
    .map(({ table, ranges }) => ({ table: table.name, stepMs: table.stepMs, ranges }))
    .sort((a, b) => a.stepMs - b.stepMs)
}

function covered(ranges: readonly Span[], { from, to }: Span): number {
  return ranges.reduce((sum, range) => sum + Math.max(0, Math.min(to, range.to) - Math.max(from, range.from)), 0)
}

function withReading(prepared: Prepared, levels: readonly Level[], usable: readonly Usable[], wish: Wish): Prepared {
  let at = levels
  let found = planRange(prepared.from, prepared.to, at)
  for (const level of levels.toReversed()) {
    if (level.table === 'flows' || found.pieces.filter((piece) => piece.table === level.table).length <= MOST_SPANS)
      continue
    at = at.filter((other) => other !== level)
    found = planRange(prepared.from, prepared.to, at)
  }
  const tables = new Set(found.pieces.map((piece) => piece.table))
  const used = usable.filter(({ table }) => tables.has(table.name))
  if (used.length === 0 && found.missing.length === 0) return prepared
  const replaced = unique(
    used.flatMap(({ table }) => replacedBy(table.rollup)),
    (r) => r.name,
  )
  const made = new Set(replaced.map((r) => r.name))
  const texts = textsOf({ ...prepared, condition: '' }).map((text) => replacedIn({ replaced }, text))
  const reading: Reading = {
    pieces: found.pieces,
    notes: notesOf(prepared, found, used, wish),
    replaced,
    columns: unique(texts.flatMap((text) => [...columnsIn(text), ...wordsOf(text).filter((word) => made.has(word))])),
    folded: foldedKeys(prepared, used),
    heaviest: used.flatMap(({ table, needs }) =>
      table.rollup.exact ? [] : needs.folds.map((fold) => ({ table: table.name, column: fold.key })),
    ),
  }
  return { ...prepared, reading }
}

/** By dimension, the condition under which its key stands for several. */
function foldedKeys(prepared: Prepared, used: readonly Usable[]): Reading['folded'] {
  const folded: Record<string, string> = {}
  for (const { table, needs } of used)
    for (const fold of needs.folds)
      for (const dimension of prepared.dimensions) {
        const sides = dimension.sides.map((side) => replacedIn({ replaced: replacedBy(table.rollup) }, side))
        if (sides.includes(fold.key)) folded[dimension.name] = `KEY = ${foldedValue(fold)}`
        else if (sides.some((side) => wordsOf(side).includes(fold.key)))
          folded[dimension.name] = foldedWithin(dimension.type, fold)
      }
  return folded
}

/** The same of a dimension that is made of the key: a service, or the network of an address. */
function foldedWithin(type: string, fold: Fold): string {
  if (fold.key === 'service_port') return `intDiv(KEY, 256) = ${FOLDED_PORT}`
  return type === 'IPv6' ? `KEY = ${foldedValue(fold)}` : '0'
}

function foldedValue({ foldedAs }: Fold): string {
  return /^\d+$/.test(foldedAs) ? foldedAs : `toIPv6('${foldedAs}')`
}

/** Finds a row that stands for several values of a key that the question tells apart. */
function foldedSql({ reading }: Prepared, folded: readonly Usable[]): string {
  const parts = folded.flatMap(({ table, needs }) => {
    const spans = (reading?.pieces ?? []).filter((piece) => piece.table === table.name)
    if (spans.length === 0) return []
    // A row without an address is of no folded one, unless it says what those had at most.
    const more = table.rollup.exact ? '' : ' AND unseen_flows > 0'
    const any = needs.folds.map((fold) => `(${fold.key} = ${foldedValue(fold)}${more})`).join(' OR ')
    return [`SELECT 1 FROM ${table.name} WHERE ${timeSql(spans)} AND (${any}) LIMIT 1`]
  })
  return parts.length === 0 ? '' : parts.join(' UNION ALL ')
}

const FOLDED_WORDS: Readonly<Record<string, string>> = {
  service_port: 'rare service ports',
  src_as: 'rare autonomous systems',
  dst_as: 'rare autonomous systems',
  src_addr: 'source addresses that are not among the heaviest of their time',
  dst_addr: 'destination addresses that are not among the heaviest of their time',
}

function notesOf(prepared: Prepared, { pieces, missing }: Plan, used: readonly Usable[], wish: Wish): string[] {
  const notes: string[] = []
  const [first, last] = [pieces[0], pieces.at(-1)]
  if (first && first.from < prepared.from)
    notes.push(
      `The flows of the beginning are no longer kept: the answer begins at ${iso(first.from)}, with a whole bucket.`,
    )
  if (last && last.to > prepared.to)
    notes.push(`The flows of the end are no longer kept: the answer ends at ${iso(last.to)}, with a whole bucket.`)
  for (const span of missing)
    notes.push(`Nothing that answers this is kept of ${iso(span.from)} to ${iso(span.to)}: it is not in the answer.`)
  for (const word of unique(
    used.flatMap(({ needs }) => needs.folds.map((fold) => FOLDED_WORDS[fold.key] ?? fold.key)),
  )) {
    const of = used.filter(({ needs }) => needs.folds.some((fold) => (FOLDED_WORDS[fold.key] ?? fold.key) === word))
    const spans = pieces.filter((piece) => of.some(({ table }) => table.name === piece.table))
    const why = wish.exact ? 'The flows are no longer kept there' : 'As the question allows'
    notes.push(
      `${why}: from ${iso(spans[0]?.from ?? prepared.from)} to ${iso(spans.at(-1)?.to ?? prepared.to)} ${word} ${WITH_THE_REST}`,
    )
  }
  return notes
}

function iso(time: number): string {
  return new Date(time).toISOString()
}

function before(ranges: readonly Span[], end: number): Span[] {
  return ranges.flatMap(({ from, to }) => (from < end ? [{ from, to: Math.min(to, end) }] : []))
}

function ceilTo(value: number, step: number): number {
  return Math.ceil(value / step) * step
}

function unique<T>(list: readonly T[], by: (item: T) => unknown = (item) => item): T[] {
  return [...new Map(list.map((item) => [by(item), item])).values()]
}

/**
 * Seconds of a bucket that the tables can still answer: where flows are gone, those of the finest tables that have the
 * whole range, or the most of it. Minutes have holes in times with few flows, hours and days have none.
 */
export function coarseEnough(prepared: Prepared, step: number, deps: Pick<PlannerDeps, 'rollups'>): number {
  const kept = keptFor(prepared, deps)
  if (!kept) return step
  const { flows, usable } = kept
  const steps = usable.map(({ table }) => Math.ceil((step * 1000) / table.stepMs) * (table.stepMs / 1000))
  let best = step
  let least = Number.POSITIVE_INFINITY
  for (const wider of unique([step, ...steps.sort((a, b) => a - b)])) {
    const width = wider * 1000
    const from = Math.floor(prepared.from / width) * width
    const buckets = { from, to: Math.ceil(prepared.to / width) * width, step: wider, count: 0 }
    const levels = levelsOf(
      usable.filter(({ table }) => fits(table, buckets)),
      prepared,
    )
    const { missing } = planRange(prepared.from, prepared.to, [flows, ...levels])
    const sum = missing.reduce((all, span) => all + span.to - span.from, 0)
    if (sum >= least) continue
    best = wider
    least = sum
  }
  return best
}
