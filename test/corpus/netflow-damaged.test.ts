// Every NetFlow and IPFIX datagram of the corpus cut at every byte and with bytes flipped at random: nothing throws, nothing is
// read beyond the end, rows stay within what was sent, and memory does not grow.

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { createNetflowIngest } from '../../src/collect/netflow.ts'
import { createNetflowReader } from '../../src/collect/netflow-reader.ts'
import { datagram, testSink } from '../fixtures/netflow-messages.ts'

const CAPTURES = process.env['VNETSCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../../shared/captures')

const payloads = readFileSync(join(CAPTURES, 'INDEX.tsv'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split('\t'))
  .filter(([path, , , , , , kind]) => /^(netflow\d|ipfix)\//.test(path ?? '') && kind?.startsWith('payload'))
  .map(([path]) => new Uint8Array(readFileSync(join(CAPTURES, path as string))))

test('captures cut at every byte', (t) => {
  const ingest = createNetflowIngest({}, { clock: { now: () => 0 } })
  const sink = testSink(65_536)
  let datagrams = 0
  for (const payload of payloads) {
    for (let length = 0; length <= payload.length; length++) {
      sink.flows.n = 0
      sink.problems.length = 0
      // The rest lies behind the cut, as in a receive buffer that was used before.
      const rows = ingest.datagram({ ...datagram(payload), length }, sink)
      assert.equal(rows, sink.flows.n)
      // Sets that had waited for a template are decoded with it.
      assert.ok(rows <= 2 * (length + (256 << 10)))
      datagrams++
    }
  }
  ingest.tick(1e15, sink)
  assert.equal(ingest.counts().pending, 0)
  t.diagnostic(`${datagrams} datagrams`)
})

test('captures with flipped bytes, in columns and as objects', () => {
  const ingest = createNetflowIngest({ maxTemplates: 5000 }, { clock: { now: () => 0 } })
  const reader = createNetflowReader()
  const sink = testSink(65_536)
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(fc.constantFrom(...payloads), flips, (payload, changes) => {
      const bytes = payload.slice()
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      sink.flows.n = 0
      sink.problems.length = 0
      ingest.datagram(datagram(bytes), sink)
      JSON.stringify(reader.read(bytes, '192.0.2.1'))
    }),
    { numRuns: 20_000 },
  )
  assert.ok(ingest.counts().templates <= 5000)
  const state: unknown = JSON.parse(JSON.stringify(ingest.save()))
  assert.equal(createNetflowIngest({}, { clock: { now: () => 0 } }).restore(state).refused, 0)
})
