import { COLUMNS, DIRECTIONS, LOCALITIES, TUNNELS, type ColumnDefinition } from '../../flow/columns.ts'
import type { Side } from './ast.ts'
import { FORWARDING } from './names.ts'

// The vocabulary: what a filter can ask about. nfdump's words first, then every column by its own name, so that any
// answer can be asked further. Parser, completion, SQL and the reference page read this table.

/** How the words behind a noun are read. */
export type NounKind =
  | 'ip'
  | 'number'
  | 'as'
  | 'proto'
  | 'mac'
  | 'name'
  | 'country'
  | 'enum'
  | 'flags'
  | 'ethertype'
  | 'duration'
  | 'time'
  | 'boolean'
  | 'service'
  | 'bare'

export interface Noun {
  /** The word by which it is written back. */
  readonly name: string
  /** Further ways to write it; blanks part words. */
  readonly alias: readonly string[]
  readonly kind: NounKind
  /** Columns (or computed values, see sql.ts) it compares: `any` without a side. */
  readonly columns: Readonly<Partial<Record<Side | 'any', readonly string[]>>>
  /** Greatest value of a number. */
  readonly max: number
  readonly values?: Readonly<Record<number, string>>
  /** Names that stand for a number. */
  readonly names?: Readonly<Record<string, number>>
  readonly describe: string
  /** Dimension whose live values complete it. */
  readonly complete?: string
}

interface Given {
  name: string
  alias?: readonly string[]
  kind: NounKind
  any?: readonly string[]
  src?: string
  dst?: string
  in?: string
  out?: string
  max?: number
  values?: Readonly<Record<number, string>>
  names?: Readonly<Record<string, number>>
  describe: string
  complete?: string
}

const U16 = 0xffff
const U32 = 0xffff_ffff

