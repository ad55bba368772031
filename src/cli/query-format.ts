import type { KeyValue } from '../api/contract/query.ts'
import { ipText, parseIp } from '../base/address.ts'
import { UserError } from '../base/errors.ts'
import { columnNamed } from '../flow/columns.ts'
import { protocolNumber } from '../query/filter/names.ts'
import { nearest } from '../query/filter/problem.ts'
import { clockText, shown } from './query-text.ts'

// nfdump's formats of lines: `fmt:%ts %td %sap -> %dap`, and those that have a name. A tag is a column or made of some,
// and as wide as its widest cell. Figures from a million on are scaled as nfdump does it, or written out in full.

/** A flow, or a record made of some: its columns by name; null for one that it doesn't have. */
export type Cells = (column: string) => KeyValue

/** What a record has beside the columns of a flow. */
export const OF_RECORDS: readonly string[] = ['flows', 'bytes_back', 'packets_back']

interface Tag {
  readonly title: string
  readonly columns: readonly string[]
  /** Right, as figures are; else left. */
  readonly right?: boolean
  text(of: Cells, full: boolean): string
}

/** The formats of these names; the same tags as nfdump's. */
const NAMED: Readonly<Record<string, string>> = {
  line: '%ts %td %pr %sap -> %dap %pkt %byt %fl',
  long: '%ts %td %pr %sap -> %dap %flg %tos %pkt %byt %fl',
  extended: '%ts %td %pr %sap -> %dap %flg %tos %pkt %byt %pps %bps %bpp %fl',
  biline: '%ts %td %pr %sap <-> %dap %opkt %ipkt %obyt %ibyt %fl',
  bilong: '%ts %td %pr %sap <-> %dap %flg %tos %opkt %ipkt %obyt %ibyt %fl',
  gline: '%ts %td %pr %gsap -> %gdap %pkt %byt %fl',
  glong: '%ts %td %pr %gsap -> %gdap %flg %tos %pkt %byt %fl',
}

/** nfdump's formats of lines that have a name. */
export const LINE_FORMATS: readonly string[] = Object.keys(NAMED)

function plain(title: string, column: string): Tag {
  const format = columnNamed(column)?.format ?? 'name'
  const right = ['number', 'bytes', 'packets', 'port', 'interface', 'vlan', 'as'].includes(format)
  return {
    title,
    columns: [column],
    right,
    text: (of) => (format === 'time' ? clockText(Number(of(column))) : shown(of(column))),
  }
}

/** `TCP`; in full its number, as nfdump has it. */
export function protocolCell(value: KeyValue, full: boolean): string {
  const name = shown(value)
  return full ? String(protocolNumber(name) ?? name) : name.toUpperCase()
}

/** A figure as nfdump writes it: `999999`, `1.0 M`, `2.5 G`; of what isn't known, 0. */
export function figure(value: number, full: boolean): string {
  if (full || value < 1e6) return String(value)
  const [scale, letter] = value < 1e9 ? [1e6, 'M'] : value < 1e12 ? [1e9, 'G'] : [1e12, 'T']
  return `${(value / scale).toFixed(1)} ${letter}`
}

function count(title: string, column: string): Tag {
  return { title, columns: [column], right: true, text: (of, full) => figure(Number(of(column) ?? 0), full) }
}

/** `00:01:53.557`, from a day on `1d 02:03:04.005`; in full the seconds. */
export function durationText(millis: number, full: boolean): string {
  if (full) return (millis / 1000).toFixed(3)
  const days = Math.floor(millis / 86_400_000)
  return `${days > 0 ? `${days}d ` : ''}${new Date(millis % 86_400_000).toISOString().slice(11, 23)}`
}

function seconds(title: string, column: string): Tag {
  return { title, columns: [column], right: true, text: (of) => (Number(of(column)) / 1000).toFixed(3) }
}

