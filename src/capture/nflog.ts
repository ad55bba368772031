// Packets as the kernel's packet filter logs them (linux/netfilter/nfnetlink_log.h; LINKTYPE_NFLOG in files): beside the IP packet
// stand the interfaces it came by, its link header, its time.
//
//   address family 1, version 1, group 2 (big-endian), { length 2, type 2, value, padded to 4 }*
//
// Lengths and types are in the order of the machine that logged, values big-endian. A length counts its own four bytes.

import { LINK } from '../packet/link.ts'
import type { PacketBlock } from './packet-block.ts'

const ATTRIBUTE = {
  /** EtherType 2, hook 1, padding 1 */
  head: 1,
  indev: 4,
  outdev: 5,
  /** seconds 8, microseconds 8 */
  time: 8,
  payload: 9,
  sequence: 12,
  /** ARPHRD */
  linkKind: 15,
  linkHeader: 16,
  /** { length 2, type 2: 1 for the TPID, 2 for the TCI, value 2, padding 2 }* */
  vlan: 20,
} as const

const ARPHRD_ETHER = 1
const ETHERNET_BYTES = 14
const NESTED = 0x8000
const BIG_ENDIAN_VALUE = 0x4000

/** What was logged with a packet; one object is reused for many. */
export interface Logged {
  /** Sequence number that the kernel gave it; -1 if it gave none. */
  sequence: number
  hasTime: boolean
}

/**
 * Puts packet `i` of a block, which lies between `at` and `end` with its four first bytes, as what was logged: with its Ethernet
 * header if that came along, otherwise as bare IP. Bytes before the payload are overwritten by the link header.
 * @returns false, and leaves the packet as it is, where it is broken or holds no IP packet
 */
export function showLogged(
  into: PacketBlock,
  i: number,
  view: DataView,
  at: number,
  end: number,
  little: boolean,
  logged: Logged,
): boolean {
  let payload = 0
  let length = 0
  let etherType = 0
  let indev = 0
  let outdev = 0
  let linkKind = 0
  let link = 0
  let time = 0
  let tag = 0
  logged.sequence = -1
  for (let here = at + 4; end - here >= 4;) {
    const size = view.getUint16(here, little)
    const type = view.getUint16(here + 2, little) & ~(NESTED | BIG_ENDIAN_VALUE)
    if (size < 4 || size > end - here) return false
    const value = here + 4
    const bytes = size - 4
    if (type === ATTRIBUTE.payload) {
      payload = value
      length = bytes
    } else if (type === ATTRIBUTE.head && bytes >= 4) etherType = view.getUint16(value)
    else if (type === ATTRIBUTE.indev && bytes >= 4) indev = view.getUint32(value)
    else if (type === ATTRIBUTE.outdev && bytes >= 4) outdev = view.getUint32(value)
    else if (type === ATTRIBUTE.linkKind && bytes >= 2) linkKind = view.getUint16(value)
    else if (type === ATTRIBUTE.linkHeader && bytes === ETHERNET_BYTES) link = value
    else if (type === ATTRIBUTE.sequence && bytes >= 4) logged.sequence = view.getUint32(value)
    else if (type === ATTRIBUTE.time && bytes >= 16) time = value
    else if (type === ATTRIBUTE.vlan) tag = tagIn(view, value, bytes, little)
    here += (size + 3) & ~3
  }
  if (length === 0) return false
  const stated = ipLength(view, payload, length, etherType)
  if (stated === 0) return false
  // The first four bytes, the link header's own attribute and the payload's head leave room for it
  const isEthernet = link !== 0 && link < payload && linkKind === ARPHRD_ETHER
  const before = isEthernet ? ETHERNET_BYTES : 0
  if (isEthernet) {
    // Backwards, since the two may overlap
    for (let b = ETHERNET_BYTES - 1; b >= 0; b--) view.setUint8(payload - ETHERNET_BYTES + b, view.getUint8(link + b))
    // Where a tag was taken off, the header may still have the tag's type
    if (etherType !== 0) view.setUint16(payload - 2, etherType)
  }
  into.linkType[i] = isEthernet ? LINK.ethernet : LINK.raw
  into.offset[i] = payload - before
  into.captured[i] = length + before
  into.original[i] = Math.max(length, stated) + before + (isEthernet && tag !== 0 ? 4 : 0)
  into.tag[i] = isEthernet ? tag : 0
  into.port[i] = indev !== 0 ? indev : outdev
  into.direction[i] = indev === 0 && outdev !== 0 ? 1 : 0
  logged.hasTime = time !== 0
  if (time !== 0) {
    into.seconds[i] = view.getUint32(time + 4)
    into.nanos[i] = view.getUint32(time + 12) * 1000
  }
  return true
}

/** Bytes that an IP packet says it has; 0 if it is none. */
function ipLength(view: DataView, at: number, length: number, etherType: number): number {
  const version = view.getUint8(at) >>> 4
  if (etherType !== 0 && etherType !== (version === 4 ? 0x0800 : 0x86dd)) return 0
  if (version === 4) return length < 4 ? length : Math.max(1, view.getUint16(at + 2))
  if (version === 6) return length < 6 ? length : 40 + view.getUint16(at + 4)
  return 0
}

function tagIn(view: DataView, at: number, length: number, little: boolean): number {
  let tpid = 0x8100
  let tci = 0
  for (let here = at, end = at + length; end - here >= 6;) {
    const size = view.getUint16(here, little)
    if (size < 6 || size > end - here) break
    const type = view.getUint16(here + 2, little) & ~(NESTED | BIG_ENDIAN_VALUE)
    if (type === 1) tpid = view.getUint16(here + 4)
    if (type === 2) tci = view.getUint16(here + 4)
    here += (size + 3) & ~3
  }
  return ((tpid << 16) | tci) >>> 0
}

/** Puts all packets of a block that are logged ones as what was logged. */
export function showAllLogged(block: PacketBlock, little: boolean): void {
  const logged: Logged = { sequence: -1, hasTime: false }
  for (let i = 0; i < block.count; i++) {
    if (block.linkType[i] !== LINK.nflog) continue
    const at = block.offset[i] as number
    showLogged(block, i, block.view, at, at + (block.captured[i] as number), little, logged)
  }
}
