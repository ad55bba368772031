// Packet headers → columns, from the first byte inwards through every tunnel known here. Nothing is allocated and
// nothing throws; a packet cut anywhere keeps what was read before the cut. Every read is checked against `end`.
import { clearNetwork, type PacketColumns, v4Into, v6Into } from './columns.ts'

/** What a packet starts with: the sFlow `header_protocol` numbers (sFlow v5, enum header_protocol). */
export const START = { ethernet: 1, ppp: 7, ipv4: 11, ipv6: 12, mpls: 13 } as const

/** Bits of what `dissect` answers. */
export const SEEN = {
  /** An Ethernet header was read. */
  link: 1,
  /** An IPv4, IPv6 or ARP header was read. */
  network: 2,
  /** Ports or ICMP type were read. */
  transport: 4,
  /** The packet ends before its headers do. */
  cut: 8,
  /** A later fragment: its ports are in another packet. */
  fragment: 16,
  /** A header contradicts itself (IP version, header length). */
  malformed: 32,
} as const

/** Kinds of tunnel, as the `tunnel` column counts them. */
export const TUNNEL = {
  vxlan: 1,
  geneve: 2,
  gre: 3,
  nvgre: 4,
  erspan: 5,
  ipip: 6,
  sixInFour: 7,
  teredo: 8,
  gtp: 9,
  other: 10,
} as const

/** Where the IP header of the described packet begins, counted from the first byte of what was dissected; SEEN.network tells whether there is one (or ARP). */
export function networkOffset(seen: number): number {
  return seen >>> 8
}

const MAX_DEPTH = 4

const ETHERNET_BRIDGED = 0x6558

/**
 * Dissects `length` bytes from `offset` into `row`, which must be zeroed. Inside a tunnel the row describes the innermost packet;
 * the addresses of the tunnel's ends go to `tunnel_src` and `tunnel_dst`.
 * @param start what the bytes start with, one of START; anything else is left unread
 * @param tunnels whether to look into tunnels
 * @returns bits of SEEN, and above its eight bits what `networkOffset` reads
 */
export function dissect(
  view: DataView,
  offset: number,
  length: number,
  start: number,
  out: PacketColumns,
  row: number,
  tunnels = true,
): number {
  const end = offset + length
  const depth = tunnels ? 0 : MAX_DEPTH
  if (start === START.ethernet) return relative(ethernet(view, offset, end, out, row, depth), offset)
  if (start === START.ipv4) return dissectEtherType(view, offset, length, 0x0800, out, row, tunnels)
  if (start === START.ipv6) return dissectEtherType(view, offset, length, 0x86dd, out, row, tunnels)
  if (start === START.mpls) return relative(mpls(view, offset, end, out, row, depth), offset)
  if (start === START.ppp) return relative(ppp(view, offset, end, out, row, depth), offset)
  return 0
}

/** As `dissect`, for bytes that start behind an EtherType (Linux cooked captures). */
export function dissectEtherType(
  view: DataView,
  offset: number,
  length: number,
  type: number,
  out: PacketColumns,
  row: number,
  tunnels = true,
): number {
  out.ethertype[row] = type
  return relative(etherPayload(view, offset, offset + length, type, out, row, tunnels ? 0 : MAX_DEPTH), offset)
}

// Parsers tell places in the view; packets of captures lie anywhere in it.
function relative(seen: number, offset: number): number {
  return seen >>> 8 === 0 ? seen : (seen & 0xff) | (((seen >>> 8) - offset) << 8)
}

// An IP header was read at `at`. What is inside a tunnel tells its own.
function located(inner: number, at: number): number {
  return SEEN.network | (inner >>> 8 === 0 ? inner | (at << 8) : inner)
}

