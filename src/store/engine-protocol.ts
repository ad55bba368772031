// Messages between the store and the engine's process, over the IPC channel of node:child_process.

export interface OpenRequest {
  readonly kind: 'open'
  readonly dir: string
  /** Options of the engine, in the form of the `clickhouse local` command line. */
  readonly options: readonly string[]
  readonly maxReaders: number
  /** `name = value` list in force in each session. */
  readonly settings: string
}

export interface QueryRequest {
  readonly kind: 'query'
  readonly sql: string
  readonly format: string
  readonly settings: string
}

export interface WriteRequest {
  readonly kind: 'write'
  readonly sql: string
  /** On a session of its own: inserts do not wait for it, nor it for them. */
  readonly background?: boolean
}

export interface CancelRequest {
  readonly kind: 'cancel'
  /** Id of the query to end. */
  readonly target: number
}

/** Ends what runs, closes, exits; by force after `graceMs`. */
export interface StopRequest {
  readonly kind: 'stop'
  readonly graceMs: number
}

export type EngineRequest = OpenRequest | QueryRequest | WriteRequest | CancelRequest | StopRequest
export type Numbered<T> = T & { readonly id: number }

export type EngineReply =
  | { readonly id: number; readonly ok: true; readonly bytes?: Uint8Array }
  | { readonly id: number; readonly ok: false; readonly failure: EngineFailure }

export interface EngineFailure {
  /** ClickHouse error number; 0 if the failure is not the engine's. */
  readonly code: number
  readonly message: string
}

/** ClickHouse: QUERY_WAS_CANCELLED. */
export const CANCELLED = 394
