import { UserError } from '../base/errors.ts'
import type { Cell } from '../store/store.ts'
import type { Dimension, KeyValue } from './dimensions.ts'
import { where, type Prepared } from './question.ts'
import type { Run } from './run.ts'

// Flows put together to records, as nfdump's -a, -A, -b and -B do: their sums with first and last packet, in any order.

/** As in nfdump, both ways count together, unless one is named: that of the record, or the way back. */
export type RecordOrder = 'flows' | 'tstart' | 'tend' | 'duration' | `${'' | 'in_' | 'out_'}${Summed}`
type Summed = 'packets' | 'bytes' | 'pps' | 'bps' | 'bpp'

/**
 * What becomes of the two directions of a connection: a record each; one record, in the direction of its first flow; or one
 * from the client to the server, where the ports tell which is which (of TCP and UDP).
 */
export type Ways = 'apart' | 'together' | 'clients'

export interface FlowRecord {
  key: Record<string, KeyValue>
  /** First and last packet, milliseconds. */
  first: number
  last: number
  bytes: number
  packets: number
  flows: number
  /** Of the other direction; 0 where the ways are apart. */
  bytesBack: number
  packetsBack: number
  /** TCP flags, ORed. */
  flags: number
}

export interface RecordsAnswer {
  columns: string[]
  rows: FlowRecord[]
  more: boolean
  source: string
  rowsRead: number
  tookMs: number
}

export const FIVE_TUPLE: readonly string[] = ['proto', 'src_addr', 'src_port', 'dst_addr', 'dst_port']

const BYTES = 'sum(bytes * sampling_rate)'
const PACKETS = 'sum(packets * sampling_rate)'
const TIMES = `toUnixTimestamp64Milli(minIf(time_start, time_start > fromUnixTimestamp64Milli(0, 'UTC'))) AS t0, toUnixTimestamp64Milli(max(time_end)) AS t1, groupBitOr(tcp_flags) AS tf`
/** A record that any time is known of lasts from first to last. */
const LASTS = 'if(t0 > 0 AND t1 > t0, t1 - t0, 0)'
/** By what went both ways, or by one of them alone. */
const WAYS = { '': ['(b + bb)', '(p + pb)'], in_: ['b', 'p'], out_: ['bb', 'pb'] } as const

function orderSql(order: RecordOrder): string {
  const [, way = '', word] = /^(in_|out_)?(.*)$/.exec(order) as unknown as [
    string,
    keyof typeof WAYS | undefined,
    string,
  ]
  const [bytes, packets] = WAYS[way]
  const perSecond = (sum: string, scale: number): string =>
    `if(${LASTS} > 0, floor(toFloat64(${sum}) * ${scale} / ${LASTS}), 0) DESC`
  switch (word) {
    case 'flows':
      return 'f DESC'
    case 'packets':
      return `${packets} DESC`
    case 'bytes':
      return `${bytes} DESC`
    case 'pps':
      return perSecond(packets, 1000)
    case 'bps':
      return perSecond(bytes, 8000)
    case 'bpp':
      return `intDivOrZero(${bytes}, ${packets}) DESC`
    case 'tstart':
      return 't0'
    case 'tend':
      return 't1'
    default:
      return `${LASTS} DESC`
  }
}

export async function records(
  prepared: Prepared,
  order: RecordOrder,
  ways: Ways,
  limit: number,
  run: Run,
): Promise<RecordsAnswer> {
  const { dimensions } = prepared
  const columns = dimensions.map((d) => d.name)
  if (dimensions.length === 0) throw new UserError('records need something to be put together by')
  if (ways !== 'apart' && columns.toSorted().join() !== FIVE_TUPLE.toSorted().join())
    throw new UserError('both directions are put together by protocol, addresses and ports alone', {
      hint: `by must be ${FIVE_TUPLE.join(', ')}`,
    })
  const grouped = ways === 'apart' ? oneWay(prepared) : bothWays(prepared, ways)
  const keys = dimensions.map((_, i) => `k${i}`).join(', ')
  const answer = await run.query(
    `SELECT ${keys}, t0, t1, b, p, f, bb, pb, tf FROM (${grouped}) ORDER BY ${orderSql(order)}, ${keys} LIMIT ${limit + 1}`,
  )
  return {
    columns,
    rows: answer.rows.slice(0, limit).map((cells) => recordOf(dimensions, cells)),
    more: answer.rows.length > limit,
    source: 'flows',
    ...run.spent(),
  }
}