// Ethernet II, IEEE 802.3 with LLC/SNAP, 802.1Q, 802.1ad, 802.1ah
//   dst 6, src 6, { TPID 2, TCI 2 }*, type or length 2
function ethernet(v: DataView, start: number, end: number, o: PacketColumns, row: number, depth: number): number {
  let at = start
  if (end - at < 14) {
    if (end - at >= 6) macInto(v, at, o.dst_mac, row)
    if (end - at >= 12) macInto(v, at + 6, o.src_mac, row)
    return SEEN.cut
  }
  const first = v.getInt32(at)
  const middle = v.getInt32(at + 4)
  const low = row << 1
  o.dst_mac[low] = (first << 16) | (middle >>> 16)
  o.dst_mac[low | 1] = first >>> 16
  o.src_mac[low] = v.getInt32(at + 8)
  o.src_mac[low | 1] = middle & 0xffff
  let type = v.getUint16(at + 12)
  at += 14
  if (type === 0x0800) {
    o.ethertype[row] = type
    return SEEN.link | ipv4(v, at, end, o, row, depth)
  }
  if (type === 0x8100 && end - at >= 4 && v.getUint16(at + 2) === 0x0800) {
    // One tag, by far the most frequent
    o.vlan_in[row] = v.getUint16(at) & 0xfff
    o.ethertype[row] = 0x0800
    return SEEN.link | ipv4(v, at + 4, end, o, row, depth)
  }
  if (isTag(type) || isProvider(type)) {
    let outer = -1
    let inner = -1
    while (isTag(type) || isProvider(type)) {
      if (type === 0x88e7) {
        // 802.1ah I-TAG: flags and I-SID 4, then the customer's addresses 12 and type 2
        if (end - at < 18) break
        o.vni[row] = v.getUint32(at) & 0xffffff
        o.tunnel[row] = TUNNEL.other
        macInto(v, at + 4, o.dst_mac, row)
        macInto(v, at + 10, o.src_mac, row)
        type = v.getUint16(at + 16)
        at += 18
        continue
      }
      if (end - at < 4) break
      if (type === 0x8926) {
        // VN-Tag (IEEE 802.1BR before it was one): flags and port numbers 4, type 2; no VLAN
        if (end - at < 6) break
        type = v.getUint16(at + 4)
        at += 6
        continue
      }
      inner = v.getUint16(at) & 0xfff
      if (outer < 0) outer = inner
      else o.s_vlan[row] = outer
      type = v.getUint16(at + 2)
      at += 4
    }
    if (inner >= 0) o.vlan_in[row] = inner
    if (isTag(type)) return SEEN.link | SEEN.cut
  }
  if (type < 0x600) return SEEN.link | llc(v, at, at + type < end ? at + type : end, o, row, depth)
  o.ethertype[row] = type
  return SEEN.link | etherPayload(v, at, end, type, o, row, depth)
}

function isTag(type: number): boolean {
  return type === 0x8100 || type === 0x88a8 || type === 0x9100 || type === 0x9200 || type === 0x9300
}

function isProvider(type: number): boolean {
  return type === 0x88e7 || type === 0x8926
}

function macInto(v: DataView, at: number, into: Uint32Array, row: number): void {
  into[2 * row] = v.getUint32(at + 2)
  into[2 * row + 1] = v.getUint16(at)
}

// IEEE 802.2: DSAP 1, SSAP 1, control 1; SNAP (aa aa 03): OUI 3, type 2
function llc(v: DataView, at: number, end: number, o: PacketColumns, row: number, depth: number): number {
  if (end - at < 3) return SEEN.cut
  if (v.getUint16(at) !== 0xaaaa || v.getUint8(at + 2) !== 3) return 0
  if (end - at < 8) return SEEN.cut
  const oui = (v.getUint16(at + 3) << 8) | v.getUint8(at + 5)
  // 00-00-00 holds EtherTypes (RFC 1042), 00-00-f8 is the bridge tunnel (802.1H)
  if (oui !== 0 && oui !== 0xf8) return 0
  const type = v.getUint16(at + 6)
  o.ethertype[row] = type
  return etherPayload(v, at + 8, end, type, o, row, depth)
}

function etherPayload(
  v: DataView,
  at: number,
  end: number,
  type: number,
  o: PacketColumns,
  row: number,
  depth: number,
): number {
  switch (type) {
    case 0x0800:
      return ipv4(v, at, end, o, row, depth)
    case 0x86dd:
      return ipv6(v, at, end, o, row, depth)
    case 0x0806:
    case 0x8035:
      return arp(v, at, end, o, row)
    case 0x8847:
    case 0x8848:
      return mpls(v, at, end, o, row, depth)
    case 0x8864:
      // PPPoE session (RFC 2516 §4): version and type 1, code 1, session 2, length 2
      return end - at < 6 ? SEEN.cut : ppp(v, at + 6, end, o, row, depth)
    case 0x894f:
      return nsh(v, at, end, o, row, depth)
    case 0x88e5:
      return macsec(v, at, end, o, row, depth)
    case 0x8909:
      return metadata(v, at, end, o, row, depth)
    default:
      return 0
  }
}

