import type { OperatorError } from '../base/errors.ts'
import { engineCodeOf } from './engine-failure.ts'
import { OF_THE_STORE } from './roll-pass.ts'
import { rollStatement, sourceOf, TOO_MANY_GROUPS } from './roll-sql.ts'
import { ROLLUPS, UNIT_SECONDS, rollupTable, type Range, type Rollup } from './rollups.ts'
import type { Store } from './store.ts'

// The five minutes that are not built yet. Where traffic is busy they have tens of millions of flows, and a question up to
// now would read them all: so their minutes are built one by one as they end, of the rollups that have minutes; also the
// last of five that are over, whose addresses take longer. What is built is kept in mind only. After a crash, or when late
// flows come, the minutes that lack some are built again, which inserts what is missing and no more.

export interface OpenMinutesConfig {
  readonly memoryBytes: number
  /** Minutes of fewer flows are left for when the five are over: they are read fast enough. Default 200,000. */
  readonly fewestFlows?: number
  /** Flows that a row has to stand for, on average. Default 6. */
  readonly worth?: number
  /** Flows of a minute have all come when none came for so long, ms. Default 4 s. */
  readonly pauseMs?: number
}

export interface OpenMinutes {
  /** Flows of a minute that were ever stored. */
  note(minute: number, flows: number): void
  /** All flows were noted that were received within (seconds), but for what is late. */
  noted(from: number, before: number): void
  /**
   * Builds the minutes that are over, of the five that are not and of those before.
   * @param isWanted whether a minute of the unit is to be built that has so many flows
   */
  run(isWanted: (unit: number, flows: number) => boolean): Promise<void>
  /**
   * Where minutes are built.
   * @param from end of what is built in whole units, seconds: where no flows came since, the first range begins there
   */
  ranges(from: number): Range[]
  /** Keeps minutes from being built while the five minutes that they are of are built. */
  apart<T>(unit: number, build: () => Promise<T>): Promise<T>
  /** What was under way may have been done or not. */
  clear(): void
}

interface Minute {
  arrived: number
  /** When `arrived` last grew, by the monotonic clock. */
  grewAt: number
  /** Flows that the rows of each of the rollups stand for. */
  built: number
}

const MINUTE = 60
const FEWEST_FLOWS = 200_000
const PAUSE_MS = 4000
/** The first minute of busy traffic mostly is a part of one: as many keys in fewer flows. */
const FAR_MORE = 2
/** Rows that a minute may have of a rollup whose keys are few. */
const SMALL = 100_000
/** Minutes that are remembered: five that are open, and some that wait to be built. */
const MOST_MINUTES = 60

const MINUTE_ROLLUPS: readonly Rollup[] = ROLLUPS.filter(({ exact }) => exact)

/** True of a table that may hold minutes of five that are not over. */
export function hasOpenMinutes(table: string): boolean {
  return MINUTE_ROLLUPS.some((rollup) => rollupTable(rollup, 'minute') === table)
}

