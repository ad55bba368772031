import { OperatorError } from '../base/errors.ts'
import type { EngineFailure } from './engine-protocol.ts'
import {
  boundsQuery,
  clearGreatest,
  foldStatement,
  greatestStatement,
  rollStatement,
  sourceTable,
  target,
  thresholdQuery,
  TOO_MANY_GROUPS,
  within,
  type Unit,
  type RollSource,
  type Three,
} from './roll-sql.ts'
import { ROLLUPS, rollupTable, type Rollup, type RollupLevel } from './rollups.ts'
import type { QueryAnswer, Store } from './store.ts'

// One unit of every rollup, built. Each step may be cut short by a crash and be done again from the beginning.

export interface RollBuildConfig {
  /** Memory that one statement may take, bytes; it goes to disk from half of it. */
  readonly memoryBytes: number
  /** Five minutes of fewer flows are left out: they are read as fast as their rollup would be. Default 10,000. */
  readonly fewestFlows?: number
  /** Flows that a row of a minute has to stand for, on average, else they are left out. Default 8. */
  readonly worth?: number
}

export interface ToBuild {
  readonly level: RollupLevel
  readonly start: number
  readonly from: RollSource
  /** Flows that came. */
  readonly flows: number
  /** True if it was not built yet, as far as is known. */
  readonly isNew: boolean
  /** True if the bucket before was built: a bucket on the verge then is, too. */
  readonly wasWorthIt: boolean
}

export interface RollBuild {
  /** Answers how many flows its rows stand for, or that putting them together would have saved too little. */
  (to: ToBuild): Promise<number | 'left out'>
  /** Notes that a bucket is left as it is although more flows were told of. */
  settle(level: RollupLevel, start: number, flows: number, arrived: number): Promise<void>
  /** Writes down which buckets are done. */
  flush(): Promise<void>
}

const FEWEST_FLOWS = 10_000
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

/** The engine reads at most 256 kB of a statement. */
const NOTED_AT_ONCE = 1000

interface Done {
  readonly level: RollupLevel
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
  const worth = config.worth ?? WORTH
  let done: Done[] = []

  const execute = (sql: string): Promise<void> => store.execute(sql, { background: true })

  /** Flows in the rows of the bucket, of each rollup. */
  async function flowsThere(level: RollupLevel, start: number): Promise<Map<string, number>> {
    const each = ROLLUPS.map(
      (rollup) =>
        `SELECT '${rollup.name}' AS name, sum(flows) AS flows FROM ${rollupTable(rollup, level)} WHERE ${within(start, level)}`,
    )
    const { rows } = await store.query(each.join(' UNION ALL '))
    return new Map(rows.map(([name, flows]) => [name as string, Number(flows)]))
  }

  /** False if there are more groups than are worth it. */
  async function tryRoll(unit: Unit, again: boolean, mostGroups: number, fold?: number): Promise<boolean> {
    try {
      await execute(rollStatement(unit, { again, mostGroups, memoryBytes, ...(fold === undefined ? {} : { fold }) }))
      return true
    } catch (error) {
      if (codeOf(error) === TOO_MANY_GROUPS) return false
      throw error
    }
  }

  /** @param mayLeaveOut nothing of the unit is there yet: else it has to be built, whatever it saves */
  async function rollExact(unit: Unit, to: ToBuild, again: boolean, mayLeaveOut: boolean): Promise<boolean> {
    const most = mostGroups(unit.rollup, to, worth, mayLeaveOut)
    if (await tryRoll(unit, again, most)) return true
    if (to.level === 'minute' && mayLeaveOut && to.flows < WORTH_FOLDING) return false
    for (const fold of FOLDS) if (await tryRoll(unit, again, most, fold)) return true
    return !(to.level === 'minute' && mayLeaveOut) && tryRoll(unit, again, LARGE, FOLDS[1])
  }

  async function rollAddresses(unit: Unit, to: ToBuild, again: boolean): Promise<void> {
    const { rollup } = unit
    const keep = Math.max(LEAST_ADDRESSES, Math.min(MOST_ADDRESSES, Math.floor(to.flows / FLOWS_AN_ADDRESS)))
    await execute(clearGreatest(rollup))
    await execute(greatestStatement(unit, keep, { memoryBytes }))
    const above = three(await store.query(thresholdQuery(rollup, keep)), 0)
    const unseen = { above, carried: ['0', '0', '0'] as Three, bounds: above }
    if (unit.from !== 'flows') {
      const answer = await store.query(boundsQuery(unit, above, again))
      Object.assign(unseen, { carried: three(answer, 0), bounds: three(answer, 3) })
    }
    await execute(foldStatement(unit, unseen, { memoryBytes, again }))
  }

  async function build(to: ToBuild): Promise<number | 'left out'> {
    const { level, start } = to
    if (to.isNew && level === 'minute' && to.flows < fewestFlows) return leaveOut(to)
    const before = await flowsThere(level, start)
    const isNew = [...before.values()].every((flows) => flows === 0)
    for (const rollup of ROLLUPS) {
      const unit: Unit = { rollup, level, from: to.from, start }
      const again = before.get(rollup.name) !== 0
      const mayLeaveOut = rollup === ROLLUPS[0] && isNew
      if (!rollup.exact) await rollAddresses(unit, to, again)
      else if (!(await rollExact(unit, to, again, mayLeaveOut))) {
        if (mayLeaveOut) return leaveOut(to)
        throw new OperatorError(
          'rollup_large',
          `${target(unit)} would get more rows from ${sourceTable(unit)} than it may have`,
        )
      }
    }
    const there = [...(await flowsThere(level, start)).values()]
    const flows = Math.min(...there)
    done.push({ level, start, flows, leftOut: 0 })
    await flush()
    return flows
  }

  async function leaveOut({ level, start, flows }: ToBuild): Promise<'left out'> {
    done.push({ level, start, flows: 0, leftOut: flows })
    if (done.length >= NOTED_AT_ONCE) await flush()
    return 'left out'
  }

  async function flush(): Promise<void> {
    const rows = done
    if (rows.length === 0) return
    done = []
    const tuples = rows.map((row) => `('${row.level}', ${row.start}, ${row.flows}, ${row.leftOut})`).join(', ')
    await execute(
      `INSERT INTO rolled (level, time, flows, left_out) SELECT t.1, toDateTime(t.2, 'UTC'), t.3, t.4 FROM (SELECT arrayJoin(CAST([${tuples}], 'Array(Tuple(String, UInt32, UInt64, UInt64))')) AS t)`,
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

function codeOf(error: unknown): number | undefined {
  return ((error as OperatorError).cause as EngineFailure | undefined)?.code
}
