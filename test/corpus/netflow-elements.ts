// Our name of each information element of the corpus, and what tshark (4.0) calls its field, behind `cflow.`: mapped once, here.

export const TSHARK_FIELDS: Readonly<Record<string, string | readonly string[]>> = {
  aaaUsername: 'pie.netscaler.aaa-username',
  anonymizationTechnique: 'anonymization_technique',
  appHTTPUriStatistics: 'pie.cisco.application_http_uri_statistics',
  applicationDescription: 'appl_desc',
  applicationId: ['appl_id.classification_engine_id', 'appl_id.selector_id'],
  applicationName: 'appl_name',
  appNameAppId: 'pie.netscaler.appname-app-id',
  appUnitNameAppId: 'pie.netscaler.app-unit-name-appid',
  barracudaAuditCounter: 'pie.barracuda.auditcounter',
  barracudaBindIPv4Address: 'pie.barracuda.bindipv4address',
  barracudaBindTransportPort: 'pie.barracuda.bindtransportport',
  barracudaConnIPv4Address: 'pie.barracuda.connipv4address',
  barracudaConnTransportPort: 'pie.barracuda.conntransportport',
  barracudaFwRule: 'pie.barracuda.fwrule',
  barracudaLogOp: 'pie.barracuda.logop',
  barracudaReason: 'pie.barracuda.reason',
  barracudaReasonText: 'pie.barracuda.reasontext',
  barracudaServiceName: 'pie.barracuda.servicename',
  barracudaTimestamp: 'pie.barracuda.timestamp',
  barracudaTrafficType: 'pie.barracuda.traffictype',
  bgpDestinationAsNumber: 'dstas',
  bgpNextHopIPv4Address: 'bgpnexthop',
  bgpNextHopIPv6Address: 'bgpnexthopv6',
  bgpSourceAsNumber: 'srcas',
  biflowDirection: 'biflow_direction',
  classId: 'flow_class',
  classificationEngineId: 'classification_engine_id',
  clientIPv4Address: 'pie.cisco.connection_client_ipv4_address',
  clientRetransPackets: 'pie.ciso.connection_client_counter_packets_retransmitted',
  clientTransportPort: 'pie.cisco.connection_client_transport_port',
  connectionChainHopCount: 'pie.netscaler.connection-chain-hop-count',
  connectionChainID: 'pie.netscaler.connection-chain-id',
  connectionId: ['pie.netscaler.connection-id', 'pie.cisco.connection_id'],
  connectionSumDurationSeconds: 'connection_sum_duration_seconds',
  currentLicenseConsumed: 'pie.netscaler.current-license-consumed',
  dataLinkFrameType: 'data_link_frame_type',
  deltaFlowCount: 'flows',
  destinationIPv4Address: 'dstaddr',
  destinationIPv4PrefixLength: 'dstmask',
  destinationIPv6Address: 'dstaddrv6',
  destinationIPv6PrefixLength: 'dstmaskv6',
  destinationMacAddress: 'dstmac',
  destinationTransportPort: 'dstport',
  dot1qCustomerPriority: 'dot1q_customer_priority',
  dot1qCustomerVlanId: 'dot1q_customer_vlan_id',
  dot1qPriority: 'dot1q_priority',
  dot1qVlanId: 'dot1q_vlan_id',
  droppedPacketTotalCount: 'drop_total_packets',
  egressAclId: 'egress_acl_id',
  egressInterface: 'outputint',
  egressPhysicalInterface: 'egress_physical_interface',
  egressVRFID: 'egress_vrfid',
  engineId: 'engine_id',
  engineType: 'engine_type',
  ethernetType: 'ethernet_type',
  exportedFlowRecordTotalCount: 'flowsexp',
  exportedMessageTotalCount: 'packetsexp',
  exportedOctetTotalCount: 'octetsexp',
  exporterIPv4Address: 'exporter_addr',
  exporterIPv6Address: 'exporter_addr_v6',
  exportingProcessId: 'flow_exporter',
  exportProtocolVersion: 'export_protocol_version',
  exportTransportProtocol: 'exporter_protocol',
  firewallEvent: 'firewall_event',
  firewallExtendedEvent: 'fw_ext_event',
  flowActiveTimeout: 'flow_active_timeout',
  flowDirection: 'direction',
  flowDurationMilliseconds: 'timedelta',
  flowEndMicroseconds: 'abstimeend',
  flowEndMilliseconds: 'abstimeend',
  flowEndReason: 'flow_end_reason',
  flowEndSeconds: 'abstimeend',
  flowEndSysUpTime: 'timeend',
  flowFlags: 'pie.netscaler.flow-flags',
  flowId: 'flow_id',
  flowIdleTimeout: 'flow_inactive_timeout',
  flowLabelIPv6: 'ipv6flowlabel',
  flowSelectorAlgorithm: 'flow_selector_algorithm',
  flowStartMicroseconds: 'abstimestart',
  flowStartMilliseconds: 'abstimestart',
  flowStartSeconds: 'abstimestart',
  flowStartSysUpTime: ['timestart', 'abstimestart'],
  forwardingStatus: [
    'forwarding_status',
    'forwarding_status_unknown_code',
    'forwarding_status_forward_code',
    'forwarding_status_drop_code',
    'forwarding_status_consume_code',
  ],
  fragmentIdentification: 'frag_ident',
  httpContentType: 'pie.netscaler.http-contenttype',
  httpDomainName: 'pie.netscaler.http-domain-name',
  httpReqAuthorization: 'pie.netscaler.http-req-authorization',
  httpReqCookie: 'pie.netscaler.http-req-cookie',
  httpReqHost: 'pie.netscaler.http-req-host',
  httpReqMethod: 'pie.netscaler.http-req-method',
  httpReqReferer: 'pie.netscaler.http-req-referer',
  httpReqUrl: 'pie.netscaler.http-req-url',
  httpReqUserAgent: 'pie.netscaler.http-req-useragent',
  httpReqVia: 'pie.netscaler.http-req-via',
  httpReqXForwardedFor: 'pie.netscaler.http-reqx-forwardedfor',
  httpResForwFB: 'pie.netscaler.http-res-forw-fb',
  httpResForwLB: 'pie.netscaler.http-res-forw-lb',
  icmpCodeIPv4: 'icmp_ipv4_code',
  icmpTypeCodeIPv4: 'icmp_type_code_ipv4',
  icmpTypeCodeIPv6: ['icmp_ipv6_type', 'icmp_ipv6_code'],
  icmpTypeIPv4: 'icmp_ipv4_type',
  ignoredPacketTotalCount: 'ignore_packets',
  ingressAclId: 'ingress_acl_id',
  ingressInterface: 'inputint',
  ingressPhysicalInterface: 'ingress_physical_interface',
  ingressVRFID: 'ingress_vrfid',
  initiatorOctets: 'initiator_octets',
  initiatorPackets: 'initiator_packets',
  interfaceDescription: 'if_descr',
  interfaceName: 'if_name',
  ipClassOfService: 'tos',
  ipDiffServCodePoint: 'ip_dscp',
  ipNextHopIPv4Address: 'nexthop',
  ipNextHopIPv6Address: 'nexthopv6',
  ipPrecedence: 'ip_precedence',
  ipTTL: 'ip_ttl',
  ipv6ExtensionHeaders: 'ipv6_exthdr',
  ipVersion: 'ip_version',
  ixiaBrowserId: 'pie.ixia.browser-id',
  ixiaBrowserName: 'pie.ixia.browser-name',
  ixiaDeviceId: 'pie.ixia.os-device-id',
  ixiaDeviceName: 'pie.ixia.os-device-name',
  ixiaDstAsName: 'pie.ixia.dest-as-name',
  ixiaDstLatitude: 'pie.ixia.destination-ip-latitude',
  ixiaDstLongitude: 'pie.ixia.destination-ip-longitude',
  ixiaL7AppId: 'pie.ixia.l7-application-id',
  ixiaL7AppName: 'pie.ixia.l7-application-name',
  ixiaLatency: 'pie.ixia.transact-latency-us',
  ixiaRevOctetDeltaCount: 'pie.ixia.reverse-octet-delta-count',
  ixiaRevPacketDeltaCount: 'pie.ixia.reverse-packet-delta-count',
  ixiaSrcAsName: 'pie.ixia.src-as-name',
  ixiaSrcLatitude: 'pie.ixia.source-ip-latitude',
  ixiaSrcLongitude: 'pie.ixia.source-ip-longitude',
  ixiaThreatIPv4: 'pie.ixia.threat-ipv4',
  l7Proto: 'pie.ntop.l7_proto',
  l7ProtoName: 'pie.ntop.l7_proto_name',
  layer2SegmentId: 'layer2_segment_id',
  licenseType: 'pie.netscaler.license-type',
  maximumIpTotalLength: 'length_max',
  maximumTTL: 'ttl_max',
  maxLicenseCount: 'pie.netscaler.max-license-count',
  maxServerRespTime: 'pie.cisco.connection_delay_application_max',
  meteringProcessId: 'mp_id',
  mibCaptureTimeSemantics: 'mib_capture_time_semantics',
  minimumIpTotalLength: 'length_min',
  minimumTTL: 'ttl_min',
  mplsLabelStackLength: 'mpls_label_length',
  mplsLabelStackSection2: 'mpls_label',
  mplsLabelStackSection3: 'mpls_label',
  mplsLabelStackSection4: 'mpls_label',
  mplsLabelStackSection5: 'mpls_label',
  mplsLabelStackSection6: 'mpls_label',
  mplsTopLabelIPv4Address: 'toplabeladdr',
  mplsTopLabelIPv6Address: 'toplabeladdr_v6',
  mplsTopLabelPrefixLength: 'mpls_top_label_prefix_length',
  mplsTopLabelStackSection: 'mpls_label',
  mplsTopLabelType: 'toplabeltype',
  mplsVpnRouteDistinguisher: 'mpls_vpn_rd',
  natOriginatingAddressRealm: 'nat_originating_address_realm',
  natQuotaExceededEvent: 'nat_quota_exceeded_event',
  natThresholdEvent: 'nat_threshold_event',
  natType: 'nat_type',
  newConnectionDeltaCount: 'new_connection_delta_count',
  notSentPacketTotalCount: 'notsent_packets',
  numLateRespsCountDelta: 'pie.ciso.connection_delay_response_to_server_histogram_late',
  numRespsCountDelta: 'pie.ciso.connection_server_counter_responses',
  observationDomainId: 'od_id',
  observationPointId: 'observation_point_id',
  observationPointType: 'observation_point_type',
  observationTimeMilliseconds: 'observation_time_milliseconds',
  octetDeltaCount: 'octets',
  octetDeltaSumOfSquares: 'delta_octets_squared',
  octetTotalCount: 'permanent_octets',
  packetDeltaCount: 'packets',
  packetTotalCount: 'permanent_packets',
  paddingOctets: ['padding', 'reserved'],
  postDestinationMacAddress: 'post_dstmac',
  postIpDiffServCodePoint: 'post_ip_diff_serv_code_point',
  postNAPTDestinationTransportPort: 'post_naptdestination_transport_port',
  postNAPTSourceTransportPort: 'post_naptsource_transport_port',
  postNATDestinationIPv4Address: 'post_natdestination_ipv4_address',
  postNATSourceIPv4Address: 'post_natsource_ipv4_address',
  postOctetDeltaCount: 'post_octets',
  postPacketDeltaCount: 'post_packets',
  postSourceMacAddress: 'post_srcmac',
  postVlanId: 'post_vlanid',
  privateEnterpriseNumber: 'private_enterprise_number',
  protocolIdentifier: 'protocol',
  responderOctets: 'responder_octets',
  responderPackets: 'responder_packets',
  reverseIcmpTypeCodeIPv4: 'icmp_type_code_ipv4',
  reverseIpClassOfService: 'tos',
  reverseOctetTotalCount: 'permanent_octets',
  reversePacketTotalCount: 'permanent_packets',
  reverseTcpSequenceNumber: 'tcp_seq_num',
  reverseVlanId: 'vlanid',
  roundTripTime: 'pie.netscaler.round-trip-time',
  samplerId: 'sampler_id',
  samplerMode: 'sampler_mode',
  samplerName: 'sampler_name',
  samplerRandomInterval: 'sampler_random_interval',
  samplingAlgorithm: 'sampling_algorithm',
  samplingInterval: 'sampling_interval',
  samplingPacketInterval: 'sampling_packet_interval',
  samplingPacketSpace: 'sampling_packet_space',
  samplingPopulation: 'sampling_population',
  samplingSize: 'sampling_size',
  scopeCache: 'scope_cache',
  scopeInterface: 'scope_interface',
  scopeLineCard: 'scope_linecard',
  scopeSystem: 'scope_system',
  scopeTemplate: 'scope_template',
  selectorAlgorithm: 'selector_algorithm',
  selectorId: 'selector_id',
  selectorName: 'selector_name',
  serverIPv4Address: 'pie.cisco.connection_server_ipv4_address',
  serverTransportPort: 'pie.cisco.connection_server_transport_port',
  servicesWaasPassThroughReason: 'pie.cisco.services_waas_passthrough-reason',
  servicesWaasSegment: 'pie.cisco.services_waas_segment',
  sourceIPv4Address: 'srcaddr',
  sourceIPv4Prefix: 'srcprefix',
  sourceIPv4PrefixLength: 'srcmask',
  sourceIPv6Address: 'srcaddrv6',
  sourceIPv6PrefixLength: 'srcmaskv6',
  sourceMacAddress: 'srcmac',
  sourceTransportPort: 'srcport',
  staIPv4Address: 'sta_ipv4_address',
  staMacAddress: 'sta_mac_address',
  sumClientNwkTime: 'pie.cisco.connection_delay_network_to-client_sum',
  sumNwkTime: 'pie.cisco.connection_delay_network_client-to_server_sum',
  sumRespTime: 'pie.cisco.connection_delay_response_to_server_sum',
  sumServerNwkTime: 'pie.cisco.connection_delay_network_to_server_sum',
  sumServerRespTime: 'pie.cisco.connection_delay_application_sum',
  sumTotalRespTime: 'pie.cisco.connection_delay_response_client-to_server_sum',
  sumTransactionTime: 'pie.cisco.connection_transaction_duration_sum',
  systemInitTimeMilliseconds: 'sys_init_time',
  tcpControlBits: 'tcpflags',
  tcpOptions: 'tcp_option_map',
  tcpSequenceNumber: 'tcp_seq_num',
  tcpSourcePort: 'srcport',
  transactionCountDelta: 'pie.ciso.connection_transaction_counter_complete',
  transactionId: 'pie.netscaler.transaction-id',
  udpDestinationPort: 'dstport',
  userName: 'aaa_username',
  valueDistributionMethod: 'value_distribution_method',
  vlanId: 'vlanid',
  VRFname: 'vrfname',
  wlanSSID: 'wlan_ssid',
  wtpMacAddress: 'wtp_mac_address',
}

