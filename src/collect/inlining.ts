import { setFlagsFromString } from 'node:v8'

/**
 * Lets the optimizing compiler inline further than it does by itself: a decoder is many small functions, one a header or structure, and
 * by default they stay calls. Measured on sFlow with raw headers: 160 → 120 ns a sample. For the whole process; to be called
 * before decoding starts, in the thread that decodes.
 */
export function inlineDecoders(): void {
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=4000')
}
