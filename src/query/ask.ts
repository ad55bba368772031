import type { Clock } from '../base/clock.ts'
import { UserError } from '../base/errors.ts'
import type { RollupStatus } from '../store/rollups.ts'
import type { QueryAnswer, Store } from '../store/store.ts'
import { bucketsOf, type Buckets } from './buckets.ts'
import { conversations, type ConversationsAnswer } from './conversations.ts'
import { createCosts, refuseLong, type Cost, type Kind } from './cost.ts'
import { dimensionNamed } from './dimensions.ts'
import { distinct, type DistinctAnswer } from './distinct.ts'
import { everyFlow, type EveryFlow } from './every-flow.ts'
import { flows, type FlowsAnswer } from './flows.ts'
import { matrix, type MatrixAnswer } from './matrix.ts'
import { prepare, type Asked, type Prepared } from './question.ts'
import { FIVE_TUPLE, records, type RecordOrder, type RecordsAnswer, type Ways } from './records.ts'
import { coarseEnough, plan } from './planner.ts'
import { limitOf, startRun, type Run } from './run.ts'
import { series, type Drawing, type SeriesAnswer } from './series.ts'
import { checkShare } from './speeds.ts'
import { top, type TopAnswer } from './top.ts'
import { totals, type TotalsAnswer } from './totals.ts'
import { createTurns } from './turns.ts'
import { candidatesOf, createValues, matching } from './values.ts'

export interface AskConfig {
  /** Time of a question in ms, unless it asks for another. Default 30 s. */
  readonly timeoutMs?: number
  /** Memory of one statement, bytes. Default: what the store allows. */
  readonly maxMemoryBytes?: number
  /** Questions that run at the same time; the others wait. Default 2. */
  readonly atOnce?: number
  /** Of one client. Default: one less than of all. */
  readonly atOnceOfOne?: number
}

export interface AskDeps {
  readonly store: Store
  readonly clock: Clock
  /** Addresses of the exporters of this name (`*` stands for any characters). */
  readonly exporterAddresses?: (name: string) => readonly string[]
  /** Names that exporters are known by, for completion. */
  readonly exporterNames?: () => readonly string[]
  /** Numbers of the autonomous systems of this name (`*` stands for any characters). */
  readonly asNumbers?: (name: string) => readonly number[]
  /** Text of the filter that is saved under this name. */
  readonly namedFilter?: (name: string) => string | undefined
  /** Names of the filters that are saved, for “did you mean”. */
  readonly filterNames?: () => Iterable<string>
  readonly rollups?: RollupStatus
}

export interface AskOptions {
  readonly signal?: AbortSignal
  /** Who asks: each waits for its own questions, not for everybody's. */
  readonly client?: string
}

export interface DistinctAsked extends Asked {
  /** Dimensions whose different values are counted. */
  readonly of: readonly string[]
  /** The one that the order is by; the first unless given. */
  readonly orderBy?: string | undefined
}

export interface CostAsked extends Asked {
  readonly of?: readonly string[] | undefined
}

export interface RecordsAsked extends Omit<Asked, 'order'> {
  readonly order?: RecordOrder | undefined
  readonly ways?: Ways | undefined
}

/** What the table of flows answers. Rejects with UserError for what is asked wrongly, OperatorError for what fails. */
export interface Ask {
  top(asked: Asked, options?: AskOptions): Promise<TopAnswer>
  series(asked: Asked, options?: AskOptions): Promise<SeriesAnswer>
  flows(asked: Asked, options?: AskOptions): Promise<FlowsAnswer>
  matrix(asked: Asked, options?: AskOptions): Promise<MatrixAnswer>
  /** How many different values of some dimensions each group has. */
  distinct(asked: DistinctAsked, options?: AskOptions): Promise<DistinctAnswer>
  /** Who talks with whom, both directions in one row. */
  conversations(asked: Asked, options?: AskOptions): Promise<ConversationsAnswer>
  totals(asked: Asked, options?: AskOptions): Promise<TotalsAnswer>
  /** What a question would cost, without asking it. */
  cost(kind: Kind, asked: CostAsked, options?: AskOptions): Promise<Cost>
  /** All flows of the range, the oldest first; `limit` bounds them if given. Each page takes its turn. */
  everyFlow(asked: Asked, options?: AskOptions): EveryFlow
  /** Flows put together as nfdump does, by protocol, addresses and ports unless `by` says otherwise. */
  records(asked: RecordsAsked, options?: AskOptions): Promise<RecordsAnswer>
  /** Values of a dimension that begin with the prefix, the most frequent of the last hours first. */
  values(
    column: string,
    prefix: string,
    limit: number,
    options?: AskOptions,
  ): Promise<(string | number | boolean | null)[]>
  /** @throws FilterError for what a question would refuse: mistakes, names that nobody knows, too many tests */
  checkFilter(filter: string): void
  /** Ends the question of this id. Answers false if there neither is one nor was one lately. */
  cancel(id: string): boolean
}

