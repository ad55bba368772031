// What tshark shows of a record, and the column of our row that it has to be in.

import { boundElements } from '../../src/collect/netflow-plan.ts'
import type { RowJson } from '../../src/flow/row-json.ts'
import type { OracleField } from './cflow-oracle.ts'
import type { OwnRecord } from './netflow-decoded.ts'
import { TSHARK_FIELDS, UNKNOWN_TO_TSHARK } from './netflow-elements.ts'
import { isTime, milliseconds, time } from './netflow-values.ts'

/** By tshark's name, without `cflow.`. */
type Check = (row: RowJson, show: string, reverse: RowJson | undefined) => boolean

const equals =
  (column: string): Check =>
  (row, show) =>
    Number(row[column]) === Number(show)
const is =
  (...columns: readonly string[]): Check =>
  (row, show) =>
    columns.some((column) => row[column] === show)
const either =
  (...checks: readonly Check[]): Check =>
  (row, show, reverse) =>
    checks.some((check) => check(row, show, reverse))
const nothing: Check = (_row, show) => show === '0.0.0.0' || show === '::'
const other =
  (column: string): Check =>
  (_row, show, reverse) =>
    Number(reverse?.[column] ?? 0) === Number(show)

const isIcmp = (row: RowJson): boolean => row['proto'] === 1 || row['proto'] === 58
const icmpWord: Check = (row, show) =>
  isIcmp(row) && Number(row['icmp_type']) * 256 + Number(row['icmp_code']) === Number(show)
const at =
  (column: string): Check =>
  (row, show) =>
    Date.parse(row[column] as string) === Number(time(show, 'dateTimeMilliseconds'))

const CHECKS: Readonly<Record<string, Check>> = {
  srcaddr: either(is('src_addr', 'tunnel_src'), nothing),
  dstaddr: either(is('dst_addr', 'tunnel_dst'), nothing),
  srcaddrv6: either(is('src_addr', 'tunnel_src'), nothing),
  dstaddrv6: either(is('dst_addr', 'tunnel_dst'), nothing),
  srcport: equals('src_port'),
  dstport: either(equals('dst_port'), icmpWord),
  protocol: equals('proto'),
  octets: equals('bytes'),
  packets: equals('packets'),
  initiator_octets: equals('bytes'),
  initiator_packets: equals('packets'),
  responder_octets: other('bytes'),
  responder_packets: other('packets'),
  permanent_octets: either(equals('bytes'), other('bytes')),
  permanent_packets: either(equals('packets'), other('packets')),
  inputint: equals('in_if'),
  outputint: equals('out_if'),
  tcpflags: equals('tcp_flags'),
  tcpflags16: equals('tcp_flags'),
  tos: equals('tos'),
  ip_dscp: (row, show) => Number(row['tos']) >> 2 === Number(show),
  srcas: equals('src_as'),
  dstas: equals('dst_as'),
  srcmask: equals('src_mask'),
  dstmask: equals('dst_mask'),
  srcmaskv6: equals('src_mask'),
  dstmaskv6: equals('dst_mask'),
  nexthop: either(is('next_hop'), nothing),
  nexthopv6: either(is('next_hop'), nothing),
  vlanid: either(equals('vlan_in'), equals('s_vlan'), other('vlan_in')),
  dot1q_vlan_id: either(equals('vlan_in'), equals('s_vlan')),
  // Without a customer's tag the service's is the only one.
  dot1q_customer_vlan_id: either(equals('vlan_in'), (_row, show) => show === '0'),
  postvlanid: equals('vlan_out'),
  post_vlanid: equals('vlan_out'),
  post_dot1q_vlan_id: equals('vlan_out'),
  srcmac: is('src_mac'),
  dstmac: is('dst_mac'),
  ttl_minimum: equals('ttl'),
  ttl_min: equals('ttl'),
  // Where both are told, the row has the smaller.
  ttl_max: (row, show) => Number(row['ttl']) <= Number(show),
  ip_ttl: equals('ttl'),
  ethernet_type: equals('ethertype'),
  direction: (row, show) => row['direction'] === (show === '0' ? 'ingress' : show === '1' ? 'egress' : 'unknown'),
  icmp_ipv4_type: equals('icmp_type'),
  icmp_ipv4_code: equals('icmp_code'),
  icmp_ipv6_type: equals('icmp_type'),
  icmp_ipv6_code: equals('icmp_code'),
  icmp_type_code_ipv4: either(icmpWord, (row) => !isIcmp(row)),
  abstimestart: at('time_start'),
  abstimeend: at('time_end'),
  forwarding_status: (row, show) => Number(row['forwarding_status']) >> 6 === Number(show),
  layer2_segment_id: (row, show) => Number(row['vni']) === Number(BigInt(show) & 0xffffffn),
  mpls_label: equals('mpls_label'),
  bgpnexthop: either(is('next_hop'), nothing),
  bgpnexthopv6: either((row, show) => row['next_hop'] === show.replace(/^::ffff:(?=.*\.)/, ''), nothing),
  post_octets: equals('bytes'),
  post_packets: equals('packets'),
  post_srcmac: is('src_mac'),
  post_dstmac: is('dst_mac'),
  ingress_physical_interface: equals('in_if'),
  egress_physical_interface: equals('out_if'),
  srcprefix: is('src_addr'),
  observation_time_milliseconds: at('time_end'),
  'pie.cisco.connection_client_ipv4_address': is('src_addr'),
  'pie.cisco.connection_server_ipv4_address': is('dst_addr'),
  'pie.cisco.connection_client_transport_port': equals('src_port'),
  'pie.cisco.connection_server_transport_port': equals('dst_port'),
}