const WORDS: readonly Given[] = [
  { name: 'ipv4', alias: ['inet'], kind: 'bare', any: ['ipv4'], describe: 'IPv4' },
  { name: 'ipv6', alias: ['inet6'], kind: 'bare', any: ['ipv6'], describe: 'IPv6' },
  {
    name: 'ip',
    alias: ['addr'],
    kind: 'ip',
    src: 'src_addr',
    dst: 'dst_addr',
    describe: 'address, or network as prefix',
    complete: 'ip',
  },
  {
    name: 'net',
    kind: 'ip',
    src: 'src_addr',
    dst: 'dst_addr',
    describe: 'network: 10.0.0.0/8, 10.0.0.0 255.0.0.0',
    complete: 'ip',
  },
  {
    name: 'host',
    kind: 'name',
    src: 'src_host',
    dst: 'dst_host',
    describe: 'host (hypervisor) by name; with an address the same as ip',
    complete: 'host',
  },
  { name: 'vm', kind: 'name', src: 'src_vm', dst: 'dst_vm', describe: 'virtual machine by name', complete: 'vm' },
  {
    name: 'port',
    kind: 'number',
    src: 'src_port',
    dst: 'dst_port',
    max: U16,
    describe: 'TCP, UDP or SCTP port',
    complete: 'port',
  },
  { name: 'proto', kind: 'proto', any: ['proto'], max: 255, describe: 'IP protocol by name or number' },
  {
    name: 'service',
    kind: 'service',
    any: ['service'],
    describe: 'lower port with its protocol: 443/tcp',
    complete: 'service',
  },
  {
    name: 'vlan',
    kind: 'number',
    any: ['vlan_in', 'vlan_out', 's_vlan'],
    src: 'vlan_in',
    dst: 'vlan_out',
    max: 4095,
    describe: 'VLAN on either side or the service tag; 0: untagged',
    complete: 'vlan',
  },
  {
    name: 'mac',
    alias: ['in mac', 'out mac', 'ingress mac', 'egress mac'],
    kind: 'mac',
    src: 'src_mac',
    dst: 'dst_mac',
    describe: 'MAC address, or aa:bb:cc:00:00:00/24; before the router where an exporter tells both',
    complete: 'mac',
  },
  {
    name: 'as',
    kind: 'as',
    src: 'src_as',
    dst: 'dst_as',
    max: U32,
    describe: 'autonomous system by number, or by name where the server has an AS database',
    complete: 'as',
  },
  {
    name: 'country',
    alias: ['geo'],
    kind: 'country',
    src: 'src_country',
    dst: 'dst_country',
    describe: 'country by its two letters, CH, where the server has a database of places; "": unknown',
    complete: 'country',
  },
  { name: 'mask', kind: 'number', src: 'src_mask', dst: 'dst_mask', max: 128, describe: 'prefix length of the route' },
  { name: 'if', kind: 'number', in: 'in_if', out: 'out_if', max: U32, describe: 'ifIndex', complete: 'if' },
  { name: 'slice', kind: 'name', any: ['slice'], describe: 'slice by name', complete: 'slice' },
  {
    name: 'locality',
    kind: 'enum',
    any: ['locality'],
    values: LOCALITIES,
    describe: 'intra_host, inter_host, vm_physical, vm_external, external',
  },
  {
    name: 'exporter',
    alias: ['router ip', 'exporter ip', 'router host', 'router', 'vswitch'],
    kind: 'ip',
    any: ['exporter'],
    describe: 'exporter (switch, router) by address or name',
    complete: 'exporter',
  },
  {
    name: 'direction',
    alias: ['flowdir'],
    kind: 'enum',
    any: ['direction'],
    values: DIRECTIONS,
    describe: 'ingress (0) or egress (1)',
  },
  { name: 'tunnel', kind: 'enum', any: ['tunnel'], values: TUNNELS, describe: 'kind of tunnel that the packet was in' },
  {
    name: 'tun ip',
    alias: ['tun host', 'tun net', 'tunip', 'outer ip', 'outer net'],
    kind: 'ip',
    src: 'tunnel_src',
    dst: 'tunnel_dst',
    describe: 'outer address of the tunnel',
    complete: 'tunnel_dst',
  },
  {
    name: 'inner ip',
    alias: ['inner net'],
    kind: 'ip',
    src: 'src_addr',
    dst: 'dst_addr',
    describe: 'address of a packet that was in a tunnel',
    complete: 'ip',
  },
  {
    name: 'tun proto',
    kind: 'proto',
    any: ['tunnel_proto'],
    max: 255,
    describe: 'IP protocol that carried the tunnel: gre, ipip, udp for VXLAN and Geneve; 0 where there is none',
  },
  {
    name: 'inner port',
    kind: 'number',
    src: 'src_port',
    dst: 'dst_port',
    max: U16,
    describe: 'port of a packet that was in a tunnel',
    complete: 'port',
  },
  {
    name: 'inner proto',
    kind: 'proto',
    any: ['proto'],
    max: 255,
    describe: 'protocol of a packet that was in a tunnel',
  },
  {
    name: 'vni',
    kind: 'number',
    any: ['vni'],
    max: 0xff_ffff,
    describe: 'virtual network identifier',
    complete: 'vni',
  },
  {
    name: 'flags',
    kind: 'flags',
    any: ['tcp_flags'],
    max: U16,
    describe: 'TCP flags that must all be set: SA; =S: these alone; or a number to compare with',
  },
  {
    name: 'tos',
    kind: 'number',
    any: ['tos'],
    src: 'tos',
    max: 255,
    describe: 'IPv4 ToS or IPv6 traffic class',
    complete: 'tos',
  },
  {
    name: 'ttl',
    alias: ['min ttl'],
    kind: 'number',
    any: ['ttl'],
    max: 255,
    describe: 'IPv4 TTL or IPv6 hop limit; the least where an exporter tells both',
  },
  {
    name: 'icmp-type',
    alias: ['icmp type'],
    kind: 'number',
    any: ['icmp_type'],
    max: 255,
    describe: 'type of an ICMP or ICMPv6 packet',
  },
  {
    name: 'icmp-code',
    alias: ['icmp code'],
    kind: 'number',
    any: ['icmp_code'],
    max: 255,
    describe: 'code of an ICMP or ICMPv6 packet',
  },
  { name: 'ethertype', kind: 'ethertype', any: ['ethertype'], max: U16, describe: 'EtherType by name or number' },
  {
    name: 'mpls',
    alias: ['mpls label1'],
    kind: 'number',
    any: ['mpls_label'],
    max: 0xf_ffff,
    describe: 'top MPLS label',
    complete: 'mpls_label',
  },
  {
    name: 'engine-id',
    alias: ['engine id', 'observation domain id', 'observation domain'],
    kind: 'number',
    any: ['observation'],
    max: U32,
    describe: 'sFlow sub-agent, NetFlow engine or source ID, IPFIX observation domain',
    complete: 'observation',
  },
  {
    name: 'fwdstat',
    kind: 'number',
    any: ['forwarding_status'],
    max: 255,
    names: FORWARDING,
    describe: 'forwarding status (IANA element 89) by number, or by nfdump’s names: forw, drop, noroute, dpolicy …',
  },
  {
    name: 'next ip',
    alias: ['next host', 'next net', 'next hop'],
    kind: 'ip',
    any: ['next_hop'],
    describe: 'next-hop router',
    complete: 'next_hop',
  },
  {
    name: 'packets',
    alias: ['in packets'],
    kind: 'number',
    any: ['packets'],
    max: Number.MAX_SAFE_INTEGER,
    describe: 'packets of the record, as observed',
  },
  {
    name: 'bytes',
    alias: ['in bytes'],
    kind: 'number',
    any: ['bytes'],
    max: Number.MAX_SAFE_INTEGER,
    describe: 'bytes of the record, as observed',
  },
  {
    name: 'pps',
    kind: 'number',
    any: ['pps'],
    max: Number.MAX_SAFE_INTEGER,
    describe: 'whole packets a second over the duration of the record; 0 where it has none',
  },
  {
    name: 'bps',
    kind: 'number',
    any: ['bps'],
    max: Number.MAX_SAFE_INTEGER,
    describe: 'whole bits a second over the duration of the record; 0 where it has none',
  },
  { name: 'bpp', kind: 'number', any: ['bpp'], max: Number.MAX_SAFE_INTEGER, describe: 'whole bytes a packet' },
  {
    name: 'duration',
    kind: 'duration',
    any: ['duration'],
    max: Number.MAX_SAFE_INTEGER,
    describe: 'from first to last packet: milliseconds, or 5s, 2min, 1h',
  },
  { name: 'first seen', kind: 'time', any: ['time_start'], describe: 'first packet of the record' },
  { name: 'last seen', kind: 'time', any: ['time_end'], describe: 'last packet of the record' },
  {
    name: 'counted',
    kind: 'boolean',
    any: ['counted'],
    describe: 'yes, or no for what another observation point counts',
  },
]

