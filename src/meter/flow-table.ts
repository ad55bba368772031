// The flow cache: flows of 128 bytes in one piece of memory, found by an open-addressing table of their hashes. Nothing is
// allocated once it stands; memory that no flow has used yet is not taken from the system.

import { FIELDS } from './flow-key.ts'
import { BATCH, type PacketReader } from './packet-reader.ts'

/** Where a flow keeps what, in 32-bit words from its start; the first FIELDS words are its fields, as its first packet had them. */
export const SLOT = {
  tcpFlags: 17,
  /** Greatest TTL in the upper, least in the lower 16 bits. */
  ttls: 18,
  /** Greatest and least length of an IP packet, the same way; 65535 stands for all above. */
  lengths: 19,
  state: 20,
  hash: 21,
} as const

/** The same in 64-bit floats. Times are milliseconds since 1970. */
export const NUMBER = { packets: 11, bytes: 12, first: 13, last: 14 } as const

export const SLOT_WORDS = 32
export const SLOT_NUMBERS = 16

/** Why a flow ended (IPFIX flowEndReason, element 136). */
export const END = { idle: 1, active: 2, detected: 3, forced: 4, lackOfResources: 5 } as const

const FREE = 0
const OPEN = 1
const FIN_SEEN = 2
const RST_SEEN = 3

const FIN = 0x01
const SYN = 0x02
const RST = 0x04
const ACK = 0x10

/** Seconds; 0 never ends a flow for this reason. */
export interface FlowTimeouts {
  /** A flow that lasts longer is reported in pieces of this. */
  readonly active: number
  readonly tcp: number
  readonly tcpFin: number
  readonly tcpRst: number
  readonly udp: number
  readonly icmp: number
  readonly general: number
}

export interface FlowTableOptions {
  readonly maxFlows: number
  readonly mask: Uint32Array
  readonly timeouts: FlowTimeouts
  /** Any number: flows of an attacker must not be able to meet in one place. */
  readonly seed: number
}

/** Takes a flow that has ended; its slot is used again afterwards. */
export type FlowEnded = (table: FlowTable, slot: number, reason: number) => void

/** A clock that jumps back leaves flows that seem to lie ahead; those further than this end. */
const MOST_AHEAD_MS = 60_000

export class FlowTable {
  readonly words: Uint32Array
  readonly numbers: Float64Array
  /** Flows in it now, and ended so far by reason. */
  count = 0
  readonly ended = new Float64Array(6)
  private readonly index: Int32Array
  private readonly indexMask: number
  private readonly mask: Uint32Array
  private readonly free: Int32Array
  private freeCount = 0
  /** Slots used at least once. */
  private used = 0
  private hand = 0
  private readonly maxFlows: number
  /** By what each field is multiplied. */
  private readonly by = new Int32Array(FIELDS)
  private readonly report: FlowEnded
  private readonly activeMs: number
  private readonly idleMs: Float64Array
  private readonly hashes = new Int32Array(BATCH)
  private readonly slots = new Int32Array(BATCH)
  /** Kept so that the loads before it are not left out. */
  met = 0

  constructor(options: FlowTableOptions, report: FlowEnded) {
    const { maxFlows, timeouts } = options
    this.maxFlows = maxFlows
    this.mask = options.mask
    let state = options.seed | 1
    for (let w = 0; w < FIELDS; w++) {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9
      this.by[w] = (state ^ (state >>> 13)) | 1
    }
    this.report = report
    let places = 16
    while (places < 2 * maxFlows) places *= 2
    this.indexMask = places - 1
    // Pairs of hash and slot + 1
    this.index = new Int32Array(2 * places)
    const memory = new ArrayBuffer(maxFlows * SLOT_WORDS * 4)
    this.words = new Uint32Array(memory)
    this.numbers = new Float64Array(memory)
    this.free = new Int32Array(maxFlows)
    const never = (seconds: number): number => (seconds > 0 ? seconds * 1000 : Infinity)
    this.activeMs = never(timeouts.active)
    // By state and protocol: 256 of open flows, then one each of TCP that is ending
    this.idleMs = new Float64Array(258).fill(never(timeouts.general))
    this.idleMs[6] = never(timeouts.tcp)
    this.idleMs[17] = never(timeouts.udp)
    this.idleMs[1] = never(timeouts.icmp)
    this.idleMs[58] = never(timeouts.icmp)
    this.idleMs[256] = never(timeouts.tcpFin)
    this.idleMs[257] = never(timeouts.tcpRst)
  }

