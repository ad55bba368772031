// Senders and receivers joined: what each thing sends, what it receives, and with how many others.
import type { KeyValue, TopAnswer } from '../../../src/api/contract/query.ts'

export interface Ends {
  readonly name: string
  readonly out: number
  readonly in: number
  readonly peers: number
}

type Rows = Pick<TopAnswer, 'rows'>

function text(value: KeyValue | undefined): string {
  return value === null || value === undefined ? '' : String(value)
}

/** `pairs` is grouped by both columns and serves to count peers; unnamed ends are left out. The largest sum is first. */
export function endsOf(sent: Rows, received: Rows, pairs: Rows | undefined, source: string, target: string): Ends[] {
  const ends = new Map<string, { out: number; in: number; peers: Set<string> }>()
  const at = (name: string) => {
    const known = ends.get(name) ?? { out: 0, in: 0, peers: new Set<string>() }
    ends.set(name, known)
    return known
  }
  for (const row of sent.rows) at(text(row.key[source])).out += row.bytes
  for (const row of received.rows) at(text(row.key[target])).in += row.bytes
  for (const row of pairs?.rows ?? []) {
    const [from, to] = [text(row.key[source]), text(row.key[target])]
    if (from === '' || to === '' || from === to) continue
    ends.get(from)?.peers.add(to)
    ends.get(to)?.peers.add(from)
  }
  return [...ends]
    .filter(([name]) => name !== '')
    .map(([name, { out, in: into, peers }]) => ({ name, out, in: into, peers: peers.size }))
    .sort((a, b) => b.out + b.in - (a.out + a.in))
}
