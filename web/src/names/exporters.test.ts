import assert from 'node:assert/strict'
import { test } from 'node:test'
import { samplingOf } from './exporters.ts'

test('an exporter without flows sends counters only if it has sent any', () => {
  const stream = { others: 0 } as Parameters<typeof samplingOf>[0]['streams'][number]
  const none = { sampling: [], flows: 0, protocols: ['netflow9'], streams: [stream] }
  assert.equal(samplingOf(none), 'no flows yet')
  assert.equal(samplingOf({ ...none, protocols: ['sflow'] }), 'no flows yet')
  assert.equal(samplingOf({ ...none, protocols: ['sflow'], streams: [{ ...stream, others: 3 }] }), 'counters only')
  assert.equal(samplingOf({ ...none, flows: 3 }), 'no sampling named')
  const sampling = [{ rate: 400, from: 'sampler 1' }]
  assert.equal(samplingOf({ ...none, flows: 3, sampling }), '1 in 400')
})
