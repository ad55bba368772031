import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { OperatorError } from '../base/errors.ts'
import type { FlowBatch } from '../flow/flow-batch.ts'
import type { EmbeddedStore } from './embedded.ts'
import { rollStatement } from './roll-sql.ts'
import { createRoller, type Roller, type RollerConfig } from './roller.ts'
import { differences, insertBatch, smallNetwork, totals } from './roller.fixture.ts'
import { LEVELS, ROLLUPS, rollupTable, type Rollup } from './rollups.ts'
import { createPlace, setTime, startStore, type Place } from './store.fixture.ts'

const DAY = Date.parse('2030-05-06T00:00:00Z')
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const EVERYTHING: RollerConfig = { fewestFlows: 1, worth: 0.5 }

let place: Place
let store: EmbeddedStore
let now = DAY
const clock = { now: () => now }
const rollers: Roller[] = []

beforeEach(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  now = DAY + 26 * HOUR_MS
})
afterEach(async () => {
  for (const roller of rollers.splice(0)) await roller.stop()
  await store.stop()
  await place.remove()
})

function newRoller(config = EVERYTHING): Roller {
  const roller = createRoller(config, { store, clock })
  rollers.push(roller)
  return roller
}

function insert(batch: FlowBatch): Promise<void> {
  return insertBatch(store, place.spool, batch)
}

/** Flows that differ in their addresses and amounts alone. */
function alike(batch: FlowBatch): FlowBatch {
  const { src_vm, dst_vm, src_host, dst_host, slice, in_if, out_if, src_as, dst_as, src_country, exporter } = batch
  for (const column of [
    src_vm,
    dst_vm,
    src_host,
    dst_host,
    slice,
    in_if,
    out_if,
    src_as,
    dst_as,
    src_country,
    exporter,
  ])
    column.fill(0)
  for (const column of [batch.locality, batch.counted, batch.protocol, batch.sampling_rate]) column.fill(1)
  batch.vlan_in.fill(100)
  batch.proto.fill(6)
  batch.dst_port.fill(443)
  return batch
}

async function assertSums(levels = LEVELS as readonly (typeof LEVELS)[number][]): Promise<void> {
  for (const level of levels)
    for (const rollup of ROLLUPS) assert.deepEqual(await differences(store, rollup, level, '1'), [])
}

async function assertTotals(flows: number): Promise<void> {
  const all = await totals(store)
  assert.deepEqual(new Set(Object.values(all)), new Set([flows]), JSON.stringify(all))
}

/** Ranges of the table from the day of the test on, in minutes of that day. */
function covered(roller: Roller, table: string): [number, number][] {
  const found = roller.coverage().find((coverage) => coverage.table === table)
  assert.ok(found)
  const later = found.ranges.filter(({ to }) => to > DAY)
  return later.map(({ from, to }) => [Math.max(0, (from - DAY) / MINUTE_MS), (to - DAY) / MINUTE_MS])
}

test('each rollup has the sums of the flows by every key, late flows are added, and nothing is added twice', async () => {
  await insert(smallNetwork(1, 4_000, DAY + HOUR_MS, DAY + HOUR_MS + 5 * MINUTE_MS))
  await insert(smallNetwork(2, 2_000, DAY + 3 * HOUR_MS, DAY + 3 * HOUR_MS + 5 * MINUTE_MS))
  const roller = newRoller()
  await roller.run()
  await assertSums()
  await assertTotals(6_000)
  assert.equal(roller.status().built, 2 + 2 + 1 + 1)
  assert.equal(roller.status().waiting, 0)
  assert.deepEqual(covered(roller, 'traffic_minute'), [[0, 26 * 60 - 5]])
  assert.deepEqual(covered(roller, 'sources_hour'), [[0, 25 * 60]])
  assert.deepEqual(covered(roller, 'networks_day'), [[0, 24 * 60]])

  // Late flows, for a time that is built and for one that had none.
  await insert(smallNetwork(3, 1_000, DAY + HOUR_MS + 2 * MINUTE_MS, DAY + HOUR_MS + 3 * MINUTE_MS))
  await insert(smallNetwork(4, 1_000, DAY + HOUR_MS + 30 * MINUTE_MS, DAY + HOUR_MS + 31 * MINUTE_MS))
  await roller.run()
  await assertSums()
  await assertTotals(8_000)

  // As after a crash between the rows and the note that they are there.
  await store.execute('TRUNCATE TABLE rolled')
  const again = newRoller()
  await again.run()
  assert.equal(again.status().built, 3 + 2 + 1 + 1)
  await assertTotals(8_000)
  await assertSums()

  const third = newRoller()
  await third.run()
  assert.equal(third.status().built, 0)
})

