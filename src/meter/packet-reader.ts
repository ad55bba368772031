// Packets → the words that flows are made of, many at a time. The frames that nearly all traffic is made of are read here, in
// one go; the others go through the dissector, which knows every header.

import type { PacketBlock } from '../capture/packet-block.ts'
import { clearPacketRow, createPacketColumns, type PacketColumns } from '../packet/columns.ts'
import { dissectLink, LINK } from '../packet/link.ts'
import { networkOffset, SEEN } from '../packet/dissect.ts'
import * as key from './flow-key.ts'

// What is imported, the compiler reads again at each use; of constants of a module's own it knows that they stay what they are.
const { EGRESS, FIELD, FIELDS } = key
const ETHERNET = LINK.ethernet

const MAPPED = 0xffff0000
const IPV6_FRAGMENT = 44

/** Packets that are looked up together: what they touch of the flow table has to stay in the first-level cache meanwhile. */
export const BATCH = 128
const ROWS = BATCH

export interface PacketReaderOptions {
  /** Whether a packet in a tunnel is metered by its own headers, or by those of the tunnel. */
  readonly tunnels: 'inner' | 'outer'
  /** Whether later fragments belong to the flow of the first, which alone has ports, or to one without ports. */
  readonly fragments: 'together' | 'apart'
}

/** Up to BATCH IP packets that were read. */
export interface PacketRows {
  count: number
  /** FIELDS words a packet. */
  readonly fields: Int32Array
  /** Bytes of the IP packet: what NetFlow counts. */
  readonly ipLength: Uint32Array
  readonly tcpFlags: Uint16Array
  readonly ttl: Uint8Array
  /** Milliseconds since 1970. */
  readonly time: Float64Array
  /** 1 where source and destination were exchanged (biflow.ts). */
  readonly turned: Uint8Array
}

export interface PacketReader extends PacketRows {
  /** Reads packets of a block behind those read before, from `first` up to `end` or until there is no more room. Answers where it stopped. */
  read(block: PacketBlock, first: number, end: number): number
  /** Packets so far that hold no IP packet. */
  readonly notIp: number
  /** Puts a row in the place of an earlier one. */
  move(from: number, to: number): void
}

