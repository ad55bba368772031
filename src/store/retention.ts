import type { Clock } from '../base/clock.ts'
import type { Store } from './store.ts'
import { TABLES } from './schema.ts'
import type { StoreLog } from './store-log.ts'

// Drops whole parts, oldest first: those past the configured age (the engine does the same by its TTL, but only for
// parts written since that age was set), then those above the configured size. A part is a small share of the whole.

export interface RetentionConfig {
  readonly keepDays: number
  readonly maxBytes?: number
}

export interface RetentionDeps {
  readonly store: Pick<Store, 'query' | 'execute' | 'status'>
  readonly clock: Clock
  readonly log?: StoreLog
}

export interface Retention {
  start(): void
  stop(): void
  run(): Promise<void>
}

interface Part {
  readonly table: string
  readonly name: string
  readonly bytes: number
  readonly newest: number
}

const EVERY_MS = 60_000
const DAY_MS = 86_400_000

export function createRetention(config: RetentionConfig, deps: RetentionDeps): Retention {
  let timer: NodeJS.Timeout | undefined

  async function parts(): Promise<Part[]> {
    const answer = await deps.store.query(
      `SELECT table, name, bytes_on_disk, toUInt64(max_time) * 1000 FROM system.parts
       WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)} ORDER BY max_time, name`,
      { params: { tables: TABLES.map((t) => t.name) } },
    )
    return answer.rows.map(([table, name, bytes, newest]) => ({
      table: table as string,
      name: name as string,
      bytes: bytes as number,
      newest: newest as number,
    }))
  }

  /** A part that is being merged cannot be dropped; what it becomes will be found the next time. */
  async function drop(part: Part, why: string): Promise<boolean> {
    try {
      await deps.store.execute(`ALTER TABLE ${part.table} DROP PART '${part.name}'`)
      deps.log?.info(
        `store: dropped ${part.bytes} bytes of ${part.table} up to ${new Date(part.newest).toISOString()}: ${why}`,
      )
      return true
    } catch (error) {
      deps.log?.warn(`store: could not drop ${part.table} ${part.name}: ${(error as Error).message}`)
      return false
    }
  }

  async function run(): Promise<void> {
    const oldest = deps.clock.now() - config.keepDays * DAY_MS
    const kept: Part[] = []
    for (const part of await parts()) {
      const expired = part.newest > 0 && part.newest < oldest
      if (!expired || !(await drop(part, `older than ${config.keepDays} days`))) kept.push(part)
    }
    if (config.maxBytes === undefined) return
    let total = kept.reduce((sum, part) => sum + part.bytes, 0)
    for (const part of kept) {
      if (total <= config.maxBytes) return
      if (await drop(part, `more than ${config.maxBytes} bytes`)) total -= part.bytes
    }
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
