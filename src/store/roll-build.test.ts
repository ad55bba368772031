import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { OperatorError } from '../base/errors.ts'
import type { EmbeddedStore } from './embedded.ts'
import { createRoller, type Roller, type RollerConfig } from './roller.ts'
import { differences, insertBatch, smallNetwork } from './roller.fixture.ts'
import { MINUTE_ROLLUPS, ROLLUPS, rollupTable, type Rollup } from './rollups.ts'
import { createPlace, startStore, type Place } from './store.fixture.ts'

// What happens to the store while rollups are built.

const START = Date.parse('2030-05-06T01:00:00Z')
const MINUTE_MS = 60_000
const EVERYTHING: RollerConfig = { fewestFlows: 1, worth: 0.5 }
const OPEN: RollerConfig = { ...EVERYTHING, openMinutes: { fewestFlows: 1, worth: 0.2, pauseMs: 0 } }

let place: Place
let store: EmbeddedStore
let now = START
const clock = { now: () => now }
const rollers: Roller[] = []

beforeEach(async () => {
  place = await createPlace()
  store = await startStore(place.data)
})
afterEach(async () => {
  for (const roller of rollers.splice(0)) await roller.stop()
  await store.stop()
  await place.remove()
})

/** @param before called with each statement before it is executed */
function newRoller(config: RollerConfig, before: (sql: string) => Promise<void>): Roller {
  const watched: typeof store = Object.create(store, {
    execute: {
      value: async (...[sql, options]: Parameters<EmbeddedStore['execute']>) => {
        await before(sql)
        return store.execute(sql, options)
      },
    },
  })
  const roller = createRoller(config, { store: watched, clock })
  rollers.push(roller)
  return roller
}

/** Flows received from one minute after the start to another. */
function insert(seed: number, flows: number, from: number, to: number): Promise<void> {
  return insertBatch(store, place.spool, smallNetwork(seed, flows, START + from * MINUTE_MS, START + to * MINUTE_MS))
}

/** True of the statement that builds the minute, counted from the start, of the rollup alone. */
function isEarly(sql: string, rollup: string, minute: number): boolean {
  const [from, to] = [minute, minute + 1].map((at) => `fromUnixTimestamp64Milli(${START + at * MINUTE_MS}, 'UTC')`)
  return (
    sql.startsWith(`INSERT INTO ${rollup}_minute `) &&
    sql.includes(`time_received >= ${from} AND time_received < ${to} GROUP`)
  )
}

/** Ranges of a table, in minutes after the start. */
function covered(roller: Roller, table: string): string[] {
  const { ranges = [] } = roller.coverage().find((coverage) => coverage.table === table) ?? {}
  const minutes = (at: number): number => (at - START) / MINUTE_MS
  return ranges.map(({ from, to }) => `${from === 0 ? '…' : minutes(from)} to ${minutes(to)}`)
}

/** The minutes from one to another have the sums of their flows. */
async function assertSums(from: number, to: number): Promise<void> {
  const [first, end] = [from, to].map((at) => START + at * MINUTE_MS)
  const where = `time_received >= fromUnixTimestamp64Milli(${first}, 'UTC') AND time_received < fromUnixTimestamp64Milli(${end}, 'UTC')`
  for (const rollup of ROLLUPS.filter(({ exact }) => exact))
    assert.deepEqual(await differences(store, rollup, 'minute', where), [])
}

async function flowsOf(table: string): Promise<number> {
  return Number((await store.query(`SELECT sum(flows) FROM ${table}`)).rows[0]?.[0])
}

test('flows that are deleted while their unit is built again are not taken out of what is built', async () => {
  now = START + 2 * 60 * MINUTE_MS
  let gone = true
  const roller = newRoller(EVERYTHING, async (sql) => {
    if (gone || !sql.startsWith('INSERT INTO traffic_minute')) return
    gone = true
    await store.execute(`INSERT INTO dropped SELECT 'flows', toDateTime(${(START + 4 * MINUTE_MS) / 1000}, 'UTC')`)
    await store.execute('ALTER TABLE flows DROP PARTITION ALL')
  })
  await insertBatch(store, place.spool, smallNetwork(1, 2_000, START, START + 5 * MINUTE_MS))
  await roller.run()
  await insertBatch(store, place.spool, smallNetwork(2, 300, START, START + 5 * MINUTE_MS))
  gone = false
  await roller.run()
  assert.equal(gone, true)
  assert.equal(await flowsOf('traffic_minute'), 2_000)
  assert.equal(await flowsOf('segments_hour'), 2_000)
  assert.equal(await flowsOf('sources_5minutes'), 2_000)
})

