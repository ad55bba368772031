import type { Corpus } from './corpus.ts'
import { MOST_BYTES } from './mutate.ts'
import { createTargets, type Target } from './targets.ts'

/** Identical headers of long packets are told apart no further than this: what lies behind is payload. */
const MOST_OF_A_PACKET = 256

/** Gives every target of an input the input cut at every byte. Throws what a target throws, with the input. */
export function truncations(corpus: Corpus): { inputs: number; runs: number } {
  // An ingest with its twin does what the ingest does alone; a connection cuts its messages itself, at every run somewhere else.
  const targets = createTargets().filter(({ name }) => !name.endsWith(' ingest') && name !== 'tcp streams')
  const inputs: readonly (readonly [Target['of'], Uint8Array])[] = [
    ...corpus.netflow.map((bytes) => ['netflow', bytes] as const),
    ...corpus.sflow.map((bytes) => ['sflow', bytes] as const),
    ...corpus.packets.map(({ bytes }) => ['packets', bytes.subarray(0, MOST_OF_A_PACKET)] as const),
  ]
  let runs = 0
  for (const [of, input] of inputs) {
    const bytes = input.subarray(0, MOST_BYTES)
    for (const target of targets) {
      if (target.of !== of) continue
      for (let length = 0; length <= bytes.length; length++) {
        runs++
        try {
          target.run(bytes, length, 0)
        } catch (error) {
          throw new Error(`${target.name}: ${Buffer.from(bytes.subarray(0, length)).toString('hex')}`, { cause: error })
        }
      }
    }
  }
  return { inputs: inputs.length, runs }
}
