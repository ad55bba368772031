import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createApi, type ApiDeps } from '../api/api.ts'
import { EventsAnswer } from '../api/contract/events.ts'
import { createEvents, type Events, type Seen, type SeenExporter } from './events.ts'

const folder = mkdtempSync(join(tmpdir(), 'vnetscope-events-'))
after(() => rmSync(folder, { recursive: true }))
const T = 1_772_366_400_000
const MINUTE = 60_000

function exporter(n: number, more: Partial<SeenExporter> = {}): SeenExporter {
  return {
    address: `192.0.2.${n}`,
    name: n === 1 ? 'sw-1' : null,
    state: 'heard',
    firstHeard: T,
    lastHeard: T,
    sampling: [{ rate: 400 }],
    streams: [{ restarts: 0 }],
    ...more,
  }
}

interface World {
  now: number
  seen: Seen
  readonly events: Events
  texts(from?: number): string[]
}

let file = 0

function world(name = `${file++}.sqlite`, kept = 100): World {
  const made: World = {
    now: T,
    seen: {
      exporters: [exporter(1), exporter(2)],
      store: { state: 'ready', since: T, restarts: 0 },
      kernelDropped: 0,
      queueDropped: 0,
      spoolRefused: 0,
    },
    events: createEvents(
      { file: join(folder, name), kept },
      { clock: { now: () => made.now }, version: '1', see: async () => made.seen },
    ),
    texts: (from = 0) => made.events.list({ from, to: made.now + 1 }).events.map(({ text }) => text),
  }
  return made
}

test('a start says how long the server was away', () => {
  const first = world('again.sqlite')
  first.events.start()
  assert.deepEqual(first.texts(), ['vnetscope 1 started; nothing is known of the time before'])
  first.now += MINUTE
  first.events.stop()
  const second = world('again.sqlite')
  second.now = T + 181 * MINUTE
  second.events.start()
  const [, event] = second.events.list({ from: 0, to: second.now + 1 }).events
  assert.deepEqual(event, {
    at: T + 181 * MINUTE,
    since: T + MINUTE,
    kind: 'started',
    exporter: null,
    text: 'vnetscope 1 started; it was away for about 3 h',
  })
  // What ended in a time that is asked for began before it.
  assert.equal(second.events.list({ from: T + MINUTE, to: T + 182 * MINUTE }).events.length, 1)
  assert.equal(second.events.list({ from: 0, to: T + MINUTE }).events.length, 1)
  // A time in which it was away is explained by its end.
  assert.equal(second.events.list({ from: T + 10 * MINUTE, to: T + 20 * MINUTE }).events.length, 1)
  second.events.stop()
})

test('exporters that fall silent, come back, restart or sample otherwise are told once each', async () => {
  const at = world()
  at.events.start()
  await at.events.look()
  const told = async (...exporters: SeenExporter[]): Promise<string[]> => {
    at.now += MINUTE
    at.seen = { ...at.seen, exporters }
    await at.events.look()
    await at.events.look()
    return at.texts(at.now - MINUTE + 1)
  }
  at.now += 5 * MINUTE
  assert.deepEqual(await told(exporter(1, { state: 'silent', lastHeard: at.now + 1 }), exporter(2)), [
    'sw-1 fell silent',
  ])
  const silentSince = at.now - MINUTE + 1
  assert.deepEqual(await told(exporter(1, { lastHeard: at.now }), exporter(2)), ['sw-1 is heard again after 2 min'])
  assert.equal(at.events.list({ from: at.now, to: at.now + 1 }).events[0]?.since, silentSince)
  const restarted = exporter(2, { streams: [{ restarts: 1 }] })
  assert.deepEqual(await told(exporter(1), restarted), ['192.0.2.2 began its numbers anew: it restarted'])
  const [other] = [exporter(1, { sampling: [{ rate: 1000 }] })]
  assert.deepEqual(await told(other, restarted), ['sw-1 samples 1 in 1000, before 1 in 400'])
  const late = exporter(3, { firstHeard: at.now + MINUTE })
  assert.deepEqual(await told(other, restarted, late), ['192.0.2.3 is heard for the first time'])
})

