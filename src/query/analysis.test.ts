import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ipText, parseIp } from '../base/address.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import type { EmbeddedStore } from '../store/embedded.ts'
import { createPlace, randomFrom, startStore, type Place } from '../store/store.fixture.ts'
import { createAsk, type Ask } from './ask.ts'
import { dimensionNamed } from './dimensions.ts'
import { unseenAtMost } from './distinct.ts'
import { insertRows, type FlowRow } from './query.fixture.ts'
import { percentile95 } from './series.ts'

const MINUTE = 60_000
const T = Math.floor((Date.now() - 6 * 3_600_000) / 3_600_000) * 3_600_000
const range = { from: T, to: T + 10 * MINUTE }

let place: Place
let store: EmbeddedStore
let ask: Ask

/** A scans 30 addresses, once each; B and C talk both ways. */
const SCAN: FlowRow[] = Array.from({ length: 30 }, (_, i) => ({
  time_received: T + 1000 + i,
  src_addr: '10.0.0.1',
  dst_addr: `10.1.0.${i}`,
  src_vm: 'a',
  proto: 6,
  src_port: 40_000,
  dst_port: 20 + (i % 3),
  bytes: 60,
  packets: 1,
  protocol: 'netflow9',
  exporter: '192.0.2.9',
}))
const TALK: FlowRow[] = [
  { src_addr: '10.0.0.3', dst_addr: '10.0.0.2', src_port: 443, dst_port: 5000, bytes: 9000, packets: 9, at: 2 },
  { src_addr: '10.0.0.2', dst_addr: '10.0.0.3', src_port: 5000, dst_port: 443, bytes: 500, packets: 5, at: 2 },
  { src_addr: '10.0.0.3', dst_addr: '10.0.0.2', src_port: 443, dst_port: 5001, bytes: 1000, packets: 1, at: 7 },
].map(({ at, ...row }) => ({
  ...row,
  time_received: T + at * MINUTE,
  proto: 6,
  exporter: '192.0.2.1',
  in_if: row.src_addr === '10.0.0.3' ? 3 : 2,
  vlan_in: 20,
  sampling_rate: 1,
}))

before(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  ask = createAsk({ atOnce: 2 }, { store, clock: { now: () => T + 3_600_000 } })
  await insertRows(store, [...SCAN, ...TALK])
  // Ten minutes before, a tenth of it.
  await insertRows(store, [{ ...(TALK[0] as FlowRow), bytes: 950, packets: 1, time_received: T - 8 * MINUTE }])
  await insertRows(store, [{ ...(TALK[0] as FlowRow), time_received: T - 20 * MINUTE }])
  for (const [time, speed] of [
    [T - MINUTE, 1e6],
    [T - 60 * MINUTE, 5e5],
    [T + 20 * MINUTE, 2e6],
  ])
    await store.execute(
      `INSERT INTO metrics (time, source, observation, entity, metric, value) SELECT fromUnixTimestamp64Milli(toInt64(${time}), 'UTC'), toIPv6('::ffff:192.0.2.1'), 0, 'if:3', 'if_counters.if_speed', ${speed}`,
    )
})
after(async () => {
  await store.stop()
  await place.remove()
})

test('who scans is seen by how many others it touches', async () => {
  const answer = await ask.distinct({ ...range, by: ['src_addr'], of: ['dst_addr', 'dst_port'], limit: 2 })
  assert.deepEqual(
    answer.rows.map((row) => [
      row.key['src_addr'],
      row.distinct['dst_addr'],
      row.distinct['dst_port']?.value,
      row.flows,
    ]),
    [
      ['10.0.0.1', { value: 30, low: 30, high: 30 }, 3, 30],
      ['10.0.0.2', { value: 1, low: 1, high: 1 }, 1, 1],
    ],
  )
  assert.deepEqual([answer.groups, answer.total.flows, answer.total.bytes], [3, 33, 12_300])
  const byPort = await ask.distinct({ ...range, by: ['src_addr'], of: ['dst_addr', 'dst_port'], orderBy: 'dst_port' })
  assert.deepEqual(
    byPort.rows.map((row) => row.distinct['dst_port']?.value),
    [3, 2, 1],
  )
})

