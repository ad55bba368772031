/** A value that a query answers. 64-bit integers above 2^53 come as strings. */
export type Cell = string | number | boolean | null | readonly Cell[]

export interface QueryAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly Cell[])[]
  readonly rowsRead: number
  readonly bytesRead: number
  readonly elapsedMs: number
}

export interface QueryOptions {
  /** Values of the `{name:Type}` parameters in the SQL; the only way by which a user's text gets into a statement. */
  readonly params?: Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
  readonly maxMemoryBytes?: number
}

export interface ExecuteOptions {
  /** Inserts do not wait for it. Such statements run one after another. */
  readonly background?: boolean
}

/** The column store: embedded (an engine in a child process) or a ClickHouse cluster. */
export interface Store {
  /** True if flows have the column `slot`: the start of the five minutes in which they were received. */
  readonly hasSlots?: boolean
  start(signal?: AbortSignal): Promise<void>
  stop(): Promise<void>
  /** One SELECT on a reader. Rejects with an OperatorError: `store_away`, `query_timeout`, `query_memory`, `query_cancelled`, `query_failed`. */
  query(sql: string, options?: QueryOptions): Promise<QueryAnswer>
  /** As `query`, in another output format (`Parquet`, `CSVWithNames`, …), as bytes. */
  queryBytes(sql: string, format: string, options?: QueryOptions): Promise<Uint8Array>
  /** DDL and other statements, on the writer, or beside it where they may last. */
  execute(sql: string, options?: ExecuteOptions): Promise<void>
  /** Inserts Native files, once for each token however often it is called with it. */
  insertFiles(table: string, files: readonly string[], token: string): Promise<void>
  status(): StoreStatus
}

export interface StoreStatus {
  readonly state: 'starting' | 'ready' | 'away' | 'stopped'
  readonly since: number
  readonly error?: string
  readonly restarts: number
  readonly pid?: number
}
