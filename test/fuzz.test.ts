import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzWatched } from './fuzz/watched.ts'

// A short run with a fixed seed; `npm run fuzz` is the long one.

test('200,000 mutated inputs make nothing throw, hang or grow, and no row depends on bytes beyond its datagram', async (t) => {
  const { failures, slowest, grown, executions, seconds, inputs } = await fuzzWatched({
    seed: 20_261_122,
    iterations: 200_000,
    seconds: 0,
  })
  assert.deepEqual(failures, [])
  assert.equal(executions, 200_000)
  assert.ok(grown < 32 * 2 ** 20, `grew by ${grown} bytes`)
  t.diagnostic(
    `${Math.round(executions / seconds)} executions/s from ${inputs} inputs, the slowest ${slowest.ms.toFixed(1)} ms (${slowest.target})`,
  )
})