test('values of two sides are those of the other end', async () => {
  const answer = await ask.distinct({ ...range, by: ['ip'], of: ['ip', 'proto'], limit: 2 })
  assert.deepEqual(
    answer.rows.map((row) => [row.key['ip'], row.distinct['ip']?.value, row.distinct['proto']?.value, row.flows]),
    [
      ['10.0.0.1', 30, 1, 30],
      ['10.0.0.2', 1, 1, 3],
    ],
  )
  await assert.rejects(ask.distinct({ ...range, of: ['ip'] }), UserError)
  await assert.rejects(ask.distinct({ ...range, by: ['ip'], of: ['ip'], orderBy: 'proto' }), UserError)
})

test('what sampling missed of distinct values is bounded from those met once and twice', () => {
  assert.equal(unseenAtMost(0, 5), 0)
  const random = randomFrom(7)
  const uniform = (): number => random() / 2 ** 32
  // 2000 values, each as frequent as the others, met by Poisson samples: the truth lies below the bound nearly always.
  let held = 0
  const rounds = 200
  for (let round = 0; round < rounds; round++) {
    let [once, twice, seen] = [0, 0, 0]
    for (let value = 0; value < 2000; value++) {
      const mean = 0.8
      let n = 0
      for (let p = Math.exp(-mean), sum = p, u = uniform(); u > sum;) {
        n++
        p *= mean / n
        sum += p
      }
      if (n > 0) seen++
      if (n === 1) once++
      if (n === 2) twice++
    }
    if (2000 <= seen + unseenAtMost(once, twice)) held++
  }
  assert.ok(held >= 0.95 * rounds, `held in ${held} of ${rounds}`)
})

test('a sampled group may have touched more than were seen', async () => {
  const from = T + 30 * MINUTE
  await insertRows(
    store,
    [1, 2, 2, 3, 3, 4].map((n) => ({
      time_received: from + n,
      src_addr: '10.9.0.1',
      dst_addr: `10.9.1.${n}`,
      sampling_rate: 100,
      bytes: 100,
      packets: 1,
    })),
  )
  const answer = await ask.distinct({ from, to: from + MINUTE, by: ['src_addr'], of: ['dst_addr'] })
  const range = answer.rows[0]?.distinct['dst_addr']
  assert.deepEqual([range?.value, range?.low, range?.high], [4, 4, 4 + unseenAtMost(2, 2)])
  assert.ok(unseenAtMost(2, 2) > 1)
})

test('a conversation is one row with both of its directions', async () => {
  const answer = await ask.conversations({ ...range, by: ['ip'], limit: 1 })
  assert.deepEqual([answer.ends, answer.shared, answer.groups, answer.rows.length], [['ip'], [], 31, 1])
  const [row] = answer.rows
  assert.deepEqual([row?.a, row?.b, row?.key], [{ ip: '10.0.0.3' }, { ip: '10.0.0.2' }, {}])
  assert.deepEqual(
    [row?.forth, row?.back, row?.both].map((m) => [m?.bytes, m?.packets, m?.flows, m?.low, m?.high]),
    [
      [10_000, 10, 2, 10_000, 10_000],
      [500, 5, 1, 500, 500],
      [10_500, 15, 3, 10_500, 10_500],
    ],
  )
  assert.deepEqual([answer.other?.bytes, answer.other?.flows, answer.total.bytes], [1800, 30, 12_300])
  const ports = await ask.conversations({
    ...range,
    by: ['ip', 'port', 'proto'],
    filter: 'host 10.0.0.3 or ip 10.0.0.3',
  })
  assert.deepEqual(
    ports.rows.map(({ a, b, key, forth, back }) => [a, b, key, forth.bytes, back.bytes]),
    [
      [{ ip: '10.0.0.3', port: 443 }, { ip: '10.0.0.2', port: 5000 }, { proto: 'tcp' }, 9000, 500],
      [{ ip: '10.0.0.3', port: 443 }, { ip: '10.0.0.2', port: 5001 }, { proto: 'tcp' }, 1000, 0],
    ],
  )
  await assert.rejects(ask.conversations({ ...range, by: ['src_addr', 'dst_addr'] }), UserError)
})

test('totals say bytes, packets and flows, each with its interval and its mean', async () => {
  const answer = await ask.totals(range)
  assert.deepEqual(answer.bytes, { value: 12_300, low: 12_300, high: 12_300, perSecond: (12_300 * 8) / 600 })
  assert.deepEqual([answer.packets.value, answer.flows.value, answer.bytesPerPacket], [45, 33, 12_300 / 45])
})

