import type { RecordOrder } from '../api/contract/records.ts'
import type { Question } from '../api/contract/query.ts'
import { UserError } from '../base/errors.ts'
import { dimensionNamed } from '../query/dimensions.ts'
import { listed, nearest } from '../query/filter/problem.ts'

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
  srcgeo: 'src_country',
  dstgeo: 'dst_country',
  geo: 'country',
  srccountry: 'src_country',
  dstcountry: 'dst_country',
  srcvm: 'src_vm',
  dstvm: 'dst_vm',
  srchost: 'src_host',
  dsthost: 'dst_host',
}

/** Words of nfdump of which no column tells. */
const NOT_RECORDED = new Set(
  (
    'dsttos maxttl nextas prevas nhbip bgpnext opid nbar ja3 ja4 ja4s cl sl al ivrf evrf event xevent nat ' +
    'natsrcip natdstip natip natsrcport natdstport natport xsrcip xdstip xsrcport xdstport iacl eacl tunproto ' +
    'iace ixace eace exace nevent nsrcip ndstip nsrcport ndstport vrf ivrfnam evrfnam inam onam sysid flowlabel lbl ' +
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
    const most = family === '4' ? 32 : family === '6' ? 128 : 0
    if (family === '' && bits !== '24')
      throw new UserError(`“${word}” leaves open which addresses are meant`, {
        hint: `for example -A ${side}ip4/${bits}`,
      })
    if (Number(bits) > Math.max(most, 24)) throw new UserError(`“${word}”: a mask has at most ${most} bits`)
    if (bits !== (family === '6' ? '48' : '24')) return `${side.toLowerCase()}_net${family}/${Number(bits)}`
    return `${side.toLowerCase()}_net`
  }
  const found = STATS[word.toLowerCase()]
  if (found !== undefined) return found
  try {
    return dimensionNamed(word).name
  } catch (error) {
    const near = nearest(word, Object.keys(STATS))
    if (near.length === 0) throw error
    throw new UserError(`“${word}” is not a dimension`, { hint: `did you mean ${listed(near)}?` })
  }
}

/** Orders that the greatest groups can have, and what else nfdump orders by. */
export type StatOrder = Order | 'pps' | 'bps' | 'bpp'

const STAT_ORDERS: Readonly<Record<string, StatOrder>> = {
  ...ORDERS,
  pps: 'pps',
  ipps: 'pps',
  bps: 'bps',
  ibps: 'bps',
  bpp: 'bpp',
  ibpp: 'bpp',
}

export interface Stat {
  /** As it was given, without its orders. */
  readonly word: string
  readonly by: readonly string[]
  readonly orders: readonly StatOrder[]
}

/** `srcip/bytes`, `port:p/flows/bytes`, `record`; nfdump orders by flows unless told otherwise. @throws UserError */
export function readStat(text: string): Stat {
  const [stat = '', ...orders] = text.split('/')
  const [word, split] = stat.split(':') as [string, string?]
  if (split !== undefined && split !== 'p')
    throw new UserError(`-s ${text}: only “:p” may follow the name`, { hint: 'it splits by protocol: -s port:p' })
  const by = word === 'record' ? [...FIVE_TUPLE] : word.split(',').map(dimensionOf)
  return {
    word,
    by: split === 'p' ? ['proto', ...by] : by,
    orders: orders.length === 0 ? ['flows'] : orders.map(statOrder),
  }
}

function statOrder(word: string): StatOrder {
  const order = STAT_ORDERS[word.toLowerCase()]
  if (order) return order
  throw new UserError(`“${word}” is not an order`, { hint: 'it is flows, packets, bytes, pps, bps or bpp' })
}

