// The flow cache: flows in one piece of memory (flow-slots.ts), found by an open-addressing table of their hashes. Nothing is
// allocated once it stands; memory that no flow has used yet is not taken from the system.

import { createTableMemory } from '../base/huge-pages.ts'
import { FlowHash } from './flow-hash.ts'
import { EGRESS, FIELD, FIELDS } from './flow-key.ts'
import { FlowRecord, INITIATOR } from './flow-record.ts'
import {
  BACK,
  BACK_NUMBER,
  COLD,
  HOT,
  HOT_NUMBER,
  LINE_BYTES,
  LINE_NUMBERS,
  lengthsWith,
  LINE_WORDS,
  MARK,
  marked,
  NO_LENGTH,
  NO_TTL,
  STATE,
} from './flow-slots.ts'
import { BATCH, type PacketReader } from './packet-reader.ts'

/** Why a flow ended (IPFIX flowEndReason, element 136). */
export const END = { idle: 1, active: 2, detected: 3, forced: 4, lackOfResources: 5 } as const

const FIN = 0x01
const SYN = 0x02
const RST = 0x04
const ACK = 0x10

const IPV4 = 0x0800
const IPV4_MAPPED = 0xffff0000

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
  /** Whether both directions are one flow. */
  readonly biflow: boolean
}

/** Takes a flow that has ended; the record is written over afterwards. */
export type FlowEnded = (flow: FlowRecord, reason: number) => void

/** Places of the index to begin with, and of the next one; the third is as large as the cache. */
const FEW_PLACES = 1 << 15
const MORE_PLACES = 1 << 17

/** A clock that jumps back leaves flows that seem to lie ahead; those further than this end. */
const MOST_AHEAD_MS = 60_000

export class FlowTable {
  /** Flows in it now, and ended so far by reason. */
  count = 0
  readonly ended = new Float64Array(6)
  private readonly words: Uint32Array
  private readonly numbers: Float64Array
  private readonly cold: Uint32Array
  private readonly back: Uint32Array
  private readonly backNumbers: Float64Array
  private readonly biflow: boolean
  /** Pairs of hash and slot + 1. */
  private index: Int32Array
  private indexMask: number
  /** All flows are being ended, and are in the index no more. */
  private isEmptying = false
  private readonly mask: Uint32Array
  private readonly keyHasMacs: boolean
  private readonly free: Int32Array
  private freeCount = 0
  /** Slots used at least once. */
  private used = 0
  /** Slots that the system has given memory for. */
  private touched = 0
  private hand = 0
  private readonly maxFlows: number
  private readonly hash: FlowHash
  private readonly report: FlowEnded
  private readonly record = new FlowRecord()
  private readonly activeMs: number
  private readonly idleMs: Float64Array
  private readonly hashes = new Int32Array(BATCH)
  private readonly plain = new Uint8Array(BATCH)
  private readonly slots = new Int32Array(BATCH)
  /** Kept so that the loads before it are not left out. */
  met = 0

  constructor(options: FlowTableOptions, report: FlowEnded) {
    const { maxFlows, timeouts, biflow } = options
    this.maxFlows = maxFlows
    this.biflow = biflow
    this.mask = options.mask
    this.keyHasMacs = this.mask[FIELD.srcMacLow] !== 0
    this.hash = new FlowHash(options.mask, options.seed)
    this.report = report
    const places = Math.min(FEW_PLACES, placesFor(maxFlows))
    this.indexMask = places - 1
    const lines = maxFlows * LINE_BYTES
    const [hot, cold, index, back] = createTableMemory([lines, lines, 8 * places, biflow ? lines : 0])
    this.words = new Uint32Array(hot!.buffer, hot!.offset, maxFlows * LINE_WORDS)
    this.numbers = new Float64Array(hot!.buffer, hot!.offset, maxFlows * LINE_NUMBERS)
    this.cold = new Uint32Array(cold!.buffer, cold!.offset, maxFlows * LINE_WORDS)
    this.index = new Int32Array(index!.buffer, index!.offset, 2 * places)
    this.back = new Uint32Array(back!.buffer, back!.offset, biflow ? maxFlows * LINE_WORDS : 0)
    this.backNumbers = new Float64Array(back!.buffer, back!.offset, biflow ? maxFlows * LINE_NUMBERS : 0)
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
    const places = this.index.byteLength
    const most = 8 * placesFor(this.maxFlows)
    const lines = this.biflow ? 3 : 2
    const each = lines * LINE_BYTES
    return {
      most: most + this.free.byteLength + this.maxFlows * each,
      used: places + this.free.byteLength + this.touched * each,
    }
  }