export function createPacketReader(
  options: PacketReaderOptions = { tunnels: 'inner', fragments: 'together' },
): PacketReader {
  const isOuter = options.tunnels === 'outer'
  const fragments = options.fragments === 'together' ? new Fragments() : undefined
  const columns = createPacketColumns(1)
  const fields = new Int32Array(ROWS * FIELDS)
  const ipLength = new Uint32Array(ROWS)
  const tcpFlags = new Uint16Array(ROWS)
  const ttl = new Uint8Array(ROWS)
  const time = new Float64Array(ROWS)
  const turned = new Uint8Array(ROWS)
  let notIp = 0

  // Ethernet with at most one tag, IPv4 without options that is no fragment, or IPv6 without extension headers; TCP, ICMP, or UDP
  // to and from ports that no tunnel uses. Nothing is called in this loop: after a call the compiler would trust nothing that
  // it knows of the arrays. Answers the first packet that is another.
  function readCommon(block: PacketBlock, first: number, end: number): number {
    const { view, offset, captured, linkType, seconds, nanos, tag, port, direction } = block
    let row = rows.count
    let i = first
    for (; i < end && row < ROWS; i++) {
      const at = offset[i] as number
      const length = captured[i] as number
      if (linkType[i] !== ETHERNET || length < 54) break
      const f = row * FIELDS
      let type = view.getUint16(at + 12)
      let here = at + 14
      let vlan = 0
      if (type === 0x8100) {
        if (length < 58) break
        vlan = view.getUint16(at + 14) & 0xfff
        type = view.getUint16(at + 16)
        here = at + 18
      }
      let protocol = 0
      let transport = 0
      if (type === 0x0800) {
        const word = view.getInt32(here)
        // Version 4, five words; no fragment
        if (word >>> 24 !== 0x45 || (view.getUint16(here + 6) & 0x3fff) !== 0) break
        const third = view.getInt32(here + 8)
        const total = word & 0xffff
        if (total < 20) break
        protocol = (third >>> 16) & 0xff
        transport = here + 20
        ipLength[row] = total
        ttl[row] = third >>> 24
        fields[f + 0] = 0
        fields[f + 1] = 0
        fields[f + 2] = MAPPED
        fields[f + 3] = view.getInt32(here + 12, true)
        fields[f + 4] = 0
        fields[f + 5] = 0
        fields[f + 6] = MAPPED
        fields[f + 7] = view.getInt32(here + 16, true)
        fields[f + FIELD.protocol] = 0x08000000 | (((word >>> 16) & 0xff) << 8) | protocol
      } else if (type === 0x86dd) {
        if (at + length - here < 40) break
        const word = view.getInt32(here)
        const second = view.getInt32(here + 4)
        protocol = (second >>> 8) & 0xff
        transport = here + 40
        if (word >>> 28 !== 6 || second >>> 16 === 0) break
        ipLength[row] = 40 + (second >>> 16)
        ttl[row] = second & 0xff
        fields[f + 0] = view.getInt32(here + 8, true)
        fields[f + 1] = view.getInt32(here + 12, true)
        fields[f + 2] = view.getInt32(here + 16, true)
        fields[f + 3] = view.getInt32(here + 20, true)
        fields[f + 4] = view.getInt32(here + 24, true)
        fields[f + 5] = view.getInt32(here + 28, true)
        fields[f + 6] = view.getInt32(here + 32, true)
        fields[f + 7] = view.getInt32(here + 36, true)
        fields[f + FIELD.protocol] = 0x86dd0000 | (((word >>> 20) & 0xff) << 8) | protocol
      } else break
      const room = at + length - transport
      if (protocol === 6) {
        if (room < 14) break
        tcpFlags[row] = view.getUint16(transport + 12) & 0xfff
        fields[f + FIELD.ports] = view.getInt32(transport)
      } else {
        if (room < 8) break
        tcpFlags[row] = 0
        if (protocol === 17) {
          const ports = view.getInt32(transport)
          if (!isOuter && (mayBeTunnel(ports >>> 16) || mayBeTunnel(ports & 0xffff))) break
          fields[f + FIELD.ports] = ports
        } else if (protocol === 1 || protocol === 58) fields[f + FIELD.ports] = view.getUint16(transport)
        else if (isOuter && isTunnel(protocol)) fields[f + FIELD.ports] = 0
        else break
      }
      // The tag that the kernel took off was the outermost. Of three tags and more the outermost and the innermost are kept.
      const taken = (tag[i] as number) & 0xfff
      fields[f + FIELD.vlans] = tag[i] === 0 ? vlan : vlan === 0 ? taken : (taken << 16) | vlan
      fields[f + FIELD.port] = port[i] as number
      const middle = view.getInt32(at + 4)
      fields[f + FIELD.dstMacLow] = (view.getUint16(at + 2) << 16) | (middle >>> 16)
      fields[f + FIELD.srcMacLow] = view.getInt32(at + 8)
      fields[f + FIELD.macsHigh] = ((middle & 0xffff) << 16) | view.getUint16(at)
      fields[f + FIELD.tunnel] = 0
      fields[f + FIELD.mpls] = direction[i] === 1 ? EGRESS : 0
      time[row] = (seconds[i] as number) * 1000 + (nanos[i] as number) * 1e-6
      row++
    }
    rows.count = row
    return i
  }

  function readAny(block: PacketBlock, i: number): boolean {
    const { view } = block
    const at = block.offset[i] as number
    const length = block.captured[i] as number
    clearPacketRow(columns, 0)
    const seen = dissectLink(block.linkType[i] as number, view, at, length, columns, 0, !isOuter)
    const network = networkOffset(seen)
    if (network === 0 && (seen & SEEN.network) === 0) return false
    const header = at + network
    const here = at + length - header
    const type = ipType(columns, here > 0 ? view.getUint8(header) >>> 4 : 0)
    if (type === 0) return false
    const row = rows.count
    const isV4 = type === 0x0800
    // A tag that the kernel took off counts on the wire, but is not before the header
    const onWire = (block.original[i] as number) - network - (block.tag[i] === 0 ? 0 : 4)
    const stated = isV4 ? (here >= 4 ? view.getUint16(header + 2) : 0) : here >= 6 ? view.getUint16(header + 4) + 40 : 0
    // 0 where segmentation offload let the kernel see a packet larger than the wire carries
    ipLength[row] = stated >= (isV4 ? 20 : 41) ? stated : onWire
    ttl[row] = columns.ttl[0] as number
    tcpFlags[row] = columns.tcp_flags[0] as number
    const f = row * FIELDS
    for (let w = 0; w < 4; w++) {
      fields[f + FIELD.src + w] = columns.src_addr[w] as number
      fields[f + FIELD.dst + w] = columns.dst_addr[w] as number
    }
    const protocol = columns.proto[0] as number
    fields[f + FIELD.ports] =
      protocol === 1 || protocol === 58
        ? ((columns.icmp_type[0] as number) << 8) | (columns.icmp_code[0] as number)
        : ((columns.src_port[0] as number) << 16) | (columns.dst_port[0] as number)
    if (fragments && here >= (isV4 ? 20 : 48))
      fields[f + FIELD.ports] = fragments.portsOf(view, header, isV4, fields, f, (seen & SEEN.fragment) !== 0)
    fields[f + FIELD.protocol] = (type << 16) | ((columns.tos[0] as number) << 8) | protocol
    const vlans = ((columns.s_vlan[0] as number) << 16) | (columns.vlan_in[0] as number)
    const taken = (block.tag[i] as number) & 0xfff
    fields[f + FIELD.vlans] = block.tag[i] === 0 ? vlans : vlans === 0 ? taken : (taken << 16) | (vlans & 0xffff)
    fields[f + FIELD.port] = block.port[i] as number
    fields[f + FIELD.srcMacLow] = columns.src_mac[0] as number
    fields[f + FIELD.dstMacLow] = columns.dst_mac[0] as number
    fields[f + FIELD.macsHigh] = ((columns.src_mac[1] as number) << 16) | (columns.dst_mac[1] as number)
    fields[f + FIELD.tunnel] = ((columns.tunnel[0] as number) << 24) | ((columns.vni[0] as number) & 0xffffff)
    fields[f + FIELD.mpls] = (columns.mpls_label[0] as number) | (block.direction[i] === 1 ? EGRESS : 0)
    time[row] = (block.seconds[i] as number) * 1000 + (block.nanos[i] as number) * 1e-6
    rows.count++
    return true
  }

  const rows = {
    count: 0,
    fields,
    ipLength,
    tcpFlags,
    ttl,
    time,
    turned,
    get notIp() {
      return notIp
    },
    read(block: PacketBlock, first: number, end: number): number {
      let i = first
      while (i < end && rows.count < ROWS) {
        i = readCommon(block, i, end)
        if (i < end && rows.count < ROWS && !readAny(block, i++)) notIp++
      }
      return i
    },
    move(from: number, to: number): void {
      fields.copyWithin(to * FIELDS, from * FIELDS, (from + 1) * FIELDS)
      ipLength[to] = ipLength[from] as number
      tcpFlags[to] = tcpFlags[from] as number
      ttl[to] = ttl[from] as number
      time[to] = time[from] as number
      turned[to] = turned[from] as number
    },
  }
  return rows
}

