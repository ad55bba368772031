import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createReverseNames } from './reverse-names.ts'

const absent = Object.assign(new Error('queryPtr ENOTFOUND'), { code: 'ENOTFOUND' })
const away = Object.assign(new Error('queryPtr ETIMEOUT'), { code: 'ETIMEOUT' })
const settled = (): Promise<void> => new Promise((done) => setImmediate(done))

function setUp(more: { kept?: number; waiting?: number; perSecond?: number } = {}) {
  const asked: string[] = []
  const clock = { time: 1_000_000, now: () => clock.time }
  let answer: (address: string) => Promise<readonly string[]> = async (address) => [`host-${address}`]
  const names = createReverseNames(
    { servers: [], perSecond: more.perSecond ?? 1000, ...more },
    {
      clock,
      reverse: (address) => {
        asked.push(address)
        return answer(address)
      },
    },
  )
  return {
    names,
    asked,
    clock,
    answers: (next: typeof answer) => (answer = next),
  }
}

test('a name is not known at first, then for an hour', async () => {
  const { names, asked, clock } = setUp()
  assert.equal(names.nameOf('192.0.2.1'), undefined)
  await settled()
  assert.equal(names.nameOf('192.0.2.1'), 'host-192.0.2.1')
  clock.time += 3_599_000
  assert.equal(names.nameOf('192.0.2.1'), 'host-192.0.2.1')
  assert.equal(asked.length, 1)
  clock.time += 2_000
  assert.equal(names.nameOf('192.0.2.1'), 'host-192.0.2.1', 'the old one stands until the new one is there')
  assert.equal(asked.length, 2)
  names.stop()
})

test('that there is no name is remembered too, and that nobody answered for a shorter time', async () => {
  const { names, asked, clock, answers } = setUp()
  answers(() => Promise.reject(absent))
  names.nameOf('192.0.2.1')
  answers(() => Promise.reject(away))
  names.nameOf('192.0.2.2')
  await settled()
  assert.deepEqual([names.nameOf('192.0.2.1'), names.nameOf('192.0.2.2')], ['', ''])
  clock.time += 61_000
  names.nameOf('192.0.2.1')
  names.nameOf('192.0.2.2')
  assert.deepEqual(asked, ['192.0.2.1', '192.0.2.2', '192.0.2.2'])
  const { absent: none, failed, found } = names.status()
  assert.deepEqual([none, failed, found], [1, 1, 0])
  names.stop()
})

test('a name that was known stays while its server is away', async () => {
  const { names, clock, answers } = setUp()
  names.nameOf('192.0.2.1')
  await settled()
  answers(() => Promise.reject(away))
  clock.time += 3_601_000
  names.nameOf('192.0.2.1')
  await settled()
  assert.equal(names.nameOf('192.0.2.1'), 'host-192.0.2.1')
  names.stop()
})

test('what can be no name of a host is none', async () => {
  const { names, answers } = setUp()
  for (const [i, wrong] of ['<script>', 'a b', 'x\u001b[31m', 'a'.repeat(300), '-x', 'x-', ''].entries()) {
    answers(async () => [wrong])
    names.nameOf(`192.0.2.${i}`)
    await settled()
    assert.equal(names.nameOf(`192.0.2.${i}`), '')
  }
  answers(async () => ['not this one', '_srv.ok-1.example'])
  names.nameOf('192.0.2.99')
  await settled()
  assert.equal(names.nameOf('192.0.2.99'), '_srv.ok-1.example')
  names.stop()
})

test('lookups keep to their rate, whatever is asked, and the newest go first', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const { names, asked, clock } = setUp({ perSecond: 5, waiting: 10 })
  for (let i = 0; i < 100; i++) names.nameOf(`192.0.2.${i}`)
  await settled()
  assert.deepEqual(asked, ['192.0.2.0', '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'])
  assert.deepEqual([names.status().waiting, names.status().dropped], [10, 85])
  for (let i = 0; i < 5; i++) {
    clock.time += 200
    context.mock.timers.tick(200)
    await settled()
  }
  assert.deepEqual(asked.slice(5), ['192.0.2.99', '192.0.2.98', '192.0.2.97', '192.0.2.96', '192.0.2.95'])
  names.stop()
})

test('so many names are kept, so many lookups are under way, and no more', async () => {
  const { names, asked, answers } = setUp({ kept: 3 })
  for (let i = 0; i < 5; i++) {
    names.nameOf(`192.0.2.${i}`)
    await settled()
  }
  assert.equal(names.status().kept, 3)
  assert.equal(names.nameOf('192.0.2.4'), 'host-192.0.2.4')
  asked.length = 0
  answers(() => new Promise(() => undefined))
  for (let i = 100; i < 150; i++) names.nameOf(`192.0.2.${i}`)
  await settled()
  assert.deepEqual([asked.length, names.status().underWay, names.status().waiting], [16, 16, 34])
  names.stop()
})
