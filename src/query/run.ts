import { performance } from 'node:perf_hooks'
import { OperatorError, UserError } from '../base/errors.ts'
import type { QueryAnswer, Store } from '../store/store.ts'
import type { Params } from './filter/sql.ts'

// One question's statements: run together, ended together, counted together.

export interface Limits {
  /** Milliseconds a question may take unless it asks for less. */
  readonly timeoutMs: number
  readonly maxMemoryBytes?: number
}

export interface Run {
  query(sql: string): Promise<QueryAnswer>
  /** Rows read and milliseconds taken so far. */
  provenance(): { source: string; rowsRead: number; tookMs: number }
}

/** A run of statements over the table `flows`, all with the same parameters. */
export function startRun(store: Store, params: Params, limits: Limits, signal: AbortSignal): Run {
  const started = performance.now()
  let rowsRead = 0
  return {
    async query(sql) {
      const left = limits.timeoutMs - (performance.now() - started)
      if (left <= 0)
        throw new OperatorError('query_timeout', `the question took longer than ${limits.timeoutMs} ms`, {
          retryable: true,
          hint: 'ask for a shorter time range or fewer dimensions',
        })
      const answer = await store.query(sql, {
        params: params.values,
        signal,
        timeoutMs: Math.ceil(left),
        ...(limits.maxMemoryBytes === undefined ? {} : { maxMemoryBytes: limits.maxMemoryBytes }),
      })
      rowsRead += answer.rowsRead
      return answer
    },
    provenance: () => ({ source: 'flows', rowsRead, tookMs: Math.round((performance.now() - started) * 10) / 10 }),
  }
}

/** Lets so many questions run at once; the others wait in order, and leave the queue when they are cancelled. */
export function createTurns(
  atOnce: number,
  longestQueue: number,
): <T>(signal: AbortSignal, work: () => Promise<T>) => Promise<T> {
  let running = 0
  const waiting: (() => void)[] = []
  function leave(): void {
    running--
    waiting.shift()?.()
  }
  async function enter(signal: AbortSignal): Promise<void> {
    if (running < atOnce) {
      running++
      return
    }
    if (waiting.length >= longestQueue)
      throw new OperatorError('query_queue', 'too many questions wait for an answer', {
        retryable: true,
        hint: 'ask again in a few seconds',
      })
    await new Promise<void>((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', gone)
        running++
        resolve()
      }
      const gone = (): void => {
        waiting.splice(waiting.indexOf(go), 1)
        reject(cancelled())
      }
      waiting.push(go)
      signal.addEventListener('abort', gone, { once: true })
    })
  }
  return async (signal, work) => {
    if (signal.aborted) throw cancelled()
    await enter(signal)
    try {
      return await work()
    } finally {
      leave()
    }
  }
}

function cancelled(): OperatorError {
  return new OperatorError('query_cancelled', 'the question was cancelled')
}

/** A limit between 1 and `most`. @throws UserError */
export function limitOf(given: number | undefined, usual: number, most: number): number {
  const limit = given ?? usual
  if (!Number.isInteger(limit) || limit < 1 || limit > most)
    throw new UserError(`the limit must be a whole number from 1 to ${most}`)
  return limit
}
