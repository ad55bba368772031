// The structures that sFlow records hold, as data (sflow.org/developers/structures.php; names in snake_case): the decoder to JSON
// and the counter reader both go by it. A structure may end early: fields were added over the years, and old agents leave the newest out.

/**
 * XDR types of fields: `mac` 6 bytes in 8, `address` a type word and 0, 4 or 16 bytes, `string` and `opaque` a length word and bytes
 * padded to 4, `uuid` 16 bytes, `u8` one byte of a packed quadruple, `numbers` a count and u32 words, `list` a count and structures,
 * `words` u32 words to the record's end, `rest` all bytes to the record's end.
 */
export type FieldType =
  | 'u32'
  | 'i32'
  | 'u64'
  | 'f32'
  | 'u8'
  | 'mac'
  | 'address'
  | 'ip4'
  | 'ip6'
  | 'string'
  | 'opaque'
  | 'uuid'
  | 'numbers'
  | 'words'
  | 'list'
  | 'rest'

export interface Field {
  readonly name: string
  readonly type: FieldType
  /** The fields of a list's structures. */
  readonly of?: readonly Field[]
}

export interface Structure {
  /** enterprise << 12 | format */
  readonly tag: number
  readonly name: string
  readonly fields: readonly Field[]
}

/** `a b:u64 c:string` → fields; u32 where no type is given. */
function fields(text: string): Field[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => {
      const [name, type] = word.split(':') as [string, FieldType | undefined]
      return { name, type: type ?? 'u32' }
    })
}

function list(name: string, of: string | readonly Field[]): Field {
  return { name, type: 'list', of: typeof of === 'string' ? fields(of) : of }
}

function table(
  rows: readonly (readonly [tag: number, name: string, ...parts: (string | Field)[]])[],
): ReadonlyMap<number, Structure> {
  return new Map(
    rows.map(([tag, name, ...parts]) => [
      tag,
      { tag, name, fields: parts.flatMap((part) => (typeof part === 'string' ? fields(part) : [part])) },
    ]),
  )
}

/** The data_format word of a vendor's structure. */
export function tagOf(enterprise: number, format: number): number {
  return ((enterprise << 12) | format) >>> 0
}

/** data_format of extended_80211_aggregation, whose flow_data are records of the table below. */
export const AGGREGATION = 1016

const IPV4 = 'length protocol src_ip:ip4 dst_ip:ip4 src_port dst_port tcp_flags tos'
const IPV6 = 'length protocol src_ip:ip6 dst_ip:ip6 src_port dst_port tcp_flags priority'
const ETHERNET = 'length src_mac:mac dst_mac:mac ether_type'
const SOCKET4 = 'protocol local_ip:ip4 remote_ip:ip4 local_port remote_port'
const SOCKET6 = 'protocol local_ip:ip6 remote_ip:ip6 local_port remote_port'
const HTTP =
  'method protocol uri:string host:string referer:string useragent:string xff:string authuser:string mime_type:string'
const CONTEXT = 'application:string operation:string attributes:string'