function recordOf(dimensions: readonly Dimension[], cells: readonly Cell[]): FlowRecord {
  const key: Record<string, KeyValue> = {}
  for (const [i, dimension] of dimensions.entries()) key[dimension.name] = dimension.decode(cells[i] as Cell)
  const [first, last, bytes, packets, flows, bytesBack, packetsBack, flags] = cells
    .slice(dimensions.length)
    .map(Number) as [number, number, number, number, number, number, number, number]
  return { key, first, last, bytes, packets, flows, bytesBack, packetsBack, flags }
}

/** As in nfdump, type and code of ICMP stand in the place of the destination's port. */
const DST_PORT = 'if(proto IN (1, 58), toUInt16(icmp_type * 256 + icmp_code), dst_port)'

function oneWay(prepared: Prepared): string {
  const { dimensions } = prepared
  const keys = dimensions.map((_, i) => `k${i}`)
  const hasProto = dimensions.some(({ name }) => name === 'proto')
  const firsts = dimensions.map((d) => (hasProto && d.name === 'dst_port' ? DST_PORT : d.sides[0]))
  const seconds = dimensions.map((d) => d.sides[1] ?? d.sides[0])
  // A row stands in the group of either side, and once where both are the same.
  const select = dimensions.some((d) => d.sides.length === 2)
    ? [
        `arrayJoin(arrayDistinct([tuple(${firsts.join(', ')}), tuple(${seconds.join(', ')})])) AS side`,
        ...keys.map((key, i) => `tupleElement(side, ${i + 1}) AS ${key}`),
      ]
    : firsts.map((expression, i) => `${expression} AS ${keys[i]}`)
  const rows = `SELECT ${select.join(', ')}, time_start, time_end, tcp_flags, bytes, packets, sampling_rate FROM flows WHERE ${where(prepared)}`
  return `SELECT ${keys.join(', ')}, ${BYTES} AS b, ${PACKETS} AS p, count() AS f, toUInt64(0) AS bb, toUInt64(0) AS pb, ${TIMES} FROM (${rows}) GROUP BY ${keys.join(', ')}`
}

/** A port from one of these on, beside one below it, is the client's: well-known ports, and where systems begin to choose. */
const CLIENT_PORTS = [1024, 32_768, 49_152]

const isClient = (port: string, other: string): string =>
  `(proto IN (6, 17) AND (${CLIENT_PORTS.map((least) => `(${other} < ${least} AND ${port} >= ${least})`).join(' OR ')}))`

/**
 * Both ends in the order of their addresses and ports, then turned to where the first flow (or the client) points. Of flows that
 * began in the same millisecond, as the two of a connection do in one flow cache, the client's is the first.
 */
function bothWays(prepared: Prepared, ways: Ways): string {
  const names = prepared.dimensions.map((d) => d.name)
  const rows = `SELECT proto, src_addr, src_port, dst_addr, ${DST_PORT} AS dst_port, time_received, time_start, time_end, tcp_flags, bytes, packets, sampling_rate, (proto NOT IN (6, 17) OR (src_addr, src_port) <= (dst_addr, dst_port)) AS up FROM flows WHERE ${where(prepared)}`
  const sum = (column: string, condition: string): string => `sumIf(${column} * sampling_rate, ${condition})`
  const first = `argMin(up, (time_start, ${isClient('dst_port', 'src_port')}, time_received))`
  const grouped = `SELECT proto, if(up, src_addr, dst_addr) AS a, if(up, src_port, dst_port) AS ap, if(up, dst_addr, src_addr) AS z, if(up, dst_port, src_port) AS zp, ${first} AS first_up, ${sum('bytes', 'up')} AS b1, ${sum('bytes', 'NOT up')} AS b2, ${sum('packets', 'up')} AS p1, ${sum('packets', 'NOT up')} AS p2, count() AS f, ${TIMES} FROM (${rows}) GROUP BY proto, a, ap, z, zp`
  const turned =
    ways === 'clients' ? `multiIf(${isClient('zp', 'ap')}, 0, ${isClient('ap', 'zp')}, 1, first_up)` : 'first_up'
  const place: Readonly<Record<string, string>> = {
    proto: 'proto',
    src_addr: 'if(o, a, z)',
    src_port: 'if(o, ap, zp)',
    dst_addr: 'if(o, z, a)',
    dst_port: 'if(o, zp, ap)',
  }
  const keys = names.map((name, i) => `${place[name] as string} AS k${i}`).join(', ')
  return `SELECT ${turned} AS o, ${keys}, if(o, b1, b2) AS b, if(o, b2, b1) AS bb, if(o, p1, p2) AS p, if(o, p2, p1) AS pb, f, t0, t1, tf FROM (${grouped})`
}
