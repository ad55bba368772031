// The link layers of captures (tcpdump.org/linktypes.html): where the packet behind them starts and what it is.
import { dissect, dissectEtherType, SEEN, START } from './dissect.ts'
import type { PacketColumns } from './columns.ts'

export const LINK = {
  null: 0,
  ethernet: 1,
  ppp: 9,
  rawOld: 12,
  rawOpenBsd: 14,
  pppHdlc: 50,
  raw: 101,
  ciscoHdlc: 104,
  loop: 108,
  linuxSll: 113,
  ipv4: 228,
  ipv6: 229,
  nflog: 239,
  linuxSll2: 276,
} as const

/** What a link header turned out to be; one object is reused for many packets. */
export interface LinkHeader {
  /** Where what follows the header starts. */
  at: number
  /** EtherType of what follows; 0 if `start` says it. */
  etherType: number
  /** One of START for a packet that starts with itself; 0 if `etherType` says it. */
  start: number
}

/** Reads the link header of a captured packet; false if this link type is not known here or the packet is too short. */
export function readLink(linkType: number, view: DataView, offset: number, length: number, into: LinkHeader): boolean {
  into.at = offset
  into.etherType = 0
  into.start = 0
  switch (linkType) {
    case LINK.ethernet:
      into.start = START.ethernet
      return true
    case LINK.ppp:
    case LINK.pppHdlc:
      into.start = START.ppp
      return true
    case LINK.rawOld:
    case LINK.rawOpenBsd:
    case LINK.raw:
    case LINK.ipv4:
    case LINK.ipv6:
      if (length < 1) return false
      return byVersion(view.getUint8(offset) >> 4, into)
    case LINK.null:
    case LINK.loop: {
      // An address family in the byte order of the capturing machine; 24, 28 and 30 are IPv6 on the BSDs
      if (length < 4) return false
      const big = view.getUint32(offset)
      const family = big > 0xffff ? view.getUint32(offset, true) : big
      into.at = offset + 4
      into.etherType =
        family === 2 ? 0x0800 : family === 24 || family === 28 || family === 30 || family === 10 ? 0x86dd : 0
      // Some systems write an EtherType there
      if (into.etherType === 0 && family > 0xffff && (big & 0xffff) >= 0x600) into.etherType = big & 0xffff
      return into.etherType !== 0
    }
    case LINK.ciscoHdlc:
      if (length < 4) return false
      into.at = offset + 4
      into.etherType = view.getUint16(offset + 2)
      return true
    case LINK.linuxSll:
      // packet type 2, ARPHRD 2, address length 2, address 8, protocol 2
      if (length < 16) return false
      into.at = offset + 16
      into.etherType = view.getUint16(offset + 14)
      return into.etherType >= 0x600
    case LINK.linuxSll2:
      // protocol 2, reserved 2, interface 4, ARPHRD 2, packet type 1, address length 1, address 8
      if (length < 20) return false
      into.at = offset + 20
      into.etherType = view.getUint16(offset)
      return into.etherType >= 0x600
    case LINK.nflog:
      return readNflog(view, offset, length, into)
    default:
      return false
  }
}

function byVersion(version: number, into: LinkHeader): boolean {
  into.start = version === 4 ? START.ipv4 : version === 6 ? START.ipv6 : 0
  return into.start !== 0
}

// NFLOG: address family 1, version 1, resource id 2, { length 2, type 2, value padded to 4 }* in host order; type 9 is the payload
function readNflog(view: DataView, offset: number, length: number, into: LinkHeader): boolean {
  const end = offset + length
  let at = offset + 4
  while (end - at >= 4) {
    const size = view.getUint16(at, true)
    if (size < 4 || size > end - at) return false
    if ((view.getUint16(at + 2, true) & 0x7fff) === 9) {
      into.at = at + 4
      return size > 4 && byVersion(view.getUint8(at + 4) >> 4, into)
    }
    at += (size + 3) & ~3
  }
  return false
}

/** As `dissect`, for a captured packet with its link header. */
export function dissectLink(
  linkType: number,
  view: DataView,
  offset: number,
  length: number,
  out: PacketColumns,
  row: number,
  tunnels = true,
): number {
  const header: LinkHeader = { at: 0, etherType: 0, start: 0 }
  if (!readLink(linkType, view, offset, length, header)) return SEEN.cut
  const rest = offset + length - header.at
  const seen =
    header.start !== 0
      ? dissect(view, header.at, rest, header.start, out, row, tunnels)
      : dissectEtherType(view, header.at, rest, header.etherType, out, row, tunnels)
  // The place of the IP header counts from the link header
  return (seen & SEEN.network) === 0 ? seen : (seen & 0xff) | (((seen >>> 8) + header.at - offset) << 8)
}
