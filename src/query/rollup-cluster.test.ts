import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startClickHouse, startClusterStore, type ClickHouse } from '../store/clickhouse.fixture.ts'
import { createClusterRoller } from '../store/cluster-roller.ts'
import type { ClusterStore } from '../store/cluster.ts'
import { insertBatch, smallNetwork } from '../store/roller.fixture.ts'
import { createPlace, type Place } from '../store/store.fixture.ts'
import { createAsk, type Ask } from './ask.ts'
import type { Row } from './measure.ts'

// The same questions through the rollups of two shards and through their flows.

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** Midnight between two days that ended; the flows lie around it. */
const T = Math.floor(Date.now() / DAY) * DAY - 2 * DAY
const clock = { now: () => T + DAY + HOUR }

let place: Place
let ch: ClickHouse
const stores: ClusterStore[] = []
let raw: Ask
let rolled: Ask

before(async () => {
  place = await createPlace()
  ch = await startClickHouse(join(place.dir, 'servers'), { cluster: 'blue-green', shards: 2, replicas: 1 })
  const [a, b] = ch.urls as [string, string]
  for (const [i, urls] of [
    [a, b],
    [b, a],
  ].entries()) {
    const store = await startClusterStore(urls, { cluster: 'blue-green', spoolDir: join(place.dir, `collector-${i}`) })
    stores.push(store)
    await insertBatch(store, join(place.dir, `${i}`), smallNetwork(i, 4_000, T - 4 * MINUTE, T + (1 + 5 * i) * MINUTE))
  }
  const [store] = stores as [ClusterStore]
  const roller = createClusterRoller({ fewestFlows: 1, worth: 0.1, settleMs: 0 }, { store, clock })
  await roller.run()
  raw = createAsk({}, { store, clock })
  rolled = createAsk({}, { store, clock, rollups: roller })
})
after(async () => {
  for (const store of stores) await store.stop()
  await ch.stop()
  await place.remove()
})

function figures(rows: readonly (Row | undefined)[]): unknown[] {
  return rows
    .flatMap((row) => (row ? [[JSON.stringify(row.key), row.bytes, row.packets, row.flows, Math.round(row.low)]] : []))
    .toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1))
}

test('questions over days, hours, minutes and flows of two shards are answered as of their flows', async () => {
  const pieces = { from: T - HOUR - 5 * MINUTE - 30_000, to: T + 3 * MINUTE + 7000 }
  for (const [asked, source] of [
    [{ from: T - DAY, to: T + DAY, by: ['src_vm', 'vlan'] }, 'traffic_day'],
    [{ ...pieces, by: ['vm'] }, 'traffic_hour, traffic_minute, flows'],
    [{ ...pieces, by: ['service'], filter: 'vlan 100 and not proto udp' }, 'traffic_hour, traffic_minute, flows'],
    [{ ...pieces, by: ['src_country'] }, 'networks_hour, networks_minute, flows'],
    [{ ...pieces, by: [], filter: 'src vm web-1 or in if 2' }, 'traffic_hour, traffic_minute, flows'],
  ] as const) {
    const [one, other] = await Promise.all([raw.top({ ...asked, limit: 1000 }), rolled.top({ ...asked, limit: 1000 })])
    assert.deepEqual([other.source, other.notes], [source, []])
    assert.deepEqual(figures(other.rows), figures(one.rows))
    assert.deepEqual(figures([other.total]), figures([one.total]))
  }
  const asked = { ...pieces, by: ['exporter'], step: 120 }
  const [one, other] = await Promise.all([raw.series(asked), rolled.series(asked)])
  assert.deepEqual(
    other.series.map((line) => [line.key, line.values]),
    one.series.map((line) => [line.key, line.values]),
  )
})

test('of an address no more is missing than its interval says, over both shards together', async () => {
  const asked = { from: T - DAY, to: T + DAY, by: ['src_addr'], limit: 1000 }
  const all = new Map((await raw.top(asked)).rows.map((row) => [JSON.stringify(row.key), row]))
  for (const metric of ['bytes', 'flows'] as const) {
    const rough = await rolled.top({ ...asked, metric, exact: false })
    assert.equal(rough.source, 'sources_day')
    let lacking = 0
    for (const row of rough.rows) {
      const truth = all.get(JSON.stringify(row.key))
      // The rest has no address.
      if (!truth) continue
      assert.ok(
        row[metric] <= truth[metric] && truth[metric] <= row.high,
        `${JSON.stringify(row)} for ${truth[metric]}`,
      )
      if (row[metric] < truth[metric]) lacking++
    }
    assert.notEqual(lacking, 0, 'nothing was missing of any address')
  }
})
