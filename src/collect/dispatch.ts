import { ipText } from '../base/address.ts'
import { NETFLOW1_HEADER, NETFLOW1_RECORD } from '../wire/netflow5/layout.ts'
import type { Datagram, ProblemCode } from './ingest.ts'

// Which family a datagram belongs to, by its first bytes: every listener takes every protocol.
//
//   NetFlow v1, v5, v7, v9 and IPFIX start with a 16-bit version (1, 5, 7, 9, 10), sFlow with a 32-bit one (00 00 00 05):
//   a first 16-bit word of 0 can only be sFlow.

export type Family = 'netflow' | 'sflow'
export type Refusal = Extract<ProblemCode, 'empty' | 'truncated' | 'bad_version'>

/** The family whose ingest decodes it, or why nobody does. */
export function familyOf(datagram: Datagram): Family | Refusal {
  if (datagram.length < 4) return datagram.length === 0 ? 'empty' : 'truncated'
  const version = datagram.view.getUint16(datagram.offset)
  if (version === 9 || version === 10 || version === 5 || version === 7) return 'netflow'
  if (version === 1 && isNetflow1(datagram)) return 'netflow'
  if (version === 0 && datagram.view.getUint16(datagram.offset + 2) === 5) return 'sflow'
  return 'bad_version'
}

/** Many protocols start with 00 01: of NetFlow v1 is what is exactly as long as its records. */
function isNetflow1({ view, offset, length }: Datagram): boolean {
  const count = view.getUint16(offset + 2)
  return count > 0 && length === NETFLOW1_HEADER + count * NETFLOW1_RECORD.minLength
}

/** What the first four bytes look like, for people. */
export function firstBytesText(word: number): string {
  const high = word >>> 16
  const low = word & 0xffff
  if (high === 0 && low > 0 && low < 10) return `sFlow version ${low}`
  if (high > 0 && high < 12) return `NetFlow version ${high}`
  const text = [24, 16, 8, 0].map((shift) => String.fromCharCode((word >>> shift) & 0xff)).join('')
  if (/^<\d{1,3}(>|\d)?/.test(text)) return 'syslog'
  if (/^[\x20-\x7e]{4}$/.test(text)) return `the text "${text}"`
  return `the bytes ${word.toString(16).padStart(8, '0')}`
}

/** A source whose datagrams were refused: enough to say who sent what. */
export interface RefusedSource {
  readonly source: string
  readonly code: ProblemCode
  readonly count: number
  /** The first four bytes of the last one; 0 where there were fewer. */
  readonly firstBytes: number
  readonly lastHeard: number
}

const PROBES = 8

/**
 * Refused sources, bounded: a fixed open-addressing table, so that a flood of nonsense from ever new addresses costs
 * no allocation. When its places are taken, the source heard longest ago gives way.
 */
export class RefusedSources {
  readonly #size: number
  readonly #address: Uint32Array
  readonly #code: (ProblemCode | undefined)[]
  readonly #count: Float64Array
  readonly #firstBytes: Uint32Array
  readonly #lastHeard: Float64Array

  /** @param size places, a power of two. */
  constructor(size = 1024) {
    this.#size = size
    this.#address = new Uint32Array(size * 4)
    this.#code = Array.from({ length: size }, () => undefined)
    this.#count = new Float64Array(size)
    this.#firstBytes = new Uint32Array(size)
    this.#lastHeard = new Float64Array(size)
  }

  add(datagram: Datagram, code: ProblemCode): void {
    const at = this.#find(datagram, code)
    this.#count[at] = (this.#count[at] as number) + 1
    this.#lastHeard[at] = datagram.receivedAt
    this.#firstBytes[at] = datagram.length >= 4 ? datagram.view.getUint32(datagram.offset) : 0
  }

  /** Most refused first, at most `limit`. */
  list(limit: number): RefusedSource[] {
    const used = [...this.#count.keys()].filter((at) => this.#code[at] !== undefined)
    used.sort((a, b) => (this.#count[b] as number) - (this.#count[a] as number))
    const bytes = new Uint8Array(this.#address.buffer)
    return used.slice(0, limit).map((at) => ({
      source: ipText(bytes, at * 16),
      code: this.#code[at] as ProblemCode,
      count: this.#count[at] as number,
      firstBytes: this.#firstBytes[at] as number,
      lastHeard: this.#lastHeard[at] as number,
    }))
  }

  #find(d: Datagram, code: ProblemCode): number {
    let hash = Math.imul(d.source0 ^ Math.imul(d.source1, 31) ^ Math.imul(d.source2, 961) ^ d.source3, 0x9e3779b1)
    hash ^= hash >>> 15
    let oldest = -1
    for (let i = 0; i < PROBES; i++) {
      const at = (hash + i) & (this.#size - 1)
      if (this.#code[at] === undefined) return this.#claim(at, d, code)
      if (this.#code[at] === code && this.#is(at, d)) return at
      if (oldest < 0 || (this.#lastHeard[at] as number) < (this.#lastHeard[oldest] as number)) oldest = at
    }
    return this.#claim(oldest, d, code)
  }

  #is(at: number, d: Datagram): boolean {
    const address = this.#address
    const i = at * 4
    return (
      address[i] === d.source0 &&
      address[i + 1] === d.source1 &&
      address[i + 2] === d.source2 &&
      address[i + 3] === d.source3
    )
  }

  #claim(at: number, d: Datagram, code: ProblemCode): number {
    const i = at * 4
    this.#address[i] = d.source0
    this.#address[i + 1] = d.source1
    this.#address[i + 2] = d.source2
    this.#address[i + 3] = d.source3
    this.#code[at] = code
    this.#count[at] = 0
    return at
  }
}