// MACsec (IEEE 802.1AE §9.3): TCI and AN 1 (SC 0x20, E 0x08, C 0x04), short length 1, packet number 4, [SCI 8]; readable if only integrity is protected
function macsec(v: DataView, start: number, end: number, o: PacketColumns, row: number, depth: number): number {
  if (end - start < 6) return SEEN.cut
  const control = v.getUint8(start)
  if ((control & 0x0c) !== 0) return 0
  const at = start + ((control & 0x20) !== 0 ? 14 : 6)
  return end - at < 2 ? SEEN.cut : behind(v, at, end, o, row, depth)
}

// Cisco MetaData: version 1, length 1, option 2, security group 2
function metadata(v: DataView, at: number, end: number, o: PacketColumns, row: number, depth: number): number {
  return end - at < 8 ? SEEN.cut : behind(v, at + 6, end, o, row, depth)
}

// An EtherType and what it names, behind a shim that has none of its own below it
function behind(v: DataView, at: number, end: number, o: PacketColumns, row: number, depth: number): number {
  const type = v.getUint16(at)
  o.ethertype[row] = type
  // A shim within a shim would be endless
  return type === 0x88e5 || type === 0x8909 ? SEEN.malformed : etherPayload(v, at + 2, end, type, o, row, depth)
}

// ARP (RFC 826): hardware type 2, protocol type 2, lengths 1+1, operation 2, sender 6+4, target 6+4
function arp(v: DataView, at: number, end: number, o: PacketColumns, row: number): number {
  if (end - at < 8) return SEEN.cut
  if (v.getUint16(at + 2) !== 0x0800 || v.getUint16(at + 4) !== 0x0604) return 0
  if (end - at >= 18) v4Into(v, at + 14, o.src_addr, row)
  if (end - at < 28) return SEEN.network | SEEN.cut
  v4Into(v, at + 24, o.dst_addr, row)
  return SEEN.network
}

// MPLS (RFC 3032): { label 20 bits, traffic class 3, bottom of stack 1, TTL 8 }*
function mpls(v: DataView, start: number, end: number, o: PacketColumns, row: number, depth: number): number {
  let at = start
  let bottom = false
  while (!bottom) {
    if (end - at < 4) return SEEN.cut
    const entry = v.getUint32(at)
    if (at === start && o.mpls_label[row] === 0) o.mpls_label[row] = entry >>> 12
    bottom = (entry & 0x100) !== 0
    at += 4
  }
  if (end - at < 1) return SEEN.cut
  // What is below the stack is not named by it: the first nibble tells (RFC 4928 §3)
  const nibble = v.getUint8(at) >> 4
  if (nibble === 4) return ipv4(v, at, end, o, row, depth)
  if (nibble === 6) return ipv6(v, at, end, o, row, depth)
  // A pseudowire (RFC 4448) with or without its control word, believed only if an EtherType known here follows
  if (nibble === 0 && end - at >= 18 && isPlausible(v.getUint16(at + 16))) return bridged(v, at + 4, end, o, row, depth)
  if (end - at >= 14 && isPlausible(v.getUint16(at + 12))) return bridged(v, at, end, o, row, depth)
  return 0
}

function isPlausible(type: number): boolean {
  return type === 0x0800 || type === 0x86dd || type === 0x0806 || type === 0x8847 || isTag(type)
}

function bridged(v: DataView, at: number, end: number, o: PacketColumns, row: number, depth: number): number {
  return depth < MAX_DEPTH ? enter(v, at, end, ETHERNET_BRIDGED, TUNNEL.other, -1, o, row, depth) : 0
}

// PPP (RFC 1661 §2, RFC 1662): address and control ff 03 may be left out, the protocol may be one byte
function ppp(v: DataView, start: number, end: number, o: PacketColumns, row: number, depth: number): number {
  let at = start
  if (end - at >= 2 && v.getUint16(at) === 0xff03) at += 2
  if (end - at < 2) return SEEN.cut
  let protocol = v.getUint8(at)
  if ((protocol & 1) === 1) at += 1
  else {
    protocol = v.getUint16(at)
    at += 2
  }
  if (protocol === 0x0021) return ipv4(v, at, end, o, row, depth)
  if (protocol === 0x0057) return ipv6(v, at, end, o, row, depth)
  if (protocol === 0x0281) return mpls(v, at, end, o, row, depth)
  return 0
}

