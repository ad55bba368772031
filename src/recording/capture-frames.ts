import { ByteWindow } from '../capture/byte-window.ts'

// What goes over the connection of a remote capture, inside of TLS:
//
//   frame  kind ·1 length ·3 body
//
// The client sends a request, and `stop` if it wants the end. The server answers `refused`, or `accepted`, then interfaces and
// packets (enhanced packet blocks of pcapng, whose interface numbers count the interfaces that were told), counts each second,
// and `ended`. All bodies but those of packets are JSON.

export const FRAME = {
  request: 1,
  accepted: 2,
  refused: 3,
  interface: 4,
  packets: 5,
  counts: 6,
  ended: 7,
  stop: 8,
} as const

export interface CaptureRequest {
  readonly version: 1
  /** '' for the only one that is allowed. */
  readonly device: string
  /** In tcpdump's words; '' for all packets. */
  readonly filter: string
  readonly snapshotLength: number
  readonly promiscuous: boolean
  readonly packets: number
  readonly bytes: number
  readonly seconds: number
}

/** The bounds are those of the request, or less where the server allows less. */
export interface CaptureAccepted {
  readonly program: string
  readonly system: string
  readonly hardware: string
  readonly device: string
  /** Whether packets that are not said to have been sent came in. */
  readonly tellsDirections: boolean
  readonly snapshotLength: number
  readonly packets: number
  readonly bytes: number
  readonly seconds: number
}

export interface CaptureRefused {
  readonly message: string
  readonly hint?: string | undefined
}

export interface CaptureCounts {
  readonly received: number
  readonly dropped: number
}

export interface CaptureEnded extends CaptureCounts {
  readonly reason: string
}

/** A longer one is no frame of ours. */
export const MOST_JSON = 64 * 1024
export const MOST_PACKETS = 1 << 20

/** Only TLS 1.3, whose key exchange keeps what was sent secret even from those who learn the secret later. */
export const TLS_SETTINGS = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256',
} as const

export function frameHead(kind: number, length: number): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(kind * 2 ** 24 + length)
  return head
}

export function jsonFrame(kind: number, body: object): Buffer {
  const text = Buffer.from(JSON.stringify(body))
  return Buffer.concat([frameHead(kind, text.length), text])
}

/** Frames from a stream, read in place. */
export class FrameReader {
  readonly window = new ByteWindow()
  kind = 0
  /** Bytes of the current frame's body, which begins at `window.at`. */
  length = 0

  /** Goes on to the next frame; false if it is not there as a whole, or is none (`isBroken`). */
  next(): boolean {
    const { window } = this
    if (this.isBroken || window.length < 4) return false
    const head = window.view.getUint32(window.at)
    const kind = head >>> 24
    const length = head & 0xffffff
    if (kind < FRAME.request || kind > FRAME.stop || length > (kind === FRAME.packets ? MOST_PACKETS : MOST_JSON)) {
      this.isBroken = true
      return false
    }
    if (window.length < 4 + length) return false
    window.at += 4
    this.kind = kind
    this.length = length
    return true
  }

  isBroken = false

  /** The body of the current frame, which is done with; undefined if it is no object of JSON. */
  json(): Readonly<Record<string, unknown>> | undefined {
    const { window } = this
    const bytes = window.bytes.subarray(window.at, window.at + this.length)
    window.at += this.length
    try {
      const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
      return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
    } catch {
      return undefined
    }
  }
}

/** A number that somebody sent, within bounds; `instead` if it is none. */
export function numberIn(value: unknown, least: number, most: number, instead: number): number {
  return typeof value === 'number' && Number.isFinite(value)
    ? Math.min(most, Math.max(least, Math.floor(value)))
    : instead
}

/** A text that somebody sent, of one line and not too long; '' if it is none. */
export function textOf(value: unknown, most = 1000): string {
  // What could steer a terminal or forge a line of a log
  return typeof value === 'string' ? value.slice(0, most).replaceAll(/\p{Cc}/gu, '?') : ''
}

/** The same, of several lines. */
export function linesOf(value: unknown): string {
  return typeof value === 'string'
    ? value
        .slice(0, 10_000)
        .split('\n', 8)
        .map((line) => textOf(line, 4200))
        .join('\n')
    : ''
}
