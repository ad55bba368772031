// The registry of flow columns. DDL, Native blocks, filter words, API dimensions, console columns and the
// reference page all come from this table; adding a column is one row here, one line in a normalizer, one fixture.

/**
 * How a column is held in a FlowBatch:
 * - `u8` `u16` `u32`: one element a row;
 * - `u64`: two little-endian u32 words a row (low, high);
 * - `mac`: as `u64`, a 48-bit MAC address;
 * - `ip`: 16 network-order bytes a row, seen as four raw u32 words (IPv4 as ::ffff:a.b.c.d);
 * - `name`: one u32 a row, an index into the name table that travels with the batch.
 */
export type ColumnStorage = 'u8' | 'u16' | 'u32' | 'u64' | 'mac' | 'ip' | 'name'

/** How a value is shown and written in filters and answers. */
export type ColumnFormat =
  | 'time'
  | 'ip'
  | 'mac'
  | 'number'
  | 'bytes'
  | 'packets'
  | 'port'
  | 'proto'
  | 'interface'
  | 'vlan'
  | 'as'
  | 'flags'
  | 'enum'
  | 'name'
  | 'boolean'
  | 'ethertype'

export interface ColumnDefinition {
  readonly name: string
  readonly storage: ColumnStorage
  readonly format: ColumnFormat
  /** ClickHouse type, as in the DDL and in Native block headers. */
  readonly type: string
  readonly codec: string
  readonly label: string
  readonly describe: string
  /** True if an answer may be grouped by it. */
  readonly dimension: boolean
  /** Values of an `enum` column by number. */
  readonly values?: Readonly<Record<number, string>>
}

export const PROTOCOLS = { 0: 'unknown', 1: 'sflow', 5: 'netflow5', 7: 'netflow7', 9: 'netflow9', 10: 'ipfix', 11: 'netflow1' } as const
export const DIRECTIONS = { 0: 'unknown', 1: 'ingress', 2: 'egress' } as const
export const TUNNELS = {
  0: 'none', 1: 'vxlan', 2: 'geneve', 3: 'gre', 4: 'nvgre', 5: 'erspan', 6: 'ipip', 7: '6in4', 8: 'teredo', 9: 'gtp', 10: 'other',
} as const
export const LOCALITIES = {
  0: 'unknown', 1: 'intra_host', 2: 'inter_host', 3: 'vm_physical', 4: 'vm_external', 5: 'external',
} as const

function enumType(values: Readonly<Record<number, string>>): string {
  return `Enum8(${Object.entries(values).map(([n, v]) => `'${v}' = ${n}`).join(', ')})`
}

type Row = readonly [
  name: string, storage: ColumnStorage, format: ColumnFormat, type: string, codec: string,
  label: string, describe: string, dimension: 0 | 1, values?: Readonly<Record<number, string>>,
]

const TIME = 'CODEC(Delta, ZSTD(1))'
const PLAIN = 'CODEC(ZSTD(1))'

