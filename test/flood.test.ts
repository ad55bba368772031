import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createNetflowIngest } from '../src/collect/netflow.ts'
import type { Datagram, StreamStatus } from '../src/collect/ingest.ts'
import { datagramOver } from '../src/collect/receive.ts'
import { createReceiverCore } from '../src/collect/receiver-core.ts'
import type { FromReceiver, ReceiverStatus, ToReceiver } from '../src/collect/receiver-messages.ts'
import { createSflowIngest } from '../src/collect/sflow.ts'

// Floods that anybody can send, against the real ingests: memory stays bounded, what was wrong is counted, and an exporter
// that behaves is not disturbed.

const EXPORTERS = 50_000
const TEMPLATES = 100_000
const MEGABYTE = 2 ** 20

/** The receiver's core with the real ingests, and a clock moved by hand. Batches come back at once. */
function receiver() {
  let now = 1_800_000_000_000
  const clock = { now: () => now }
  const mail: ToReceiver[] = []
  const buffers = new Map<number, SharedArrayBuffer>()
  const seen = {
    rows: 0,
    streams: new Map<string, StreamStatus>(),
    status: undefined as ReceiverStatus | undefined,
    biggest: 0,
  }
  const post = (message: FromReceiver): void => {
    if (message.type === 'batch') {
      seen.rows += message.rows
      if (message.buffer) buffers.set(message.id, message.buffer)
      new Uint8Array(buffers.get(message.id) as SharedArrayBuffer).fill(0)
      mail.push({ type: 'batchDone', id: message.id })
    } else if (message.type === 'metrics') mail.push({ type: 'metricsDone' })
    else if (message.type === 'status') seen.status = message.status
    else if (message.type === 'streams') {
      seen.biggest = Math.max(seen.biggest, message.streams.length)
      for (const stream of message.streams)
        seen.streams.set(`${stream.exporter} ${stream.protocol} ${stream.observation}`, stream)
    }
  }
  const core = createReceiverCore(
    {
      listeners: [],
      receiver: 'auto',
      receiveBufferBytes: 0,
      reusePort: false,
      batchRows: 4_096,
      batches: 4,
      flushMs: 1_000,
      saveMs: 60_000,
      netflow: {},
      sflow: {},
    },
    {
      netflow: createNetflowIngest({}, { clock }),
      sflow: createSflowIngest({}, { clock }),
      clock,
      post,
      mail: () => mail.shift(),
      listeners: () => [],
    },
  )
  const bytes = new Uint8Array(65_536)
  const datagram: Datagram = { ...datagramOver(bytes.buffer), source2: 0xffff0000 }
  return {
    core,
    seen,
    send(content: Uint8Array, source: number): void {
      bytes.set(content)
      datagram.length = content.length
      datagram.receivedAt = now
      // Raw words of network-order bytes, as they stand in the socket address.
      datagram.source3 =
        (((source & 0xff) << 24) | ((source & 0xff00) << 8) | ((source >>> 8) & 0xff00) | (source >>> 24)) >>> 0
      datagram.sourcePort = 5_000
      core.datagram(datagram)
    },
    pass(ms: number): void {
      now += ms
      core.turn()
    },
    seconds: () => Math.floor(now / 1000),
  }
}

type Field = readonly [element: number, length: number]

function words(...values: readonly number[]): number[] {
  return values.flatMap((value) => [(value >>> 8) & 0xff, value & 0xff])
}
function longs(...values: readonly number[]): number[] {
  return values.flatMap((value) => [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff])
}

function set(id: number, content: readonly number[]): number[] {
  return [...words(id, content.length + 4), ...content]
}
function templateSet(id: number, fields: readonly Field[], setId = 0): number[] {
  return set(setId, [...words(id, fields.length), ...fields.flatMap((field) => words(...field))])
}
function netflow9(seconds: number, sequence: number, domain: number, sets: readonly number[], records = 1): Uint8Array {
  return Uint8Array.from([...words(9, records), ...longs(1_000_000, seconds, sequence, domain), ...sets])
}
function ipfix(seconds: number, sequence: number, domain: number, sets: readonly number[]): Uint8Array {
  return Uint8Array.from([...words(10, 16 + sets.length), ...longs(seconds, sequence, domain), ...sets])
}
function netflow5(seconds: number): Uint8Array {
  const bytes = new Uint8Array(24 + 48)
  bytes.set([...words(5, 1), ...longs(1_000_000, seconds)])
  bytes.set(longs(0x0a000001, 0x0a000002), 24)
  bytes.set(longs(1, 100, 999_000, 999_500), 24 + 16)
  return bytes
}
/** One sFlow datagram with a counter sample (generic interface) and no flow. */
function sflow(agent: number, sequence: number): Uint8Array {
  const counters = longs(1, 88, 7, 6, 0, 1_000_000_000, 1, 3, 0, 1000, 10, 0, 0, 0, 0, 0, 0, 2000, 20, 0, 0, 0, 0, 0)
  const sample = longs(2, 12 + counters.length, sequence, 7, 1)
  return Uint8Array.from([...longs(5, 1, agent, 0, sequence, 1_000_000, 1), ...sample, ...counters])
}

const HONEST = 0xc0000201
const HONEST_FIELDS: readonly Field[] = [
  [8, 4],
  [12, 4],
  [2, 4],
  [1, 4],
]

