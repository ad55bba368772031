import type { Clock } from '../base/clock.ts'
import type { OperatorError } from '../base/errors.ts'
import { createRollBook } from './roll-book.ts'
import { createRollBuild, type RollBuild, type RollBuildConfig, type ToBuild } from './roll-build.ts'
import { createOpenMinutes, type OpenMinutesConfig, type WantedMinutes } from './roll-open.ts'
import { createRollPass, OF_THE_STORE } from './roll-pass.ts'
import { createRollTurns } from './roll-turns.ts'
import {
  ALONE,
  LEVELS,
  MINUTE_ROLLUPS,
  PIECE_TABLES,
  ROLLUP_TABLES,
  rollupTable,
  UNIT_SECONDS,
  type Range,
  type RollupLevel,
  type RollupStatus,
} from './rollups.ts'
import type { StoreLog } from './store-log.ts'
import type { Store } from './store.ts'

// Builds the rollups: each bucket once when its time is over, and again when late flows came for it. What is to be built
// is told by the tables `arrivals` and `rolled` alone, so a crash costs nothing but the bucket that was being built.

export interface RollerConfig extends Partial<RollBuildConfig> {
  /** How long after the end of a bucket its flows may still be on their way, ms. Default 10 s. */
  readonly lagMs?: number
  /** Of busy traffic, the minutes of five that are not over. */
  readonly openMinutes?: Omit<OpenMinutesConfig, 'memoryBytes'>
}

export interface RollerDeps {
  readonly store: Pick<Store, 'query' | 'execute' | 'status'>
  readonly clock: Clock
  /** Milliseconds that go on whatever the clock does. Default: those of the process. */
  readonly elapsed?: () => number
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
  /** True if flows received before (ms) have to be summed up yet. Not known of tables that age by themselves. */
  owes?(before: number): boolean
  /** Flows were stored. What is covered is known again when this resolves, unless the store takes long to say. */
  arrived(): Promise<void>
  status(): RollerStatus
}

/** Tables that may hold minutes of five that are not over. */
const WITH_OPEN_MINUTES = new Map(MINUTE_ROLLUPS.map((rollup) => [rollupTable(rollup, 'minute'), rollup.name]))

const LOOK_WAIT_MS = 1000
const SIZES_EVERY_MS = 30_000
/** Minutes that are over are looked at so often, and after so long; each waits besides until its flows pause. */
const OPEN_EVERY_MS = 1000
const OPEN_LAG_MS = 2000
/** So long what was known goes on to count when looks fail: a store that is busy for a moment is not to read all flows. */
const BELIEVED_MS = 10_000
/** Of what arrived before, the minutes are not told apart. */
const RECENT_SECONDS = 1800