/** `10.0.0.1:443`, and as nfdump has it `2001:db8::1.443`; of ICMP, type and code stand for the destination's port. */
function endpoint(title: string, side: 'src' | 'dst', withCountry = false): Tag {
  const [address, port, country] = [`${side}_addr`, `${side}_port`, `${side}_country`]
  return {
    title,
    columns: [address, port, 'proto', 'icmp_type', 'icmp_code', ...(withCountry ? [country] : [])],
    right: side === 'src',
    text: (of) => {
      const place = withCountry ? `(${of(country) || '..'})` : ''
      const host = `${shown(of(address))}${place}`
      const colon = host.includes(':') ? '.' : ':'
      if (side === 'src' || !/icmp/.test(String(of('proto')))) return `${host}${colon}${of(port)}`
      // Of a record, the port holds both.
      const both = of('icmp_type') === null ? Number(of(port)) : Number(of('icmp_type')) * 256 + Number(of('icmp_code'))
      return `${host}${colon}${both >> 8}.${both & 255}`
    },
  }
}

/** The network that the router had a route to. */
function network(title: string, side: 'src' | 'dst'): Tag {
  const [address, mask] = [`${side}_addr`, `${side}_mask`]
  return {
    title,
    columns: [address, mask],
    right: true,
    text: (of) => {
      const [host, bits] = [shown(of(address)), Number(of(mask) ?? 0)]
      // No exporter tells of a route to everything: 0 is an unknown one.
      return bits === 0 ? host : `${networkText(host, bits)}/${bits}`
    },
  }
}

function networkText(address: string, bits: number): string {
  const bytes = parseIp(address)
  if (!bytes) return address
  const fixed = bits + (address.includes(':') ? 0 : 96)
  return ipText(bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, fixed - 8 * i)))))
}

/** Flags as eight places, the way nfdump has them: `...AP.SF`. */
const FLAGS: Tag = {
  title: 'Flags',
  columns: ['tcp_flags'],
  text: (of) =>
    'CEUAPRSF'
      .split('')
      .map((letter) => (String(of('tcp_flags')).includes(letter) ? letter : '.'))
      .join(''),
}

/** A figure a second; 0 where a flow has no duration. */
function rate(title: string, column: string, scale: number): Tag {
  return {
    title,
    columns: [column, 'time_start', 'time_end'],
    right: true,
    text: (of, full) => {
      const duration = Number(of('time_end')) - Number(of('time_start'))
      return figure(duration > 0 ? Math.floor((Number(of(column)) * scale * 1000) / duration) : 0, full)
    },
  }
}

const PER_PACKET: Tag = {
  title: 'Bpp',
  columns: ['bytes', 'packets'],
  right: true,
  text: (of) => String(Math.floor(Number(of('bytes')) / Math.max(1, Number(of('packets'))))),
}
const DURATION: Tag = {
  title: 'Duration',
  columns: ['time_start', 'time_end'],
  right: true,
  text: (of, full) => durationText(Math.max(0, Number(of('time_end')) - Number(of('time_start'))), full),
}

