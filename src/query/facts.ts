import type { Sampling } from './measure.ts'

/** What an answer has to know of its rows besides their sums: whether they were sampled, and by which protocols they came. */
export interface Facts {
  /** A sampling rate above 1 that was met, if any was. */
  readonly sampledRate?: number
  /** Some were seen unsampled. */
  readonly unsampled: boolean
  /** Some came by sFlow, some by others. */
  readonly frames: boolean
  readonly packets: boolean
  /** Where rollups are read, which say it at once. */
  readonly sampling?: Sampling
}
