import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCorpus } from './fuzz/corpus.ts'
import { truncations } from './fuzz/truncate.ts'
import { fuzzWatched } from './fuzz/watched.ts'

// A short run with a fixed seed; `npm run fuzz` is the long one.

test('60,000 mutated inputs make nothing throw, hang or grow, and no row depends on bytes beyond its datagram', async (t) => {
  const { failures, slowest, grown, executions, seconds, inputs } = await fuzzWatched({
    seed: 20_261_122,
    iterations: 60_000,
    seconds: 0,
  })
  assert.deepEqual(failures, [])
  assert.equal(executions, 60_000)
  assert.ok(grown < 32 * 2 ** 20, `grew by ${grown} bytes`)
  t.diagnostic(
    `${Math.round(executions / seconds)} executions/s from ${inputs} inputs, the slowest ${slowest.ms.toFixed(1)} ms (${slowest.target})`,
  )
})

test('inputs of our own, cut at every byte, makes nothing throw, and no row depends on bytes beyond the cut', async (t) => {
  const { netflow, sflow, packets, files } = await createCorpus()
  // Each fifth datagram: `npm run test:corpus` cuts them all.
  const some = (list: Uint8Array[]): Uint8Array[] => list.filter((_, i) => i % 5 === 0)
  const { inputs, runs } = truncations({ netflow: some(netflow), sflow: some(sflow), packets, files })
  t.diagnostic(`${inputs} inputs, ${runs} truncations`)
})
