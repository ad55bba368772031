import type { FlowsAnswer, KeyValue } from '../api/contract/query.ts'
import type { FlowRecord, RecordsAnswer } from '../api/contract/records.ts'
import { columnNamed } from '../flow/columns.ts'
import { flagText } from '../query/filter/names.ts'
import { durationText, figure, lines, protocolCell, type Cells, type LinesOptions } from './query-format.ts'
import { clockText, shown } from './query-text.ts'

// Records and statistics in nfdump's look.

export function cellsOfFlows(answer: Pick<FlowsAnswer, 'columns' | 'rows'>): Cells[] {
  const at = new Map(answer.columns.map(({ name }, i) => [name, i]))
  return answer.rows.map((row) => (column) => row[at.get(column) ?? -1] ?? null)
}

/** Each flow as a block of lines: what is known of it, as nfdump's `-o raw` shows its records. */
export function rawText({ columns, rows }: Pick<FlowsAnswer, 'columns' | 'rows'>): string {
  const width = columns.reduce((most, { name }) => Math.max(most, name.length), 0)
  return rows
    .map((row) => {
      const known = columns.flatMap(({ name }, i) => {
        const value = row[i] ?? null
        if (value === null || value === '') return []
        const isTime = columnNamed(name)?.format === 'time'
        return [`  ${name.padEnd(width)} = ${isTime ? clockText(Number(value)) : shown(value)}\n`]
      })
      return `\nFlow Record:\n${known.join('')}`
    })
    .join('')
}

export function cellsOfRecords(answer: RecordsAnswer): Cells[] {
  return answer.rows.map((record) => (column) => cellOf(record, column))
}

function cellOf(record: FlowRecord, column: string): KeyValue {
  switch (column) {
    case 'time_start':
      return record.first
    case 'time_end':
      return record.last
    case 'bytes':
    case 'packets':
    case 'flows':
      return record[column]
    case 'bytes_back':
      return record.bytesBack
    case 'packets_back':
      return record.packetsBack
    case 'tcp_flags':
      return record.key['tcp_flags'] ?? flagText(record.flags)
    case 'src_addr':
    case 'dst_addr':
      return record.key[column] ?? networkIn(record, column.slice(0, 3))
    default:
      return record.key[column] ?? null
  }
}

/** What a mask left of an address. */
function networkIn(record: FlowRecord, side: string): KeyValue {
  const key = Object.keys(record.key).find((name) => name.startsWith(`${side}_net`))
  return key === undefined ? null : (record.key[key] ?? null)
}

/** What is in all flows that were found, by protocol, and together. */
export interface Totals {
  readonly byProtocol: readonly FlowRecord[]
  readonly flows: number
  readonly packets: number
  readonly bytes: number
  readonly first: number
  readonly last: number
}

/** @param answer records by `proto` */
export function totalsOf(answer: RecordsAnswer): Totals {
  const sum = (of: 'flows' | 'packets' | 'bytes'): number => answer.rows.reduce((all, row) => all + row[of], 0)
  const times = answer.rows.filter(({ first }) => first > 0)
  return {
    byProtocol: answer.rows,
    flows: sum('flows'),
    packets: sum('packets'),
    bytes: sum('bytes'),
    first: times.reduce((least, { first }) => Math.min(least, first), Number.POSITIVE_INFINITY),
    last: answer.rows.reduce((most, { last }) => Math.max(most, last), 0),
  }
}

const TITLES: Readonly<Record<string, string>> = {
  srcip: 'Src IP Addr',
  dstip: 'Dst IP Addr',
  ip: 'IP Addr',
  srcport: 'Src Port',
  dstport: 'Dst Port',
  port: 'Port',
  proto: 'Protocol',
  srcas: 'Src AS',
  dstas: 'Dst AS',
  as: 'AS',
  inif: 'Input If',
  outif: 'Output If',
  if: 'In/Out If',
  srcvlan: 'Src Vlan',
  dstvlan: 'Dst Vlan',
  vlan: 'Vlan',
  router: 'Router IP',
  nhip: 'Next Hop IP',
  srcmac: 'Src MAC Addr',
  dstmac: 'Dst MAC Addr',
  srctos: 'Src Tos',
  tos: 'Tos',
}

