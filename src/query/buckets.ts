import { UserError } from '../base/errors.ts'

// The buckets of a series: whole, round, and on the same borders whoever asks.

const STEPS = [
  1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400,
]
const DAY = 86_400
const USUAL_POINTS = 120
const MOST_POINTS = 5000

/** Whole buckets around the range. */
export interface Buckets {
  readonly from: number
  readonly to: number
  /** Seconds. */
  readonly step: number
  readonly count: number
}

/** Buckets of a range: of the step asked for, or of a round one that gives about 120. */
export function bucketsOf(from: number, to: number, asked?: number): Buckets {
  const ideal = (to - from) / 1000 / USUAL_POINTS
  const step = asked ?? STEPS.find((s) => s >= ideal) ?? Math.ceil(ideal / DAY) * DAY
  const width = Math.round(step * 1000)
  const first = Math.floor(from / width) * width
  const last = Math.ceil(to / width) * width
  const count = (last - first) / width
  if (count > MOST_POINTS)
    throw new UserError(`a step of ${step} s would make ${count} points`, {
      hint: `at most ${MOST_POINTS}; ask for a greater step or a shorter range`,
    })
  return { from: first, to: last, step: width / 1000, count }
}
