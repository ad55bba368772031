import { availableParallelism } from 'node:os'
import type { Clock } from '../base/clock.ts'
import type { FlowBatch } from '../flow/flow-batch.ts'
import type { MetricBatch } from '../flow/metric-batch.ts'
import type { Sighting } from '../flow/sighting.ts'
import { createExporters, type ExportersHeard } from './exporters.ts'
import type { ProblemCode } from './ingest.ts'
import { ledgerOf, mergeListeners, RecentLosses, type Outcome, type PipelineLedger, type RecentLoss } from './ledger.ts'
import { RECEIVE_BUFFER_BYTES, type Listener, type ListenerConfig, type TcpListenerConfig } from './receive.ts'
import type { IngestState, ReceiverKind, ReceiverStatus } from './receiver-messages.ts'
import { readStates, writeStates } from './receiver-state.ts'
import { createReceivers } from './receivers.ts'

// The life of a flow, from the wire to the spool:
//
//   receiver thread (receiver-worker.ts)                        this thread
//   poll, recvmmsg ─ dispatch ─ ingest ─ batch of columns ──▶ enrich ─ spool.write ─┐
//        (receive-*)  (dispatch) (netflow, sflow)  ▲                                │
//                                                  └──── emptied buffer ◀───────────┘
//
// A receiver fills one batch while others wait here or are being written; all are SharedArrayBuffers, so that nothing is
// copied between threads. When every batch waits, the receiver drops rows and counts them: receiving never waits for
// the disk. Each flow ends in exactly one column of the ledger (ledger.ts).
//
// The pipeline runs on the thread that creates it and starts the receiver threads itself. Enriching and writing take
// CPU time: create it in a worker of its own, not beside the API.

export interface PipelineConfig {
  readonly listeners: readonly ListenerConfig[]
  /** Where to listen for IPFIX over TCP and TLS. */
  readonly tcp?: readonly TcpListenerConfig[]
  readonly receiver?: 'auto' | ReceiverKind
  /** Receiver threads; 0 or nothing: one for every four processors. Several share each port by SO_REUSEPORT. */
  readonly receivers?: number
  readonly receiveBufferBytes?: number
  readonly batchRows?: number
  /** Batches over all receivers that may wait for the spool. */
  readonly batches?: number
  readonly flushMs?: number
  /** Where templates and sampling are kept over a restart; nowhere if it is missing. */
  readonly stateFile?: string
  readonly saveMs?: number
  /** Options of the two ingests. */
  readonly netflow?: object
  readonly sflow?: object
  /** Streams kept for the list of exporters. */
  readonly streams?: number
}

/** What the pipeline says when something is out of order; pino's logger is one. */
export interface PipelineLog {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}

export interface PipelineDeps {
  /** Fills the columns that say who it is; answers the table of names into which the `name` columns point. */
  readonly enrich: (batch: FlowBatch) => readonly string[]
  readonly spool: {
    write(batch: FlowBatch, names: readonly string[]): Promise<{ accepted: number; refused: number }>
    writeMetrics(batch: MetricBatch): Promise<{ accepted: number; refused: number }>
  }
  readonly onSighting: (sighting: Sighting) => void
  /** Name of an exporter by its address. */
  readonly nameOf: (address: string) => string | null
  readonly log: PipelineLog
  readonly clock: Clock
}

/** Plain data: it can be posted to another thread. */
export interface PipelineStatus {
  readonly startedAt: number
  readonly kind: ReceiverKind
  readonly receivers: number
  readonly listeners: readonly (Omit<Listener, 'transport'> & { readonly receiver: ReceiverKind | 'tcp' | 'tls' })[]
  readonly ledger: PipelineLedger
  /** Losses of the last five minutes. */
  readonly recent: RecentLoss
  readonly problems: Readonly<Partial<Record<ProblemCode, number>>>
  readonly decodeFailures: number
  readonly streams: {
    readonly kept: number
    readonly evicted: number
    readonly templates: number
    readonly pending: number
  }
  readonly queue: {
    readonly batches: number
    readonly rows: number
    readonly batchesAllocated: number
    readonly batchesFree: number
  }
  /** Plain sentences on what is not as it should be; empty if all is well. */
  readonly reasons: readonly string[]
}

