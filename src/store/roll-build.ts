import { OperatorError } from '../base/errors.ts'
import { unlessRefused } from './engine-failure.ts'
import { boundsQuery, foldStatement, greatestQuery, greatestStatement, type Three } from './roll-addresses.ts'
import {
  ASIDE,
  rollStatement,
  sourceOf,
  sourceTable,
  target,
  TOO_MANY_GROUPS,
  within,
  type Once,
  type RollSource,
  type Unit,
} from './roll-sql.ts'
import {
  ALONE,
  ROLLUPS,
  rollupNamed,
  rollupTable,
  UNIT_SECONDS,
  type AloneName,
  type Rollup,
  type RollupLevel,
} from './rollups.ts'
import type { QueryAnswer, Store } from './store.ts'

// One unit of every rollup, built. Each step may be cut short by a crash and be done again from the beginning.

export interface RollBuildConfig {
  /** Memory that one statement may take, bytes; it goes to disk from half of it. */
  readonly memoryBytes: number
  /** Five minutes of fewer flows are left out: they are read as fast as their rollup would be. Default 10,000. */
  readonly fewestFlows?: number
  /** Flows that a row of a minute has to stand for, on average, else they are left out. Default 8. */
  readonly worth?: number
  /** Five minutes of which `traffic` is left out, of fewer flows, are left out of the other rollups as well. Default 20,000. */
  readonly fewestFlowsAlone?: number
  /** Where several build the same units, of tables that are replicated (see Once); in one place nobody else does. */
  readonly shared?: { readonly stored: (table: string) => string }
}

export interface ToBuild {
  readonly level: RollupLevel
  readonly start: number
  readonly from: RollSource
  /** Flows that came. */
  readonly flows: number
  /** Flows that have to be found where tables are shared. Default: all that came. */
  readonly least?: number
  /** True if it was not built yet, as far as is known. */
  readonly isNew: boolean
  /** True if the bucket before was built: a bucket on the verge then is, too. */
  readonly wasWorthIt: boolean
}

/** Flows that the rows stand for of the rollups that were built all the same. */
export type LeftOut = Readonly<Partial<Record<AloneName, number>>>

export interface RollBuild {
  /** Answers how many flows its rows stand for, or what there is of it where putting them together would have saved too little. */
  (to: ToBuild): Promise<number | LeftOut>
  /** Notes that a bucket is left as it is although more flows were told of. */
  settle(level: RollupLevel, start: number, flows: number, arrived: number): Promise<void>
  /** Writes down which buckets are done. */
  flush(): Promise<void>
}

const FEWEST_FLOWS = 10_000
/** Minutes of fewer flows are read fast enough, whatever few rows a rollup would make of them. */
const FEWEST_FLOWS_ALONE = 20_000
/** Flows that a row of a rollup of few keys has to stand for where others are left out. */
const WORTH_ALONE = 3
const WORTH = 8
/** Five minutes after some that were built are built even if a row stands for so much less. */
const STILL_WORTH = 0.75
/** Rows that an hour or a day may have whatever it saves. */
const SMALL = 100_000
/** Rows above which keys that may be folded are. */
const LARGE = 2_000_000
/** Minutes of so many flows are folded rather than left out. */
const WORTH_FOLDING = 1_000_000
/** Values of a key that is folded that keep rows of their own: at first, and if there are still too many rows. */
const FOLDS = [1000, 50] as const

/** Greatest addresses by each of bytes, packets and flows: of so many flows one, between these. */
const FLOWS_AN_ADDRESS = 100
const LEAST_ADDRESSES = 20
const MOST_ADDRESSES = 1000
/** Of all addresses, while they are found and their rows put together in one statement. */
const BYTES_A_GROUP = 1024
/** ClickHouse: MEMORY_LIMIT_EXCEEDED. */
const MEMORY_LIMIT = 241

/** To build so many of five minutes, one by one, costs less than to build all five. */
const FEW_MINUTES = 3

/** The engine reads at most 256 kB of a statement. */
const NOTED_AT_ONCE = 1000

/** Finding the greatest addresses reads all of a unit. */
const LONG = { timeoutMs: 600_000 }

interface There {
  readonly flows: number
  readonly inserts: number
}

interface How {
  readonly again: boolean
  readonly unlessFewer: boolean
  readonly once?: Once
}

interface Done {
  readonly level: RollupLevel | AloneName
  readonly start: number
  readonly flows: number
  readonly leftOut: number
}