  /** Counts packets that were read; for flows of both directions, aligned (biflow.ts). */
  add(packets: PacketReader): void {
    const { count, fields } = packets
    const { hashes } = this
    if (this.isEmptying) this.fillIndex()
    for (let row = 0; row < count; row++) hashes[row] = this.hashRow(fields, row)
    this.touch(count)
    for (let row = 0; row < count; row++) this.addOne(packets, row, hashes[row] as number)
  }

  // Flows lie all over the memory. Reading first what will be needed, one independent load after another, lets the processor
  // wait for many of them at once; done packet by packet it would wait for each.
  private touch(count: number): void {
    const { hashes, index, indexMask, words, slots } = this
    for (let row = 0; row < count; row++) slots[row] = index[2 * ((hashes[row] as number) & indexMask) + 1] as number
    let met = 0
    for (let row = 0; row < count; row++) {
      const slot = slots[row] as number
      if (slot > 0) met ^= words[(slot - 1) * LINE_WORDS] as number
    }
    if (this.biflow)
      for (let row = 0; row < count; row++) {
        const slot = slots[row] as number
        if (slot > 0) met ^= this.back[(slot - 1) * LINE_WORDS] as number
      }
    this.met = met
  }

  private addOne(packets: PacketReader, row: number, hash: number): void {
    const { words, numbers, index, indexMask } = this
    const { fields } = packets
    const from = row * FIELDS
    const now = packets.time[row] as number
    const isPlain = this.plain[row] === 1
    let place = hash & indexMask
    let slot = -1
    for (;;) {
      const found = index[2 * place + 1] as number
      if (found === 0) break
      if (index[2 * place] === hash && this.isSame(fields, from, isPlain, found - 1)) {
        slot = found - 1
        break
      }
      place = (place + 1) & indexMask
    }
    if (slot < 0) {
      slot = this.take(now)
      this.count++
      if (2 * this.count > this.indexMask + 1) this.growIndex()
      // Making room may have moved what stood behind: look for the end of the chain again
      this.enter(hash, slot)
      this.cold[slot * LINE_WORDS + COLD.hash] = hash
      this.begin(slot, packets, row)
    } else {
      const reason = this.dueReason(slot, now)
      if (reason !== 0) this.again(slot, reason, packets, row)
      else {
        const state = (words[slot * LINE_WORDS + HOT.marks] as number) & MARK.state
        if (state > STATE.open && ((packets.tcpFlags[row] as number) & (SYN | ACK)) === SYN)
          this.again(slot, END.detected, packets, row)
      }
    }
    if (this.biflow) {
      this.countBoth(packets, row, slot)
      return
    }
    const at = slot * LINE_WORDS
    const n = slot * LINE_NUMBERS
    const length = packets.ipLength[row] as number
    numbers[n + HOT_NUMBER.packets] = (numbers[n + HOT_NUMBER.packets] as number) + 1
    numbers[n + HOT_NUMBER.bytes] = (numbers[n + HOT_NUMBER.bytes] as number) + length
    if (now > (numbers[n + HOT_NUMBER.last] as number)) numbers[n + HOT_NUMBER.last] = now
    else if (now < (numbers[n + HOT_NUMBER.first] as number)) numbers[n + HOT_NUMBER.first] = now
    words[at + HOT.marks] = marked(
      words[at + HOT.marks] as number,
      packets.tcpFlags[row] as number,
      packets.ttl[row] as number,
    )
    words[at + HOT.lengths] = lengthsWith(words[at + HOT.lengths] as number, length)
  }

