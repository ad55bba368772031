import { BLOCK_BYTES, RETIRE_MS } from '../capture/af-packet.ts'

/**
 * How long packets are left to gather where nothing is there to read: the longer, the less each of them costs, as long as they fill
 * a small part of the ring meanwhile.
 */
const [SHORTEST_MS, LONGEST_MS] = [4, 80]
const LONGER_BY_MS = 2
const SMALL_PART = 1 / 4

export interface MeterRest {
  /** So many bytes were read. */
  read(bytes: number): void
  /** How long to rest now, in milliseconds. */
  next(): number
}

/** @param ringBytes of the ring of each device */
export function createMeterRest(ringBytes: number): MeterRest {
  // Of a link that is nearly quiet, too, the kernel hands over a block each time: a ring of few of them is soon full, of next to nothing
  const lasts = Math.floor(ringBytes / BLOCK_BYTES) * RETIRE_MS
  const longest = Math.max(SHORTEST_MS, Math.min(LONGEST_MS, lasts * SMALL_PART))
  let gathered = 0
  let rest = SHORTEST_MS
  return {
    read: (bytes) => void (gathered += bytes),
    next() {
      const part = gathered / ringBytes
      gathered = 0
      rest =
        part > SMALL_PART ? Math.max(SHORTEST_MS, (rest * SMALL_PART) / part) : Math.min(longest, rest + LONGER_BY_MS)
      return rest
    },
  }
}