// NSH (RFC 8300 §2.2): version, flags, TTL, length in words (6 bits) 2, MD type 1, next protocol 1, …
function nsh(v: DataView, at: number, end: number, o: PacketColumns, row: number, depth: number): number {
  if (end - at < 8) return SEEN.cut
  const words = v.getUint16(at) & 0x3f
  if (words < 2) return SEEN.malformed
  return nextProtocol(v, at + words * 4, end, v.getUint8(at + 3), TUNNEL.other, -1, o, row, depth)
}

// "Next protocol" of NSH and VXLAN-GPE: 1 IPv4, 2 IPv6, 3 Ethernet, 4 NSH, 5 MPLS
function nextProtocol(
  v: DataView,
  at: number,
  end: number,
  protocol: number,
  kind: number,
  vni: number,
  o: PacketColumns,
  row: number,
  depth: number,
): number {
  const type =
    protocol === 1
      ? 0x0800
      : protocol === 2
        ? 0x86dd
        : protocol === 3
          ? ETHERNET_BRIDGED
          : protocol === 4
            ? 0x894f
            : protocol === 5
              ? 0x8847
              : 0
  return enter(v, at, end, type, kind, vni, o, row, depth)
}

// IPv4 (RFC 791 §3.1)
//   version 4 bits, IHL 4 bits, ToS 1, total length 2, id 2, flags 3 bits, fragment offset 13 bits, TTL 1, protocol 1, checksum 2, src 4, dst 4, options
function ipv4(v: DataView, at: number, packetEnd: number, o: PacketColumns, row: number, depth: number): number {
  let end = packetEnd
  const have = end - at
  if (have < 20) return ipv4Cut(v, at, have, o, row)
  const first = v.getInt32(at)
  const header = (first >>> 22) & 0x3c
  if (first >>> 28 !== 4 || header < 20) return SEEN.malformed
  const third = v.getInt32(at + 8)
  const protocol = (third >>> 16) & 0xff
  o.tos[row] = first >>> 16
  o.ttl[row] = third >>> 24
  o.proto[row] = protocol
  v4Into(v, at + 12, o.src_addr, row)
  v4Into(v, at + 16, o.dst_addr, row)
  if ((v.getUint16(at + 6) & 0x1fff) !== 0) return located(SEEN.fragment, at)
  // The total length leaves Ethernet's padding out; segmentation offload writes 0
  const total = first & 0xffff
  if (total >= header && at + total < end) end = at + total
  // By far the most packets, without the way through `transport`
  if (protocol === 6) return located(tcp(v, at + header, end, o, row), at)
  if (protocol === 17) return located(udp(v, at + header, end, o, row, depth), at)
  return located(transport(v, at + header, end, protocol, 4, o, row, depth), at)
}

function ipv4Cut(v: DataView, at: number, have: number, o: PacketColumns, row: number): number {
  if (have < 1) return SEEN.cut
  if (v.getUint8(at) >> 4 !== 4) return SEEN.malformed
  if (have >= 2) o.tos[row] = v.getUint8(at + 1)
  if (have >= 9) o.ttl[row] = v.getUint8(at + 8)
  if (have >= 10) o.proto[row] = v.getUint8(at + 9)
  if (have < 16) return SEEN.cut
  v4Into(v, at + 12, o.src_addr, row)
  return located(SEEN.cut, at)
}