/** What flow samples and discarded packets hold (opaque = flow_data). */
export const FLOW_STRUCTURES = table([
  [1, 'sampled_header', 'header_protocol frame_length stripped header:opaque'],
  [2, 'sampled_ethernet', ETHERNET],
  [3, 'sampled_ipv4', IPV4],
  [4, 'sampled_ipv6', IPV6],
  [1001, 'extended_switch', 'src_vlan src_priority dst_vlan dst_priority'],
  [1002, 'extended_router', 'nexthop:address src_mask_len dst_mask_len'],
  [
    1003,
    'extended_gateway',
    'nexthop:address as src_as src_peer_as',
    list('dst_as_path', 'type as:numbers'),
    'communities:numbers localpref',
  ],
  [1004, 'extended_user', 'src_charset src_user:string dst_charset dst_user:string'],
  [1005, 'extended_url', 'direction url:string host:string'],
  [1006, 'extended_mpls', 'nexthop:address in_stack:numbers out_stack:numbers'],
  [1007, 'extended_nat', 'src_address:address dst_address:address'],
  [1008, 'extended_mpls_tunnel', 'tunnel_lsp_name:string tunnel_id tunnel_cos'],
  [1009, 'extended_mpls_vc', 'vc_instance_name:string vll_vc_id vc_label_cos'],
  [1010, 'extended_mpls_ftn', 'mpls_ftn_descr:string mpls_ftn_mask'],
  [1011, 'extended_mpls_ldp_fec', 'mpls_fec_addr_prefix_length'],
  [1012, 'extended_vlantunnel', 'stack:numbers'],
  [1013, 'extended_80211_payload', 'cipher_suite data:opaque'],
  [1014, 'extended_80211_rx', 'ssid:string bssid:mac version channel speed:u64 rsni rcpi packet_duration'],
  [
    1015,
    'extended_80211_tx',
    'ssid:string bssid:mac version transmissions packet_duration retrans_duration channel speed:u64 power',
  ],
  // An aggregate's frames are described by flow records of their own
  [AGGREGATION, 'extended_80211_aggregation', list('pdus', [list('flow_records', 'data_format flow_data:opaque')])],
  [1017, 'extended_openflow_v1', 'flow_cookie:u64 flow_match flow_actions'],
  [1018, 'extended_fc', 'src_mask_len dst_mask_len next_hop metric'],
  [1019, 'extended_queue_length', 'queue_index queue_length'],
  [1020, 'extended_nat_port', 'src_port dst_port'],
  [1021, 'extended_l2_tunnel_egress', ETHERNET],
  [1022, 'extended_l2_tunnel_ingress', ETHERNET],
  [1023, 'extended_ipv4_tunnel_egress', IPV4],
  [1024, 'extended_ipv4_tunnel_ingress', IPV4],
  [1025, 'extended_ipv6_tunnel_egress', IPV6],
  [1026, 'extended_ipv6_tunnel_ingress', IPV6],
  [1027, 'extended_decapsulate_egress', 'inner_header_offset'],
  [1028, 'extended_decapsulate_ingress', 'inner_header_offset'],
  [1029, 'extended_vni_egress', 'vni'],
  [1030, 'extended_vni_ingress', 'vni'],
  [1031, 'extended_ib_lrh', 'src_vl src_sl src_dlid src_slid src_lnh dst_vl dst_sl dst_dlid dst_slid dst_lnh'],
  [1032, 'extended_ib_grh', 'flow_label tc s_gid:ip6 d_gid:ip6 next_header length'],
  [1033, 'extended_ib_bth', 'pkey dst_qp opcode'],
  [1034, 'extended_vlanin', 'stack:numbers'],
  [1035, 'extended_vlanout', 'stack:numbers'],
  [1036, 'extended_egress_queue', 'queue'],
  [1037, 'extended_acl', 'number name:string direction'],
  [1038, 'extended_function', 'symbol:string'],
  [1039, 'extended_transit', 'delay'],
  [1040, 'extended_queue', 'depth'],
  [1041, 'extended_hw_trap', 'group:string trap:string'],
  [1042, 'extended_linux_drop_reason', 'reason:string'],
  [1043, 'extended_timestamp', 'timestamp:u64'],
  [2000, 'transaction', 'direction wait duration status bytes_received:u64 bytes_sent:u64'],
  [2001, 'extended_nfs_storage_transaction', 'path:string operation status'],
  [2002, 'extended_scsi_storage_transaction', 'lun operation status'],
  [2003, 'extended_http_transaction', 'url:string host:string referer:string useragent:string user:string status'],
  [2100, 'extended_socket_ipv4', SOCKET4],
  [2101, 'extended_socket_ipv6', SOCKET6],
  [2102, 'extended_proxy_socket_ipv4', SOCKET4],
  [2103, 'extended_proxy_socket_ipv6', SOCKET6],
  [2200, 'memcache_operation', 'protocol cmd key:string nkeys value_bytes us status'],
  [
    2201,
    'http_request_deprecated',
    'method protocol uri:string host:string referer:string useragent:string authuser:string mime_type:string bytes:u64 us status',
  ],
  [2202, 'app_operation', CONTEXT, 'status_descr:string req_bytes:u64 resp_bytes:u64 us status'],
  [2203, 'app_parent_context', CONTEXT],
  [2204, 'app_initiator', 'actor:string'],
  [2205, 'app_target', 'actor:string'],
  [2206, 'http_request', HTTP, 'req_bytes:u64 resp_bytes:u64 us status'],
  [2207, 'extended_proxy_request', 'uri:string host:string'],
  // Milliseconds from the earliest event, which is 1; 0 for an event that did not happen
  [
    2208,
    'extended_nav_timing',
    'nav_type redirect_count navigation_start unload_event_start unload_event_end redirect_start redirect_end fetch_start domain_lookup_start domain_lookup_end connect_start connect_end secure_connection_start request_start response_start response_end dom_loading dom_interactive dom_content_loaded_event_start dom_content_loaded_event_end dom_complete load_event_start load_event_end',
  ],
  [2209, 'extended_tcp_info', 'dir snd_mss rcv_mss unacked lost retrans pmtu rtt rttvar snd_cwnd reordering min_rtt'],
  [2210, 'extended_entities', 'src_ds_class src_ds_index dst_ds_class dst_ds_index'],
  [tagOf(4413, 1), 'bst_egress_queue', 'queue'],
])

