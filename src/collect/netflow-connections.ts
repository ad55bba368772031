import type { Clock } from '../base/clock.ts'
import type { Datagram, Ingest, IngestSink, StreamStatus } from './ingest.ts'
import { createNetflowIngest } from './netflow.ts'
import type { NetflowOptions } from './netflow-options.ts'
import { RowMaker } from './netflow-rows.ts'

// IPFIX over connections: templates and sequence numbers are of one connection and end with it (RFC 7011 §8.1, §10.4), so each has an ingest
// of its own. Together they are one ingest to whoever counts and shows streams.

/** What one connection may keep; no exporter comes near. */
const LIMITS = {
  maxStreams: 1_024,
  maxTemplates: 4_096,
  maxTemplateBytes: 2 << 20,
  maxPlans: 256,
  maxWaitingBytes: 256 << 10,
  // They live as long as the connection.
  templateLifetimeMs: Number.POSITIVE_INFINITY,
} as const

/** Streams of connections that have ended which are still shown. */
const MAX_ENDED = 1_000

export class ConnectionIngests implements Ingest {
  readonly #options: NetflowOptions
  readonly #clock: Clock
  readonly #rows: RowMaker
  readonly #open = new Set<Ingest>()
  readonly #ended = new Map<string, StreamStatus>()
  #evicted = 0
  #current: Ingest | undefined

  constructor(options: NetflowOptions, deps: { readonly clock: Clock }) {
    this.#options = { ...options, ...LIMITS }
    this.#clock = deps.clock
    this.#rows = new RowMaker(options.biflow ?? 'split')
  }

  /** A connection has been made. */
  connected(): Ingest {
    const ingest = createNetflowIngest(this.#options, { clock: this.#clock, rows: this.#rows })
    this.#open.add(ingest)
    return ingest
  }

  /** A connection has ended: what waits for a template waits in vain. */
  disconnected(ingest: Ingest, sink: IngestSink): void {
    if (!this.#open.delete(ingest)) return
    ingest.tick(Number.MAX_SAFE_INTEGER, sink)
    const { streams, evicted } = ingest.counts()
    this.#evicted += evicted
    for (const stream of ingest.streams(streams)) {
      const key = keyOf(stream)
      const before = this.#ended.get(key)
      this.#ended.delete(key)
      const last = { ...stream, templates: [], pending: 0 }
      this.#ended.set(key, before === undefined ? last : together(last, before))
    }
    for (const key of this.#ended.keys()) {
      if (this.#ended.size <= MAX_ENDED) break
      this.#ended.delete(key)
    }
  }

  /** Of which connection the next messages are. */
  select(ingest: Ingest): void {
    this.#current = ingest
  }

  datagram(datagram: Datagram, sink: IngestSink): number {
    return this.#current?.datagram(datagram, sink) ?? 0
  }

  tick(now: number, sink: IngestSink): void {
    for (const ingest of this.#open) ingest.tick(now, sink)
  }

  streams(limit: number): StreamStatus[] {
    const merged = new Map<string, StreamStatus>(this.#ended)
    for (const ingest of this.#open) {
      for (const stream of ingest.streams(limit)) {
        const key = keyOf(stream)
        const same = merged.get(key)
        merged.set(key, same === undefined ? stream : together(stream, same))
      }
    }
    return [...merged.values()].sort((a, b) => b.lastHeard - a.lastHeard).slice(0, limit)
  }

  counts(): ReturnType<Ingest['counts']> {
    const sum = { streams: 0, evicted: this.#evicted, templates: 0, pending: 0, revision: 0 }
    for (const ingest of this.#open) {
      const one = ingest.counts()
      sum.streams += one.streams
      sum.evicted += one.evicted
      sum.templates += one.templates
      sum.pending += one.pending
      sum.revision += one.revision
    }
    return sum
  }

  /** Nothing outlives a connection. */
  save(): unknown {
    return createNetflowIngest({}, { clock: this.#clock, rows: this.#rows }).save()
  }

  restore(): { restored: number; refused: number } {
    return { restored: 0, refused: 0 }
  }
}

function keyOf({ exporter, protocol, observation }: StreamStatus): string {
  return `${exporter} ${protocol} ${observation}`
}

/** One exporter over several connections, at a time or one after another. */
function together(a: StreamStatus, b: StreamStatus): StreamStatus {
  const newer = a.lastHeard >= b.lastHeard ? a : b
  const problems: Record<string, number> = { ...b.problems }
  for (const [code, count] of Object.entries(a.problems)) problems[code] = (problems[code] ?? 0) + count
  return {
    ...newer,
    firstHeard: Math.min(a.firstHeard, b.firstHeard),
    datagrams: a.datagrams + b.datagrams,
    flows: a.flows + b.flows,
    others: a.others + b.others,
    templates: newer.templates.length > 0 ? newer.templates : [...a.templates, ...b.templates],
    lost: a.lost + b.lost,
    reordered: a.reordered + b.reordered,
    restarts: a.restarts + b.restarts,
    pending: a.pending + b.pending,
    problems,
  }
}
