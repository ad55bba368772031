// Captured packets → UDP payloads, fragments put together again (RFC 791 §3.2, RFC 8200 §4.5).
import { ipText } from '../base/address.ts'
import { type LinkHeader, readLink } from '../packet/link.ts'
import { START } from '../packet/dissect.ts'

/** A UDP payload as it was sent. */
export interface UdpPayload {
  /** Source address as 16 bytes, IPv4 mapped. */
  readonly from: Uint8Array
  readonly fromPort: number
  readonly toPort: number
  readonly bytes: Uint8Array
  /** The capture cut the packet short: `bytes` is only its start. */
  readonly cut: boolean
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

export interface UdpExtractor {
  /** The payload that this packet completes, or why there is none: no UDP at all, or a fragment that waits for others. */
  packet(linkType: number, bytes: Uint8Array): UdpPayload | 'other' | 'fragment'
  /** Datagrams whose fragments never all came. */
  incomplete(): number
}

export function createUdpExtractor(): UdpExtractor {
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

  function ipv4(v: DataView, bytes: Uint8Array, at: number, end: number): UdpPayload | 'other' | 'fragment' {
    if (end - at < 20) return 'other'
    const header = (v.getUint8(at) & 15) << 2
    if (v.getUint8(at) >> 4 !== 4 || header < 20 || v.getUint8(at + 9) !== 17) return 'other'
    const total = v.getUint16(at + 2)
    const claimed = total >= header ? at + total : end
    const from = mapped(bytes, at + 12)
    const fragment = v.getUint16(at + 6)
    if ((fragment & 0x3fff) !== 0) {
      if (claimed > end) return 'fragment'
      const key = `4 ${ipText(from)} ${v.getUint32(at + 16)} ${v.getUint16(at + 4)}`
      const whole = collect(
        key,
        (fragment & 0x1fff) * 8,
        bytes.subarray(at + header, claimed),
        (fragment & 0x2000) === 0,
      )
      return whole ? udp(whole, 0, whole.length, from) : 'fragment'
    }
    return udp(bytes, at + header, Math.min(claimed, end), from)
  }

  function ipv6(v: DataView, bytes: Uint8Array, at: number, end: number): UdpPayload | 'other' | 'fragment' {
    if (end - at < 40 || v.getUint8(at) >> 4 !== 6) return 'other'
    const from = Uint8Array.from(bytes.subarray(at + 8, at + 24))
    const claimed = at + 40 + v.getUint16(at + 4)
    const stop = Math.min(claimed, end)
    let next = v.getUint8(at + 6)
    let here = at + 40
    while (next === 0 || next === 43 || next === 60 || next === 44) {
      if (stop - here < 8) return 'other'
      if (next === 44) {
        const offset = v.getUint16(here + 2) & 0xfff8
        const more = (v.getUint16(here + 2) & 1) !== 0
        if ((offset !== 0 || more) && v.getUint8(here) !== 17) return 'other'
        if (offset !== 0 || more) {
          if (claimed > end) return 'fragment'
          const key = `6 ${ipText(from)} ${ipText(bytes, at + 24)} ${v.getUint32(here + 4)}`
          const whole = collect(key, offset, bytes.subarray(here + 8, claimed), !more)
          return whole ? udp(whole, 0, whole.length, from) : 'fragment'
        }
      }
      const length = next === 44 ? 8 : (v.getUint8(here + 1) + 1) << 3
      next = v.getUint8(here)
      here += length
    }
    return next === 17 ? udp(bytes, here, stop, from) : 'other'
  }

  function network(
    v: DataView,
    bytes: Uint8Array,
    type: number,
    at: number,
    end: number,
  ): UdpPayload | 'other' | 'fragment' {
    if (type === 0x0800) return ipv4(v, bytes, at, end)
    return type === 0x86dd ? ipv6(v, bytes, at, end) : 'other'
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
      return network(v, bytes, type, at, bytes.length)
    },
    incomplete: () => given + pending.size,
  }
}

function udp(bytes: Uint8Array, at: number, end: number, from: Uint8Array): UdpPayload | 'other' {
  if (end - at < 8) return 'other'
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const claimed = v.getUint16(at + 4)
  // Length 0 is a jumbogram or segmentation offload
  const stop = claimed >= 8 && at + claimed < end ? at + claimed : end
  return {
    from,
    fromPort: v.getUint16(at),
    toPort: v.getUint16(at + 2),
    bytes: bytes.subarray(at + 8, stop),
    cut: claimed >= 8 && at + claimed > end,
  }
}

function mapped(bytes: Uint8Array, at: number): Uint8Array {
  const address = new Uint8Array(16)
  address[10] = 0xff
  address[11] = 0xff
  address.set(bytes.subarray(at, at + 4), 12)
  return address
}
