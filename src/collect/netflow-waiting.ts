import type { IngestSink } from './ingest.ts'
import type { SetContext } from './netflow-context.ts'
import type { NetflowLimits } from './netflow-options.ts'
import type { Known, Stream, Transport, Waiting } from './netflow-stream.ts'
import { fits } from './netflow-stream.ts'

// Data sets that came before their template: kept for a while, within bounds, and given back when it comes.

/** What a held set takes in memory beyond its bytes, about. */
const OVERHEAD = 200

type Limits = Pick<NetflowLimits, 'maxWaitingBytes' | 'maxWaitingBytesOfStream' | 'maxWaitMs'>

export class WaitingSets {
  readonly #limits: Limits
  readonly #streams = new Set<Stream>()
  #bytes = 0
  count = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Keeps a copy of a set; false when there is no room for it. */
  hold(
    stream: Stream,
    transport: Transport,
    id: number,
    view: DataView,
    at: number,
    end: number,
    context: SetContext,
  ): boolean {
    const length = end - at
    const { maxWaitingBytes, maxWaitingBytesOfStream } = this.#limits
    if (stream.waitingBytes + length > maxWaitingBytesOfStream || this.#bytes + length > maxWaitingBytes) return false
    const bytes = new Uint8Array(length)
    bytes.set(new Uint8Array(view.buffer, view.byteOffset + at, length))
    const { receivedAt, exportedAt, uptime } = context
    stream.waiting.push({ id, port: transport.port, bytes, receivedAt, exportedAt, uptime })
    stream.waitingBytes += length + OVERHEAD
    this.#bytes += length + OVERHEAD
    this.count++
    this.#streams.add(stream)
    return true
  }

  /** The sets that waited for this template, in the order in which they came; they wait no longer. */
  take(stream: Stream, transport: Transport, id: number, known: Known): Waiting[] {
    const ready = stream.waiting.filter(
      (set) =>
        set.id === id &&
        (set.port === transport.port || (!stream.portsDisagree && fits(known.template, set.bytes.length))),
    )
    for (const set of ready) this.#release(stream, set)
    return ready
  }

  /** Gives up what has waited too long. */
  expire(now: number, sink: IngestSink): void {
    for (const stream of this.#streams) {
      for (
        let set = stream.waiting[0];
        set !== undefined && now - set.receivedAt > this.#limits.maxWaitMs;
        set = stream.waiting[0]
      ) {
        this.#release(stream, set)
        stream.problem(sink, 'no_template', 0)
      }
    }
  }

  /** A stream has been forgotten, and its sets with it. */
  forgotten(stream: Stream): void {
    this.count -= stream.waiting.length
    this.#bytes -= stream.waitingBytes
    this.#streams.delete(stream)
  }

  #release(stream: Stream, set: Waiting): void {
    stream.waiting.splice(stream.waiting.indexOf(set), 1)
    stream.waitingBytes -= set.bytes.length + OVERHEAD
    this.#bytes -= set.bytes.length + OVERHEAD
    this.count--
    if (stream.waiting.length === 0) this.#streams.delete(stream)
  }
}
