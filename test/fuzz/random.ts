/** Random numbers from a seed, the same on every machine: 32-bit xorshift over a mixed seed. */
export class Random {
  #state: number

  constructor(seed: number) {
    // Murmur's finish: seeds that are near each other start far apart.
    let h = Math.imul((seed | 0) ^ 0x9e3779b9, 0x85ebca6b)
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
    this.#state = (h ^ (h >>> 16)) | 0 || 1
  }

  /** Any u32. */
  word(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }

  /** From 0 to below `n`. */
  below(n: number): number {
    return this.word() % n
  }

  /** True once in `n`. */
  once(n: number): boolean {
    return this.word() % n === 0
  }
}
