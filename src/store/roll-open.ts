import type { OperatorError } from '../base/errors.ts'
import { unlessRefused } from './engine-failure.ts'
import { OF_THE_STORE } from './roll-pass.ts'
import { rollStatement, sourceOf, TOO_MANY_GROUPS, type Unit } from './roll-sql.ts'
import { MINUTE_ROLLUPS, PIECE_TABLES, UNIT_SECONDS, rollupTable, type Range, type RollupName } from './rollups.ts'
import type { Store } from './store.ts'

// The five minutes that are not built yet. Where traffic is busy they have tens of millions of flows, and a question up to
// now would read them all. So minutes are built one by one as they end, of the rollups that have minutes, also the last of
// five that are over, whose addresses take longer; and before they end in pieces of ten seconds, in tables of their own, which
// are what the minute is made of then. What is built is kept in mind only. After a crash, or when late flows come, what lacks
// some is built again, which inserts what is missing and no more.

export interface OpenMinutesConfig {
  readonly memoryBytes: number
  /** Minutes and pieces of fewer flows are left for when the five are over: they are read fast enough. Default 200,000. */
  readonly fewestFlows?: number
  /**
   * Flows that a row of a minute has to stand for, on average. Default 6. Of a piece 2.5 times as many: it is built besides,
   * and its flows are read fast unless they are far more than its rows.
   */
  readonly worth?: number
  /** Flows of a minute or a piece have all come when none came for so long, ms. Default 3 s. */
  readonly pauseMs?: number
}

export interface OpenMinutes {
  /** Flows of a piece of a minute that were ever stored. */
  note(start: number, flows: number): void
  /** All flows were noted that were received within (seconds), but for what is late. */
  noted(from: number, before: number): void
  /** Builds what is over, of the five minutes that are not built and of those before. */
  run(wanted: WantedMinutes): Promise<void>
  /**
   * Where minutes of a rollup are built.
   * @param from end of what is built in whole units, seconds: where no flows came since, the first range begins there
   */
  ranges(rollup: RollupName, from: number): Range[]
  /** Where pieces of a rollup are. */
  pieces(rollup: RollupName): Range[]
  /** Keeps minutes from being built while the five minutes that they are of are built. */
  apart<T>(unit: number, build: () => Promise<T>): Promise<T>
  /** What was under way may have been done or not. */
  clear(): void
}

export interface WantedMinutes {
  /** False of five minutes that were built or left out. */
  isOpen(unit: number): boolean
  /** False if so many flows are not likely to have far fewer keys, by what was found of the five minutes before. */
  isPromising(unit: number, flows: number): boolean
}

/** A minute or a piece of one. */
interface Bucket {
  arrived: number
  /** When `arrived` last grew, by the monotonic clock. */
  grewAt: number
  /** Flows that the rows of each of MINUTE_ROLLUPS stand for. */
  built: readonly number[]
  /** Times that it was built since, and was not as many as arrived. */
  tries: number
}

type OpenLevel = 'minute' | 'piece'
/** Of an index in MINUTE_ROLLUPS. */
type IsWanted = (rollup: number) => boolean

/** Buckets of a rollup. */
interface Built {
  readonly buckets: ReadonlyMap<number, Bucket>
  readonly step: number
  readonly rollup: RollupName
}

/** What is built of a bucket at first. */
const NOTHING: Bucket['built'] = MINUTE_ROLLUPS.map(() => 0)
const PIECE = UNIT_SECONDS.piece
const MINUTE = 60
const FEWEST_FLOWS = 200_000
const PAUSE_MS = 3000
/** The first minute of busy traffic mostly is a part of one: as many keys in fewer flows. */
const FAR_MORE = 2
/** How much more is asked of a piece. */
const MORE_OF_PIECES = 2.5
/** Rows that a minute or a piece may have of a rollup whose keys are few. */
const SMALL = { minute: 100_000, piece: 20_000 } as const
/** Minutes that are remembered: five that are open, and some that wait to be built. */
const MOST_MINUTES = 60
/** Earlier versions told of a minute's flows, or of five's, at its first piece: of that one never as many are there. */
const MOST_TRIES = 3
const PIECES_READ_SECONDS = 300
/** A question takes ten minutes at most, and may read to the end what was there when it was planned. */
const PIECES_KEPT_SECONDS = PIECES_READ_SECONDS + 660
const FORGET_EVERY_MS = 60_000

