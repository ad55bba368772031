import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ingest, IngestSink, StreamStatus } from './ingest.ts'
import { datagramOver } from './receive.ts'
import { createReceiverCore } from './receiver-core.ts'
import type { FromReceiver, ReceiverConfig, ToReceiver } from './receiver-messages.ts'

const CONFIG: ReceiverConfig = {
  listeners: [],
  receiver: 'auto',
  receiveBufferBytes: 0,
  reusePort: false,
  batchRows: 100,
  batches: 3,
  flushMs: 1_000,
  saveMs: 10_000,
  netflow: {},
  sflow: {},
}

/** The core around an ingest that does what the test says with each datagram. */
function core(decode: (sink: IngestSink) => number, streams: () => StreamStatus[] = () => []) {
  const posted: FromReceiver[] = []
  const mail: ToReceiver[] = []
  const state = { now: 1_000_000, templates: 0 }
  const ingest: Ingest = {
    datagram: (_datagram, sink) => decode(sink),
    tick: () => {},
    streams,
    counts: () => ({ streams: 0, evicted: 0, templates: state.templates, pending: 0, revision: state.templates }),
    save: () => ({ templates: state.templates }),
    restore: () => ({ restored: 0, refused: 0 }),
  }
  const it = createReceiverCore(CONFIG, {
    netflow: ingest,
    sflow: ingest,
    clock: { now: () => state.now },
    post: (message) => posted.push(structuredClone(message)),
    mail: () => mail.shift(),
    listeners: () => [],
  })
  const bytes = new Uint8Array(64)
  bytes.set([0, 9])
  const datagram = { ...datagramOver(bytes.buffer), length: 64 }
  const of = <T extends FromReceiver['type']>(type: T) =>
    posted.filter((message): message is Extract<FromReceiver, { type: T }> => message.type === type)
  return {
    it,
    mail,
    state,
    send: () => it.datagram(datagram),
    pass: (ms: number): void => {
      state.now += ms
      it.turn()
    },
    of,
    last: <T extends FromReceiver['type']>(type: T): Extract<FromReceiver, { type: T }> => {
      const found = of(type).at(-1)
      assert.ok(found, `a message ${type}`)
      return found
    },
  }
}

function rows(sink: IngestSink, n: number): number {
  if (!sink.room(n)) return 0
  sink.flows.n += n
  return n
}

test('a batch is handed on when it is full, its buffer only the first time', () => {
  const { send, of, mail, it } = core((sink) => rows(sink, 60))
  for (let i = 0; i < 4; i++) send()
  assert.deepEqual(
    of('batch').map(({ id, rows }) => ({ id, rows })),
    [
      { id: 0, rows: 60 },
      { id: 1, rows: 60 },
    ],
  )
  mail.push({ type: 'batchDone', id: 0 })
  for (let i = 0; i < 3; i++) send()
  assert.deepEqual(
    of('batch').map(({ id, buffer }) => `${id} ${buffer ? 'with' : 'without'}`),
    ['0 with', '1 with', '2 with'],
  )
  mail.push({ type: 'batchDone', id: 1 })
  it.finish()
  assert.deepEqual(of('batch').at(-1)?.id, 0)
  assert.equal(of('batch').at(-1)?.buffer, undefined)
})

test('a batch is handed on a second after its first row, and an empty one never', () => {
  const { send, of, pass } = core((sink) => rows(sink, 1))
  for (let i = 0; i < 50; i++) pass(100)
  assert.equal(of('batch').length, 0)
  send()
  pass(100)
  pass(900)
  assert.equal(of('batch').length, 0)
  pass(100)
  assert.equal(of('batch').length, 1)
})

test('without a free batch rows are dropped and counted, and taken again when one comes back', () => {
  const { send, mail, pass, last } = core((sink) => rows(sink, 100))
  for (let i = 0; i < 10; i++) send()
  pass(1_000)
  assert.equal(last('status').status.flowsDecoded, 1_000)
  assert.equal(last('status').status.flowsDropped, 700)
  mail.push({ type: 'batchDone', id: 0 })
  send()
  pass(1_000)
  assert.equal(last('status').status.flowsDropped, 700)
})