test('what is still open or comes late is not covered until it is built', async () => {
  now = DAY + HOUR_MS + 7 * MINUTE_MS
  await insert(smallNetwork(1, 3_000, DAY + HOUR_MS, DAY + HOUR_MS + 7 * MINUTE_MS))
  const roller = newRoller()
  assert.deepEqual(covered(roller, 'traffic_minute'), [])
  await roller.run()
  assert.deepEqual(covered(roller, 'traffic_minute'), [[0, 65]])
  assert.deepEqual(covered(roller, 'traffic_hour'), [[0, 60]])
  assert.deepEqual(await store.query('SELECT count() FROM traffic_hour').then((a) => a.rows), [[0]])
  // What comes late is not covered as soon as it is stored.
  await insert(smallNetwork(2, 1_000, DAY, DAY + MINUTE_MS))
  await roller.arrived()
  assert.deepEqual(covered(roller, 'traffic_minute'), [[60, 65]])
  now += 5 * MINUTE_MS
  await roller.run()
  assert.deepEqual(covered(roller, 'traffic_minute'), [[0, 70]])
  await assertSums(['minute'])
})

test('minutes that would save little are left out, and their hour is made of the flows', async () => {
  await insert(smallNetwork(1, 15_000, DAY + HOUR_MS, DAY + HOUR_MS + 5 * MINUTE_MS))
  await insert(smallNetwork(2, 3_000, DAY + HOUR_MS + 10 * MINUTE_MS, DAY + HOUR_MS + 15 * MINUTE_MS))
  const roller = newRoller({ fewestFlows: 4_000, worth: 8 })
  await roller.run()
  assert.deepEqual(await store.query('SELECT count() FROM traffic_minute').then((a) => a.rows), [[0]])
  assert.deepEqual(covered(roller, 'traffic_minute'), [[0, 60]])
  assert.deepEqual(covered(roller, 'traffic_hour'), [[0, 25 * 60]])
  await assertSums(['hour', 'day'])
  // They are not tried again.
  const next = newRoller({ fewestFlows: 4_000, worth: 8 })
  await next.run()
  assert.equal(next.status().built, 0)
})

test('minutes that are built stay built when late flows make more rows of them than would be worth it', async () => {
  await insert(alike(smallNetwork(1, 4_000, DAY + HOUR_MS, DAY + HOUR_MS + MINUTE_MS)))
  const roller = newRoller({ fewestFlows: 1, worth: 8 })
  await roller.run()
  await assertTotals(4_000)
  await insert(smallNetwork(2, 4_000, DAY + HOUR_MS, DAY + HOUR_MS + 5 * MINUTE_MS))
  await roller.run()
  assert.deepEqual([roller.status().waiting, roller.status().problem], [0, undefined])
  await assertTotals(8_000)
  await assertSums()
})

test('a unit that cannot be built keeps no other from being built, and is said', async () => {
  await insert(smallNetwork(1, 500, DAY + HOUR_MS, DAY + HOUR_MS + 5 * MINUTE_MS))
  await insert(smallNetwork(2, 500, DAY + 2 * HOUR_MS, DAY + 2 * HOUR_MS + 5 * MINUTE_MS))
  let fails = true
  const part = `${DAY + 2 * HOUR_MS}`
  const roller = createRoller(EVERYTHING, {
    clock,
    store: {
      ...store,
      execute: (sql, options) =>
        fails && sql.startsWith('INSERT INTO networks_minute') && sql.includes(part)
          ? Promise.reject(new OperatorError('store_failed', 'too much of it'))
          : store.execute(sql, options),
    },
  })
  rollers.push(roller)
  await roller.run()
  assert.equal(roller.status().problem, 'too much of it')
  assert.equal(roller.status().waiting, 1)
  await assertSums(['hour', 'day'])
  fails = false
  await roller.run()
  assert.deepEqual([roller.status().waiting, roller.status().problem], [0, undefined])
  await assertSums()
  await assertTotals(1_000)
})

