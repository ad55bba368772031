import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { EmbeddedStore } from '../store/embedded.ts'
import { createRoller, type Roller } from '../store/roller.ts'
import type { FlowBatch } from '../flow/flow-batch.ts'
import { smallNetwork, NAMES } from '../store/roller.fixture.ts'
import type { Coverage, RollupStatus } from '../store/rollups.ts'
import { createSpool } from '../store/spool.ts'
import { createPlace, startStore, type Place } from '../store/store.fixture.ts'
import { createAsk, type Ask } from './ask.ts'
import type { Row } from './measure.ts'
import { systemClock } from '../base/clock.ts'
import { join } from 'node:path'

// The same questions through rollups and through the flows.

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** Midnight between two days that ended; the flows lie around it. */
const T = Math.floor(Date.now() / DAY) * DAY - 2 * DAY
const FROM = T - 10 * MINUTE
const TO = T + 10 * MINUTE

/** An hour of the same day. */
const QUIET = T + 5 * HOUR

const clock = { now: () => T + DAY + HOUR }
/** More by hand: VNETSCOPE_RUNS=2000 */
const RUNS = Number(process.env['VNETSCOPE_RUNS'] ?? 15)

let place: Place
let store: EmbeddedStore
let roller: Roller
let raw: Ask
let rolled: Ask

before(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  const files: string[] = []
  const spool = createSpool(
    { dir: place.spool, maxBytes: 1e9 },
    { clock: systemClock, written: (file) => files.push(join(place.spool, file)) },
  )
  await spool.start()
  await spool.write(smallNetwork(1, 20_000, FROM, TO), NAMES)
  await spool.write(fewAddresses(), NAMES)
  await store.insertFiles('flows', files, 'all')
  roller = createRoller({ fewestFlows: 1, worth: 0.1 }, { store, clock })
  await roller.run()
  raw = createAsk({}, { store, clock })
  rolled = createAsk({}, { store, clock, rollups: roller })
})
after(async () => {
  await store.stop()
  await place.remove()
})

/** An hour in which all but 30 of 3,000 flows have one of eight sources. */
function fewAddresses(): FlowBatch {
  const batch = smallNetwork(2, 3000, QUIET, QUIET + HOUR)
  const bytes = new Uint8Array(batch.src_addr.buffer, batch.src_addr.byteOffset)
  for (let i = 0; i < batch.n; i++) bytes.set(i < 30 ? [1, 10 + i] : [0, i % 8], i * 16 + 14)
  return batch
}

/** What flows and rollups must say alike: sums, and the lower ends, which depend on sums alone. */
function figures(rows: readonly (Row | undefined)[]): unknown[] {
  return rows
    .flatMap((row) => (row ? [[JSON.stringify(row.key), row.bytes, row.packets, row.flows, Math.round(row.low)]] : []))
    .toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1))
}

test('whole days are read from the table of days, what is left from finer ones', async () => {
  const days = await rolled.top({ from: T - DAY, to: T + DAY, by: ['src_vm'] })
  assert.deepEqual([days.source, days.read.length, days.notes], ['traffic_day', 1, []])
  const pieces = await rolled.top({ from: T - HOUR - 5 * MINUTE - 30_000, to: T + DAY + 7000, by: ['vlan'] })
  assert.equal(pieces.source, 'traffic_day, traffic_hour, traffic_minute, flows')
  assert.deepEqual(
    pieces.read.map(({ describe, from, to }) => [describe, from, to]),
    [
      ['flows', T - HOUR - 5 * MINUTE - 30_000, T - HOUR - 5 * MINUTE],
      ['1-minute table', T - HOUR - 5 * MINUTE, T - HOUR],
      ['1-hour table', T - HOUR, T],
      ['1-day table', T, T + DAY],
      ['flows', T + DAY, T + DAY + 7000],
    ],
  )
  const services = await rolled.top({ from: T - DAY, to: T + DAY, by: ['service'], filter: 'service 443/tcp' })
  assert.equal(services.source, 'traffic_day', 'no port had to be put together with others')
  const vlan = await rolled.top({ from: T - DAY, to: T + DAY, by: ['vm'], filter: 'vlan 100 and not service 53/udp' })
  assert.equal(vlan.source, 'traffic_day')
  const ports = await rolled.top({ from: T - DAY, to: T + DAY, by: ['src_port'] })
  assert.equal(ports.source, 'flows', 'no rollup has it')
})

