import type { Clock } from '../base/clock.ts'
import type { OperatorError } from '../base/errors.ts'
import { believedStateOf, believedTime, type BelievedState, type BelievedTime } from './believed-time.ts'
import { ROLLUP_TABLES } from './rollups.ts'
import type { StoreLog } from './store-log.ts'
import type { Store } from './store.ts'

// Drops whole parts, oldest first: those past the configured age of their kind, those above its configured size, and
// flows and counters while the whole store is too large. What is dropped is noted before, so that a question never takes
// what remains of a time for all of it.

/** Tables that are kept alike. */
export type KeptKind = 'flows' | 'counters' | 'minutes' | 'hours' | 'days'

export interface Keep {
  readonly days?: number
  readonly maxBytes?: number
}

export interface RetentionConfig {
  readonly keep: Readonly<Partial<Record<KeptKind, Keep>>>
  /** Of all tables together. */
  readonly maxBytes?: number
}

export interface RetentionDeps {
  readonly store: Pick<Store, 'query' | 'execute' | 'status'>
  readonly clock: Clock
  /** Milliseconds that go on whatever the clock does. Default: those of the process. */
  readonly elapsed?: () => number
  /** Resolves when those who plan questions know what was noted in `dropped`: only then it goes. */
  readonly noted?: () => Promise<void>
  /** True if flows received before (ms) are still to be summed up: they wait for that, for a while. */
  readonly owes?: (before: number) => boolean
  /** Where it is kept over restarts what time it is. */
  readonly clockFile?: ClockFile
  /** A little of the disk, kept for a disk that is full. */
  readonly room?: Room
  readonly log?: StoreLog
}

export interface ClockFile {
  read(): unknown
  write(state: BelievedState): Promise<void>
}

export interface Room {
  /** Takes it, where the disk has more than enough. */
  take(): Promise<void>
  /** Answers whether there was some to give. */
  give(): Promise<boolean>
}

export interface Retention {
  start(): void
  stop(): void
  run(): Promise<void>
}

interface Part {
  readonly kind: KeptKind
  readonly table: string
  readonly name: string
  readonly bytes: number
  readonly newest: number
}

const EVERY_MS = 60_000
const DAY_MS = 86_400_000
const KEEP_TIME_EVERY_MS = 600_000
/** For so long flows that are not summed up are kept at most: rollups may fail for good. */
const OWED_MS = 600_000

const LEVEL_KINDS = { minute: 'minutes', hour: 'hours', '6hours': 'hours', day: 'days' } as const

/** Tables of flows, counters and rollups, and as what they are kept. */
export const KEPT_TABLES: ReadonlyMap<string, KeptKind> = new Map<string, KeptKind>([
  ['flows', 'flows'],
  ['metrics', 'counters'],
  ...ROLLUP_TABLES.map(({ name, level }) => [name, LEVEL_KINDS[level]] as const),
])

/** What goes first when the whole store is too large: rollups are small, and all that is left of what is old. */
export const FIRST_TO_GO: readonly (readonly KeptKind[])[] = [['flows', 'counters'], ['minutes'], ['hours'], ['days']]

