import type { Millis } from '../base/clock.ts'
import type { Lane } from './lane.ts'
import type { Random } from './random.ts'

// A conversation is made of connections that come and go. They need no state: which connection is open in place `slot` at a
// time, with its client port and client address, is computed from their numbers.

const FIRST_EPHEMERAL = 32_768
const EPHEMERALS = 28_232

/** The connection that a packet belongs to; one object, reused. */
export class Session {
  slot = 0
  /** How many connections this slot has had. */
  epoch = 0
  clientPort = 0
  /** 32 random bits that stay the same while it lasts. */
  hash = 0

  /** Picks one of the connections that are open at the time; the lower slots are busier. */
  pick(lane: Lane, random: Random, now: Millis): void {
    const u = random.unit()
    const slot = lane.sessions === 1 ? 0 : Math.floor(u * u * lane.sessions)
    this.slot = slot
    // Each slot changes hands at a time of its own.
    const phase = mix(lane.conversation, slot, 0x9e37) / 2 ** 32
    this.epoch = Math.floor(now / lane.lifetime + phase)
    this.hash = mix(lane.conversation, slot, this.epoch)
    this.clientPort = FIRST_EPHEMERAL + (this.hash % EPHEMERALS)
  }
}

function mix(a: number, b: number, c: number): number {
  let h = Math.imul(a ^ 0x2545f491, 0x85ebca6b) ^ Math.imul(b + 0x9e3779b9, 0xc2b2ae35) ^ Math.imul(c | 0, 0x27d4eb2f)
  h ^= h >>> 15
  h = Math.imul(h, 0x2c1b3c6d)
  h ^= h >>> 12
  h = Math.imul(h, 0x297a2d39)
  h ^= h >>> 15
  return h >>> 0
}

/** Addresses of those outside, so that some come often and most seldom. */
const OUTSIDE_BLOCKS: readonly (readonly number[])[] = [
  [203, 0, 113],
  [198, 51, 100],
  [192, 0, 2],
  [198, 18, 7],
  [198, 18, 44],
  [198, 19, 3],
  [198, 19, 200],
]

/** Writes the address (4 or 16 bytes) of the one outside that a connection's hash stands for. All are of documentation and benchmark ranges. */
export function outsideAddress(hash: number, ipv6: boolean, out: Uint8Array, at: number): void {
  // The cube of a uniform number: a tenth of the addresses makes about half of the connections.
  const u = (hash & 0xffff) / 0x10000
  const rank = Math.floor(u * u * u * OUTSIDE_BLOCKS.length * 250)
  const block = OUTSIDE_BLOCKS[rank % OUTSIDE_BLOCKS.length] as readonly number[]
  const last = 2 + Math.floor(rank / OUTSIDE_BLOCKS.length)
  if (ipv6) {
    // 2001:db8:f000:<block>::<last>
    for (let i = 0; i < 16; i++) out[at + i] = 0
    out[at] = 0x20
    out[at + 1] = 0x01
    out[at + 2] = 0x0d
    out[at + 3] = 0xb8
    out[at + 4] = 0xf0
    out[at + 7] = rank % OUTSIDE_BLOCKS.length
    out[at + 15] = last
  } else {
    out[at] = block[0] as number
    out[at + 1] = block[1] as number
    out[at + 2] = block[2] as number
    out[at + 3] = last
  }
}
