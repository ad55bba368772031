import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { OperatorError, UserError } from '../base/errors.ts'
import type { EmbeddedStore } from '../store/embedded.ts'
import { createPlace, startStore, type Place } from '../store/store.fixture.ts'
import { createAsk, type Ask } from './ask.ts'
import type { Row } from './measure.ts'
import { FilterError } from './filter/problem.ts'
import { flowsTable, insertRows } from './query.fixture.ts'
import { bucketsOf } from './buckets.ts'

const MINUTE = 60_000
// A whole hour, so that buckets begin where the rows do.
const T = Math.floor((Date.now() - 2 * 3_600_000) / 3_600_000) * 3_600_000
const now = T + 9.5 * MINUTE
const range = { from: T, to: T + 10 * MINUTE }

let place: Place
let store: EmbeddedStore
let ask: Ask

before(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  ask = createAsk({ atOnce: 2 }, { store, clock: { now: () => now } })
  const a = {
    src_addr: '10.0.0.1',
    dst_addr: '10.0.0.2',
    src_vm: 'a',
    dst_vm: 'b',
    proto: 6,
    src_port: 50_000,
    dst_port: 443,
    vlan_in: 110,
    locality: 'inter_host',
    tcp_flags: 0x12,
    src_mac: 0x0200_0000_0001,
  }
  const b = {
    src_addr: '10.0.0.2',
    dst_addr: '10.0.0.1',
    src_vm: 'b',
    dst_vm: 'a',
    proto: 6,
    src_port: 443,
    dst_port: 50_000,
    vlan_out: 110,
    locality: 'inter_host',
  }
  const c = {
    src_addr: '2001:db8::1',
    dst_addr: '2001:db8::2',
    src_vm: 'c',
    dst_vm: '',
    proto: 17,
    src_port: 5000,
    dst_port: 53,
    vlan_in: 20,
    locality: 'external',
  }
  const d = { src_addr: '10.0.0.9', dst_addr: '10.0.0.9', src_vm: 'd', dst_vm: 'd', proto: 1 }
  await insertRows(store, [
    { ...a, time_received: T + 10_000, bytes: 1000, packets: 1, sampling_rate: 100 },
    { ...a, time_received: T + 70_000, bytes: 500, packets: 1, sampling_rate: 100 },
    { ...b, time_received: T + 71_000, bytes: 300, packets: 3, sampling_rate: 1 },
    { ...c, time_received: T + 72_000, bytes: 200, packets: 2, sampling_rate: 1 },
    { ...d, time_received: T + 190_000, bytes: 50, packets: 1, sampling_rate: 1 },
    // Seen a second time at another point, and outside of the range.
    { ...a, time_received: T + 10_000, bytes: 1000, packets: 1, sampling_rate: 100, counted: false },
    { ...a, time_received: T - MINUTE, bytes: 77, packets: 1 },
    { ...a, time_received: T + 10 * MINUTE, bytes: 77, packets: 1 },
  ])
})
after(async () => {
  await store.stop()
  await place.remove()
})

function figures(rows: readonly Row[]): unknown[] {
  return rows.map((row) => [...Object.values(row.key), row.bytes, row.packets, row.flows])
}

test('top scales each row once by its rate and counts each packet once', async () => {
  const answer = await ask.top({ ...range, by: ['src_vm'] })
  assert.deepEqual(figures(answer.rows), [
    ['a', 150_000, 200, 2],
    ['b', 300, 3, 1],
    ['c', 200, 2, 1],
    ['d', 50, 1, 1],
  ])
  assert.deepEqual(figures([answer.total]), [[150_550, 206, 5]])
  assert.deepEqual(
    [answer.groups, answer.other, answer.samplingRates, answer.source],
    [4, undefined, [1, 100], 'flows'],
  )
  const [a, b] = answer.rows as [Row, Row]
  assert.ok(a.low > 0 && a.low < 150_000 && a.high > 150_000 * 1.5, 'two samples leave a wide interval')
  assert.deepEqual([b.low, b.high], [300, 300])
})

test('rows that several statements look at count once', async () => {
  const answers = [
    ask.top({ ...range, by: ['proto'] }),
    ask.top({ ...range, by: ['ip'] }),
    ask.series({ ...range, by: ['vm'] }),
    ask.distinct({ ...range, by: ['ip'], of: ['port'] }),
    ask.totals(range),
  ]
  // There are eight in the table.
  for (const { rowsRead } of await Promise.all(answers)) assert.ok(rowsRead >= 6 && rowsRead <= 8, String(rowsRead))
})

test('what is beyond the limit is one row, and rows and rest make up the total', async () => {
  const answer = await ask.top({ ...range, by: ['src_vm'], limit: 2, metric: 'packets' })
  assert.deepEqual(figures(answer.rows), [
    ['a', 150_000, 200, 2],
    ['b', 300, 3, 1],
  ])
  assert.deepEqual(figures([answer.other as Row]), [[250, 3, 2]])
  assert.equal(answer.groups, 4)
})

