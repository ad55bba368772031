// Packets → the words that flows are made of, many at a time. The frames that nearly all traffic is made of are read here, in
// one go; the others go through the dissector, which knows every header.

import type { PacketBlock } from '../capture/packet-block.ts'
import { clearPacketRow, createPacketColumns, type PacketColumns } from '../packet/columns.ts'
import { dissectLink, LINK } from '../packet/link.ts'
import { networkOffset, SEEN } from '../packet/dissect.ts'
import { EGRESS, FIELD, FIELDS } from './flow-key.ts'

const MAPPED = 0xffff0000
const IPV6_FRAGMENT = 44

/** Packets that are looked up together: what they touch of the flow table has to stay in the first-level cache meanwhile. */
export const BATCH = 128

export interface PacketReaderOptions {
  /** Whether a packet in a tunnel is metered by its own headers, or by those of the tunnel. */
  readonly tunnels: 'inner' | 'outer'
  /** Whether later fragments belong to the flow of the first, which alone has ports, or to one without ports. */
  readonly fragments: 'together' | 'apart'
}

/** Up to BATCH IP packets that were read. */
export class PacketReader {
  count = 0
  /** FIELDS words a packet. */
  readonly fields = new Uint32Array(BATCH * FIELDS)
  /** Bytes of the IP packet: what NetFlow counts. */
  readonly ipLength = new Uint32Array(BATCH)
  readonly tcpFlags = new Uint16Array(BATCH)
  readonly ttl = new Uint8Array(BATCH)
  /** Milliseconds since 1970. */
  readonly time = new Float64Array(BATCH)
  /** 1 where source and destination were exchanged (biflow.ts). */
  readonly turned = new Uint8Array(BATCH)
  private readonly columns: PacketColumns = createPacketColumns(1)
  private readonly isOuter: boolean
  private readonly fragments: Fragments | undefined

  constructor(options: PacketReaderOptions = { tunnels: 'inner', fragments: 'together' }) {
    this.isOuter = options.tunnels === 'outer'
    this.fragments = options.fragments === 'together' ? new Fragments() : undefined
  }

  /** Reads packet `i` of a block behind the others; false if it holds no IP packet. There must be room. */
  read(block: PacketBlock, i: number): boolean {
    const at = block.offset[i] as number
    const length = block.captured[i] as number
    const isCommon = block.linkType[i] === LINK.ethernet && this.readCommon(block.view, at, length)
    if (!isCommon && !this.readAny(block, i, at, length)) return false
    const row = this.count++
    this.fields[row * FIELDS + FIELD.port] = block.port[i] as number
    if (block.direction[i] === 1) this.putEgress(row)
    if (block.tag[i] !== 0) this.putTag(row, block.tag[i] as number)
    this.time[row] = (block.seconds[i] as number) * 1000 + (block.nanos[i] as number) / 1e6
    return true
  }

  /** Puts a row in the place of an earlier one. */
  move(from: number, to: number): void {
    this.fields.copyWithin(to * FIELDS, from * FIELDS, (from + 1) * FIELDS)
    this.ipLength[to] = this.ipLength[from] as number
    this.tcpFlags[to] = this.tcpFlags[from] as number
    this.ttl[to] = this.ttl[from] as number
    this.time[to] = this.time[from] as number
    this.turned[to] = this.turned[from] as number
  }

  // Ethernet with at most one tag, IPv4 without options that is no fragment, or IPv6 without extension headers; TCP, ICMP, or UDP
  // to and from ports that no tunnel uses.
  private readCommon(view: DataView, at: number, length: number): boolean {
    if (length < 54) return false
    const fields = this.fields
    const f = this.count * FIELDS
    let type = view.getUint16(at + 12)
    let here = at + 14
    let vlan = 0
    if (type === 0x8100) {
      if (length < 58) return false
      vlan = view.getUint16(at + 14) & 0xfff
      type = view.getUint16(at + 16)
      here = at + 18
    }
    let protocol = 0
    let transport = 0
    if (type === 0x0800) {
      const first = view.getUint32(here)
      // Version 4, five words; no fragment
      if (first >>> 24 !== 0x45 || (view.getUint16(here + 6) & 0x3fff) !== 0) return false
      const third = view.getUint32(here + 8)
      protocol = (third >>> 16) & 0xff
      transport = here + 20
      if (!this.isRead(protocol)) return false
      const total = first & 0xffff
      if (total < 20) return false
      this.ipLength[this.count] = total
      this.ttl[this.count] = third >>> 24
      fields[f + 0] = 0
      fields[f + 1] = 0
      fields[f + 2] = MAPPED
      fields[f + 3] = view.getUint32(here + 12, true)
      fields[f + 4] = 0
      fields[f + 5] = 0
      fields[f + 6] = MAPPED
      fields[f + 7] = view.getUint32(here + 16, true)
      fields[f + FIELD.protocol] = 0x08000000 | (((first >>> 16) & 0xff) << 8) | protocol
    } else if (type === 0x86dd) {
      if (at + length - here < 40) return false
      const first = view.getUint32(here)
      const second = view.getUint32(here + 4)
      protocol = (second >>> 8) & 0xff
      transport = here + 40
      if (first >>> 28 !== 6 || !this.isRead(protocol) || second >>> 16 === 0) return false
      this.ipLength[this.count] = 40 + (second >>> 16)
      this.ttl[this.count] = second & 0xff
      fields[f + 0] = view.getUint32(here + 8, true)
      fields[f + 1] = view.getUint32(here + 12, true)
      fields[f + 2] = view.getUint32(here + 16, true)
      fields[f + 3] = view.getUint32(here + 20, true)
      fields[f + 4] = view.getUint32(here + 24, true)
      fields[f + 5] = view.getUint32(here + 28, true)
      fields[f + 6] = view.getUint32(here + 32, true)
      fields[f + 7] = view.getUint32(here + 36, true)
      fields[f + FIELD.protocol] = 0x86dd0000 | (((first >>> 20) & 0xff) << 8) | protocol
    } else return false
    const room = at + length - transport
    if (protocol === 6) {
      if (room < 14) return false
      this.tcpFlags[this.count] = view.getUint16(transport + 12) & 0xfff
    } else {
      if (room < 8) return false
      this.tcpFlags[this.count] = 0
      if (
        protocol === 17 &&
        !this.isOuter &&
        (mayBeTunnel(view.getUint16(transport)) || mayBeTunnel(view.getUint16(transport + 2)))
      )
        return false
    }
    const isIcmp = protocol === 1 || protocol === 58
    fields[f + FIELD.ports] =
      protocol === 6 || protocol === 17 ? view.getUint32(transport) : isIcmp ? view.getUint16(transport) : 0
    fields[f + FIELD.vlans] = vlan
    const middle = view.getUint32(at + 4)
    fields[f + FIELD.dstMacLow] = (view.getUint16(at + 2) << 16) | (middle >>> 16)
    fields[f + FIELD.srcMacLow] = view.getUint32(at + 8)
    fields[f + FIELD.macsHigh] = ((middle & 0xffff) << 16) | view.getUint16(at)
    fields[f + FIELD.tunnel] = 0
    fields[f + FIELD.mpls] = 0
    return true
  }

