import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { EmbeddedStore } from '../store/embedded.ts'
import { createPlace, randomFrom, startStore, type Place } from '../store/store.fixture.ts'
import { createAsk, type Ask } from './ask.ts'
import type { Asked } from './question.ts'
import type { Row } from './measure.ts'

// Ranges that begin and end anywhere, and long keys, over rows that are counted here too.

const SLOT = 300_000
const ROWS = 20_000
const FROM = Math.floor((Date.now() - 6 * 3_600_000) / SLOT) * SLOT
/** Two hours, in which no row lies on a round second. */
const SPACING = 359

interface Made {
  readonly time: number
  readonly bytes: number
  readonly key: string
}

let place: Place
let store: EmbeddedStore
let ask: Ask
/** Some before the table knew slots, some after. */
let rows: readonly Made[]

before(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  ask = createAsk({}, { store, clock: { now: () => FROM + 3 * 3_600_000 } })
  await store.execute('ALTER TABLE flows DROP COLUMN slot')
  await insert(0, ROWS / 2)
  await store.stop()
  store = await startStore(place.data)
  ask = createAsk({}, { store, clock: { now: () => FROM + 3 * 3_600_000 } })
  await insert(ROWS / 2, ROWS / 2)
  rows = Array.from({ length: ROWS }, (_, i) => made(i))
})
after(async () => {
  await store.stop()
  await place.remove()
})

/** The same as `made`, in SQL: the order of the rows has nothing to do with that of their times. */
async function insert(first: number, count: number): Promise<void> {
  await store.execute(`INSERT INTO flows (time_received, sampling_rate, counted, protocol, exporter, bytes, packets, proto, src_addr, dst_addr, dst_port)
    SELECT fromUnixTimestamp64Milli(toInt64(${FROM} + (number * 7919) % ${ROWS} * ${SPACING}), 'UTC'), 1, true, 'netflow9', toIPv6('::ffff:192.0.2.1'),
      40 + number % 1400, 1, if(number % 3 = 0, 17, 6),
      if(number % 5 = 0, toIPv6(concat('2001:db8::', hex(number % 7))), toIPv6(concat('::ffff:10.0.0.', toString(number % 11)))),
      if(number % 5 = 0, toIPv6(concat('2001:db8::', hex(number % 6))), toIPv6(concat('::ffff:10.0.0.', toString(number % 13)))),
      toUInt16(number % 17)
    FROM numbers(${first}, ${count})`)
}

function made(i: number): Made {
  const isSix = i % 5 === 0
  const src = isSix ? `2001:db8::${i % 7}` : `10.0.0.${i % 11}`
  const dst = isSix ? `2001:db8::${i % 6}` : `10.0.0.${i % 13}`
  const proto = i % 3 === 0 ? 'udp' : 'tcp'
  return {
    time: FROM + ((i * 7919) % ROWS) * SPACING,
    bytes: 40 + (i % 1400),
    key: `${proto} ${src.replace(/::0$/, '::')} ${dst.replace(/::0$/, '::')} ${i % 17}`,
  }
}

function sumsOf(from: number, to: number): Map<string, number> {
  const sums = new Map<string, number>()
  for (const { time, bytes, key } of rows) if (time >= from && time < to) sums.set(key, (sums.get(key) ?? 0) + bytes)
  return sums
}

function keyOf({ key }: Row): string {
  return `${key['proto']} ${key['src_addr']} ${key['dst_addr']} ${key['dst_port']}`
}

test('a range has the rows that were received in it, wherever it begins and ends within its five minutes', async () => {
  const random = randomFrom(3)
  const ranges = [
    [FROM, FROM + 10 * SLOT],
    [FROM, FROM + 10 * SLOT + 1],
    [FROM + 1, FROM + 10 * SLOT],
    [FROM - SLOT, FROM + 30 * SLOT],
    [FROM + SLOT - 1, FROM + SLOT + 1],
    ...Array.from({ length: 20 }, () => {
      const from = FROM + (random() % (20 * SLOT))
      return [from, from + 1 + (random() % (20 * SLOT))]
    }),
  ] as [number, number][]
  for (const [from, to] of ranges) {
    const answer = await ask.totals({ from, to })
    const inside = rows.filter(({ time }) => time >= from && time < to)
    const bytes = inside.reduce((sum, row) => sum + row.bytes, 0)
    assert.deepEqual([answer.flows.value, answer.bytes.value], [inside.length, bytes], `${from - FROM}–${to - FROM}`)
  }
})

