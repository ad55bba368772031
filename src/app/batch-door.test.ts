import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { FlowBatch } from '../flow/flow-batch.ts'
import { openBatchDoor, type ForeignBatch } from './batch-door.ts'

test('a batch on which enriching fails is lost alone: it is answered, and the next one is taken', async (t) => {
  const { port1, port2 } = new MessageChannel()
  t.after(() => port1.close())
  const lost: unknown[] = []
  let accepted = 0
  let calls = 0
  openBatchDoor(port2, {
    enrich: () => {
      if (++calls === 1) throw new Error('no names')
      return ['']
    },
    spool: { write: (batch) => Promise.resolve({ accepted: batch.n }) },
    onSighting: () => undefined,
    onAccepted: (rows) => (accepted += rows),
    onLost: (error) => lost.push(error),
  })
  const batch = new FlowBatch(8)
  const foreign: ForeignBatch = { buffer: batch.buffer, capacity: 8, rows: 3, sightings: [] }
  for (let i = 0; i < 2; i++) {
    port1.postMessage(foreign)
    assert.deepEqual(await once(port1, 'message'), [{ done: true }])
  }
  assert.deepEqual([lost.length, accepted], [1, 3])
})
