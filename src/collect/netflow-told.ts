import type { Stream } from './netflow-stream.ts'
import type { StreamTable } from './netflow-stream-table.ts'

/** So many facts a stream may have told by good right: others that are not proven give way to them. */
const FAIR_SHARE = 64

/**
 * How many facts (sampling rates, names of interfaces) are remembered of all streams together. When there are too many, those of
 * strangers go, with their streams, so that what made-up sources tell pushes out their like alone.
 */
export class ToldFacts {
  readonly #most: number
  readonly #streams: StreamTable
  count = 0

  constructor(most: number, streams: StreamTable) {
    this.#most = most
    this.#streams = streams
  }

  /** True if one more fact of this stream may be kept; makes room for it if it has a right to that. */
  room(stream: Stream): boolean {
    while (this.count >= this.#most && (stream.proven || stream.told < FAIR_SHARE)) {
      if (!this.#streams.evictStranger(stream)) break
    }
    return this.count < this.#most
  }

  add(stream: Stream): void {
    stream.told++
    this.count++
  }

  /** Counts anew what a stream has: rates go with the port that told them, and come back from a saved state. */
  recount(stream: Stream): void {
    let told = stream.named?.size ?? 0
    for (const transport of stream.transports) told += transport.sampling?.size ?? 0
    this.count += told - stream.told
    stream.told = told
  }

  forgotten(stream: Stream): void {
    this.count -= stream.told
    stream.told = 0
  }
}