const BY = [
  'src_vm',
  'dst_vm',
  'vm',
  'host',
  'vlan',
  'exporter',
  'in_if',
  'if',
  'locality',
  'slice',
  'proto',
  'service',
  'protocol',
  'src_as',
  'src_country',
  'src_addr',
  'dst_addr',
  'src_host',
  'src_port',
] as const
const FILTERS = [
  '',
  'vlan 100',
  'src vm web-1 or dst vm web-2',
  'proto udp and not vlan 101',
  'service 443/tcp',
  'service 53/udp or service 5432/tcp',
  'in if 1 and locality inter_host',
  'counted no',
  'sampling_rate 400',
  'src ip 10.0.0.3',
  'src as 1',
  'bytes > 5000',
  'exporter 192.0.0.1',
] as const

test('through rollups and through the flows, the same questions have the same answers', async () => {
  const moment = fc.oneof(
    fc.integer({ min: FROM - 3 * MINUTE, max: TO + 3 * MINUTE }),
    fc.integer({ min: -15, max: 15 }).map((n) => T + n * MINUTE),
    fc.constantFrom(T - DAY, T - HOUR, T, T + HOUR, T + DAY),
  )
  const question = fc
    .record({
      ends: fc.uniqueArray(moment, { minLength: 2, maxLength: 2 }),
      by: fc.uniqueArray(fc.constantFrom(...BY), { maxLength: 3 }),
      filter: fc.constantFrom(...FILTERS),
      metric: fc.constantFrom('bytes' as const, 'packets' as const, 'flows' as const),
      unit: fc.constantFrom('observed' as const, 'l2' as const, 'l3' as const),
      uncounted: fc.boolean(),
    })
    .map(({ ends, ...rest }) => ({ ...rest, from: Math.min(...ends), to: Math.max(...ends) }))
  const read = new Set<string>()
  await fc.assert(
    fc.asyncProperty(question, fc.integer({ min: 1, max: 12 }), async (asked, few) => {
      const [one, other] = await Promise.all([
        raw.top({ ...asked, limit: 10_000 }),
        rolled.top({ ...asked, limit: 10_000 }),
      ])
      for (const table of other.source.split(', ')) read.add(table)
      assert.deepEqual(figures(other.rows), figures(one.rows))
      assert.deepEqual(figures([other.total]), figures([one.total]))
      assert.deepEqual([other.groups, other.samplingRates, other.notes], [one.groups, one.samplingRates, []])
      const step = 60 * (1 + (few % 5))
      const previous = few % 2 === 0 ? { previous: few * MINUTE } : {}
      const lines = await Promise.all(
        [raw, rolled].map((ask) => ask.series({ ...asked, limit: few, step, ...previous })),
      )
      assert.deepEqual(
        lines[1]?.previous?.series.map((line) => line.values),
        lines[0]?.previous?.series.map((line) => line.values),
      )
      assert.deepEqual(
        lines[1]?.series.map((line) => [line.key, line.other, line.values, line.low]),
        lines[0]?.series.map((line) => [line.key, line.other, line.values, line.low]),
      )
      assert.deepEqual(lines[1]?.groups, lines[0]?.groups)
    }),
    { numRuns: RUNS },
  )
  if (RUNS >= 40) assert.ok(read.size >= 6, [...read].join(', '))
})

