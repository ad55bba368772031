// Open-addressing tables from MAC and IP addresses to small ids, read for every flow row: no allocation, no strings.

const EMPTY = 0
/** A key that was forgotten: its slot stays taken until the table grows, for the keys behind it. */
const FORGOTTEN = 0xffffffff

/** Keys of one to four u32 words to ids from 0; grows by itself, never shrinks. */
export class KeyTable {
  readonly #words: number
  #keys: Uint32Array
  /** id + 1, so that zeroed memory means empty. */
  #ids: Uint32Array
  #mask: number
  size = 0

  /** @param words u32 words in a key: 2 for a MAC address, 4 for an IP address. */
  constructor(words: number, capacity = 64) {
    this.#words = words
    const slots = powerOfTwo(capacity * 2)
    this.#keys = new Uint32Array(slots * words)
    this.#ids = new Uint32Array(slots)
    this.#mask = slots - 1
  }

  /** The id of the key whose words stand at `at`, or -1. */
  find(source: Uint32Array, at: number): number {
    const slot = this.#slot(source, at)
    const id = this.#ids[slot] as number
    return id === FORGOTTEN ? -1 : id - 1
  }

  /** Sets the id of a key, in place of the one it had. */
  set(source: Uint32Array, at: number, id: number): void {
    let slot = this.#slot(source, at)
    if (this.#ids[slot] === EMPTY) {
      if ((this.size + 1) * 2 > this.#mask + 1) {
        this.#grow()
        slot = this.#slot(source, at)
      }
      this.size++
      for (let i = 0; i < this.#words; i++) this.#keys[slot * this.#words + i] = source[at + i] as number
    }
    this.#ids[slot] = id + 1
  }

  /** The key has no id any more; nothing happens if it had none. */
  forget(source: Uint32Array, at: number): void {
    const slot = this.#slot(source, at)
    if (this.#ids[slot] !== EMPTY) this.#ids[slot] = FORGOTTEN
  }

  /** The slot of a key, or the empty one where it would go; at most half of the slots are ever used, so the walk ends. */
  #slot(source: Uint32Array, at: number): number {
    const words = this.#words
    const keys = this.#keys
    let hash = 0x9e3779b9
    for (let i = 0; i < words; i++) {
      hash = Math.imul(hash ^ (source[at + i] as number), 0x85ebca6b)
      hash ^= hash >>> 13
    }
    // Addresses differ in their last byte, which is the top one of a raw word: only this brings it down to the mask.
    hash ^= hash >>> 16
    hash = Math.imul(hash, 0xc2b2ae35)
    hash ^= hash >>> 16
    let slot = hash & this.#mask
    while (this.#ids[slot] !== EMPTY) {
      let same = true
      for (let i = 0; i < words; i++) {
        if (keys[slot * words + i] !== source[at + i]) {
          same = false
          break
        }
      }
      if (same) return slot
      slot = (slot + 1) & this.#mask
    }
    return slot
  }

  #grow(): void {
    const keys = this.#keys
    const ids = this.#ids
    const words = this.#words
    const slots = (this.#mask + 1) * 2
    this.#keys = new Uint32Array(slots * words)
    this.#ids = new Uint32Array(slots)
    this.#mask = slots - 1
    for (let old = 0; old < ids.length; old++) {
      if (ids[old] === EMPTY) continue
      if (ids[old] === FORGOTTEN) {
        this.size--
        continue
      }
      const slot = this.#slot(keys, old * words)
      for (let i = 0; i < words; i++) this.#keys[slot * words + i] = keys[old * words + i] as number
      this.#ids[slot] = ids[old] as number
    }
  }
}

function powerOfTwo(least: number): number {
  let size = 16
  while (size < least) size *= 2
  return size
}
