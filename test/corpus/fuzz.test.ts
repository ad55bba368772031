import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { createCorpus } from '../fuzz/corpus.ts'
import { fuzzWatched } from '../fuzz/watched.ts'
import { truncations } from '../fuzz/truncate.ts'

const CAPTURES = process.env['VNETSCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../../shared/captures')

describe('captures', () => {
  it('cut at any byte make no reader, ingest or dissector throw', async (t) => {
    const corpus = await createCorpus(CAPTURES, 10)
    const { inputs, runs } = truncations(corpus)
    assert.ok(inputs > 1_000)
    t.diagnostic(`${inputs} inputs, ${runs} truncations`)
  })

  it('mutated make nothing throw, hang or grow', async (t) => {
    const { failures, executions, grown, seconds } = await fuzzWatched({
      seed: 7,
      iterations: 200_000,
      seconds: 0,
      captures: CAPTURES,
    })
    assert.deepEqual(failures, [])
    assert.ok(grown < 48 * 2 ** 20, `grew by ${grown} bytes`)
    t.diagnostic(`${executions} executions, ${Math.round(executions / seconds)}/s`)
  })
})
