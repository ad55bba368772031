import type { FlowsAnswer, KeyValue } from '../api/contract/query.ts'
import { UserError } from '../base/errors.ts'
import { columnNamed } from '../flow/columns.ts'
import { nearest } from '../query/filter/problem.ts'
import { clockText, shown } from './query-text.ts'

// nfdump's formats of lines: `fmt:%ts %td %sap -> %dap`, and those that have a name. A tag is a column or made of some;
// figures are written out in full, each tag as wide as its widest cell.

type Cells = (column: string) => KeyValue

interface Tag {
  readonly title: string
  readonly columns: readonly string[]
  /** Right, as figures are; else left. */
  readonly right?: boolean
  text(of: Cells): string
}

/** The formats of these names; the same tags as nfdump's. */
const NAMED: Readonly<Record<string, string>> = {
  long: '%ts %td %pr %sap -> %dap %flg %tos %pkt %byt %fl',
  extended: '%ts %td %pr %sap -> %dap %flg %tos %pkt %byt %pps %bps %bpp %fl',
}

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

function seconds(title: string, column: string): Tag {
  return { title, columns: [column], right: true, text: (of) => (Number(of(column)) / 1000).toFixed(3) }
}

/** `10.0.0.1:443`, and as nfdump has it `2001:db8::1.443`; of ICMP, type and code stand for the destination's port. */
function endpoint(title: string, side: 'src' | 'dst'): Tag {
  const [address, port] = [`${side}_addr`, `${side}_port`]
  return {
    title,
    columns: [address, port, 'proto', 'icmp_type', 'icmp_code'],
    right: side === 'src',
    text: (of) => {
      const host = shown(of(address))
      const icmp = side === 'dst' && /icmp/.test(String(of('proto')))
      return `${host}${host.includes(':') ? '.' : ':'}${icmp ? `${of('icmp_type')}.${of('icmp_code')}` : of(port)}`
    },
  }
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
    text: (of) => {
      const duration = Number(of('time_end')) - Number(of('time_start'))
      return String(duration > 0 ? Math.floor((Number(of(column)) * scale * 1000) / duration) : 0)
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
  text: (of) => ((Number(of('time_end')) - Number(of('time_start'))) / 1000).toFixed(3),
}

const TAGS: Readonly<Record<string, Tag>> = {
  ts: plain('First seen', 'time_start'),
  tfs: plain('First seen', 'time_start'),
  te: plain('Last seen', 'time_end'),
  tr: plain('Received', 'time_received'),
  tsr: seconds('First seen', 'time_start'),
  ter: seconds('Last seen', 'time_end'),
  trr: seconds('Received', 'time_received'),
  td: DURATION,
  pr: plain('Proto', 'proto'),
  nfv: plain('Export', 'protocol'),
  sa: plain('Src IP Addr', 'src_addr'),
  da: plain('Dst IP Addr', 'dst_addr'),
  sp: plain('Src Pt', 'src_port'),
  dp: plain('Dst Pt', 'dst_port'),
  sap: endpoint('Src IP Addr:Port', 'src'),
  dap: endpoint('Dst IP Addr:Port', 'dst'),
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
  pkt: plain('Packets', 'packets'),
  ipkt: plain('In Pkt', 'packets'),
  byt: plain('Bytes', 'bytes'),
  ibyt: plain('In Byte', 'bytes'),
  fl: { title: 'Flows', columns: [], right: true, text: () => '1' },
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
  loc: plain('Locality', 'locality'),
  rate: plain('1 in', 'sampling_rate'),
}

/** A format as its parts: what stands between the tags, and the tags. */
export interface LineFormat {
  readonly parts: readonly (string | Tag)[]
  /** Columns of a flow that it needs. */
  readonly columns: readonly string[]
}

/** `long`, `extended` or `fmt:…`; undefined if it is none of them. @throws UserError for a tag that isn't known */
export function readFormat(text: string): LineFormat | undefined {
  const given = text.startsWith('fmt:') ? text.slice(4) : NAMED[text]
  if (given === undefined) return undefined
  // `%long` and `%extended` in a format stand for theirs.
  const whole = given.replaceAll(/%(long|extended)(?![a-z0-9_])/g, (_, name: string) => NAMED[name] as string)
  const parts: (string | Tag)[] = []
  let at = 0
  for (const match of whole.matchAll(/%([a-z][a-z0-9_]*)/g)) {
    if (match.index > at) parts.push(whole.slice(at, match.index))
    parts.push(tagNamed(match[1] as string))
    at = match.index + match[0].length
  }
  if (at < whole.length) parts.push(whole.slice(at))
  const columns = [...new Set(parts.flatMap((part) => (typeof part === 'string' ? [] : part.columns)))]
  if (columns.length === 0)
    throw new UserError(`-o ${text}: a format needs tags`, { hint: 'for example -o "fmt:%ts %sap -> %dap %byt"' })
  return { parts, columns }
}

function tagNamed(name: string): Tag | string {
  if (name === 'n') return '\n'
  if (Object.hasOwn(TAGS, name)) return TAGS[name] as Tag
  const column = columnNamed(name)
  if (column) return plain(column.label, name)
  const near = nearest(name, Object.keys(TAGS))
  throw new UserError(`%${name} is not a tag, or one of what is not recorded`, {
    hint:
      near.length > 0
        ? `did you mean ${near.map((tag) => `%${tag}`).join(' or ')}?`
        : 'every column of a flow can be a tag by its name: %src_vm, %vni …',
  })
}

/** One line a flow below a line of titles. */
export function formatted({ parts }: LineFormat, answer: FlowsAnswer): string {
  const at = new Map(answer.columns.map(({ name }, i) => [name, i]))
  const rows = answer.rows.map((row) => {
    const of: Cells = (column) => row[at.get(column) as number] ?? null
    return parts.map((part) => (typeof part === 'string' ? part : part.text(of)))
  })
  const titles = parts.map((part) => (typeof part === 'string' ? part : part.title))
  const all = [titles, ...rows]
  const widths = parts.map((_, i) => all.reduce((most, cells) => Math.max(most, (cells[i] as string).length), 0))
  return all
    .map((cells) =>
      parts
        .map((part, i) => {
          const text = cells[i] as string
          if (typeof part === 'string') return text
          return part.right ? text.padStart(widths[i] as number) : text.padEnd(widths[i] as number)
        })
        .join('')
        .replaceAll(/ +$/gm, ''),
    )
    .map((line) => `${line}\n`)
    .join('')
}
