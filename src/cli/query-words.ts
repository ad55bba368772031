import type { Question } from '../api/contract/query.ts'
import { UserError } from '../base/errors.ts'

// nfdump's names for what to count by, and this project's columns behind them.

export const STATS: Readonly<Record<string, string>> = {
  srcip: 'src_addr',
  dstip: 'dst_addr',
  ip: 'ip',
  srcport: 'src_port',
  dstport: 'dst_port',
  port: 'port',
  proto: 'proto',
  srcas: 'src_as',
  dstas: 'dst_as',
  as: 'as',
  srcasn: 'src_as',
  dstasn: 'dst_as',
  asn: 'as',
  inif: 'in_if',
  outif: 'out_if',
  if: 'if',
  srcvlan: 'vlan_in',
  dstvlan: 'vlan_out',
  vlan: 'vlan',
  srcmac: 'src_mac',
  dstmac: 'dst_mac',
  insrcmac: 'src_mac',
  outdstmac: 'dst_mac',
  indstmac: 'dst_mac',
  outsrcmac: 'src_mac',
  mac: 'mac',
  srcnet: 'src_net',
  dstnet: 'dst_net',
  srcmask: 'src_mask',
  dstmask: 'dst_mask',
  srctos: 'tos',
  tos: 'tos',
  flags: 'tcp_flags',
  router: 'exporter',
  exp: 'exporter',
  nhip: 'next_hop',
  next: 'next_hop',
  dir: 'direction',
  odid: 'observation',
  mpls1: 'mpls_label',
  minttl: 'ttl',
  inmac: 'mac',
  outmac: 'mac',
  nexthop: 'next_hop',
  vswitch: 'exporter',
  srcvm: 'src_vm',
  dstvm: 'dst_vm',
  srchost: 'src_host',
  dsthost: 'dst_host',
}

/** Words of nfdump of which no column tells. */
const NOT_RECORDED = new Set(
  (
    'dsttos maxttl nextas prevas nhbip bgpnext opid srcgeo dstgeo geo nbar ja3 ja4 ja4s cl sl al ivrf evrf event xevent nat ' +
    'natsrcip natdstip natip natsrcport natdstport natport xsrcip xdstip xsrcport xdstport iacl eacl tunproto ' +
    'mpls2 mpls3 mpls4 mpls5 mpls6 mpls7 mpls8 mpls9 mpls10'
  ).split(' '),
)

/** What `-a` and `-s record` count by. */
export const FIVE_TUPLE: readonly string[] = ['proto', 'src_addr', 'src_port', 'dst_addr', 'dst_port']

export type Order = 'flows' | 'packets' | 'bytes'

const ORDERS: Readonly<Record<string, Order>> = {
  flows: 'flows',
  packets: 'packets',
  ipackets: 'packets',
  ipkg: 'packets',
  bytes: 'bytes',
  ibytes: 'bytes',
  ibyte: 'bytes',
}

/** nfdump's words for the order of a list, and the server's. */
const LIST_ORDERS: Readonly<Record<string, NonNullable<Question['order']>>> = {
  tstart: 'start',
  tend: 'end',
  duration: 'duration',
  packets: 'packets',
  ipackets: 'packets',
  bytes: 'bytes',
  ibytes: 'bytes',
  pps: 'pps',
  ipps: 'pps',
  bps: 'bps',
  ibps: 'bps',
  bpp: 'bpp',
  ibpp: 'bpp',
}

/** @throws UserError */
export function readListOrder(word: string): NonNullable<Question['order']> {
  const order = LIST_ORDERS[word.toLowerCase()]
  if (order) return order
  throw new UserError(`“${word}” is not an order of a list`, {
    hint: `it is one of ${Object.keys(LIST_ORDERS).join(', ')}; without -O the newest come first`,
  })
}

/** One word of nfdump, or the name of a dimension, which the server knows better. */
export function dimensionOf(word: string): string {
  if (NOT_RECORDED.has(word.toLowerCase())) throw new UserError(`“${word}” is not recorded, so nothing counts by it`)
  const net = /^(src|dst)ip([46]?)\/(\d+)$/i.exec(word)
  if (net) {
    const [, side, family, bits] = net as unknown as [string, string, string, string]
    if (bits !== (family === '6' ? '48' : '24'))
      throw new UserError(`networks are /24 of IPv4 and /48 of IPv6, not /${bits}`, {
        hint: `for example -A ${side}ip4/24`,
      })
    return `${side.toLowerCase()}_net`
  }
  return STATS[word.toLowerCase()] ?? word
}

/** `srcip/bytes`, `port:p/flows`, `record`; nfdump orders by flows unless told otherwise. @throws UserError */
export function readStat(text: string): { by: string[]; order: Order } {
  const [stat, order = 'flows', ...more] = text.split('/')
  if (more.length > 0)
    throw new UserError(`-s ${text}: only one order can be given`, { hint: 'for example -s srcip/bytes' })
  const metric = readOrder(order)
  const [word, split] = (stat as string).split(':') as [string, string?]
  if (split !== undefined && split !== 'p')
    throw new UserError(`-s ${text}: only “:p” may follow the name`, { hint: 'it splits by protocol: -s port:p' })
  const by = word === 'record' ? [...FIVE_TUPLE] : word.split(',').map(dimensionOf)
  return { by: split === 'p' ? ['proto', ...by] : by, order: metric }
}

export function readOrder(word: string): Order {
  const order = ORDERS[word.toLowerCase()]
  if (order) return order
  throw new UserError(`“${word}” is not an order`, { hint: 'it is flows, packets or bytes' })
}

/** `srcip,dstport`. */
export function readKeys(text: string): string[] {
  return text.split(',').map((word) => dimensionOf(word.trim()))
}

const UNITS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** `90s`, `15m`, `1h`, `7d`, `2w` → milliseconds. @throws UserError */
export function readSpan(text: string): number {
  const match = /^(\d{1,6}(?:\.\d{1,3})?)\s*(s|m|min|h|d|w)$/i.exec(text.trim())
  const span = match ? Number(match[1]) * (UNITS[(match[2] as string).toLowerCase()] as number) : 0
  if (span > 0) return span
  throw new UserError(`--last ${text} is not a span of time`, { hint: 'for example 90s, 15m, 1h, 7d' })
}