test('where each address keeps its rows none of them says that something may be missing', async () => {
  const batch = alike(smallNetwork(1, 60, DAY + HOUR_MS, DAY + HOUR_MS + MINUTE_MS))
  // 15 addresses with many bytes in one flow, and 15 with few in three: more than are kept by either.
  for (let i = 0; i < batch.n; i++) {
    const address = i < 15 ? i : 15 + (i % 15)
    batch.src_addr.set([0, 0, 0xffff0000, 10 + (address << 24)], i * 4)
    setTime(batch.packets, i, 1)
    setTime(batch.bytes, i, i < 15 ? 10_000 + i : 100 + address)
  }
  await insert(batch)
  await newRoller().run()
  for (const table of ['sources_5minutes', 'sources_hour', 'sources_day'])
    assert.deepEqual(
      (await store.query(`SELECT uniqExact(src_addr), sum(flows), sum(unseen_bytes), sum(unseen_flows) FROM ${table}`))
        .rows,
      [[30, 60, 0, 0]],
      table,
    )
})

test('a rare port that takes the place of another leaves the bytes of all as they are', async () => {
  const rollup = ROLLUPS[0] as Rollup
  const unit = { rollup, level: 'hour', from: 'flows', start: (DAY + HOUR_MS) / 1000 } as const
  const options = { memoryBytes: 2 ** 28, fold: 1 }
  const ofPort = (port: number, rows: number): FlowBatch => {
    const batch = alike(smallNetwork(5, rows, DAY + HOUR_MS, DAY + HOUR_MS + 1))
    batch.dst_port.fill(port)
    for (let i = 0; i < rows; i++) setTime(batch.bytes, i, port)
    return batch
  }
  await insert(ofPort(443, 10))
  await insert(ofPort(80, 10))
  await store.execute(rollStatement(unit, options))
  const named = (): Promise<unknown> =>
    store
      .query(
        'SELECT service_port FROM traffic_hour WHERE service_port < 65535 GROUP BY service_port HAVING sum(flows) > 0',
      )
      .then((a) => a.rows[0]?.[0])
  const first = await named()
  const second = first === 80 ? 443 : 80
  await insert(ofPort(second, 1))
  await store.execute(rollStatement(unit, { ...options, again: true }))
  assert.equal(await named(), second, 'as many flows have lost their port as had none')
  const other = { ...rollup, keys: rollup.keys.filter((key) => key.name !== 'service_port') }
  assert.deepEqual(await differences(store, other, 'hour', '1'), [])
})

test('of an address no more is missing than its bound says, at each level and after late flows', async () => {
  const from = DAY + HOUR_MS
  for (let i = 0; i < 3; i++)
    await insert(smallNetwork(i, 2_000, from + i * 25 * MINUTE_MS, from + (i * 25 + 5) * MINUTE_MS))
  const roller = newRoller()
  await roller.run()
  await insert(smallNetwork(9, 3_000, from, from + 5 * MINUTE_MS))
  await roller.run()
  for (const rollup of ROLLUPS.filter(({ exact }) => !exact)) {
    const address = rollup.folds[0]?.key as string
    for (const level of LEVELS) {
      const table = rollupTable(rollup, level)
      for (const [sum, unseen] of [
        ['sum(bytes * sampling_rate)', 'unseen_bytes'],
        ['sum(packets * sampling_rate)', 'unseen_packets'],
      ] as const) {
        const { rows } = await store.query(
          `SELECT address, ought, is, bound, carried FROM
             (SELECT ${address} AS address, toInt64(${sum}) AS ought FROM flows GROUP BY address) AS o
             LEFT JOIN (SELECT ${address} AS address, toInt64(${sum}) AS is, sum(${unseen}) AS carried FROM ${table} WHERE ${address} != toIPv6('::') GROUP BY address) AS r USING address
             CROSS JOIN (SELECT sum(${unseen}) AS bound FROM ${table} WHERE ${address} = toIPv6('::')) AS b`,
        )
        assert.ok(rows.length > 390)
        let own = 0
        for (const [name, ought, is, bound, carried] of rows as [string, number, number, number, number][]) {
          if (is > 0) own++
          const missing = ought - is
          assert.ok(missing >= 0, `${table} has ${is} of ${ought} for ${name}`)
          assert.ok(missing <= bound - carried, `${table} lacks ${missing} of ${name}, bound ${bound} - ${carried}`)
        }
        assert.ok(own >= 20 && own < 200, `${own} addresses in ${table}`)
      }
    }
  }
})