test('a minute that cannot be built before its five are over costs no question what is built', async () => {
  now = START + 8 * MINUTE_MS + 15_000
  let failures = 0
  const roller = newRoller(OPEN, async (sql) => {
    if (!/INSERT INTO traffic_minute.*time_received < fromUnixTimestamp64Milli/.test(sql)) return
    if (!sql.includes(String(START + 6 * MINUTE_MS))) return
    failures++
    throw new OperatorError('query_failed', 'too much memory')
  })
  await insertBatch(store, place.spool, smallNetwork(1, 4_000, START, START + 8 * MINUTE_MS + 5000))
  await roller.run()
  assert.deepEqual(covered(roller, 'traffic_minute'), ['… to 5'])
  assert.equal(failures, 1)
  // They are left for when the five are over: this one, and the one that ends where it begins.
  for (let i = 0; i < 3; i++) await roller.run()
  assert.equal(failures, 2)
  assert.deepEqual(covered(roller, 'traffic_hour'), ['… to 0'])
})

test('a roller that is stopped ends the minute that it builds, and begins no other', async () => {
  now = START + 4 * MINUTE_MS + 5000
  await insert(1, 4_000, 0, 4)
  const tried: number[] = []
  const roller = newRoller(OPEN, async (sql) => {
    for (let minute = 0; minute < 4; minute++) if (isEarly(sql, 'traffic', minute)) tried.push(minute)
    if (tried.length > 0) void roller.stop()
  })
  await roller.run()
  assert.deepEqual([tried, covered(roller, 'networks_minute')], [[0], ['… to 1']])
})

test('minutes of traffic that has just become busy are built as they end, after a crash and for late flows no more than is missing', async () => {
  now = START + 8 * MINUTE_MS + 5000
  await insert(1, 200, 0, 5)
  await insert(2, 4_000, 5, 8)
  const config = { ...OPEN, fewestFlows: 1000 }
  const dying = newRoller(config, async (sql) => {
    if (isEarly(sql, 'networks', 7)) throw new OperatorError('store_away', 'gone')
  })
  await dying.run()
  // The five minutes before had few flows, and are read as they are.
  assert.deepEqual(covered(dying, 'traffic_minute'), ['… to 0', '5 to 7'])
  assert.deepEqual(covered(dying, 'sources_5minutes'), ['… to 0'])

  const early: string[] = []
  const roller = newRoller(config, async (sql) => void (/^INSERT INTO \w+_minute/.test(sql) && early.push(sql)))
  await roller.run()
  assert.deepEqual(covered(roller, 'traffic_minute'), ['… to 0', '5 to 8'])
  assert.deepEqual(
    early.map((sql) => isEarly(sql, 'networks', 7)),
    [true],
    'what was there before the crash is not built again',
  )
  await insert(3, 500, 6, 7)
  await roller.look()
  assert.deepEqual(covered(roller, 'networks_minute'), ['… to 0', '5 to 6', '7 to 8'])
  await roller.run()
  await assertSums(5, 8)

  // When the five are over they are built with what is missing.
  await insert(4, 1_000, 6, 10)
  now = START + 11 * MINUTE_MS
  await roller.run()
  assert.deepEqual(covered(roller, 'sources_5minutes'), ['… to 0', '5 to 10'])
  await assertSums(5, 10)
})

test('a minute that is not over is built in pieces, of which it is made when it is, and these go after a while', async () => {
  const assertPieces = async (from: number, to: number): Promise<void> => {
    const [first, end] = [from, to].map((at) => START + at * MINUTE_MS)
    const where = `time_received >= fromUnixTimestamp64Milli(${first}, 'UTC') AND time_received < fromUnixTimestamp64Milli(${end}, 'UTC')`
    for (const rollup of MINUTE_ROLLUPS) assert.deepEqual(await differences(store, rollup, 'piece', where), [])
  }
  const sources: string[] = []
  const roller = newRoller(OPEN, async (sql) => {
    for (let minute = 0; minute < 4; minute++)
      if (isEarly(sql, 'traffic', minute)) sources.push(`${minute} ${/ FROM (\w+) WHERE/.exec(sql)?.[1]}`)
  })
  now = START + 0.75 * MINUTE_MS
  await insert(1, 4_000, 0, 0.75)
  await roller.run()
  assert.deepEqual(
    ['traffic_minute', 'traffic_10seconds', 'networks_10seconds'].map((table) => covered(roller, table).join()),
    ['… to 0', `0 to ${40 / 60}`, `0 to ${40 / 60}`],
  )
  await assertPieces(0, 4 / 6)

  // Late flows, and of a piece that had none to speak of.
  await insert(2, 100, 0, 1 / 6)
  await roller.look()
  assert.deepEqual(covered(roller, 'traffic_10seconds'), [`${10 / 60} to ${40 / 60}`])
  await roller.run()
  await assertPieces(0, 4 / 6)

  now = START + 2.5 * MINUTE_MS
  await insert(3, 3_000, 0.75, 2.5)
  await roller.run()
  assert.deepEqual(sources, ['0 traffic_10seconds', '1 traffic_10seconds'])
  assert.deepEqual(covered(roller, 'traffic_minute'), ['… to 2'])
  await assertSums(0, 2)
  await assertPieces(0, 2 + 2 / 6)

  // Late flows of a minute that was made of pieces.
  await insert(4, 500, 1, 2)
  await roller.run()
  await assertSums(0, 2)

  now = START + 61 * MINUTE_MS
  const next = newRoller(OPEN, () => Promise.resolve())
  await next.run()
  assert.deepEqual(covered(next, 'traffic_10seconds'), [])
  assert.equal(await flowsOf('traffic_10seconds'), 0)
  assert.equal(await flowsOf('traffic_hour'), 7_600)
})

