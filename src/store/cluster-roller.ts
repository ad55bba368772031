import type { Clock } from '../base/clock.ts'
import { OperatorError } from '../base/errors.ts'
import { believedTime, type BelievedTime } from './believed-time.ts'
import type { ClusterStore } from './cluster.ts'
import { createRollBook, type RollBook } from './roll-book.ts'
import { createRollBuild, type RollBuildConfig } from './roll-build.ts'
import { createRollLease, type RollLease } from './roll-lease.ts'
import { createRollPass, type RollPass } from './roll-pass.ts'
import { createRollTurns } from './roll-turns.ts'
import type { Roller } from './roller.ts'
import { beginOf } from './rollup-tables.ts'
import { LEVELS, ROLLUP_TABLES, UNIT_SECONDS, type Coverage, type Range, type RollupLevel } from './rollups.ts'
import { daysKept } from './schema.ts'
import type { StoreLog } from './store-log.ts'

// Rollups on ClickHouse servers. Each shard has rollups of its own flows, with what tells of them (`arrivals`, `rolled`)
// beside them; each collector builds those of its shard, and of others that nobody builds. A table of rollups covers what
// it covers on every shard; a shard without flows of a time covers it.

export interface ClusterRollerConfig extends Partial<RollBuildConfig> {
  /** How long after the end of a bucket its flows may still be on their way, ms. Default 10 s. */
  readonly lagMs?: number
  /** How long after it is noted that a unit is built its rows may still be on their way to other replicas, ms. Default 15 s. */
  readonly settleMs?: number
}

export interface ClusterRollerDeps {
  readonly store: Pick<ClusterStore, 'query' | 'status' | 'home' | 'schema' | 'shards' | 'at' | 'collector'>
  readonly clock: Clock
  /** Milliseconds that go on whatever the clock does. Default: those of the process. */
  readonly elapsed?: () => number
  readonly log?: StoreLog
}

/** What is known of one shard. */
interface Shard {
  readonly book: RollBook
  /** As questions see it: what is built is in it a little later. */
  readonly shown: RollBook
}

interface Builder {
  readonly lease: RollLease
  readonly pass: RollPass
}

interface Built {
  readonly at: number
  readonly shard: number
  readonly level: RollupLevel
  readonly start: number
  readonly flows: number
  readonly leftOut: number
}

const LOOK_WAIT_MS = 1000
const SIZES_EVERY_MS = 30_000
const DAY = 86_400

/** Tables that tell of flows that came, and of units that are built. */
type Told = 'arrivals' | 'rolled'

