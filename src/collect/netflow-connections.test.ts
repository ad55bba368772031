import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { BASIC, basic, NOW } from '../../test/fixtures/netflow-ingest.ts'
import { datagram, ipfix, set, template, testSink } from '../../test/fixtures/netflow-messages.ts'
import { ConnectionIngests } from './netflow-connections.ts'

const FLOW = [set(2, template(256, BASIC)), set(256, basic('192.0.2.1', 100))]
const create = (): ConnectionIngests => new ConnectionIngests({}, { clock: { now: () => NOW } })

describe('the ingests of connections', () => {
  test('are shown as one stream an exporter, those that have ended included', () => {
    const all = create()
    const sink = testSink()
    for (let n = 0; n < 3; n++) {
      const one = all.connected()
      all.select(one)
      all.datagram(datagram(ipfix({}, ...FLOW), { port: 1000 + n, at: NOW + n }), sink)
      if (n < 2) all.disconnected(one, sink)
    }
    const streams = all.streams(10)
    assert.equal(streams.length, 1)
    const [stream] = streams
    assert.deepEqual(
      [stream?.datagrams, stream?.flows, stream?.sourcePort, stream?.templates.length, stream?.firstHeard],
      [3, 3, 1002, 1, NOW],
    )
    assert.deepEqual([all.counts().streams, all.counts().templates], [1, 1])
    assert.equal(sink.rows().length, 3)
  })

  test('leave a bounded memory of those that have ended', () => {
    const all = create()
    const sink = testSink()
    for (let n = 0; n < 3000; n++) {
      const one = all.connected()
      all.select(one)
      all.datagram(datagram(ipfix({ domain: n }, ...FLOW)), sink)
      all.disconnected(one, sink)
      // Told twice, it counts once.
      all.disconnected(one, sink)
    }
    assert.deepEqual([all.streams(10_000).length, all.counts().streams, all.counts().templates], [1000, 0, 0])
  })

  test('keep a template however long the connection lasts', () => {
    const all = create()
    const sink = testSink()
    all.select(all.connected())
    all.datagram(datagram(ipfix({}, FLOW[0] as number[])), sink)
    for (let day = 1; day < 100; day++) all.tick(NOW + day * 86_400_000, sink)
    all.datagram(datagram(ipfix({}, FLOW[1] as number[]), { at: NOW + 100 * 86_400_000 }), sink)
    assert.equal(sink.rows().length, 1)
  })

  test('give nothing that outlives them', () => {
    const all = create()
    all.select(all.connected())
    all.datagram(datagram(ipfix({}, ...FLOW)), testSink())
    assert.deepEqual((all.save() as { streams: unknown[] }).streams, [])
    assert.deepEqual(all.restore(), { restored: 0, refused: 0 })
  })
})
