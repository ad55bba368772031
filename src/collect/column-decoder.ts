// Datagrams from anywhere into columns, for programs that bring their own sockets or files.
import { FlowBatch } from '../flow/flow-batch.ts'
import { MetricBatch } from '../flow/metric-batch.ts'
import type { Sighting } from '../flow/sighting.ts'
import type { Ingest, IngestSink, ProblemCode } from './ingest.ts'
import { createPayloadDatagram } from './payload-datagram.ts'

/** Where a decoder hands what it made; all that is given is valid only during the call. */
export interface ColumnHandlers {
  /** A batch that is full, or flushed: `batch.n` rows, each column a typed array over one SharedArrayBuffer. Keep a copy, or use it at once. */
  batch(batch: FlowBatch): void
  /** Counters, after each datagram that had any. */
  metrics?(metrics: MetricBatch): void
  /** Who is who, as an exporter tells it. */
  sighting?(sighting: Sighting): void
  /** What was wrong, `offset` bytes into the datagram. */
  problem?(code: ProblemCode, offset: number): void
}

export interface ColumnDecoder {
  /**
   * Decodes one UDP payload into rows; answers how many. Never throws on what it reads.
   * @param exporter address that the datagram came from, as text; an address that is none counts as `::`
   * @param receivedAt milliseconds since 1970
   */
  decode(payload: Uint8Array, exporter: string, sourcePort?: number, receivedAt?: number): number
  /** To be called about once a second: what is old is forgotten. `now` in milliseconds since 1970. */
  tick(now: number): void
  /** Hands the rows so far to `batch`. */
  flush(): void
}

/** Feeds an ingest with datagrams and gathers its rows. @param rows how many a batch holds */
export function createColumnDecoder(ingest: Ingest, handlers: ColumnHandlers, rows = 8_192): ColumnDecoder {
  const flows = new FlowBatch(rows)
  const metrics = new MetricBatch()
  const arrived = createPayloadDatagram()

  function flush(): void {
    if (flows.n === 0) return
    handlers.batch(flows)
    flows.clear()
  }

  const sink: IngestSink = {
    flows,
    metrics,
    room(count) {
      if (flows.n + count > flows.capacity) flush()
      return count <= flows.capacity
    },
    sighting(sighting) {
      handlers.sighting?.(sighting)
    },
    problem(code, offset) {
      handlers.problem?.(code, offset)
    },
  }

  return {
    decode(payload, exporter, sourcePort = 0, receivedAt = Date.now()) {
      const made = ingest.datagram(arrived.set(payload, exporter, sourcePort, receivedAt), sink)
      if (metrics.n > 0) {
        handlers.metrics?.(metrics)
        metrics.clear()
      }
      return made
    },
    tick(now) {
      ingest.tick(now, sink)
    },
    flush,
  }
}
