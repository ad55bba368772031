import type { Clock } from '../base/clock.ts'
import type { OperatorError } from '../base/errors.ts'
import { createRollBook } from './roll-book.ts'
import { createRollBuild, type RollBuildConfig } from './roll-build.ts'
import { UNIT_SECONDS, LEVELS, ROLLUP_TABLES, type Coverage, type RollupLevel, type RollupStatus } from './rollups.ts'
import type { StoreLog } from './store-log.ts'
import type { Store } from './store.ts'

// Builds the rollups: each bucket once when its time is over, and again when late flows came for it. What is to be built
// is told by the tables `arrivals` and `rolled` alone, so a crash costs nothing but the bucket that was being built.

export interface RollerConfig extends Partial<RollBuildConfig> {
  /** How long after the end of a bucket its flows may still be on their way, ms. Default 10 s. */
  readonly lagMs?: number
}

export interface RollerDeps {
  readonly store: Pick<Store, 'query' | 'execute' | 'status'>
  readonly clock: Clock
  readonly log?: StoreLog
}

export interface RollerStatus {
  /** Buckets built since the start, also again. */
  readonly built: number
  /** Buckets whose time is over and that wait to be built. */
  readonly waiting: number
  /** Why the last bucket could not be built, until one can. */
  readonly problem?: string
}

export interface Roller extends RollupStatus {
  start(): void
  /** Lets the statement under way end, for a moment; what it leaves undone is done at the next start. */
  stop(): Promise<void>
  /** Builds what is due now, and resolves when nothing is. */
  run(): Promise<void>
  /** Reads what is built, and builds nothing: for those who ask a store that they don't keep. */
  look(): Promise<void>
  /** Flows were stored. What is covered is known again when this resolves, unless the store takes long to say. */
  arrived(): Promise<void>
  status(): RollerStatus
}

const EVERY_MS = 5_000
/** How long one pass goes on before it looks at what came meanwhile. */
const PASS_MS = 5_000
/** A unit for which flows keep coming is built when they pause so long, or after a while all the same. */
const PAUSE_MS = 5_000
const PATIENCE_MS = 60_000
const STOP_WAIT_MS = 1500
const LOOK_WAIT_MS = 1000
const SIZES_EVERY_MS = 30_000
/** A unit that cannot be built is passed over for so long: the others are not to wait for it. */
const PASSED_OVER_MS = 600_000
/** Codes that say nothing of the unit. */
const OF_THE_STORE: ReadonlySet<string> = new Set(['store_away', 'store_disk', 'store_busy'])
/** Tries after which flows that are told of but not found are given up. */
const MOST_TRIES = 10

interface DueUnit {
  readonly level: RollupLevel
  readonly start: number
}

