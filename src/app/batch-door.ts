import type { MessagePort } from 'node:worker_threads'
import { FlowBatch } from '../flow/flow-batch.ts'
import type { Sighting } from '../flow/sighting.ts'

// A second way into the pipeline, for rows that another thread made: they are enriched and spooled like those that were received.

/** From the maker of rows to the pipeline's thread. Each is answered with `{ done: true }` when its buffer may be used again. */
export interface ForeignBatch {
  readonly buffer: SharedArrayBuffer
  readonly capacity: number
  readonly rows: number
  readonly sightings: readonly Sighting[]
}

export interface BatchDoorDeps {
  readonly enrich: (batch: FlowBatch) => readonly string[]
  readonly spool: { write(batch: FlowBatch, names: readonly string[]): Promise<{ accepted: number }> }
  readonly onSighting: (sighting: Sighting) => void
  readonly onAccepted: (rows: number) => void
  /** A batch was lost by an error. */
  readonly onLost: (error: unknown) => void
}

/** Takes batches from the port, one after the other. */
export function openBatchDoor(port: MessagePort, deps: BatchDoorDeps): void {
  let working: Promise<void> = Promise.resolve()
  port.on('message', (foreign: ForeignBatch) => {
    working = working
      .then(() => take(foreign, deps))
      .catch(deps.onLost)
      .then(() => port.postMessage({ done: true }))
  })
}

async function take(foreign: ForeignBatch, deps: BatchDoorDeps): Promise<void> {
  for (const sighting of foreign.sightings) deps.onSighting(sighting)
  const batch = new FlowBatch(foreign.capacity, foreign.buffer)
  batch.n = foreign.rows
  if (batch.n > 0) deps.onAccepted((await deps.spool.write(batch, deps.enrich(batch))).accepted)
}