  /** Bytes that the table may take, and those that flows have used so far. */
  get memory(): { most: number; used: number } {
    const fixed = this.index.byteLength + this.free.byteLength
    return { most: fixed + this.words.byteLength, used: fixed + this.used * SLOT_WORDS * 4 }
  }

  /** Counts packets that were read. */
  add(packets: PacketReader): void {
    const { count, fields } = packets
    const { hashes } = this
    for (let row = 0; row < count; row++) hashes[row] = this.hashOf(fields, row * FIELDS)
    this.touch(count)
    for (let row = 0; row < count; row++) this.addOne(packets, row, hashes[row] as number)
  }

  // Flows lie all over the memory. Reading first what will be needed, one independent load after another, lets the processor
  // wait for many of them at once; done packet by packet it would wait for each.
  private touch(count: number): void {
    const { hashes, index, indexMask, words } = this
    const { slots } = this
    for (let row = 0; row < count; row++) slots[row] = index[2 * ((hashes[row] as number) & indexMask) + 1] as number
    let met = 0
    for (let row = 0; row < count; row++) {
      const at = ((slots[row] as number) - 1) * SLOT_WORDS
      if (at >= 0) met ^= (words[at] as number) ^ (words[at + 16] as number)
    }
    this.met = met
  }

  private addOne(packets: PacketReader, row: number, hash: number): void {
    const { words, numbers, index, indexMask } = this
    const { fields } = packets
    const from = row * FIELDS
    const now = packets.time[row] as number
    let place = hash & indexMask
    let slot = -1
    for (;;) {
      const found = index[2 * place + 1] as number
      if (found === 0) break
      if (index[2 * place] === hash && this.isSame(fields, from, (found - 1) * SLOT_WORDS)) {
        slot = found - 1
        break
      }
      place = (place + 1) & indexMask
    }
    if (slot < 0) {
      slot = this.take(now)
      // Making room may have moved what stood behind: look for the end of the chain again
      place = hash & indexMask
      while (index[2 * place + 1] !== 0) place = (place + 1) & indexMask
      index[2 * place] = hash
      index[2 * place + 1] = slot + 1
      this.count++
      words[slot * SLOT_WORDS + SLOT.hash] = hash
      this.begin(slot, fields, from, now)
    }
    const at = slot * SLOT_WORDS
    const n = slot * SLOT_NUMBERS
    const flags = packets.tcpFlags[row] as number
    if ((numbers[n + NUMBER.packets] as number) > 0) {
      const reason = this.dueReason(at, n, now)
      if (reason !== 0) this.again(slot, reason, fields, from, now)
      else if ((words[at + SLOT.state] as number) > OPEN && (flags & (SYN | ACK)) === SYN)
        this.again(slot, END.detected, fields, from, now)
    }
    const length = packets.ipLength[row] as number
    numbers[n + NUMBER.packets] = (numbers[n + NUMBER.packets] as number) + 1
    numbers[n + NUMBER.bytes] = (numbers[n + NUMBER.bytes] as number) + length
    if (now > (numbers[n + NUMBER.last] as number)) numbers[n + NUMBER.last] = now
    else if (now < (numbers[n + NUMBER.first] as number)) numbers[n + NUMBER.first] = now
    if (flags !== 0) {
      words[at + SLOT.tcpFlags] = (words[at + SLOT.tcpFlags] as number) | flags
      if ((flags & (FIN | RST)) !== 0) words[at + SLOT.state] = (flags & RST) !== 0 ? RST_SEEN : FIN_SEEN
    }
    const ttl = packets.ttl[row] as number
    const ttls = words[at + SLOT.ttls] as number
    if (ttl > ttls >>> 16) words[at + SLOT.ttls] = (ttl << 16) | (ttls & 0xffff)
    if (ttl < (ttls & 0xffff)) words[at + SLOT.ttls] = ((words[at + SLOT.ttls] as number) & 0xffff0000) | ttl
    const capped = length > 0xffff ? 0xffff : length
    const lengths = words[at + SLOT.lengths] as number
    if (capped > lengths >>> 16) words[at + SLOT.lengths] = (capped << 16) | (lengths & 0xffff)
    if (capped < (lengths & 0xffff))
      words[at + SLOT.lengths] = ((words[at + SLOT.lengths] as number) & 0xffff0000) | capped
  }