test('either side counts a flow for both of its ends, and once where both are the same', async () => {
  const answer = await ask.top({ ...range, by: ['vm'] })
  assert.deepEqual(figures(answer.rows), [
    ['a', 150_300, 203, 3],
    ['b', 150_300, 203, 3],
    ['', 200, 2, 1],
    ['c', 200, 2, 1],
    ['d', 50, 1, 1],
  ])
  assert.deepEqual(figures([answer.total]), [[150_550, 206, 5]])
  const one = await ask.top({ ...range, by: ['vm'], limit: 1 })
  assert.deepEqual(figures([one.other as Row]), [[250, 3, 2]])
  const sides = await ask.top({ ...range, by: ['ip', 'port'], limit: 2 })
  assert.deepEqual(figures(sides.rows), [
    ['10.0.0.1', 50_000, 150_300, 203, 3],
    ['10.0.0.2', 443, 150_300, 203, 3],
  ])
  assert.deepEqual(figures([sides.other as Row]), [[250, 3, 2]])
})

test('what is beyond a long list of either side is counted once too', async () => {
  // Of another day: they are not to lie in the parts of the others.
  const from = T + 24 * 60 * MINUTE
  // 1200 flows between 1201 addresses in a chain: each address but the ends has two of them.
  await store.execute(`INSERT INTO ${flowsTable(store)} (time_received, src_addr, dst_addr, sampling_rate, bytes, packets, counted)
    SELECT fromUnixTimestamp64Milli(toInt64(${from}), 'UTC'), toIPv6(concat('::a:', hex(number))), toIPv6(concat('::a:', hex(number + 1))), 1, 1 + number, 1, true FROM numbers(1200)`)
  const asked = { from, to: from + MINUTE, by: ['ip'] }
  for (const limit of [200, 400]) {
    const answer = await ask.top({ ...asked, limit })
    // The greatest addresses are the last of the chain, all but the very last: flow n lies between n and n + 1.
    const least = Math.min(
      ...answer.rows.map((row) => Number.parseInt(String(row.key['ip']).split(':').pop() ?? '', 16)),
    )
    const rest = Array.from({ length: least - 1 }, (_, n) => n + 1).reduce((sum, bytes) => sum + bytes, 0)
    assert.deepEqual(
      [answer.groups, answer.other?.flows, answer.other?.bytes],
      [1201, least - 1, rest],
      `limit ${limit}`,
    )
    assert.equal(answer.total.bytes, (1200 * 1201) / 2)
  }
})

test('values are text as people write them', async () => {
  const answer = await ask.top({
    ...range,
    by: ['src_addr', 'src_mac', 'proto', 'tcp_flags', 'locality', 'vlan', 'counted', 'service'],
    limit: 1,
  })
  assert.deepEqual(answer.rows[0]?.key, {
    src_addr: '10.0.0.1',
    src_mac: '02:00:00:00:00:01',
    proto: 'tcp',
    tcp_flags: 'SA',
    locality: 'inter_host',
    vlan: 110,
    counted: true,
    service: '443/tcp',
  })
  const nets = await ask.top({ ...range, by: ['src_net', 'service'], filter: 'not src vm a' })
  assert.deepEqual(
    nets.rows.map((row) => row.key),
    [
      { src_net: '10.0.0.0/24', service: '443/tcp' },
      { src_net: '2001:db8::/48', service: '53/udp' },
      { src_net: '10.0.0.0/24', service: 'icmp' },
    ],
  )
})

test('a filter narrows; rows counted elsewhere come in when asked for', async () => {
  const filtered = await ask.top({ ...range, filter: 'src vm a' })
  assert.deepEqual(figures(filtered.rows), [[150_000, 200, 2]])
  assert.deepEqual(figures([(await ask.top({ ...range, filter: 'src vm a', uncounted: true })).total]), [
    [250_000, 300, 3],
  ])
  assert.deepEqual(figures([(await ask.top({ ...range, filter: 'counted no' })).total]), [[100_000, 100, 1]])
  const none = await ask.top({ ...range, by: ['src_vm'], filter: 'vm nobody' })
  assert.deepEqual([none.rows, none.groups, none.total.bytes, none.samplingRates], [[], 0, 0, [1]])
})