  /** Counts a packet of a flow of both directions. */
  private countBoth(packets: PacketReader, row: number, slot: number): void {
    const { words, numbers, back, backNumbers } = this
    const at = slot * LINE_WORDS
    const n = slot * LINE_NUMBERS
    const now = packets.time[row] as number
    const length = packets.ipLength[row] as number
    const flags = packets.tcpFlags[row] as number
    const ttl = packets.ttl[row] as number
    if (now > (numbers[n + HOT_NUMBER.last] as number)) numbers[n + HOT_NUMBER.last] = now
    else if (now < (numbers[n + HOT_NUMBER.first] as number)) numbers[n + HOT_NUMBER.first] = now
    const marks = words[at + HOT.marks] as number
    if (((marks & MARK.turned) !== 0) === (packets.turned[row] === 1)) {
      const before = numbers[n + HOT_NUMBER.packets] as number
      numbers[n + HOT_NUMBER.packets] = before + 1
      numbers[n + HOT_NUMBER.bytes] = (numbers[n + HOT_NUMBER.bytes] as number) + length
      if (before === 0 || now < (backNumbers[n + BACK_NUMBER.thereFirst] as number))
        backNumbers[n + BACK_NUMBER.thereFirst] = now
      if (before === 0 || now > (backNumbers[n + BACK_NUMBER.thereLast] as number))
        backNumbers[n + BACK_NUMBER.thereLast] = now
      words[at + HOT.marks] = marked(marks, flags, ttl)
      words[at + HOT.lengths] = lengthsWith(words[at + HOT.lengths] as number, length)
      return
    }
    const before = backNumbers[n + BACK_NUMBER.packets] as number
    if (before === 0) {
      const { fields } = packets
      back[at + BACK.tos] =
        (((fields[row * FIELDS + FIELD.protocol] as number) >>> 8) & 0xff) |
        ((fields[row * FIELDS + FIELD.mpls] as number) & EGRESS)
      back[at + BACK.port] = fields[row * FIELDS + FIELD.port] as number
    }
    backNumbers[n + BACK_NUMBER.packets] = before + 1
    backNumbers[n + BACK_NUMBER.bytes] = (backNumbers[n + BACK_NUMBER.bytes] as number) + length
    if (before === 0 || now < (backNumbers[n + BACK_NUMBER.first] as number)) backNumbers[n + BACK_NUMBER.first] = now
    if (before === 0 || now > (backNumbers[n + BACK_NUMBER.last] as number)) backNumbers[n + BACK_NUMBER.last] = now
    back[at + BACK.marks] = marked(back[at + BACK.marks] as number, flags, ttl)
    back[at + BACK.lengths] = lengthsWith(back[at + BACK.lengths] as number, length)
    // The state is that of the flow
    if ((flags & (FIN | RST)) !== 0)
      words[at + HOT.marks] = (marks & ~MARK.state) | ((flags & RST) !== 0 ? STATE.rstSeen : STATE.finSeen)
  }

  /**
   * Looks at up to so many slots, from where it stopped last, and ends the flows that are due, up to so many of them. Answers how many
   * slots it did not get to.
   */
  sweep(now: number, slots: number, most = Infinity): number {
    const { words } = this
    let left = slots < this.used ? slots : this.used
    for (let ended = 0; left > 0 && ended < most; left--) {
      if (this.hand >= this.used) this.hand = 0
      const slot = this.hand++
      if (((words[slot * LINE_WORDS + HOT.marks] as number) & MARK.state) === STATE.free) continue
      const reason = this.dueReason(slot, now)
      if (reason === 0) continue
      this.end(slot, reason)
      ended++
    }
    return left
  }

  /** Ends the flows in up to so many slots, due or not; false once there are none left. */
  endSome(slots: number, now: number): boolean {
    // Nobody will look for them: they need not be taken out of the index one by one
    this.isEmptying = true
    for (let left = slots; left > 0 && this.count > 0; left--) {
      if (this.hand >= this.used) this.hand = 0
      const slot = this.hand++
      if (((this.words[slot * LINE_WORDS + HOT.marks] as number) & MARK.state) === STATE.free) continue
      const due = this.dueReason(slot, now)
      this.end(slot, due === 0 ? END.forced : due)
    }
    return this.count > 0
  }

  /** Slots that a sweep over everything would look at. */
  get reach(): number {
    return this.used
  }

  /** The hash of a row's fields; notes whether the row is plain. */
  private hashRow(fields: Uint32Array, row: number): number {
    const from = row * FIELDS
    const { mask } = this
    const isPlain =
      !this.keyHasMacs &&
      (fields[from + FIELD.protocol] as number) >>> 16 === IPV4 &&
      (((fields[from + FIELD.tunnel] as number) & (mask[FIELD.tunnel] as number)) |
        ((fields[from + FIELD.mpls] as number) & (mask[FIELD.mpls] as number))) ===
        0
    this.plain[row] = isPlain ? 1 : 0
    return isPlain ? this.hash.ofPlain(fields, from) : this.hash.of(fields, from)
  }

