import { ALONE, UNIT_SECONDS, LEVELS, type AloneName, type Range, type RollupLevel } from './rollups.ts'

// Which units are built, kept in memory as `arrivals` and `rolled` have it: 13 kB a day.

const DAY = 86_400

interface Entries {
  /** Flows that were ever stored. */
  readonly arrived: Float64Array
  /** Flows in the rows of the bucket. */
  readonly built: Float64Array
  /** Flows at which it was left out. */
  readonly leftOut: Float64Array
}

/** Of rollups whose minutes were built although others were left out: flows in their rows. */
type Day = Readonly<Record<RollupLevel, Entries> & Record<AloneName, Float64Array>>

export interface BucketState {
  readonly arrived: number
  readonly built: number
  readonly leftOut: number
}

export interface RollBookConfig {
  /**
   * True where several build the same units, from replicas that may not have all rows yet: what one of them has left out
   * says nothing of a unit that another has built.
   */
  readonly isShared?: boolean
}

export interface RollBook {
  /** Flows of five minutes of receipt; answers whether that is news. */
  setArrived(start: number, flows: number): boolean
  setRolled(level: RollupLevel, start: number, built: number, leftOut: number): void
  /** The minutes of one rollup were built where those of others were left out. */
  setAlone(name: AloneName, start: number, flows: number): void
  /** Flows received before are gone from the table (seconds). */
  setDropped(table: 'flows' | RollupLevel, until: number): void
  /** Start of what may still be there of a table, seconds. */
  droppedBefore(table: 'flows' | RollupLevel): number
  /** Units before are never built again (seconds): their rows came from elsewhere, without their flows. */
  setMoved(until: number): void
  state(level: RollupLevel, start: number): BucketState
  /** Starts of buckets that have to be built, of the newest day first: minutes, then hours, then the day. */
  dirty(closedBefore: number): Iterable<{ readonly level: RollupLevel; readonly start: number }>
  dirtyNow(level: RollupLevel, start: number): boolean
  /** True if flows received before (seconds) are not in minutes yet, nor in the hour where its minutes are left out. */
  owes(before: number): boolean
  /** True if the bucket can be made of the level below: all that came is there. */
  isWhole(level: RollupLevel, start: number, seconds: number): boolean
  /** @param alone of minutes: also those that were built of this rollup alone */
  ranges(level: RollupLevel, closedBefore: number, alone?: AloneName): Range[]
  clear(): void
}

/** Units of a day. */
function countOf(level: RollupLevel): number {
  return DAY / UNIT_SECONDS[level]
}