test('an earlier time stands beside, of the same groups in the same order', async () => {
  const asked = { ...range, by: ['src_addr'], previous: 10 * MINUTE }
  const top = await ask.top({ ...asked, limit: 2 })
  assert.deepEqual(
    [top.previous?.from, top.previous?.to, top.previous?.rows.map((row) => [row.key['src_addr'], row.bytes])],
    [
      T - 10 * MINUTE,
      T,
      [
        ['10.0.0.3', 950],
        ['10.0.0.1', 0],
      ],
    ],
  )
  assert.deepEqual([top.previous?.total.bytes, top.previous?.other], [950, undefined])
  const series = await ask.series({ ...asked, limit: 1, step: 60 })
  assert.deepEqual([series.previous?.from, series.previous?.to, series.groups], [T - 10 * MINUTE, T, 3])
  assert.equal(series.previous?.series.length, series.series.length)
  assert.deepEqual(series.previous?.series[0]?.values.slice(0, 4), [0, 0, (950 * 8) / 60, 0])
  assert.deepEqual(series.series[0]?.values.slice(0, 4), [0, 0, (9000 * 8) / 60, 0])
})

test('the 95th percentile is the nearest rank of the known values', async () => {
  const values = Array.from({ length: 20 }, (_, i) => (i * 7) % 20)
  const line = { values, low: values.map((v) => v - 1), high: values.map((v) => v + 1) }
  assert.deepEqual(percentile95(line), { value: 18, low: 17, high: 19 })
  assert.deepEqual(percentile95({ values: [null, 5, null], low: [null, 4, null], high: [null, 6, null] }), {
    value: 5,
    low: 4,
    high: 6,
  })
  assert.equal(percentile95({ values: [null], low: [null], high: [null] }), null)
  const { series } = await ask.series({ ...range, step: 60 })
  assert.equal(series[0]?.p95?.value, (9500 * 8) / 60)
})

test('bytes are said to be frames or packets, and converted on demand', async () => {
  const frames = { ...range, filter: 'exporter 192.0.2.1' }
  const packets = { ...range, filter: 'exporter 192.0.2.9' }
  assert.deepEqual((await ask.top(frames)).unit.bytes, 'l2')
  assert.deepEqual((await ask.top(packets)).unit.bytes, 'l3')
  assert.deepEqual((await ask.top(range)).unit.bytes, 'mixed')
  // Frames with a VLAN are 22 bytes longer than their packets, others 18.
  const l3 = await ask.top({ ...frames, unit: 'l3' })
  assert.deepEqual([l3.total.bytes, l3.unit.bytes, l3.unit.estimated], [10_500 - 15 * 22, 'l3', true])
  const l2 = await ask.top({ ...packets, unit: 'l2' })
  assert.deepEqual([l2.total.bytes, l2.unit.bytes, l2.unit.estimated], [1800 + 30 * 18, 'l2', true])
  assert.deepEqual((await ask.top({ ...frames, unit: 'l2' })).unit.estimated, false)
})

test('traffic is held against the speed of its interface, as it was told last before', async () => {
  const asked = { ...range, by: ['exporter', 'in_if'], unit: 'share' as const, filter: 'in if 3 or in if 2' }
  const top = await ask.top(asked)
  assert.deepEqual(
    top.rows.map((row) => [row.key['in_if'], row.speed, row.share?.value ?? null]),
    [
      [3, 1e6, (10_000 * 8) / 600 / 1e6],
      [2, null, null],
    ],
  )
  const { series } = await ask.series({ ...asked, step: 60 })
  assert.deepEqual([series[0]?.values[2], series[0]?.speed, series[1]?.values[2]], [(9000 * 8) / 60 / 1e6, 1e6, null])
  const few = await ask.series({ ...asked, step: 60, limit: 1, filter: '' })
  assert.deepEqual([few.series[1]?.other, few.series[1]?.speed, few.series[1]?.values[2]], [true, null, null])
  await assert.rejects(ask.top({ ...asked, by: ['in_if'] }), UserError)
  await assert.rejects(ask.top({ ...asked, metric: 'packets' }), UserError)
})