export function createRetention(config: RetentionConfig, deps: RetentionDeps): Retention {
  const elapsed = deps.elapsed ?? (() => performance.now())
  let timer: NodeJS.Timeout | undefined
  let time: BelievedTime | undefined
  let keptAt = Number.NEGATIVE_INFINITY
  /** Since when flows wait to be summed up that would have gone, and whether some did in this run. */
  let owedSince: number | undefined
  let isOwing = false

  async function parts(): Promise<Part[]> {
    const answer = await deps.store.query(
      `SELECT table, name, bytes_on_disk, toUInt64(max_time) * 1000 FROM system.parts
       WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)} ORDER BY max_time, name`,
      { params: { tables: [...KEPT_TABLES.keys()] } },
    )
    return answer.rows.map(([table, name, bytes, newest]) => ({
      kind: KEPT_TABLES.get(table as string) as KeptKind,
      table: table as string,
      name: name as string,
      bytes: bytes as number,
      newest: newest as number,
    }))
  }

  /** The time by which age is judged; kept over restarts. */
  async function now(all: readonly Part[]): Promise<number> {
    if (!time) {
      // Earlier versions noted it in the store.
      const { rows } = await deps.store.query("SELECT toUnixTimestamp(max(until)) FROM dropped WHERE table = 'clock'")
      const noted = Number(rows[0]?.[0] ?? 0) * 1000
      const newest = all.reduce((most, part) => Math.max(most, part.newest), 0)
      const from = noted > 0 ? noted : newest > 0 ? newest : deps.clock.now()
      time = believedTime(believedStateOf(deps.clockFile?.read()) ?? from, { clock: deps.clock, elapsed })
    }
    const believed = time.now()
    if (elapsed() - keptAt >= KEEP_TIME_EVERY_MS) {
      keptAt = elapsed()
      // A disk that is full is no reason to delete nothing.
      await deps.clockFile?.write(time.state()).catch(() => undefined)
    }
    return believed
  }

  async function note(table: string, until: number): Promise<void> {
    await deps.store.execute(`INSERT INTO dropped SELECT '${table}', toDateTime(${Math.ceil(until / 1000)}, 'UTC')`)
  }

  /** Flows that come late may be there before their rollups are built again. */
  function isOwed(part: Part): boolean {
    if (part.kind !== 'flows' || !deps.owes?.(part.newest + 1000)) return false
    isOwing = true
    owedSince ??= elapsed()
    return elapsed() - owedSince < OWED_MS
  }

  async function dropNoted(part: Part): Promise<void> {
    await note(part.table, part.newest + 1000)
    await deps.noted?.()
    await deps.store.execute(`ALTER TABLE ${part.table} DROP PART '${part.name}'`)
  }

  /** False of a part that goes later: one that is being merged cannot be dropped, and what it becomes is found the next time. */
  async function drop(part: Part, why: string): Promise<boolean> {
    if (isOwed(part)) return false
    try {
      await dropNoted(part).catch(async (error: OperatorError) => {
        // What is deleted leaves a note and an empty part first.
        if (error.code !== 'store_disk' || !(await deps.room?.give())) throw error
        await dropNoted(part)
      })
      deps.log?.info(
        `store: dropped ${part.bytes} bytes of ${part.table} up to ${new Date(part.newest).toISOString()}: ${why}`,
      )
      return true
    } catch (error) {
      deps.log?.warn(`store: could not drop ${part.table} ${part.name}: ${(error as Error).message}`)
      return false
    }
  }

  async function dropOld(all: readonly Part[]): Promise<Part[]> {
    const at = await now(all)
    const kept: Part[] = []
    for (const part of all) {
      const days = config.keep[part.kind]?.days
      const expired = days !== undefined && part.newest > 0 && part.newest < at - days * DAY_MS
      if (!expired || !(await drop(part, `older than ${days} days`))) kept.push(part)
    }
    return kept
  }

  /** Drops parts of the kinds, oldest first, while all that is given is larger than it may be. */
  async function dropAbove(
    all: readonly Part[],
    maxBytes: number | undefined,
    kinds: readonly KeptKind[],
  ): Promise<Part[]> {
    let total = all.reduce((sum, part) => sum + part.bytes, 0)
    if (maxBytes === undefined || total <= maxBytes) return [...all]
    const kept: Part[] = []
    for (const part of all) {
      if (total <= maxBytes || !kinds.includes(part.kind)) {
        kept.push(part)
        continue
      }
      // Nothing newer goes in the place of what only has to wait.
      total -= part.bytes
      await drop(part, `more than ${maxBytes} bytes`)
    }
    return kept
  }

  async function run(): Promise<void> {
    isOwing = false
    let all = await dropOld(await parts())
    for (const [kind, { maxBytes }] of Object.entries(config.keep) as [KeptKind, Keep][]) {
      const others = all.filter((part) => part.kind !== kind)
      const mine = await dropAbove(
        all.filter((part) => part.kind === kind),
        maxBytes,
        [kind],
      )
      all = [...others, ...mine].sort((a, b) => a.newest - b.newest)
    }
    for (const kinds of FIRST_TO_GO) all = await dropAbove(all, config.maxBytes, kinds)
    if (!isOwing) owedSince = undefined
    await deps.room?.take()
  }

  function schedule(): void {
    timer = setTimeout(() => {
      const ran = deps.store.status().state === 'ready' ? run() : Promise.resolve()
      ran
        .catch((error: Error) => deps.log?.warn(`store: retention failed: ${error.message}`))
        .finally(() => {
          if (timer) schedule()
        })
    }, EVERY_MS)
    timer.unref()
  }

  return {
    start: schedule,
    stop() {
      clearTimeout(timer)
      timer = undefined
    },
    run,
  }
}