  private isSame(fields: Uint32Array, from: number, isPlain: boolean, slot: number): boolean {
    const { words, mask } = this
    const at = slot * LINE_WORDS
    const different =
      (((fields[from + 3] as number) ^ (words[at + HOT.src] as number)) & (mask[3] as number)) |
      (((fields[from + 7] as number) ^ (words[at + HOT.dst] as number)) & (mask[7] as number)) |
      (((fields[from + 8] as number) ^ (words[at + HOT.ports] as number)) & (mask[8] as number)) |
      (((fields[from + 9] as number) ^ (words[at + HOT.protocol] as number)) & (mask[9] as number)) |
      (((fields[from + 10] as number) ^ (words[at + HOT.vlans] as number)) & (mask[10] as number)) |
      (((fields[from + 11] as number) ^ (words[at + HOT.port] as number)) & (mask[11] as number))
    if (different !== 0) return false
    if (((words[at + HOT.marks] as number) & MARK.plain) !== 0) return isPlain
    return !isPlain && this.isSameCold(fields, from, at)
  }

  private isSameCold(fields: Uint32Array, from: number, at: number): boolean {
    const { cold, mask } = this
    const different =
      (((fields[from + 0] as number) ^ (cold[at + 0] as number)) & (mask[0] as number)) |
      (((fields[from + 1] as number) ^ (cold[at + 1] as number)) & (mask[1] as number)) |
      (((fields[from + 2] as number) ^ (cold[at + 2] as number)) & (mask[2] as number)) |
      (((fields[from + 4] as number) ^ (cold[at + 3] as number)) & (mask[4] as number)) |
      (((fields[from + 5] as number) ^ (cold[at + 4] as number)) & (mask[5] as number)) |
      (((fields[from + 6] as number) ^ (cold[at + 5] as number)) & (mask[6] as number)) |
      (((fields[from + 12] as number) ^ (cold[at + 6] as number)) & (mask[12] as number)) |
      (((fields[from + 13] as number) ^ (cold[at + 7] as number)) & (mask[13] as number)) |
      (((fields[from + 14] as number) ^ (cold[at + 8] as number)) & (mask[14] as number)) |
      (((fields[from + 15] as number) ^ (cold[at + 9] as number)) & (mask[15] as number)) |
      (((fields[from + 16] as number) ^ (cold[at + 10] as number)) & (mask[16] as number))
    return different === 0
  }

  /** Why a flow is to end now; 0 if it is not. */
  private dueReason(slot: number, now: number): number {
    const { words, numbers } = this
    const at = slot * LINE_WORDS
    const n = slot * LINE_NUMBERS
    const idle = now - (numbers[n + HOT_NUMBER.last] as number)
    const state = (words[at + HOT.marks] as number) & MARK.state
    const which = state === STATE.open ? (words[at + HOT.protocol] as number) & 0xff : 254 + (state >>> 12)
    if (idle >= (this.idleMs[which] as number)) return state === STATE.open ? END.idle : END.detected
    if (now - (numbers[n + HOT_NUMBER.first] as number) >= this.activeMs) return END.active
    return idle < -MOST_AHEAD_MS ? END.forced : 0
  }

  private begin(slot: number, packets: PacketReader, row: number): void {
    const { words, cold } = this
    const { fields } = packets
    const from = row * FIELDS
    const at = slot * LINE_WORDS
    words[at + HOT.src] = fields[from + FIELD.src + 3] as number
    words[at + HOT.dst] = fields[from + FIELD.dst + 3] as number
    words[at + HOT.ports] = fields[from + FIELD.ports] as number
    words[at + HOT.protocol] = fields[from + FIELD.protocol] as number
    words[at + HOT.vlans] = fields[from + FIELD.vlans] as number
    words[at + HOT.port] = fields[from + FIELD.port] as number
    const isPlain = this.plain[row] === 1
    words[at + HOT.marks] = STATE.open | NO_TTL | (isPlain ? MARK.plain : 0)
    if (!isPlain)
      for (let w = 0; w < 3; w++) {
        cold[at + COLD.src + w] = fields[from + FIELD.src + w] as number
        cold[at + COLD.dst + w] = fields[from + FIELD.dst + w] as number
      }
    cold[at + COLD.srcMacLow] = fields[from + FIELD.srcMacLow] as number
    cold[at + COLD.dstMacLow] = fields[from + FIELD.dstMacLow] as number
    cold[at + COLD.macsHigh] = fields[from + FIELD.macsHigh] as number
    cold[at + COLD.tunnel] = fields[from + FIELD.tunnel] as number
    cold[at + COLD.mpls] = fields[from + FIELD.mpls] as number
    this.empty(slot, packets.time[row] as number)
    if (!this.biflow) return
    if (packets.turned[row] === 1) words[at + HOT.marks] = (words[at + HOT.marks] as number) | MARK.turned
    cold[at + COLD.initiator] = initiatorOf(
      (fields[from + FIELD.protocol] as number) & 0xff,
      packets.tcpFlags[row] as number,
    )
  }