// IPv6 (RFC 8200 §3): version 4 bits, traffic class 8, flow label 20, payload length 2, next header 1, hop limit 1, src 16, dst 16
function ipv6(v: DataView, at: number, packetEnd: number, o: PacketColumns, row: number, depth: number): number {
  let end = packetEnd
  const have = end - at
  if (have < 40) return ipv6Cut(v, at, have, o, row)
  const first = v.getUint32(at)
  if (first >>> 28 !== 6) return SEEN.malformed
  o.tos[row] = (first >>> 20) & 0xff
  o.ttl[row] = v.getUint8(at + 7)
  v6Into(v, at + 8, o.src_addr, row)
  v6Into(v, at + 24, o.dst_addr, row)
  // Payload length 0 is a jumbogram, or segmentation offload
  const payload = v.getUint16(at + 4)
  if (payload > 0 && at + 40 + payload < end) end = at + 40 + payload
  let next = v.getUint8(at + 6)
  let here = at + 40
  // Extension headers (RFC 8200 §4): next header 1, length 1 in units of 8 bytes beyond the first
  for (;;) {
    if (next === 44) {
      // Fragment: next header 1, reserved 1, offset 13 bits, flags 3 bits, id 4
      if (end - here < 8) break
      next = v.getUint8(here)
      if (v.getUint16(here + 2) >> 3 !== 0) {
        o.proto[row] = next
        return located(SEEN.fragment, at)
      }
      here += 8
    } else if (next === 0 || next === 43 || next === 60 || next === 135 || next === 139 || next === 140) {
      if (end - here < 8) break
      next = v.getUint8(here)
      here += (v.getUint8(here + 1) + 1) << 3
    } else break
  }
  o.proto[row] = next
  return located(transport(v, here, end, next, 6, o, row, depth), at)
}

function ipv6Cut(v: DataView, at: number, have: number, o: PacketColumns, row: number): number {
  if (have < 1) return SEEN.cut
  if (v.getUint8(at) >> 4 !== 6) return SEEN.malformed
  if (have >= 2) o.tos[row] = (v.getUint16(at) >> 4) & 0xff
  if (have >= 7) o.proto[row] = v.getUint8(at + 6)
  if (have >= 8) o.ttl[row] = v.getUint8(at + 7)
  if (have < 24) return SEEN.cut
  v6Into(v, at + 8, o.src_addr, row)
  return located(SEEN.cut, at)
}

function transport(
  v: DataView,
  at: number,
  end: number,
  protocol: number,
  version: number,
  o: PacketColumns,
  row: number,
  depth: number,
): number {
  switch (protocol) {
    case 6:
      return tcp(v, at, end, o, row)
    case 17:
      return udp(v, at, end, o, row, depth)
    case 1:
    case 58:
      if (end - at < 2) return SEEN.cut
      o.icmp_type[row] = v.getUint8(at)
      o.icmp_code[row] = v.getUint8(at + 1)
      return SEEN.transport
    case 33: // DCCP
    case 132: // SCTP
    case 136: // UDP-Lite
      return ports(v, at, end, o, row)
    case 4:
      return enter(v, at, end, 0x0800, TUNNEL.ipip, -1, o, row, depth)
    case 41:
      return enter(v, at, end, 0x86dd, version === 4 ? TUNNEL.sixInFour : TUNNEL.ipip, -1, o, row, depth)
    case 47:
      return gre(v, at, end, o, row, depth)
    case 51: {
      // AH (RFC 4302 §2): next header 1, length 1 in words less 2
      if (end - at < 12) return SEEN.cut
      const next = v.getUint8(at)
      // It hides no payload: the row tells what it protects, except where that would loop
      if (next === 51) return SEEN.malformed
      o.proto[row] = next
      return transport(v, at + ((v.getUint8(at + 1) + 2) << 2), end, next, version, o, row, depth)
    }
    case 97: // EtherIP (RFC 3378): version 2 bytes
      return enter(v, at + 2, end, ETHERNET_BRIDGED, TUNNEL.other, -1, o, row, depth)
    case 137: // MPLS in IP (RFC 4023)
      return enter(v, at, end, 0x8847, TUNNEL.other, -1, o, row, depth)
    case 143: // Ethernet (RFC 8986 §4.9)
      return enter(v, at, end, ETHERNET_BRIDGED, TUNNEL.other, -1, o, row, depth)
    default:
      return 0
  }
}

function ports(v: DataView, at: number, end: number, o: PacketColumns, row: number): number {
  if (end - at < 4) return SEEN.cut
  o.src_port[row] = v.getUint16(at)
  o.dst_port[row] = v.getUint16(at + 2)
  return SEEN.transport
}