const TAGS: Readonly<Record<string, Tag>> = {
  ts: plain('Date first seen', 'time_start'),
  tfs: plain('Date first seen', 'time_start'),
  te: plain('Date last seen', 'time_end'),
  tr: plain('Received', 'time_received'),
  tsr: seconds('First seen', 'time_start'),
  ter: seconds('Last seen', 'time_end'),
  trr: seconds('Received', 'time_received'),
  td: DURATION,
  pr: { title: 'Proto', columns: ['proto'], text: (of, full) => protocolCell(of('proto'), full) },
  nfv: plain('Export', 'protocol'),
  sa: plain('Src IP Addr', 'src_addr'),
  da: plain('Dst IP Addr', 'dst_addr'),
  sp: plain('Src Pt', 'src_port'),
  dp: plain('Dst Pt', 'dst_port'),
  sap: endpoint('Src IP Addr:Port', 'src'),
  dap: endpoint('Dst IP Addr:Port', 'dst'),
  gsap: endpoint('Src IP Addr(..):Port', 'src', true),
  gdap: endpoint('Dst IP Addr(..):Port', 'dst', true),
  sn: network('Src Network', 'src'),
  dn: network('Dst Network', 'dst'),
  it: plain('Type', 'icmp_type'),
  ic: plain('Code', 'icmp_code'),
  nh: plain('Next-hop IP', 'next_hop'),
  ra: plain('Router IP', 'exporter'),
  eng: plain('Engine', 'observation'),
  odid: plain('Domain', 'observation'),
  sas: plain('Src AS', 'src_as'),
  das: plain('Dst AS', 'dst_as'),
  in: plain('Input', 'in_if'),
  out: plain('Output', 'out_if'),
  pkt: count('Packets', 'packets'),
  ipkt: count('In Pkt', 'packets'),
  opkt: count('Out Pkt', 'packets_back'),
  byt: count('Bytes', 'bytes'),
  ibyt: count('In Byte', 'bytes'),
  obyt: count('Out Byte', 'bytes_back'),
  fl: { title: 'Flows', columns: ['flows'], right: true, text: (of, full) => figure(Number(of('flows') ?? 1), full) },
  flg: FLAGS,
  tos: plain('Tos', 'tos'),
  stos: plain('STos', 'tos'),
  dir: plain('Dir', 'direction'),
  smk: plain('SMask', 'src_mask'),
  dmk: plain('DMask', 'dst_mask'),
  fwd: plain('Fwd', 'forwarding_status'),
  svln: plain('SVlan', 'vlan_in'),
  dvln: plain('DVlan', 'vlan_out'),
  ismc: plain('In src MAC', 'src_mac'),
  idmc: plain('In dst MAC', 'dst_mac'),
  odmc: plain('Out dst MAC', 'dst_mac'),
  osmc: plain('Out src MAC', 'src_mac'),
  mpls1: plain('MPLS lbl', 'mpls_label'),
  mpls: plain('MPLS lbl', 'mpls_label'),
  bps: rate('bps', 'bytes', 8),
  pps: rate('pps', 'packets', 1),
  bpp: PER_PACKET,
  svm: plain('Src VM', 'src_vm'),
  dvm: plain('Dst VM', 'dst_vm'),
  shost: plain('Src host', 'src_host'),
  dhost: plain('Dst host', 'dst_host'),
  sc: plain('SC', 'src_country'),
  dc: plain('DC', 'dst_country'),
  loc: plain('Locality', 'locality'),
  rate: plain('1 in', 'sampling_rate'),
}

/** A format as its parts: what stands between the tags, and the tags. */
export interface LineFormat {
  readonly parts: readonly (string | Tag)[]
  /** Columns of a flow that it needs. */
  readonly columns: readonly string[]
}

/** `line`, `long`, … or `fmt:…`; undefined if it is none of them. @throws UserError for a tag that isn't known */
export function readFormat(text: string): LineFormat | undefined {
  const given = text.startsWith('fmt:') ? text.slice(4) : NAMED[text]
  if (given === undefined) return undefined
  // `%long` and the like in a format stand for theirs.
  const whole = given.replaceAll(
    new RegExp(`%(${LINE_FORMATS.join('|')})(?![a-z0-9_])`, 'g'),
    (_, name: string) => NAMED[name] as string,
  )
  const parts: (string | Tag)[] = []
  let at = 0
  for (const match of whole.matchAll(/%([a-z][a-z0-9_]*)/gi)) {
    if (match.index > at) parts.push(whole.slice(at, match.index))
    parts.push(tagNamed(match[1] as string))
    at = match.index + match[0].length
  }
  if (at < whole.length) parts.push(whole.slice(at))
  const columns = [...new Set(parts.flatMap((part) => (typeof part === 'string' ? [] : part.columns)))].filter(
    (column) => !OF_RECORDS.includes(column),
  )
  if (parts.every((part) => typeof part === 'string'))
    throw new UserError(`-o ${text}: a format needs tags`, { hint: 'for example -o "fmt:%ts %sap -> %dap %byt"' })
  // %fl alone is of no column, but a list is of some.
  return { parts, columns: columns.length > 0 ? columns : ['bytes'] }
}

function tagNamed(name: string): Tag | string {
  if (name === 'n') return '\n'
  if (Object.hasOwn(TAGS, name)) return TAGS[name] as Tag
  const column = columnNamed(name)
  if (column) return plain(column.label, name)
  const why = NOT_RECORDED.get(name)
  if (why !== undefined)
    throw new UserError(`%${name} is a tag of nfdump for what is not recorded: ${why}`, { hint: TAG_HINT })
  const near = nearest(name, Object.keys(TAGS))
  throw new UserError(`%${name} is not a tag`, {
    hint: near.length > 0 ? `did you mean ${near.map((tag) => `%${tag}`).join(' or ')}?` : TAG_HINT,
  })
}

