import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StorageAnswer } from '../api/contract/system.ts'
import { LOCAL_HOME } from '../store/home.ts'
import { createRoller } from '../store/roller.ts'
import { insertBatch, smallNetwork } from '../store/roller.fixture.ts'
import { createPlace, startStore } from '../store/store.fixture.ts'
import { ConfigSchema } from './config.ts'
import { createStorageReport } from './storage-report.ts'

const HOUR = Date.parse('2030-05-06T10:00:00Z')

test('the report of the storage has each table with its size, its age and how long it is kept', async () => {
  const place = await createPlace()
  const store = await startStore(place.data)
  try {
    await insertBatch(store, place.spool, smallNetwork(1, 500, HOUR, HOUR + 60_000))
    const roller = createRoller({ fewestFlows: 1, worth: 0.1 }, { store, clock: { now: () => HOUR + 3_600_000 } })
    await roller.run()
    const config = ConfigSchema.parse({
      data: place.dir,
      storage: { retentionDays: 30, flows: { maxBytes: '1GiB' }, hours: { retentionDays: 365 } },
    })
    const report = StorageAnswer.parse(await createStorageReport(config, { store, home: LOCAL_HOME, roller })())
    const table = (name: string) => report.tables.find((t) => t.name === name)
    const flows = table('flows')
    assert.equal(flows?.rows, 500)
    assert.ok((flows?.bytes ?? 0) > 1000)
    assert.ok((flows?.oldest ?? 0) >= HOUR && (flows?.newest ?? 0) <= HOUR + 60_000)
    assert.deepEqual([flows?.keepDays, flows?.keepBytes], [30, 2 ** 30])
    assert.equal(table('metrics')?.keepDays, 30)
    assert.equal(table('traffic_minute')?.newest, HOUR)
    assert.equal(table('traffic_minute')?.keepDays, 60)
    assert.deepEqual([table('sources_hour')?.rows, table('sources_hour')?.keepDays], [0, 365])
    assert.equal(table('traffic_day')?.keepDays, null)
    assert.deepEqual(report.rollups, { built: 1, waiting: 0, problem: null })
    assert.ok((report.disk?.total ?? 0) > (report.disk?.free ?? 0))
  } finally {
    await store.stop()
    await place.remove()
  }
})