// TCP (RFC 9293 §3.1): src 2, dst 2, seq 4, ack 4, offset 4 bits, reserved 4 bits, flags 8 bits, …
function tcp(v: DataView, at: number, end: number, o: PacketColumns, row: number): number {
  if (end - at < 14) return ports(v, at, end, o, row) | SEEN.cut
  const both = v.getInt32(at)
  o.src_port[row] = both >>> 16
  o.dst_port[row] = both
  o.tcp_flags[row] = v.getUint16(at + 12) & 0x0fff
  return SEEN.transport
}

const FIRST_TUNNEL_PORT = 2152
const LAST_TUNNEL_PORT = 8472

// UDP (RFC 768): src 2, dst 2, length 2, checksum 2
function udp(v: DataView, at: number, end: number, o: PacketColumns, row: number, depth: number): number {
  if (end - at < 8) return ports(v, at, end, o, row) | SEEN.cut
  const both = v.getInt32(at)
  const from = both >>> 16
  const to = both & 0xffff
  o.src_port[row] = from
  o.dst_port[row] = to
  const seen = SEEN.transport
  const isFromTunnel = from === 2152 || from === 3544
  if ((to < FIRST_TUNNEL_PORT || to > LAST_TUNNEL_PORT) && !isFromTunnel) return seen
  const here = at + 8
  switch (to) {
    case 4789:
    case 8472:
      return seen | vxlan(v, here, end, o, row, depth)
    case 4790:
      return seen | vxlanGpe(v, here, end, o, row, depth)
    case 6081:
      return seen | geneve(v, here, end, o, row, depth)
    case 2152:
      return seen | gtp(v, here, end, o, row, depth)
    case 3544:
      return seen | teredo(v, here, end, o, row, depth)
    case 6635: // MPLS in UDP (RFC 7510)
      return seen | enter(v, here, end, 0x8847, TUNNEL.other, -1, o, row, depth)
    case 4754: // GRE in UDP (RFC 8086)
      return seen | gre(v, here, end, o, row, depth)
    case 4341: // LISP data (RFC 9300 §5.1): flags, nonce, instance 8
      return seen | enter(v, here + 8, end, ipType(v, here + 8, end), TUNNEL.other, -1, o, row, depth)
    default:
      break
  }
  if (from === 3544) return seen | teredo(v, here, end, o, row, depth)
  return from === 2152 ? seen | gtp(v, here, end, o, row, depth) : seen
}

/**
 * Steps into a tunnel, if what it carries is there and is what the tunnel says; else the row stays as it is, describing the
 * outer packet. `vni` is -1 for a tunnel that has none.
 */
function enter(
  v: DataView,
  at: number,
  end: number,
  type: number,
  kind: number,
  vni: number,
  o: PacketColumns,
  row: number,
  depth: number,
): number {
  const shut = shutBy(v, at, end, type, depth)
  if (shut >= 0) return shut
  wrap(o, row, kind)
  if (vni >= 0) o.vni[row] = vni
  if (type === ETHERNET_BRIDGED) return ethernet(v, at, end, o, row, depth + 1)
  o.ethertype[row] = type
  return etherPayload(v, at, end, type, o, row, depth + 1)
}

/** EtherType of an IP packet by its version; 0 if it is none. */
function ipType(v: DataView, at: number, end: number): number {
  if (end - at < 1) return 0
  const version = v.getUint8(at) >> 4
  return version === 4 ? 0x0800 : version === 6 ? 0x86dd : 0
}

/** Why a tunnel can't be entered, as bits of SEEN; -1 if it can. */
function shutBy(v: DataView, at: number, end: number, type: number, depth: number): number {
  if (depth >= MAX_DEPTH) return 0
  const have = end - at
  switch (type) {
    case 0x0800:
      return have < 20 ? SEEN.cut : v.getUint8(at) >> 4 === 4 ? -1 : SEEN.malformed
    case 0x86dd:
      return have < 24 ? SEEN.cut : v.getUint8(at) >> 4 === 6 ? -1 : SEEN.malformed
    case ETHERNET_BRIDGED:
      return have < 14 ? SEEN.cut : -1
    case 0x0806:
    case 0x8847:
    case 0x8848:
    case 0x894f:
      return have < 8 ? SEEN.cut : -1
    default:
      return 0
  }
}

