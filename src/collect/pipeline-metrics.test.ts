import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRegistry, registerMetrics } from '../telemetry/metrics.ts'
import { pipelineMetrics } from './pipeline-metrics.ts'
import type { PipelineStatus } from './pipeline.ts'

const STATUS: PipelineStatus = {
  startedAt: 0,
  kind: 'recvmmsg',
  receivers: 1,
  listeners: [
    {
      address: '::',
      port: 2055,
      receiver: 'recvmmsg',
      receiveBufferBytes: 7,
      datagrams: 10,
      bytes: 1_000,
      kernelDropped: 2,
    },
  ],
  ledger: {
    datagrams: { received: 10, kernelDropped: 2, rejected: 1 },
    flows: { decoded: 100, queueDropped: 3, spoolRefused: 4, spooled: 90, inFlight: 3 },
    metrics: { decoded: 20, dropped: 5, spooled: 15 },
  },
  recent: { overMs: 0, kernelDropped: 0, queueDropped: 0, spoolRefused: 0 },
  problems: { truncated: 6 },
  decodeFailures: 0,
  streams: { kept: 8, evicted: 9, templates: 11, pending: 12 },
  queue: { batches: 0, rows: 3, batchesAllocated: 1, batchesFree: 7 },
  reasons: [],
}

test('every place where a datagram or a flow can end has a counter of its own', async () => {
  const registry = createRegistry()
  registerMetrics(
    registry,
    pipelineMetrics(() => STATUS),
  )
  const text = await registry.metrics()
  for (const line of [
    'vnetscope_datagrams_received_total{listener=":: 2055"} 10',
    'vnetscope_datagrams_kernel_dropped_total{listener=":: 2055"} 2',
    'vnetscope_datagrams_rejected_total 1',
    'vnetscope_flows_decoded_total 100',
    'vnetscope_flows_queue_dropped_total 3',
    'vnetscope_flows_spool_refused_total 4',
    'vnetscope_flows_spooled_total 90',
    'vnetscope_counters_dropped_total 5',
    'vnetscope_problems_total{code="truncated"} 6',
    'vnetscope_batches_free 7',
  ]) {
    assert.ok(text.split('\n').includes(line), line)
  }
})
