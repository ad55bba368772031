// How dimensions are named, where their values lead, and how a value is written as a filter.
import type { KeyValue } from '../../../src/api/contract/query.ts'

export type Key = Readonly<Record<string, KeyValue>>

/** What a value of a dimension is, which decides where it leads. */
export type Kind = 'machine' | 'host' | 'address' | 'vlan' | 'exporter' | 'plain'

const KINDS: Readonly<Record<string, Kind>> = {
  vm: 'machine',
  src_vm: 'machine',
  dst_vm: 'machine',
  machine: 'machine',
  host: 'host',
  src_host: 'host',
  dst_host: 'host',
  ip: 'address',
  src_addr: 'address',
  dst_addr: 'address',
  next_hop: 'address',
  tunnel_src: 'address',
  tunnel_dst: 'address',
  vlan: 'vlan',
  vlan_in: 'vlan',
  vlan_out: 'vlan',
  s_vlan: 'vlan',
  exporter: 'exporter',
}

export function kindOf(dimension: string): Kind {
  return KINDS[dimension] ?? 'plain'
}

/** The page of a value, as a path; undefined if it has none. */
export function pathOf(dimension: string, value: KeyValue | undefined): string | undefined {
  if (isUnknown(dimension, value)) return undefined
  const part = encodeURIComponent(String(value))
  switch (kindOf(dimension)) {
    case 'machine':
      return `/machines/${part}`
    case 'host':
      return `/hosts/${part}`
    case 'address':
      return `/addresses/${part}`
    case 'vlan':
      return `/vlans/${part}`
    case 'exporter':
      return `/exporters/${part}`
    case 'plain':
      return undefined
  }
}

/** What a zero of these says. */
const ZERO: Readonly<Record<string, string>> = {
  as: 'not known',
  src_as: 'not known',
  dst_as: 'not known',
  vni: 'none',
  mpls_label: 'none',
  tcp_flags: 'none',
}

/** True for what stands for "not known" or "none": no name, no VLAN, the unspecified address. */
export function isUnknown(dimension: string, value: KeyValue | undefined): boolean {
  if (value === null || value === undefined || value === '') return true
  if (ZERO[dimension] !== undefined && Number(value) === 0) return true
  const kind = kindOf(dimension)
  return (kind === 'vlan' && Number(value) === 0) || (kind === 'address' && value === '::')
}

export const LOCALITY: Readonly<Record<string, { readonly name: string; readonly note: string }>> = {
  intra_host: { name: 'Inside one host', note: 'never reaches a wire' },
  inter_host: { name: 'Between hosts', note: 'over uplinks' },
  vm_physical: { name: 'To physical machines', note: 'storage, routers' },
  vm_external: { name: 'Outside', note: 'Internet and other sites' },
  external: { name: 'Passing by', note: 'neither end is a machine of ours' },
  unknown: { name: 'Not known', note: 'no inventory entry' },
}

const IP_PROTOCOLS: Readonly<Record<string, string>> = {
  1: 'ICMP',
  2: 'IGMP',
  4: 'IPIP',
  6: 'TCP',
  17: 'UDP',
  41: '6in4',
  47: 'GRE',
  50: 'ESP',
  51: 'AH',
  58: 'ICMPv6',
  89: 'OSPF',
  112: 'VRRP',
  132: 'SCTP',
}
const ETHERTYPES: Readonly<Record<string, string>> = {
  ipv4: 'IPv4',
  arp: 'ARP',
  ipv6: 'IPv6',
  mpls: 'MPLS',
  lldp: 'LLDP',
}
const INTERFACES: Readonly<Record<string, string>> = { 1073741823: 'internal' }

const UNKNOWN: Partial<Readonly<Record<Kind, string>>> = {
  vlan: 'untagged',
  machine: 'not a known machine',
  host: 'on no known host',
}

/** What exporters are called, by their addresses. */
export type ExporterNames = ReadonlyMap<string, string>

/** A value as it is shown. */
export function valueText(dimension: string, value: KeyValue | undefined, exporters?: ExporterNames): string {
  if (isUnknown(dimension, value)) return ZERO[dimension] ?? UNKNOWN[kindOf(dimension)] ?? 'not known'
  const text = String(value)
  if (dimension === 'exporter') return exporters?.get(text) ?? text
  if (dimension === 'locality') return LOCALITY[text]?.name ?? text
  if (dimension === 'proto') return IP_PROTOCOLS[text] ?? (/^\d+$/.test(text) ? `protocol ${text}` : text.toUpperCase())
  if (dimension === 'ethertype') return ETHERTYPES[text] ?? text
  if (dimension.endsWith('_if')) return INTERFACES[text] ?? text
  if (dimension === 'counted') return value === true ? 'yes' : 'no, at another point'
  return text
}

/** A whole key in one line, for legends and tooltips. */
export function keyText(columns: readonly string[], key: Key, exporters?: ExporterNames): string {
  return columns.map((column) => valueText(column, key[column], exporters)).join(' · ')
}

/** What tells one key from another: the same text for the same key, on every page. */
export function keyId(columns: readonly string[], key: Key): string {
  return columns.map((column) => `${String(key[column] ?? '')}`).join('\u0000')
}

const LABELS: Readonly<Record<string, string>> = {
  vlan: 'VLAN',
  ip: 'address',
  vm: 'machine',
  host: 'host',
  port: 'port',
  mac: 'MAC',
  as: 'AS',
  src_vm: 'src machine',
  dst_vm: 'dst machine',
  src_addr: 'src address',
  dst_addr: 'dst address',
  proto: 'protocol',
  protocol: 'export protocol',
  src_mac: 'src MAC',
  dst_mac: 'dst MAC',
  in_if: 'in interface',
  out_if: 'out interface',
  if: 'interface',
  time_received: 'received',
  time_start: 'start',
  time_end: 'end',
  vlan_in: 'VLAN in',
  vlan_out: 'VLAN out',
  s_vlan: 'service VLAN',
  tcp_flags: 'TCP flags',
  ethertype: 'EtherType',
  vni: 'VNI',
  tos: 'ToS',
  ttl: 'TTL',
  icmp_type: 'ICMP type',
  icmp_code: 'ICMP code',
  mpls_label: 'MPLS label',
  src_as: 'src AS',
  dst_as: 'dst AS',
  src_net: 'src network',
  dst_net: 'dst network',
}

export function labelOf(dimension: string): string {
  return LABELS[dimension] ?? dimension.replace(/_/g, ' ')
}

/** What a dimension shows in the first place when the server has not said which it has. */
export const USUAL_DIMENSIONS: readonly string[] = [
  'vlan',
  'src_vm',
  'dst_vm',
  'src_host',
  'dst_host',
  'locality',
  'src_addr',
  'dst_addr',
  'proto',
  'src_port',
  'dst_port',
  'exporter',
  'in_if',
  'out_if',
  'ethertype',
  'slice',
  'src_mac',
  'dst_mac',
  'src_as',
  'dst_as',
]
