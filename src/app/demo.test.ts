import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createDemo } from './demo.ts'

test('a demo whose thread ended by an error can be stopped', async () => {
  const failed = Promise.withResolvers<Error>()
  const demo = createDemo(
    { target: { host: 'no address', port: -1 }, pastFrom: Date.now() },
    { openDoor: (door) => door.unref(), failed: failed.resolve },
  )
  demo.start()
  assert.ok((await failed.promise) instanceof Error)
  // Its error is told before it has gone, and nothing tells when it has: the test holds whichever comes first.
  await pause(200)
  await demo.stop()
})