  /** Looks at up to so many slots, from where it stopped last, and ends the flows that are due. */
  sweep(now: number, slots: number): void {
    const { words } = this
    let left = slots < this.used ? slots : this.used
    for (; left > 0; left--) {
      if (this.hand >= this.used) this.hand = 0
      const slot = this.hand++
      const at = slot * SLOT_WORDS
      if (words[at + SLOT.state] === FREE) continue
      const reason = this.dueReason(at, slot * SLOT_NUMBERS, now)
      if (reason !== 0) this.end(slot, reason)
    }
  }

  /** Ends the flows in up to so many slots; false once there are none left. */
  endSome(reason: number, slots: number): boolean {
    for (let left = slots; left > 0 && this.count > 0; left--) {
      if (this.hand >= this.used) this.hand = 0
      const slot = this.hand++
      if (this.words[slot * SLOT_WORDS + SLOT.state] !== FREE) this.end(slot, reason)
    }
    return this.count > 0
  }

  /** Slots that a sweep over everything would look at. */
  get reach(): number {
    return this.used
  }

  // Sums of what `mixed` makes of each word: they don't wait for each other. A product alone would not do: its lower bits don't
  // depend on the upper ones of the word, and there an address has its last byte.
  hashOf(fields: Uint32Array, from: number): number {
    const { mask, by } = this
    let hash = 0
    hash = (hash + mixed((fields[from + 0] as number) & (mask[0] as number), by[0] as number)) | 0
    hash = (hash + mixed((fields[from + 1] as number) & (mask[1] as number), by[1] as number)) | 0
    hash = (hash + mixed((fields[from + 2] as number) & (mask[2] as number), by[2] as number)) | 0
    hash = (hash + mixed((fields[from + 3] as number) & (mask[3] as number), by[3] as number)) | 0
    hash = (hash + mixed((fields[from + 4] as number) & (mask[4] as number), by[4] as number)) | 0
    hash = (hash + mixed((fields[from + 5] as number) & (mask[5] as number), by[5] as number)) | 0
    hash = (hash + mixed((fields[from + 6] as number) & (mask[6] as number), by[6] as number)) | 0
    hash = (hash + mixed((fields[from + 7] as number) & (mask[7] as number), by[7] as number)) | 0
    hash = (hash + mixed((fields[from + 8] as number) & (mask[8] as number), by[8] as number)) | 0
    hash = (hash + mixed((fields[from + 9] as number) & (mask[9] as number), by[9] as number)) | 0
    hash = (hash + mixed((fields[from + 10] as number) & (mask[10] as number), by[10] as number)) | 0
    hash = (hash + mixed((fields[from + 11] as number) & (mask[11] as number), by[11] as number)) | 0
    hash = (hash + mixed((fields[from + 12] as number) & (mask[12] as number), by[12] as number)) | 0
    hash = (hash + mixed((fields[from + 13] as number) & (mask[13] as number), by[13] as number)) | 0
    hash = (hash + mixed((fields[from + 14] as number) & (mask[14] as number), by[14] as number)) | 0
    hash = (hash + mixed((fields[from + 15] as number) & (mask[15] as number), by[15] as number)) | 0
    hash = (hash + mixed((fields[from + 16] as number) & (mask[16] as number), by[16] as number)) | 0
    hash ^= hash >>> 16
    hash = Math.imul(hash, 0x85ebca6b)
    return hash ^ (hash >>> 13)
  }

  private isSame(fields: Uint32Array, from: number, at: number): boolean {
    const { words, mask } = this
    const different =
      (((fields[from + 0] as number) ^ (words[at + 0] as number)) & (mask[0] as number)) |
      (((fields[from + 1] as number) ^ (words[at + 1] as number)) & (mask[1] as number)) |
      (((fields[from + 2] as number) ^ (words[at + 2] as number)) & (mask[2] as number)) |
      (((fields[from + 3] as number) ^ (words[at + 3] as number)) & (mask[3] as number)) |
      (((fields[from + 4] as number) ^ (words[at + 4] as number)) & (mask[4] as number)) |
      (((fields[from + 5] as number) ^ (words[at + 5] as number)) & (mask[5] as number)) |
      (((fields[from + 6] as number) ^ (words[at + 6] as number)) & (mask[6] as number)) |
      (((fields[from + 7] as number) ^ (words[at + 7] as number)) & (mask[7] as number)) |
      (((fields[from + 8] as number) ^ (words[at + 8] as number)) & (mask[8] as number)) |
      (((fields[from + 9] as number) ^ (words[at + 9] as number)) & (mask[9] as number)) |
      (((fields[from + 10] as number) ^ (words[at + 10] as number)) & (mask[10] as number)) |
      (((fields[from + 11] as number) ^ (words[at + 11] as number)) & (mask[11] as number)) |
      (((fields[from + 12] as number) ^ (words[at + 12] as number)) & (mask[12] as number)) |
      (((fields[from + 13] as number) ^ (words[at + 13] as number)) & (mask[13] as number)) |
      (((fields[from + 14] as number) ^ (words[at + 14] as number)) & (mask[14] as number)) |
      (((fields[from + 15] as number) ^ (words[at + 15] as number)) & (mask[15] as number)) |
      (((fields[from + 16] as number) ^ (words[at + 16] as number)) & (mask[16] as number))
    return different === 0
  }

