import type { Asked } from '../src/query/question.ts'

// What the console asks, and over which times.

/** A question as POST /api/v1/query/KIND takes it, but for its range. */
export interface ConsoleQuestion {
  readonly name: string
  readonly kind: 'top' | 'series'
  readonly body: Omit<Asked, 'from' | 'to'>
}

export interface QuestionSet {
  readonly title: string
  readonly questions: readonly ConsoleQuestion[]
  /** Names in `SPANS`. */
  readonly spans: readonly (keyof typeof SPANS)[]
}

const DAY = 86_400_000
export const SPANS = { '30 d': 30 * DAY, '7 d': 7 * DAY, '24 h': DAY, '1 h': DAY / 24 } as const

const top = (name: string, body: ConsoleQuestion['body']): ConsoleQuestion => ({ name, kind: 'top', body })
const series = (name: string, body: ConsoleQuestion['body']): ConsoleQuestion => ({ name, kind: 'series', body })

const RAW = [
  top('top sources', { by: ['src_addr'], limit: 20 }),
  top('top pairs', { by: ['src_addr', 'dst_addr'], limit: 20 }),
  top('top 4-tuples', { by: ['proto', 'src_addr', 'dst_addr', 'dst_port'], limit: 20 }),
  top('filtered', { by: ['dst_addr'], filter: 'proto tcp and dst port 443', limit: 20 }),
]

/** Overview and Explore, mostly from rollups, and what only the flows themselves answer. */
export const QUESTION_SETS: readonly QuestionSet[] = [
  {
    title: 'Overview',
    questions: [
      series('series by VLAN', { by: ['vlan'], limit: 7 }),
      series('series by locality', { by: ['locality'], limit: 7 }),
      top('top VMs', { by: ['vm'], limit: 10 }),
      top('top pairs of VMs', { by: ['src_vm', 'dst_vm'], limit: 10 }),
      top('localities', { by: ['locality'] }),
      top('services', { by: ['service'], limit: 10, exact: false }),
      top('hosts', { by: ['src_host', 'dst_host'], limit: 50 }),
    ],
    spans: ['30 d', '7 d', '24 h', '1 h'],
  },
  {
    title: 'Explore',
    questions: [
      series('series by VM, filtered', { by: ['src_vm'], filter: 'vlan 110 or vlan 120', limit: 10 }),
      top('services of a host', { by: ['service'], filter: 'locality inter_host', limit: 10, exact: false }),
      top('switch ports', { by: ['exporter', 'in_if'], limit: 20, uncounted: true }),
      top('heaviest sources', { by: ['src_addr'], limit: 20, exact: false }),
      series('series by destination', { by: ['dst_addr'], limit: 8, exact: false }),
      top('beside the time before', { by: ['vlan'], limit: 20, previous: 7 * DAY }),
    ],
    spans: ['30 d', '7 d', '24 h'],
  },
  { title: 'the flows of the last hour', questions: RAW, spans: ['1 h'] },
  { title: 'the flows of a month', questions: RAW, spans: ['30 d'] },
]

/** The value that so many of a hundred are not above. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? Number.NaN
}
