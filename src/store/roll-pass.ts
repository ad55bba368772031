import type { Clock } from '../base/clock.ts'
import type { OperatorError } from '../base/errors.ts'
import { engineCodeOf } from './engine-failure.ts'
import { below, type RollBook } from './roll-book.ts'
import type { RollBuild } from './roll-build.ts'
import { BEHIND } from './roll-sql.ts'
import { ALONE, LEVELS, UNIT_SECONDS, type RollupLevel } from './rollups.ts'
import type { StoreLog } from './store-log.ts'

// Which unit is built when: those whose time is over, the newest day first; each alone, so that one that fails keeps no
// other waiting; those for which flows keep coming when they pause.

export interface RollPassConfig {
  /** How long after the end of a bucket its flows may still be on their way, ms. */
  readonly lagMs: number
  /** True where several build the same units, from replicas that may not have all rows yet. */
  readonly isShared?: boolean
}

export interface RollPassDeps {
  readonly book: RollBook
  readonly build: RollBuild
  readonly clock: Clock
  readonly log?: StoreLog
}

export interface RollPass {
  /** Flows came for these five minutes since the last look. */
  note(changed: ReadonlySet<number>): void
  /** Builds until nothing is due, or for a while. Answers whether anything was built. */
  run(patient: boolean, isStopping: () => boolean): Promise<boolean>
  /** Units whose time is over and that wait to be built, as of the last pass. */
  waiting(): number
  built(): number
  /** Why a unit could not be built, until it can. */
  problem(): string | undefined
}

/** How long one pass goes on before it looks at what came meanwhile. */
const PASS_MS = 5_000
/** A unit for which flows keep coming is built when they pause so long, or after a while all the same. */
const PAUSE_MS = 5_000
const PATIENCE_MS = 60_000
/** A unit that cannot be built is passed over for so long: the others are not to wait for it. */
const PASSED_OVER_MS = 600_000
/** Codes that say nothing of the unit. */
export const OF_THE_STORE: ReadonlySet<string> = new Set(['store_away', 'store_disk', 'store_busy'])
/** Tries after which flows that are told of but not found are given up. */
const MOST_TRIES = 10
/** How long flows are waited for that other replicas have told of. */
const BEHIND_MS = 900_000

interface DueUnit {
  readonly level: RollupLevel
  readonly start: number
}

