// The hash by which the flow cache finds a flow.

import { FIELDS } from './flow-key.ts'

export class FlowHash {
  private readonly mask: Uint32Array
  /** By what each field is multiplied. */
  private readonly by = new Int32Array(FIELDS)

  /** @param seed any number: flows of an attacker must not be able to meet in one place */
  constructor(mask: Uint32Array, seed: number) {
    this.mask = mask
    let state = seed | 1
    for (let w = 0; w < FIELDS; w++) {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9
      this.by[w] = (state ^ (state >>> 13)) | 1
    }
  }

  // Sums of what `mixed` makes of each word: they don't wait for each other. A product alone would not do: its lower bits don't
  // depend on the upper ones of the word, and there an address has its last byte.
  of(fields: Int32Array, from: number): number {
    const { mask, by } = this
    let hash = 0
    hash = (hash + mixed((fields[from + 0] as number) & (mask[0] as number), by[0] as number)) | 0
    hash = (hash + mixed((fields[from + 1] as number) & (mask[1] as number), by[1] as number)) | 0
    hash = (hash + mixed((fields[from + 2] as number) & (mask[2] as number), by[2] as number)) | 0
    hash = (hash + mixed((fields[from + 3] as number) & (mask[3] as number), by[3] as number)) | 0
    hash = (hash + mixed((fields[from + 4] as number) & (mask[4] as number), by[4] as number)) | 0
    hash = (hash + mixed((fields[from + 5] as number) & (mask[5] as number), by[5] as number)) | 0
    hash = (hash + mixed((fields[from + 6] as number) & (mask[6] as number), by[6] as number)) | 0
    hash = (hash + mixed((fields[from + 7] as number) & (mask[7] as number), by[7] as number)) | 0
    hash = (hash + mixed((fields[from + 8] as number) & (mask[8] as number), by[8] as number)) | 0
    hash = (hash + mixed((fields[from + 9] as number) & (mask[9] as number), by[9] as number)) | 0
    hash = (hash + mixed((fields[from + 10] as number) & (mask[10] as number), by[10] as number)) | 0
    hash = (hash + mixed((fields[from + 11] as number) & (mask[11] as number), by[11] as number)) | 0
    hash = (hash + mixed((fields[from + 12] as number) & (mask[12] as number), by[12] as number)) | 0
    hash = (hash + mixed((fields[from + 13] as number) & (mask[13] as number), by[13] as number)) | 0
    hash = (hash + mixed((fields[from + 14] as number) & (mask[14] as number), by[14] as number)) | 0
    hash = (hash + mixed((fields[from + 15] as number) & (mask[15] as number), by[15] as number)) | 0
    hash = (hash + mixed((fields[from + 16] as number) & (mask[16] as number), by[16] as number)) | 0
    return finished(hash)
  }

  /** Of a plain flow: the other words are the same in all of them. */
  ofPlain(fields: Int32Array, from: number): number {
    const { mask, by } = this
    let hash = 0
    hash = (hash + mixed((fields[from + 3] as number) & (mask[3] as number), by[3] as number)) | 0
    hash = (hash + mixed((fields[from + 7] as number) & (mask[7] as number), by[7] as number)) | 0
    hash = (hash + mixed((fields[from + 8] as number) & (mask[8] as number), by[8] as number)) | 0
    hash = (hash + mixed((fields[from + 9] as number) & (mask[9] as number), by[9] as number)) | 0
    hash = (hash + mixed((fields[from + 10] as number) & (mask[10] as number), by[10] as number)) | 0
    hash = (hash + mixed((fields[from + 11] as number) & (mask[11] as number), by[11] as number)) | 0
    return finished(hash)
  }
}

/** A word of a key by an odd number that nobody outside knows, so that all of its bits reach all parts of the result. */
function mixed(word: number, by: number): number {
  const product = Math.imul(word, by)
  return Math.imul(product ^ (product >>> 18), by)
}

function finished(sum: number): number {
  let hash = sum ^ (sum >>> 16)
  hash = Math.imul(hash, 0x85ebca6b)
  return hash ^ (hash >>> 13)
}
