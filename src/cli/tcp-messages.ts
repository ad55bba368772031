// IPFIX over TCP (RFC 7011 §10.4) as a capture has it: the bytes of a connection, some of them missing, → whole messages.
import { ipText } from '../base/address.ts'
import { createTcpStreams, type StreamEnd, type TcpStreams } from '../capture/tcp-streams.ts'
import { flowProtocol } from './flow-protocol.ts'

export type StreamProblem =
  /** Bytes are not in the capture: the messages that they were of are lost. */
  | 'stream_gap'
  /** The capture begins within the connection. */
  | 'stream_midway'
  /** Bytes came again, and were left out. */
  | 'stream_repeated'
  /** What follows a message is none. */
  | 'bad_stream'
  /** The connection, or the capture, ends within a message. */
  | 'truncated'

/** One message of a connection. */
export interface StreamMessage {
  readonly bytes: Uint8Array
  readonly from: string
  readonly fromPort: number
}

export interface StreamTrouble {
  readonly code: StreamProblem
  /** Where in the stream, in bytes from its first one in the capture. */
  readonly offset: number
  readonly from: string
  /** How many bytes are missing or came again; undefined where that can't be known. */
  readonly bytes?: number
}

export interface MessageSink {
  /** Its bytes are valid only during the call. */
  message(message: StreamMessage): void
  problem(trouble: StreamTrouble): void
  /** One direction of a connection has ended that carried no IPFIX. */
  foreign(): void
}

const HEADER = 16
/** The header and that of the first set: as much as is needed to know a message when one begins. */
const START = 20
/** Bytes that are looked through for a message before a stream counts as something else. */
const MOST_SEARCHED = 1 << 20
const DAY_S = 86_400
const IPFIX = 10
const NOTHING = new Uint8Array(0)

interface Stream {
  readonly from: string
  readonly fromPort: number
  /** Bytes that are not cut into messages yet. */
  held: Uint8Array
  /** Bytes of the stream before those. */
  offset: number
  /** It had a message. */
  known: boolean
  /** It is no IPFIX, or what followed was not. */
  foreign: boolean
  /** Where a message begins is not known, and since how many bytes. */
  lost: boolean
  /** The capture has not the start of it. */
  midway: boolean
  searched: number
  /** Of the last message, to know others by. */
  domain: number
  exported: number
}

/** Takes TCP segments, gives the messages of those connections that carry IPFIX. */
export function createTcpMessages(sink: MessageSink): TcpStreams {
  /** @param at the place, in bytes from the first one that is held. */
  function problem(stream: Stream, code: StreamProblem, at: number, bytes?: number): void {
    sink.problem({ code, offset: stream.offset + at, from: stream.from, ...(bytes === undefined ? {} : { bytes }) })
  }

  /** Cuts what is held into messages, as far as they are whole. */
  function cut(stream: Stream): void {
    const { held } = stream
    const view = new DataView(held.buffer, held.byteOffset, held.length)
    let at = 0
    for (;;) {
      if (stream.lost) {
        const found = find(stream, view, at)
        stream.searched += found - at
        at = found
        if (held.length - at < START) break
        stream.lost = false
      }
      if (held.length - at < HEADER) break
      const length = view.getUint16(at + 2)
      const start = held.subarray(at, at + Math.min(START, Math.max(HEADER, length)))
      if (view.getUint16(at) !== IPFIX || length < HEADER || flowProtocol(start) !== 'netflow') {
        stream.foreign = !stream.known
        if (stream.foreign) break
        problem(stream, 'bad_stream', at)
        stream.lost = true
        stream.searched = 0
        at++
      } else if (held.length - at < length) break
      else {
        if (stream.midway) problem(stream, 'stream_midway', at)
        stream.midway = false
        stream.known = true
        stream.exported = view.getUint32(at + 4)
        stream.domain = view.getUint32(at + 12)
        sink.message({ bytes: held.subarray(at, at + length), from: stream.from, fromPort: stream.fromPort })
        at += length
      }
    }
    if (stream.lost && stream.searched > MOST_SEARCHED) stream.foreign = true
    stream.offset += stream.foreign ? held.length : at
    stream.held = stream.foreign ? NOTHING : held.slice(at)
  }

  /** Where the next message may begin; if there is none, the first place of which that can't be said yet. */
  function find(stream: Stream, view: DataView, from: number): number {
    let at = from
    while (view.byteLength - at >= START && !isMessage(view, at, stream)) at++
    return at
  }

  return createTcpStreams<Stream>({
    open: ({ from, fromPort, whole }: StreamEnd) => ({
      from: ipText(from),
      fromPort,
      held: NOTHING,
      offset: 0,
      known: false,
      foreign: false,
      lost: !whole,
      midway: !whole,
      searched: 0,
      domain: -1,
      exported: 0,
    }),
    data(stream, bytes) {
      if (stream.foreign) return
      const grown = new Uint8Array(stream.held.length + bytes.length)
      grown.set(stream.held)
      grown.set(bytes, stream.held.length)
      stream.held = grown
      cut(stream)
    },
    gap(stream, missing) {
      // Of a stream that is no IPFIX nothing is said.
      if (stream.known) problem(stream, 'stream_gap', stream.held.length, missing)
      stream.offset += stream.held.length + missing
      stream.held = NOTHING
      stream.lost = true
      stream.searched = 0
    },
    repeated(stream, bytes) {
      if (stream.known) problem(stream, 'stream_repeated', stream.held.length, bytes)
    },
    close(stream) {
      if (!stream.known) sink.foreign()
      else if (stream.held.length > 0 && !stream.lost) problem(stream, 'truncated', stream.held.length)
    },
  })
}

/** True if an IPFIX message of this stream may begin here: nothing marks one, but few other bytes look so. */
function isMessage(view: DataView, at: number, { known, domain, exported }: Stream): boolean {
  const length = view.getUint16(at + 2)
  if (view.getUint16(at) !== IPFIX || length < START) return false
  const set = view.getUint16(at + 16)
  const setLength = view.getUint16(at + 18)
  if ((set !== 2 && set !== 3 && set < 256) || setLength < 4 || setLength > length - HEADER) return false
  return !known || (view.getUint32(at + 12) === domain && Math.abs(view.getUint32(at + 4) - exported) <= DAY_S)
}
