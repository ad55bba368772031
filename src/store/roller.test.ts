import assert from 'node:assert/strict'
import { join } from 'node:path'
import { readdir } from 'node:fs/promises'
import { afterEach, beforeEach, test } from 'node:test'
import type { FlowBatch } from '../flow/flow-batch.ts'
import { systemClock } from '../base/clock.ts'
import type { EmbeddedStore } from './embedded.ts'
import { createRoller, type Roller } from './roller.ts'
import { differences, NAMES, smallNetwork, totals } from './roller.fixture.ts'
import { LEVELS, ROLLUPS } from './rollups.ts'
import { createSpool } from './spool.ts'
import { createPlace, startStore, type Place } from './store.fixture.ts'

const DAY = Date.parse('2030-05-06T00:00:00Z')
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

let place: Place
let store: EmbeddedStore
let roller: Roller
let now = DAY
const clock = { now: () => now }

beforeEach(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  roller = createRoller({ fewestFlows: 100, worth: 0.5 }, { store, clock })
  now = DAY + 26 * HOUR_MS
})
afterEach(async () => {
  await roller.stop()
  await store.stop()
  await place.remove()
})

let token = 0
async function insert(batch: FlowBatch): Promise<void> {
  const spool = createSpool({ dir: place.spool, maxBytes: 1e9 }, { clock: systemClock })
  await spool.start()
  await spool.write(batch, NAMES)
  await spool.stop()
  const file = (await readdir(place.spool)).filter((name) => name.endsWith('.native')).at(-1) as string
  await store.insertFiles('flows', [join(place.spool, file)], `test-${token++}`)
}

async function assertSame(where = '1'): Promise<void> {
  for (const level of LEVELS)
    for (const rollup of ROLLUPS) assert.deepEqual(await differences(store, rollup, level, where), [])
}

test('every rollup gives the sums of the flows by each key', async () => {
  await insert(smallNetwork(1, 30_000, DAY + HOUR_MS, DAY + HOUR_MS + 10 * MINUTE_MS))
  await insert(smallNetwork(2, 20_000, DAY + 3 * HOUR_MS, DAY + 3 * HOUR_MS + 5 * MINUTE_MS))
  await roller.run()
  await assertSame()
  const all = await totals(store)
  assert.deepEqual(new Set(Object.values(all)), new Set([50_000]), JSON.stringify(all))
  assert.equal(roller.status().waiting, 0)
})