test('a series has in each bucket what was received in it, in steps of minutes as in those of slots', async () => {
  for (const step of [60, 300, 900]) {
    const [from, to] = [FROM + 17_000, FROM + 20 * SLOT + 123_000]
    const answer = await ask.series({ from, to, step })
    const wanted = answer.times.map((time) => {
      const inside = rows.filter((row) => row.time >= time && row.time < time + step * 1000)
      return inside.reduce((sum, { bytes }) => sum + bytes, 0) * (8 / step)
    })
    assert.deepEqual(answer.series[0]?.values, wanted, `step ${step}`)
  }
})

test('the greatest of long keys are those of all keys, with their sums, the rest and how many there are', async () => {
  const by = ['proto', 'src_addr', 'dst_addr', 'dst_port']
  const [from, to] = [FROM + 61_000, FROM + 15 * SLOT + 61_000]
  const of = sumsOf(from, to)
  const sums = [...of].sort((a, b) => b[1] - a[1])
  const all = sums.reduce((sum, [, bytes]) => sum + bytes, 0)
  for (const limit of [1, 20, 2000, 10_000]) {
    const answer = await ask.top({ from, to, by, limit } satisfies Asked)
    assert.equal(answer.groups, sums.length)
    assert.equal(answer.total.bytes, all)
    const found = answer.rows.map((row) => [keyOf(row), row.bytes] as const)
    assert.deepEqual(
      found.map(([, bytes]) => bytes),
      sums.slice(0, limit).map(([, bytes]) => bytes),
    )
    for (const [key, bytes] of found) assert.equal(bytes, of.get(key), key)
    assert.equal((answer.other?.bytes ?? 0) + found.reduce((sum, [, bytes]) => sum + bytes, 0), all)
  }
})

test('lines of long keys are those of the greatest of them', async () => {
  const by = ['proto', 'src_addr', 'dst_addr', 'dst_port']
  const [from, to] = [FROM, FROM + 12 * SLOT]
  const answer = await ask.series({ from, to, by, limit: 5, step: 300 })
  const greatest = [...sumsOf(from, to).values()].sort((a, b) => b - a).slice(0, 5)
  assert.deepEqual(
    answer.series.filter(({ other }) => !other).map(({ total }) => total.bytes),
    greatest,
  )
  assert.equal(answer.groups, sumsOf(from, to).size)
})

test('conversations have what went each way, whichever end is named first', async () => {
  const [from, to] = [FROM + 61_000, FROM + 15 * SLOT + 61_000]
  const ways = new Map<string, number>()
  for (const { time, bytes, key } of rows) {
    const [, src, dst] = key.split(' ') as [string, string, string]
    if (time >= from && time < to) ways.set(`${src} ${dst}`, (ways.get(`${src} ${dst}`) ?? 0) + bytes)
  }
  const answer = await ask.conversations({ from, to, by: ['ip'], limit: 2000 })
  assert.equal(answer.groups, answer.rows.length)
  const found = answer.rows.flatMap(({ a, b, forth, back, both }) => {
    assert.equal(forth.bytes + back.bytes, both.bytes)
    return [
      [`${a['ip']} ${b['ip']}`, forth.bytes],
      [`${b['ip']} ${a['ip']}`, back.bytes],
    ] as [string, number][]
  })
  assert.deepEqual(new Map(found.filter(([, bytes]) => bytes > 0)), ways)
})

test('of a range without rows nothing is greatest', async () => {
  const answer = await ask.top({ from: FROM - 40 * SLOT, to: FROM - SLOT, by: ['src_addr', 'dst_addr'] })
  assert.deepEqual([answer.rows, answer.groups, answer.total.bytes], [[], 0, 0])
})
