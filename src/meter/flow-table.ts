// The flow cache: flows in one piece of memory (flow-slots.ts), found by a table of their hashes (flow-index.ts). Nothing is
// allocated once it stands.

import { FlowHash } from './flow-hash.ts'
import * as key from './flow-key.ts'
import { createFlowIndex } from './flow-index.ts'
import { createFlowLines } from './flow-lines.ts'
import { INITIATOR, type FlowRecord } from './flow-record.ts'
import * as slotsOf from './flow-slots.ts'
import { createFlowTeller } from './flow-teller.ts'
import { END as ENDS, limitsOf, type FlowTimeouts } from './flow-timeouts.ts'
import { BATCH, type PacketRows } from './packet-reader.ts'

// What is imported, the compiler reads again at each use; of constants of a module's own it knows that they stay what they are.
const { BACK, BACK_NUMBER, COLD, HOT, HOT_NUMBER, LINE_BYTES, LINE_NUMBERS, LINE_WORDS } = slotsOf
const { MARK, NO_LENGTH, NO_TTL, STATE, lengthsWith, marked } = slotsOf
const { EGRESS, FIELD, FIELDS } = key
const END = ENDS

const FIN = 0x01
const SYN = 0x02
const RST = 0x04
const ACK = 0x10

const IPV4 = 0x0800

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

export interface FlowTable {
  /** Bytes of all packets that were counted. */
  readonly bytes: number
  /** Flows in it now, and ended so far by reason. */
  readonly count: number
  readonly ended: Float64Array
  /** Bytes that the table may take, and those that flows have used so far. */
  readonly memory: { readonly most: number; readonly used: number }
  /** Slots that a sweep over everything would look at. */
  readonly reach: number
  /** Counts packets that were read; for flows of both directions, aligned (biflow.ts). */
  add(): void
  /**
   * Looks at up to so many slots, from where it stopped last, and ends the flows that are due, up to so many of them. Answers how many
   * slots it did not get to.
   */
  sweep(now: number, slots: number, most?: number): number
  /** Ends the flows in up to so many slots, due or not; false once there are none left. */
  endSome(slots: number, now: number): boolean
}

/** A clock that jumps back leaves flows that seem to lie ahead; those further than this end. */
const MOST_AHEAD_MS = 60_000

