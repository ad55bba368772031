import type { FlowBatch } from './flow-batch.ts'

// What all rows of a datagram have in common, written for all of them at once: a few columns in each loop, which is quicker than row by row.
// Indices are cut to 32 bits: then no addition is checked for an overflow, and each access checks its bounds all the same.

/** What the rows of a datagram have in common. */
export interface RowStamp {
  /** Receipt time, milliseconds since 1970. */
  readonly receivedAt: number
  /** The exporter's address as four raw words. */
  readonly exporter0: number
  readonly exporter1: number
  readonly exporter2: number
  readonly exporter3: number
  readonly protocol: number
  readonly observation: number
}

const WORD = 0x1_0000_0000

/** Writes what the rows from `from` to before `to` have from their datagram; they must be zeroed. */
export function stampRows(batch: FlowBatch, from: number, to: number, stamp: RowStamp): void {
  const { time_received, exporter, protocol, observation, counted } = batch
  const low = stamp.receivedAt | 0
  const high = (stamp.receivedAt / WORD) | 0
  const word0 = stamp.exporter0 | 0
  const word1 = stamp.exporter1 | 0
  const word2 = stamp.exporter2 | 0
  const word3 = stamp.exporter3 | 0
  for (let row = from | 0; row < to; row = (row + 1) | 0) {
    time_received[row << 1] = low
    time_received[(row << 1) | 1] = high
    exporter[(row << 2) | 2] = word2
    exporter[(row << 2) | 3] = word3
  }
  const number = stamp.protocol
  const domain = stamp.observation | 0
  for (let row = from | 0; row < to; row = (row + 1) | 0) {
    protocol[row] = number
    observation[row] = domain
    counted[row] = 1
  }
  // An IPv4 address has only the other two
  if ((word0 | word1) === 0) return
  for (let row = from | 0; row < to; row = (row + 1) | 0) {
    exporter[row << 2] = word0
    exporter[(row << 2) | 1] = word1
  }
}
