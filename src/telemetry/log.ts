import { pino, type DestinationStream, type Logger } from 'pino'
import type { Clock } from '../base/clock.ts'

export type Log = Logger
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** JSON lines on standard error, one event each; standard output belongs to the command's own answer. */
export function createLog(options: { level?: LogLevel; name?: string; destination?: DestinationStream } = {}): Log {
  return pino(
    { level: options.level ?? 'info', base: options.name === undefined ? null : { name: options.name } },
    options.destination ?? pino.destination({ dest: 2, sync: true }),
  )
}

/** The kinds of warning that are remembered; beyond, the one told longest ago is forgotten. */
const KINDS = 1_000

export interface RateLimitedLog {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}

/**
 * Tells a warning once, then counts its repetitions and tells their number at most once an interval: a full disk must not
 * fill the log too. Warnings are the same if their message is.
 */
export function rateLimited(log: Pick<Log, 'info' | 'warn'>, clock: Clock, everyMs = 60_000): RateLimitedLog {
  const told = new Map<string, { at: number; held: number }>()
  return {
    info: (details, message) => log.info(details, message),
    warn(details, message) {
      const now = clock.now()
      const before = told.get(message)
      if (before && now - before.at < everyMs && now >= before.at) {
        before.held++
        return
      }
      told.delete(message)
      told.set(message, { at: now, held: 0 })
      for (const kind of told.keys()) {
        if (told.size <= KINDS) break
        told.delete(kind)
      }
      log.warn(before && before.held > 0 ? { ...details, repeated: before.held } : details, message)
    },
  }
}