/** Where tunnels are metered by their own headers: the protocols that carry other packets. */
function isTunnel(protocol: number): boolean {
  return protocol === 4 || protocol === 41 || protocol === 47 || protocol === 97 || protocol === 137
}

/** Datagrams whose fragments are awaited: an older one gives way to a newer one in its place. */
const FRAGMENTED = 4096
const MORE = 0x2000

/** Ports of datagrams whose first fragment was seen. */
class Fragments {
  // Two hashes of addresses, protocol and identification stand for them
  private readonly keys = new Int32Array(2 * FRAGMENTED)
  private readonly ports = new Uint32Array(FRAGMENTED)

  /** The ports of a packet: its own, or those of its first fragment if that was seen. */
  portsOf(view: DataView, header: number, isV4: boolean, fields: Int32Array, f: number, isLater: boolean): number {
    const own = fields[f + FIELD.ports] as number
    if (!isLater) {
      const isFirst = isV4
        ? (view.getUint16(header + 6) & MORE) !== 0
        : view.getUint8(header + 6) === IPV6_FRAGMENT && (view.getUint16(header + 42) & 1) !== 0
      if (!isFirst) return own
    } else if (!isV4 && view.getUint8(header + 6) !== IPV6_FRAGMENT) return own
    const id = isV4 ? (view.getUint16(header + 4) << 8) | view.getUint8(header + 9) : view.getUint32(header + 44)
    let one = id
    let two = ~id
    for (let w = 0; w < 8; w++) {
      one = Math.imul(one ^ (fields[f + w] as number), 0x9e3779b1)
      one ^= one >>> 15
      two = Math.imul(two ^ (fields[f + w] as number), 0x85ebca6b)
      two ^= two >>> 13
    }
    const place = one & (FRAGMENTED - 1)
    if (!isLater) {
      this.keys[2 * place] = one
      this.keys[2 * place + 1] = two
      this.ports[place] = own
      return own
    }
    return this.keys[2 * place] === one && this.keys[2 * place + 1] === two ? (this.ports[place] as number) : own
  }
}

/** EtherType of the IP packet that was dissected; 0 if there is none. @param version of the header that was found */
function ipType(columns: PacketColumns, version: number): number {
  const type = columns.ethertype[0] as number
  if (type === 0x0800 || type === 0x86dd) return type
  // Behind MPLS and PPP nothing but the header itself tells; and in a tunnel what has no IP header has no addresses
  if (type !== 0 && type !== 0x8847 && type !== 0x8848 && type !== 0x8864) return 0
  const { src_addr: src, dst_addr: dst } = columns
  for (let w = 0; w < 4; w++)
    if (src[w] !== 0 || dst[w] !== 0) return version === 4 ? 0x0800 : version === 6 ? 0x86dd : 0
  return 0
}

// The ports behind which the dissector looks for a tunnel
function mayBeTunnel(port: number): boolean {
  if (port < 2152 || port > 8472) return false
  return (
    port === 2152 || // GTP-U
    port === 3544 || // Teredo
    port === 4341 || // LISP
    port === 4754 || // GRE
    port === 4789 || // VXLAN
    port === 4790 || // VXLAN-GPE
    port === 6081 || // Geneve
    port === 6635 || // MPLS
    port === 8472 // VXLAN, as Linux had it
  )
}
