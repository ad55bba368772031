// What logstash-codec-netflow expects of sequences of datagrams: how many records, and of some of them each value.

import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createNetflowReader, type DecodedRecord } from '../../src/collect/netflow-reader.ts'
import type { FieldValue } from '../../src/wire/ipfix/values.ts'
import { goldensOf } from './goldens.ts'
import { CAPTURES } from './pdml.ts'

type DataRecord = Extract<DecodedRecord, { kind: 'flow' | 'options' }>
type Values = Readonly<Record<string, unknown>>

interface LogstashGolden {
  readonly expected_event_count?: number | null
  /** Some are lists of templates. */
  readonly expected_events?: readonly { readonly netflow?: Values }[]
  readonly assertions?: readonly { readonly index: number; readonly path: string; readonly value: unknown }[]
}

/** Names of NetFlow v5 and v9 there, and ours of the same elements. Of IPFIX the names are the same, but for those of makers. */
const NAMES: Readonly<Record<string, string>> = {
  app_id: 'paloAltoAppId',
  application_description: 'applicationDescription',
  application_id: 'applicationId',
  application_name: 'applicationName',
  bgp_ipv4_next_hop: 'bgpNextHopIPv4Address',
  conn_id: 'flowId',
  direction: 'flowDirection',
  dst_as: 'bgpDestinationAsNumber',
  dst_mask: 'destinationIPv4PrefixLength',
  dst_traffic_index: 'dstTrafficIndex',
  dst_vlan: 'postVlanId',
  egress_acl_id: 'egressAclId',
  engine_id: 'engineId',
  event_time_msec: 'observationTimeMilliseconds',
  first_switched: 'flowStartSysUpTime',
  flow_active_timeout: 'flowActiveTimeout',
  flow_end_reason: 'flowEndReason',
  flow_inactive_timeout: 'flowIdleTimeout',
  flow_sampler_id: 'samplerId',
  flow_start_msec: 'flowStartMilliseconds',
  flows: 'deltaFlowCount',
  forwarding_status: 'forwardingStatus',
  fw_event: 'firewallEvent',
  fw_ext_event: 'firewallExtendedEvent',
  fwd_flow_delta_bytes: 'initiatorOctets',
  icmp_code: 'icmpCodeIPv4',
  icmp_type: 'icmpTypeIPv4',
  if_desc: 'interfaceDescription',
  in_bytes: 'octetDeltaCount',
  in_dst_mac: 'destinationMacAddress',
  in_permanent_bytes: 'octetTotalCount',
  in_pkts: 'packetDeltaCount',
  in_src_mac: 'sourceMacAddress',
  ingress_acl_id: 'ingressAclId',
  input_snmp: 'ingressInterface',
  ip_dscp: 'ipDiffServCodePoint',
  ip_protocol_version: 'ipVersion',
  ipv4_dst_addr: 'destinationIPv4Address',
  ipv4_ident: 'fragmentIdentification',
  ipv4_next_hop: 'ipNextHopIPv4Address',
  ipv4_src_addr: 'sourceIPv4Address',
  ipv4_src_prefix: 'sourceIPv4Prefix',
  l4_dst_port: 'destinationTransportPort',
  l4_src_port: 'sourceTransportPort',
  last_switched: 'flowEndSysUpTime',
  nprobe_proto: 'l7Proto',
  nprobe_proto_name: 'l7ProtoName',
  out_bytes: 'postOctetDeltaCount',
  out_dst_mac: 'postDestinationMacAddress',
  out_pkts: 'postPacketDeltaCount',
  out_src_mac: 'postSourceMacAddress',
  output_snmp: 'egressInterface',
  protocol: 'protocolIdentifier',
  rev_flow_delta_bytes: 'responderOctets',
  sampling_algorithm: 'samplingAlgorithm',
  sampling_interval: 'samplingInterval',
  scope_system: 'scopeSystem',
  src_as: 'bgpSourceAsNumber',
  src_mask: 'sourceIPv4PrefixLength',
  src_tos: 'ipClassOfService',
  src_traffic_index: 'srcTrafficIndex',
  src_vlan: 'vlanId',
  tcp_flags: 'tcpControlBits',
  tcp_src_port: 'tcpSourcePort',
  total_bytes_exp: 'exportedOctetTotalCount',
  total_flows_exp: 'exportedFlowRecordTotalCount',
  total_pkts_exp: 'exportedMessageTotalCount',
  udp_dst_port: 'udpDestinationPort',
  user_id: 'paloAltoUserId',
  username: 'userName',
  xlate_dst_addr_ipv4: 'postNATDestinationIPv4Address',
  xlate_dst_port: 'postNAPTDestinationTransportPort',
  xlate_src_addr_ipv4: 'postNATSourceIPv4Address',
  xlate_src_port: 'postNAPTSourceTransportPort',
  FW_Rule: 'barracudaFwRule',
  ...Object.fromEntries(
    'AuditCounter BindIPv4Address BindTransportPort ConnIPv4Address ConnTransportPort LogOp Reason ReasonText ServiceName Timestamp TrafficType'
      .split(' ')
      .map((name) => [name, `barracuda${name}`]),
  ),
  vmwareUnknown888: 'egressInterfaceAttr',
  vmwareUnknown889: 'vxlanExportRole',
  vmwareUnknown890: 'ingressInterfaceAttr',
  netscalerUnknown330: 'e5951.330',
  netscalerHttpReqXForwardedFor: 'httpReqXForwardedFor',
  reamcore_id_rule_1: 'streamcoreIdRule1',
}