test('pieces that went while the clock was ahead are not told to be there when it goes back', async (t) => {
  now = START + 0.75 * MINUTE_MS
  await insert(1, 4_000, 0, 0.75)
  const roller = newRoller(OPEN, () => Promise.resolve())
  await roller.run()
  assert.deepEqual(covered(roller, 'traffic_10seconds'), [`0 to ${40 / 60}`])

  const later = performance.now() + MINUTE_MS + 1
  t.mock.method(performance, 'now', () => later)
  now += 60 * MINUTE_MS
  await roller.run()
  assert.equal(await flowsOf('traffic_10seconds'), 0)
  now -= 59 * MINUTE_MS
  await roller.look()
  assert.deepEqual(covered(roller, 'traffic_10seconds'), [])
})

test('where the keys of traffic are too many, minutes and pieces of few keys are built alone', async () => {
  now = START + 1.5 * MINUTE_MS
  await insert(1, 20_000, 0, 1.5)
  const roller = newRoller({ ...OPEN, openMinutes: { fewestFlows: 1, worth: 8, pauseMs: 0 } }, () => Promise.resolve())
  await roller.run()
  const tables = ['traffic', 'segments', 'networks'].flatMap((name) => [`${name}_minute`, `${name}_10seconds`])
  assert.deepEqual(
    tables.map((table) => covered(roller, table).join()),
    ['… to 0', '', '… to 1', `0 to ${80 / 60}`, '… to 1', `0 to ${80 / 60}`],
  )
  const where = `time_received < fromUnixTimestamp64Milli(${START + MINUTE_MS}, 'UTC')`
  for (const rollup of MINUTE_ROLLUPS.slice(1))
    for (const level of ['minute', 'piece'] as const)
      assert.deepEqual(await differences(store, rollup, level, where), [])
})

test('minutes are not tried where those before, of as many flows, were not worth it, and the last of five does not wait for addresses', async () => {
  now = START + 4 * MINUTE_MS
  const tried: number[] = []
  const roller = newRoller({ ...OPEN, worth: 8, fewestFlows: 1, lagMs: 0 }, async (sql) => {
    for (let minute = 5; minute < 15; minute++) if (isEarly(sql, 'traffic', minute)) tried.push(minute)
  })
  await insert(1, 1_000, 0, 5)
  now = START + 6 * MINUTE_MS + 5000
  await insert(2, 900, 5, 6)
  await roller.run()
  assert.deepEqual(covered(roller, 'traffic_minute'), ['… to 0'])
  assert.deepEqual(tried, [])
  await insert(3, 1_500, 6, 7)
  now = START + 7 * MINUTE_MS + 5000
  await roller.run()
  assert.deepEqual([tried, covered(roller, 'traffic_minute')], [[6], ['… to 0', '6 to 7']])

  roller.start()
  await insert(4, 9_000, 9, 10)
  now = START + 10 * MINUTE_MS + 5000
  await roller.look()
  // Between them no flows came.
  while (covered(roller, 'traffic_minute').at(-1) !== '6 to 10') await new Promise((resolve) => setTimeout(resolve, 50))
  assert.deepEqual(covered(roller, 'sources_5minutes'), ['… to 0'])
})

