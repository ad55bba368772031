import type { Health } from '../api/contract/system.ts'
import type { Clock } from '../base/clock.ts'
import type { Home } from '../store/home.ts'
import type { LoaderStatus } from '../store/loader.ts'
import type { RollerStatus } from '../store/roller.ts'
import type { Cell, Store, StoreStatus } from '../store/store.ts'
import type { PipelineReport } from './pipeline-messages.ts'

/** What the store holds. */
export interface StoreContent {
  readonly flows: number
  readonly bytesOnDisk: number
  readonly oldest: number | null
  readonly newest: number | null
}

const CONTENT_FRESH_MS = 5_000
const LONG_WAIT_MS = 60_000

function contentSql({ parts, stored }: Home): string {
  return `SELECT (SELECT sum(rows) FROM ${parts} WHERE active AND table = '${stored('flows')}') AS flows,
  (SELECT sum(bytes_on_disk) FROM ${parts} WHERE active) AS bytes,
  toUnixTimestamp64Milli(min(time_received)), toUnixTimestamp64Milli(max(time_received)) FROM flows`
}

/** Asks the store what it holds, at most every few seconds; the last known content while the store is away. */
export function createStoreContent(deps: { store: Pick<Store, 'query' | 'status'>; home: Home; clock: Clock }) {
  const sql = contentSql(deps.home)
  let content: StoreContent = { flows: 0, bytesOnDisk: 0, oldest: null, newest: null }
  let askedAt = Number.NEGATIVE_INFINITY
  return async (): Promise<StoreContent> => {
    const now = deps.clock.now()
    if (deps.store.status().state !== 'ready' || Math.abs(now - askedAt) < CONTENT_FRESH_MS) return content
    askedAt = now
    try {
      const { rows } = await deps.store.query(sql, { timeoutMs: 2_000 })
      const [flows, bytes, oldest, newest] = (rows[0] ?? []).map(toNumber)
      const some = (flows ?? 0) > 0
      content = {
        flows: flows ?? 0,
        bytesOnDisk: bytes ?? 0,
        oldest: some ? (oldest ?? null) : null,
        newest: some ? (newest ?? null) : null,
      }
    } catch {
      // Its state tells that it is away; what was known stands meanwhile.
    }
    return content
  }
}

function toNumber(cell: Cell): number {
  return Number(cell ?? 0)
}

export interface HealthParts {
  readonly version: string
  readonly startedAt: number
  readonly now: number
  readonly report: PipelineReport
  readonly store: StoreStatus
  readonly content: StoreContent
  readonly loader: LoaderStatus
  readonly spoolLimitBytes: number
  /** Undefined where there are no rollups. */
  readonly roller?: RollerStatus
}

/** All parts as one answer, with what is not as it should be in plain sentences. */
export function healthOf(parts: HealthParts): Health {
  const { report, store, loader, now } = parts
  const { ledger } = report.pipeline
  const { flows, metrics } = loader.tables
  const reasons = reasonsOf(parts)
  return {
    status: reasons.length === 0 ? 'ok' : 'degraded',
    version: parts.version,
    startedAt: parts.startedAt,
    now,
    reasons,
    listeners: report.pipeline.listeners.map((listener) => ({ ...listener })),
    store: {
      state: store.state,
      since: store.since,
      ...(store.error === undefined ? {} : { error: store.error }),
      restarts: store.restarts,
      ...parts.content,
    },
    spool: {
      files: loader.filesWaiting,
      // The spool looks for what has been taken away only when it writes.
      bytes: loader.filesWaiting === 0 ? 0 : report.spool.bytesWaiting,
      rows: loader.rowsWaiting,
      oldest: loader.waitingSince ?? null,
      limitBytes: parts.spoolLimitBytes,
    },
    ledger: {
      datagrams: ledger.datagrams,
      flows: {
        decoded: ledger.flows.decoded,
        queueDropped: ledger.flows.queueDropped,
        spoolRefused: ledger.flows.spoolRefused,
        spooled: ledger.flows.spooled,
        other: (flows?.found ?? 0) + report.doorRows,
        stored: flows?.stored ?? 0,
        waiting: flows?.waiting ?? 0,
      },
      metrics: { decoded: ledger.metrics.decoded, stored: metrics?.stored ?? 0 },
    },
  }
}

function reasonsOf({ report, store, loader, roller, now }: HealthParts): string[] {
  const reasons = [...report.pipeline.reasons]
  const { recent } = report.pipeline
  if (store.state !== 'ready')
    reasons.push(`The store is ${store.state}${store.error === undefined ? '' : `: ${store.error}`}.`)
  if (loader.problem !== undefined) reasons.push(`The last insert failed: ${loader.problem}`)
  if (loader.waitingSince !== undefined && now - loader.waitingSince > LONG_WAIT_MS) {
    reasons.push(`Answers are delayed: ${minutes(now - loader.waitingSince)} of traffic wait safely in the spool.`)
  }
  if (roller?.problem !== undefined && store.state === 'ready')
    reasons.push(`Flows are not summed up, so questions over long times are slower: ${roller.problem}`)
  if (report.spool.problem !== undefined) reasons.push(`The spool refuses flows: ${report.spool.problem}`)
  const over = `in the last ${minutes(recent.overMs)}`
  if (recent.queueDropped > 0)
    reasons.push(`${recent.queueDropped} flows were dropped ${over} because the spool could not keep up.`)
  if (recent.kernelDropped > 0) {
    reasons.push(`The kernel dropped ${recent.kernelDropped} datagrams ${over} because the receive buffer was full.`)
  }
  if (loader.rowsRejected > 0)
    reasons.push(`${loader.rowsRejected} rows could not be read by the store and were set aside in the spool.`)
  if (report.inventoryRefused > 0)
    reasons.push(`${report.inventoryRefused} machines were not taken into the inventory: it is full.`)
  return reasons
}

function minutes(ms: number): string {
  return `${Math.max(1, Math.round(ms / 60_000))} min`
}