/** Of the header of the datagram, which `decode` does not print; of what has no bytes; and what is no element there. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  version: 'of the header',
  flow_seq_num: 'of the header',
  flow_records: 'of the header',
  engine_type: 'of the header',
  flowset_id: 'the number of the template: compared as such',
  mpls_label_stack_octets: 'Logstash reads the three bytes of a label as four',
  netscalerHttpResForwFB: 'a time of 1900 there',
  netscalerHttpResForwLB: 'a time of 1900 there',
  proceraContentCategories: 'without bytes',
  proceraHttpContentType: 'without bytes',
  proceraHttpLocation: 'without bytes',
  proceraHttpUrl: 'without bytes',
  proceraSubscriberIdentifier: 'without bytes',
  ixiaHttpHostName: 'without bytes',
  ixiaHttpUri: 'without bytes',
  ixiaHttpUserAgent: 'without bytes',
  ixiaThreatType: 'without bytes',
}

/** Of NetFlow v5 these, too, stand in the header. */
const LEFT_OUT_5: Readonly<Record<string, string>> = {
  engine_id: 'of the header',
  sampling_algorithm: 'of the header',
  sampling_interval: 'of the header',
}

const DIFFERENCES: readonly (readonly [difference: RegExp, reason: string])[] = [
  [
    /(Netflow-5-valid-01|FortiOS-5\.2\.1).*(first|last)_switched/,
    'uptimes that have wrapped: Logstash takes them for 49 days more',
  ],
  [/Streamcore.*switched "[^"]*\.999Z"/, 'Logstash wrote 999 ms there, whatever was sent'],
]

function nameOf(name: string): string {
  const known = NAMES[name]
  if (known !== undefined) return known
  const streamcore = /^streamcore_(.*)$/.exec(name)?.[1]
  if (streamcore !== undefined)
    return `streamcore${streamcore.replaceAll(/(?:^|_)([a-z\d])/g, (_, first: string) => first.toUpperCase())}`
  return name.replace(/^(?:netscaler|vmware)([A-Z])/, (_, first: string) => first.toLowerCase())
}

const hexOf = (number: number, digits: number): string => number.toString(16).padStart(digits, '0')

/** What Logstash prints, as we print it; several where its form leaves that open. */
function asOurs(name: string, value: unknown): unknown[] {
  if (name === 'application_id') {
    const [engine, ...rest] = String(value).split('..').map(Number) as [number, ...number[]]
    if (rest.length === 1) return [hexOf(engine, 2) + hexOf(rest[0] as number, 6)]
    return [hexOf(engine, 2) + rest.map((one) => hexOf(one, 8)).join('')]
  }
  if (name === 'forwarding_status') {
    const { status, reason } = value as { status: number; reason: number }
    return [(status << 6) | reason]
  }
  if (name === 'netscalerUnknown330') return [hexOf(value as number, 4)]
  if (name === 'scope_system') return [hexOf(value as number, 8), hexOf(value as number, 4)]
  if (/acl_id$/.test(name)) return [String(value).replaceAll('-', '')]
  if (typeof value !== 'string') return [value]
  const text = value.replace(/^'(.*)'$/, '$1')
  const time = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(time) ? [text] : [time, time / 1000]
}