/** nfdump's words: without a way both directions of a connection count together. */
const RECORD_ORDERS: Readonly<Record<string, RecordOrder>> = {
  flows: 'flows',
  packets: 'packets',
  bytes: 'bytes',
  pps: 'pps',
  bps: 'bps',
  bpp: 'bpp',
  tstart: 'tstart',
  tend: 'tend',
  duration: 'duration',
  ipkg: 'in_packets',
  ipackets: 'in_packets',
  ibyte: 'in_bytes',
  ibytes: 'in_bytes',
  ipps: 'in_pps',
  ibps: 'in_bps',
  ibpp: 'in_bpp',
  opkg: 'out_packets',
  opackets: 'out_packets',
  obyte: 'out_bytes',
  obytes: 'out_bytes',
  opps: 'out_pps',
  obps: 'out_bps',
  obpp: 'out_bpp',
}

/** nfdump's word for the order of records that were put together. @throws UserError */
export function readRecordOrder(word: string): RecordOrder {
  const order = RECORD_ORDERS[word.toLowerCase()]
  if (order) return order
  throw new UserError(`“${word}” is not an order`, {
    hint: 'it is flows, packets, bytes, pps, bps, bpp, tstart, tend or duration; of one way ipkg, ibyte, ipps, ibps, ibpp, or opkg, obyte, opps, obps, obpp',
  })
}

/** `srcip,dstport`; `none` for a total of all. */
export function readKeys(text: string): string[] {
  if (text.trim().toLowerCase() === 'none') return []
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

/** `90s`, `15m`, `1h30m`, `7d`, `2w` → milliseconds. @param flag for messages @throws UserError */
export function readSpan(text: string, flag = '--last '): number {
  const parts = [...text.trim().matchAll(/(\d{1,6}(?:\.\d{1,3})?)\s*(s|min|m|h|d|w)\s*/giy)]
  const isWhole = parts.reduce((length, [part]) => length + part.length, 0) === text.trim().length
  const span = parts.reduce((sum, [, n, unit = '']) => sum + Number(n) * (UNITS[unit.toLowerCase()] as number), 0)
  if (isWhole && span > 0) return span
  throw new UserError(`${flag}${text} is not a span of time`, { hint: 'for example 90s, 15m, 1h30m, 7d' })
}

/** Of `-t`: a window, whose ends may be open, or so many seconds from the first flow (positive) or to the last one (negative). */
export interface Window {
  readonly from?: number
  readonly to?: number
  readonly seconds?: number
}

/** `2026/03/01.14:00:00-2026/03/01.15`, `2026/03/01`, `+10`, `-10`; UTC. @throws UserError */
export function readWindow(text: string): Window {
  if (/^[+-]\d{1,9}$/.test(text)) return { seconds: Number(text) }
  const [from, to, ...more] = text.split('-')
  const ends = more.length > 0 ? [undefined] : [windowEnd(from ?? ''), to === undefined ? Number.NaN : windowEnd(to)]
  const [first, last] = ends
  if (first === undefined || last === undefined)
    throw new UserError(`-t ${text} is not a window of time`, {
      hint: 'for example 2026/03/01.14:00:00-2026/03/01.15:00:00, 2026/03/01 or +10',
    })
  if (last <= first) throw new UserError(`-t ${text} ends before it begins`)
  return { from: first, ...(Number.isNaN(last) ? {} : { to: last }) }
}

/** `YYYY/MM/dd.hh:mm:ss` with parts left out from the right → milliseconds. */
function windowEnd(text: string): number | undefined {
  const match = /^(\d{4})(?:\/(\d{1,2})(?:\/(\d{1,2})(?:\.(\d{1,2})(?::(\d{1,2})(?::(\d{1,2}))?)?)?)?)?$/.exec(text)
  if (!match) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1).map((part) => Number(part ?? Number.NaN))
  const at = Date.UTC(year as number, (month || 1) - 1, day || 1, hour || 0, minute || 0, second || 0)
  const date = new Date(at)
  // 2026/02/31 is no day.
  const isReal =
    (Number.isNaN(month) || date.getUTCMonth() + 1 === month) && (Number.isNaN(day) || date.getUTCDate() === day)
  return isReal && (hour || 0) < 24 && (minute || 0) < 60 && (second || 0) < 60 ? at : undefined
}
