import type { Sampling } from './measure.ts'

/** What an answer has to know of its rows besides their sums: how they were sampled, and by which protocols they came. */
export interface Facts {
  readonly rows: number
  readonly leastRate: number
  readonly mostRate: number
  /** Numbers of PROTOCOLS. */
  readonly leastProtocol: number
  readonly mostProtocol: number
  /** Where rollups are read, which say it at once. */
  readonly sampling?: Sampling
}
