// What goes out of a thing and what comes in, as one answer with two series.
import type { KeyValue, SeriesAnswer, TopAnswer } from '../../../src/api/contract/query.ts'
import type { Answered } from '../api/questions.ts'

/** Both were asked with the same step; buckets that only one has are gaps in the other. */
export function waysOf(out: Answered<SeriesAnswer>, into: Answered<SeriesAnswer>): Answered<SeriesAnswer> {
  const one = (answer: SeriesAnswer, way: string) => {
    const series = answer.series[0]
    const at = new Map(answer.times.map((time, index) => [time, index]))
    const pick = (values: readonly (number | null)[] | undefined) =>
      out.times.map((time) => values?.[at.get(time) ?? -1] ?? null)
    return {
      key: { way },
      other: false,
      values: pick(series?.values),
      low: pick(series?.low),
      high: pick(series?.high),
      total: answer.total,
    }
  }
  return {
    ...out,
    columns: ['way'],
    series: [one(out, 'out'), one(into, 'in')],
    rowsRead: out.rowsRead + into.rowsRead,
    tookMs: Math.max(out.tookMs, into.tookMs),
  }
}

export interface Peer {
  readonly id: string
  readonly vm: KeyValue
  readonly address: KeyValue
  readonly out: number
  readonly in: number
}

/** Peers with what was sent to and received from each, in bytes; the largest first. */
export function peersOf(sent: Pick<TopAnswer, 'rows'>, received: Pick<TopAnswer, 'rows'>): Peer[] {
  const peers = new Map<string, { vm: KeyValue; address: KeyValue; out: number; in: number }>()
  const add = (vm: KeyValue | undefined, address: KeyValue | undefined, way: 'out' | 'in', bytes: number) => {
    // A machine is one peer, whatever its addresses.
    const id = vm ? `vm ${String(vm)}` : `ip ${String(address)}`
    const peer = peers.get(id) ?? { vm: vm ?? null, address: address ?? null, out: 0, in: 0 }
    peer[way] += bytes
    peers.set(id, peer)
  }
  for (const row of sent.rows) add(row.key['dst_vm'], row.key['dst_addr'], 'out', row.bytes)
  for (const row of received.rows) add(row.key['src_vm'], row.key['src_addr'], 'in', row.bytes)
  return [...peers].map(([id, peer]) => ({ id, ...peer })).sort((a, b) => b.out + b.in - (a.out + a.in))
}