  /** A flow without packets. */
  private empty(slot: number, now: number): void {
    const n = slot * LINE_NUMBERS
    const { numbers, backNumbers } = this
    this.words[slot * LINE_WORDS + HOT.lengths] = NO_LENGTH
    numbers[n + HOT_NUMBER.packets] = 0
    numbers[n + HOT_NUMBER.bytes] = 0
    numbers[n + HOT_NUMBER.first] = now
    numbers[n + HOT_NUMBER.last] = now
    if (!this.biflow) return
    this.back[slot * LINE_WORDS + BACK.marks] = NO_TTL
    this.back[slot * LINE_WORDS + BACK.lengths] = NO_LENGTH
    backNumbers[n + BACK_NUMBER.packets] = 0
    backNumbers[n + BACK_NUMBER.bytes] = 0
  }

  /** Reports a flow and begins it anew in its place. */
  private again(slot: number, reason: number, packets: PacketReader, row: number): void {
    this.tell(slot, reason)
    if (!this.biflow || reason !== END.active) return this.begin(slot, packets, row)
    // The next piece of it: who began it is not known by its first packet
    const at = slot * LINE_WORDS + HOT.marks
    this.words[at] = ((this.words[at] as number) & (MARK.plain | MARK.turned)) | STATE.open | NO_TTL
    this.empty(slot, packets.time[row] as number)
  }

  private end(slot: number, reason: number): void {
    this.tell(slot, reason)
    const at = slot * LINE_WORDS
    this.words[at + HOT.marks] = STATE.free
    this.count--
    if (this.isEmptying) {
      if (this.count === 0) this.forgetAll()
      return
    }
    this.remove((this.cold[at + COLD.hash] as number) | 0, slot)
    this.free[this.freeCount++] = slot
  }

  /** Hands a flow over. */
  private tell(slot: number, reason: number): void {
    this.ended[reason] = (this.ended[reason] as number) + 1
    const { words, numbers, cold, record } = this
    const { fields, there } = record
    const at = slot * LINE_WORDS
    const n = slot * LINE_NUMBERS
    const marks = words[at + HOT.marks] as number
    if ((marks & MARK.plain) !== 0) {
      fields[FIELD.src] = 0
      fields[FIELD.src + 1] = 0
      fields[FIELD.src + 2] = IPV4_MAPPED
      fields[FIELD.dst] = 0
      fields[FIELD.dst + 1] = 0
      fields[FIELD.dst + 2] = IPV4_MAPPED
    } else
      for (let w = 0; w < 3; w++) {
        fields[FIELD.src + w] = cold[at + COLD.src + w] as number
        fields[FIELD.dst + w] = cold[at + COLD.dst + w] as number
      }
    fields[FIELD.src + 3] = words[at + HOT.src] as number
    fields[FIELD.dst + 3] = words[at + HOT.dst] as number
    fields[FIELD.ports] = words[at + HOT.ports] as number
    const protocol = words[at + HOT.protocol] as number
    fields[FIELD.protocol] = protocol
    fields[FIELD.vlans] = words[at + HOT.vlans] as number
    fields[FIELD.port] = words[at + HOT.port] as number
    fields[FIELD.srcMacLow] = cold[at + COLD.srcMacLow] as number
    fields[FIELD.dstMacLow] = cold[at + COLD.dstMacLow] as number
    fields[FIELD.macsHigh] = cold[at + COLD.macsHigh] as number
    fields[FIELD.tunnel] = cold[at + COLD.tunnel] as number
    const mpls = cold[at + COLD.mpls] as number
    fields[FIELD.mpls] = mpls
    there.tos = (protocol >>> 8) & 0xff
    there.port = words[at + HOT.port] as number
    there.isEgress = mpls >>> 31 === 1
    there.setMarks(marks, words[at + HOT.lengths] as number)
    there.count(
      numbers[n + HOT_NUMBER.packets] as number,
      numbers[n + HOT_NUMBER.bytes] as number,
      numbers[n + HOT_NUMBER.first] as number,
      numbers[n + HOT_NUMBER.last] as number,
    )
    if (this.biflow) this.tellBack(at, n, marks)
    this.report(record, reason)
  }

