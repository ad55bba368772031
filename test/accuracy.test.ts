// The yardstick: what the store answers about sampled traffic, held against what the simulated data center really sent.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { systemClock } from '../src/base/clock.ts'
import type { Datagram, IngestSink } from '../src/collect/ingest.ts'
import { createSflowIngest } from '../src/collect/sflow.ts'
import { createEnricher } from '../src/enrich/enricher.ts'
import { FlowBatch } from '../src/flow/flow-batch.ts'
import { MetricBatch } from '../src/flow/metric-batch.ts'
import { createInventory } from '../src/inventory/inventory.ts'
import { EMPTY_INVENTORY } from '../src/inventory/machine.ts'
import { createAsk, type Ask } from '../src/query/ask.ts'
import { simulateMinutes } from '../src/simulate/simulator.ts'
import type { TruthRow } from '../src/simulate/truth.ts'
import type { EmbeddedStore } from '../src/store/embedded.ts'
import { createLoader } from '../src/store/loader.ts'
import { createSpool } from '../src/store/spool.ts'
import { createPlace, startStore, type Place } from '../src/store/store.fixture.ts'

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
const MINUTES = 20
const CELL = 5 * 60_000
// Far enough ahead that no retention takes it away.
const NOON = Date.UTC(2031, 0, 15, 12)
const DAY = 86_400_000
const SAMPLING = 400
const PPS = 60_000

interface Cell {
  readonly key: string
  readonly truth: number
  readonly estimate: number
  readonly low: number
  readonly high: number
  readonly samples: number
}

let place: Place
let store: EmbeddedStore
let ask: Ask
/** True bytes by seed, 5 minutes, and VM (sent and received), VLAN or all. */
const truths = new Map<string, number>()

before(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  ask = createAsk({}, { store, clock: systemClock })
  const spool = createSpool({ dir: place.spool, maxBytes: 4e9 }, { clock: systemClock })
  const loader = createLoader({ dir: place.spool }, { store, clock: systemClock })
  await spool.start()
  await loader.start()
  try {
    for (const seed of SEEDS) await collect(seed, spool)
    await loader.drained()
  } finally {
    await loader.stop()
  }
})

after(async () => {
  await store.stop()
  await place.remove()
})

/** Simulates a day's noon of its own for each seed, through the collector's own ingest and enrichment. */
async function collect(seed: number, spool: ReturnType<typeof createSpool>): Promise<void> {
  const clock = { now: () => datagram.receivedAt }
  const ingest = createSflowIngest({}, { clock })
  const inventory = createInventory(EMPTY_INVENTORY, { clock })
  const enricher = createEnricher(EMPTY_INVENTORY, { inventory, clock })
  const full: { batch: FlowBatch; names: readonly string[] }[] = []
  const handOn = (): void => {
    const names = enricher.apply(sink.flows)
    full.push({ batch: sink.flows, names: [...names] })
    sink.flows = new FlowBatch()
  }
  const sink: IngestSink = {
    flows: new FlowBatch(),
    room: (rows) => {
      if (sink.flows.n + rows > sink.flows.capacity) handOn()
      return true
    },
    metrics: new MetricBatch(),
    sighting: (sighting) => inventory.sight(sighting),
    problem: (code, offset) => assert.fail(`${code} at ${offset}`),
  }
  const datagram = {
    offset: 0,
    source0: 0,
    source1: 0,
    source2: 0,
    source3: 0,
    sourcePort: 1,
    receivedAt: 0,
  } as unknown as Datagram
  simulateMinutes(
    { seed, pps: PPS, sampling: SAMPLING },
    MINUTES,
    (bytes, sentAt) => {
      Object.assign(datagram, {
        bytes,
        view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
        length: bytes.length,
        receivedAt: sentAt,
      })
      ingest.datagram(datagram, sink)
    },
    { startAt: NOON + seed * DAY, truth: (row) => addTruth(seed, row) },
  )
  handOn()
  for (const { batch, names } of full) {
    const { refused } = await spool.write(batch, names)
    assert.equal(refused, 0)
  }
}