  /** TCP, UDP and ICMP; and where tunnels are metered by their own headers, the protocols that carry other packets. */
  private isRead(protocol: number): boolean {
    if (protocol === 6 || protocol === 17 || protocol === 1 || protocol === 58) return true
    return this.isOuter && (protocol === 4 || protocol === 41 || protocol === 47 || protocol === 97 || protocol === 137)
  }

  private readAny(block: PacketBlock, i: number, at: number, length: number): boolean {
    const { view } = block
    const columns = this.columns
    clearPacketRow(columns, 0)
    const seen = dissectLink(block.linkType[i] as number, view, at, length, columns, 0, !this.isOuter)
    const network = networkOffset(seen)
    if (network === 0 && (seen & SEEN.network) === 0) return false
    const header = at + network
    const here = at + length - header
    const type = ipType(columns, here > 0 ? view.getUint8(header) >>> 4 : 0)
    if (type === 0) return false
    const isV4 = type === 0x0800
    // A tag that the kernel took off counts on the wire, but is not before the header
    const onWire = (block.original[i] as number) - network - (block.tag[i] === 0 ? 0 : 4)
    const stated = isV4 ? (here >= 4 ? view.getUint16(header + 2) : 0) : here >= 6 ? view.getUint16(header + 4) + 40 : 0
    // 0 where segmentation offload let the kernel see a packet larger than the wire carries
    this.ipLength[this.count] = stated >= (isV4 ? 20 : 41) ? stated : onWire
    this.ttl[this.count] = columns.ttl[0] as number
    this.tcpFlags[this.count] = columns.tcp_flags[0] as number
    const fields = this.fields
    const f = this.count * FIELDS
    for (let w = 0; w < 4; w++) {
      fields[f + FIELD.src + w] = columns.src_addr[w] as number
      fields[f + FIELD.dst + w] = columns.dst_addr[w] as number
    }
    const protocol = columns.proto[0] as number
    fields[f + FIELD.ports] =
      protocol === 1 || protocol === 58
        ? ((columns.icmp_type[0] as number) << 8) | (columns.icmp_code[0] as number)
        : ((columns.src_port[0] as number) << 16) | (columns.dst_port[0] as number)
    if (this.fragments && here >= (isV4 ? 20 : 48))
      fields[f + FIELD.ports] = this.fragments.portsOf(view, header, isV4, fields, f, (seen & SEEN.fragment) !== 0)
    fields[f + FIELD.protocol] = (type << 16) | ((columns.tos[0] as number) << 8) | protocol
    fields[f + FIELD.vlans] = ((columns.s_vlan[0] as number) << 16) | (columns.vlan_in[0] as number)
    fields[f + FIELD.srcMacLow] = columns.src_mac[0] as number
    fields[f + FIELD.dstMacLow] = columns.dst_mac[0] as number
    fields[f + FIELD.macsHigh] = ((columns.src_mac[1] as number) << 16) | (columns.dst_mac[1] as number)
    fields[f + FIELD.tunnel] = ((columns.tunnel[0] as number) << 24) | ((columns.vni[0] as number) & 0xffffff)
    fields[f + FIELD.mpls] = columns.mpls_label[0] as number
    return true
  }

  private putEgress(row: number): void {
    const at = row * FIELDS + FIELD.mpls
    this.fields[at] = (this.fields[at] as number) | EGRESS
  }

  /** The tag that the kernel took off was the outermost. */
  private putTag(row: number, tag: number): void {
    const at = row * FIELDS + FIELD.vlans
    const vlans = this.fields[at] as number
    const vlan = tag & 0xfff
    // Of three tags and more the outermost and the innermost are kept, as the dissector does
    this.fields[at] = vlans === 0 ? vlan : (vlan << 16) | (vlans & 0xffff)
  }
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
  portsOf(view: DataView, header: number, isV4: boolean, fields: Uint32Array, f: number, isLater: boolean): number {
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
