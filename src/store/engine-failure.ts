import { OperatorError } from '../base/errors.ts'
import type { EngineFailure } from './engine-protocol.ts'

// ClickHouse error numbers (ErrorCodes.cpp) → errors with a stable code of ours.

const MEMORY = new Set([241])
const TIMEOUT = new Set([159, 160])
const CANCELLED = new Set([394])
const DISK = new Set([243, 74, 75, 76])

/** Bytes of a file that are no block of the table: reading them again would end the same way. */
const UNREADABLE = new Set([
  6, 8, 10, 16, 23, 25, 26, 27, 32, 33, 34, 36, 38, 41, 47, 49, 50, 53, 70, 72, 117, 128, 131, 246, 271, 349, 432, 691,
])

/** ClickHouse's number of what an error of a statement came of, if it came of the engine. */
export function engineCodeOf(error: unknown): number | undefined {
  return ((error as Error).cause as EngineFailure | undefined)?.code
}

/** False if the engine refused a statement with one of these numbers. */
export async function unlessRefused(done: Promise<void>, ...codes: readonly number[]): Promise<boolean> {
  try {
    await done
    return true
  } catch (error) {
    const code = engineCodeOf(error)
    if (code !== undefined && codes.includes(code)) return false
    throw error
  }
}

export function queryError(failure: EngineFailure): OperatorError {
  if (MEMORY.has(failure.code)) {
    return new OperatorError('query_memory', 'the query needs more memory than it may have', {
      hint: 'ask for a shorter time or fewer columns, or raise query.maxMemory',
      cause: failure,
    })
  }
  if (TIMEOUT.has(failure.code))
    return new OperatorError('query_timeout', 'the query took longer than it may', { cause: failure })
  if (CANCELLED.has(failure.code))
    return new OperatorError('query_cancelled', 'the query was cancelled', { cause: failure })
  return new OperatorError('query_failed', firstLine(failure.message), { cause: failure })
}

export function writeError(failure: EngineFailure): OperatorError {
  if (MEMORY.has(failure.code) && /total/i.test(failure.message)) {
    return new OperatorError('store_busy', 'the store has no memory left for an insert at the moment', {
      retryable: true,
      hint: 'if it lasts, raise storage.memory',
      cause: failure,
    })
  }
  if (UNREADABLE.has(failure.code))
    return new OperatorError('insert_rejected', firstLine(failure.message), { cause: failure })
  if (DISK.has(failure.code) || /No space left|quota exceeded/i.test(failure.message)) {
    return new OperatorError('store_disk', `the store cannot write: ${firstLine(failure.message)}`, {
      retryable: true,
      hint: 'free space on the disk of the data directory',
      cause: failure,
    })
  }
  return new OperatorError('store_failed', firstLine(failure.message), { retryable: true, cause: failure })
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]?.slice(0, 500) ?? ''
}