test('more rows than a batch holds are dropped and counted, not looped over', () => {
  const { send, pass, last } = core((sink) => rows(sink, 101))
  send()
  pass(1_000)
  assert.equal(last('status').status.flowsDropped, 101)
})

test('a decoder that throws costs its datagram and is told', () => {
  let calls = 0
  const { send, pass, last } = core((sink) => {
    if (calls++ === 0) throw new RangeError('offset is outside the bounds')
    return rows(sink, 1)
  })
  send()
  send()
  pass(1_000)
  const { status } = last('status')
  assert.equal(status.decodeFailures, 1)
  assert.match(status.lastDecodeFailure ?? '', /outside the bounds/)
  assert.equal(status.rejected, 1)
  assert.equal(status.flowsDecoded, 1)
})

test('a problem makes a datagram rejected only if nothing came of it', () => {
  const results = [1, 0]
  const { send, pass, last } = core((sink) => {
    sink.problem('bad_length', 4)
    return rows(sink, results.shift() ?? 0)
  })
  send()
  send()
  pass(1_000)
  assert.equal(last('status').status.problems.bad_length, 2)
  assert.equal(last('status').status.rejected, 1)
  assert.equal(last('status').status.refused[0]?.code, 'bad_length')
})

test('counters that the pipeline does not take are dropped and counted', () => {
  const { send, of, mail, pass, last, it } = core((sink) => {
    for (let i = 0; i < 10_000; i++) sink.metrics.add(0, 'a', 0, 'if:1', 'if_counters.if_in_octets', i)
    return 0
  })
  for (let i = 0; i < 10; i++) send()
  assert.equal(of('metrics').length, 8)
  pass(1_000)
  assert.equal(last('status').status.metricsDecoded, 100_000)
  assert.equal(last('status').status.metricsDropped, 20_000)
  mail.push({ type: 'metricsDone' })
  it.readMail()
  send()
  assert.equal(of('metrics').length, 9)
})

test('sightings are handed on in bulk, and a flood of them is cut off each second', () => {
  const { send, of, pass, last } = core((sink) => {
    for (let i = 0; i < 30_000; i++) sink.sighting({ kind: 'interface', agent: 'a', ifIndex: i })
    return 0
  })
  send()
  pass(1_000)
  assert.equal(
    of('sightings').reduce((sum, { sightings }) => sum + sightings.length, 0),
    20_000,
  )
  assert.equal(last('status').status.sightingsDropped, 10_000)
  send()
  assert.equal(
    of('sightings').reduce((sum, { sightings }) => sum + sightings.length, 0),
    40_000,
  )
})

test('templates are given out to be kept when they changed, and at the end', () => {
  const { state, of, pass, it } = core(() => 0)
  for (let i = 0; i < 30; i++) pass(1_000)
  assert.equal(of('state').length, 1)
  state.templates = 3
  for (let i = 0; i < 30; i++) pass(1_000)
  assert.deepEqual(
    of('state').map(({ state: saved }) => saved.netflow),
    [{ templates: 0 }, { templates: 3 }],
  )
  it.finish()
  assert.equal(of('state').length, 3)
})

test('a clock that is set back does not stop what is due each second', () => {
  const { of, pass } = core(() => 0)
  pass(1_000)
  pass(-3_600_000)
  for (let i = 0; i < 5; i++) pass(1_000)
  assert.ok(of('status').length >= 6)
})

test('after a clock that is set back the streams are told and the templates saved as before', () => {
  const streams = (): StreamStatus[] => [{} as StreamStatus]
  const { pass, of, state } = core(() => 0, streams)
  for (let i = 0; i < 20; i++) pass(1_000)
  const told = of('streams').length
  const saved = of('state').length
  assert.ok(told > 0)
  pass(-3_600_000)
  state.templates = 7
  for (let i = 0; i < 20; i++) pass(1_000)
  assert.ok(of('streams').length > told + 10, `${of('streams').length - told} times in 20 s`)
  assert.ok(of('state').length > saved)
})