export function createRollPass(config: RollPassConfig, { book, build, clock, log }: RollPassDeps): RollPass {
  const isShared = config.isShared ?? false
  /** Units whose flows came a short while ago, and since when they come. */
  const moving = new Map<string, { readonly since: number; last: number }>()
  const tries = new Map<string, number>()
  /** Since when flows of a unit are told of and not found. */
  const behind = new Map<string, number>()
  /** Units that could not be built, when and why. */
  const passedOver = new Map<string, DueUnit & { readonly at: number; readonly why: string }>()
  let built = 0
  let waiting = 0

  const closedBefore = (): number => Math.floor((clock.now() - config.lagMs) / 1000)

  function* due(patient: boolean): Generator<DueUnit> {
    const now = performance.now()
    for (const bucket of book.dirty(closedBefore())) {
      const key = keyOf(bucket.level, bucket.start)
      if (patient && now - (passedOver.get(key)?.at ?? Number.NEGATIVE_INFINITY) < PASSED_OVER_MS) continue
      const moved = moving.get(key)
      if (!patient || !moved || now - moved.last > PAUSE_MS || now - moved.since > PATIENCE_MS) yield bucket
    }
  }

  /** One bucket; where it is made of the level below, that has to be whole. */
  async function buildOne({ level, start }: DueUnit): Promise<boolean> {
    const key = keyOf(level, start)
    const finer = below(level)
    const isWhole = finer !== undefined && book.isWhole(finer, start, UNIT_SECONDS[level])
    if (finer === 'hour' && !isWhole) return false
    const { arrived, built: builtBefore } = book.state(level, start)
    const before = book.state(level, start - UNIT_SECONDS[level])
    const isGivenUp = performance.now() - (behind.get(key) ?? Number.POSITIVE_INFINITY) > BEHIND_MS
    const flows = await build({
      level,
      start,
      from: isWhole ? finer : 'flows',
      flows: arrived,
      isNew: builtBefore === 0,
      wasWorthIt: before.built > 0,
      ...(isGivenUp ? { least: 0 } : {}),
    })
    built++
    if (typeof flows !== 'number') {
      for (const name of ALONE) book.setAlone(name, start, flows[name] ?? 0)
      book.setRolled(level, start, 0, arrived)
      return true
    }
    book.setRolled(level, start, flows, 0)
    if (flows >= arrived) {
      tries.delete(key)
      behind.delete(key)
    } else if (isShared ? isGivenUp : triedEnough(key)) {
      behind.delete(key)
      await settle(level, start, flows, arrived)
    } else if (isShared) waitFor(key)
    return true
  }

  function triedEnough(key: string): boolean {
    const tried = (tries.get(key) ?? 0) + 1
    if (tried < MOST_TRIES) tries.set(key, tried)
    else tries.delete(key)
    return tried >= MOST_TRIES
  }

  function waitFor(key: string): void {
    if (!behind.has(key)) behind.set(key, performance.now())
  }

  /** What there is counts as all. */
  async function settle(level: RollupLevel, start: number, flows: number, arrived: number): Promise<void> {
    const noted = isShared ? arrived : flows
    book.setRolled(level, start, noted, arrived)
    await build.settle(level, start, noted, arrived)
    log?.warn(
      `rollups: of the ${arrived} flows of the ${level} from ${new Date(start * 1000).toISOString()} only ${flows} were found`,
    )
  }

  /** What is there of a unit that failed is looked at when it is tried again. */
  async function tryOne(unit: DueUnit): Promise<boolean> {
    const key = keyOf(unit.level, unit.start)
    try {
      const done = await buildOne(unit)
      passedOver.delete(key)
      return done
    } catch (error) {
      if (OF_THE_STORE.has((error as OperatorError).code)) throw error
      if (isShared && engineCodeOf(error) === BEHIND) {
        waitFor(key)
        return false
      }
      const why = (error as OperatorError).message
      if (!passedOver.has(key)) log?.warn(`rollups: ${why}`)
      passedOver.set(key, { ...unit, at: performance.now(), why })
      return false
    }
  }

  return {
    /** Late flows mostly come in numbers, over minutes: their buckets wait until they pause. */
    note(changed) {
      const now = performance.now()
      for (const [key, { last }] of moving) if (now - last > PAUSE_MS) moving.delete(key)
      for (const start of changed) {
        for (const level of LEVELS) {
          const key = keyOf(level, start - (start % UNIT_SECONDS[level]))
          const there = moving.get(key)
          if (there) there.last = now
          else moving.set(key, { since: now, last: now })
        }
      }
    },
    async run(patient, isStopping) {
      const until = performance.now() + PASS_MS
      let any = false
      const skipped = new Set<string>()
      for (;;) {
        let next: DueUnit | undefined
        for (const unit of due(patient)) {
          if (skipped.has(keyOf(unit.level, unit.start))) continue
          next = unit
          break
        }
        if (!next || isStopping() || performance.now() > until) break
        const done = await tryOne(next)
        any ||= done
        if (!done || book.dirtyNow(next.level, next.start)) skipped.add(keyOf(next.level, next.start))
      }
      await build.flush()
      for (const [key, { level, start }] of passedOver) if (!book.dirtyNow(level, start)) passedOver.delete(key)
      waiting = 0
      for (const _ of book.dirty(closedBefore())) waiting++
      return any
    },
    waiting: () => waiting,
    built: () => built,
    problem: () => passedOver.values().next().value?.why,
  }
}

function keyOf(level: RollupLevel, start: number): string {
  return `${level} ${start}`
}
