import type { Clock } from '../base/clock.ts'

const HOUR_MS = 3_600_000
const JUMP_MS = HOUR_MS
const BELIEVED_AFTER_MS = 24 * HOUR_MS

/** What has to be kept over restarts, as JSON. */
export interface BelievedState {
  /** The time that was believed last, ms. */
  readonly believed: number
  /** While the clock is ahead of it: after how long a run (ms, of all runs together), and by how much at least (ms). */
  readonly ahead: readonly { readonly ran: number; readonly by: number }[]
}

export interface BelievedTime {
  now(): number
  state(): BelievedState
}

/**
 * Time by which the age of rows is judged. A clock that is far ahead of it is believed as far as it was ahead throughout a
 * whole day of running: one that is set wrong for a while must not delete years. The day may be made of several runs, so
 * that a machine which is switched off each night lags some nights behind, and no more. A clock that goes back is believed
 * at once, for then less is deleted.
 *
 * @param from what an earlier run kept, or the time of the newest row
 */
export function believedTime(
  from: BelievedState | number,
  deps: { clock: Clock; elapsed: () => number },
): BelievedTime {
  const kept = typeof from === 'number' ? { believed: from, ahead: [] } : from
  let believed = Math.min(kept.believed, deps.clock.now())
  let ahead = kept.ahead.map((entry) => ({ ...entry }))
  let ran = ahead.at(-1)?.ran ?? 0
  let at = deps.elapsed()

  /** By how much at least the clock was ahead throughout the last day of running; 0 until there was one. */
  function aheadForADay(): number {
    const first = ahead.findLastIndex((entry) => entry.ran <= ran - BELIEVED_AFTER_MS)
    if (first < 0) return 0
    ahead = ahead.slice(first)
    return Math.min(...ahead.map((entry) => entry.by))
  }

  function note(by: number): void {
    const last = ahead.at(-1)
    // An entry an hour; the last tells when it was heard of last.
    if (last && ahead.length > 1 && last.ran - (ahead.at(-2) as typeof last).ran < HOUR_MS)
      Object.assign(last, { ran, by: Math.min(last.by, by) })
    else ahead.push({ ran, by })
  }

  return {
    now() {
      const elapsed = deps.elapsed()
      const wall = deps.clock.now()
      believed += elapsed - at
      ran += elapsed - at
      at = elapsed
      if (wall > believed + JUMP_MS) {
        note(wall - believed)
        const by = aheadForADay()
        believed += by
        for (const entry of ahead) entry.by -= by
      }
      if (wall <= believed + JUMP_MS) {
        believed = wall
        ahead = []
        ran = 0
      }
      return believed
    },
    state: () => ({ believed, ahead }),
  }
}

/** Undefined unless it is one, as `state` answered it. */
export function believedStateOf(value: unknown): BelievedState | undefined {
  const { believed, ahead } = (value ?? {}) as Partial<BelievedState>
  const isSound =
    Number.isFinite(believed) &&
    Array.isArray(ahead) &&
    ahead.every((entry) => Number.isFinite(entry?.ran) && Number.isFinite(entry?.by))
  return isSound ? (value as BelievedState) : undefined
}