test('addresses that are too many to hold are found first, and then put together, with the same rows', async () => {
  now = START + 10 * MINUTE_MS
  await insert(1, 3_000, 0, 5)
  const tables = ['sources_5minutes', 'destinations_5minutes']
  const rowsOf = async (): Promise<unknown[]> => {
    const each = tables.map((table) =>
      store.query(`SELECT * REPLACE (round(bytes_squares) AS bytes_squares) FROM ${table} ORDER BY ALL`),
    )
    return (await Promise.all(each)).map(({ rows }) => rows)
  }
  let atOnce = 0
  await newRoller(EVERYTHING, async (sql) => void (sql.includes('groupArraySorted') && atOnce++)).run()
  assert.equal(atOnce, 2)
  const found = await rowsOf()
  for (const table of [...tables, 'rolled']) await store.execute(`TRUNCATE TABLE ${table}`)
  let refused = 0
  const roller = newRoller(EVERYTHING, async (sql) => {
    if (!sql.includes('groupArraySorted')) return
    refused++
    await store.execute(sql.replace(/max_rows_to_group_by = \d+/, 'max_rows_to_group_by = 10'))
  })
  await roller.run()
  assert.equal(refused, 2)
  assert.deepEqual(await rowsOf(), found)
  assert.ok((found[0] as unknown[]).length > 20)
})

test('where minutes of many keys would save little those of few are built alone, and of late flows no more than is missing', async () => {
  now = START + 10 * MINUTE_MS
  const config = { fewestFlows: 1_000, fewestFlowsAlone: 1_000, worth: 8 }
  await insert(1, 15_000, 0, 5)
  await insert(2, 900, 5, 10)
  let crashes = true
  const dying = newRoller(config, async (sql) => {
    if (crashes && sql.startsWith('INSERT INTO rolled')) throw new OperatorError('store_away', 'gone')
  })
  await assert.rejects(dying.run())
  crashes = false
  const inserted: string[] = []
  const roller = newRoller(config, async (sql) => void inserted.push(sql.split(' ', 3)[2] as string))
  await roller.run()
  assert.deepEqual(inserted, ['traffic_minute', 'rolled'], 'nothing is built again that was there before the crash')
  const alone = ['segments_minute', 'networks_minute']
  for (const table of alone) assert.deepEqual(covered(roller, table), ['… to 5'])
  assert.deepEqual(covered(roller, 'traffic_minute'), ['… to 0'])
  const where = `time_received < fromUnixTimestamp64Milli(${START + 5 * MINUTE_MS}, 'UTC')`
  const assertAlone = async (): Promise<void> => {
    for (const table of alone) {
      const rollup = ROLLUPS.find((one) => rollupTable(one, 'minute') === table) as Rollup
      assert.deepEqual(await differences(store, rollup, 'minute', where), [])
    }
    assert.equal(await flowsOf('traffic_minute'), 0)
  }
  await assertAlone()

  await insert(3, 1_200, 1, 4)
  await roller.look()
  assert.deepEqual(covered(roller, 'segments_minute'), ['… to 0'])
  await roller.run()
  assert.deepEqual(covered(roller, 'segments_minute'), ['… to 5'])
  await assertAlone()
  const again = newRoller(config, async () => undefined)
  await again.look()
  for (const table of alone) assert.deepEqual(covered(again, table), ['… to 5'])

  // Built after all, with those of many keys.
  await insert(4, 500, 1, 4)
  const all = newRoller(EVERYTHING, async () => undefined)
  await all.run()
  assert.deepEqual(covered(all, 'traffic_minute'), ['… to 5'])
  await assertSums(0, 5)
})

test('what is covered counts no longer when for some seconds nobody can say what has come', async () => {
  now = START + 10 * MINUTE_MS
  let fails = false
  let elapsed = 0
  const away: typeof store = Object.create(store, {
    query: {
      value: (...asked: Parameters<EmbeddedStore['query']>) =>
        fails ? Promise.reject(new OperatorError('store_busy', 'every reader is held')) : store.query(...asked),
    },
  })
  const roller = createRoller(EVERYTHING, { store: away, clock, elapsed: () => elapsed })
  await roller.look()
  fails = true
  await assert.rejects(roller.look())
  elapsed = 9_999
  await assert.rejects(roller.look())
  assert.deepEqual(covered(roller, 'traffic_hour'), ['… to 0'])
  elapsed = 10_000
  assert.deepEqual(covered(roller, 'traffic_hour'), [])
  fails = false
  await roller.look()
  assert.deepEqual(covered(roller, 'traffic_hour'), ['… to 0'])
})

test('a unit of which an earlier version told five minutes at once, and of which a minute was built early, gets the others too', async () => {
  now = START + 3 * MINUTE_MS + 15_000
  const roller = newRoller(OPEN, async () => undefined)
  await insert(1, 3_000, 0, 3)
  await store.execute('TRUNCATE TABLE arrivals')
  await store.execute(`INSERT INTO arrivals SELECT toDateTime(${START / 1000}, 'UTC'), 3000`)
  await roller.run()
  assert.deepEqual(covered(roller, 'traffic_minute'), ['… to 0'])
  now = START + 5 * MINUTE_MS + 15_000
  await roller.run()
  assert.equal(await flowsOf('traffic_minute'), 3_000)
  await assertSums(0, 5)
})