test('conversations, totals and distinct counts are the same too', async () => {
  const range = { from: T - HOUR - 90_000, to: T + HOUR }
  const asked = { ...range, by: ['vm'], limit: 50 }
  const [one, other] = await Promise.all([raw.conversations(asked), rolled.conversations(asked)])
  assert.equal(other.source, 'traffic_hour, traffic_minute, flows')
  const lines = (answer: typeof one): unknown[] =>
    answer.rows.map(({ a, b, forth, back }) => [a, b, forth.bytes, forth.flows, back.bytes, Math.round(back.low)])
  assert.deepEqual(lines(other), lines(one))
  const totals = await Promise.all([raw.totals(range), rolled.totals(range)])
  assert.deepEqual(
    [totals[1].bytes.value, totals[1].packets.value, totals[1].flows],
    [totals[0].bytes.value, totals[0].packets.value, totals[0].flows],
  )
  const counted = { ...range, by: ['src_vm'], of: ['vlan', 'proto'] }
  const counts = await Promise.all([raw.distinct(counted), rolled.distinct(counted)])
  assert.equal(counts[1].source, 'traffic_hour, traffic_minute, flows')
  assert.deepEqual(
    counts[1].rows.map((row) => [row.key, row.distinct]),
    counts[0].rows.map((row) => [row.key, row.distinct]),
  )
})

test('rows of a rollup that leave nothing of a conversation are no conversation', async () => {
  const hour = T + 8 * HOUR
  const row = (of: string, sign: number): string =>
    `(fromUnixTimestamp64Milli(${hour}, 'UTC'), true, 1, 'vm-1', '${of}', ${sign * 100}, ${sign}, ${sign})`
  await store.execute(
    `INSERT INTO traffic_hour (time_received, counted, sampling_rate, src_vm, dst_vm, bytes, packets, flows) SELECT * FROM VALUES ('time_received DateTime64(3), counted Bool, sampling_rate UInt32, src_vm String, dst_vm String, bytes Int64, packets Int64, flows Int64', ${row('vm-2', 1)}, ${row('vm-3', 1)}, ${row('vm-3', -1)})`,
  )
  const answer = await rolled.conversations({ from: hour, to: hour + HOUR, by: ['vm'] })
  assert.equal(answer.source, 'traffic_hour')
  assert.deepEqual([answer.groups, answer.rows.map(({ b }) => b['vm'])], [1, ['vm-2']])
  await store.execute(
    `ALTER TABLE traffic_hour DELETE WHERE time_received = fromUnixTimestamp64Milli(${hour}, 'UTC') SETTINGS mutations_sync = 1`,
  )
})

/** As if the flows were deleted up to this time. */
function without(before: number, tables: readonly string[] = ['flows']): RollupStatus {
  return {
    coverage: () =>
      roller
        .coverage()
        .map((table) =>
          tables.includes(table.table) ? { ...table, ranges: [{ from: before, to: Number.POSITIVE_INFINITY }] } : table,
        ),
  }
}

test('where the flows are gone the rollups answer at their granularity, and the answer says so', async () => {
  const ask = createAsk({}, { store, clock, rollups: without(T + 5 * MINUTE + 30_000) })
  const asked = { from: T - 5 * MINUTE - 10_000, to: T + 7 * MINUTE + 1000, by: ['src_vm'] }
  const answer = await ask.top(asked)
  assert.equal(answer.read[0]?.from, T - 6 * MINUTE)
  assert.match(answer.notes.join(' '), /begins at .*:54:00/)
  assert.deepEqual(figures(answer.rows), figures((await raw.top({ ...asked, from: T - 6 * MINUTE })).rows))
  const lost = await ask.top({ ...asked, by: ['src_port'] })
  assert.match(lost.notes.join(' '), /Nothing that answers this is kept/)
  assert.equal(lost.total.flows, (await raw.top({ ...asked, from: T + 5 * MINUTE + 30_000 })).total.flows)
  const series = await ask.series({ ...asked, step: 10 })
  assert.equal(series.step, 60, 'the finest buckets that there are')
  assert.equal(series.series.length, 3)
})

