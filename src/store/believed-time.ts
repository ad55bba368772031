import type { Clock } from '../base/clock.ts'

const JUMP_MS = 3_600_000
const BELIEVED_AFTER_MS = 24 * 3_600_000

/**
 * Time by which the age of rows is judged. A clock that is far ahead of it is believed only after a day: one that is set
 * wrong for a while must not delete years. One that goes back is believed at once, for then less is deleted.
 *
 * @param from the time of the last use, or of the newest row
 */
export function believedTime(from: number, deps: { clock: Clock; elapsed: () => number }): () => number {
  let believed = Math.min(from, deps.clock.now())
  let at = deps.elapsed()
  let aheadSince: number | undefined
  return () => {
    const elapsed = deps.elapsed()
    const wall = deps.clock.now()
    believed += elapsed - at
    at = elapsed
    if (wall > believed + JUMP_MS) {
      aheadSince ??= elapsed
      if (elapsed - aheadSince < BELIEVED_AFTER_MS) return believed
    }
    aheadSince = undefined
    believed = wall
    return believed
  }
}