export function createRoller(config: RollerConfig, deps: RollerDeps): Roller {
  const lagMs = config.lagMs ?? 10_000
  const { store, clock } = deps
  const book = createRollBook()
  const memoryBytes = config.memoryBytes ?? 512 * 2 ** 20
  const elapsed = deps.elapsed ?? (() => performance.now())
  const open = createOpenMinutes({ ...config.openMinutes, memoryBytes }, { store })
  const whole = createRollBuild({ ...config, memoryBytes }, { store })
  const build: RollBuild = Object.assign((to: ToBuild) => open.apart(to.start, () => whole(to)), {
    settle: whole.settle,
    flush: whole.flush,
  })
  const units = createRollPass({ lagMs }, { book, build, clock, ...(deps.log ? { log: deps.log } : {}) })
  const turns = createRollTurns(
    { pass: () => pass(true), waiting: units.waiting, failed: () => void (known = false) },
    deps,
  )
  const sizes = new Map<string, { rows: number; bytes: number }>()
  let known = false
  /** When a look failed, until one succeeds: flows may have come unseen since. */
  let unknownSince: number | undefined
  let looking: Promise<void> = Promise.resolve()
  let lastBlock = -1
  let sizesAt = Number.NEGATIVE_INFINITY
  let ranges: ReadonlyMap<string, readonly Range[]> | undefined
  let rangesAt = Number.NEGATIVE_INFINITY
  let openTimer: NodeJS.Timeout | undefined

  const closedBefore = (): number => Math.floor((clock.now() - lagMs) / 1000)

  function look(): Promise<void> {
    const next = looking.then(lookNow)
    looking = next.then(
      () => void (unknownSince = undefined),
      () => void (unknownSince ??= elapsed()),
    )
    return next
  }

  /** Reads what came since the last look, or all there is the first time. */
  async function lookNow(): Promise<void> {
    if (!known) {
      book.clear()
      open.clear()
      lastBlock = -1
      await readRolled()
    }
    await readDropped()
    const changed = new Set<number>()
    const closed = closedBefore()
    const recent = known ? 0 : closed - (closed % UNIT_SECONDS.minute) - RECENT_SECONDS
    const parts = await store.query(
      `SELECT count(), toUnixTimestamp(min(min_time)), max(max_block_number) FROM system.parts WHERE active AND database = currentDatabase() AND table = 'arrivals' AND max_block_number > ${lastBlock}`,
    )
    const [count, since, block] = (parts.rows[0] ?? []).map(Number) as [number, number, number]
    if (count > 0) {
      for (const [unit, flows] of await readArrivals(since - (since % UNIT_SECONDS.minute), recent))
        if (book.setArrived(unit, flows)) changed.add(unit)
      lastBlock = block
    }
    open.noted(recent, Math.floor((clock.now() - OPEN_LAG_MS) / 1000))
    if (known) units.note(changed)
    known = true
    ranges = undefined
    if (Math.abs(clock.now() - sizesAt) >= SIZES_EVERY_MS) await measure()
  }

  /** By unit; pieces of minutes from `recent` on are noted by themselves, too. */
  async function readArrivals(since: number, recent: number): Promise<Map<number, number>> {
    const { rows } = await store.query(
      `SELECT toUnixTimestamp(if(time < toDateTime(${recent}, 'UTC'), toStartOfFiveMinutes(time), time)) AS t, sum(flows) FROM arrivals WHERE time >= toDateTime(${since}, 'UTC') GROUP BY t`,
    )
    const units = new Map<number, number>()
    for (const [start, flows] of rows as [number, unknown][]) {
      const unit = start - (start % UNIT_SECONDS.minute)
      units.set(unit, (units.get(unit) ?? 0) + Number(flows))
      if (start >= recent) open.note(start, Number(flows))
    }
    return units
  }

  async function readRolled(): Promise<void> {
    const { rows } = await store.query(
      'SELECT level, toUnixTimestamp(time), max(flows), max(left_out) FROM rolled GROUP BY level, time',
    )
    for (const [level, start, flows, leftOut] of rows) {
      const alone = ALONE.find((name) => name === level)
      if (alone) book.setAlone(alone, Number(start), Number(flows))
      else book.setRolled(level as RollupLevel, Number(start), Number(flows), Number(leftOut))
    }
  }

  async function readDropped(): Promise<void> {
    const { rows } = await store.query('SELECT table, toUnixTimestamp(max(until)) FROM dropped GROUP BY table')
    for (const [table, until] of rows) {
      if (table === 'flows') book.setDropped('flows', Number(until))
      const rollup = ROLLUP_TABLES.find(({ name }) => name === table)
      if (rollup) book.setDropped(rollup.level, Number(until))
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

  async function pass(patient: boolean): Promise<boolean> {
    await look()
    const before = units.built()
    try {
      return await units.run(patient, turns.isStopping)
    } finally {
      ranges = undefined
      if (units.built() > before) turns.succeeded()
    }
  }

  /** Ranges of each rollup table, but for minutes of units that are not built. */
  function builtRanges(): ReadonlyMap<string, readonly Range[]> {
    // What is closed changes every five minutes.
    const now = closedBefore() - (closedBefore() % UNIT_SECONDS.minute)
    if (!ranges || now !== rangesAt) {
      const each = new Map(LEVELS.map((level) => [level, known ? book.ranges(level, now) : []]))
      ranges = new Map(
        ROLLUP_TABLES.map(({ name, level, rollup }) => {
          const alone = level === 'minute' ? ALONE.find((one) => one === rollup.name) : undefined
          return [name, alone && known ? book.ranges(level, now, alone) : (each.get(level) ?? [])]
        }),
      )
      rangesAt = now
    }
    return ranges
  }

  const wanted: WantedMinutes = {
    isOpen(unit) {
      const { built, leftOut } = book.state('minute', unit)
      return !turns.isStopping() && built === 0 && leftOut === 0
    },
    isPromising(unit, flows) {
      const before = book.state('minute', unit - UNIT_SECONDS.minute)
      return before.built > 0 || before.leftOut < flows
    },
  }

  /** The minutes go on while five that are over are built, which may take longer than a minute. */
  async function buildOpen(): Promise<void> {
    try {
      await open.run(wanted)
    } catch (error) {
      // What is known of units stays true; of a minute it is known what was there before
      const { code, message } = error as OperatorError
      if (!OF_THE_STORE.has(code)) deps.log?.warn(`rollups: ${message}`)
    }
  }

  function scheduleOpen(): void {
    openTimer = setTimeout(() => {
      const ran = store.status().state === 'ready' ? buildOpen() : Promise.resolve()
      void ran.then(() => {
        if (openTimer) scheduleOpen()
      })
    }, OPEN_EVERY_MS)
    openTimer.unref()
  }

  return {
    start() {
      turns.start()
      scheduleOpen()
    },
    async stop() {
      clearTimeout(openTimer)
      openTimer = undefined
      await turns.stop()
    },
    async run() {
      while (await pass(false));
      await buildOpen()
    },
    look,
    async arrived() {
      if (!known) return
      // Questions may hold every reader; rows do not wait for them.
      await Promise.race([
        look().catch(turns.failed),
        new Promise((resolve) => setTimeout(resolve, LOOK_WAIT_MS).unref()),
      ])
    },
    owes: (before) => !known || book.owes(before / 1000),
    status() {
      const why = turns.problem() ?? units.problem()
      return { built: units.built(), waiting: units.waiting(), ...(why === undefined ? {} : { problem: why }) }
    },
    coverage() {
      const built = builtRanges()
      const isBelieved = unknownSince === undefined || elapsed() - unknownSince < BELIEVED_MS
      const rangesOf = (table: string): readonly Range[] => {
        if (!isBelieved) return []
        const found = built.get(table) ?? []
        const rollup = WITH_OPEN_MINUTES.get(table)
        if (rollup === undefined) return found
        return joined(
          found,
          open.ranges(rollup, Math.max((found.at(-1)?.to ?? 0) / 1000, book.droppedBefore('minute'))),
        )
      }
      const size = (table: string) => sizes.get(table) ?? { rows: 0, bytes: 0 }
      return [
        ...PIECE_TABLES.map(({ name, rollup }) => {
          return { table: name, ranges: isBelieved ? open.pieces(rollup.name) : [], ...size(name) }
        }),
        { table: 'flows', ranges: [{ from: book.droppedBefore('flows') * 1000, to: Infinity }], ...size('flows') },
        ...ROLLUP_TABLES.map(({ name }) => ({ table: name, ranges: rangesOf(name), ...size(name) })),
      ]
    },
  }
}

/** @param early after the others, or where the last of them ends */
function joined(ranges: readonly Range[], early: readonly Range[]): readonly Range[] {
  const [last, first] = [ranges.at(-1), early[0]]
  if (!first) return ranges
  if (!last || last.to < first.from) return [...ranges, ...early]
  return [...ranges.slice(0, -1), { from: last.from, to: first.to }, ...early.slice(1)]
}
