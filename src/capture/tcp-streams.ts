// Captured TCP segments (RFC 9293 §3.1) → the bytes of each direction of each connection, in order:
//
//   u16 source port   u16 destination port   u32 sequence   u32 acknowledged   u4 header in words  …  u8 flags  …  options   data
//
// A capture may begin in the middle, miss segments, and hold some twice. What comes early waits, within bounds; what never comes is a gap.
import { ipText } from '../base/address.ts'
import type { IpPayload } from './ip-payloads.ts'

export const TCP = 6

/** One direction of a connection. */
export interface StreamEnd {
  /** Sender's address as 16 bytes, IPv4 mapped. */
  readonly from: Uint8Array
  readonly fromPort: number
  readonly toPort: number
  /** False if the capture begins within the connection. */
  readonly whole: boolean
}

/** Told of each direction that carries bytes; `T` is whatever the teller keeps of it. */
export interface StreamSink<T> {
  /** Bytes come of a direction of which none had come. */
  open(end: StreamEnd): T
  /** Bytes in order, valid only during the call. */
  data(state: T, bytes: Uint8Array): void
  /** So many bytes are not in the capture; what follows is what came behind them. */
  gap(state: T, missing: number): void
  /** So many bytes came again: they have been left out. */
  repeated(state: T, bytes: number): void
  /** The direction has ended, or the capture. */
  close(state: T): void
}

export interface TcpStreams {
  /** Takes what lies behind an IP header; false if it is no TCP segment. */
  segment(payload: IpPayload): boolean
  /** The capture has ended: everything that still waits is handed on. */
  end(): void
}

/** Limits: what waits of one direction and of all, and connections at a time. The one heard longest ago gives way. */
export interface TcpLimits {
  readonly maxWaitingBytes?: number
  readonly maxWaitingSegments?: number
  readonly maxWaitingBytesOfAll?: number
  readonly maxDirections?: number
}

interface Direction<T> {
  readonly end: StreamEnd
  state: T | undefined
  /** Sequence number of the next byte. */
  next: number
  /** Sequence number behind the last byte, once that is known. */
  last: number | undefined
  /** Segments that came early, by sequence number. */
  waiting: { seq: number; bytes: Uint8Array }[]
  waitingBytes: number
}

const FIN = 1
const SYN = 2
const RST = 4

export function createTcpStreams<T>(sink: StreamSink<T>, limits: TcpLimits = {}): TcpStreams {
  const {
    maxWaitingBytes = 1 << 20,
    maxWaitingSegments = 2_048,
    maxWaitingBytesOfAll = 32 << 20,
    maxDirections = 4_096,
  } = limits
  /** The one heard longest ago first. */
  const directions = new Map<string, Direction<T>>()
  let waitingOfAll = 0

  function deliver(direction: Direction<T>, bytes: Uint8Array): void {
    direction.next = (direction.next + bytes.length) >>> 0
    if (bytes.length === 0) return
    direction.state ??= sink.open(direction.end)
    sink.data(direction.state, bytes)
  }

  /** Hands on the bytes from `seq` on that have not been handed on yet. */
  function inOrder(direction: Direction<T>, seq: number, bytes: Uint8Array): void {
    const had = (direction.next - seq) | 0
    const again = Math.min(had, bytes.length)
    // One byte behind the last one is how some ask whether the other side is still there.
    if (again > 1 || (again === 1 && bytes.length > 1)) {
      direction.state ??= sink.open(direction.end)
      sink.repeated(direction.state, again)
    }
    if (had < bytes.length) deliver(direction, bytes.subarray(had))
  }

  /** Hands on what had come early and is now due. */
  function drain(direction: Direction<T>): void {
    let due = 0
    for (const { seq, bytes } of direction.waiting) {
      if (((seq - direction.next) | 0) > 0) break
      due++
      direction.waitingBytes -= bytes.length
      waitingOfAll -= bytes.length
      inOrder(direction, seq, bytes)
    }
    if (due > 0) direction.waiting.splice(0, due)
  }

  /** Gives up on what is missing before the first segment that waits. */
  function skip(direction: Direction<T>): void {
    const [first] = direction.waiting
    if (first === undefined) return
    const missing = (first.seq - direction.next) >>> 0
    direction.state ??= sink.open(direction.end)
    sink.gap(direction.state, missing)
    direction.next = first.seq
    drain(direction)
  }

  function wait(direction: Direction<T>, seq: number, bytes: Uint8Array): void {
    const { waiting } = direction
    let at = waiting.length
    while (at > 0 && ((seq - (waiting[at - 1] as { seq: number }).seq) | 0) < 0) at--
    waiting.splice(at, 0, { seq, bytes: Uint8Array.from(bytes) })
    direction.waitingBytes += bytes.length
    waitingOfAll += bytes.length
    while (
      waiting.length > maxWaitingSegments ||
      direction.waitingBytes > maxWaitingBytes ||
      (waitingOfAll > maxWaitingBytesOfAll && waiting.length > 0)
    )
      skip(direction)
  }

  function close(key: string, direction: Direction<T>): void {
    directions.delete(key)
    while (direction.waiting.length > 0) skip(direction)
    if (direction.state === undefined) return
    const missing = direction.last === undefined ? 0 : (direction.last - direction.next) | 0
    if (missing > 0) sink.gap(direction.state, missing)
    sink.close(direction.state)
  }

  function directionOf(key: string, payload: IpPayload, view: DataView, seq: number, whole: boolean): Direction<T> {
    const known = directions.get(key)
    if (known) directions.delete(key)
    else if (directions.size >= maxDirections) {
      const [oldest] = directions
      if (oldest) close(...oldest)
    }
    const direction = known ?? {
      end: { from: payload.from, fromPort: view.getUint16(0), toPort: view.getUint16(2), whole },
      state: undefined,
      next: seq,
      last: undefined,
      waiting: [],
      waitingBytes: 0,
    }
    directions.set(key, direction)
    return direction
  }

  return {
    segment(payload) {
      const { bytes, from, to } = payload
      if (bytes.length < 20) return false
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      const header = ((bytes[12] as number) >> 2) & ~3
      if (header < 20 || header > bytes.length) return false
      const flags = bytes[13] as number
      const data = bytes.subarray(header)
      const syn = (flags & SYN) !== 0
      const seq = (view.getUint32(4) + (syn ? 1 : 0)) >>> 0
      const key = `${ipText(from)} ${view.getUint16(0)} ${ipText(to)} ${view.getUint16(2)}`
      const before = directions.get(key)
      // Ports are used again: a connection that begins anew ends the one before.
      if (syn && before && (before.state !== undefined || before.next !== seq)) close(key, before)
      // A side that only listens has nothing that needs to be kept.
      if (!directions.has(key) && !syn && data.length === 0) return true
      const direction = directionOf(key, payload, view, seq, syn)
      if (((seq - direction.next) | 0) > 0 && data.length > 0) wait(direction, seq, data)
      else {
        inOrder(direction, seq, data)
        drain(direction)
      }
      if ((flags & FIN) !== 0) direction.last = (seq + data.length) >>> 0
      if ((flags & RST) !== 0 || direction.last === direction.next) close(key, direction)
      return true
    },
    end() {
      for (const [key, direction] of directions) close(key, direction)
    },
  }
}
