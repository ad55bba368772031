// One flow of so many, each kept whole: those whose key has a hash within a range (RFC 7014 §5.2, hash-based flow selection).

import { FIELDS } from './flow-key.ts'
import type { PacketReader } from './packet-reader.ts'

/** Greatest result of the hash. */
export const HASH_MOST = 0xffffffff

/** Flows are selected whose hash is not greater. @param one of so many */
export function greatestSelected(one: number): number {
  return Math.floor(2 ** 32 / one) - 1
}

export interface FlowSampler {
  /** Leaves only the packets of selected flows; answers how many they are. */
  keep(packets: PacketReader): number
}

export interface FlowSamplerOptions {
  readonly mask: Uint32Array
  readonly one: number
  /** 32 bits: with another one, other flows are selected. */
  readonly initialiser: number
}

export function createFlowSampler({ mask, one, initialiser }: FlowSamplerOptions): FlowSampler {
  const greatest = greatestSelected(one)
  return {
    keep(packets) {
      let kept = 0
      for (let row = 0; row < packets.count; row++) {
        if (bobHash(packets.fields, row * FIELDS, FIELDS, mask, initialiser) > greatest) continue
        if (kept !== row) packets.move(row, kept)
        kept++
      }
      packets.count = kept
      return kept
    },
  }
}

const GOLDEN = 0x9e3779b9

/**
 * BOB (RFC 5475, appendix A.2) of `count` words from `from`, each with the bits of its mask, as bytes with the lowest first.
 * @returns 32 bits
 */
export function bobHash(
  words: Uint32Array | Int32Array,
  from: number,
  count: number,
  mask: Uint32Array,
  initialiser: number,
): number {
  let a = GOLDEN | 0
  let b = GOLDEN | 0
  let c = initialiser | 0
  for (let i = 0; ; i += 3) {
    const isLast = i + 3 > count
    if (i < count) a = (a + ((words[from + i] as number) & (mask[i] as number))) | 0
    if (i + 1 < count) b = (b + ((words[from + i + 1] as number) & (mask[i + 1] as number))) | 0
    // In the last round the length takes the place of the lowest byte
    c = (c + (isLast ? 4 * count : (words[from + i + 2] as number) & (mask[i + 2] as number))) | 0
    a = (a - b - c) ^ (c >>> 13)
    b = (b - c - a) ^ (a << 8)
    c = (c - a - b) ^ (b >>> 13)
    a = (a - b - c) ^ (c >>> 12)
    b = (b - c - a) ^ (a << 16)
    c = (c - a - b) ^ (b >>> 5)
    a = (a - b - c) ^ (c >>> 3)
    b = (b - c - a) ^ (a << 10)
    c = (c - a - b) ^ (b >>> 15)
    if (isLast) return c >>> 0
  }
}