/** Elements that tshark 4.0 has no name for: it shows their bytes, and those are what our value is held against. */
export const UNKNOWN_TO_TSHARK: ReadonlySet<string> = new Set(
  `
  assembledFragmentCount
  ipv6ExtensionHeadersFull
  e0.65
  streamcoreWanRtt
  streamcoreNetAppRespTime
  streamcoreTotalAppRespTime
  streamcoreTcpRetransRate
  streamcoreIdRule6
  streamcoreIdRule7
  streamcoreIdRule8
  streamcoreIdRule9
  streamcoreIdRule10
  proceraHttpFileLength
  e2011.232
  e2011.701
  e2011.702
  e2011.703
  e2011.704
  e5951.329
  e5951.330
  e5951.331
  e5951.332
  reverseFlowAttributes
  flowAttributes
  egressInterfaceAttr
  expiredFragmentCount
  flowDirection
  flowTableFlushEventCount
  flowTablePeakCount
  ingressInterfaceAttr
  initialTCPFlags
  meanFlowRate
  meanPacketRate
  natInsideSvcid
  natOutsideSvcid
  natSubString
  paloAltoAppId
  paloAltoUserId
  proceraBaseService
  proceraFlowBehavior
  proceraIncomingOctets
  proceraOutgoingOctets
  proceraService
  proceraTemplateName
  reverseFlowDeltaMilliseconds
  reverseInitialTCPFlags
  reverseUnionTCPFlags
  silkAppLabel
  srhActiveSegmentIPv6
  srhFlagsIPv6
  srhIPv6ActiveSegmentType
  srhSegmentsIPv6Left
  srhTagIPv6
  streamcoreCallDirection
  streamcoreHostname
  streamcoreIdRule1
  streamcoreIdRule2
  streamcoreIdRule3
  streamcoreIdRule4
  streamcoreIdRule5
  streamcoreUrl
  subTemplateMultiList
  tenantDestIPv4
  tenantDestPort
  tenantProtocol
  tenantSourceIPv4
  tenantSourcePort
  unionTCPFlags
  viptelaVPNId
  virtualObsID
  vxlanExportRole
`
    .trim()
    .split(/\s+/),
)
