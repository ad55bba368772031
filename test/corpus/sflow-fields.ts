// Our names of what sFlow samples and their records hold, and what tshark (4.0) calls each: mapped once, here. The same name of tshark
// stands in several structures; so the table is by structure.

/** Fields of samples, plain and expanded alike: ours, as the reader names them, and tshark's. */
export const SAMPLE_FIELDS = {
  flow: {
    sequence: 'sflow.flow_sample.sequence_number',
    samplingRate: 'sflow.flow_sample.sampling_rate',
    samplePool: 'sflow.flow_sample.sample_pool',
    drops: 'sflow.flow_sample.dropped_packets',
  },
  counter: { sequence: 'sflow.counters_sample.sequence_number' },
} as const

/** Shown of a sample, and put together before they are held against ours (`source`, `input`, `output`). */
export const SAMPLE_PARTS: readonly string[] = [
  'sflow.flow_sample.index',
  'sflow.flow_sample.source_id_index',
  'sflow.flow_sample.source_id_class',
  'sflow.flow_sample.source_id_type',
  'sflow.counters_sample.source_id_index',
  'sflow.counters_sample.source_id_type',
  'sflow.flow_sample.input_interface',
  'sflow.flow_sample.input_interface_format',
  'sflow.flow_sample.input_interface_value',
  'sflow.flow_sample.output_interface',
  'sflow.flow_sample.output_interface_format',
  'sflow.flow_sample.output_interface.format',
  'sflow.flow_sample.output_interface_value',
]

/** What samples and records are made of: lengths and numbers by which both find their way. */
export const FRAMEWORK: readonly string[] = [
  'sflow.enterprise',
  'sflow_245.sampletype',
  'sflow_5.sample_length',
  'sflow.flow_sample.flow_record',
  'sflow.counters_sample.counters_records',
  'sflow_245.flow_record_format',
  'sflow_245.counters_record_format',
  'sflow_5.flow_data_length',
  'sflow.enterprise.length',
  'sflow_245.dstASentries',
  'sflow_245.communityEntries',
]

/** A value of ours as tshark shows it; plain equality unless it says otherwise. */
type Check = (ours: unknown, shows: readonly string[]) => boolean
export type FieldTable = Readonly<Record<string, string | readonly [names: readonly string[], check: Check]>>

/** tshark shows the zeroes that fill the last word, too. */
const header: Check = (ours, [show = '', length]) => {
  const hex = show.replaceAll(':', '')
  return (
    String(ours).length === 2 * Number(length) && hex.startsWith(String(ours)) && hex.length - 2 * Number(length) < 8
  )
}
/** tshark looks for the bits in the first byte of the word; they stand in the last (sFlow v5 §5.3, struct sampled_ipv4). */
const firstByte = (ours: unknown): number => Number(ours) >>> 24
const bits: Check = (ours, shows) => shows.every((show, i) => ((firstByte(ours) >> (7 - i)) & 1) === Number(show))
const IF_STATUS: Check = (ours, [admin, oper]) => Number(ours) === Number(admin) + 2 * Number(oper)

const ETHERNET = Object.fromEntries(
  [
    ['alignment_errors', 'AlignmentErrors'],
    ['fcs_errors', 'FCSErrors'],
    ['single_collision_frames', 'SingleCollisionFrames'],
    ['multiple_collision_frames', 'MultipleCollisionFrames'],
    ['sqe_test_errors', 'SQETestErrors'],
    ['deferred_transmissions', 'DeferredTransmissions'],
    ['late_collisions', 'LateCollisions'],
    ['excessive_collisions', 'ExcessiveCollisions'],
    ['internal_mac_transmit_errors', 'InternalMacTransmitErrors'],
    ['carrier_sense_errors', 'CarrierSenseErrors'],
    ['frame_too_longs', 'FrameTooLongs'],
    ['internal_mac_receive_errors', 'InternalMacReceiveErrors'],
    ['symbol_errors', 'SymbolErrors'],
  ].map(([ours, theirs]) => [`dot3_stats_${ours}`, `sflow_245.dot3Stats${theirs}`]),
)