export function createOpenMinutes(
  config: OpenMinutesConfig,
  { store }: { readonly store: Pick<Store, 'query' | 'execute'> },
): OpenMinutes {
  const fewestFlows = config.fewestFlows ?? FEWEST_FLOWS
  const worth = config.worth ?? 6
  const pauseMs = config.pauseMs ?? PAUSE_MS
  const minutes = new Map<number, Bucket>()
  const pieces = new Map<number, Bucket>()
  /** By unit and rollup, flows of a minute or of a piece that got too many rows: one of far more is tried. */
  const notWorth = { minute: new Map<string, number>(), piece: new Map<string, number>() }
  /** What is being built of a unit. */
  const underWay = new Map<number, Promise<unknown>>()
  let notedFrom = 0
  let notedBefore = 0
  let forgotAt = Number.NEGATIVE_INFINITY

  async function apart<T>(unit: number, build: () => Promise<T>): Promise<T> {
    const turn = (underWay.get(unit) ?? Promise.resolve()).then(build)
    const settled = turn.catch(() => undefined)
    underWay.set(unit, settled)
    try {
      return await turn
    } finally {
      if (underWay.get(unit) === settled) underWay.delete(unit)
    }
  }

  /** Flows that the rows of each rollup stand for. */
  async function there(level: OpenLevel, start: number): Promise<number[]> {
    const sums = MINUTE_ROLLUPS.map(
      (rollup, i) =>
        `SELECT ${i} AS i, sum(flows) AS flows FROM ${rollupTable(rollup, level)} WHERE time_received = toDateTime64(${start}, 3, 'UTC')`,
    )
    const { rows } = await store.query(`SELECT flows FROM (${sums.join(' UNION ALL ')}) ORDER BY i`)
    return rows.map(([flows]) => Number(flows))
  }

  /** False if it would get too many rows. */
  function tryRoll(unit: Unit, mostGroups: number): Promise<boolean> {
    const options = { again: true, unlessFewer: true, mostGroups, memoryBytes: config.memoryBytes }
    return unlessRefused(store.execute(rollStatement(unit, options), { background: true }), TOO_MANY_GROUPS)
  }

  /** Each rollup by itself: where that of most keys saves too little, the others may save much. */
  async function buildBucket(level: OpenLevel, start: number, bucket: Bucket, isWanted: IsWanted): Promise<void> {
    const before = await there(level, start)
    const where = level === 'minute' ? { start: unitOf(start), minute: start } : { start }
    const saving = bucket.arrived / (level === 'minute' ? worth : worth * MORE_OF_PIECES)
    bucket.tries++
    let first = before[0] === bucket.arrived
    for (const [i, rollup] of MINUTE_ROLLUPS.entries()) {
      if (before[i] === bucket.arrived || !isWanted(i)) continue
      const below = level === 'minute' && isOfPieces(start, i) ? 'piece' : 'flows'
      const from = first ? sourceOf(rollup, level, below) : below
      const mostGroups = i === 0 ? saving : Math.max(SMALL[level], saving)
      const isBuilt = await tryRoll({ rollup, level, from, ...where }, mostGroups)
      if (i === 0) first = isBuilt
      if (!isBuilt) notWorth[level].set(keyOf(start, i), bucket.arrived)
    }
    bucket.built = await there(level, start)
  }

  /** True if all flows of the minute stand in pieces of the rollup. */
  function isOfPieces(minute: number, rollup: number): boolean {
    for (let start = minute; start < minute + MINUTE; start += PIECE) {
      const piece = pieces.get(start)
      if (piece && piece.built[rollup] !== piece.arrived) return false
    }
    return true
  }

  const isDue = (bucket: Bucket | undefined, isWanted: IsWanted): bucket is Bucket =>
    bucket !== undefined &&
    bucket.arrived >= fewestFlows &&
    bucket.tries < MOST_TRIES &&
    performance.now() - bucket.grewAt >= pauseMs &&
    MINUTE_ROLLUPS.some((_, i) => bucket.built[i] !== bucket.arrived && isWanted(i))

  async function build(level: OpenLevel, start: number, wanted: WantedMinutes): Promise<void> {
    const unit = unitOf(start)
    const bucket = (level === 'minute' ? minutes : pieces).get(start)
    const arrived = bucket?.arrived ?? 0
    const isWanted = (rollup: number): boolean =>
      arrived > FAR_MORE * (notWorth[level].get(keyOf(start, rollup)) ?? 0) &&
      (rollup > 0 || wanted.isPromising(unit, arrived))
    if (!wanted.isOpen(unit) || !isDue(bucket, isWanted)) return
    try {
      await buildBucket(level, start, bucket, isWanted)
    } catch (error) {
      // It is left for when the five are over
      if (!OF_THE_STORE.has((error as OperatorError).code)) bucket.tries = MOST_TRIES
      throw error
    }
  }

  /** Pieces go when no question reads them any more: it was planned long ago. */
  async function forgetPieces(): Promise<void> {
    if (performance.now() - forgotAt < FORGET_EVERY_MS) return
    forgotAt = performance.now()
    const before = notedBefore - PIECES_KEPT_SECONDS
    // Of a clock that was ahead, and goes back, they may be the last ones again.
    for (const [start, piece] of pieces) if (start < before) piece.built = NOTHING
    const names = PIECE_TABLES.map(({ name }) => `'${name}'`).join(', ')
    const { rows } = await store.query(
      `SELECT DISTINCT table, partition FROM system.parts WHERE active AND database = currentDatabase() AND table IN (${names}) AND toUnixTimestamp(max_time) < ${before}`,
    )
    for (const [table, partition] of rows)
      await store.execute(`ALTER TABLE ${String(table)} DROP PARTITION '${String(partition)}'`, { background: true })
  }

  return {
    note(start, flows) {
      if (start < notedFrom) return
      const minute = start - (start % MINUTE)
      const before = pieces.get(start)?.arrived ?? 0
      grow(pieces, start, flows)
      grow(minutes, minute, (minutes.get(minute)?.arrived ?? 0) + flows - before)
    },
    noted(from, before) {
      notedFrom = Math.max(notedFrom, from)
      notedBefore = before
      if (minutes.size <= MOST_MINUTES) return
      const starts = [...minutes.keys()].sort((a, b) => a - b)
      notedFrom = starts.at(-MOST_MINUTES) as number
      for (const buckets of [minutes, pieces])
        for (const start of buckets.keys()) if (start < notedFrom) buckets.delete(start)
      for (const keys of Object.values(notWorth))
        for (const key of keys.keys()) if (Number.parseInt(key, 10) < notedFrom) keys.delete(key)
    },
    async run(wanted) {
      const first = Math.max(notedFrom, unitOf(notedBefore) - UNIT_SECONDS.minute)
      for (let start = first - (first % PIECE); start + PIECE <= notedBefore; start += PIECE) {
        const minute = minutes.get(start - (start % MINUTE))
        if (minute?.built.some((flows) => flows !== minute.arrived)) await build('piece', start, wanted)
      }
      for (let start = first; start + MINUTE <= notedBefore; start += MINUTE) {
        const unit = unitOf(start)
        // What is being built with its addresses keeps no later minute waiting.
        if (underWay.has(unit)) continue
        await apart(unit, () => build('minute', start, wanted))
      }
      await forgetPieces()
    },
    ranges(rollup, covered) {
      const isWhole = covered >= notedFrom
      return builtRanges({ buckets: minutes, step: MINUTE, rollup }, Math.max(covered, notedFrom), isWhole)
    },
    pieces(rollup) {
      const from = Math.max(notedFrom, notedBefore - PIECES_READ_SECONDS)
      return builtRanges({ buckets: pieces, step: PIECE, rollup }, from, false)
    },
    apart,
    clear() {
      minutes.clear()
      pieces.clear()
      for (const keys of Object.values(notWorth)) keys.clear()
      notedFrom = 0
      notedBefore = 0
    },
  }

  /** @param isWhole true if nothing lacks before the first bucket: the first range begins with `from` */
  function builtRanges({ buckets, step, rollup }: Built, from: number, isWhole: boolean): Range[] {
    const index = MINUTE_ROLLUPS.findIndex(({ name }) => name === rollup)
    const found: Range[] = []
    let begins = isWhole ? from : undefined
    let to = 0
    const end = (): void => {
      if (begins !== undefined && to > begins) found.push({ from: begins * 1000, to: to * 1000 })
      begins = undefined
    }
    for (let start = Math.ceil(from / step) * step; start + step <= notedBefore; start += step) {
      const bucket = buckets.get(start)
      // One without flows has nothing that could be missing.
      if (!bucket) continue
      if (bucket.built[index] !== bucket.arrived) end()
      else {
        begins ??= start
        to = start + step
      }
    }
    end()
    return found
  }
}

function grow(buckets: Map<number, Bucket>, start: number, arrived: number): void {
  const bucket = buckets.get(start)
  if (!bucket) buckets.set(start, { arrived, grewAt: performance.now(), built: NOTHING, tries: 0 })
  else if (bucket.arrived !== arrived) Object.assign(bucket, { arrived, grewAt: performance.now(), tries: 0 })
}

function keyOf(start: number, rollup: number): string {
  return `${unitOf(start)} ${rollup}`
}

function unitOf(start: number): number {
  return start - (start % UNIT_SECONDS.minute)
}
