// Captured packets → what lies behind their IP headers, fragments put together again (RFC 791 §3.2, RFC 8200 §4.5).
import { ipText } from '../base/address.ts'
import { type LinkHeader, readLink } from '../packet/link.ts'
import { START } from '../packet/dissect.ts'

/** What one IP datagram carries. */
export interface IpPayload {
  /** IP protocol number: 6 TCP, 17 UDP. */
  readonly protocol: number
  /** Addresses as 16 bytes, IPv4 mapped. */
  readonly from: Uint8Array
  readonly to: Uint8Array
  /** As far as the capture has it: it lies in the packet, or in memory of its own if it came in fragments. */
  readonly bytes: Uint8Array
}

/** Datagrams being put together at most; the oldest goes first. */
const MOST_PENDING = 256
const MOST_DATAGRAM = 65_535

interface Pending {
  readonly pieces: { at: number; bytes: Uint8Array }[]
  /** Known once the last fragment has come; -1 before. */
  length: number
  have: number
}

export interface IpExtractor {
  /** What this packet carries or completes, or why there is none: another protocol, or a fragment that waits for others. */
  packet(linkType: number, bytes: Uint8Array): IpPayload | 'other' | 'fragment'
  /** Datagrams whose fragments never all came. */
  incomplete(): number
}

/** @param protocols the IP protocol numbers that are wanted; all else is `other`. */
export function createIpExtractor(protocols: readonly number[]): IpExtractor {
  const link: LinkHeader = { at: 0, etherType: 0, start: 0 }
  const pending = new Map<string, Pending>()
  let given = 0

  function collect(key: string, at: number, bytes: Uint8Array, last: boolean): Uint8Array | undefined {
    let datagram = pending.get(key)
    if (!datagram) {
      if (pending.size >= MOST_PENDING) {
        given++
        pending.delete(pending.keys().next().value as string)
      }
      datagram = { pieces: [], length: -1, have: 0 }
      pending.set(key, datagram)
    }
    // Overlapping fragments are what attacks are made of: pieces never hold more than a datagram does
    if (datagram.have + bytes.length > MOST_DATAGRAM || at + bytes.length > MOST_DATAGRAM) return undefined
    if (datagram.pieces.some((piece) => piece.at === at)) return undefined
    datagram.pieces.push({ at, bytes: Uint8Array.from(bytes) })
    datagram.have += bytes.length
    if (last) datagram.length = at + bytes.length
    if (datagram.length < 0 || datagram.have < datagram.length) return undefined
    pending.delete(key)
    const whole = new Uint8Array(datagram.length)
    // The fragment that says it is the last may lie before others
    for (const piece of datagram.pieces)
      if (piece.at < whole.length) whole.set(piece.bytes.subarray(0, whole.length - piece.at), piece.at)
    return whole
  }

  function ipv4(v: DataView, bytes: Uint8Array, at: number, end: number): IpPayload | 'other' | 'fragment' {
    if (end - at < 20) return 'other'
    const header = (v.getUint8(at) & 15) << 2
    const protocol = v.getUint8(at + 9)
    if (v.getUint8(at) >> 4 !== 4 || header < 20 || !protocols.includes(protocol)) return 'other'
    const total = v.getUint16(at + 2)
    const claimed = total >= header ? at + total : end
    const from = mapped(bytes, at + 12)
    const to = mapped(bytes, at + 16)
    const fragment = v.getUint16(at + 6)
    if ((fragment & 0x3fff) !== 0) {
      if (claimed > end) return 'fragment'
      const key = `4 ${protocol} ${ipText(from)} ${v.getUint32(at + 16)} ${v.getUint16(at + 4)}`
      const whole = collect(
        key,
        (fragment & 0x1fff) * 8,
        bytes.subarray(at + header, claimed),
        (fragment & 0x2000) === 0,
      )
      return whole ? { protocol, from, to, bytes: whole } : 'fragment'
    }
    return { protocol, from, to, bytes: bytes.subarray(Math.min(at + header, end), Math.min(claimed, end)) }
  }

  function ipv6(v: DataView, bytes: Uint8Array, at: number, end: number): IpPayload | 'other' | 'fragment' {
    if (end - at < 40 || v.getUint8(at) >> 4 !== 6) return 'other'
    const from = Uint8Array.from(bytes.subarray(at + 8, at + 24))
    const to = Uint8Array.from(bytes.subarray(at + 24, at + 40))
    const claimed = at + 40 + v.getUint16(at + 4)
    const stop = Math.min(claimed, end)
    let next = v.getUint8(at + 6)
    let here = at + 40
    while (next === 0 || next === 43 || next === 60 || next === 44) {
      if (stop - here < 8) return 'other'
      if (next === 44) {
        const offset = v.getUint16(here + 2) & 0xfff8
        const more = (v.getUint16(here + 2) & 1) !== 0
        const protocol = v.getUint8(here)
        if ((offset !== 0 || more) && !protocols.includes(protocol)) return 'other'
        if (offset !== 0 || more) {
          if (claimed > end) return 'fragment'
          const key = `6 ${protocol} ${ipText(from)} ${ipText(to)} ${v.getUint32(here + 4)}`
          const whole = collect(key, offset, bytes.subarray(here + 8, claimed), !more)
          return whole ? { protocol, from, to, bytes: whole } : 'fragment'
        }
      }
      const length = next === 44 ? 8 : (v.getUint8(here + 1) + 1) << 3
      next = v.getUint8(here)
      here += length
    }
    if (!protocols.includes(next)) return 'other'
    return { protocol: next, from, to, bytes: bytes.subarray(Math.min(here, stop), stop) }
  }

  return {
    packet(linkType, bytes) {
      const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      if (!readLink(linkType, v, 0, bytes.length, link)) return 'other'
      let at = link.at
      let type = link.etherType
      if (link.start === START.ipv4) type = 0x0800
      else if (link.start === START.ipv6) type = 0x86dd
      else if (link.start === START.ethernet) {
        if (bytes.length < 14) return 'other'
        type = v.getUint16(12)
        at = 14
      }
      while ((type === 0x8100 || type === 0x88a8 || type === 0x9100) && bytes.length - at >= 4) {
        type = v.getUint16(at + 2)
        at += 4
      }
      if (type === 0x0800) return ipv4(v, bytes, at, bytes.length)
      return type === 0x86dd ? ipv6(v, bytes, at, bytes.length) : 'other'
    },
    incomplete: () => given + pending.size,
  }
}

function mapped(bytes: Uint8Array, at: number): Uint8Array {
  const address = new Uint8Array(16)
  address[10] = 0xff
  address[11] = 0xff
  address.set(bytes.subarray(at, at + 4), 12)
  return address
}
