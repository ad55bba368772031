// Identifiers, addresses and counts from 2^31 on: inside they are signed words, and nothing of that may be seen outside.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { basic, BASIC, create } from '../../test/fixtures/netflow-ingest.ts'
import { datagram, ipfix, netflow9, set, template, testSink } from '../../test/fixtures/netflow-messages.ts'
import { flowSample, hex, sampledHeader, sflowDatagram, TCP_FRAME } from '../../test/fixtures/xdr.ts'
import { createSflowIngest } from './sflow.ts'

const LARGE = [0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]

describe('numbers from 2^31 on', () => {
  for (const [name, message, templateSet] of [
    ['NetFlow v9', netflow9, 0],
    ['IPFIX', ipfix, 2],
  ] as const) {
    test(`tell the observation domains of ${name} apart, over a restart too`, () => {
      const ingest = create()
      const sink = testSink()
      const from = { address: '203.0.113.254' }
      for (const domain of LARGE) {
        const sets = [set(templateSet, template(256, BASIC)), set(256, basic('10.0.0.1', 5))]
        ingest.datagram(datagram(message({ domain, sequence: 0xfffffffe }, ...sets), from), sink)
      }
      assert.deepEqual(
        sink.rows().map((row) => [row['exporter'], row['observation']]),
        LARGE.map((domain) => ['203.0.113.254', domain]),
      )
      const again = create()
      assert.deepEqual(again.restore(ingest.save()), { restored: 4, refused: 0 })
      const later = testSink()
      for (const domain of LARGE)
        again.datagram(datagram(message({ domain, sequence: 0 }, set(256, basic('10.0.0.2', 6))), from), later)
      assert.deepEqual(later.problems, [])
      assert.deepEqual(
        later.rows().map((row) => row['observation']),
        LARGE,
      )
      assert.deepEqual(
        again
          .streams(10)
          .map((stream) => stream.observation)
          .sort((a, b) => a - b),
        LARGE,
      )
    })

    test(`count what is missing of ${name} over the end of the sequence numbers`, () => {
      const ingest = create()
      const sink = testSink()
      const data = set(256, basic('10.0.0.1', 5))
      ingest.datagram(datagram(message({ sequence: 0x7ffffffd }, set(templateSet, template(256, BASIC)), data)), sink)
      for (const sequence of [0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000003])
        ingest.datagram(datagram(message({ sequence }, data)), sink)
      assert.deepEqual([ingest.streams(1)[0]?.lost, ingest.streams(1)[0]?.restarts], [2, 0])
      for (const sequence of [0xffffffff, 0, 1, 4]) ingest.datagram(datagram(message({ sequence }, data)), sink)
      const after = ingest.streams(1)[0]
      // The leap to the end of the numbers was far enough to be taken for a stray; what follows it shows that it was a new start.
      assert.deepEqual([after?.lost, after?.restarts], [4, 1])
    })
  }

  test('tell the sub-agents of sFlow apart, their addresses and ports', () => {
    const ingest = createSflowIngest({ seed: 7 }, { clock: { now: () => 0 } })
    const sink = testSink()
    for (const subAgent of LARGE) {
      const sample = flowSample([sampledHeader(TCP_FRAME, 0xfffffff0)], 3, 0xffffffff)
      for (const sequence of [0xfffffffe, 0xffffffff, 0, 3])
        ingest.datagram(
          datagram(
            sflowDatagram([sample], { agent: hex('c0a8fffe'), subAgent, sequence, uptime: 0xf0000000 + sequence }),
          ),
          sink,
        )
    }
    assert.deepEqual(
      sink
        .rows()
        .filter((_, i) => i % 4 === 0)
        .map((row) => [row['exporter'], row['observation'], row['bytes'], row['out_if']]),
      LARGE.map((subAgent) => ['192.168.255.254', subAgent, 0xfffffff0, 0xffffffff]),
    )
    assert.deepEqual(
      ingest
        .streams(10)
        .map(({ exporter, observation, lost, restarts }) => [exporter, observation, lost, restarts])
        .sort((a, b) => (a[1] as number) - (b[1] as number)),
      LARGE.map((subAgent) => ['192.168.255.254', subAgent, 2, 0]),
    )
  })
})