function wrap(o: PacketColumns, row: number, kind: number): void {
  const at = 4 * row
  // A tunnel in a layer without addresses (802.1ah, pseudowires) keeps those of the tunnel around it
  if (o.src_addr[at + 3] !== 0 || o.src_addr[at] !== 0 || o.dst_addr[at + 3] !== 0 || o.dst_addr[at] !== 0) {
    for (let i = at; i < at + 4; i++) {
      o.tunnel_src[i] = o.src_addr[i] as number
      o.tunnel_dst[i] = o.dst_addr[i] as number
    }
  }
  o.tunnel[row] = kind
  clearNetwork(o, row)
}

// VXLAN (RFC 7348 §5): flags 1 (I = 0x08), reserved 3, VNI 3, reserved 1
function vxlan(v: DataView, at: number, end: number, o: PacketColumns, row: number, depth: number): number {
  if (end - at < 8) return SEEN.cut
  if ((v.getUint8(at) & 0x08) === 0) return 0
  return enter(v, at + 8, end, ETHERNET_BRIDGED, TUNNEL.vxlan, v.getUint32(at + 4) >>> 8, o, row, depth)
}

// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe §3.1): flags 1 (P = 0x04), reserved 2, next protocol 1, VNI 3, reserved 1
function vxlanGpe(v: DataView, at: number, end: number, o: PacketColumns, row: number, depth: number): number {
  if (end - at < 8) return SEEN.cut
  const flags = v.getUint8(at)
  const next = (flags & 0x04) === 0 ? 3 : v.getUint8(at + 3)
  const vni = (flags & 0x08) === 0 ? -1 : v.getUint32(at + 4) >>> 8
  return nextProtocol(v, at + 8, end, next, TUNNEL.vxlan, vni, o, row, depth)
}

// Geneve (RFC 8926 §3.1): version 2 bits, options length 6 bits in words, flags 1, protocol type 2, VNI 3, reserved 1, options
function geneve(v: DataView, at: number, end: number, o: PacketColumns, row: number, depth: number): number {
  if (end - at < 8) return SEEN.cut
  const first = v.getUint8(at)
  if (first >> 6 !== 0) return 0
  return enter(
    v,
    at + 8 + ((first & 0x3f) << 2),
    end,
    v.getUint16(at + 2),
    TUNNEL.geneve,
    v.getUint32(at + 4) >>> 8,
    o,
    row,
    depth,
  )
}

// GRE (RFC 2784, RFC 2890): flags and version 2, protocol 2, [checksum, reserved 4], [key 4], [sequence 4]
function gre(v: DataView, start: number, end: number, o: PacketColumns, row: number, depth: number): number {
  let at = start
  if (end - at < 4) return SEEN.cut
  const flags = v.getUint16(at)
  const type = v.getUint16(at + 2)
  at += 4
  if ((flags & 7) === 1) {
    // PPTP (RFC 2637 §4.1): key 4, [sequence 4], [acknowledgement 4], PPP
    if (type !== 0x880b) return 0
    at += 4 + ((flags & 0x1000) !== 0 ? 4 : 0) + ((flags & 0x0080) !== 0 ? 4 : 0)
    if (end - at < 24) return SEEN.cut
    if (depth >= MAX_DEPTH) return 0
    wrap(o, row, TUNNEL.gre)
    return ppp(v, at, end, o, row, depth + 1)
  }
  if ((flags & 7) !== 0 || (flags & 0x4000) !== 0) return 0
  let key = 0
  if ((flags & 0x8000) !== 0) at += 4
  if ((flags & 0x2000) !== 0) {
    if (end - at < 4) return SEEN.cut
    key = v.getUint32(at)
    at += 4
  }
  const sequenced = (flags & 0x1000) !== 0
  if (sequenced) at += 4
  if (type === 0x88be)
    return sequenced
      ? erspan2(v, at, end, o, row, depth)
      : enter(v, at, end, ETHERNET_BRIDGED, TUNNEL.erspan, -1, o, row, depth)
  if (type === 0x22eb) return erspan3(v, at, end, o, row, depth)
  if (type === ETHERNET_BRIDGED) {
    // NVGRE (RFC 7637 §3.2) is this with just a key, whose upper 24 bits are the VSID, from 0x1000 on; a smaller key is a plain number
    const nvgre = (flags & 0xb000) === 0x2000 && key >>> 8 >= 0x1000
    return enter(v, at, end, type, nvgre ? TUNNEL.nvgre : TUNNEL.gre, nvgre ? key >>> 8 : key, o, row, depth)
  }
  if (type === 0x883e) {
    // WCCP version 2 puts a redirect header of 4 bytes before the IPv4 packet
    if (end - at >= 1 && v.getUint8(at) >> 4 !== 4) at += 4
    return enter(v, at, end, 0x0800, TUNNEL.gre, -1, o, row, depth)
  }
  return enter(v, at, end, type, TUNNEL.gre, -1, o, row, depth)
}

