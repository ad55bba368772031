import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addStatus, ledgerOf, RecentLosses, type PipelineLedger } from './ledger.ts'
import type { Listener } from './receive.ts'
import type { ReceiverStatus } from './receiver-messages.ts'

const NO_PROBLEMS: ReceiverStatus['problems'] = {
  truncated: 0,
  bad_version: 0,
  bad_length: 0,
  bad_template: 0,
  template_limit: 0,
  no_template: 0,
  pending_dropped: 0,
  session_limit: 0,
  bad_sample: 0,
  bad_record: 0,
  empty: 0,
  unsupported: 0,
  bad_stream: 0,
  connection_limit: 0,
  tls_failed: 0,
}

function listener(change: Partial<Listener>): Listener {
  return { address: '::', port: 2055, receiveBufferBytes: 1, datagrams: 0, bytes: 0, kernelDropped: 0, ...change }
}

function status(change: Partial<ReceiverStatus>): ReceiverStatus {
  return {
    listeners: [],
    rejected: 0,
    flowsDecoded: 0,
    flowsDropped: 0,
    metricsDecoded: 0,
    metricsDropped: 0,
    sightingsDropped: 0,
    problems: NO_PROBLEMS,
    decodeFailures: 0,
    lastDecodeFailure: null,
    streams: 0,
    streamsEvicted: 0,
    templates: 0,
    pending: 0,
    batchesAllocated: 0,
    batchesFree: 0,
    refused: [],
    ...change,
  }
}

const NOTHING = { spoolRefused: 0, spooled: 0, metricsDropped: 0, metricsSpooled: 0 }

test('the ledger adds up receivers and balances', () => {
  const one = status({
    listeners: [listener({ datagrams: 10, kernelDropped: 1 })],
    rejected: 2,
    flowsDecoded: 100,
    flowsDropped: 5,
  })
  const two = status({
    listeners: [listener({ datagrams: 20, kernelDropped: 3 })],
    rejected: 1,
    flowsDecoded: 200,
    metricsDecoded: 7,
    metricsDropped: 1,
  })
  const { datagrams, flows, metrics } = ledgerOf([one, two], {
    spoolRefused: 10,
    spooled: 250,
    metricsDropped: 2,
    metricsSpooled: 4,
  })
  assert.deepEqual(datagrams, { received: 30, kernelDropped: 4, rejected: 3 })
  assert.deepEqual(flows, { decoded: 300, queueDropped: 5, spoolRefused: 10, spooled: 250, inFlight: 35 })
  assert.deepEqual(metrics, { decoded: 7, dropped: 3, spooled: 4 })
})

test('rows that are spooled before their receiver has told of them do not unbalance it', () => {
  const { flows } = ledgerOf([status({ flowsDecoded: 100 })], { ...NOTHING, spooled: 400 })
  assert.deepEqual(flows, { decoded: 400, queueDropped: 0, spoolRefused: 0, spooled: 400, inFlight: 0 })
})

test('what ended receivers counted stays in the sums, by listener and by problem', () => {
  const first = status({
    listeners: [listener({ datagrams: 3, bytes: 30 })],
    problems: { ...NO_PROBLEMS, truncated: 2 },
    lastDecodeFailure: 'first',
  })
  const second = status({
    listeners: [listener({ datagrams: 4, bytes: 40 }), listener({ port: 6343, datagrams: 1 })],
    problems: { ...NO_PROBLEMS, truncated: 1, empty: 1 },
  })
  const sum = addStatus(first, second)
  assert.deepEqual(
    sum.listeners.map(({ port, datagrams, bytes }) => ({ port, datagrams, bytes })),
    [
      { port: 2055, datagrams: 7, bytes: 70 },
      { port: 6343, datagrams: 1, bytes: 0 },
    ],
  )
  assert.equal(sum.problems.truncated, 3)
  assert.equal(sum.problems.empty, 1)
  assert.equal(sum.lastDecodeFailure, 'first')
})

test('recent losses forget what is older than five minutes', () => {
  const losses = new RecentLosses()
  const at = (kernelDropped: number): PipelineLedger =>
    ledgerOf([status({ listeners: [listener({ kernelDropped })] })], NOTHING)
  losses.note(0, at(0))
  for (let now = 10_000; now <= 100_000; now += 1_000) losses.note(now, at(50))
  assert.equal(losses.since(100_000, at(50)).kernelDropped, 50)
  for (let now = 100_000; now <= 500_000; now += 1_000) losses.note(now, at(50))
  assert.deepEqual(losses.since(500_000, at(50)), {
    overMs: 300_000,
    kernelDropped: 0,
    queueDropped: 0,
    spoolRefused: 0,
  })
  assert.equal(losses.since(501_000, at(60)).kernelDropped, 10)
})