export function createRollBuild(
  config: RollBuildConfig,
  deps: { readonly store: Pick<Store, 'query' | 'execute'> },
): RollBuild {
  const { store } = deps
  const { memoryBytes } = config
  const fewestFlows = config.fewestFlows ?? FEWEST_FLOWS
  const fewestFlowsAlone = config.fewestFlowsAlone ?? FEWEST_FLOWS_ALONE
  const worth = config.worth ?? WORTH
  const { shared } = config
  const aside = shared ? '' : ` SETTINGS ${ASIDE}`
  const stored = shared?.stored ?? ((table: string) => table)
  let done: Done[] = []

  const execute = (sql: string): Promise<void> => store.execute(sql, { background: true })

  /** What is there of the bucket, of each rollup. */
  async function there(level: RollupLevel, start: number): Promise<Map<string, There>> {
    const inserts = shared ? 'sum(inserts)' : '0'
    const each = ROLLUPS.map(
      (rollup) =>
        `SELECT '${rollup.name}' AS name, sum(flows) AS flows, ${inserts} AS i FROM ${stored(rollupTable(rollup, level))} WHERE ${within(start, level)}`,
    )
    const { rows } = await store.query(each.join(' UNION ALL '))
    return new Map(rows.map(([name, flows, i]) => [name as string, { flows: Number(flows), inserts: Number(i) }]))
  }

  /** False if there are more groups than are worth it. */
  function tryRoll(unit: Unit, mostGroups: number, how: How, fold?: number): Promise<boolean> {
    const options = { ...how, mostGroups, memoryBytes, ...(fold === undefined ? {} : { fold }) }
    return unlessRefused(execute(rollStatement(unit, options)), TOO_MANY_GROUPS)
  }

  /** @param mayLeaveOut nothing of the unit is there yet: else it has to be built, whatever it saves */
  async function rollExact(unit: Unit, to: ToBuild, how: How, mayLeaveOut: boolean): Promise<boolean> {
    if (unit.rollup.madeOf !== undefined) {
      // It has no more rows than what it is made of
      await execute(rollStatement(unit, { ...how, memoryBytes }))
      return true
    }
    const most = mostGroups(unit.rollup, to, worth, mayLeaveOut)
    if (await tryRoll(unit, most, how)) return true
    if (to.level === 'minute' && mayLeaveOut && to.flows < WORTH_FOLDING) return false
    for (const fold of FOLDS) if (await tryRoll(unit, most, how, fold)) return true
    return !(to.level === 'minute' && mayLeaveOut) && tryRoll(unit, LARGE, how, FOLDS[1])
  }

  async function rollWhole(unit: Unit, to: ToBuild, how: How): Promise<void> {
    if (await rollExact(unit, to, how, false)) return
    throw new OperatorError(
      'rollup_large',
      `${target(unit)} would get more rows from ${sourceTable(unit)} than it may have`,
    )
  }

  /** Minutes whose rows do not stand for as many flows as arrived, if they are few: all five are built as one. */
  async function minutesLacking(unit: Unit): Promise<readonly number[]> {
    if (unit.level !== 'minute' || !unit.rollup.exact) return []
    const { rows } = await store.query(
      `SELECT t, sum(n) AS lacking FROM (SELECT toUnixTimestamp(toStartOfMinute(time)) AS t, toInt64(flows) AS n FROM arrivals WHERE time >= toDateTime(${unit.start}, 'UTC') AND time < toDateTime(${unit.start + UNIT_SECONDS.minute}, 'UTC') UNION ALL SELECT toUnixTimestamp(time_received), -flows FROM ${target(unit)} WHERE ${within(unit.start, unit.level)}) GROUP BY t HAVING lacking != 0 ORDER BY t`,
    )
    // What arrived in five minutes was once told in one row, which makes others seem to have too much.
    if (rows.length > FEW_MINUTES || rows.some(([, flows]) => Number(flows) < 0)) return []
    return rows.map(([minute]) => Number(minute))
  }

  async function rollMinutes(unit: Unit, minutes: readonly number[], to: ToBuild, how: How): Promise<void> {
    for (const minute of minutes) await rollWhole({ ...unit, minute }, to, how)
    // An earlier version told of all five at the first of them, which then seems to lack what others do.
    const { flows } = (await there(to.level, to.start)).get(unit.rollup.name) as There
    if (flows !== to.flows) await rollWhole(unit, to, how)
  }

  /** False if there are too many addresses to hold in memory. */
  function tryAtOnce(unit: Unit, keep: number, how: How): Promise<boolean> {
    const options = { ...how, mostGroups: memoryBytes / BYTES_A_GROUP, memoryBytes }
    return unlessRefused(execute(greatestStatement(unit, keep, options)), TOO_MANY_GROUPS, MEMORY_LIMIT)
  }

  async function rollAddresses(unit: Unit, to: ToBuild, how: How): Promise<void> {
    const keep = Math.max(LEAST_ADDRESSES, Math.min(MOST_ADDRESSES, Math.floor(to.flows / FLOWS_AN_ADDRESS)))
    if (unit.from === 'flows' && !how.again && (await tryAtOnce(unit, keep, how))) return
    const found = await store.query(greatestQuery(unit, keep) + aside, LONG)
    const above = three(found, 0)
    const greatest = [...new Set((found.rows[0] as readonly string[][]).slice(3).flat())]
    const unseen = { greatest, carried: ['0', '0', '0'] as Three, bounds: above }
    if (unit.from !== 'flows') {
      const answer = await store.query(boundsQuery(unit, greatest, how.again) + aside, LONG)
      Object.assign(unseen, { carried: three(answer, 0), bounds: three(answer, 3) })
    }
    await execute(foldStatement(unit, unseen, { ...how, memoryBytes }))
  }

  async function build(to: ToBuild): Promise<number | LeftOut> {
    const { level, start } = to
    if (to.isNew && level === 'minute' && to.flows < fewestFlows) return leaveOut(to, {})
    const before = await there(level, start)
    const isNew = [...before].every(([name, { flows }]) => flows === 0 || (level === 'minute' && isAlone(name)))
    for (const rollup of ROLLUPS) {
      const unit: Unit = { rollup, level, from: sourceOf(rollup, level, to.from), start, stored }
      const { flows = 0, inserts = 0 } = before.get(rollup.name) ?? {}
      if (flows === to.flows) continue
      const once: Once = { flows, inserts, least: to.least ?? to.flows }
      const how: How = { again: flows !== 0, unlessFewer: flows !== 0, ...(shared ? { once } : {}) }
      const mayLeaveOut = rollup === ROLLUPS[0] && isNew
      const lacking = how.again && !shared ? await minutesLacking(unit) : []
      if (!rollup.exact) await rollAddresses(unit, to, how)
      else if (lacking.length > 0) await rollMinutes(unit, lacking, to, how)
      else if (!mayLeaveOut) await rollWhole(unit, to, how)
      else if (!(await rollExact(unit, to, how, true))) return leaveOut(to, await buildAlone(to, before))
    }
    const flows = Math.min(...[...(await there(level, start)).values()].map((rows) => rows.flows))
    done.push({ level, start, flows, leftOut: 0 })
    await flush()
    return flows
  }

  /** The rollups of few keys, of the flows: not where several build, who would have to know which of them each has built. */
  async function buildAlone(to: ToBuild, before: ReadonlyMap<string, There>): Promise<LeftOut> {
    const { level, start } = to
    const built: Partial<Record<AloneName, number>> = {}
    if (level !== 'minute' || shared || to.flows < fewestFlowsAlone) return built
    for (const name of ALONE) {
      const rollup = rollupNamed(name)
      const { flows: there = 0 } = before.get(name) ?? {}
      const how: How = { again: there !== 0, unlessFewer: there !== 0 }
      const isBuilt =
        there === to.flows || (await tryRoll({ rollup, level, from: 'flows', start }, to.flows / WORTH_ALONE, how))
      if (!isBuilt) continue
      const { rows } = await store.query(
        `SELECT sum(flows) FROM ${rollupTable(rollup, level)} WHERE ${within(start, level)}`,
      )
      built[name] = Number(rows[0]?.[0])
    }
    return built
  }

  async function leaveOut({ level, start, flows }: ToBuild, built: LeftOut): Promise<LeftOut> {
    for (const name of ALONE)
      if (built[name] !== undefined) done.push({ level: name, start, flows: built[name], leftOut: 0 })
    done.push({ level, start, flows: 0, leftOut: flows })
    if (done.length >= NOTED_AT_ONCE) await flush()
    return built
  }

  async function flush(): Promise<void> {
    const rows = done
    if (rows.length === 0) return
    done = []
    const tuples = rows.map((row) => `('${row.level}', ${row.start}, ${row.flows}, ${row.leftOut})`).join(', ')
    await execute(
      `INSERT INTO ${stored('rolled')} (level, time, flows, left_out) SELECT t.1, toDateTime(t.2, 'UTC'), t.3, t.4 FROM (SELECT arrayJoin(CAST([${tuples}], 'Array(Tuple(String, UInt32, UInt64, UInt64))')) AS t) SETTINGS insert_deduplicate = 0`,
    )
  }

  return Object.assign(build, {
    async settle(level: RollupLevel, start: number, flows: number, arrived: number) {
      done.push({ level, start, flows, leftOut: arrived })
      await flush()
    },
    flush,
  })
}

function isAlone(name: string): boolean {
  return (ALONE as readonly string[]).includes(name)
}

function three(answer: QueryAnswer, from: number): Three {
  return (answer.rows[0] as readonly string[]).slice(from, from + 3) as unknown as Three
}

function mostGroups(
  rollup: Rollup,
  { level, flows, wasWorthIt }: ToBuild,
  worth: number,
  mayLeaveOut: boolean,
): number {
  if (level !== 'minute') return Math.max(SMALL, Math.min(LARGE, flows / 2))
  if (rollup !== ROLLUPS[0] || !mayLeaveOut) return Math.max(SMALL, flows / worth)
  return flows / (wasWorthIt ? worth * STILL_WORTH : worth)
}
