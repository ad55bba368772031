// Finds flows by the hash of their key: an open-addressing table of pairs of hash and slot + 1, with linear probing.

import { createTableMemory } from '../base/huge-pages.ts'

/** Places to begin with, and of the next size; the third is as large as the cache. */
const FEW_PLACES = 1 << 15
const MORE_PLACES = 1 << 17

export interface FlowIndex {
  /** Bytes that it takes now, and those that it may take. */
  readonly bytes: number
  readonly mostBytes: number
  /** For each of so many hashes the slot of the first flow that has it, or -1. */
  find(hashes: Int32Array, count: number, slots: Int32Array): void
  /** The next flow behind place `at` that has this hash: its place, or -1. Begins with `homeOf`. */
  homeOf(hash: number): number
  next(hash: number, at: number): number
  /** What stands at a place that `next` answered. */
  slotAt(at: number): number
  enter(hash: number, slot: number): void
  /** Takes a slot out. */
  remove(hash: number, slot: number): void
  /** Makes room for so many flows. Places are others afterwards. */
  reserve(flows: number): void
  clear(): void
}

export function createFlowIndex(maxFlows: number): FlowIndex {
  const mostPlaces = placesFor(maxFlows)
  let index = memoryFor(Math.min(FEW_PLACES, mostPlaces))
  let mask = index.length / 2 - 1

  function enter(hash: number, slot: number): void {
    let place = hash & mask
    while (index[2 * place + 1] !== 0) place = (place + 1) & mask
    index[2 * place] = hash
    index[2 * place + 1] = slot + 1
  }

  return {
    get bytes() {
      return index.byteLength
    },
    mostBytes: 8 * mostPlaces,
    find(hashes, count, slots) {
      const pairs = index
      const all = mask
      for (let row = 0; row < count; row++) {
        const hash = hashes[row] as number
        let place = hash & all
        let found = pairs[2 * place + 1] as number
        while (found !== 0 && pairs[2 * place] !== hash) {
          place = (place + 1) & all
          found = pairs[2 * place + 1] as number
        }
        slots[row] = found - 1
      }
    },
    homeOf: (hash) => hash & mask,
    next(hash, at) {
      for (let place = at & mask; ; place = (place + 1) & mask) {
        if (index[2 * place + 1] === 0) return -1
        if (index[2 * place] === hash) return place
      }
    },
    slotAt: (at) => (index[2 * at + 1] as number) - 1,
    enter,
    remove(hash, slot) {
      let hole = hash & mask
      while (index[2 * hole + 1] !== slot + 1) hole = (hole + 1) & mask
      let next = hole
      // The gap is closed, so that no chain is cut
      for (;;) {
        next = (next + 1) & mask
        const found = index[2 * next + 1] as number
        if (found === 0) break
        const home = (index[2 * next] as number) & mask
        // Stays where it is if its home lies between the hole and itself
        if (((next - home) & mask) < ((next - hole) & mask)) continue
        index[2 * hole] = index[2 * next] as number
        index[2 * hole + 1] = found
        hole = next
      }
      index[2 * hole + 1] = 0
    },
    // A large index is a slow one where few flows lie scattered over it. It becomes as large as it may long before there are so
    // many flows that moving them would be noticed.
    reserve(flows) {
      if (2 * flows <= mask + 1 || mask + 1 === mostPlaces) return
      const before = index
      index = memoryFor(mask + 1 < MORE_PLACES ? Math.min(MORE_PLACES, mostPlaces) : mostPlaces)
      mask = index.length / 2 - 1
      for (let at = 0; at < before.length; at += 2)
        if (before[at + 1] !== 0) enter(before[at] as number, (before[at + 1] as number) - 1)
    },
    clear: () => void index.fill(0),
  }
}

function memoryFor(places: number): Int32Array {
  const [memory] = createTableMemory([8 * places])
  return new Int32Array(memory!.buffer, memory!.offset, 2 * places)
}

/** Places of the index: at least two a flow. */
function placesFor(flows: number): number {
  let places = 16
  while (places < 2 * flows) places *= 2
  return places
}
