import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { BugError, OperatorError } from '../base/errors.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import { MetricBatch } from '../flow/metric-batch.ts'
import type { Sighting } from '../flow/sighting.ts'
import type { StreamStatus } from './ingest.ts'
import type { Listener } from './receive.ts'
import {
  CONTROL,
  type FromReceiver,
  type IngestState,
  type ReceiverConfig,
  type ReceiverKind,
  type ReceiverStatus,
  type ToReceiver,
} from './receiver-messages.ts'
import type { ReceiverWorkerData } from './receiver-worker.ts'

export interface ReceiverDeps {
  /** What earlier runs left: templates and sampling. */
  readonly states: readonly IngestState[]
  /** A full or old enough batch. `done` empties it and sends its buffer back; until then it is the pipeline's. */
  readonly onBatch: (batch: FlowBatch, done: () => void) => void
  readonly onMetrics: (batch: MetricBatch, done: () => void) => void
  readonly onSightings: (sightings: readonly Sighting[]) => void
  readonly onStreams: (streams: readonly StreamStatus[], at: number) => void
  readonly onStatus: (status: ReceiverStatus) => void
  readonly onState: (state: IngestState) => void
  /** The thread ended without having been asked to. */
  readonly onLost: (error: Error) => void
}

/** A receiver thread as the pipeline holds it. */
export interface Receiver {
  /** Resolves when it listens; rejects with an OperatorError (`port_in_use`, `listen_failed`, …). */
  start(): Promise<{ kind: ReceiverKind; listeners: readonly Listener[]; fallback: string | null }>
  /** Ends receiving; resolves when all that was received has been handed to the callbacks. */
  stop(): Promise<void>
}

/** Mostly it takes a tenth of a second; this is for a thread that hangs. */
const STOP_MS = 3_000

export function createReceiver(config: ReceiverConfig, deps: ReceiverDeps): Receiver {
  const control = new Int32Array(new SharedArrayBuffer(CONTROL.length * 4))
  const batches = new Map<number, FlowBatch>()
  let worker: Worker | undefined
  let stopping = false

  function send(message: ToReceiver): void {
    worker?.postMessage(message)
    Atomics.add(control, CONTROL.mail, 1)
  }

  function batchOf(id: number, buffer: SharedArrayBuffer | undefined): FlowBatch {
    let batch = batches.get(id)
    if (!batch) {
      if (!buffer) throw new BugError(`batch ${id} came without its buffer`)
      batch = new FlowBatch(config.batchRows, buffer)
      batches.set(id, batch)
    }
    return batch
  }

  function take(message: FromReceiver): void {
    switch (message.type) {
      case 'batch': {
        const batch = batchOf(message.id, message.buffer)
        batch.n = message.rows
        deps.onBatch(batch, () => {
          // Zeroed here rather than in the receiving thread, which has no time for it.
          batch.clear()
          send({ type: 'batchDone', id: message.id })
        })
        return
      }
      case 'batchForgotten':
        batches.delete(message.id)
        return
      case 'metrics':
        deps.onMetrics(Object.assign(new MetricBatch(), message.batch), () => send({ type: 'metricsDone' }))
        return
      case 'sightings':
        deps.onSightings(message.sightings)
        return
      case 'streams':
        deps.onStreams(message.streams, message.at)
        return
      case 'status':
        deps.onStatus(message.status)
        return
      case 'state':
        deps.onState(message.state)
        return
      case 'ready':
      case 'failed':
      case 'stopped':
    }
  }

  return {
    start() {
      const workerData: ReceiverWorkerData = { config, control, states: deps.states }
      const file = new URL(`./receiver-worker${extname(import.meta.filename)}`, import.meta.url)
      const started = new Worker(file, { workerData, name: 'receiver' })
      worker = started
      return new Promise((resolve, reject) => {
        let ready = false
        const lost = (error: Error): void => {
          if (!ready) reject(error)
          else if (!stopping) deps.onLost(error)
          stopping = true
        }
        started.on('message', (message: FromReceiver) => {
          if (message.type === 'ready') {
            ready = true
            resolve(message)
          } else if (message.type === 'failed') {
            lost(
              new OperatorError(
                message.code,
                message.message,
                message.hint === undefined ? {} : { hint: message.hint },
              ),
            )
          } else take(message)
        })
        started.on('error', (error) => lost(error instanceof Error ? error : new BugError(String(error))))
        started.on('exit', (code) => {
          worker = undefined
          lost(new BugError(`the receiver thread ended by itself (status ${code})`))
        })
      })
    },
    async stop() {
      stopping = true
      Atomics.store(control, CONTROL.stop, 1)
      const ending = worker
      if (!ending) return
      // The thread's messages are delivered before its exit is.
      const timeout = AbortSignal.timeout(STOP_MS)
      try {
        await once(ending, 'exit', { signal: timeout })
      } catch {
        await ending.terminate()
      }
    },
  }
}
