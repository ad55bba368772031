import { performance } from 'node:perf_hooks'
import { OperatorError, UserError } from '../base/errors.ts'
import type { QueryAnswer, Store } from '../store/store.ts'
import type { Facts } from './facts.ts'
import type { Params } from './filter/sql.ts'
import type { Sampling } from './measure.ts'
import type { Prepared } from './question.ts'
import { readFrom } from './source.ts'
import { unitOf, type UnitAnswer } from './units.ts'

// One question's statements: run together, ended together, counted together.

export interface Limits {
  /** Milliseconds a question may take unless it asks for less. */
  readonly timeoutMs: number
  readonly maxMemoryBytes?: number
}

/** From where an answer came. */
export interface Provenance {
  /** The tables it was read from, the coarsest first. */
  source: string
  read: { table: string; describe: string; from: number; to: number }[]
  rowsRead: number
  tookMs: number
  samplingRates: number[]
  unit: UnitAnswer
  /** What one has to know of it: what was rounded, is bounded, or is no longer kept. */
  notes: string[]
}

export interface Spent {
  readonly rowsRead: number
  readonly tookMs: number
}

export interface Run {
  /** @param times how often the statement reads each row */
  query(sql: string, times?: number): Promise<QueryAnswer>
  /** What an answer tells: the rows that one statement of it had to read at most, since several read the same ones; milliseconds so far. */
  spent(): Spent
  /** With the rows that its statements read together. */
  spentInAll(): Spent
  provenance(prepared: Prepared, sampling: Sampling, facts: Facts): Provenance
}

/** A run of statements that all have the same parameters. */
export function startRun(store: Store, params: Params, limits: Limits, signal: AbortSignal): Run {
  const started = performance.now()
  let most = 0
  let inAll = 0
  const spent = (rowsRead = most): Spent => ({
    rowsRead,
    tookMs: Math.round((performance.now() - started) * 10) / 10,
  })
  return {
    async query(sql, times = 1) {
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
      most = Math.max(most, Math.round(answer.rowsRead / times))
      inAll += answer.rowsRead
      return answer
    },
    spent: () => spent(),
    spentInAll: () => spent(inAll),
    provenance: (prepared, sampling, facts) => ({
      ...readFrom(prepared),
      ...spent(),
      samplingRates: [...sampling.rates],
      unit: unitOf(prepared.unit, facts),
    }),
  }
}

/** A limit between 1 and `most`. @throws UserError */
export function limitOf(given: number | undefined, usual: number, most: number): number {
  const limit = given ?? usual
  if (!Number.isInteger(limit) || limit < 1 || limit > most)
    throw new UserError(`the limit must be a whole number from 1 to ${most}`)
  return limit
}