export function createRollBook({ isShared = false }: RollBookConfig = {}): RollBook {
  const days = new Map<number, Day>()
  let moved = 0
  const dropped: Record<'flows' | RollupLevel, number> = { flows: 0, minute: 0, hour: 0, '6hours': 0, day: 0 }

  function dayOf(start: number): Day {
    const number = Math.floor(start / DAY)
    let day = days.get(number)
    if (!day) days.set(number, (day = newDay()))
    return day
  }

  function place(level: RollupLevel, start: number): [Entries, number] {
    return [dayOf(start)[level], Math.floor((start % DAY) / UNIT_SECONDS[level])]
  }

  function isKnown(start: number): boolean {
    return days.has(Math.floor(start / DAY))
  }

  function state(level: RollupLevel, start: number): BucketState {
    if (!isKnown(start)) return { arrived: 0, built: 0, leftOut: 0 }
    const [at, i] = place(level, start)
    return { arrived: at.arrived[i] as number, built: at.built[i] as number, leftOut: at.leftOut[i] as number }
  }

  /** Flows that need not be built. */
  function done({ built, leftOut }: BucketState): number {
    return isShared && built > 0 ? built : Math.max(built, leftOut)
  }

  /** Flows that came, and whose bucket can still be built: late ones for a time whose flows are deleted are not looked for. */
  function isDirty(level: RollupLevel, start: number): boolean {
    const there = state(level, start)
    if (there.arrived <= done(there) || start < dropped[level] || start < moved) return false
    const finer = below(level)
    return start >= dropped.flows || (finer !== undefined && isWhole(finer, start, UNIT_SECONDS[level]))
  }

  function isCovered(level: RollupLevel, start: number): boolean {
    const there = state(level, start)
    if (start < dropped[level]) return false
    return there.built > 0 && (done(there) >= there.arrived || start < dropped.flows)
  }

  function isCoveredAlone(name: AloneName, start: number): boolean {
    const flows = dayOf(start)[name][Math.floor((start % DAY) / UNIT_SECONDS.minute)] as number
    return flows > 0 && (flows >= state('minute', start).arrived || start < dropped.flows)
  }

  function isWhole(level: RollupLevel, start: number, seconds: number): boolean {
    if (!isKnown(start)) return true
    const step = UNIT_SECONDS[level]
    for (let at = start; at < start + seconds; at += step)
      if (state(level, at).arrived > 0 && !isCovered(level, at)) return false
    return true
  }

  function* dirty(closedBefore: number): Generator<{ level: RollupLevel; start: number }> {
    for (const number of [...days.keys()].sort((a, b) => b - a)) {
      const first = number * DAY
      for (const level of LEVELS) {
        const step = UNIT_SECONDS[level]
        for (let i = countOf(level) - 1; i >= 0; i--) {
          const start = first + i * step
          if (start + step <= closedBefore && isDirty(level, start)) yield { level, start }
        }
      }
    }
  }

  /** Buckets without flows go with those before them; where several build, with those after them: another may have flows there. */
  function ranges(level: RollupLevel, closedBefore: number, alone?: AloneName): Range[] {
    const found: Range[] = []
    const step = UNIT_SECONDS[level]
    const last = Math.floor(closedBefore / step) * step
    let from: number | undefined = dropped[level]
    for (const number of [...days.keys()].sort((a, b) => a - b)) {
      for (let i = 0; i < countOf(level); i++) {
        const start = number * DAY + i * step
        if (start < dropped[level] || start >= last || state(level, start).arrived === 0) continue
        if (isCovered(level, start) || (alone && isCoveredAlone(alone, start))) from ??= start
        else {
          if (from !== undefined && from < start) found.push({ from: from * 1000, to: start * 1000 })
          from = isShared ? start + step : undefined
        }
      }
    }
    if (from !== undefined && from < last) found.push({ from: from * 1000, to: last * 1000 })
    return found
  }

  return {
    setArrived(start, flows) {
      const day = dayOf(start)
      const [at, i] = place('minute', start)
      const more = flows - (at.arrived[i] as number)
      if (more === 0) return false
      for (const level of LEVELS) {
        const index = Math.floor((start % DAY) / UNIT_SECONDS[level])
        ;(day[level].arrived[index] as number) += more
      }
      return true
    },
    setRolled(level, start, built, leftOut) {
      const [at, i] = place(level, start)
      at.built[i] = Math.max(at.built[i] as number, built)
      at.leftOut[i] = Math.max(at.leftOut[i] as number, leftOut)
    },
    setAlone(name, start, flows) {
      const i = Math.floor((start % DAY) / UNIT_SECONDS.minute)
      const of = dayOf(start)[name]
      of[i] = Math.max(of[i] as number, flows)
    },
    setDropped(table, until) {
      const step = table === 'flows' ? 1 : UNIT_SECONDS[table]
      dropped[table] = Math.max(dropped[table], Math.ceil(until / step) * step)
    },
    droppedBefore: (table) => dropped[table],
    setMoved(until) {
      moved = Math.max(moved, until)
    },
    state,
    dirty,
    dirtyNow: isDirty,
    isWhole,
    owes(before) {
      for (const number of days.keys()) {
        const [first, end] = [number * DAY, Math.min(before, (number + 1) * DAY)]
        // Of what is deleted nothing can be summed up any more.
        if (end <= Math.max(first, dropped.flows)) continue
        for (let start = first; start < end; start += UNIT_SECONDS.minute) if (isDirty('minute', start)) return true
        for (let start = first; start < end; start += UNIT_SECONDS.hour)
          if (isDirty('hour', start) && !isWhole('minute', start, UNIT_SECONDS.hour)) return true
      }
      return false
    },
    ranges,
    clear: () => days.clear(),
  }
}

/** The level that a unit can be made of. Of addresses each level adds to what may be missing, so a day is made of hours. */
export function below(level: RollupLevel): RollupLevel | undefined {
  if (level === 'minute') return undefined
  return level === 'hour' ? 'minute' : 'hour'
}

function newDay(): Day {
  const alone = Object.fromEntries(ALONE.map((name) => [name, new Float64Array(countOf('minute'))])) as Record<
    AloneName,
    Float64Array
  >
  const levels = Object.fromEntries(LEVELS.map((level) => [level, entries(countOf(level))])) as Record<
    RollupLevel,
    Entries
  >
  return { ...levels, ...alone }
}

function entries(count: number): Entries {
  return { arrived: new Float64Array(count), built: new Float64Array(count), leftOut: new Float64Array(count) }
}