export function createOpenMinutes(
  config: OpenMinutesConfig,
  { store }: { readonly store: Pick<Store, 'query' | 'execute'> },
): OpenMinutes {
  const fewestFlows = config.fewestFlows ?? FEWEST_FLOWS
  const worth = config.worth ?? 6
  const pauseMs = config.pauseMs ?? PAUSE_MS
  const minutes = new Map<number, Minute>()
  /** Flows of a minute of the unit that got too many rows, or could not be built: one of far more flows is tried. */
  const notWorth = new Map<number, number>()
  /** What is being built of a unit. */
  const underWay = new Map<number, Promise<unknown>>()
  let notedFrom = 0
  let notedBefore = 0

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
  async function there(start: number): Promise<number[]> {
    const sums = MINUTE_ROLLUPS.map(
      (rollup, i) =>
        `SELECT ${i} AS i, sum(flows) AS flows FROM ${rollupTable(rollup, 'minute')} WHERE time_received = toDateTime64(${start}, 3, 'UTC')`,
    )
    const { rows } = await store.query(`SELECT flows FROM (${sums.join(' UNION ALL ')}) ORDER BY i`)
    return rows.map(([flows]) => Number(flows))
  }

  /** False if it would get too many rows. */
  async function buildMinute(start: number, minute: Minute): Promise<boolean> {
    const before = await there(start)
    for (const [i, rollup] of MINUTE_ROLLUPS.entries()) {
      if (before[i] === minute.arrived) continue
      const saving = minute.arrived / worth
      const mostGroups = rollup === MINUTE_ROLLUPS[0] ? saving : Math.max(SMALL, saving)
      const from = sourceOf(rollup, 'minute', 'flows')
      const unit = { rollup, level: 'minute', from, start: unitOf(start), minute: start } as const
      const sql = rollStatement(unit, { again: true, unlessFewer: true, mostGroups, memoryBytes: config.memoryBytes })
      try {
        await store.execute(sql, { background: true })
      } catch (error) {
        if (engineCodeOf(error) === TOO_MANY_GROUPS) return false
        throw error
      }
    }
    minute.built = Math.min(...(await there(start)))
    return true
  }

  const isDue = (start: number, minute: Minute | undefined): minute is Minute =>
    minute !== undefined &&
    minute.arrived >= fewestFlows &&
    minute.built !== minute.arrived &&
    minute.arrived > FAR_MORE * (notWorth.get(unitOf(start)) ?? 0) &&
    performance.now() - minute.grewAt >= pauseMs

  return {
    note(start, flows) {
      if (start < notedFrom) return
      const minute = minutes.get(start)
      if (!minute) minutes.set(start, { arrived: flows, grewAt: performance.now(), built: 0 })
      else if (minute.arrived !== flows) Object.assign(minute, { arrived: flows, grewAt: performance.now() })
    },
    noted(from, before) {
      notedFrom = Math.max(notedFrom, from)
      notedBefore = before
      if (minutes.size <= MOST_MINUTES) return
      const starts = [...minutes.keys()].sort((a, b) => a - b)
      notedFrom = starts.at(-MOST_MINUTES) as number
      for (const start of starts) if (start < notedFrom) minutes.delete(start)
      for (const unit of notWorth.keys()) if (unit < notedFrom) notWorth.delete(unit)
    },
    async run(isWanted) {
      const first = Math.max(notedFrom, unitOf(notedBefore) - UNIT_SECONDS.minute)
      for (let start = first; start + MINUTE <= notedBefore; start += MINUTE) {
        const unit = unitOf(start)
        // What is being built with its addresses keeps no later minute waiting.
        if (underWay.has(unit)) continue
        await apart(unit, async () => {
          const minute = minutes.get(start)
          if (!isDue(start, minute) || !isWanted(unit, minute.arrived)) return
          try {
            if (!(await buildMinute(start, minute))) notWorth.set(unit, minute.arrived)
          } catch (error) {
            // It is left for when the five are over
            if (!OF_THE_STORE.has((error as OperatorError).code)) notWorth.set(unit, Number.POSITIVE_INFINITY)
            throw error
          }
        })
      }
    },
    ranges(covered) {
      const found: Range[] = []
      let from = covered >= notedFrom ? covered : undefined
      let to = 0
      const end = (): void => {
        if (from !== undefined && to > from) found.push({ from: from * 1000, to: to * 1000 })
        from = undefined
      }
      for (let start = Math.max(covered, notedFrom); start + MINUTE <= notedBefore; start += MINUTE) {
        const minute = minutes.get(start)
        // A minute without flows has nothing that could be missing.
        if (!minute) continue
        if (minute.built !== minute.arrived) end()
        else {
          from ??= start
          to = start + MINUTE
        }
      }
      end()
      return found
    },
    apart,
    clear() {
      minutes.clear()
      notWorth.clear()
      notedFrom = 0
      notedBefore = 0
    },
  }
}

function unitOf(minute: number): number {
  return minute - (minute % UNIT_SECONDS.minute)
}