const TIMEOUT_MS = 30_000
const LONGEST_QUEUE = 200
const ENDED_KEPT = 1000
const VALUES_TIMEOUT_MS = 5000
/** Comparisons of a filter that take longer to plan once more than the times of some million flows take to be read. */
const LONG_FILTER = 200
const LIMITS = {
  top: [20, 10_000],
  series: [8, 100],
  flows: [100, 10_000],
  matrix: [50, 10_000],
  records: [100, 10_000],
  distinct: [20, 300],
  conversations: [20, 10_000],
} as const

export function createAsk(config: AskConfig, deps: AskDeps): Ask {
  const inTurn = createTurns({
    atOnce: config.atOnce ?? 2,
    longestQueue: LONGEST_QUEUE,
    ...(config.atOnceOfOne === undefined ? {} : { atOnceOfOne: config.atOnceOfOne }),
  })
  // Completion has a lane of its own: who types a filter doesn't wait for who asks.
  const inPassing = createTurns({ atOnce: 1, longestQueue: LONGEST_QUEUE })
  const values = createValues(deps.clock)
  const underWay = new Map<string, AbortController>()
  /** Who cancels a question that has just been answered makes no mistake. */
  const ended = new Set<string>()
  const costs = createCosts()
  const { exporterAddresses, asNumbers, namedFilter, filterNames } = deps
  const filterOptions = {
    ...(exporterAddresses ? { exporterAddresses } : {}),
    ...(asNumbers ? { asNumbers } : {}),
    ...(namedFilter ? { namedFilter } : {}),
    ...(filterNames ? { filterNames } : {}),
  }

  async function asking<T>(
    asked: Asked,
    options: AskOptions,
    work: (prepared: Prepared, run: Run) => Promise<T>,
    turns = inTurn,
    prepared = prepare(asked, filterOptions),
  ): Promise<T> {
    const controller = new AbortController()
    const { id } = asked
    if (id !== undefined) {
      // A question asked again takes the place of the one that runs under its id.
      underWay.get(id)?.abort()
      underWay.set(id, controller)
    }
    const signal = options.signal ? AbortSignal.any([options.signal, controller.signal]) : controller.signal
    const limits = {
      timeoutMs: asked.timeoutMs ?? config.timeoutMs ?? TIMEOUT_MS,
      ...(config.maxMemoryBytes === undefined ? {} : { maxMemoryBytes: config.maxMemoryBytes }),
    }
    try {
      return await turns.take(options.client ?? '', signal, () =>
        work(prepared, startRun(deps.store, prepared.params, limits, signal)),
      )
    } catch (error) {
      // One statement failed: the others of the same question need not end.
      controller.abort()
      throw error
    } finally {
      if (id !== undefined && underWay.get(id) === controller) {
        underWay.delete(id)
        ended.delete(id)
        ended.add(id)
        if (ended.size > ENDED_KEPT) ended.delete(ended.values().next().value as string)
      }
    }
  }

  /** Read from where it is answered best, if that does not take longer than the client wants to wait. */
  async function planned(kind: Kind, prepared: Prepared, asked: Asked, run: Run, buckets?: Buckets): Promise<Prepared> {
    checkShare(prepared)
    const finds = async (sql: string): Promise<boolean> => sql !== '' && (await run.query(sql)).rows.length > 0
    const { rollups } = deps
    const wish = { exact: (asked.exact ?? true) || kind === 'distinct', ...(buckets ? { buckets } : {}) }
    const sums = async (sql: string): Promise<number[]> => ((await run.query(sql)).rows[0] ?? []).map(Number)
    // Flows found by slots and by times are two statements in one, with the filter in each.
    const slotted = { ...prepared, slotted: deps.store.hasSlots === true && prepared.params.comparisons <= LONG_FILTER }
    const found = await plan(slotted, wish, { finds, sums, ...(rollups ? { rollups } : {}) })
    if (asked.atMostSeconds !== undefined) refuseLong(await costs.estimate(found, kind, run), asked.atMostSeconds)
    return found
  }

  /** A question of sums: planned, answered, and remembered for how fast that was. */
  function summing<T>(
    kind: Kind,
    asked: Asked,
    options: AskOptions,
    work: (planned: Prepared, run: Run) => Promise<T>,
    prepared?: Prepared,
  ): Promise<T> {
    const measured = async (from: Prepared, run: Run): Promise<T> => {
      const found = await planned(kind, from, asked, run)
      const answer = await work(found, run)
      costs.learn(found, kind, run.spentInAll())
      return answer
    }
    return asking(asked, options, measured, inTurn, prepared)
  }

  /** The question in whole buckets of the step, planned. */
  async function inBuckets(
    prepared: Prepared,
    asked: Asked,
    run: Run,
    step: number,
  ): Promise<Omit<Drawing, 'overall'>> {
    const buckets = bucketsOf(prepared.from, prepared.to, step)
    const whole = { ...prepared, from: buckets.from, to: buckets.to }
    return { prepared: await planned('series', whole, asked, run, buckets), buckets }
  }

  /** Seconds of a bucket: what is asked for or usual, unless so short ones are no longer kept. */
  function stepOf(prepared: Prepared, asked: Asked): number {
    const { step } = bucketsOf(prepared.from, prepared.to, asked.step)
    const held = deps.rollups ? { rollups: deps.rollups } : {}
    const now = coarseEnough(prepared, step, held)
    return asked.previous === undefined ? now : coarseEnough(moved(prepared, -asked.previous), now, held)
  }

  async function drawSeries(prepared: Prepared, asked: Asked, run: Run): Promise<SeriesAnswer> {
    const step = stepOf(prepared, asked)
    const now = await inBuckets(prepared, asked, run, step)
    const overall = await planned('series', moved(now.prepared, 0), { ...asked, atMostSeconds: undefined }, run)
    // Back by whole buckets, so that each has one beside it.
    const shift = Math.ceil((asked.previous ?? 0) / (step * 1000)) * step * 1000
    const before = shift > 0 ? await inBuckets(moved(now.prepared, -shift), asked, run, step) : undefined
    const answer = await series({ ...now, overall }, before, limit('series', asked), deps.clock.now(), run)
    costs.learn(now.prepared, 'series', run.spentInAll())
    return answer
  }

  function topOf(asked: Asked, options: AskOptions): Promise<TopAnswer> {
    return summing('top', asked, options, async (prepared, run) => {
      const { previous } = asked
      const before = previous === undefined ? undefined : await planned('top', moved(prepared, -previous), asked, run)
      return top(prepared, limit('top', asked), run, before)
    })
  }

  /** The question with what it counts. @throws UserError */
  function counting({ of, ...asked }: CostAsked): Prepared {
    const counted = [...new Set(of ?? [])].map(dimensionNamed)
    const prepared = prepare(asked, filterOptions)
    if (counted.length === 0 || prepared.dimensions.length === 0)
      throw new UserError('distinct values are counted of something, by something', {
        hint: 'for example of: ["dst_addr"], by: ["src_addr"]',
      })
    return { ...prepared, counted }
  }

  function distinctOf(asked: DistinctAsked, options: AskOptions): Promise<DistinctAnswer> {
    const prepared = counting(asked)
    const names = (prepared.counted ?? []).map((d) => d.name)
    const order = asked.orderBy === undefined ? 0 : names.indexOf(asked.orderBy)
    if (order < 0) throw new UserError('orderBy must be one of “of”', { hint: `there are ${names.join(', ')}` })
    const most = limit('distinct', asked)
    return summing('distinct', asked, options, (found, run) => distinct(found, order, most, run), prepared)
  }

  function costOf(kind: Kind, asked: CostAsked, options: AskOptions): Promise<Cost> {
    const { atMostSeconds: _, ...question } = asked
    const prepared = kind === 'distinct' ? counting(asked) : undefined
    const list = kind === 'flows' ? { ...question, by: [], uncounted: true } : question
    return asking(
      list,
      options,
      async (from, run) => {
        if (kind === 'flows') return costs.estimate(from, kind, run)
        if (kind !== 'series') return costs.estimate(await planned(kind, from, question, run), kind, run)
        const found = await inBuckets(from, question, run, stepOf(from, question))
        return costs.estimate(found.prepared, kind, run)
      },
      inPassing,
      prepared,
    )
  }

  function everyFlowOf(asked: Asked, options: AskOptions): EveryFlow {
    if (asked.order !== undefined && asked.order !== 'received')
      throw new UserError('all flows come in the order of their receipt', { hint: 'leave “order” out' })
    if (asked.limit !== undefined) limitOf(asked.limit, 1, Number.MAX_SAFE_INTEGER)
    const question = { ...asked, by: [], uncounted: true, limit: undefined, id: undefined }
    const query = (sql: string): Promise<QueryAnswer> =>
      asking(question, options, (_, run) => run.query(sql), inTurn, prepared)
    const prepared = prepare(question, filterOptions)
    return everyFlow(prepared, asked.by ?? [], asked.limit, query)
  }

  const limit = (of: keyof typeof LIMITS, asked: Asked): number => limitOf(asked.limit, LIMITS[of][0], LIMITS[of][1])

  return {
    top: async (asked, options = {}) => topOf(asked, options),
    matrix: async (asked, options = {}) =>
      summing('matrix', asked, options, (prepared, run) => matrix(prepared, limit('matrix', asked), run)),
    series: async (asked, options = {}) => asking(asked, options, (prepared, run) => drawSeries(prepared, asked, run)),
    distinct: async (asked, options = {}) => distinctOf(asked, options),
    conversations: async (asked, options = {}) => {
      const most = limit('conversations', asked)
      const question = { ...asked, by: asked.by ?? ['ip'] }
      return summing('conversations', question, options, (prepared, run) => conversations(prepared, most, run))
    },
    totals: async (asked, options = {}) => summing('totals', { ...asked, by: [] }, options, totals),
    cost: async (kind, asked, options = {}) => costOf(kind, asked, options),
    everyFlow: (asked, options = {}) => everyFlowOf(asked, options),
    // A list shows rows as they were recorded, so also those that another observation point counts.
    flows: (asked, options = {}) =>
      asking({ ...asked, by: [], uncounted: true }, options, async (prepared, run) => {
        if (asked.atMostSeconds !== undefined)
          refuseLong(await costs.estimate(prepared, 'flows', run), asked.atMostSeconds)
        return flows(prepared, asked.by ?? [], limit('flows', asked), run, asked.order)
      }),
    records: ({ order = 'bytes', ways = 'apart', ...asked }, options = {}) =>
      asking({ ...asked, by: asked.by ?? FIVE_TUPLE }, options, (prepared, run) =>
        records(prepared, order, ways, limit('records', asked), run),
      ),
    values: async (column, prefix, most, options = {}) => {
      dimensionNamed(column)
      const to = deps.clock.now() + 60_000
      const asked = { from: to - 6 * 3_600_000, to, by: [column], timeoutMs: VALUES_TIMEOUT_MS, uncounted: true }
      const limitTo = limitOf(most, 20, 200)
      const found = await values.of(column, prefix, limitTo, (filter) =>
        asking({ ...asked, filter }, options, candidatesOf, inPassing),
      )
      // An exporter can be asked for by its name, too.
      const names = column === 'exporter' ? matching(deps.exporterNames?.() ?? [], prefix) : []
      return [...names, ...found].slice(0, limitTo)
    },
    checkFilter: (filter) => void prepare({ from: 0, to: 1, filter }, filterOptions),
    cancel: (id) => {
      const controller = underWay.get(id)
      controller?.abort()
      return controller !== undefined || ended.has(id)
    },
  }
}

/** The same question some time later (or earlier), not yet planned. */
function moved(prepared: Prepared, by: number): Prepared {
  return { ...prepared, from: prepared.from + by, to: prepared.to + by, reading: undefined }
}