test('series gives bits a second in whole buckets, zero where nothing was, null where nothing can be known yet', async () => {
  const answer = await ask.series({ ...range, by: ['src_vm'], limit: 1, step: 60 })
  assert.deepEqual([answer.from, answer.to, answer.step, answer.times.length], [range.from, range.to, 60, 10])
  const [a, other] = answer.series
  assert.deepEqual([a?.key, a?.other, other?.key, other?.other], [{ src_vm: 'a' }, false, {}, true])
  assert.deepEqual(a?.values, [(100_000 * 8) / 60, (50_000 * 8) / 60, 0, 0, 0, 0, 0, 0, 0, 0])
  assert.deepEqual(other?.values.slice(0, 4), [0, (500 * 8) / 60, 0, (50 * 8) / 60])
  assert.ok((a?.high[2] as number) > 0, 'an empty bucket of sampled traffic may have had packets')
  assert.deepEqual([other?.low[1], other?.high[1], other?.high[2]], [(500 * 8) / 60, (500 * 8) / 60, 0])
  assert.equal(answer.total.bytes, 150_550)
  const later = await ask.series({ from: now - MINUTE, to: now + 3 * MINUTE, step: 60 })
  assert.deepEqual(later.series[0]?.values, [0, 0, 77 * (8 / 60), null, null])
  const around = await ask.series({ from: T - 10 * MINUTE, to: T + 20 * MINUTE, by: ['vlan'], step: 300 })
  assert.deepEqual(
    around.series[0]?.values.map((v) => v === null),
    [true, false, false, false, false, true],
  )
})

test('series of either side draws a row on both lines and totals it once', async () => {
  const answer = await ask.series({ ...range, by: ['vm'], limit: 2, step: 600, metric: 'packets' })
  assert.deepEqual(
    answer.series.map((s) => [s.key['vm'], s.other, Math.round((s.values[0] as number) * 600)]),
    [
      ['a', false, 203],
      ['b', false, 203],
      [undefined, true, 3],
    ],
  )
  assert.equal(answer.total.packets, 206)
  const pairs = await ask.series({
    ...range,
    by: ['src_vm', 'service', 'locality'],
    limit: 2,
    step: 600,
    metric: 'flows',
  })
  assert.deepEqual(
    pairs.series.map((s) => [s.key, s.total.flows]),
    [
      [{ src_vm: 'a', service: '443/tcp', locality: 'inter_host' }, 2],
      [{ src_vm: 'b', service: '443/tcp', locality: 'inter_host' }, 1],
      [{}, 2],
    ],
  )
})

test('top and series say the same of the same range', async () => {
  for (const by of [['src_addr'], ['mac'], ['port'], ['src_host', 'dst_vm'], ['ip', 'vlan']]) {
    const [top, series] = await Promise.all([
      ask.top({ ...range, by, limit: 3 }),
      ask.series({ ...range, by, limit: 3 }),
    ])
    assert.deepEqual(figures(series.series.filter((s) => !s.other).map((s) => s.total)), figures(top.rows), by.join())
    assert.deepEqual(
      series.series.filter((s) => s.other).map((s) => figures([s.total])),
      top.other ? [figures([top.other])] : [],
      by.join(),
    )
    assert.deepEqual(figures([series.total]), figures([top.total]))
  }
})

test('a matrix names the greatest links', async () => {
  const answer = await ask.matrix({ ...range, by: ['src_vm', 'dst_vm'], limit: 2 })
  assert.deepEqual(figures(answer.links), [
    ['a', 'b', 150_000, 200, 2],
    ['b', 'a', 300, 3, 1],
  ])
  assert.deepEqual(figures([answer.other as Row]), [[250, 3, 2]])
  await assert.rejects(ask.matrix({ ...range, by: ['src_vm'] }), UserError)
})

test('flows come newest first, as observed, also those counted elsewhere', async () => {
  const answer = await ask.flows({ ...range, by: ['time_received', 'src_addr', 'proto', 'bytes', 'counted'], limit: 4 })
  assert.deepEqual(
    answer.rows.map((row) => row.slice(0, 4)),
    [
      [T + 190_000, '10.0.0.9', 'icmp', 50],
      [T + 72_000, '2001:db8::1', 'udp', 200],
      [T + 71_000, '10.0.0.2', 'tcp', 300],
      [T + 70_000, '10.0.0.1', 'tcp', 500],
    ],
  )
  assert.equal(answer.more, true)
  const all = await ask.flows({ ...range, filter: 'src vm a' })
  assert.deepEqual(
    [all.rows.length, all.more, all.columns[0]?.name, all.samplingRates],
    [3, false, 'time_received', [100]],
  )
})

test('flows come in another order where one is asked for', async () => {
  const listed = async (order: 'start' | 'end' | 'bytes' | 'packets' | 'duration' | 'bpp'): Promise<number[]> => {
    const answer = await ask.flows({ ...range, by: ['time_start', 'bytes'], order })
    return answer.rows.map(([start, bytes]) => Number(order === 'bytes' ? bytes : start))
  }
  const starts = await listed('start')
  assert.deepEqual(
    starts,
    starts.toSorted((a, b) => a - b),
  )
  const sizes = await listed('bytes')
  assert.ok(new Set(sizes).size > 2)
  assert.deepEqual(
    sizes,
    sizes.toSorted((a, b) => b - a),
  )
  assert.equal((await listed('duration')).length, sizes.length)
})

