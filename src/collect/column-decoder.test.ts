import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Netflow5Encoder } from '../wire/netflow5/encode.ts'
import { SflowEncoder } from '../wire/sflow/encode.ts'
import { rowAsJson } from '../flow/row-json.ts'
import { parseIp } from '../base/address.ts'
import { createColumnDecoder } from './column-decoder.ts'
import { createNetflowIngest } from './netflow.ts'
import { createSflowIngest } from './sflow.ts'

const clock = { now: () => 0 }
const address = Uint8Array.of(192, 0, 2, 1)
const flow = {
  srcAddr: address,
  dstAddr: address,
  nextHop: address,
  input: 1,
  output: 2,
  first: 0,
  last: 0,
  packets: 1,
  srcPort: 1,
  dstPort: 2,
  tcpFlags: 0,
  protocol: 6,
  tos: 0,
  srcAs: 0,
  dstAs: 0,
  srcMask: 0,
  dstMask: 0,
}

test('rows come in batches, none twice and none left behind', () => {
  const sizes: number[] = []
  const octets: number[] = []
  const decoder = createColumnDecoder(
    createNetflowIngest({}, { clock }),
    {
      batch(flows) {
        sizes.push(flows.n)
        for (let row = 0; row < flows.n; row++) octets.push(flows.bytes[2 * row] as number)
      },
      problem: (code) => assert.fail(code),
    },
    64,
  )
  const exporter = new Netflow5Encoder({ engineType: 0, engineId: 0, samplingInterval: 0 }, (datagram) => {
    assert.equal(decoder.decode(datagram.slice(), '192.0.2.9', 2055, 1_000), datagram.length === 24 + 48 * 10 ? 10 : 30)
  })
  const sent = Array.from({ length: 100 }, (_, i) => i + 1)
  for (const n of sent) exporter.add({ ...flow, octets: n })
  exporter.flush()
  decoder.flush()
  decoder.flush()
  assert.deepEqual(octets, sent)
  assert.ok(sizes.every((n) => n <= 64))
})

test('a row holds who sent it and when it came, whichever buffer the bytes lie in', () => {
  const rows: unknown[] = []
  const decoder = createColumnDecoder(createNetflowIngest({}, { clock }), {
    batch(flows) {
      for (let row = 0; row < flows.n; row++) {
        const { exporter, time_received: at } = rowAsJson(flows, row)
        rows.push([exporter, at])
      }
    },
  })
  const exporter = new Netflow5Encoder({ engineType: 0, engineId: 0, samplingInterval: 0 }, (datagram) => {
    const large = new Uint8Array(4_096).fill(0xff)
    large.set(datagram, 100)
    decoder.decode(large.subarray(100, 100 + datagram.length), '192.0.2.9', 2055, 1_000)
    decoder.decode(datagram, '2001:db8::9', 2055, 2_000)
  })
  exporter.add({ ...flow, octets: 1 })
  exporter.flush()
  decoder.flush()
  assert.deepEqual(rows, [
    ['192.0.2.9', '1970-01-01T00:00:01.000Z'],
    ['2001:db8::9', '1970-01-01T00:00:02.000Z'],
  ])
})

test('counters and problems are told as they come', () => {
  const counters: [string, number][] = []
  const problems: [string, number][] = []
  const decoder = createColumnDecoder(createSflowIngest({}, { clock }), {
    batch: () => assert.fail('there is no flow'),
    metrics(metrics) {
      for (let i = 0; i < metrics.n; i++) counters.push([metrics.metric[i] as string, metrics.value[i] as number])
    },
    problem: (code, offset) => problems.push([code, offset]),
  })
  const agent = new SflowEncoder({ agent: parseIp('192.0.2.9') as Uint8Array, subAgent: 0 }, (datagram) => {
    decoder.decode(datagram, '192.0.2.9')
    decoder.decode(datagram.subarray(0, 6), '192.0.2.9')
  })
  agent.beginCountersSample(1, 2, 1)
  agent.hostNetIo({
    bytesIn: 1,
    packetsIn: 2,
    errorsIn: 3,
    dropsIn: 4,
    bytesOut: 5,
    packetsOut: 6,
    errorsOut: 7,
    dropsOut: 8,
  })
  agent.endSample()
  agent.flush()
  decoder.flush()
  assert.equal(counters.length, 8)
  assert.deepEqual(
    counters.map(([, value]) => value),
    [1, 2, 3, 4, 5, 6, 7, 8],
  )
  assert.equal(problems.length, 1)
  assert.equal(problems[0]?.[0], 'truncated')
})