  private tellBack(at: number, n: number, marks: number): void {
    const { numbers, cold, back, backNumbers, record } = this
    record.initiator = cold[at + COLD.initiator] as number
    record.there.count(
      numbers[n + HOT_NUMBER.packets] as number,
      numbers[n + HOT_NUMBER.bytes] as number,
      backNumbers[n + BACK_NUMBER.thereFirst] as number,
      backNumbers[n + BACK_NUMBER.thereLast] as number,
    )
    const tos = back[at + BACK.tos] as number
    record.back.tos = tos & 0xff
    record.back.isEgress = tos >>> 31 === 1
    record.back.port = back[at + BACK.port] as number
    record.back.setMarks(back[at + BACK.marks] as number, back[at + BACK.lengths] as number)
    record.back.count(
      backNumbers[n + BACK_NUMBER.packets] as number,
      backNumbers[n + BACK_NUMBER.bytes] as number,
      backNumbers[n + BACK_NUMBER.first] as number,
      backNumbers[n + BACK_NUMBER.last] as number,
    )
    if ((marks & MARK.turned) !== 0) record.turnFields()
    // Nothing in this piece from the side that sent the first packet of the flow
    if (record.there.packets === 0) record.turn()
  }

  /** A slot for a new flow; where there is none, the one of the next few that rested longest is ended for it. */
  private take(now: number): number {
    if (this.freeCount > 0) return this.free[--this.freeCount] as number
    if (this.used < this.maxFlows) {
      if (this.used === this.touched) this.touched++
      return this.used++
    }
    let oldest = -1
    let since = Infinity
    for (let tries = 0; tries < 16; tries++) {
      if (this.hand >= this.used) this.hand = 0
      const slot = this.hand++
      const last = this.numbers[slot * LINE_NUMBERS + HOT_NUMBER.last] as number
      if (last < since) {
        since = last
        oldest = slot
      }
    }
    const due = this.dueReason(oldest, now)
    this.end(oldest, due === 0 ? END.lackOfResources : due)
    return this.free[--this.freeCount] as number
  }

  private enter(hash: number, slot: number): void {
    const { index, indexMask } = this
    let place = hash & indexMask
    while (index[2 * place + 1] !== 0) place = (place + 1) & indexMask
    index[2 * place] = hash
    index[2 * place + 1] = slot + 1
  }

  /**
   * A large index is a slow one where few flows lie scattered over it. It becomes as large as it may long before there are so many
   * flows that moving them would be noticed.
   */
  private growIndex(): void {
    const before = this.index
    const most = placesFor(this.maxFlows)
    const places = this.indexMask + 1 < MORE_PLACES ? Math.min(MORE_PLACES, most) : most
    if (places === this.indexMask + 1) return
    const [memory] = createTableMemory([8 * places])
    this.index = new Int32Array(memory!.buffer, memory!.offset, 2 * places)
    this.indexMask = places - 1
    for (let at = 0; at < before.length; at += 2)
      if (before[at + 1] !== 0) this.enter(before[at] as number, (before[at + 1] as number) - 1)
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

  private forgetAll(): void {
    this.index.fill(0)
    this.freeCount = 0
    this.used = 0
    this.hand = 0
    this.isEmptying = false
  }

  /** Goes on with the flows that are left where all were to be ended. */
  private fillIndex(): void {
    const { words } = this
    this.isEmptying = false
    this.index.fill(0)
    this.freeCount = 0
    for (let slot = 0; slot < this.used; slot++) {
      if (((words[slot * LINE_WORDS + HOT.marks] as number) & MARK.state) === STATE.free) {
        this.free[this.freeCount++] = slot
        continue
      }
      this.enter((this.cold[slot * LINE_WORDS + COLD.hash] as number) | 0, slot)
    }
  }
}

/** Places of the index: at least two a flow. */
function placesFor(flows: number): number {
  let places = 16
  while (places < 2 * flows) places *= 2
  return places
}

/** Who began a connection, as far as its first packet tells. */
function initiatorOf(protocol: number, tcpFlags: number): number {
  if (protocol !== 6) return INITIATOR.source
  if ((tcpFlags & SYN) === 0) return INITIATOR.unknown
  return (tcpFlags & ACK) === 0 ? INITIATOR.source : INITIATOR.destination
}