const TAG_HINT = 'every column of a flow can be a tag by its name: %src_vm, %vni …'

/** Tags of nfdump that tell what no column holds. */
const NOT_RECORDED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'rows have no running number': 'cnt',
    'exporters have no number; %ra is their address, %odid the engine or domain': 'exp',
    'the IPv6 flow label': 'lbl',
    'the next hop of BGP': 'nhb',
    'AS beside the path': 'nas pas',
    'the ToS behind the router': 'dtos',
    'labels of MPLS below the first': 'mpls2 mpls3 mpls4 mpls5 mpls6 mpls7 mpls8 mpls9 mpls10',
    'places in a country; %sc and %dc are the countries': 'sloc dloc',
    payload: 'ipl opl',
    'what was seen inside the payload': 'nbid nbnam ja3 ja4 sni',
    'the observation point': 'opid',
    'events of firewalls (NSEL)': 'nfc evt xevt sgt msec iacl eacl uname',
    'what a NAT puts in': 'xsa xda xsp xdp xsap xdap nevt nsa nda nsp ndp nsap ndap pbstart pbend pbstep pbsize',
    'the VRF': 'ivrf evrf ivrfnam evrfnam',
    latency: 'cl sl al',
    'names of interfaces': 'inam onam',
  }).flatMap(([why, tags]) => tags.split(' ').map((tag) => [tag, why] as const)),
)

/** The format in which nfdump shows records of these keys: `%ts %td <keys> %pkt %byt %bps %bpp %fl`. */
export function formatOfKeys(keys: readonly string[]): LineFormat {
  const of = (tag: string): Tag => TAGS[tag] as Tag
  const tags = [of('ts'), of('td'), ...keys.map(keyTag), ...['pkt', 'byt', 'bps', 'bpp', 'fl'].map(of)]
  return { parts: tags.flatMap((tag, i) => (i === 0 ? [tag] : [' ', tag])), columns: [] }
}

function keyTag(key: string): Tag {
  const known = Object.values(TAGS).find(({ columns }) => columns.length === 1 && columns[0] === key)
  if (/^(src|dst)_net/.test(key)) return plain(key.startsWith('src') ? 'Src IP Addr' : 'Dst IP Addr', key)
  return known ?? plain(columnNamed(key)?.label ?? key, key)
}

export interface LinesOptions {
  /** Without the line of titles. */
  readonly quiet?: boolean
  /** Figures in full. */
  readonly full?: boolean
  /** Widths of the columns of lines before these, which grow with these. */
  readonly widths?: number[]
}

/** One line a flow or record below a line of titles. */
export function formatted({ parts }: LineFormat, rows: readonly Cells[], options: LinesOptions = {}): string {
  const full = options.full === true
  const body = rows.map((of) => parts.map((part) => (typeof part === 'string' ? part : part.text(of, full))))
  const titles = parts.map((part) => (typeof part === 'string' ? part : part.title))
  return lines(
    options.quiet ? body : [titles, ...body],
    parts.map((part) => (typeof part === 'string' ? 'as it is' : part.right ? 'right' : 'left')),
    options.widths,
  )
}

/** Cells as lines, each column as wide as its widest cell, also of those before. */
export function lines(
  all: readonly (readonly string[])[],
  places: readonly ('left' | 'right' | 'as it is')[],
  widths: number[] = [],
): string {
  for (const i of places.keys())
    widths[i] = all.reduce((most, cells) => Math.max(most, (cells[i] as string).length), widths[i] ?? 0)
  return all
    .map((cells) =>
      places
        .map((place, i) => {
          const text = cells[i] as string
          if (place === 'as it is') return text
          return place === 'right' ? text.padStart(widths[i] as number) : text.padEnd(widths[i] as number)
        })
        .join('')
        .replaceAll(/ +$/gm, ''),
    )
    .map((line) => `${line}\n`)
    .join('')
}