const ROWS: readonly Row[] = [
  // When and where seen
  ['time_received', 'u64', 'time', "DateTime64(3, 'UTC')", TIME, 'received', 'When the collector received the datagram.', 0],
  ['time_start', 'u64', 'time', "DateTime64(3, 'UTC')", TIME, 'start', 'First packet of the flow, by the exporter; receipt time for a packet sample.', 0],
  ['time_end', 'u64', 'time', "DateTime64(3, 'UTC')", TIME, 'end', 'Last packet of the flow, by the exporter; receipt time for a packet sample.', 0],
  ['exporter', 'ip', 'ip', 'IPv6', PLAIN, 'exporter', 'Address of the exporter: the sFlow agent address, or the source address of NetFlow and IPFIX.', 1],
  ['protocol', 'u8', 'enum', enumType(PROTOCOLS), PLAIN, 'export protocol', 'Protocol in which the flow was exported.', 1, PROTOCOLS],
  ['observation', 'u32', 'number', 'UInt32', PLAIN, 'observation', 'sFlow sub-agent, NetFlow engine or source ID, IPFIX observation domain.', 1],
  ['source_if', 'u32', 'interface', 'UInt32', PLAIN, 'data source', 'Index of the sFlow data source that took the sample.', 1],
  ['in_if', 'u32', 'interface', 'UInt32', PLAIN, 'in interface', 'Input ifIndex; the sFlow codes (internal 0x3FFFFFFF, discarded, multiple) stay values.', 1],
  ['out_if', 'u32', 'interface', 'UInt32', PLAIN, 'out interface', 'Output ifIndex; the sFlow codes (internal 0x3FFFFFFF, discarded, multiple) stay values.', 1],
  ['direction', 'u8', 'enum', enumType(DIRECTIONS), PLAIN, 'direction', 'Side of the observation point on which the flow was seen.', 1, DIRECTIONS],
  ['sampling_rate', 'u32', 'number', 'UInt32', PLAIN, 'sampling rate', 'One packet in this many was seen; 1 if all were, or if no rate is known.', 1],
  ['forwarding_status', 'u8', 'number', 'UInt8', PLAIN, 'forwarding', 'forwardingStatus (IANA element 89); 0 if unknown.', 1],
  ['discard_reason', 'u16', 'number', 'UInt16', PLAIN, 'discard reason', 'sFlow reason code of a discarded packet; 0 if it was not discarded.', 1],
  // Link
  ['src_mac', 'mac', 'mac', 'UInt64', PLAIN, 'src MAC', 'Source MAC address.', 1],
  ['dst_mac', 'mac', 'mac', 'UInt64', PLAIN, 'dst MAC', 'Destination MAC address.', 1],
  ['vlan_in', 'u16', 'vlan', 'UInt16', PLAIN, 'VLAN in', 'VLAN on which the frame came in; the inner tag under QinQ; 0 if untagged or unknown.', 1],
  ['vlan_out', 'u16', 'vlan', 'UInt16', PLAIN, 'VLAN out', 'VLAN on which the frame went out; 0 if untagged or unknown.', 1],
  ['s_vlan', 'u16', 'vlan', 'UInt16', PLAIN, 'service VLAN', 'Outer VLAN tag under QinQ; 0 if there is none.', 1],
  ['ethertype', 'u16', 'ethertype', 'UInt16', PLAIN, 'EtherType', 'EtherType behind all VLAN tags.', 1],
  ['vni', 'u32', 'number', 'UInt32', PLAIN, 'VNI', 'Virtual network identifier of a VXLAN, Geneve or NVGRE tunnel; 0 if there is none.', 1],
  ['tunnel', 'u8', 'enum', enumType(TUNNELS), PLAIN, 'tunnel', 'Kind of the tunnel whose inner packet this row describes.', 1, TUNNELS],
  ['tunnel_src', 'ip', 'ip', 'IPv6', PLAIN, 'tunnel src', 'Outer source address of the tunnel.', 1],
  ['tunnel_dst', 'ip', 'ip', 'IPv6', PLAIN, 'tunnel dst', 'Outer destination address of the tunnel.', 1],
  // Network
  ['src_addr', 'ip', 'ip', 'IPv6', PLAIN, 'src address', 'Source address.', 1],
  ['dst_addr', 'ip', 'ip', 'IPv6', PLAIN, 'dst address', 'Destination address.', 1],
  ['proto', 'u8', 'proto', 'UInt8', PLAIN, 'protocol', 'IP protocol number; 0 if there is none, as in ARP.', 1],
  ['src_port', 'u16', 'port', 'UInt16', PLAIN, 'src port', 'Source port.', 1],
  ['dst_port', 'u16', 'port', 'UInt16', PLAIN, 'dst port', 'Destination port.', 1],
  ['tcp_flags', 'u16', 'flags', 'UInt16', PLAIN, 'TCP flags', 'TCP flags seen, ORed over the flow.', 1],
  ['tos', 'u8', 'number', 'UInt8', PLAIN, 'ToS', 'IPv4 ToS or IPv6 traffic class.', 1],
  ['ttl', 'u8', 'number', 'UInt8', PLAIN, 'TTL', 'IPv4 TTL or IPv6 hop limit.', 1],
  ['icmp_type', 'u8', 'number', 'UInt8', PLAIN, 'ICMP type', 'ICMP or ICMPv6 type.', 1],
  ['icmp_code', 'u8', 'number', 'UInt8', PLAIN, 'ICMP code', 'ICMP or ICMPv6 code.', 1],
  ['next_hop', 'ip', 'ip', 'IPv6', PLAIN, 'next hop', 'Address of the next-hop router; :: if unknown.', 1],
  ['src_as', 'u32', 'as', 'UInt32', PLAIN, 'src AS', 'Source autonomous system.', 1],
  ['dst_as', 'u32', 'as', 'UInt32', PLAIN, 'dst AS', 'Destination autonomous system.', 1],
  ['src_mask', 'u8', 'number', 'UInt8', PLAIN, 'src mask', 'Prefix length of the source route.', 1],
  ['dst_mask', 'u8', 'number', 'UInt8', PLAIN, 'dst mask', 'Prefix length of the destination route.', 1],
  ['mpls_label', 'u32', 'number', 'UInt32', PLAIN, 'MPLS label', 'Top MPLS label.', 1],
  // How much, as observed: scaling by the sampling rate happens once, in the query
  ['bytes', 'u64', 'bytes', 'UInt64', 'CODEC(T64, ZSTD(1))', 'bytes', 'Bytes as observed, not scaled: frame length in sFlow, IP length in NetFlow and IPFIX.', 0],
  ['packets', 'u64', 'packets', 'UInt64', 'CODEC(T64, ZSTD(1))', 'packets', 'Packets as observed, not scaled.', 0],
  // Who, from the inventory at the time of receipt
  ['src_vm', 'name', 'name', 'LowCardinality(String)', PLAIN, 'src VM', 'Virtual machine that sent it.', 1],
  ['dst_vm', 'name', 'name', 'LowCardinality(String)', PLAIN, 'dst VM', 'Virtual machine that receives it.', 1],
  ['src_host', 'name', 'name', 'LowCardinality(String)', PLAIN, 'src host', 'Host of the sending machine.', 1],
  ['dst_host', 'name', 'name', 'LowCardinality(String)', PLAIN, 'dst host', 'Host of the receiving machine.', 1],
  ['slice', 'name', 'name', 'LowCardinality(String)', PLAIN, 'slice', 'Slice to which it belongs.', 1],
  ['locality', 'u8', 'enum', enumType(LOCALITIES), PLAIN, 'locality', 'Whether it stays inside a host, crosses hosts, or leaves to physical machines or outside.', 1, LOCALITIES],
  ['src_country', 'name', 'name', 'LowCardinality(String)', PLAIN, 'src country', 'Country of the source address, two letters (ISO 3166), where a MaxMind database is configured; empty if unknown.', 1],
  ['dst_country', 'name', 'name', 'LowCardinality(String)', PLAIN, 'dst country', 'Country of the destination address, two letters (ISO 3166), where a MaxMind database is configured; empty if unknown.', 1],
  ['counted', 'u8', 'boolean', 'Bool', PLAIN, 'counted', 'False if the same packet is counted at another observation point.', 1],
]

export const COLUMNS: readonly ColumnDefinition[] = ROWS.map(
  ([name, storage, format, type, codec, label, describe, dimension, values]) => ({
    name, storage, format, type, codec, label, describe, dimension: dimension === 1, ...(values ? { values } : {}),
  }),
)

/** Definition of a column by its name, or undefined. */
export function columnNamed(name: string): ColumnDefinition | undefined {
  return COLUMNS.find((column) => column.name === name)
}