function same(name: string, theirs: unknown, record: DataRecord): boolean {
  const ours: FieldValue | undefined =
    record.fields[nameOf(name)] ?? (name === 'icmp_type' ? record.fields['icmpTypeCodeIPv4'] : undefined)
  // Uptimes are times there; so they are in our row.
  const column = TIMES[name]
  // Logstash takes milliseconds off a second that it has not taken off before: mostly it is one second late.
  if (column !== undefined && record.kind === 'flow')
    return [0, 1000].includes(Date.parse(String(theirs)) - Date.parse(String(record.flow?.[column])))
  const wanted = asOurs(name, theirs)
  return (Array.isArray(ours) ? (ours as FieldValue[]) : [ours]).some((one) =>
    wanted.some((value) => {
      if (one === value) return true
      if (typeof one !== 'number' || typeof value !== 'number') return typeof one === 'string' && one === latin(value)
      // Floats to their precision; microseconds, where Logstash has milliseconds.
      return Math.fround(one) === Math.fround(value) || Math.floor(one / 1000) === value
    }),
  )
}

const TIMES: Readonly<Record<string, string>> = { first_switched: 'time_start', last_switched: 'time_end' }

function shown(name: string, record: DataRecord | undefined): string {
  const column = TIMES[name]
  if (column !== undefined && record?.kind === 'flow') return String(record.flow?.[column])
  return JSON.stringify(record?.fields[nameOf(name)])
}

/** What is no UTF-8 we print in hex. */
const latin = (value: unknown): string => Buffer.from(String(value), 'latin1').toString('hex')

describe("logstash's expectations", () => {
  const used = new Set<RegExp>()
  for (const { golden, files, text } of goldensOf('logstash-plugins/logstash-codec-netflow')) {
    const {
      expected_event_count: expected,
      expected_events: events = [],
      assertions = [],
    } = JSON.parse(text) as LogstashGolden
    test(`${basename(golden)}: as many records, with the same values`, (t) => {
      const reader = createNetflowReader()
      const records = files
        .flatMap((file) => reader.read(new Uint8Array(readFileSync(join(CAPTURES, file))), '192.0.2.1'))
        .filter((record): record is DataRecord => record.kind === 'flow' || record.kind === 'options')
      // Logstash throws away data that comes before its template; here it waits for it.
      const waited = golden.endsWith('Netscaler-with-variable-length-fields.golden2.json') ? 3 : 0
      if (expected !== null && expected !== undefined) assert.equal(records.length, expected + waited)
      let values = 0
      const wrong: string[] = []
      const hold = (line: string): void => {
        const known = DIFFERENCES.find(([difference]) => difference.test(`${basename(golden)}: ${line}`))
        if (known === undefined) wrong.push(line)
        else {
          used.add(known[0])
          t.diagnostic(`differs: ${line}: ${known[1]}`)
        }
      }
      for (const { netflow } of events) {
        if (netflow === undefined) continue
        const left = netflow['version'] === 5 ? { ...LEFT_OUT, ...LEFT_OUT_5 } : LEFT_OUT
        const held = Object.entries(netflow).filter(([name]) => left[name] === undefined)
        const missing = records.map((record) =>
          held.filter(([name, value]) => !same(name, value, record)).map(([name]) => name),
        )
        const best = missing.toSorted((a, b) => a.length - b.length)[0] ?? []
        for (const name of best)
          hold(`${name} ${JSON.stringify(netflow[name])}: ours ${shown(name, records[missing.indexOf(best)])}`)
        values += held.length - best.length
      }
      for (const { path, value } of assertions) {
        const name = path.replace('netflow.', '')
        if (LEFT_OUT[name] !== undefined || (typeof value === 'string' && value.includes('#{'))) continue
        if (records.some((record) => same(name, value, record))) values++
        else hold(`${path} ${JSON.stringify(value)}`)
      }
      t.diagnostic(`${records.length} records, ${values} values equal`)
      assert.deepEqual(wrong, [])
    })
  }

  test('no difference is listed that is none', () => {
    assert.deepEqual(DIFFERENCES.filter(([difference]) => !used.has(difference)).map(String), [])
  })
})