export interface Pipeline {
  /** Listens. Rejects with an OperatorError (`port_in_use`, `listen_failed`, …). */
  start(): Promise<void>
  /** Ends receiving, hands on what was received, waits until the spool has it. */
  stop(): Promise<void>
  status(): PipelineStatus
  exporters(): ExportersHeard
}

const BATCH_ROWS = 131_072
const BATCHES = 8
const FLUSH_MS = 1_000
const SAVE_MS = 10_000
const STREAMS = 10_000
export function createPipeline(config: PipelineConfig, deps: PipelineDeps): Pipeline {
  const { log, clock } = deps
  // Without a listener for UDP, none waits for it.
  const count =
    config.listeners.length === 0 && config.tcp !== undefined
      ? 0
      : config.receivers || Math.max(1, Math.floor(availableParallelism() / 4))
  const exporters = createExporters({ limit: config.streams ?? STREAMS }, { nameOf: deps.nameOf })
  const outcome: Outcome = { spoolRefused: 0, spooled: 0, metricsDropped: 0, metricsSpooled: 0 }
  const recent = new RecentLosses()
  let startedAt = 0

  // Batches and metrics are taken in the order in which they come. The next batch is enriched while the one before
  // is being written; two are never written at once.
  const queue: { batch: FlowBatch; done: () => void }[] = []
  let queuedRows = 0
  let working: Promise<void> | undefined
  let metricsWriting: Promise<void> = Promise.resolve()
  let stateWriting: Promise<void> = Promise.resolve()
  let stateWaiting = false

  function onBatch(batch: FlowBatch, done: () => void): void {
    queue.push({ batch, done })
    queuedRows += batch.n
    working ??= work().finally(() => (working = undefined))
  }

  async function work(): Promise<void> {
    let writing: Promise<void> = Promise.resolve()
    for (let job = queue.shift(); job; job = queue.shift()) {
      const { batch, done } = job
      const names = enrich(batch)
      await writing
      writing = write(batch, names).finally(done)
      if (queue.length === 0) await writing
    }
  }

  function enrich(batch: FlowBatch): readonly string[] {
    try {
      return deps.enrich(batch)
    } catch (error) {
      // Flows without names are worth more than no flows.
      log.warn({ err: error }, 'a batch could not be enriched; its flows are kept without names')
      for (const column of ['src_vm', 'dst_vm', 'src_host', 'dst_host', 'slice', 'src_country', 'dst_country'] as const)
        batch[column].fill(0, 0, batch.n)
      return ['']
    }
  }

  async function write(batch: FlowBatch, names: readonly string[]): Promise<void> {
    const rows = batch.n
    try {
      const { accepted, refused } = await deps.spool.write(batch, names)
      outcome.spooled += accepted
      outcome.spoolRefused += refused
    } catch (error) {
      outcome.spoolRefused += rows
      log.warn({ err: error, rows }, 'a batch could not be spooled; its flows are lost')
    }
    queuedRows -= rows
  }

  function onMetrics(batch: MetricBatch, done: () => void): void {
    const rows = batch.n
    metricsWriting = metricsWriting
      .then(() => deps.spool.writeMetrics(batch))
      .then(
        ({ accepted, refused }) => {
          outcome.metricsSpooled += accepted
          outcome.metricsDropped += refused
        },
        (error: unknown) => {
          outcome.metricsDropped += rows
          log.warn({ err: error, rows }, 'counters could not be spooled and are lost')
        },
      )
      .finally(done)
  }

  function onSightings(sightings: readonly Sighting[]): void {
    for (const sighting of sightings) {
      exporters.sighted(sighting)
      deps.onSighting(sighting)
    }
  }

  async function savedStates(): Promise<readonly IngestState[]> {
    if (config.stateFile === undefined) return []
    const { states, error } = await readStates(config.stateFile)
    if (error !== undefined) log.warn({ err: error, file: config.stateFile }, 'saved templates could not be read')
    return states
  }

  /** Writes what the receivers want kept, one write at a time, the newest state each time. */
  function saveState(): void {
    const file = config.stateFile
    if (file === undefined || stateWaiting) return
    stateWaiting = true
    stateWriting = stateWriting.then(async () => {
      stateWaiting = false
      try {
        await writeStates(file, receivers.states(), clock.now())
      } catch (error) {
        log.warn({ err: error, file }, 'templates could not be saved; after a restart, data waits for new ones')
      }
    })
  }

  const receivers = createReceivers(
    {
      count,
      listeners: config.listeners,
      ...(config.tcp === undefined ? {} : { tcp: config.tcp }),
      receiver: config.receiver ?? 'auto',
      receiveBufferBytes: config.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES,
      batchRows: config.batchRows ?? BATCH_ROWS,
      batches: Math.max(2, Math.ceil((config.batches ?? BATCHES) / Math.max(1, count))),
      flushMs: config.flushMs ?? FLUSH_MS,
      saveMs: config.saveMs ?? SAVE_MS,
      netflow: config.netflow ?? {},
      sflow: config.sflow ?? {},
    },
    {
      onBatch,
      onMetrics,
      onSightings,
      onStreams: (receiver, streams, at) => exporters.heard(receiver, streams, at),
      onStatus: () => recent.note(clock.now(), ledgerOf(receivers.all(), outcome)),
      onState: saveState,
      log,
    },
  )

  return {
    async start() {
      startedAt = clock.now()
      await receivers.start(await savedStates())
      const { listeners } = status()
      const asked = config.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES
      const given = listeners
        .filter(({ receiver }) => receiver !== 'tcp' && receiver !== 'tls')
        .reduce((least, { receiveBufferBytes }) => Math.min(least, receiveBufferBytes), asked)
      if (given < asked)
        log.warn(
          { asked, given },
          'the kernel gave a smaller receive buffer than asked, bursts may be lost: raise net.core.rmem_max or grant CAP_NET_ADMIN',
        )
      log.info(
        {
          listeners: listeners.map(
            ({ address, port, receiver }) =>
              `${address} port ${port}${receiver === 'tcp' || receiver === 'tls' ? ` (${receiver})` : ''}`,
          ),
          receiver: receivers.kind(),
          threads: count,
        },
        'receiving',
      )
    },
    async stop() {
      await receivers.stop()
      while (working) await working
      await metricsWriting
      await stateWriting
    },
    status,
    exporters() {
      const all = receivers.all()
      return exporters.answer(clock.now(), {
        streams: all.reduce((sum, { streams }) => sum + streams, 0),
        evicted: all.reduce((sum, { streamsEvicted }) => sum + streamsEvicted, 0),
        refused: all.flatMap(({ refused }) => refused).sort((a, b) => b.count - a.count),
      })
    },
  }

  function status(): PipelineStatus {
    const all = receivers.all()
    const live = receivers.live()
    const kind = receivers.kind()
    const total = (value: (one: ReceiverStatus) => number, over = all): number =>
      over.reduce((sum, one) => sum + value(one), 0)
    const problems: Partial<Record<ProblemCode, number>> = {}
    for (const one of all) {
      for (const [code, n] of Object.entries(one.problems) as [ProblemCode, number][]) {
        if (n > 0) problems[code] = (problems[code] ?? 0) + n
      }
    }
    const ledger = ledgerOf(all, outcome)
    const failure = all.find(({ lastDecodeFailure }) => lastDecodeFailure !== null)?.lastDecodeFailure
    return {
      startedAt,
      kind,
      receivers: count,
      listeners: mergeListeners(all).map(({ transport, ...listener }) => ({
        ...listener,
        receiver: transport ?? kind,
      })),
      ledger,
      recent: recent.since(clock.now(), ledger),
      problems,
      decodeFailures: total(({ decodeFailures }) => decodeFailures),
      streams: {
        kept: total(({ streams }) => streams, live),
        evicted: total(({ streamsEvicted }) => streamsEvicted),
        templates: total(({ templates }) => templates, live),
        pending: total(({ pending }) => pending, live),
      },
      queue: {
        batches: queue.length,
        rows: queuedRows,
        batchesAllocated: total(({ batchesAllocated }) => batchesAllocated, live),
        batchesFree: total(({ batchesFree }) => batchesFree, live),
      },
      reasons: failure ? [`A decoder failed on a datagram and went on with the next: ${failure.split('\n')[0]}`] : [],
    }
  }
}