// ERSPAN II (draft-foschiano-erspan §4.2): version 4 bits (1), VLAN 12 bits, flags and session 2, index 4
function erspan2(v: DataView, at: number, end: number, o: PacketColumns, row: number, depth: number): number {
  if (end - at < 8) return SEEN.cut
  const vlan = v.getUint16(at)
  if (vlan >> 12 !== 1) return SEEN.malformed
  return mirrored(v, at + 8, end, ETHERNET_BRIDGED, vlan & 0xfff, o, row, depth)
}

// ERSPAN III (§4.3): version 4 bits (2), VLAN 12 bits, flags and session 2, timestamp 4, SGT 2, P 1 bit, frame type 5 bits, …, O 1 bit; O adds 8
function erspan3(v: DataView, at: number, end: number, o: PacketColumns, row: number, depth: number): number {
  if (end - at < 12) return SEEN.cut
  const vlan = v.getUint16(at)
  if (vlan >> 12 !== 2) return SEEN.malformed
  const last = v.getUint16(at + 10)
  const frameType = (last >> 10) & 0x1f
  const here = at + 12 + ((last & 1) !== 0 ? 8 : 0)
  if (frameType === 2) {
    return mirrored(v, here, end, ipType(v, here, end), vlan & 0xfff, o, row, depth)
  }
  return frameType === 0 ? mirrored(v, here, end, ETHERNET_BRIDGED, vlan & 0xfff, o, row, depth) : 0
}

// The mirroring switch tells the VLAN of a frame whose tag it took off
function mirrored(
  v: DataView,
  at: number,
  end: number,
  type: number,
  vlan: number,
  o: PacketColumns,
  row: number,
  depth: number,
): number {
  if (vlan !== 0 && shutBy(v, at, end, type, depth) < 0) o.vlan_in[row] = vlan
  return enter(v, at, end, type, TUNNEL.erspan, -1, o, row, depth)
}

// GTP-U (3GPP TS 29.281 §5.1): version 3 bits (1), PT, 0, E, S, PN, message type 1 (255 = G-PDU), length 2, TEID 4, [sequence 2, N-PDU 1, next extension 1]
function gtp(v: DataView, start: number, end: number, o: PacketColumns, row: number, depth: number): number {
  let at = start
  if (end - at < 8) return SEEN.cut
  const first = v.getUint8(at)
  if (first >> 4 !== 3 || v.getUint8(at + 1) !== 255) return 0
  at += 8
  if ((first & 7) !== 0) {
    if (end - at < 4) return SEEN.cut
    let next = (first & 4) !== 0 ? v.getUint8(at + 3) : 0
    at += 4
    // Extension header: length 1 in words, content, next extension 1
    while (next !== 0) {
      if (end - at < 4) return SEEN.cut
      const length = v.getUint8(at) << 2
      if (length === 0) return SEEN.malformed
      if (end - at < length) return SEEN.cut
      next = v.getUint8(at + length - 1)
      at += length
    }
  }
  return enter(v, at, end, ipType(v, at, end), TUNNEL.gtp, -1, o, row, depth)
}

// Teredo (RFC 4380 §5.1.1): [authentication 00 01, id length 1, value length 1, …, nonce 8, confirmation 1], [origin 00 00, 6], IPv6
function teredo(v: DataView, start: number, end: number, o: PacketColumns, row: number, depth: number): number {
  let at = start
  if (end - at >= 4 && v.getUint16(at) === 1) at += 4 + v.getUint8(at + 2) + v.getUint8(at + 3) + 9
  if (end - at >= 2 && v.getUint16(at) === 0) at += 8
  return end - at < 40 || v.getUint8(at) >> 4 !== 6 ? 0 : enter(v, at, end, 0x86dd, TUNNEL.teredo, -1, o, row, depth)
}
