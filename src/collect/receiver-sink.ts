import type { FlowBatch } from '../flow/flow-batch.ts'
import { MetricBatch } from '../flow/metric-batch.ts'
import type { Sighting } from '../flow/sighting.ts'
import type { BatchPool, PooledBatch } from './batch-pool.ts'
import type { IngestSink, ProblemCode } from './ingest.ts'
import type { FromReceiver, ToReceiver } from './receiver-messages.ts'

/** Sightings are repeated by their senders, so that one left out comes again. */
const SIGHTINGS_PER_SECOND = 20_000

interface SinkDeps {
  readonly post: (message: FromReceiver) => void
  /** The next message of the pipeline, undefined if there is none. */
  readonly mail: () => ToReceiver | undefined
}

/** Where the ingests of a receiver put what they understood: the batch being filled, and everything beside it until it is handed on. */
export class ReceiverSink implements IngestSink {
  readonly metrics = new MetricBatch()
  readonly problems: Record<ProblemCode, number> = {
    truncated: 0,
    bad_version: 0,
    bad_length: 0,
    bad_template: 0,
    template_limit: 0,
    no_template: 0,
    pending_dropped: 0,
    session_limit: 0,
    bad_sample: 0,
    bad_record: 0,
    empty: 0,
    unsupported: 0,
    bad_stream: 0,
    connection_limit: 0,
    tls_failed: 0,
  }
  /** The first problem of the datagram at hand. */
  firstProblem: ProblemCode | undefined
  handedOn = 0
  dropped = 0
  /** When the first row of the current batch was noticed; 0 while it is empty. */
  filledSince = 0
  metricsInFlight = 0
  sightings: Sighting[] = []
  sightingsThisSecond = 0
  sightingsDropped = 0
  readonly pool: BatchPool
  readonly #deps: SinkDeps
  #current: PooledBatch
  flows: FlowBatch

  constructor(pool: BatchPool, deps: SinkDeps) {
    this.pool = pool
    this.#deps = deps
    this.#current = pool.take() as PooledBatch
    this.flows = this.#current.batch
  }

  room(rows: number): boolean {
    if (this.flows.n + rows <= this.flows.capacity) return true
    if (rows <= this.flows.capacity && this.handOn()) return true
    this.dropped += rows
    return false
  }

  /** Gives the current batch to the pipeline and takes an empty one; false, and nothing done, if there is none. */
  handOn(): boolean {
    let next = this.pool.take()
    if (!next) {
      this.readMail()
      next = this.pool.take()
      if (!next) return false
    }
    this.giveAway()
    this.#current = next
    this.flows = next.batch
    return true
  }

  giveAway(): void {
    const { id, batch, known } = this.#current
    this.#current.known = true
    this.handedOn += batch.n
    this.filledSince = 0
    this.#deps.post({ type: 'batch', id, rows: batch.n, buffer: known ? undefined : batch.buffer })
  }

  readMail(): void {
    for (let message = this.#deps.mail(); message; message = this.#deps.mail()) {
      if (message.type === 'batchDone') this.pool.giveBack(message.id)
      else this.metricsInFlight--
    }
  }

  sighting(sighting: Sighting): void {
    if (this.sightingsThisSecond >= SIGHTINGS_PER_SECOND) {
      this.sightingsDropped++
      return
    }
    this.sightingsThisSecond++
    this.sightings.push(sighting)
  }

  problem(code: ProblemCode, _offset: number): void {
    this.problems[code]++
    this.firstProblem ??= code
  }
}