export function createClusterRoller(config: ClusterRollerConfig, deps: ClusterRollerDeps): Roller {
  const lagMs = config.lagMs ?? 10_000
  const settleMs = config.settleMs ?? 15_000
  const { store, clock } = deps
  const elapsed = deps.elapsed ?? (() => performance.now())
  const { home, schema } = store
  const memoryBytes = config.memoryBytes ?? 2 ** 30
  const shards = new Map<number, Shard>()
  /** By the name of the shard. */
  const builders = new Map<string, Builder>()
  /** Sums by shard and day, which change when a row comes. */
  const seen = { arrivals: new Map<string, number>(), rolled: new Map<string, number>() }
  let settling: Built[] = []
  const sizes = new Map<string, { rows: number; bytes: number }>()
  const dropped = new Map<string, number>()
  let time: BelievedTime | undefined
  let known = false
  /** Whether it ever was. */
  let wasKnown = false
  let looking: Promise<void> = Promise.resolve()
  let sizesAt = Number.NEGATIVE_INFINITY
  /** As they were worked out last; undefined when something changed. */
  let shownRanges: Map<RollupLevel, Coverage['ranges']> | undefined
  let shownAt = Number.NEGATIVE_INFINITY

  const turns = createRollTurns({ pass: () => pass(true), waiting, failed: forget, away: forget }, deps)

  const closedBefore = (): number => Math.floor((clock.now() - lagMs) / 1000)

  function shardNumbered(number: number): Shard {
    let shard = shards.get(number)
    if (!shard) {
      shard = { book: createRollBook({ isShared: true }), shown: createRollBook({ isShared: true }) }
      shards.set(number, shard)
      for (const [table, until] of dropped) applyDropped(shard, table, until)
    }
    return shard
  }

  function look(): Promise<void> {
    const next = looking.then(lookNow)
    looking = next.catch(() => undefined)
    return next
  }

  async function lookNow(): Promise<void> {
    await readDropped()
    // What is built is read first: flows that come meanwhile make a unit look unfinished, never the other way round.
    await readRolled()
    await readArrived()
    if (!known) shownRanges = undefined
    known = true
    wasKnown = true
    if (Math.abs(clock.now() - sizesAt) >= SIZES_EVERY_MS) await measure()
  }

  async function readDropped(): Promise<void> {
    const { rows } = await store.query('SELECT table, toUnixTimestamp(max(until)) FROM dropped GROUP BY table')
    const at = (time ??= believedTime(clock.now(), { clock, elapsed })).now()
    const until = new Map(rows.map(([table, seconds]) => [table as string, Number(seconds)]))
    for (const table of ['flows', ...ROLLUP_TABLES.map(({ name }) => name)]) {
      const days = daysKept(table, schema)
      const aged = days === undefined ? 0 : Math.floor(at / 1000) - days * DAY
      until.set(table, Math.max(until.get(table) ?? 0, aged))
    }
    for (const [table, seconds] of until) {
      if (seconds <= (dropped.get(table) ?? 0)) continue
      dropped.set(table, seconds)
      shownRanges = undefined
      for (const shard of shards.values()) applyDropped(shard, table, seconds)
    }
  }

  function applyDropped(shard: Shard, table: string, until: number): void {
    const level = ROLLUP_TABLES.find(({ name }) => name === table)?.level
    for (const book of [shard.book, shard.shown]) {
      if (table === 'flows') book.setDropped('flows', until)
      else if (table === 'moved') book.setMoved(until)
      else if (level) book.setDropped(level, until)
    }
  }

  /**
   * Days of any shard of which rows came since they were read. What was read last is noted by `saw`, of the rows themselves:
   * another replica may have answered.
   */
  async function changedDays(table: Told, sum: string): Promise<number[]> {
    const { rows } = await store.query(
      `SELECT ${home.shard} AS s, toUInt32(intDiv(toUnixTimestamp(time), ${DAY})) AS d, ${sum} FROM ${table} GROUP BY s, d`,
    )
    const changed = rows.filter(
      ([shard, day, total]) => seen[table].get(`${Number(shard)} ${Number(day)}`) !== Number(total),
    )
    return [...new Set(changed.map(([, day]) => Number(day)))].sort((a, b) => a - b)
  }

  function saw(table: Told, days: readonly number[], rows: readonly { shard: number; start: number; sum: number }[]) {
    const sums = new Map<string, number>()
    for (const { shard, start, sum } of rows) {
      const key = `${shard} ${Math.floor(start / DAY)}`
      sums.set(key, (sums.get(key) ?? 0) + sum)
    }
    for (const number of shards.keys())
      for (const day of days) {
        const key = `${number} ${day}`
        seen[table].set(key, sums.get(key) ?? -1)
      }
  }

  async function readRolled(): Promise<void> {
    // Rows that are merged change the sum, and only make the day be read again.
    const days = await changedDays('rolled', 'sum(flows + left_out)')
    const now = elapsed()
    if (days.length > 0) {
      const { rows } = await store.query(
        `SELECT ${home.shard} AS s, level, toUnixTimestamp(time) AS t, max(flows), max(left_out), sum(flows + left_out) FROM rolled WHERE level IN (${LEVELS.map((level) => `'${level}'`).join(', ')}) AND (${within(days)}) GROUP BY s, level, t`,
      )
      const all = rows.map(([number, level, start, flows, leftOut, sum]) => ({
        at: wasKnown ? now : Number.NEGATIVE_INFINITY,
        shard: Number(number),
        level: level as RollupLevel,
        start: Number(start),
        flows: Number(flows),
        leftOut: Number(leftOut),
        sum: Number(sum),
      }))
      for (const built of all) {
        const { book, shown } = shardNumbered(built.shard)
        book.setRolled(built.level, built.start, built.flows, built.leftOut)
        const there = shown.state(built.level, built.start)
        if (there.built < built.flows || there.leftOut < built.leftOut) settling.push(built)
      }
      saw('rolled', days, all)
    }
    const settled = settling.filter(({ at }) => now - at >= settleMs)
    if (settled.length === 0) return
    shownRanges = undefined
    settling = settling.filter(({ at }) => now - at < settleMs)
    for (const { shard, level, start, flows, leftOut } of settled)
      shardNumbered(shard).shown.setRolled(level, start, flows, leftOut)
  }

  async function readArrived(): Promise<void> {
    const days = await changedDays('arrivals', 'sum(flows)')
    if (days.length === 0) return
    const { rows } = await store.query(
      `SELECT ${home.shard} AS s, toUnixTimestamp(toStartOfFiveMinutes(time)) AS t, sum(flows) FROM arrivals WHERE ${within(days)} GROUP BY s, t`,
    )
    const all = rows.map(([shard, start, sum]) => ({ shard: Number(shard), start: Number(start), sum: Number(sum) }))
    const news = new Map<number, Set<number>>()
    for (const { shard, start, sum } of all) {
      const { book, shown } = shardNumbered(shard)
      // A replica that lags tells of fewer than were seen.
      if (sum <= book.state('minute', start).arrived) continue
      book.setArrived(start, sum)
      shown.setArrived(start, sum)
      news.set(shard, (news.get(shard) ?? new Set()).add(start))
    }
    saw('arrivals', days, all)
    shownRanges = undefined
    if (!wasKnown) return
    for (const [number, starts] of news) passes.get(number)?.note(starts)
  }

  async function measure(): Promise<void> {
    const { rows } = await store.query(
      `SELECT table, sum(rows), sum(bytes_on_disk) FROM ${home.parts} WHERE active GROUP BY table`,
    )
    sizes.clear()
    for (const [table, count, bytes] of rows) sizes.set(table as string, { rows: Number(count), bytes: Number(bytes) })
    sizesAt = clock.now()
  }

  /** Passes by the number of their shard. */
  const passes = new Map<number, RollPass>()

  async function builderOf(name: string): Promise<Builder> {
    const there = builders.get(name)
    if (there) return there
    const at = store.at(name)
    const number = await numberOf(at)
    const { book } = shardNumbered(number)
    const { stored } = home
    const pass = createRollPass(
      { lagMs, isShared: true },
      {
        book,
        clock,
        build: createRollBuild({ ...config, memoryBytes, shared: { stored } }, { store: at }),
        ...(deps.log ? { log: deps.log } : {}),
      },
    )
    const isOwn = name === store.shards()[0]
    const lease = createRollLease({ table: stored('rolling'), collector: store.collector(), isOwn }, at)
    const builder = { lease, pass }
    builders.set(name, builder)
    passes.set(number, pass)
    return builder
  }

  /** As the tables that ask all shards number them. */
  async function numberOf(at: ReturnType<ClusterStore['at']>): Promise<number> {
    if (home.cluster === undefined) return 1
    const { rows } = await at.query(
      `SELECT shard_num FROM system.clusters WHERE cluster = '${home.cluster}' AND is_local = 1`,
    )
    if (rows.length === 0)
      throw new OperatorError('cluster_place', `a server of ${home.cluster} does not find itself in system.clusters`, {
        hint: 'its remote_servers have to name it by an address that it knows as its own (is_local)',
      })
    return Number(rows[0]?.[0])
  }

  /** @param patient false: whatever is due, whoever builds */
  async function pass(patient: boolean): Promise<boolean> {
    let any = false
    for (const name of store.shards()) {
      if (turns.isStopping()) break
      await look()
      const { lease, pass: units } = await builderOf(name)
      if (patient && !(await lease.mine())) continue
      const before = units.built()
      const done = await units.run(patient, turns.isStopping)
      any ||= done
      if (units.built() > before) turns.succeeded()
    }
    return any
  }

  /** What was under way may have been done or not; and flows may come unseen. */
  function forget(): void {
    known = false
    shownRanges = undefined
    seen.arrivals.clear()
    seen.rolled.clear()
  }

  function waiting(): number {
    return [...builders.values()].reduce((sum, { pass: units }) => sum + units.waiting(), 0)
  }

  /** What a table has of what its level has: a rollup that came later has nothing of what was built before. */
  function rangesOfTable(name: string, ofLevel: readonly Range[]): readonly Range[] {
    const begin = (dropped.get(beginOf(name)) ?? 0) * 1000
    return begin === 0 ? ofLevel : inBoth(ofLevel, [{ from: begin, to: Number.POSITIVE_INFINITY }])
  }

  /** Where every shard has all, before a time. */
  function rangesOf(level: RollupLevel, now: number): Range[] {
    const each = [...shards.values()].map(({ shown }) => shown.ranges(level, now))
    return each.length === 0 ? [] : each.reduce(inBoth)
  }

  return {
    ...(home.cluster === undefined ? {} : { spread: { cluster: home.cluster, stored: home.qualified } }),
    start: turns.start,
    stop: turns.stop,
    async run() {
      while (await pass(false));
      await look()
    },
    look,
    async arrived() {
      if (!known) return
      await Promise.race([
        look().catch(turns.failed),
        new Promise((resolve) => setTimeout(resolve, LOOK_WAIT_MS).unref()),
      ])
    },
    status() {
      const units = [...builders.values()].map((builder) => builder.pass)
      const why = turns.problem() ?? units.map((unit) => unit.problem()).find((said) => said !== undefined)
      return {
        built: units.reduce((sum, unit) => sum + unit.built(), 0),
        waiting: waiting(),
        ...(why === undefined ? {} : { problem: why }),
      }
    },
    coverage() {
      // What is closed changes every five minutes.
      const now = closedBefore() - (closedBefore() % UNIT_SECONDS.minute)
      if (!shownRanges || now !== shownAt) {
        shownRanges = new Map(LEVELS.map((level) => [level, known ? rangesOf(level, now) : []]))
        shownAt = now
      }
      const ranges = shownRanges
      const size = (table: string) => sizes.get(home.stored(table)) ?? { rows: 0, bytes: 0 }
      return [
        { table: 'flows', ranges: [{ from: (dropped.get('flows') ?? 0) * 1000, to: Infinity }], ...size('flows') },
        ...ROLLUP_TABLES.map(({ name, level }) => ({
          table: name,
          ranges: rangesOfTable(name, ranges.get(level) ?? []),
          ...size(name),
        })),
      ]
    },
  }
}

function within(days: readonly number[]): string {
  const spans: [number, number][] = []
  for (const day of days) {
    const last = spans.at(-1)
    if (last && last[1] === day) last[1] = day + 1
    else spans.push([day, day + 1])
  }
  return spans
    .map(([a, b]) => `time >= toDateTime(${a * DAY}, 'UTC') AND time < toDateTime(${b * DAY}, 'UTC')`)
    .join(' OR ')
}

/** @param a ascending and apart, as `b` is */
export function inBoth(a: readonly Range[], b: readonly Range[]): Range[] {
  const both: Range[] = []
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) {
    const [x, y] = [a[i] as Range, b[j] as Range]
    const from = Math.max(x.from, y.from)
    const to = Math.min(x.to, y.to)
    if (from < to) both.push({ from, to })
    if (x.to < y.to) i++
    else j++
  }
  return both
}
