import { findPlaces, Places } from './places.ts'
import type { Random } from './random.ts'

/** Longest input made: more than a usual datagram, so that records come in number. */
export const MOST_BYTES = 4_096

/** Values at which counting and comparing go wrong. */
const EDGES = [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 127, 128, 254, 255, 256, 257, 1023, 4095, 32767, 32768, 65534, 65535]
const WIDE_EDGES = [0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff, 0x10000, 0xffff, 0x00ff_ffff, 0xc000_0000]
/** Set ids, elements, lengths of fields and structures that mean something. */
const IDS = [
  0, 1, 2, 3, 4, 256, 257, 300, 8, 12, 27, 28, 10, 14, 21, 22, 34, 48, 50, 61, 70, 82, 104, 152, 154, 156, 160, 210,
  225, 243, 245, 291, 292, 293, 302, 305, 306, 309, 310, 311, 313, 315, 351, 1001, 1002, 1003, 1005, 1006, 1012, 1023,
  1029, 2000, 2001, 2002, 2100, 2209, 32769, 65535,
]
/** First bytes and protocol numbers of packets. */
const OCTETS = [
  0, 1, 4, 6, 8, 17, 41, 43, 44, 47, 50, 51, 58, 60, 0x45, 0x46, 0x4f, 0x60, 0x81, 0x88, 97, 132, 137, 0xff,
]

/** Makes inputs out of others. One object and one buffer for all of them. */
export class Mutator {
  readonly bytes = new Uint8Array(MOST_BYTES)
  readonly #view = new DataView(this.bytes.buffer)
  readonly #places = new Places()
  readonly #random: Random
  length = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** Mutates one of the inputs into `bytes`; answers how long it is. */
  mutate(inputs: readonly Uint8Array[]): number {
    const random = this.#random
    const source = inputs[random.below(inputs.length)] as Uint8Array
    this.length = Math.min(source.length, MOST_BYTES)
    this.bytes.set(source.subarray(0, this.length))
    // Now and then an input goes through as it is: templates have to be learnt for data to be read.
    if (random.once(8)) return this.length
    for (let n = 1 + random.below(4); n > 0; n--) this.#step(inputs)
    return this.length
  }

  #step(inputs: readonly Uint8Array[]): void {
    const random = this.#random
    switch (random.below(12)) {
      case 0:
        if (this.length > 0) this.bytes[random.below(this.length)] = random.word()
        return
      case 1:
        if (this.length > 0) {
          const at = random.below(this.length)
          this.bytes[at] = (this.bytes[at] as number) ^ (1 << random.below(8))
        }
        return
      case 2:
        this.length = random.below(this.length + 1)
        return
      case 3:
        return this.#extend()
      case 4:
        return this.#splice(inputs[random.below(inputs.length)] as Uint8Array)
      case 5:
        return this.#remove()
      case 6:
        return this.#repeat()
      case 7:
        if (this.length > 0) this.bytes[random.below(this.length)] = OCTETS[random.below(OCTETS.length)] as number
        return
      case 8:
        return this.#number(2 * random.below((this.length >>> 1) + 1), random.once(2) ? 2 : 4)
      default: {
        // Most of all the numbers that the format is made of.
        findPlaces(this.#view, this.length, this.#places)
        const { count, at, size } = this.#places
        if (count === 0) return this.#number(random.below(Math.min(this.length, 64) + 1), 2)
        const i = random.below(count)
        this.#number(at[i] as number, size[i] as number)
      }
    }
  }

  /** Puts another number where one stands: an edge, a known id, a length that fits exactly or misses by one. */
  #number(at: number, size: number): void {
    if (at + size > this.length) return
    const random = this.#random
    const old = size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at)
    const rest = this.length - at - size
    let value: number
    switch (random.below(7)) {
      case 0:
        value = EDGES[random.below(EDGES.length)] as number
        break
      case 1:
        value = size === 4 ? (WIDE_EDGES[random.below(WIDE_EDGES.length)] as number) : random.word()
        break
      case 2:
        value = IDS[random.below(IDS.length)] as number
        break
      case 3:
        value = rest + random.below(9) - 4
        break
      case 4:
        value = old ^ (1 << random.below(8 * size))
        break
      default:
        value = old + random.below(9) - 4
    }
    if (size === 2) this.#view.setUint16(at, value)
    else this.#view.setUint32(at, value)
  }

  #extend(): void {
    const random = this.#random
    const more = Math.min(MOST_BYTES - this.length, random.below(64))
    const filler = random.once(2) ? 0 : random.word()
    for (let k = 0; k < more; k++) this.bytes[this.length + k] = filler === 0 ? 0 : random.word()
    this.length += more
  }

  #splice(other: Uint8Array): void {
    const random = this.#random
    const keep = random.below(this.length + 1)
    const from = random.below(other.length + 1)
    const tail = other.subarray(from, from + MOST_BYTES - keep)
    this.bytes.set(tail, keep)
    this.length = keep + tail.length
  }

  #remove(): void {
    const random = this.#random
    const at = random.below(this.length + 1)
    const bytes = Math.min(this.length - at, 1 + random.below(32))
    this.bytes.copyWithin(at, at + bytes, this.length)
    this.length -= bytes
  }

  #repeat(): void {
    const random = this.#random
    const at = random.below(this.length + 1)
    const bytes = Math.min(this.length - at, 1 + random.below(200), MOST_BYTES - this.length)
    this.bytes.copyWithin(at + bytes, at, this.length)
    this.length += bytes
  }
}