/** An exporter of NetFlow v9 that announces its template once and then sends one record a datagram. */
function honest(target: ReturnType<typeof receiver>) {
  let sequence = 0
  let sent = 0
  target.send(netflow9(target.seconds(), sequence++, 7, templateSet(300, HONEST_FIELDS)), HONEST)
  return {
    send(): void {
      sent++
      target.send(netflow9(target.seconds(), sequence++, 7, set(300, longs(0x0a000001, 0x0a000002, 1, 64))), HONEST)
    },
    /** All that it sent has become rows, in sequence and without a problem. */
    check(): void {
      const stream = target.seen.streams.get('192.0.2.1 netflow9 7')
      assert.ok(stream, 'it is still listed')
      assert.equal(stream.flows, sent)
      assert.equal(stream.lost, 0)
      assert.deepEqual(
        Object.values(stream.problems).filter((count) => count > 0),
        [],
      )
    },
  }
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function memory(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Runs a flood with the honest exporter in its midst, and answers by how many bytes memory has grown. */
function flood(target: ReturnType<typeof receiver>, times: number, hostile: (i: number) => void): number {
  const before = memory()
  const good = honest(target)
  // It has been heard for a while before the flood begins, as a real one would.
  for (let i = 0; i < 10; i++) {
    good.send()
    target.pass(1_000)
  }
  for (let i = 0; i < times; i++) {
    hostile(i)
    if (i % 100 === 0) good.send()
    if (i % 1_000 === 0) target.pass(100)
  }
  good.send()
  target.pass(1_000)
  const grown = memory() - before
  target.core.finish()
  good.check()
  return grown
}

test('50,000 exporters of every protocol are counted within bounds, and an honest one is not disturbed', () => {
  const target = receiver()
  const grown = flood(target, EXPORTERS, (i) => {
    const source = 0x0b000000 + i
    const seconds = target.seconds()
    target.send(netflow5(seconds), source)
    target.send(
      netflow9(seconds, 0, i, [...templateSet(256, HONEST_FIELDS), ...set(256, longs(1, 2, 3, 4))], 2),
      source,
    )
    target.send(ipfix(seconds, 0, i, [...templateSet(256, HONEST_FIELDS, 2), ...set(256, longs(1, 2, 3, 4))]), source)
    target.send(sflow(source, 1), source)
  })
  assert.ok(grown < 250 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  const { status } = target.seen
  assert.equal(status?.flowsDecoded, 3 * EXPORTERS + 512 - 1)
  assert.equal(status?.flowsDropped, 0)
  assert.equal(status?.decodeFailures, 0)
  assert.ok((status?.metricsDecoded ?? 0) > EXPORTERS)
  assert.ok(target.seen.biggest <= 20_000, 'the list for the Exporters page is bounded')
})

test('100,000 templates of one exporter are refused beyond a bound, and an honest one is not disturbed', () => {
  const target = receiver()
  const grown = flood(target, TEMPLATES, (i) => {
    const fields: Field[] = [
      [8, 4],
      [12, 4],
      [1 + (i % 80), 1 + (i % 7)],
      [2, 4],
      [1, 4],
    ]
    for (let extra = 0; extra < i % 16; extra++) fields.push([200 + extra, 4])
    const set = templateSet(256 + (i % 60_000), fields, i % 2 === 0 ? 2 : 0)
    const domain = Math.floor(i / 60_000)
    target.send(
      i % 2 === 0 ? ipfix(target.seconds(), 0, domain, set) : netflow9(target.seconds(), i, domain, set),
      0x0b000001,
    )
  })
  assert.ok(grown < 150 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  assert.ok((target.seen.status?.problems.template_limit ?? 0) > 0)
  assert.ok((target.seen.status?.templates ?? Infinity) < TEMPLATES)
})

test('100,000 templates spread over 50,000 exporters stay within bounds, and an honest one is not disturbed', () => {
  const target = receiver()
  const grown = flood(target, TEMPLATES, (i) => {
    const fields: Field[] = [
      [8, 4],
      [12, 4],
      [2, 4],
      [1, 4],
    ]
    for (let extra = 0; extra < 30 + (i % 30); extra++) fields.push([400 + ((i * 31 + extra * 17) % 10_000), 4])
    target.send(netflow9(target.seconds(), 0, 1, templateSet(256 + (i % 7), fields)), 0x0b000000 + (i >> 1))
  })
  assert.ok(grown < 300 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  assert.equal(target.seen.status?.decodeFailures, 0)
})

test('data without a template from 50,000 domains waits within bounds, and an honest exporter is not disturbed', () => {
  const target = receiver()
  const payload = Array.from({ length: 1_200 }, () => 1)
  const grown = flood(target, EXPORTERS, (i) =>
    target.send(ipfix(target.seconds(), 0, i, set(999, payload)), 0x0b000000 + (i % 100)),
  )
  assert.ok(grown < 200 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  assert.ok((target.seen.status?.pending ?? 0) > 0)
  assert.ok((target.seen.status?.problems.pending_dropped ?? 0) > 0)
})

test('random bytes, with and without a right version, are counted and nothing else', () => {
  const target = receiver()
  let state = 1
  const random = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 16
  const versions = [[0, 5], [0, 7], [0, 9], [0, 10], [0, 0, 0, 5], []]
  const grown = flood(target, 100_000, (i) => {
    const bytes = Uint8Array.from({ length: random() % 300 }, random)
    bytes.set((versions[i % versions.length] as number[]).slice(0, bytes.length))
    target.send(bytes, 0x0b000000 + (random() % 1_000))
  })
  assert.ok(grown < 200 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  assert.equal(target.seen.status?.decodeFailures, 0, target.seen.status?.lastDecodeFailure ?? '')
  assert.ok((target.seen.status?.rejected ?? 0) > 0)
})