test('rare ports and autonomous systems are put together where there are too many, and other sums stay', async () => {
  const batch = smallNetwork(1, 6_000, DAY + HOUR_MS, DAY + HOUR_MS + MINUTE_MS)
  for (let i = 0; i < 3_000; i++) {
    batch.dst_port[i] = 2_000 + i
    batch.dst_as[i] = 64_000 + (i % 500)
  }
  await insert(batch)
  for (const name of ['traffic', 'networks'] as const) {
    const rollup = ROLLUPS.find((r) => r.name === name) as Rollup
    const unit = { rollup, level: 'hour', from: 'flows', start: (DAY + HOUR_MS) / 1000 } as const
    const options = { memoryBytes: 2 ** 28 }
    await assert.rejects(store.execute(rollStatement(unit, { ...options, mostGroups: 100 })))
    assert.deepEqual(await store.query(`SELECT count() FROM ${name}_hour`).then((a) => a.rows), [[0]])
    await store.execute(rollStatement(unit, { ...options, fold: 10 }))
    const folded = new Set(rollup.folds.map(({ key }) => key))
    const other = { ...rollup, keys: rollup.keys.filter((key) => !folded.has(key.name)) }
    assert.deepEqual(await differences(store, other, 'hour', '1'), [])
    const key = rollup.folds[0]?.key
    const [[distinct]] = (await store.query(`SELECT uniqExact(${key}) FROM ${name}_hour`)).rows as [[number]]
    assert.ok(distinct <= 31, `${distinct} values of ${key}`)
    // Built again unfolded: the difference takes the folded rows back.
    await store.execute(rollStatement(unit, { ...options, again: true }))
    assert.deepEqual(await differences(store, rollup, 'hour', '1'), [])
  }
})

test('an engine that dies at any moment of a roll leaves nothing out and nothing twice', async () => {
  const kills = Number(process.env.VNETSCOPE_KILLS ?? 2)
  await insert(smallNetwork(1, 6_000, DAY + HOUR_MS, DAY + HOUR_MS + 10 * MINUTE_MS))
  const roller = newRoller()
  for (let kill = 0; kill < kills; kill++) {
    const before = await store.query('SELECT count() FROM rolled').then((a) => a.rows[0]?.[0] as number)
    const running = roller.run().catch(() => undefined)
    for (let looks = 0; looks < 200; looks++) {
      const [[after]] = (await store.query('SELECT count() FROM rolled')).rows as [[number]]
      if (after > before) break
    }
    process.kill(store.status().pid as number, 'SIGKILL')
    await running
    while (store.status().state !== 'ready') await new Promise((resolve) => setTimeout(resolve, 10))
    const late = smallNetwork(10 + kill, 500, DAY + HOUR_MS, DAY + HOUR_MS + 10 * MINUTE_MS)
    for (let i = 0; i < late.n; i += 2) setTime(late.time_received, i, DAY + HOUR_MS + (kill % 4) * 5 * MINUTE_MS)
    await insert(late)
  }
  await newRoller().run()
  await assertTotals(6_000 + kills * 500)
  await assertSums()
})