const KIND_OF_FORMAT: Readonly<Record<ColumnDefinition['format'], NounKind>> = {
  time: 'time',
  ip: 'ip',
  mac: 'mac',
  number: 'number',
  bytes: 'number',
  packets: 'number',
  port: 'number',
  proto: 'proto',
  interface: 'number',
  vlan: 'number',
  as: 'as',
  flags: 'flags',
  enum: 'enum',
  name: 'name',
  boolean: 'boolean',
  ethertype: 'ethertype',
}
const MAX_OF_STORAGE = {
  u8: 255,
  u16: U16,
  u32: U32,
  u64: Number.MAX_SAFE_INTEGER,
  mac: 2 ** 48 - 1,
  ip: 0,
  name: 0,
} as const

function noun(given: Given): Noun {
  const { name, alias = [], kind, max = 0, describe, values, names, complete } = given
  const columns: Partial<Record<Side | 'any', readonly string[]>> = {}
  const sides: string[] = []
  for (const side of ['src', 'dst', 'in', 'out'] as const) {
    const column = given[side]
    if (column === undefined) continue
    columns[side] = [column]
    sides.push(column)
  }
  columns.any = given.any ?? sides
  return {
    name,
    alias,
    kind,
    columns,
    max,
    describe,
    ...(values ? { values } : {}),
    ...(names ? { names } : {}),
    ...(complete ? { complete } : {}),
  }
}

function columnNoun(column: ColumnDefinition): Noun {
  return noun({
    name: column.name,
    kind: column.name.endsWith('_country') ? 'country' : KIND_OF_FORMAT[column.format],
    any: [column.name],
    max: MAX_OF_STORAGE[column.storage],
    describe: column.describe,
    ...(column.values ? { values: column.values } : {}),
    ...(column.dimension && !column.values && column.format !== 'boolean' ? { complete: column.name } : {}),
  })
}

const spoken = WORDS.map(noun)
const taken = new Set(spoken.flatMap((n) => [n.name, ...n.alias]))

export const NOUNS: readonly Noun[] = [...spoken, ...COLUMNS.filter((c) => !taken.has(c.name)).map(columnNoun)]

/** Every way to write a noun, as words: the longest first, so that `tun ip` is tried before a noun `tun`. */
export const PHRASES: readonly { readonly words: readonly string[]; readonly noun: Noun }[] = NOUNS.flatMap((n) =>
  [n.name, ...n.alias].map((text) => ({ words: text.split(' '), noun: n })),
).sort((a, b) => b.words.length - a.words.length)

const byName = new Map(NOUNS.map((n) => [n.name, n]))

/** The noun of this canonical name, or undefined. */
export function nounNamed(name: string): Noun | undefined {
  return byName.get(name)
}
