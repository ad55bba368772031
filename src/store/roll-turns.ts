import type { OperatorError } from '../base/errors.ts'
import type { StoreLog } from './store-log.ts'
import type { Store } from './store.ts'

// When a roller takes its turn: every few seconds, at once again while there is more to build, and not while the store is
// away. What goes wrong is said once.

export interface RollTurnsConfig {
  /** Answers whether anything was built. */
  readonly pass: () => Promise<boolean>
  readonly waiting: () => number
  /** A pass failed: what was under way may have been done or not. */
  readonly failed: () => void
  /** The store is not there for a turn. */
  readonly away?: () => void
}

export interface RollTurnsDeps {
  readonly store: Pick<Store, 'status'>
  readonly log?: StoreLog
}

export interface RollTurns {
  start(): void
  /** Lets the statement under way end, for a moment. */
  stop(): Promise<void>
  isStopping(): boolean
  failed(error: unknown): void
  /** Something was built: what was wrong no longer is. */
  succeeded(): void
  problem(): string | undefined
}

const EVERY_MS = 5_000
const STOP_WAIT_MS = 1500

export function createRollTurns(config: RollTurnsConfig, { store, log }: RollTurnsDeps): RollTurns {
  let problem: string | undefined
  let timer: NodeJS.Timeout | undefined
  let stopping = false
  let running: Promise<void> = Promise.resolve()

  function failed(error: unknown): void {
    const why = (error as OperatorError).message
    if (problem !== why && (error as OperatorError).code !== 'store_away') log?.warn(`rollups: ${why}`)
    problem = why
    config.failed()
  }

  function schedule(ms: number): void {
    timer = setTimeout(() => {
      let again = EVERY_MS
      const ran =
        store.status().state === 'ready'
          ? config.pass().then((any) => {
              if (any && config.waiting() > 0) again = 0
            }, failed)
          : Promise.resolve(config.away?.())
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
    isStopping: () => stopping,
    failed,
    succeeded: () => void (problem = undefined),
    problem: () => problem,
  }
}