  /** Why a flow is to end now; 0 if it is not. */
  private dueReason(at: number, n: number, now: number): number {
    const idle = now - (this.numbers[n + NUMBER.last] as number)
    const state = this.words[at + SLOT.state] as number
    const which = state === OPEN ? (this.words[at + 9] as number) & 0xff : 254 + state
    if (idle >= (this.idleMs[which] as number)) return state === OPEN ? END.idle : END.detected
    if (now - (this.numbers[n + NUMBER.first] as number) >= this.activeMs) return END.active
    return idle < -MOST_AHEAD_MS ? END.forced : 0
  }

  private begin(slot: number, fields: Uint32Array, from: number, now: number): void {
    const at = slot * SLOT_WORDS
    const n = slot * SLOT_NUMBERS
    const { words, numbers } = this
    for (let w = 0; w < FIELDS; w++) words[at + w] = fields[from + w] as number
    words[at + SLOT.tcpFlags] = 0
    words[at + SLOT.ttls] = 0xffff
    words[at + SLOT.lengths] = 0xffff
    words[at + SLOT.state] = OPEN
    numbers[n + NUMBER.packets] = 0
    numbers[n + NUMBER.bytes] = 0
    numbers[n + NUMBER.first] = now
    numbers[n + NUMBER.last] = now
  }

  /** Reports a flow and begins it anew in its place. */
  private again(slot: number, reason: number, fields: Uint32Array, from: number, now: number): void {
    this.ended[reason] = (this.ended[reason] as number) + 1
    this.report(this, slot, reason)
    this.begin(slot, fields, from, now)
  }

  private end(slot: number, reason: number): void {
    this.ended[reason] = (this.ended[reason] as number) + 1
    this.report(this, slot, reason)
    const at = slot * SLOT_WORDS
    this.words[at + SLOT.state] = FREE
    this.remove((this.words[at + SLOT.hash] as number) | 0, slot)
    this.free[this.freeCount++] = slot
    this.count--
  }

  /** A slot for a new flow; where there is none, the one of the next few that rested longest is ended for it. */
  private take(now: number): number {
    if (this.freeCount > 0) return this.free[--this.freeCount] as number
    if (this.used < this.maxFlows) return this.used++
    let oldest = -1
    let since = Infinity
    for (let tries = 0; tries < 16; tries++) {
      if (this.hand >= this.used) this.hand = 0
      const slot = this.hand++
      const last = this.numbers[slot * SLOT_NUMBERS + NUMBER.last] as number
      if (last < since) {
        since = last
        oldest = slot
      }
    }
    const due = this.dueReason(oldest * SLOT_WORDS, oldest * SLOT_NUMBERS, now)
    this.end(oldest, due === 0 ? END.lackOfResources : due)
    return this.free[--this.freeCount] as number
  }

  /** Takes a slot out of the index and closes the gap, so that no chain is cut. */
  private remove(hash: number, slot: number): void {
    const { index, indexMask } = this
    let hole = hash & indexMask
    while (index[2 * hole + 1] !== slot + 1) hole = (hole + 1) & indexMask
    let next = hole
    for (;;) {
      next = (next + 1) & indexMask
      const found = index[2 * next + 1] as number
      if (found === 0) break
      const home = (index[2 * next] as number) & indexMask
      // Stays where it is if its home lies between the hole and itself
      if (((next - home) & indexMask) < ((next - hole) & indexMask)) continue
      index[2 * hole] = index[2 * next] as number
      index[2 * hole + 1] = found
      hole = next
    }
    index[2 * hole + 1] = 0
  }
}

/** A word of a key by an odd number that nobody outside knows, so that all of its bits reach all parts of the result. */
function mixed(word: number, by: number): number {
  const product = Math.imul(word, by)
  return Math.imul(product ^ (product >>> 18), by)
}
