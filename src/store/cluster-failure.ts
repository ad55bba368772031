import { OperatorError } from '../base/errors.ts'
import { Unanswered, type ServerRefused } from './cluster-http.ts'
import { queryError, writeError } from './engine-failure.ts'

// What a server of a cluster answers, as errors with a stable code of ours.

/** Another replica may still do it: this one is cut off, read-only, stopping or overloaded. */
const ELSEWHERE = new Set([
  96, 198, 202, 203, 209, 210, 225, 236, 242, 244, 252, 254, 279, 285, 286, 289, 319, 439, 473, 499, 574, 700, 733, 745,
  999, 1000,
])
/** Tables or the database are not there: not made yet, or taken away. */
const MISSING = new Set([60, 81, 218])
/** Unknown user, wrong password, missing grant, quota. */
const REFUSED_ACCESS = new Set([164, 192, 193, 194, 195, 201, 291, 497, 516])
const MEMORY = 241

export function isElsewhere(error: unknown): boolean {
  if (error instanceof Unanswered) return error.ours !== 'abort'
  return ELSEWHERE.has((error as ServerRefused).failure?.code)
}

export function isMissing(error: unknown): boolean {
  return MISSING.has((error as ServerRefused).failure?.code)
}

export function clusterAway(why: string): OperatorError {
  return new OperatorError('store_away', why, {
    retryable: true,
    hint: 'flows wait in the spool; it is tried again by itself',
  })
}

/** The error of a query; `at` is the server's URL. */
export function clusterQueryError(error: unknown, at: string): OperatorError {
  if (error instanceof Unanswered) {
    if (error.ours === 'abort') return queryError({ code: 394, message: 'cancelled' })
    if (error.ours === 'timeout') return queryError({ code: 159, message: error.message })
    return clusterAway(`${at}: ${error.message}`)
  }
  const { failure } = error as ServerRefused
  if (REFUSED_ACCESS.has(failure.code)) return accessError(failure.message, at, error)
  if (ELSEWHERE.has(failure.code)) return clusterAway(`${at}: ${firstLine(failure.message)}`)
  return queryError(failure)
}

/** The error of an insert or another statement that changes something. */
export function clusterWriteError(error: unknown, at: string): OperatorError {
  if (error instanceof Unanswered) return clusterAway(`${at}: ${error.message}`)
  const { failure } = error as ServerRefused
  if (REFUSED_ACCESS.has(failure.code)) return accessError(failure.message, at, error)
  if (ELSEWHERE.has(failure.code) || MISSING.has(failure.code))
    return clusterAway(`${at}: ${firstLine(failure.message)}`)
  if (failure.code === MEMORY) {
    return new OperatorError('store_busy', `${at} has no memory for it at the moment`, {
      retryable: true,
      cause: error,
    })
  }
  const known = writeError(failure)
  if (known.code !== 'store_disk') return known
  return new OperatorError('store_disk', `${at} cannot write: ${firstLine(failure.message)}`, {
    retryable: true,
    hint: 'free space on its disk',
    cause: error,
  })
}

function accessError(message: string, at: string, cause: unknown): OperatorError {
  return new OperatorError('store_away', `${at} refuses the user: ${firstLine(message)}`, {
    retryable: true,
    hint: 'look at storage.user and storage.passwordFile, and at what that user is granted; flows wait in the spool',
    cause,
  })
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]?.slice(0, 300) ?? ''
}