const NET_IO = 'bytes_in:u64 pkts_in errs_in drops_in bytes_out:u64 pkts_out errs_out drops_out'

function prefixed(prefix: string, words: string): string {
  return words
    .split(' ')
    .map((word) => prefix + word)
    .join(' ')
}

function withMaxima(words: string): string {
  return words
    .split(' ')
    .flatMap((word) => [word, `${word}_max`])
    .join(' ')
}

/** What counter samples hold (opaque = counter_data). */
export const COUNTER_STRUCTURES = table([
  [
    1,
    'if_counters',
    'if_index if_type if_speed:u64 if_direction if_status if_in_octets:u64 if_in_ucast_pkts if_in_multicast_pkts if_in_broadcast_pkts if_in_discards if_in_errors if_in_unknown_protos if_out_octets:u64 if_out_ucast_pkts if_out_multicast_pkts if_out_broadcast_pkts if_out_discards if_out_errors if_promiscuous_mode',
  ],
  [
    2,
    'ethernet_counters',
    prefixed(
      'dot3_stats_',
      'alignment_errors fcs_errors single_collision_frames multiple_collision_frames sqe_test_errors deferred_transmissions late_collisions excessive_collisions internal_mac_transmit_errors carrier_sense_errors frame_too_longs internal_mac_receive_errors symbol_errors',
    ),
  ],
  [
    3,
    'tokenring_counters',
    prefixed(
      'dot5_stats_',
      'line_errors burst_errors ac_errors abort_trans_errors internal_errors lost_frame_errors receive_congestions frame_copied_errors token_errors soft_errors hard_errors signal_loss transmit_beacons recoverys lobe_wires removes singles freq_errors',
    ),
  ],
  [
    4,
    'vg_counters',
    prefixed(
      'dot12_',
      'in_high_priority_frames in_high_priority_octets:u64 in_norm_priority_frames in_norm_priority_octets:u64 in_ipm_errors in_oversize_frame_errors in_data_errors in_null_addressed_frames out_high_priority_frames out_high_priority_octets:u64 transition_into_trainings hc_in_high_priority_octets:u64 hc_in_norm_priority_octets:u64 hc_out_high_priority_octets:u64',
    ),
  ],
  [5, 'vlan_counters', 'vlan_id octets:u64 ucast_pkts multicast_pkts broadcast_pkts discards'],
  [
    6,
    'ieee80211_counters',
    prefixed(
      'dot11_',
      'transmitted_fragment_count multicast_transmitted_frame_count failed_count retry_count multiple_retry_count frame_duplicate_count rts_success_count rts_failure_count ack_failure_count received_fragment_count multicast_received_frame_count fcs_error_count transmitted_frame_count wep_undecryptable_count qos_discarded_fragment_count associated_station_count qos_cf_polls_received_count qos_cf_polls_unused_count qos_cf_polls_unusable_count qos_cf_polls_lost_count',
    ),
  ],
  [
    7,
    'lag_port_stats',
    'dot3ad_agg_port_actor_system_id:mac dot3ad_agg_port_partner_oper_system_id:mac dot3ad_agg_port_attached_agg_id actor_admin_port_state:u8 actor_oper_port_state:u8 partner_admin_port_state:u8 partner_oper_port_state:u8',
    prefixed(
      'dot3ad_agg_port_stats_',
      'lacpdus_rx marker_pdus_rx marker_response_pdus_rx unknown_rx illegal_rx lacpdus_tx marker_pdus_tx marker_response_pdus_tx',
    ),
  ],
  [8, 'slow_path_counts', 'unknown other cam_miss cam_full no_hw_support cntrl'],
  [
    9,
    'ib_counters',
    'port_xmit_pkts:u64 port_rcv_pkts:u64 symbol_error_counter link_error_recovery_counter link_downed_counter port_rcv_errors port_rcv_remote_physical_errors port_rcv_switch_relay_errors port_xmit_discards port_xmit_constraint_errors port_rcv_constraint_errors local_link_integrity_errors excessive_buffer_overrun_errors vl15_dropped',
  ],
  [
    10,
    'sfp',
    'module_id module_num_lanes module_supply_voltage module_temperature',
    list(
      'lanes',
      'index tx_bias_current tx_power tx_power_min tx_power_max tx_wavelength rx_power rx_power_min rx_power_max rx_wavelength',
    ),
  ],
  [11, 'pfc', 'requests indications pause_duration storm_detected storm_restored'],
  [1001, 'processor', 'cpu_5s cpu_1m cpu_5m total_memory:u64 free_memory:u64'],
  [1002, 'radio_utilization', 'elapsed_time on_channel_time on_channel_busy_time'],
  [
    1003,
    'queue_length',
    'queue_index segment_size queue_segments queue_length_0 queue_length_1 queue_length_2 queue_length_4 queue_length_8 queue_length_32 queue_length_128 queue_length_1024 queue_length_more dropped',
  ],
  [1004, 'of_port', 'datapath_id:u64 port_no'],
  [1005, 'port_name', 'name:string'],
  [2000, 'host_descr', 'hostname:string uuid:uuid machine_type os_name os_release:string'],
  [2001, 'host_adapters', list('adapters', [{ name: 'if_index', type: 'u32' }, list('mac_address', 'mac:mac')])],
  [2002, 'host_parent', 'container_type container_index'],
  [
    2003,
    'host_cpu',
    'load_one:f32 load_five:f32 load_fifteen:f32 proc_run proc_total cpu_num cpu_speed uptime cpu_user cpu_nice cpu_system cpu_idle cpu_wio cpu_intr cpu_sintr interrupts contexts cpu_steal cpu_guest cpu_guest_nice',
  ],
  [
    2004,
    'host_memory',
    'mem_total:u64 mem_free:u64 mem_shared:u64 mem_buffers:u64 mem_cached:u64 swap_total:u64 swap_free:u64 page_in page_out swap_in swap_out',
  ],
  [
    2005,
    'host_disk_io',
    'disk_total:u64 disk_free:u64 part_max_used reads bytes_read:u64 read_time writes bytes_written:u64 write_time',
  ],
  [2006, 'host_net_io', NET_IO],
  [
    2007,
    'mib2_ip_group',
    prefixed(
      'ip_',
      'forwarding default_ttl in_receives in_hdr_errors in_addr_errors forw_datagrams in_unknown_protos in_discards in_delivers out_requests out_discards out_no_routes reasm_timeout reasm_reqds reasm_oks reasm_fails frag_oks frag_fails frag_creates',
    ),
  ],
  [
    2008,
    'mib2_icmp_group',
    prefixed(
      'icmp_',
      'in_msgs in_errors in_dest_unreachs in_time_excds in_param_probs in_src_quenchs in_redirects in_echos in_echo_reps in_timestamps in_addr_masks in_addr_mask_reps out_msgs out_errors out_dest_unreachs out_time_excds out_param_probs out_src_quenchs out_redirects out_echos out_echo_reps out_timestamps out_timestamp_reps out_addr_masks out_addr_mask_reps',
    ),
  ],
  [
    2009,
    'mib2_tcp_group',
    prefixed(
      'tcp_',
      'rto_algorithm rto_min rto_max max_conn active_opens passive_opens attempt_fails estab_resets curr_estab in_segs out_segs retrans_segs in_errs out_rsts in_csum_errors',
    ),
  ],
  [
    2010,
    'mib2_udp_group',
    prefixed('udp_', 'in_datagrams no_ports in_errors out_datagrams rcvbuf_errors sndbuf_errors in_csum_errors'),
  ],
  [2100, 'virt_node', 'mhz cpus memory:u64 memory_free:u64 num_domains'],
  [2101, 'virt_cpu', 'state cpu_time nr_virt_cpu'],
  [2102, 'virt_memory', 'memory:u64 max_memory:u64'],
  [2103, 'virt_disk_io', 'capacity:u64 allocation:u64 available:u64 rd_req rd_bytes:u64 wr_req wr_bytes:u64 errs'],
  [2104, 'virt_net_io', NET_IO],
  [2105, 'jvm_runtime', 'vm_name:string vm_vendor:string vm_version:string'],
  [
    2106,
    'jvm_statistics',
    'heap_initial:u64 heap_used:u64 heap_committed:u64 heap_max:u64 non_heap_initial:u64 non_heap_used:u64 non_heap_committed:u64 non_heap_max:u64 gc_count gc_time classes_loaded classes_total classes_unloaded compilation_time thread_num_live thread_num_daemon thread_num_started fd_open_count fd_max_count',
  ],
  [
    2200,
    'memcache_counters_deprecated',
    'uptime rusage_user rusage_system cmd_get cmd_set get_hits get_misses curr_connections total_connections connection_structures bytes_read:u64 bytes_written:u64 limit_maxbytes:u64 bytes:u64 threads curr_items total_items evictions',
  ],
  [
    2201,
    'http_counters',
    prefixed(
      'method_',
      'option_count get_count head_count post_count put_count delete_count trace_count connect_count other_count',
    ),
    prefixed('status_', '1xx_count 2xx_count 3xx_count 4xx_count 5xx_count other_count'),
  ],
  [
    2202,
    'app_operations',
    'application:string success other timeout internal_error bad_request forbidden too_large not_implemented not_found unavailable unauthorized',
  ],
  [2203, 'app_resources', 'user_time system_time mem_used:u64 mem_max:u64 fd_open fd_max conn_open conn_max'],
  [
    2204,
    'memcache_counters',
    'cmd_set cmd_touch cmd_flush get_hits get_misses delete_hits delete_misses incr_hits incr_misses decr_hits decr_misses cas_hits cas_misses cas_badval auth_cmds auth_errors threads conn_yields listen_disabled_num curr_connections rejected_connections total_connections connection_structures evictions reclaimed curr_items total_items bytes_read:u64 bytes_written:u64 bytes:u64 limit_maxbytes:u64',
  ],
  [
    2205,
    'vdi_counters',
    'sessions_current sessions_total sessions_duration rx_bytes tx_bytes rx_packets tx_packets rx_packets_lost tx_packets_lost rtt_min_ms rtt_max_ms rtt_avg_ms audio_rx_bytes audio_tx_bytes audio_tx_limit img_rx_bytes img_tx_bytes img_frames img_qual_min img_qual_max img_qual_avg usb_rx_bytes usb_tx_bytes',
  ],
  [2206, 'app_workers', 'workers_active workers_idle workers_max req_delayed req_dropped'],
  [2207, 'ovs_dp_stats', 'hits misses lost mask_hits flows masks'],
  // As proposed on the sFlow list (P. Phaal, "Energy management", November 2010); the numbers are reserved for them
  [3000, 'energy', 'voltage current real_power power_factor:i32 energy errors'],
  [3001, 'temperature', 'minimum:i32 maximum:i32 errors'],
  [3002, 'humidity', 'relative'],
  [3003, 'fans', 'total failed speed'],
  [tagOf(4300, 2), 'xen_vif', 'address:address domain_id network_index flags'],
  [tagOf(4413, 1), 'bst_device_buffers', 'uc_pc mc_pc'],
  [
    tagOf(4413, 2),
    'bst_port_buffers',
    'ingress_uc_pc ingress_mc_pc egress_uc_pc egress_mc_pc egress_queue_uc:numbers egress_queue_mc:numbers',
  ],
  [
    tagOf(4413, 3),
    'hw_tables',
    withMaxima(
      'host_entries ipv4_entries ipv6_entries ipv4_ipv6_entries long_ipv6_entries total_routes ecmp_nexthops mac_entries',
    ),
    'ipv4_neighbors ipv6_neighbors ipv4_routes ipv6_routes',
    withMaxima(
      'acl_ingress_entries acl_ingress_counters acl_ingress_meters acl_ingress_slices acl_egress_entries acl_egress_counters acl_egress_meters acl_egress_slices',
    ),
  ],
  [
    tagOf(5703, 1),
    'nvidia_gpu',
    'device_count processes gpu_time mem_time mem_total:u64 mem_free:u64 ecc_errors energy temperature fan_speed',
  ],
])
