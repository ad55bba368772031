import { defaultConfig } from '../src/app/config.ts'
import { withDemoInventory } from '../src/app/demo-config.ts'
import { inventoryConfigOf } from '../src/app/inventory-config.ts'
import type { IngestSink } from '../src/collect/ingest.ts'
import { createNetflowIngest } from '../src/collect/netflow.ts'
import { createPayloadDatagram } from '../src/collect/payload-datagram.ts'
import { createSflowIngest } from '../src/collect/sflow.ts'
import { createEnricher } from '../src/enrich/enricher.ts'
import { BATCH_ROWS, FlowBatch } from '../src/flow/flow-batch.ts'
import { MetricBatch } from '../src/flow/metric-batch.ts'
import { createInventory } from '../src/inventory/inventory.ts'
import { createSimulator } from '../src/simulate/simulator.ts'

/** A datagram never makes more rows than this. */
const SPARE_ROWS = 4096

/**
 * Rows as the server would have made them of the simulated data center's exports, decoded and enriched, in batches as they
 * fill, with receipt times from `startAt` on. `take` may keep the batch only until it resolves; `sent` gets each datagram.
 * With `whole` the rows of the last datagrams are all kept, though they be a few more than wanted.
 */
export async function simulateRows(
  rows: number,
  options: {
    startAt: number
    pps: number
    vms: number
    hosts: number
    protocol: 'sflow' | 'mixed' | 'ipfix'
    whole?: boolean
  },
  take: (batch: FlowBatch, names: readonly string[]) => Promise<unknown>,
  sent: (bytes: Uint8Array) => unknown = () => undefined,
): Promise<void> {
  const { startAt, whole = false, ...config } = options
  const batch = new FlowBatch(BATCH_ROWS)
  let now = startAt
  const clock = { now: () => now }
  const inventoryConfig = inventoryConfigOf(withDemoInventory(defaultConfig()))
  const inventory = createInventory(inventoryConfig, { clock })
  const enricher = createEnricher(inventoryConfig, { inventory, clock })
  const sflow = createSflowIngest({}, { clock })
  const netflow = createNetflowIngest({}, { clock })
  const sink: IngestSink = {
    flows: batch,
    room: (wanted) => batch.n + wanted <= batch.capacity,
    metrics: new MetricBatch(),
    sighting: (sighting) => inventory.sight(sighting),
    problem: () => undefined,
  }
  const arrived = createPayloadDatagram()
  const simulator = createSimulator(
    config,
    {
      clock,
      send(bytes, exporter) {
        sent(bytes)
        const datagram = arrived.set(bytes, exporter.loopback, 0, now)
        const ingest = exporter.protocol === 'sflow' ? sflow : netflow
        ingest.datagram(datagram, sink)
      },
    },
    { startAt },
  )
  for (let left = rows; left > 0;) {
    simulator.step()
    now = simulator.now()
    sink.metrics.clear()
    if (batch.n < Math.min(left, BATCH_ROWS - SPARE_ROWS)) continue
    if (!whole) batch.n = Math.min(batch.n, left)
    const names = enricher.apply(batch)
    left -= batch.n
    await take(batch, names)
    batch.clear()
  }
}
