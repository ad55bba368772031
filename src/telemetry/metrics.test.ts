import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRegistry, registerMetrics } from './metrics.ts'

test('a metric is read each time it is asked for, and a label that is gone does not stay', async () => {
  const registry = createRegistry()
  let readings = [
    { labels: { listener: ':: 2055' }, value: 3 },
    { labels: { listener: ':: 6343' }, value: 4 },
  ]
  registerMetrics(registry, [
    {
      name: 'datagrams_received_total',
      help: 'Datagrams',
      kind: 'counter',
      labels: ['listener'],
      read: () => readings,
    },
    { name: 'streams', help: 'Streams', kind: 'gauge', read: () => 7 },
  ])
  const before = await registry.metrics()
  assert.match(before, /vnetscope_datagrams_received_total\{listener=":: 2055"\} 3/)
  assert.match(before, /vnetscope_streams 7/)
  assert.match(before, /vnetscope_process_cpu_seconds_total/)
  readings = [{ labels: { listener: ':: 2055' }, value: 5 }]
  const after = await registry.metrics()
  assert.match(after, /vnetscope_datagrams_received_total\{listener=":: 2055"\} 5/)
  assert.doesNotMatch(after, /6343/)
})