test('what a question costs is known before, and one that costs too much is not run', async () => {
  const from = T + 2 * 3_600_000
  await store.execute(`INSERT INTO flows (time_received, src_addr, dst_addr, sampling_rate, bytes, packets, counted)
    SELECT fromUnixTimestamp64Milli(toInt64(${from}) + number, 'UTC'), toIPv6(concat('::c:', hex(number % 1000))), toIPv6('::1'), 1, number, 1, true FROM numbers(300000)`)
  const asked = { from, to: from + 300_000, by: ['src_addr'] }
  const cost = await ask.cost('top', asked)
  assert.deepEqual([cost.measured, cost.long, cost.source], [false, false, 'flows'])
  assert.ok(cost.rows >= 300_000 && cost.rows < 330_000, `${cost.rows}`)
  assert.ok(cost.bytes > 300_000 * (16 + 8) && cost.bytes < 300_000 * 60, `${cost.bytes}`)
  assert.match(cost.text, /^about [\d.]+ s: 3\d\d,\d{3} rows \(\d+ MB\) of flows/)
  await ask.top(asked)
  assert.equal((await ask.cost('top', asked)).measured, true)
  const half = await ask.cost('series', { from, to: from + 1000 })
  assert.ok(half.rows <= cost.rows)
  await assert.rejects(
    ask.top({ ...asked, atMostSeconds: 0.001 }),
    (error: unknown) => error instanceof OperatorError && error.code === 'query_long' && /rows/.test(error.message),
  )
  assert.equal((await ask.top({ ...asked, atMostSeconds: 3600 })).total.flows, 300_000)
})

test('all flows come page by page, each once and in order, however unevenly they lie', async () => {
  const from = T + 3 * 3_600_000
  // 50,000 in one millisecond, 30,000 in one second, and 5000 over an hour.
  const add = (first: number, count: number, spread: number): Promise<void> =>
    store.execute(`INSERT INTO flows (time_received, observation, sampling_rate, bytes, packets, counted)
      SELECT fromUnixTimestamp64Milli(toInt64(${from}) + intDiv(number * ${spread}, ${count}), 'UTC'), ${first} + number, 1, 1, 1, number % 2 = 0 FROM numbers(${count})`)
  await add(0, 50_000, 1)
  await add(50_000, 30_000, 1000)
  await add(80_000, 5000, 3_600_000)
  const asked = { from, to: from + 3_600_000, by: ['time_received', 'observation'] }
  const { columns, pages } = ask.everyFlow(asked)
  assert.deepEqual(
    columns.map((c) => c.name),
    ['time_received', 'observation'],
  )
  const seen = new Set<number>()
  let last = 0
  let largest = 0
  for await (const page of pages) {
    largest = Math.max(largest, page.length)
    for (const [time, number] of page as [number, number][]) {
      assert.ok(time >= last)
      last = time
      seen.add(number)
    }
  }
  assert.equal(seen.size, 85_000)
  assert.ok(largest < 60_000)
  let some = 0
  for await (const page of ask.everyFlow({ ...asked, limit: 60_000, filter: 'counted yes' }).pages) some += page.length
  assert.equal(some, 42_500)
  some = 0
  for await (const page of ask.everyFlow({ ...asked, limit: 7 }).pages) some += page.length
  assert.equal(some, 7)
})

test('the two ways of a connection are told from the client where both began at once', async () => {
  const by = ['proto', 'src_addr', 'src_port', 'dst_addr', 'dst_port']
  const range = { from: T, to: T + 10 * MINUTE, filter: 'vlan 20 and port 5000' }
  for (const order of ['bytes', 'out_bytes'] as const) {
    const { rows } = await ask.records({ ...range, by, order, ways: 'together' })
    assert.deepEqual(
      rows.map(({ key, bytes, bytesBack }) => [key['src_addr'], key['dst_port'], bytes, bytesBack]),
      [['10.0.0.2', 443, 500, 9000]],
    )
  }
})

test('addresses are written alike whether the store or the program writes them', async () => {
  const decode = dimensionNamed('src_addr').decode
  const texts = Array.from({ length: 3000 }, (_, i) => {
    // Zeros in many places, where a text may be shortened in more than one way.
    const bits = (i * 2654435761) >>> 0
    return ipText(
      Uint8Array.from({ length: 16 }, (_b, at) =>
        (bits >> (at >> 1)) & 1 ? (bits >> at) & (at % 3 === 0 ? 255 : 15) : 0,
      ),
    )
  })
  texts.push('::', '::1', '::ffff:10.0.0.1', '10.0.0.1', '::1.2.3.4', '1::', 'fe80::1:0:0:1', '2001:db8:0:1:1:1:1:1')
  const { rows } = await store.query(
    `SELECT arrayJoin([${texts.map((text) => `toString(toIPv6('${text}'))`).join(', ')}]) AS text`,
  )
  const ours = texts.map((text) => ipText(parseIp(text) as Uint8Array))
  assert.deepEqual(
    rows.map(([text]) => decode(text as string)),
    ours,
  )
})
