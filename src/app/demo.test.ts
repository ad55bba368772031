import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createDemo } from './demo.ts'

test('a demo whose thread ended by an error can be stopped', async () => {
  const failed = Promise.withResolvers<Error>()
  let threadGone: Promise<unknown> = Promise.resolve()
  const demo = createDemo(
    { target: { host: 'no address', port: -1 }, pastFrom: Date.now() },
    {
      openDoor: (door) => {
        threadGone = once(door.on('message', () => undefined), 'close')
      },
      failed: failed.resolve,
    },
  )
  demo.start()
  assert.ok((await failed.promise) instanceof Error)
  await threadGone
  await demo.stop()
})
