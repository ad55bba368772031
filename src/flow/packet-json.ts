import { createPacketColumns } from '../packet/columns.ts'
import { SEEN } from '../packet/dissect.ts'
import { dissectLink, LINK } from '../packet/link.ts'
import { ipText, macText } from '../base/address.ts'
import { TUNNELS } from './columns.ts'

/** A dissected packet; a column of the flow row stands under its name, and is absent if no header tells of it. */
export interface PacketJson {
  readonly src_mac?: string
  readonly dst_mac?: string
  /** The inner VLAN tag, and the outer one of two (QinQ). */
  readonly vlan_in?: number
  readonly s_vlan?: number
  readonly ethertype?: number
  /** As the `tunnel` column has it: vxlan, geneve, gre, …; what stands beside it is the innermost packet. */
  readonly tunnel?: string
  /** Of the tunnel: VXLAN or Geneve network, GRE key. */
  readonly vni?: number
  readonly tunnel_src?: string
  readonly tunnel_dst?: string
  readonly src_addr?: string
  readonly dst_addr?: string
  /** IANA protocol number. */
  readonly proto?: number
  readonly src_port?: number
  readonly dst_port?: number
  readonly tcp_flags?: number
  readonly icmp_type?: number
  readonly icmp_code?: number
  readonly tos?: number
  readonly ttl?: number
  /** Top label of MPLS. */
  readonly mpls_label?: number
  /** The bytes end before the headers do: a packet cut by its capture or its sampler. */
  readonly cut?: true
  /** A later fragment: its ports are in another packet. */
  readonly fragment?: true
  /** A header contradicts itself. */
  readonly malformed?: true
}

/**
 * Dissects a captured packet into a plain object: for looking at packets one at a time; `dissect` does it without allocating.
 * Never throws; a packet cut anywhere tells what stands before the cut.
 * @param linkType of the capture (tcpdump.org/linktypes.html), Ethernet if not given
 */
export function packetAsJson(bytes: Uint8Array, linkType: number = LINK.ethernet): PacketJson {
  const c = createPacketColumns()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const seen = dissectLink(linkType, view, 0, bytes.length, c, 0)
  const network = (seen & SEEN.network) !== 0
  const transport = (seen & SEEN.transport) !== 0
  const proto = at(c.proto)
  const icmp = proto === 1 || proto === 58
  const json: Record<string, string | number | true> = {}
  const put = (name: keyof PacketJson, value: string | number | true | undefined, has: boolean): void => {
    if (has && value !== undefined) json[name] = value
  }
  // Behind a cut a column is zero because nothing was read, not because a header says so
  const cut = (seen & SEEN.cut) !== 0
  const told = (column: Uint8Array | Uint16Array): boolean => !cut || at(column) !== 0
  put('src_mac', mac(c.src_mac), (seen & SEEN.link) !== 0)
  put('dst_mac', mac(c.dst_mac), (seen & SEEN.link) !== 0)
  put('vlan_in', at(c.vlan_in), at(c.vlan_in) !== 0)
  put('s_vlan', at(c.s_vlan), at(c.s_vlan) !== 0)
  put('ethertype', at(c.ethertype), at(c.ethertype) !== 0)
  put('tunnel', (TUNNELS as Readonly<Record<number, string>>)[at(c.tunnel)], at(c.tunnel) !== 0)
  put('vni', at(c.vni), at(c.vni) !== 0)
  put('tunnel_src', ip(c.tunnel_src), at(c.tunnel) !== 0 && isThere(c.tunnel_src))
  put('tunnel_dst', ip(c.tunnel_dst), at(c.tunnel) !== 0 && isThere(c.tunnel_dst))
  put('src_addr', ip(c.src_addr), network && (!cut || isThere(c.src_addr)))
  put('dst_addr', ip(c.dst_addr), network && (!cut || isThere(c.dst_addr)))
  put('proto', proto, network && proto !== 0)
  put('src_port', at(c.src_port), transport && !icmp && told(c.src_port))
  put('dst_port', at(c.dst_port), transport && !icmp && told(c.dst_port))
  put('tcp_flags', at(c.tcp_flags), transport && proto === 6 && told(c.tcp_flags))
  put('icmp_type', at(c.icmp_type), transport && icmp && !cut)
  put('icmp_code', at(c.icmp_code), transport && icmp && !cut)
  put('tos', at(c.tos), network && proto !== 0)
  put('ttl', at(c.ttl), network && proto !== 0)
  put('mpls_label', at(c.mpls_label), at(c.mpls_label) !== 0)
  put('cut', true, cut)
  put('fragment', true, (seen & SEEN.fragment) !== 0)
  put('malformed', true, (seen & SEEN.malformed) !== 0)
  return json
}

function at(column: Uint8Array | Uint16Array | Uint32Array): number {
  return column[0] as number
}

function mac(column: Uint32Array): string {
  return macText((column[1] as number) * 0x1_0000_0000 + (column[0] as number))
}

function ip(column: Uint32Array): string {
  return ipText(new Uint8Array(column.buffer, column.byteOffset, 16))
}

function isThere(column: Uint32Array): boolean {
  return column.subarray(0, 4).some((word) => word !== 0)
}