/** @param packets whose rows are counted by `add` */
export function createFlowTable(options: FlowTableOptions, packets: PacketRows, report: FlowEnded): FlowTable {
  const { maxFlows, mask, biflow } = options
  const { fields, time, ipLength, tcpFlags, ttl, turned } = packets
  const keyHasMacs = mask[FIELD.srcMacLow] !== 0
  const lines = createFlowLines(maxFlows, biflow)
  const { words, numbers, cold, back, backNumbers } = lines
  const index = createFlowIndex(maxFlows)
  const hash = new FlowHash(mask, options.seed)
  const flowOf = createFlowTeller(lines, biflow)
  const { active: activeMs, idle: idleMs, leastIdle } = limitsOf(options.timeouts)
  const free = new Int32Array(maxFlows)
  const ended = new Float64Array(6)
  // Of the packets that are being added
  const hashes = new Int32Array(BATCH)
  const plain = new Uint8Array(BATCH)
  const slots = new Int32Array(BATCH)
  let count = 0
  /** All flows are being ended, and are in the index no more. */
  let isEmptying = false
  let freeCount = 0
  /** Slots used at least once; and those that the system has given memory for. */
  let used = 0
  let touched = 0
  let hand = 0
  let bytes = 0
  /** Written only, so that no load is left out that is done for the processor's cache alone. */
  const kept = new Int32Array(1)

  // Flows lie all over the memory. Looking first for all that will be needed, one independent load after another, lets the
  // processor wait for many of them at once; done packet by packet it would wait for each.
  function add(): void {
    const rows = packets.count
    if (isEmptying) fillIndex()
    let sum = 0
    for (let row = 0; row < rows; row++) {
      hashes[row] = hashRow(row)
      sum += ipLength[row] as number
    }
    bytes += sum
    index.find(hashes, rows, slots)
    touch(rows)
    for (let row = 0; row < rows; row++) {
      row = countKnown(row, rows)
      if (row < rows) addOne(row)
    }
  }

  function touch(rows: number): void {
    let all = 0
    for (let row = 0; row < rows; row++) {
      const slot = slots[row] as number
      if (slot >= 0) all ^= words[slot * LINE_WORDS] as number
    }
    if (biflow)
      for (let row = 0; row < rows; row++) {
        const slot = slots[row] as number
        if (slot >= 0) all ^= back[slot * LINE_WORDS] as number
      }
    kept[0] = all
  }

  /** The hash of a row's fields; notes whether the row is plain. */
  function hashRow(row: number): number {
    const from = row * FIELDS
    const isPlain =
      !keyHasMacs &&
      (fields[from + FIELD.protocol] as number) >>> 16 === IPV4 &&
      (((fields[from + FIELD.tunnel] as number) & (mask[FIELD.tunnel] as number)) |
        ((fields[from + FIELD.mpls] as number) & (mask[FIELD.mpls] as number))) ===
        0
    plain[row] = isPlain ? 1 : 0
    return isPlain ? hash.ofPlain(fields, from) : hash.of(fields, from)
  }

  /** Counts packets of open flows that go on. Answers the first row that is another one's, or how many rows there are. */
  function countKnown(first: number, rows: number): number {
    if (biflow) return first
    let row = first
    for (; row < rows; row++) {
      const slot = slots[row] as number
      if (slot < 0) break
      const at = slot * LINE_WORDS
      const n = slot * LINE_NUMBERS
      const marks = words[at + HOT.marks] as number
      if ((marks & MARK.state) !== STATE.open || !isSame(row * FIELDS, plain[row] as number, at, marks)) break
      const now = time[row] as number
      const last = numbers[n + HOT_NUMBER.last] as number
      const began = numbers[n + HOT_NUMBER.first] as number
      const idle = now - last
      if (idle >= leastIdle || now - began >= activeMs || idle < -MOST_AHEAD_MS) break
      const length = ipLength[row] as number
      numbers[n + HOT_NUMBER.packets] = (numbers[n + HOT_NUMBER.packets] as number) + 1
      numbers[n + HOT_NUMBER.bytes] = (numbers[n + HOT_NUMBER.bytes] as number) + length
      if (now > last) numbers[n + HOT_NUMBER.last] = now
      else if (now < began) numbers[n + HOT_NUMBER.first] = now
      words[at + HOT.marks] = marked(marks, tcpFlags[row] as number, ttl[row] as number)
      words[at + HOT.lengths] = lengthsWith(words[at + HOT.lengths] as number, length)
    }
    return row
  }

  /** Counts any packet. */
  function addOne(row: number): void {
    const now = time[row] as number
    let slot = slotOf(row)
    if (slot < 0) {
      slot = take(now)
      count++
      index.reserve(count)
      index.enter(hashes[row] as number, slot)
      cold[slot * LINE_WORDS + COLD.hash] = hashes[row] as number
      begin(slot, row)
    } else {
      const reason = dueReason(slot, now)
      if (reason !== 0) again(slot, reason, row)
      else {
        const state = (words[slot * LINE_WORDS + HOT.marks] as number) & MARK.state
        if (state > STATE.open && ((tcpFlags[row] as number) & (SYN | ACK)) === SYN) again(slot, END.detected, row)
      }
    }
    if (biflow) {
      countBoth(row, slot)
      return
    }
    const at = slot * LINE_WORDS
    const n = slot * LINE_NUMBERS
    const length = ipLength[row] as number
    numbers[n + HOT_NUMBER.packets] = (numbers[n + HOT_NUMBER.packets] as number) + 1
    numbers[n + HOT_NUMBER.bytes] = (numbers[n + HOT_NUMBER.bytes] as number) + length
    if (now > (numbers[n + HOT_NUMBER.last] as number)) numbers[n + HOT_NUMBER.last] = now
    else if (now < (numbers[n + HOT_NUMBER.first] as number)) numbers[n + HOT_NUMBER.first] = now
    words[at + HOT.marks] = marked(words[at + HOT.marks] as number, tcpFlags[row] as number, ttl[row] as number)
    words[at + HOT.lengths] = lengthsWith(words[at + HOT.lengths] as number, length)
  }

  /** The slot of a row's flow; -1 if there is none. */
  function slotOf(row: number): number {
    const wanted = hashes[row] as number
    let place = index.next(wanted, index.homeOf(wanted))
    while (place >= 0) {
      const slot = index.slotAt(place)
      const at = slot * LINE_WORDS
      if (isSame(row * FIELDS, plain[row] as number, at, words[at + HOT.marks] as number)) return slot
      place = index.next(wanted, place + 1)
    }
    return -1
  }

  /** Counts a packet of a flow of both directions. */
  function countBoth(row: number, slot: number): void {
    const at = slot * LINE_WORDS
    const n = slot * LINE_NUMBERS
    const now = time[row] as number
    const length = ipLength[row] as number
    const flags = tcpFlags[row] as number
    if (now > (numbers[n + HOT_NUMBER.last] as number)) numbers[n + HOT_NUMBER.last] = now
    else if (now < (numbers[n + HOT_NUMBER.first] as number)) numbers[n + HOT_NUMBER.first] = now
    const marks = words[at + HOT.marks] as number
    if (((marks & MARK.turned) !== 0) === (turned[row] === 1)) {
      const before = numbers[n + HOT_NUMBER.packets] as number
      numbers[n + HOT_NUMBER.packets] = before + 1
      numbers[n + HOT_NUMBER.bytes] = (numbers[n + HOT_NUMBER.bytes] as number) + length
      if (before === 0 || now < (backNumbers[n + BACK_NUMBER.thereFirst] as number))
        backNumbers[n + BACK_NUMBER.thereFirst] = now
      if (before === 0 || now > (backNumbers[n + BACK_NUMBER.thereLast] as number))
        backNumbers[n + BACK_NUMBER.thereLast] = now
      words[at + HOT.marks] = marked(marks, flags, ttl[row] as number)
      words[at + HOT.lengths] = lengthsWith(words[at + HOT.lengths] as number, length)
      return
    }
    const before = backNumbers[n + BACK_NUMBER.packets] as number
    if (before === 0) {
      back[at + BACK.tos] =
        (((fields[row * FIELDS + FIELD.protocol] as number) >>> 8) & 0xff) |
        ((fields[row * FIELDS + FIELD.mpls] as number) & EGRESS)
      back[at + BACK.port] = fields[row * FIELDS + FIELD.port] as number
    }
    backNumbers[n + BACK_NUMBER.packets] = before + 1
    backNumbers[n + BACK_NUMBER.bytes] = (backNumbers[n + BACK_NUMBER.bytes] as number) + length
    if (before === 0 || now < (backNumbers[n + BACK_NUMBER.first] as number)) backNumbers[n + BACK_NUMBER.first] = now
    if (before === 0 || now > (backNumbers[n + BACK_NUMBER.last] as number)) backNumbers[n + BACK_NUMBER.last] = now
    back[at + BACK.marks] = marked(back[at + BACK.marks] as number, flags, ttl[row] as number)
    back[at + BACK.lengths] = lengthsWith(back[at + BACK.lengths] as number, length)
    // The state is that of the flow
    if ((flags & (FIN | RST)) !== 0)
      words[at + HOT.marks] = (marks & ~MARK.state) | ((flags & RST) !== 0 ? STATE.rstSeen : STATE.finSeen)
  }

  function sweep(now: number, most: number, mostEnded = Infinity): number {
    let left = most < used ? most : used
    for (let done = 0; left > 0 && done < mostEnded; left--) {
      if (hand >= used) hand = 0
      const slot = hand++
      if (((words[slot * LINE_WORDS + HOT.marks] as number) & MARK.state) === STATE.free) continue
      const reason = dueReason(slot, now)
      if (reason === 0) continue
      end(slot, reason)
      done++
    }
    return left
  }

  function endSome(most: number, now: number): boolean {
    // Nobody will look for them: they need not be taken out of the index one by one
    isEmptying = true
    for (let left = most; left > 0 && count > 0; left--) {
      if (hand >= used) hand = 0
      const slot = hand++
      if (((words[slot * LINE_WORDS + HOT.marks] as number) & MARK.state) === STATE.free) continue
      const due = dueReason(slot, now)
      end(slot, due === 0 ? END.forced : due)
    }
    return count > 0
  }

  /** Whether a flow, by its words from `at`, has the fields from `from` as far as the key goes. */
  function isSame(from: number, isPlain: number, at: number, marks: number): boolean {
    const different =
      (((fields[from + 3] as number) ^ (words[at + HOT.src] as number)) & (mask[3] as number)) |
      (((fields[from + 7] as number) ^ (words[at + HOT.dst] as number)) & (mask[7] as number)) |
      (((fields[from + 8] as number) ^ (words[at + HOT.ports] as number)) & (mask[8] as number)) |
      (((fields[from + 9] as number) ^ (words[at + HOT.protocol] as number)) & (mask[9] as number)) |
      (((fields[from + 10] as number) ^ (words[at + HOT.vlans] as number)) & (mask[10] as number)) |
      (((fields[from + 11] as number) ^ (words[at + HOT.port] as number)) & (mask[11] as number))
    if (different !== 0) return false
    if ((marks & MARK.plain) !== 0) return isPlain === 1
    return isPlain === 0 && isSameCold(from, at)
  }

  function isSameCold(from: number, at: number): boolean {
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
  function dueReason(slot: number, now: number): number {
    const at = slot * LINE_WORDS
    const n = slot * LINE_NUMBERS
    const idle = now - (numbers[n + HOT_NUMBER.last] as number)
    const state = (words[at + HOT.marks] as number) & MARK.state
    const which = state === STATE.open ? (words[at + HOT.protocol] as number) & 0xff : 254 + (state >>> 12)
    if (idle >= (idleMs[which] as number)) return state === STATE.open ? END.idle : END.detected
    if (now - (numbers[n + HOT_NUMBER.first] as number) >= activeMs) return END.active
    return idle < -MOST_AHEAD_MS ? END.forced : 0
  }

  function begin(slot: number, row: number): void {
    const from = row * FIELDS
    const at = slot * LINE_WORDS
    words[at + HOT.src] = fields[from + FIELD.src + 3] as number
    words[at + HOT.dst] = fields[from + FIELD.dst + 3] as number
    words[at + HOT.ports] = fields[from + FIELD.ports] as number
    words[at + HOT.protocol] = fields[from + FIELD.protocol] as number
    words[at + HOT.vlans] = fields[from + FIELD.vlans] as number
    words[at + HOT.port] = fields[from + FIELD.port] as number
    const isPlain = plain[row] === 1
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
    empty(slot, time[row] as number)
    if (!biflow) return
    if (turned[row] === 1) words[at + HOT.marks] = (words[at + HOT.marks] as number) | MARK.turned
    cold[at + COLD.initiator] = initiatorOf((fields[from + FIELD.protocol] as number) & 0xff, tcpFlags[row] as number)
  }

  /** A flow without packets. */
  function empty(slot: number, now: number): void {
    const n = slot * LINE_NUMBERS
    words[slot * LINE_WORDS + HOT.lengths] = NO_LENGTH
    numbers[n + HOT_NUMBER.packets] = 0
    numbers[n + HOT_NUMBER.bytes] = 0
    numbers[n + HOT_NUMBER.first] = now
    numbers[n + HOT_NUMBER.last] = now
    if (!biflow) return
    back[slot * LINE_WORDS + BACK.marks] = NO_TTL
    back[slot * LINE_WORDS + BACK.lengths] = NO_LENGTH
    backNumbers[n + BACK_NUMBER.packets] = 0
    backNumbers[n + BACK_NUMBER.bytes] = 0
  }

  /** Reports a flow and begins it anew in its place. */
  function again(slot: number, reason: number, row: number): void {
    tell(slot, reason)
    if (!biflow || reason !== END.active) return begin(slot, row)
    // The next piece of it: who began it is not known by its first packet
    const at = slot * LINE_WORDS + HOT.marks
    words[at] = ((words[at] as number) & (MARK.plain | MARK.turned)) | STATE.open | NO_TTL
    empty(slot, time[row] as number)
  }

  function end(slot: number, reason: number): void {
    tell(slot, reason)
    const at = slot * LINE_WORDS
    words[at + HOT.marks] = STATE.free
    count--
    if (isEmptying) {
      if (count === 0) forgetAll()
      return
    }
    index.remove(cold[at + COLD.hash] as number, slot)
    free[freeCount++] = slot
  }

  /** Hands a flow over. */
  function tell(slot: number, reason: number): void {
    ended[reason] = (ended[reason] as number) + 1
    report(flowOf(slot), reason)
  }

  /** A slot for a new flow; where there is none, the one of the next few that rested longest is ended for it. */
  function take(now: number): number {
    if (freeCount > 0) return free[--freeCount] as number
    if (used < maxFlows) {
      if (used === touched) touched++
      return used++
    }
    let oldest = -1
    let since = Infinity
    for (let tries = 0; tries < 16; tries++) {
      if (hand >= used) hand = 0
      const slot = hand++
      const last = numbers[slot * LINE_NUMBERS + HOT_NUMBER.last] as number
      if (last < since) {
        since = last
        oldest = slot
      }
    }
    const due = dueReason(oldest, now)
    end(oldest, due === 0 ? END.lackOfResources : due)
    return free[--freeCount] as number
  }

  function forgetAll(): void {
    index.clear()
    freeCount = 0
    used = 0
    hand = 0
    isEmptying = false
  }

  /** Goes on with the flows that are left where all were to be ended. */
  function fillIndex(): void {
    isEmptying = false
    index.clear()
    freeCount = 0
    for (let slot = 0; slot < used; slot++) {
      const at = slot * LINE_WORDS
      if (((words[at + HOT.marks] as number) & MARK.state) === STATE.free) free[freeCount++] = slot
      else index.enter(cold[at + COLD.hash] as number, slot)
    }
  }

  const lineBytes = (biflow ? 3 : 2) * LINE_BYTES
  return {
    get count() {
      return count
    },
    get bytes() {
      return bytes
    },
    ended,
    get memory() {
      return {
        most: index.mostBytes + free.byteLength + maxFlows * lineBytes,
        used: index.bytes + free.byteLength + touched * lineBytes,
      }
    },
    get reach() {
      return used
    },
    add,
    sweep,
    endSome,
  }
}

/** Who began a connection, as far as its first packet tells. */
function initiatorOf(protocol: number, tcpFlags: number): number {
  if (protocol !== 6) return INITIATOR.source
  if ((tcpFlags & SYN) === 0) return INITIATOR.unknown
  return (tcpFlags & ACK) === 0 ? INITIATOR.source : INITIATOR.destination
}
