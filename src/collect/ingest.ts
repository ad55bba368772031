import type { FlowBatch } from '../flow/flow-batch.ts'
import type { MetricBatch } from '../flow/metric-batch.ts'
import type { Sighting } from '../flow/sighting.ts'

/** One datagram as received; a single object, reused for each, whose bytes are valid only during the call. */
export interface Datagram {
  /** The receive buffer; the payload is `length` bytes from `offset`. */
  bytes: Uint8Array
  view: DataView
  offset: number
  length: number
  /** Receipt time, milliseconds since 1970. */
  receivedAt: number
  /** Source address: 16 network-order bytes as four raw (host-order read) u32 words, IPv4 as ::ffff:a.b.c.d. */
  source0: number
  source1: number
  source2: number
  source3: number
  sourcePort: number
}

/** Codes of what can be wrong with a datagram; each is counted per exporter and shown with its reason. */
export type ProblemCode =
  | 'truncated'
  | 'bad_version'
  | 'bad_length'
  | 'bad_template'
  | 'template_limit'
  | 'no_template'
  | 'pending_dropped'
  | 'session_limit'
  | 'bad_sample'
  | 'bad_record'
  | 'empty'
  | 'unsupported'
  | 'bad_stream'
  | 'connection_limit'
  | 'tls_failed'

/** Where decoders put what they understood. */
export interface IngestSink {
  /** The batch being filled; a decoder must call `room(rows)` before it writes that many rows, and read `flows` anew after it. */
  flows: FlowBatch
  /**
   * Makes sure that `flows` has room for so many rows (at most `flows.capacity`), handing the full batch on and putting an empty, zeroed one in
   * its place. Answers false when the pipeline is full: the rows have to be dropped, and are counted as such by the sink.
   */
  room(rows: number): boolean
  readonly metrics: MetricBatch
  sighting(sighting: Sighting): void
  /** Something was wrong at `offset` bytes into the datagram. */
  problem(code: ProblemCode, offset: number): void
}

/** One stream of an exporter as the Exporters page shows it: (address, protocol, observation domain or sub-agent). */
export interface StreamStatus {
  readonly exporter: string
  readonly sourcePort: number
  readonly protocol: 'sflow' | 'netflow1' | 'netflow5' | 'netflow7' | 'netflow9' | 'ipfix'
  readonly observation: number
  readonly firstHeard: number
  readonly lastHeard: number
  readonly datagrams: number
  /** Rows made of them. */
  readonly flows: number
  /** Counter samples or options records. */
  readonly others: number
  /** Templates now known. */
  readonly templates: readonly {
    readonly id: number
    readonly kind: 'data' | 'options'
    readonly fields: number
    readonly text: string
  }[]
  /** Sampling rates in force, with where each was learnt. */
  readonly sampling: readonly { readonly rate: number; readonly from: string }[]
  /** Datagrams (sFlow, v9), flows (v5) or records (IPFIX) missing by sequence number. */
  readonly lost: number
  readonly reordered: number
  readonly restarts: number
  /** Datagrams or sets that wait for their template. */
  readonly pending: number
  readonly problems: Readonly<Record<string, number>>
}

/**
 * A family of protocols from datagrams to rows: keeps what must be kept between datagrams (templates, sampling, sequence
 * numbers), bounded in memory whatever is sent. Never throws on input.
 */
export interface Ingest {
  /** Decodes one datagram, already known to be of this family by its version. Answers the number of flow rows made. */
  datagram(datagram: Datagram, sink: IngestSink): number
  /** Called about once a second: expiry of templates and of pending data. */
  tick(now: number, sink: IngestSink): void
  /** Most recently heard first, at most `limit`. */
  streams(limit: number): StreamStatus[]
  /** How many streams are kept, and how many were evicted because there were too many. */
  counts(): {
    streams: number
    evicted: number
    templates: number
    pending: number
    /** Changes with each template that is announced anew or forgotten: there is something new to save. */
    revision: number
  }
  /** What must outlive a restart (templates, sampling), as JSON. */
  save(): unknown
  /** Takes back what `save` gave; what it can't use it leaves out and counts, never throws. */
  restore(state: unknown): { restored: number; refused: number }
}
