import type { LoaderStatus } from '../store/loader.ts'
import type { RollerStatus } from '../store/roller.ts'
import type { SpoolStatus } from '../store/spool.ts'
import type { StoreStatus } from '../store/store.ts'
import type { MetricDefinition } from '../telemetry/metrics.ts'

/** Spool, loader and store for Prometheus. */
export function storeMetrics(status: {
  store: () => StoreStatus
  loader: () => LoaderStatus
  spool: () => SpoolStatus
  /** Undefined where there are no rollups. */
  roller?: () => RollerStatus
}): MetricDefinition[] {
  return [
    {
      name: 'store_ready',
      help: '1 if the store answers',
      kind: 'gauge',
      read: () => (status.store().state === 'ready' ? 1 : 0),
    },
    {
      name: 'store_restarts_total',
      help: 'Times that the engine was started again',
      kind: 'counter',
      read: () => status.store().restarts,
    },
    {
      name: 'rows_stored_total',
      help: 'Rows of flows and counters that the store has taken',
      kind: 'counter',
      read: () => status.loader().rowsStored,
    },
    {
      name: 'rows_rejected_total',
      help: 'Rows that the store could not read, set aside',
      kind: 'counter',
      read: () => status.loader().rowsRejected,
    },
    { name: 'inserts_total', help: 'Inserts into the store', kind: 'counter', read: () => status.loader().inserts },
    { name: 'spool_rows', help: 'Rows that wait in the spool', kind: 'gauge', read: () => status.loader().rowsWaiting },
    {
      name: 'spool_files',
      help: 'Files that wait in the spool',
      kind: 'gauge',
      read: () => status.loader().filesWaiting,
    },
    ...rollerMetrics(status.roller),
    {
      name: 'spool_bytes',
      help: 'Bytes that wait in the spool',
      kind: 'gauge',
      read: () => status.spool().bytesWaiting,
    },
  ]
}

function rollerMetrics(status: (() => RollerStatus) | undefined): MetricDefinition[] {
  if (!status) return []
  return [
    {
      name: 'rollups_built_total',
      help: 'Times (five minutes, hours, days) whose flows were summed up, also again after late flows',
      kind: 'counter',
      read: () => status().built,
    },
    {
      name: 'rollups_waiting',
      help: 'Times whose sums are due',
      kind: 'gauge',
      read: () => status().waiting,
    },
  ]
}
