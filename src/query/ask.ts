import type { Clock } from '../base/clock.ts'
import type { RollupStatus } from '../store/rollups.ts'
import type { Store } from '../store/store.ts'
import { dimensionNamed } from './dimensions.ts'
import { flows, type FlowsAnswer } from './flows.ts'
import { matrix, type MatrixAnswer } from './matrix.ts'
import { prepare, type Asked, type Prepared } from './question.ts'
import { FIVE_TUPLE, records, type RecordOrder, type RecordsAnswer, type Ways } from './records.ts'
import { bucketsOf } from './buckets.ts'
import { coarseEnough, plan, type Wish } from './planner.ts'
import { limitOf, startRun, type Run } from './run.ts'
import { series, type Drawing, type SeriesAnswer } from './series.ts'
import { top, type TopAnswer } from './top.ts'
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
  readonly rollups?: RollupStatus
}

export interface AskOptions {
  readonly signal?: AbortSignal
  /** Who asks: each waits for its own questions, not for everybody's. */
  readonly client?: string
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
  /** Flows put together as nfdump does, by protocol, addresses and ports unless `by` says otherwise. */
  records(asked: RecordsAsked, options?: AskOptions): Promise<RecordsAnswer>
  /** Values of a dimension that begin with the prefix, the most frequent of the last hours first. */
  values(
    column: string,
    prefix: string,
    limit: number,
    options?: AskOptions,
  ): Promise<(string | number | boolean | null)[]>
  /** Ends the question of this id. Answers false if there is none. */
  cancel(id: string): boolean
}

const TIMEOUT_MS = 30_000
const LONGEST_QUEUE = 200
const VALUES_TIMEOUT_MS = 5000
const LIMITS = {
  top: [20, 10_000],
  series: [8, 100],
  flows: [100, 10_000],
  matrix: [50, 10_000],
  records: [100, 10_000],
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
  const { exporterAddresses, asNumbers, namedFilter } = deps
  const filterOptions = {
    ...(exporterAddresses ? { exporterAddresses } : {}),
    ...(asNumbers ? { asNumbers } : {}),
    ...(namedFilter ? { namedFilter } : {}),
  }

  async function asking<T>(
    asked: Asked,
    options: AskOptions,
    work: (prepared: Prepared, run: Run) => Promise<T>,
    turns = inTurn,
  ): Promise<T> {
    const prepared = prepare(asked, filterOptions)
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
      if (id !== undefined && underWay.get(id) === controller) underWay.delete(id)
    }
  }

  /** Read from where it is answered best. */
  function planned(prepared: Prepared, asked: Asked, run: Run, wish: Omit<Wish, 'exact'> = {}): Promise<Prepared> {
    const finds = async (sql: string): Promise<boolean> => sql !== '' && (await run.query(sql)).rows.length > 0
    const { rollups } = deps
    return plan(prepared, { exact: asked.exact ?? true, ...wish }, { finds, ...(rollups ? { rollups } : {}) })
  }

  async function drawing(prepared: Prepared, asked: Asked, run: Run, step: number | undefined): Promise<Drawing> {
    const buckets = bucketsOf(prepared.from, prepared.to, step)
    const whole = { ...prepared, from: buckets.from, to: buckets.to }
    return { prepared: await planned(whole, asked, run, { buckets }), buckets }
  }

  async function drawSeries(prepared: Prepared, asked: Asked, run: Run): Promise<SeriesAnswer> {
    const { step } = bucketsOf(prepared.from, prepared.to, asked.step)
    const { rollups } = deps
    const back = asked.previous === undefined ? 0 : Math.ceil(asked.previous / (step * 1000)) * step * 1000
    const earlier = { ...prepared, from: prepared.from - back, to: prepared.to - back }
    const coarse = coarseEnough(back > 0 ? earlier : prepared, step, rollups ? { rollups } : {})
    const now = await drawing(prepared, asked, run, coarse)
    const shift = Math.ceil(back / (coarse * 1000)) * coarse * 1000
    const before = shift > 0 ? await drawing(moved(now.prepared, -shift), asked, run, coarse) : undefined
    return series(now, before, limit('series', asked), deps.clock.now(), run)
  }

  const limit = (of: keyof typeof LIMITS, asked: Asked): number => limitOf(asked.limit, LIMITS[of][0], LIMITS[of][1])

  return {
    top: (asked, options = {}) =>
      asking(asked, options, async (prepared, run) =>
        top(await planned(prepared, asked, run), limit('top', asked), run),
      ),
    matrix: (asked, options = {}) =>
      asking(asked, options, async (prepared, run) =>
        matrix(await planned(prepared, asked, run), limit('matrix', asked), run),
      ),
    series: (asked, options = {}) => asking(asked, options, (prepared, run) => drawSeries(prepared, asked, run)),
    // A list shows rows as they were recorded, so also those that another observation point counts.
    flows: (asked, options = {}) =>
      asking({ ...asked, by: [], uncounted: true }, options, (prepared, run) =>
        flows(prepared, asked.by ?? [], limit('flows', asked), run, asked.order),
      ),
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
    cancel: (id) => {
      const controller = underWay.get(id)
      controller?.abort()
      return controller !== undefined
    },
  }
}

/** The same question some time later (or earlier), not yet planned. */
function moved(prepared: Prepared, by: number): Prepared {
  return { ...prepared, from: prepared.from + by, to: prepared.to + by, reading: undefined }
}