test('values for completion are those seen, the frequent first', async () => {
  const recent = createAsk({}, { store, clock: { now: () => T + 3_600_000 } })
  assert.deepEqual((await recent.values('src_vm', '', 2))[0], 'a')
  assert.deepEqual(await recent.values('vm', 'C', 10), ['c'])
  assert.deepEqual(await recent.values('proto', 'u', 10), ['udp'])
})

test('what is asked wrongly is said in words', async () => {
  const wrong: readonly (readonly [Parameters<Ask['top']>[0], RegExp, RegExp?])[] = [
    [{ ...range, by: ['src_adr'] }, /not a dimension/, /src_addr/],
    [{ ...range, by: ['bytes'] }, /not a dimension/],
    [{ from: range.to, to: range.from }, /ends before/],
    [{ from: 0, to: range.to }, /20 years/],
    [{ from: 'yesterday', to: range.to }, /not a time/, /ISO 8601/],
    [{ ...range, limit: 0 }, /limit/],
    [{ ...range, filter: 'src prt 80' }, /not a word/, /“port”/],
    [
      { ...range, by: ['src_vm', 'dst_vm', 'src_host', 'dst_host', 'vlan', 'proto', 'src_port', 'dst_port', 'slice'] },
      /at most 8/,
    ],
  ]
  for (const [asked, message, hint] of wrong) {
    await assert.rejects(
      ask.top(asked),
      (error: unknown) =>
        error instanceof UserError && message.test(error.message) && (hint?.test(error.hint ?? '') ?? true),
      JSON.stringify(asked),
    )
  }
  await assert.rejects(ask.series({ ...range, step: 0.01 }), /points/)
  await assert.rejects(ask.flows({ ...range, by: ['sorce'] }), /not a column/)
})

test('times are taken as ISO 8601 or milliseconds', async () => {
  const iso = await ask.top({
    from: new Date(range.from).toISOString(),
    to: new Date(range.to).toISOString().slice(0, 19),
  })
  assert.equal(iso.total.flows, 5)
})

test('a question can be cancelled by its id, by its signal, and by asking anew; one that takes too long ends', async () => {
  const slow = {
    ...store,
    query: (_sql: string, options: { signal?: AbortSignal; timeoutMs?: number } = {}) =>
      store.query('SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1', options),
  }
  const patient = createAsk({ atOnce: 1 }, { store: slow, clock: { now: () => now } })
  const cancelled = (error: unknown): boolean => error instanceof OperatorError && error.code === 'query_cancelled'
  const first = patient.top({ ...range, id: 'x' })
  const queued = patient.top({ ...range, id: 'y' })
  const controller = new AbortController()
  const third = patient.top({ ...range }, { signal: controller.signal })
  const rejected = [
    assert.rejects(first, cancelled),
    assert.rejects(queued, cancelled),
    assert.rejects(third, cancelled),
  ]
  controller.abort()
  const again = patient.top({ ...range, id: 'x' })
  rejected.push(assert.rejects(again, cancelled))
  assert.equal(patient.cancel('y'), true)
  assert.equal(patient.cancel('x'), true)
  assert.equal(patient.cancel('nobody'), false)
  await Promise.all(rejected)
  // It has ended, which is all that is wanted.
  assert.equal(patient.cancel('x'), true)
  await assert.rejects(
    patient.top({ ...range, timeoutMs: 200 }),
    (error: unknown) => error instanceof OperatorError && error.code === 'query_timeout',
  )
})

test('a filter that would take too long to plan is refused in a sentence', async () => {
  const filter = Array.from({ length: 501 }, (_, i) => `vm like a${i}*`).join(' or ')
  await assert.rejects(
    ask.top({ ...range, filter, by: ['vm'] }),
    (error: unknown) =>
      error instanceof FilterError && error.length === filter.length && /1002 things.*1000 are/.test(error.message),
  )
})

test('buckets are round, whole, and about 120', () => {
  assert.deepEqual(bucketsOf(0, 3_600_000), { from: 0, to: 3_600_000, step: 30, count: 120 })
  assert.deepEqual(bucketsOf(1500, 4500, 1), { from: 1000, to: 5000, step: 1, count: 4 })
  for (const hours of [0.1, 1, 6, 24, 24 * 7, 24 * 30, 24 * 365, 24 * 3650]) {
    const { count } = bucketsOf(123_456, 123_456 + hours * 3_600_000)
    assert.ok(count >= 40 && count <= 123, `${hours} h: ${count}`)
  }
})
