// Datagrams from anywhere into columns, for programs that bring their own sockets or files.
import { parseIp } from '../base/address.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import { MetricBatch } from '../flow/metric-batch.ts'
import type { Sighting } from '../flow/sighting.ts'
import type { Datagram, Ingest, IngestSink, ProblemCode } from './ingest.ts'

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
  const datagram: Datagram = {
    bytes: new Uint8Array(0),
    view: new DataView(new ArrayBuffer(0)),
    offset: 0,
    length: 0,
    receivedAt: 0,
    source0: 0,
    source1: 0,
    source2: 0,
    source3: 0,
    sourcePort: 0,
  }
  let lastExporter: string | undefined

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

  function heardFrom(exporter: string): void {
    if (exporter === lastExporter) return
    lastExporter = exporter
    const words = new Uint32Array((parseIp(exporter) ?? new Uint8Array(16)).slice().buffer)
    datagram.source0 = words[0] as number
    datagram.source1 = words[1] as number
    datagram.source2 = words[2] as number
    datagram.source3 = words[3] as number
  }

  return {
    decode(payload, exporter, sourcePort = 0, receivedAt = Date.now()) {
      heardFrom(exporter)
      // Datagrams that lie in one buffer share a view of it
      if (datagram.view.buffer !== payload.buffer) {
        datagram.view = new DataView(payload.buffer)
        datagram.bytes = new Uint8Array(payload.buffer)
      }
      datagram.offset = payload.byteOffset
      datagram.length = payload.length
      datagram.sourcePort = sourcePort
      datagram.receivedAt = receivedAt
      const made = ingest.datagram(datagram, sink)
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