/** nfdump's table of a statistic: each figure with its share of all. */
export function statText(
  word: string,
  order: string,
  answer: RecordsAnswer,
  totals: Totals,
  options: LinesOptions & { readonly most?: number | undefined },
): string {
  const full = options.full === true
  const splits = answer.columns[0] === 'proto'
  const keys = splits && answer.columns.length > 1 ? answer.columns.slice(1) : answer.columns
  const title = TITLES[word] ?? word
  const header = ['Date first seen', 'Duration', 'Proto', ...keys.map((key) => (keys.length === 1 ? title : key))]
  const figures = ['Flows(%)', 'Packets(%)', 'Bytes(%)', 'pps', 'bps', 'bpp']
  const body = answer.rows.map((row) => {
    const lasts = Math.max(0, row.last - row.first)
    const share = (of: 'flows' | 'packets' | 'bytes'): string =>
      `${figure(row[of], full)}(${(totals[of] > 0 ? (100 * row[of]) / totals[of] : 0).toFixed(1).padStart(4)})`
    const rate = (value: number): string => figure(lasts > 0 ? Math.floor((value * 1000) / lasts) : 0, full)
    return [
      clockText(row.first),
      durationText(lasts, full),
      splits ? protocolCell(row.key['proto'] ?? null, full) : 'any',
      // Of protocols, the number stands beside the name.
      ...keys.map((key) => (key === 'proto' ? protocolCell(row.key[key] ?? null, true) : shown(row.key[key] ?? null))),
      share('flows'),
      share('packets'),
      share('bytes'),
      rate(row.packets),
      rate(row.bytes * 8),
      figure(row.packets > 0 ? Math.floor(row.bytes / row.packets) : 0, full),
    ]
  })
  const places = header.map((_, i): 'left' | 'right' => (i === 0 || i === 2 ? 'left' : 'right'))
  const all = options.quiet ? body : [[...header, ...figures], ...body]
  const text = lines(
    all.map((cells) => cells.flatMap((cell, i) => (i === 0 ? [cell] : [' ', cell]))),
    [...places, ...figures.map(() => 'right' as const)].flatMap((place, i) =>
      i === 0 ? [place] : (['as it is', place] as const),
    ),
  )
  return options.quiet ? text : `Top ${options.most || answer.rows.length} ${title} ordered by ${order}:\n${text}\n`
}

/** The lines that nfdump ends with. `window`: first and last packet of all that was looked at. */
export function summaryText(
  totals: Totals,
  window: { readonly first: number; readonly last: number },
  asked: { readonly rowsRead: number; readonly tookMs: number; readonly source: string },
  full: boolean,
): string {
  const seconds = totals.flows > 0 ? (totals.last - totals.first) / 1000 : 0
  const rate = (value: number): string => figure(seconds > 0 ? Math.floor(value / seconds) : 0, full)
  const bpp = totals.packets > 0 ? Math.floor(totals.bytes / totals.packets) : 0
  const time = (millis: number): string => clockText(millis).slice(0, -4)
  const range = window.last > 0 ? `${time(window.first)} - ${time(window.last)}` : '<unknown>'
  const wall = asked.tookMs / 1000
  const speed = wall > 0 ? (asked.rowsRead / wall).toFixed(1) : '0.0'
  return (
    `${totals.flows === 0 ? 'No matching flows\n' : ''}` +
    `Summary: total flows: ${totals.flows}, total bytes: ${figure(totals.bytes, full)}, total packets: ${figure(totals.packets, full)}, avg bps: ${rate(totals.bytes * 8)}, avg pps: ${rate(totals.packets)}, avg bpp: ${bpp}\n` +
    `Time window: ${range}\n` +
    `Total flows processed: ${asked.rowsRead}, passed: ${totals.flows}, Source: ${asked.source}\n` +
    `Wall: ${wall.toFixed(4)}s flows/second: ${speed}\n`
  )
}

/** The totals alone, as `nfdump -I` writes them. */
export function infoText(totals: Totals): string {
  const of = (...protocols: readonly string[]): FlowRecord[] =>
    totals.byProtocol.filter(({ key }) => protocols.includes(String(key['proto'])))
  const known = ['tcp', 'udp', 'icmp', 'icmp6']
  const rest = totals.byProtocol.filter(({ key }) => !known.includes(String(key['proto'])))
  const parts = [
    ['tcp', of('tcp')],
    ['udp', of('udp')],
    ['icmp', of('icmp', 'icmp6')],
    ['other', rest],
  ] as const
  const block = (title: string, what: 'flows' | 'packets' | 'bytes'): string[] => [
    `${title}: ${totals[what]}`,
    ...parts.map(([name, rows]) => `${title}_${name}: ${rows.reduce((sum, row) => sum + row[what], 0)}`),
  ]
  const [first, last] = totals.flows > 0 && totals.last > 0 ? [totals.first, totals.last] : [0, 0]
  return [
    ...block('Flows', 'flows'),
    ...block('Packets', 'packets'),
    ...block('Bytes', 'bytes'),
    `First: ${Math.floor(first / 1000)}`,
    `Last: ${Math.floor(last / 1000)}`,
    `msec_first: ${first % 1000}`,
    `msec_last: ${last % 1000}`,
  ]
    .map((line) => `${line}\n`)
    .join('')
}
