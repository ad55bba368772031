import { once } from 'node:events'
import { workerData, type MessagePort } from 'node:worker_threads'
import { systemClock } from '../base/clock.ts'
import type { Ingest, IngestSink } from '../collect/ingest.ts'
import { createNetflowIngest } from '../collect/netflow.ts'
import { createPayloadDatagram } from '../collect/payload-datagram.ts'
import { createSflowIngest } from '../collect/sflow.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import { MetricBatch } from '../flow/metric-batch.ts'
import type { Sighting } from '../flow/sighting.ts'
import { createSimulator } from '../simulate/simulator.ts'
import { createUdpSender } from '../simulate/udp.ts'
import type { ForeignBatch } from './batch-door.ts'
import { DEMO } from './demo-config.ts'

// The demo's data center on a thread of its own: live over UDP, like any exporter, and beside that its last hours, the last
// one first, decoded here and handed to the pipeline with the times at which they happened.

export interface DemoThreadConfig {
  readonly target: { readonly host: string; readonly port: number }
  /** From when on there is a past to be made, milliseconds. */
  readonly pastFrom: number
  /** To the pipeline's thread. */
  readonly door: MessagePort
}

const BATCH_ROWS = 65_536

const { target, pastFrom, door } = workerData as DemoThreadConfig
const live = createSimulator(DEMO, { clock: systemClock, send: (bytes, exporter) => sender.send(bytes, exporter) })
const sender = createUdpSender(target, live.exporters)
const HOUR = 3_600_000

const batch = new FlowBatch(BATCH_ROWS)
const sightings: Sighting[] = []
/** Rows are handed on well before the batch is full: a datagram never makes more than this. */
const SPARE_ROWS = 4096

const sink: IngestSink = {
  flows: batch,
  room: (rows) => batch.n + rows <= batch.capacity,
  metrics: new MetricBatch(),
  sighting: (sighting) => sightings.push(sighting),
  problem: () => undefined,
}

async function handOn(): Promise<void> {
  sink.metrics.clear()
  if (batch.n === 0 && sightings.length === 0) return
  const message: ForeignBatch = {
    buffer: batch.buffer,
    capacity: batch.capacity,
    rows: batch.n,
    sightings: sightings.splice(0),
  }
  door.postMessage(message)
  await once(door, 'message')
  batch.clear()
}

/** A simulation of its own from the one time to the other. */
async function makePast(from: number, to: number): Promise<void> {
  const simulator = createSimulator(DEMO, { clock: { now: () => to }, send: () => undefined }, { startAt: from })
  const ingests: Record<string, Ingest> = {
    sflow: createSflowIngest({}, { clock: systemClock }),
    netflow: createNetflowIngest({}, { clock: systemClock }),
  }
  const arrived = createPayloadDatagram()
  await simulator.backfill(
    { pause: () => (batch.n > BATCH_ROWS / 2 ? handOn() : new Promise((resolve) => setImmediate(resolve))) },
    (bytes, sentAt, exporter) => {
      if (batch.n > BATCH_ROWS - SPARE_ROWS) return
      const datagram = arrived.set(bytes, exporter.loopback, 40_000 + exporter.index, sentAt)
      ingests[exporter.protocol === 'sflow' ? 'sflow' : 'netflow']?.datagram(datagram, sink)
    },
  )
  await handOn()
}

await sender.start()
const startedAt = systemClock.now()
live.start()
const lastHour = Math.max(pastFrom, startedAt - HOUR)
await makePast(lastHour, startedAt)
if (pastFrom < lastHour) await makePast(pastFrom, lastHour)
door.close()
