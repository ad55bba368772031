import type { Datagram } from './ingest.ts'
import { Stream, type Protocol } from './netflow-stream.ts'

/** Whose stream it is: the address that a datagram came from. */
type Source = Pick<Datagram, 'source0' | 'source1' | 'source2' | 'source3'>

/**
 * All streams, bounded. When there are too many, the one that was silent longest gives way: first among those that have not proven
 * themselves, so that a flood of made-up sources pushes out its like and not the exporters that deliver.
 */
export class StreamTable {
  readonly #buckets = new Map<number, Stream>()
  readonly #maxStreams: number
  // Two orders of use, silent longest first: strangers and proven streams.
  readonly #strangers = new Order()
  readonly #proven = new Order()
  readonly #onEvict: (stream: Stream) => void
  readonly #seed: number
  size = 0
  evicted = 0

  /** @param seed mixed into the hash, so that nobody outside can choose addresses and domains that share a chain */
  constructor(maxStreams: number, onEvict: (stream: Stream) => void, seed = Math.floor(Math.random() * 0x1_0000_0000)) {
    this.#maxStreams = maxStreams
    this.#seed = seed
    this.#onEvict = onEvict
  }

  /**
   * The stream, marked as the last used; undefined if it is not there.
   * @param domain as a signed word: that never has to be allocated
   */
  find(protocol: Protocol, domain: number, from: Source): Stream | undefined {
    let stream = this.#buckets.get(hashOf(this.#seed, protocol, domain, from))
    while (stream !== undefined) {
      if (
        (stream.domain | 0) === domain &&
        stream.address3 === from.source3 &&
        stream.address2 === from.source2 &&
        stream.address1 === from.source1 &&
        stream.address0 === from.source0 &&
        stream.protocol === protocol
      ) {
        this.#orderOf(stream).touch(stream)
        return stream
      }
      stream = stream.chained
    }
    return undefined
  }

  /** A new stream; parameters as of `find`. */
  add(protocol: Protocol, domain: number, from: Source): Stream {
    if (this.size >= this.#maxStreams) this.evictOne(undefined)
    const hash = hashOf(this.#seed, protocol, domain, from)
    const { source0, source1, source2, source3 } = from
    const stream = new Stream(protocol, domain >>> 0, source0, source1, source2, source3, hash)
    stream.chained = this.#buckets.get(hash)
    this.#buckets.set(hash, stream)
    this.#strangers.append(stream)
    this.size++
    return stream
  }

  /** Counts a stream among those that deliver. At most four fifths are: strangers must have room to become proven. */
  prove(stream: Stream): void {
    if (stream.proven) return
    this.#strangers.remove(stream)
    stream.proven = true
    this.#proven.append(stream)
    if (this.#proven.size > this.#maxStreams * 0.8) {
      const silent = this.#proven.oldest as Stream
      this.#proven.remove(silent)
      silent.proven = false
      this.#strangers.append(silent)
    }
  }

  /** Forgets the stranger that was silent longest, or if there is none the proven stream; never `spare`. */
  evictOne(spare: Stream | undefined): boolean {
    for (const order of [this.#strangers, this.#proven]) {
      let stream = order.oldest
      if (stream === spare) stream = stream?.newer
      if (stream === undefined) continue
      this.#remove(stream)
      this.evicted++
      this.#onEvict(stream)
      return true
    }
    return false
  }

  /** Forgets a stranger so, but no proven stream. */
  evictStranger(spare: Stream): boolean {
    const oldest = this.#strangers.oldest === spare ? spare.newer : this.#strangers.oldest
    return oldest === undefined ? false : this.evictOne(spare)
  }

  /** All, in no order; streams may come and go while it is walked. */
  *all(): Generator<Stream> {
    for (const head of this.#buckets.values()) {
      for (let stream: Stream | undefined = head; stream !== undefined; stream = stream.chained) yield stream
    }
  }

  /** Most recently used first. */
  *recent(): Generator<Stream> {
    let a = this.#proven.newest
    let b = this.#strangers.newest
    while (a !== undefined || b !== undefined) {
      if (b === undefined || (a !== undefined && a.lastHeard >= b.lastHeard)) {
        yield a as Stream
        a = (a as Stream).older
      } else {
        yield b
        b = b.older
      }
    }
  }

  #orderOf(stream: Stream): Order {
    return stream.proven ? this.#proven : this.#strangers
  }

  #remove(stream: Stream): void {
    this.#orderOf(stream).remove(stream)
    this.size--
    const head = this.#buckets.get(stream.hash)
    if (head === stream) {
      if (stream.chained) this.#buckets.set(stream.hash, stream.chained)
      else this.#buckets.delete(stream.hash)
      return
    }
    let before = head
    while (before !== undefined && before.chained !== stream) before = before.chained
    if (before) before.chained = stream.chained
  }
}

/** A doubly linked list through the streams, in order of use. */
class Order {
  oldest: Stream | undefined = undefined
  newest: Stream | undefined = undefined
  size = 0

  append(stream: Stream): void {
    stream.older = this.newest
    stream.newer = undefined
    if (this.newest) this.newest.newer = stream
    else this.oldest = stream
    this.newest = stream
    this.size++
  }

  remove(stream: Stream): void {
    if (stream.older) stream.older.newer = stream.newer
    else this.oldest = stream.newer
    if (stream.newer) stream.newer.older = stream.older
    else this.newest = stream.older
    stream.older = undefined
    stream.newer = undefined
    this.size--
  }

  touch(stream: Stream): void {
    if (this.newest === stream) return
    this.remove(stream)
    this.append(stream)
  }
}

const PROTOCOL_SALT: Readonly<Record<Protocol, number>> = {
  netflow1: 1,
  netflow5: 5,
  netflow7: 7,
  netflow9: 9,
  ipfix: 10,
}

/** 31 bits: a larger number would be allocated for each look-up. */
function hashOf(seed: number, protocol: Protocol, domain: number, from: Source): number {
  let h = Math.imul(seed ^ PROTOCOL_SALT[protocol] ^ from.source3, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15) ^ domain, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 13) ^ from.source0, 0x2c1b3c6d)
  h = Math.imul(h ^ (h >>> 16) ^ from.source1, 0x297a2d39)
  h = Math.imul(h ^ (h >>> 15) ^ from.source2, 0x27d4eb2f)
  h = Math.imul(h ^ (h >>> 13) ^ seed, 0x165667b1)
  return (h ^ (h >>> 16)) & 0x7fffffff
}