test('a time that is kept by the hour alone is drawn by the hour, and one that is not kept at all is unknown, not nothing', async () => {
  const hole = [
    { from: 0, to: T - 5 * MINUTE },
    { from: T + 5 * MINUTE, to: T + DAY },
  ]
  const only = (tables: Readonly<Record<string, { from: number; to: number }[]>>): Ask =>
    createAsk(
      {},
      {
        store,
        clock,
        rollups: {
          coverage: () => roller.coverage().map((held) => ({ ...held, ranges: tables[held.table] ?? [] })),
        },
      },
    )
  const asked = { from: T - 10 * MINUTE, to: T + 10 * MINUTE, by: ['src_vm'], step: 60 }
  const hours = await only({ traffic_minute: hole, traffic_hour: [{ from: 0, to: T + DAY }] }).series(asked)
  const whole = await raw.series({ ...asked, step: 3600 })
  assert.deepEqual([hours.step, hours.source, hours.notes], [3600, 'traffic_hour', []])
  assert.deepEqual(
    hours.series.map((line) => [line.key, line.values]),
    whole.series.map((line) => [line.key, line.values]),
  )
  const minutes = await only({ traffic_minute: hole }).series(asked)
  assert.deepEqual([minutes.step, minutes.notes.length], [60, 1])
  for (const { values } of minutes.series) {
    assert.deepEqual(new Set(values.slice(5, 15)), new Set([null]))
    assert.ok([...values.slice(0, 5), ...values.slice(15)].every((value) => value !== null))
  }
})

test('of tables with the same buckets the one is read that has most of the range, though it be the larger', async () => {
  const all = [{ from: 0, to: T + DAY }]
  const part = [{ from: 0, to: T - 5 * MINUTE }]
  const tables: Readonly<Record<string, typeof all>> = { flows: all, segments_minute: all, traffic_minute: part }
  const coverage = (): readonly Coverage[] =>
    roller.coverage().map((held) => {
      const ranges = tables[held.table] ?? []
      return { ...held, ranges, rows: held.table === 'segments_minute' ? 1e9 : held.rows }
    })
  const ask = createAsk({}, { store, clock, rollups: { coverage } })
  const asked = { from: T - 10 * MINUTE, to: T + 10 * MINUTE, by: ['vlan'] }
  const answer = await ask.top(asked)
  assert.equal(answer.source, 'segments_minute')
  assert.deepEqual(figures(answer.rows), figures((await raw.top(asked)).rows))
  const nearly = await ask.top({ ...asked, to: T - 4.5 * MINUTE })
  assert.equal(nearly.source, 'traffic_minute, flows')
})

test('networks of addresses that were put together are no network of their own', async () => {
  const range = { from: T - HOUR - 5 * MINUTE, to: T + 5 * MINUTE, limit: 50 }
  const answer = await rolled.top({ ...range, by: ['src_net4/30'], exact: false })
  assert.match(answer.source, /^sources_hour/)
  assert.deepEqual(
    answer.rows.filter((row) => String(row.key['src_net4/30']).startsWith('::')),
    [],
  )
  assert.equal(
    answer.rows.reduce((sum, row) => sum + row.flows, answer.other?.flows ?? 0),
    (await raw.totals(range)).flows.value,
  )
})

const ROUGH = { from: T - HOUR - 5 * MINUTE, to: T + 5 * MINUTE, exact: false }

test('a filter by networks is answered by the flows where the rare addresses could amount to much, or are meant', async () => {
  for (const filter of [
    'src net 10.0.1.0/24',
    'not src ip 10.0.0.1',
    'src net ::/0',
    'src ip in [10.0.1.3 10.0.1.7]',
  ]) {
    const [ours, truth] = await Promise.all([rolled.totals({ ...ROUGH, filter }), raw.totals({ ...ROUGH, filter })])
    assert.deepEqual([ours.source, ours.notes, ours.bytes.value], ['flows', [], truth.bytes.value], filter)
  }
})

