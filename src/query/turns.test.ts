import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OperatorError } from '../base/errors.ts'
import { createTurns, type Turns } from './turns.ts'

const never = new AbortController().signal

/** Questions that end when they are told to, and the order in which they began. */
function place(turns: Turns) {
  const began: string[] = []
  const endings: (() => void)[] = []
  const ask = (client: string, name: string, signal = never) =>
    turns.take(client, signal, async () => {
      began.push(name)
      await new Promise<void>((resolve) => endings.push(resolve))
    })
  const endOne = async (): Promise<void> => {
    endings.shift()?.()
    for (let i = 0; i < 10; i++) await Promise.resolve()
  }
  return { began, ask, endOne, endings }
}

test('a client who asks much waits for one who asks little', async () => {
  const turns = createTurns({ atOnce: 3, longestQueue: 100 })
  const { began, ask, endOne } = place(turns)
  const all = Array.from({ length: 8 }, (_, i) => ask('many', `many ${i}`))
  assert.deepEqual(began, ['many 0', 'many 1'], 'one place stays free for others')
  all.push(ask('few', 'few 0'))
  assert.deepEqual(began, ['many 0', 'many 1', 'few 0'])
  all.push(ask('few', 'few 1'), ask('third', 'third 0'))
  while (turns.status().running > 0) await endOne()
  await Promise.all(all)
  const place8 = (name: string): number => began.indexOf(name)
  assert.ok(place8('third 0') < place8('many 3') && place8('few 1') < place8('many 4'), began.join(', '))
  assert.deepEqual(turns.status(), { running: 0, waiting: 0, clients: 0 })
})

test('never more run than may, in all and of one, and every question gets its turn', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.boolean()), { maxLength: 40 }),
      async (atOnce, atOnceOfOne, questions) => {
        const turns = createTurns({ atOnce, atOnceOfOne, longestQueue: 100, longestQueueOfOne: 100 })
        const { endOne, endings } = place(turns)
        const running = new Map<string, number>()
        const answers = questions.map(([client, impatient]) => {
          const controller = new AbortController()
          const asked = turns.take(client, controller.signal, async () => {
            running.set(client, (running.get(client) ?? 0) + 1)
            assert.ok((running.get(client) as number) <= atOnceOfOne)
            assert.ok(turns.status().running <= atOnce)
            await new Promise<void>((resolve) => endings.push(resolve))
            running.set(client, (running.get(client) as number) - 1)
          })
          if (impatient) controller.abort()
          return asked.then(
            () => true,
            (error: unknown) => error instanceof OperatorError && error.code === 'query_cancelled',
          )
        })
        while (turns.status().running > 0) await endOne()
        assert.ok((await Promise.all(answers)).every(Boolean))
        assert.deepEqual(turns.status(), { running: 0, waiting: 0, clients: 0 })
      },
    ),
    { numRuns: 50 },
  )
})

test('a queue that is full says so at once, and one client cannot fill it', async () => {
  const turns = createTurns({ atOnce: 1, longestQueue: 4 })
  const { ask, endOne } = place(turns)
  const full = (error: unknown): boolean => error instanceof OperatorError && error.code === 'query_queue'
  const all = [ask('a', '0'), ask('a', '1'), ask('a', '2')]
  await assert.rejects(ask('a', '3'), full)
  all.push(ask('b', '4'), ask('c', '5'))
  await assert.rejects(ask('d', '6'), full)
  while (turns.status().running > 0) await endOne()
  await Promise.all(all)
})