export function createRoller(config: RollerConfig, deps: RollerDeps): Roller {
  const lagMs = config.lagMs ?? 10_000
  const { store, clock } = deps
  const book = createRollBook()
  const build = createRollBuild({ ...config, memoryBytes: config.memoryBytes ?? 512 * 2 ** 20 }, { store })
  /** Units whose flows came a short while ago, and since when they come. */
  const moving = new Map<string, { readonly since: number; last: number }>()
  const tries = new Map<string, number>()
  /** Units that could not be built, when and why. */
  const passedOver = new Map<string, DueUnit & { readonly at: number; readonly why: string }>()
  const sizes = new Map<string, { rows: number; bytes: number }>()
  let known = false
  let looking: Promise<void> = Promise.resolve()
  let lastBlock = -1
  let sizesAt = Number.NEGATIVE_INFINITY
  let ranges: Map<RollupLevel, Coverage['ranges']> | undefined
  let rangesAt = Number.NEGATIVE_INFINITY
  let flowsFrom = 0
  let built = 0
  let waiting = 0
  let problem: string | undefined
  let timer: NodeJS.Timeout | undefined
  let stopping = false
  let running: Promise<void> = Promise.resolve()

  const closedBefore = (): number => Math.floor((clock.now() - lagMs) / 1000)

  function look(): Promise<void> {
    const next = looking.then(lookNow)
    looking = next.catch(() => undefined)
    return next
  }

  /** Reads what came since the last look, or all there is the first time. */
  async function lookNow(): Promise<void> {
    if (!known) {
      book.clear()
      lastBlock = -1
      await readRolled()
    }
    await readDropped()
    const changed = new Set<number>()
    const parts = await store.query(
      `SELECT count(), toUnixTimestamp(min(min_time)), max(max_block_number) FROM system.parts WHERE active AND database = currentDatabase() AND table = 'arrivals' AND max_block_number > ${lastBlock}`,
    )
    const [count, since, block] = (parts.rows[0] ?? []).map(Number) as [number, number, number]
    if (count > 0) {
      const { rows } = await store.query(
        `SELECT toUnixTimestamp(time), sum(flows) FROM arrivals WHERE time >= toDateTime(${since}, 'UTC') GROUP BY time`,
      )
      for (const [minute, flows] of rows)
        if (book.setArrived(Number(minute), Number(flows))) changed.add(Number(minute))
      lastBlock = block
    }
    if (known) note(changed)
    known = true
    ranges = undefined
    if (Math.abs(clock.now() - sizesAt) >= SIZES_EVERY_MS) await measure()
  }

  async function readRolled(): Promise<void> {
    const { rows } = await store.query(
      'SELECT level, toUnixTimestamp(time), max(flows), max(left_out) FROM rolled GROUP BY level, time',
    )
    for (const [level, start, flows, leftOut] of rows)
      book.setRolled(level as RollupLevel, Number(start), Number(flows), Number(leftOut))
  }

  async function readDropped(): Promise<void> {
    const { rows } = await store.query('SELECT table, toUnixTimestamp(max(until)) FROM dropped GROUP BY table')
    for (const [table, until] of rows) {
      if (table === 'flows') {
        book.setDropped('flows', Number(until))
        flowsFrom = Number(until)
      }
      const rollup = ROLLUP_TABLES.find(({ name }) => name === table)
      if (rollup) book.setDropped(rollup.level, Number(until))
    }
  }

  /** Late flows mostly come in numbers, over minutes: their buckets wait until they pause. */
  function note(changed: ReadonlySet<number>): void {
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
  }

  async function measure(): Promise<void> {
    const { rows } = await store.query(
      'SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table',
    )
    sizes.clear()
    for (const [table, count, bytes] of rows) sizes.set(table as string, { rows: Number(count), bytes: Number(bytes) })
    sizesAt = clock.now()
  }

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
    const below = level === 'hour' ? 'minute' : level === 'day' ? 'hour' : undefined
    const isWhole = below !== undefined && book.isWhole(below, start, UNIT_SECONDS[level])
    if (level === 'day' && !isWhole) return false
    const { arrived, built: builtBefore } = book.state(level, start)
    const before = book.state(level, start - UNIT_SECONDS[level])
    const flows = await build({
      level,
      start,
      from: isWhole ? below : 'flows',
      flows: arrived,
      isNew: builtBefore === 0,
      wasWorthIt: before.built > 0,
    })
    if (flows === 'left out') book.setRolled(level, start, 0, arrived)
    else {
      book.setRolled(level, start, flows, 0)
      const tried = (tries.get(key) ?? 0) + 1
      if (flows >= arrived) tries.delete(key)
      else if (tried < MOST_TRIES) tries.set(key, tried)
      else {
        tries.delete(key)
        book.setRolled(level, start, flows, arrived)
        await build.settle(level, start, flows, arrived)
        deps.log?.warn(
          `rollups: of the ${arrived} flows of the ${level} from ${new Date(start * 1000).toISOString()} only ${flows} were found`,
        )
      }
    }
    ranges = undefined
    built++
    problem = undefined
    return true
  }

  /** Builds until nothing is due, or for a while. Answers whether anything was built. */
  async function pass(patient: boolean): Promise<boolean> {
    await look()
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
      if (!next || stopping || performance.now() > until) break
      const done = await tryOne(next)
      any ||= done
      if (!done || book.dirtyNow(next.level, next.start)) skipped.add(keyOf(next.level, next.start))
    }
    await build.flush()
    for (const [key, { level, start }] of passedOver) if (!book.dirtyNow(level, start)) passedOver.delete(key)
    waiting = 0
    for (const _ of book.dirty(closedBefore())) waiting++
    return any
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
      const why = (error as OperatorError).message
      if (!passedOver.has(key)) deps.log?.warn(`rollups: ${why}`)
      passedOver.set(key, { ...unit, at: performance.now(), why })
      return false
    }
  }

  function failed(error: unknown): void {
    const why = (error as OperatorError).message
    if (problem !== why && (error as OperatorError).code !== 'store_away') deps.log?.warn(`rollups: ${why}`)
    problem = why
    // What was under way may have been done or not.
    known = false
  }

  function schedule(ms: number): void {
    timer = setTimeout(() => {
      let again = EVERY_MS
      const ran =
        store.status().state === 'ready'
          ? pass(true).then((any) => {
              if (any && waiting > 0) again = 0
            }, failed)
          : Promise.resolve()
      running = ran.then(() => {
        if (timer) schedule(again)
      })
    }, ms)
    timer.unref()
  }

  return {
    start() {
      stopping = false
      schedule(0)
    },
    async stop() {
      stopping = true
      clearTimeout(timer)
      timer = undefined
      await Promise.race([running, new Promise((resolve) => setTimeout(resolve, STOP_WAIT_MS).unref())])
    },
    async run() {
      while (await pass(false));
    },
    look,
    async arrived() {
      if (!known) return
      // Questions may hold every reader; rows do not wait for them.
      await Promise.race([look().catch(failed), new Promise((resolve) => setTimeout(resolve, LOOK_WAIT_MS).unref())])
    },
    status() {
      const why = problem ?? passedOver.values().next().value?.why
      return { built, waiting, ...(why === undefined ? {} : { problem: why }) }
    },
    coverage() {
      // What is closed changes every five minutes.
      const now = closedBefore() - (closedBefore() % UNIT_SECONDS.minute)
      if (!ranges || now !== rangesAt) {
        ranges = new Map(LEVELS.map((level) => [level, known ? book.ranges(level, now) : []]))
        rangesAt = now
      }
      const all = ranges
      const size = (table: string) => sizes.get(table) ?? { rows: 0, bytes: 0 }
      return [
        { table: 'flows', ranges: [{ from: flowsFrom * 1000, to: Infinity }], ...size('flows') },
        ...ROLLUP_TABLES.map(({ name, level }) => ({ table: name, ranges: all.get(level) ?? [], ...size(name) })),
      ]
    },
  }
}

function keyOf(level: RollupLevel, start: number): string {
  return `${level} ${start}`
}