/** By the type of the record. */
export const RECORD_FIELDS: Readonly<Record<string, FieldTable>> = {
  sampled_header: {
    header_protocol: 'sflow_245.header_protocol',
    frame_length: 'sflow_245.header.frame_length',
    stripped: 'sflow_245.header.payload_stripped',
    header: [['sflow_245.header', 'sflow_245.header.sampled_header_length'], header],
  },
  sampled_ethernet: {
    length: 'sflow_245.ethernet.length',
    src_mac: 'sflow_245.ethernet.source_mac_address',
    dst_mac: 'sflow_245.ethernet.destination_mac_address',
    ether_type: 'sflow_245.ethernet.packet_type',
  },
  sampled_ipv4: {
    length: 'sflow_245.ip.length',
    protocol: 'sflow.ip_protocol',
    src_ip: 'sflow_245.ipv4_src',
    dst_ip: 'sflow_245.ipv4_dst',
    src_port: 'sflow_245.ip.source_port',
    dst_port: 'sflow.ip.destination_port',
    tcp_flags: [
      ['cwr', 'ece', 'urg', 'ack', 'psh', 'rst', 'syn', 'fin'].map((bit) => `sflow_245.ip.tcp_flag.${bit}`),
      bits,
    ],
    tos: [
      ['precedence_type', 'delay', 'throughput', 'reliability', 'cost'].map((part) => `sflow_245.ipv4_${part}`),
      (ours, shows) =>
        shows.map(Number).join(' ') ===
        [firstByte(ours) >> 5, ...[4, 3, 2, 1].map((bit) => (firstByte(ours) >> bit) & 1)].join(' '),
    ],
  },
  extended_switch: {
    src_vlan: 'sflow_245.vlan.in',
    src_priority: 'sflow_245.pri.in',
    dst_vlan: 'sflow_245.vlan.out',
    dst_priority: 'sflow_245.pri.out',
  },
  extended_router: {
    nexthop: 'sflow_245.nexthop',
    src_mask_len: 'sflow_245.nexthop.src_mask',
    dst_mask_len: 'sflow_245.nexthop.dst_mask',
  },
  extended_gateway: {
    nexthop: 'sflow_245.nexthop',
    as: 'sflow_245.as',
    src_as: 'sflow_245.srcAS',
    src_peer_as: 'sflow_245.peerAS',
    dst_as_path: [
      ['sflow.as_type'],
      (ours, shows) => (ours as { type: number }[]).map(({ type }) => String(type)).join() === shows.join(),
    ],
    communities: [[], (ours) => (ours as unknown[]).length === 0],
    localpref: 'sflow_245.localpref',
  },
  if_counters: {
    if_index: 'sflow_245.ifindex',
    if_type: 'sflow_245.iftype',
    if_speed: 'sflow_245.ifspeed',
    if_direction: 'sflow_245.ifdirection',
    if_status: [['sflow_245.ifadmin_status', 'sflow_245.ifoper_status'], IF_STATUS],
    if_in_octets: 'sflow_245.ifinoct',
    if_in_ucast_pkts: 'sflow_245.ifinpkt',
    if_in_multicast_pkts: 'sflow_245.ifinmcast',
    if_in_broadcast_pkts: 'sflow_245.ifinbcast',
    if_in_discards: 'sflow_245.ifindisc',
    if_in_errors: 'sflow_245.ifinerr',
    if_in_unknown_protos: 'sflow_245.ifinunk',
    if_out_octets: 'sflow_245.ifoutoct',
    if_out_ucast_pkts: 'sflow_245.ifoutpkt',
    if_out_multicast_pkts: 'sflow_245.ifoutmcast',
    if_out_broadcast_pkts: 'sflow_245.ifoutbcast',
    if_out_discards: 'sflow_245.ifoutdisc',
    if_out_errors: 'sflow_245.ifouterr',
    if_promiscuous_mode: 'sflow_245.ifpromisc',
  },
  ethernet_counters: ETHERNET,
  vlan_counters: {
    vlan_id: 'sflow_245.vlan_id',
    octets: 'sflow_245.octets',
    ucast_pkts: 'sflow_245.ucastPkts',
    multicast_pkts: 'sflow_245.multicastPkts',
    broadcast_pkts: 'sflow_245.broadcastPkts',
    discards: 'sflow_245.discards',
  },
  processor: {
    cpu_5s: 'sflow_5.cpu_5s',
    cpu_1m: 'sflow_5.cpu_1m',
    cpu_5m: 'sflow_5.cpu_5m',
    total_memory: 'sflow_5.total_memory',
    free_memory: 'sflow_5.free_memory',
  },
}

/** Structures of the corpus of which tshark 4.0 knows nothing: their values are held against their bytes, and some against flowparser. */
export const UNKNOWN_TO_TSHARK: ReadonlySet<string> = new Set([
  'extended_acl',
  'extended_function',
  'extended_linux_drop_reason',
  'extended_socket_ipv4',
  'extended_vni_egress',
  'extended_vni_ingress',
  'host_adapters',
  'host_cpu',
  'host_descr',
  'host_disk_io',
  'host_memory',
  'host_net_io',
  'host_parent',
  'http_counters',
  'http_request',
  'jvm_runtime',
  'jvm_statistics',
  'virt_cpu',
  'virt_disk_io',
  'virt_memory',
  'virt_net_io',
  'virt_node',
  'xen_vif',
])