test('where the flows are gone or rare addresses have little, an answer by addresses holds what may be missing of it', async () => {
  // As if nothing but sums were left. What was not sampled leaves no other doubt.
  const gone = createAsk({}, { store, clock, rollups: without(T + DAY) })
  const asking = [
    ['src ip 10.0.0.1', 'bytes', [['src_addr']]],
    ['src ip 10.0.0.200', 'packets', [[], ['protocol']]],
    ['src ip in [10.0.0.1 10.0.0.2 10.0.0.77]', 'flows', [[], ['src_addr']]],
    ['src net 10.0.0.0/8', 'packets', [['protocol']]],
    ['src net 10.0.1.0/24 or src ip 10.0.0.2', 'bytes', [[]]],
  ] as const
  let missed = 0
  for (const [filter, metric, bys] of asking) {
    const asked = { ...ROUGH, from: T - HOUR, to: T + HOUR, filter: `protocol ipfix and (${filter})`, metric }
    const [few, whole] = await Promise.all([gone.totals(asked), raw.totals(asked)])
    assert.equal(few.source, 'sources_hour')
    const [one, truth] = [few[metric], whole[metric]]
    assert.ok(one.low <= truth.value && truth.value <= one.high, `${filter}: ${one.low} ${truth.value} ${one.high}`)
    for (const by of bys) {
      const line = { ...asked, by, step: 3600, limit: 3 }
      const [rough, exact] = await Promise.all([gone.series(line), raw.series({ ...line, limit: 100 })])
      const lines = new Map(exact.series.map((of) => [JSON.stringify(of.key), of]))
      for (const of of rough.series.filter(({ other }) => !other))
        for (const [i, high] of of.high.entries()) {
          const known = lines.get(JSON.stringify(of.key))?.values[i] ?? 0
          const low = of.low[i] as number
          assert.ok(low <= known && known <= (high as number), `${filter} by ${by.join()}: ${low} ${known} ${high}`)
          if (low < known) missed++
        }
      assert.ok(rough.total.low <= exact.total[metric] && exact.total[metric] <= rough.total.high)
    }
  }
  assert.ok(missed > 0, 'something was missing')
  for (const filter of ['src net 10.0.0.0/24', 'src ip in [10.0.0.1 10.0.0.2]', 'src net 10.0.0.0/23']) {
    const asked = { from: QUIET, to: QUIET + HOUR, exact: false, filter, metric: 'flows' } as const
    const [few, whole] = await Promise.all([rolled.top(asked), raw.top(asked)])
    assert.equal(few.source, 'sources_hour', filter)
    assert.ok(few.total.low <= whole.total.flows && whole.total.flows <= few.total.high)
  }
})

test('rare addresses may be left out where the question allows it or nothing else is kept, within a bound', async () => {
  const range = { from: T - HOUR - 5 * MINUTE, to: T + 5 * MINUTE }
  for (const [by, metric] of [
    ['src_addr', 'bytes'],
    ['dst_addr', 'packets'],
    ['dst_addr', 'flows'],
  ] as const) {
    const asked = { ...range, by: [by], metric, limit: 8 }
    const [whole, few] = await Promise.all([
      raw.top({ ...asked, limit: 10_000 }),
      rolled.top({ ...asked, exact: false }),
    ])
    assert.match(few.source, by === 'src_addr' ? /^sources_hour, sources_5minutes$/ : /^destinations_hour/)
    assert.match(few.notes.join(' '), /addresses that are not among the heaviest/)
    assert.deepEqual(figures([few.total]), figures([whole.total]))
    const truth = new Map(whole.rows.map((row) => [row.key[by], row]))
    for (const row of few.rows) {
      const exact = truth.get(row.key[by]) as Row
      assert.ok(
        row[metric] <= exact[metric] && exact[metric] <= row.high,
        `${row[metric]} ${exact[metric]} ${row.high}`,
      )
    }
    assert.deepEqual(
      few.rows.map((row) => row.key[by]).toSorted(),
      whole.rows
        .slice(0, 8)
        .map((row) => row.key[by])
        .toSorted(),
      'the heaviest are found',
    )
    assert.equal(
      few.rows.reduce((sum, row) => sum + row.flows, few.other?.flows ?? 0),
      whole.total.flows,
    )
    assert.equal((await rolled.top(asked)).source, 'flows', 'exactly, unless allowed otherwise')
  }
  const gone = createAsk({}, { store, clock, rollups: without(T) })
  const joined = await gone.top({ ...range, by: ['src_addr'], limit: 3 })
  assert.deepEqual(
    joined.read.map((piece) => piece.table),
    ['sources_5minutes', 'sources_hour', 'flows'],
  )
  assert.match(joined.notes.join(' '), /no longer kept there/)
})