test('many exporters that fall silent together are one event', async () => {
  const at = world()
  at.events.start()
  const all = Array.from({ length: 40 }, (_, n) => exporter(n + 1))
  at.seen = { ...at.seen, exporters: all }
  await at.events.look()
  at.now += MINUTE
  at.seen = { ...at.seen, exporters: all.map((one) => ({ ...one, state: 'silent' as const, lastHeard: T + 1000 })) }
  await at.events.look()
  assert.deepEqual(at.texts(T + 1), ['40 exporters: sw-1 and others fell silent'])
})

test('a store that is away and losses are told when they begin', async () => {
  const at = world()
  at.events.start()
  const told = async (more: Partial<Seen>): Promise<string[]> => {
    at.now += MINUTE
    at.seen = { ...at.seen, ...more }
    await at.events.look()
    return at.texts(at.now - MINUTE + 1)
  }
  await told({})
  assert.deepEqual(await told({ store: { state: 'away', since: at.now + MINUTE, restarts: 0 } }), [
    'the store is away; what comes waits in the spool',
  ])
  assert.deepEqual(await told({ store: { state: 'ready', since: at.now, restarts: 0 } }), ['the store answers again'])
  assert.deepEqual(await told({ store: { state: 'ready', since: at.now, restarts: 1 } }), [
    'the store was started again',
  ])
  assert.match((await told({ spoolRefused: 5 })).join(), /^flows were refused/)
  assert.deepEqual(await told({ spoolRefused: 9 }), [], 'it goes on')
  assert.deepEqual(await told({}), [])
  assert.match((await told({ spoolRefused: 10, kernelDropped: 1 })).join(), /datagrams were lost.*flows were refused/)
})

test('however many exporters change, and however often, the start of the server stays among the events', async () => {
  const at = world(undefined, 20)
  at.events.start()
  for (let i = 0; i < 30; i++) {
    const sampling = Array.from({ length: 8 }, (_, n) => ({ rate: 10 * n + i + 1 }))
    at.seen = { ...at.seen, exporters: [exporter(1, { sampling }), exporter(2)] }
    await at.events.look()
  }
  const texts = at.texts()
  assert.deepEqual([texts.length, texts[0]], [21, 'vnetscope 1 started; nothing is known of the time before'])
  assert.match(texts[20] as string, /^sw-1 samples 1 in 30, 40, 50, 60, 70 and 3 more, before 1 in 29, 39/)
  at.events.stop()
})

test('a server whose parts do not answer was not away', async () => {
  const first = world('deaf.sqlite')
  first.events.start()
  first.now += 60 * MINUTE
  Object.defineProperty(first, 'seen', { get: () => assert.fail('no answer') })
  await assert.rejects(first.events.look(), /no answer/)
  const second = world('deaf.sqlite')
  second.now = T + 61 * MINUTE
  second.events.start()
  assert.match(second.texts().at(-1) as string, /away for about 60 s$/)
  second.events.stop()
  first.events.stop()
})

test('an answer is bounded, and says that there are more', () => {
  const at = world()
  at.events.start()
  at.events.stop()
  at.events.start()
  at.events.stop()
  at.events.start()
  const { events, more } = at.events.list({ from: 0, to: T + 1, limit: 2 })
  assert.deepEqual([events.length, more], [2, true])
  assert.deepEqual(at.events.list({ from: T + 1, to: T + 2 }), { events: [], more: false })
})

test('they are asked for over HTTP, by times of either kind', async () => {
  const at = world()
  at.events.start()
  const api = await createApi({}, { events: at.events } as unknown as ApiDeps)
  const asked = async (query: string): Promise<{ status: number; body: unknown }> => {
    const { statusCode, json } = await api.inject({ url: `/api/v1/events?${query}` })
    return { status: statusCode, body: json() }
  }
  const whole = await asked(`from=${T}&to=${new Date(T + 1000).toISOString()}`)
  assert.equal(whole.status, 200)
  assert.equal(
    EventsAnswer.parse(whole.body).events[0]?.text,
    'vnetscope 1 started; nothing is known of the time before',
  )
  assert.deepEqual((await asked(`from=${T + 1000}&to=${T + 2000}&limit=5`)).body, { events: [], more: false })
  assert.equal((await asked('from=yesterday')).status, 400)
  assert.equal((await asked('limit=0')).status, 400)
  await api.close()
  at.events.stop()
})
