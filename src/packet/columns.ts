// What the dissector writes: one typed array a field, one row a packet. A FlowBatch has these columns and more,
// so packets are dissected straight into it; who needs a single packet makes one row of its own.

/** Columns of dissected headers. `*_mac`: two u32 words a row (low, high); `*_addr`, `tunnel_*`: four raw little-endian-read words of the 16 network-order bytes, IPv4 mapped. */
export interface PacketColumns {
  readonly src_mac: Uint32Array
  readonly dst_mac: Uint32Array
  readonly vlan_in: Uint16Array
  readonly s_vlan: Uint16Array
  readonly ethertype: Uint16Array
  readonly vni: Uint32Array
  readonly tunnel: Uint8Array
  readonly tunnel_src: Uint32Array
  readonly tunnel_dst: Uint32Array
  readonly src_addr: Uint32Array
  readonly dst_addr: Uint32Array
  readonly proto: Uint8Array
  readonly src_port: Uint16Array
  readonly dst_port: Uint16Array
  readonly tcp_flags: Uint16Array
  readonly tos: Uint8Array
  readonly ttl: Uint8Array
  readonly icmp_type: Uint8Array
  readonly icmp_code: Uint8Array
  readonly mpls_label: Uint32Array
}

/** Columns for so many packets, zeroed. */
export function createPacketColumns(rows = 1): PacketColumns {
  return {
    src_mac: new Uint32Array(2 * rows),
    dst_mac: new Uint32Array(2 * rows),
    vlan_in: new Uint16Array(rows),
    s_vlan: new Uint16Array(rows),
    ethertype: new Uint16Array(rows),
    vni: new Uint32Array(rows),
    tunnel: new Uint8Array(rows),
    tunnel_src: new Uint32Array(4 * rows),
    tunnel_dst: new Uint32Array(4 * rows),
    src_addr: new Uint32Array(4 * rows),
    dst_addr: new Uint32Array(4 * rows),
    proto: new Uint8Array(rows),
    src_port: new Uint16Array(rows),
    dst_port: new Uint16Array(rows),
    tcp_flags: new Uint16Array(rows),
    tos: new Uint8Array(rows),
    ttl: new Uint8Array(rows),
    icmp_type: new Uint8Array(rows),
    icmp_code: new Uint8Array(rows),
    mpls_label: new Uint32Array(rows),
  }
}

/** Zeroes a row, so that another packet can be dissected into it. */
export function clearPacketRow(out: PacketColumns, row: number): void {
  out.src_mac.fill(0, 2 * row, 2 * row + 2)
  out.dst_mac.fill(0, 2 * row, 2 * row + 2)
  out.vlan_in[row] = 0
  out.s_vlan[row] = 0
  out.ethertype[row] = 0
  out.vni[row] = 0
  out.tunnel[row] = 0
  out.tunnel_src.fill(0, 4 * row, 4 * row + 4)
  out.tunnel_dst.fill(0, 4 * row, 4 * row + 4)
  out.mpls_label[row] = 0
  clearNetwork(out, row)
}

/** Zeroes what the network and transport layers wrote. */
export function clearNetwork(out: PacketColumns, row: number): void {
  const at = 4 * row
  out.src_addr[at] = 0
  out.src_addr[at + 1] = 0
  out.src_addr[at + 2] = 0
  out.src_addr[at + 3] = 0
  out.dst_addr[at] = 0
  out.dst_addr[at + 1] = 0
  out.dst_addr[at + 2] = 0
  out.dst_addr[at + 3] = 0
  out.proto[row] = 0
  out.src_port[row] = 0
  out.dst_port[row] = 0
  out.tcp_flags[row] = 0
  out.tos[row] = 0
  out.ttl[row] = 0
  out.icmp_type[row] = 0
  out.icmp_code[row] = 0
}

const MAPPED = 0xffff0000 | 0

/** Writes the IPv4 address at `at` into a row of an address column, mapped (::ffff:a.b.c.d). The row's first two words stay. */
export function v4Into(v: DataView, at: number, into: Uint32Array, row: number): void {
  into[(row << 2) | 2] = MAPPED
  into[(row << 2) | 3] = v.getInt32(at, true)
}

/** Writes the IPv6 address at `at` into a row of an address column. */
export function v6Into(v: DataView, at: number, into: Uint32Array, row: number): void {
  into[row << 2] = v.getInt32(at, true)
  into[(row << 2) | 1] = v.getInt32(at + 4, true)
  into[(row << 2) | 2] = v.getInt32(at + 8, true)
  into[(row << 2) | 3] = v.getInt32(at + 12, true)
}
