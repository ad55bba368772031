import type { MetricBatch } from '../flow/metric-batch.ts'
import type { Sighting } from '../flow/sighting.ts'
import type { RefusedSource } from './dispatch.ts'
import type { ProblemCode, StreamStatus } from './ingest.ts'
import type { Listener, ListenerConfig, TcpListenerConfig } from './receive.ts'

// What a receiver thread and the pipeline say to each other.

export type ReceiverKind = 'recvmmsg' | 'dgram'

/** Structured-cloneable: it travels to the worker as workerData. */
export interface ReceiverConfig {
  readonly listeners: readonly ListenerConfig[]
  /** Instead of the listeners: this receiver takes IPFIX over TCP and TLS. */
  readonly tcp?: readonly TcpListenerConfig[]
  /** `auto` takes recvmmsg where it works and dgram elsewhere. */
  readonly receiver: 'auto' | ReceiverKind
  readonly receiveBufferBytes: number
  readonly reusePort: boolean
  /** Rows of one batch. */
  readonly batchRows: number
  /** Batches that may exist at once; when all wait for the pipeline, rows are dropped and counted. */
  readonly batches: number
  /** A batch is handed on when it is this old, full or not. */
  readonly flushMs: number
  /** How often templates are given out to be kept, when they changed. */
  readonly saveMs: number
  /** Options of createNetflowIngest and createSflowIngest. */
  readonly netflow: object
  readonly sflow: object
}

/** What the ingests of one receiver gave to be kept over a restart. */
export interface IngestState {
  readonly netflow: unknown
  readonly sflow: unknown
}

/** Cumulative counters of one receiver. */
export interface ReceiverStatus {
  readonly listeners: readonly Listener[]
  readonly rejected: number
  /** Rows made, those dropped for want of a free batch included. */
  readonly flowsDecoded: number
  readonly flowsDropped: number
  readonly metricsDecoded: number
  readonly metricsDropped: number
  readonly sightingsDropped: number
  readonly problems: Readonly<Record<ProblemCode, number>>
  /** Datagrams on which a decoder threw: a bug of ours, survived and told. */
  readonly decodeFailures: number
  readonly lastDecodeFailure: string | null
  readonly streams: number
  readonly streamsEvicted: number
  readonly templates: number
  readonly pending: number
  readonly batchesAllocated: number
  readonly batchesFree: number
  readonly refused: readonly RefusedSource[]
}

export type ToReceiver = { readonly type: 'batchDone'; readonly id: number } | { readonly type: 'metricsDone' }

export type FromReceiver =
  | {
      readonly type: 'ready'
      readonly kind: ReceiverKind
      readonly listeners: readonly Listener[]
      readonly fallback: string | null
    }
  | { readonly type: 'failed'; readonly code: string; readonly message: string; readonly hint: string | undefined }
  /** `buffer` comes with the first batch of an id; later ones are in the same buffer. */
  | {
      readonly type: 'batch'
      readonly id: number
      readonly rows: number
      readonly buffer: SharedArrayBuffer | undefined
    }
  | { readonly type: 'batchForgotten'; readonly id: number }
  | { readonly type: 'metrics'; readonly batch: MetricBatch }
  | { readonly type: 'sightings'; readonly sightings: readonly Sighting[] }
  | { readonly type: 'streams'; readonly at: number; readonly streams: readonly StreamStatus[] }
  | { readonly type: 'status'; readonly status: ReceiverStatus }
  | { readonly type: 'state'; readonly state: IngestState }
  | { readonly type: 'stopped' }

/** Cells of the shared control array: what the pipeline tells a receiver that sits in a loop of its own. */
export const CONTROL = { stop: 0, mail: 1, length: 2 } as const