/** What is in the row only where none of these is there. */
const SECOND_CHOICE: Readonly<Record<string, readonly string[]>> = {
  bgpnexthop: ['nexthop', 'nexthopv6', 'bgpnexthopv6'],
  bgpnexthopv6: ['nexthop', 'nexthopv6', 'bgpnexthop'],
  post_octets: ['octets', 'initiator_octets', 'permanent_octets'],
  post_packets: ['packets', 'initiator_packets', 'permanent_packets'],
  post_srcmac: ['srcmac'],
  post_dstmac: ['dstmac'],
  ingress_physical_interface: ['inputint'],
  egress_physical_interface: ['outputint'],
  srcprefix: ['srcaddr'],
  observation_time_milliseconds: ['abstimeend', 'timeend'],
}

/** When the exporter sent the datagram and since when it ran, as its header tells: without both an uptime says nothing. */
function uptimes(header: ReadonlyMap<string, string>): { exportedAt: number; uptime: number } | undefined {
  const exported = header.get('cflow.timestamp') ?? ''
  const uptime = milliseconds(header.get('cflow.sysuptime') ?? '')
  if (!isTime(exported) || uptime === undefined) return undefined
  return { exportedAt: Number(time(exported, 'dateTimeMilliseconds')), uptime: Number(uptime) }
}

const UPTIMES: Readonly<Record<string, string>> = { timestart: 'time_start', timeend: 'time_end' }
const WRAP = 2 ** 32

/** Elements that fill a column of the row. */
const BOUND = new Map(
  boundElements()
    .filter(({ into }) => into === 'row')
    .map(({ enterprise, element, column }) => [`${enterprise}.${element}`, column]),
)

/**
 * Holds the row against what tshark shows of the record: every element that fills a column.
 * @param header what tshark shows of the datagram's header.
 */
export function compareRow(
  own: OwnRecord,
  fields: readonly OracleField[],
  header: ReadonlyMap<string, string>,
): { readonly compared: number; readonly wrong: readonly string[] } {
  const { row } = own
  if (row === undefined) return { compared: 0, wrong: [] }
  const shown = new Map<string, string[]>()
  for (const { name, show } of fields) {
    const short = name.slice('cflow.'.length)
    shown.set(short, [...(shown.get(short) ?? []), show])
  }
  let compared = 0
  const wrong: string[] = []
  const clock = uptimes(header)
  for (const [name, shows] of shown) {
    const column = UPTIMES[name]
    const check = CHECKS[name] ?? (column !== undefined && clock ? sinceBoot(column, clock) : undefined)
    if (check === undefined) continue
    // An element that stands more than once is of outer and inner headers: the row has one of them.
    if (shows.some((show) => check(row, show, own.reverse))) compared++
    else if (SECOND_CHOICE[name]?.some((first) => shown.has(first)) !== true)
      wrong.push(`value ${name}: ${shows.join(' ')}`)
  }
  for (const { name, enterprise, element, length, value } of own.fields) {
    const column = BOUND.get(`${enterprise}.${element}`)
    if (length === 0 || column === undefined) continue
    const mapped = TSHARK_FIELDS[name] ?? []
    const names = typeof mapped === 'string' ? [mapped] : mapped
    if (UNKNOWN_TO_TSHARK.has(name) && !names.some((one) => shown.has(one))) {
      // Its value has been held against the bytes that tshark shows.
      const has = column === 'tcp_flags' ? (Number(row[column]) & Number(value)) === value : row[column] === value
      if (has) compared++
      else wrong.push(`value ${name}: ${JSON.stringify(value)} is not in ${column}`)
      continue
    }
    if (!names.some((one) => CHECKS[one] !== undefined || UPTIMES[one] !== undefined))
      wrong.push(`column of ${name}: it is not held against tshark`)
  }
  return { compared, wrong }
}

/** A time as an uptime of the exporter, which wraps after 49.7 days. */
function sinceBoot(column: string, { exportedAt, uptime }: { exportedAt: number; uptime: number }): Check {
  return (row, show) => {
    const then = Number(milliseconds(show))
    const is = Date.parse(row[column] as string)
    return [0, WRAP, -WRAP].some((wrap) => is === exportedAt - (uptime - then + wrap))
  }
}
