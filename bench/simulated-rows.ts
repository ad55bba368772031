import { parseIp } from '../src/base/address.ts'
import { defaultConfig } from '../src/app/config.ts'
import { withDemoInventory } from '../src/app/demo-config.ts'
import { inventoryConfigOf } from '../src/app/inventory-config.ts'
import type { Datagram, IngestSink } from '../src/collect/ingest.ts'
import { createNetflowIngest } from '../src/collect/netflow.ts'
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
 * fill, with receipt times from `startAt` on. `take` may keep the batch only until it resolves.
 */
export async function simulateRows(
  rows: number,
  options: { startAt: number; pps: number; vms: number; hosts: number; protocol: 'sflow' | 'mixed' | 'ipfix' },
  take: (batch: FlowBatch, names: readonly string[]) => Promise<unknown>,
): Promise<void> {
  const { startAt, ...config } = options
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
  const datagram: Datagram = {
    bytes: new Uint8Array(0),
    view: new DataView(new ArrayBuffer(0)),
    offset: 0,
    length: 0,
    receivedAt: 0,
    source0: 0,
    source1: 0,
    source2: 0,
    source3: 0,
    sourcePort: 0,
  }
  const simulator = createSimulator(
    config,
    {
      clock,
      send(bytes, exporter) {
        const source = new Uint32Array((parseIp(exporter.loopback) as Uint8Array).buffer)
        datagram.bytes = bytes
        datagram.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        datagram.length = bytes.byteLength
        datagram.receivedAt = now
        datagram.source0 = source[0] as number
        datagram.source1 = source[1] as number
        datagram.source2 = source[2] as number
        datagram.source3 = source[3] as number
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
    batch.n = Math.min(batch.n, left)
    const names = enricher.apply(batch)
    left -= batch.n
    await take(batch, names)
    batch.clear()
  }
}