function addTruth(seed: number, row: TruthRow): void {
  if (row.kind === 'interface') return
  const cell = Math.floor((row.time - NOON - seed * DAY) / CELL)
  for (const [metric, value] of [
    ['bytes', row.bytes],
    ['packets', row.packets],
  ] as const) {
    const key = `${metric} ${seed} ${cell} ${row.kind} ${row.name}`
    truths.set(key, (truths.get(key) ?? 0) + value)
  }
}

/** What the `top` question answers for every cell, beside the truth. */
async function cellsOf(metric: 'bytes' | 'packets', kind: TruthRow['kind'], by: string[]): Promise<Cell[]> {
  const cells: Cell[] = []
  for (const seed of SEEDS) {
    for (let i = 0; i < (MINUTES * 60_000) / CELL; i++) {
      const from = NOON + seed * DAY + i * CELL
      const answer = await ask.top({ from, to: from + CELL, by, metric, limit: 10_000 })
      for (const row of answer.rows) {
        const name = by.length === 0 ? 'all' : String(row.key[by[0] as string] ?? '')
        const truth = truths.get(`${metric} ${seed} ${i} ${kind} ${name}`)
        if (truth === undefined) {
          assert.equal(name, '', `${name} was never sent`)
          continue
        }
        cells.push({
          key: `${seed} ${i} ${name}`,
          truth,
          estimate: row[metric],
          low: row.low,
          high: row.high,
          samples: row.flows,
        })
      }
    }
  }
  return cells
}

function covered(cells: readonly Cell[]): number {
  return cells.filter(({ truth, low, high }) => low <= truth && truth <= high).length / cells.length
}

/** Distance from the truth in standard deviations, as the interval tells them. */
function score({ truth, estimate, low, high }: Cell): number {
  return (estimate - truth) / ((high - low) / (2 * 1.96))
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

for (const metric of ['bytes', 'packets'] as const) {
  test(`of 5 minutes of a VM, the true ${metric} lie in the interval shown in at least 93 % of cells, and not always on one side`, async (t) => {
    const cells = await cellsOf(metric, 'vm', ['vm'])
    assert.ok(cells.length > 3000, `${cells.length} cells`)
    const inside = covered(cells)
    // With few samples, the width of an interval goes with its estimate, so that scores of such cells lean to one side by their nature.
    const scores = cells.filter(({ samples }) => samples >= 100).map(score)
    const lean = mean(scores)
    const above = scores.filter((z) => z > 0).length / scores.length
    const ratio =
      cells.reduce((sum, { estimate }) => sum + estimate, 0) / cells.reduce((sum, { truth }) => sum + truth, 0)
    t.diagnostic(
      `${cells.length} cells, ${(inside * 100).toFixed(2)} % inside; mean score ${lean.toFixed(4)} of ${scores.length}, ` +
        `${(above * 100).toFixed(1)} % above the truth; all together ${((ratio - 1) * 100).toFixed(3)} % off`,
    )
    assert.ok(inside >= 0.93, `${inside} inside`)
    assert.ok(Math.abs(lean) < 0.08, `mean score ${lean}`)
    assert.ok(above > 0.46 && above < 0.54, `${above} above`)
    assert.ok(Math.abs(ratio - 1) < 0.004, `estimates are ${ratio} of the truth`)
  })
}

test('of 5 minutes of a VLAN, and of all, the true bytes lie in the interval shown in at least 93 % of cells', async (t) => {
  const cells = [...(await cellsOf('bytes', 'vlan', ['vlan'])), ...(await cellsOf('bytes', 'total', []))]
  t.diagnostic(`${cells.length} cells, ${(covered(cells) * 100).toFixed(2)} % inside`)
  assert.ok(cells.length > 300)
  assert.ok(covered(cells) >= 0.93, `${covered(cells)} inside`)
})

test('intervals are not so wide that any truth would lie in them', async (t) => {
  const cells = (await cellsOf('bytes', 'vm', ['vm'])).filter(({ samples }) => samples >= 1000)
  // 1000 packets of sizes between 64 and 1518 bytes tell their sum to some 8 percent.
  const widest = Math.max(...cells.map(({ low, high, estimate }) => (high - low) / estimate))
  t.diagnostic(`${cells.length} cells of at least 1000 samples, widest ± ${(widest * 50).toFixed(1)} %`)
  assert.ok(widest < 0.25)
})
