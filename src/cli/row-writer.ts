import type { IngestSink } from '../collect/ingest.ts'
import { BATCH_ROWS, FlowBatch } from '../flow/flow-batch.ts'
import { MetricBatch } from '../flow/metric-batch.ts'
import type { Sighting } from '../flow/sighting.ts'

/** Where what is read from files goes: rows by batches, which the spool takes between two records of the file. */
export interface RowWriter {
  readonly sink: IngestSink
  /** Rows handed to the spool so far. */
  rows(): number
  /** Counts something that was wrong. */
  problem(code: string): void
  /** What was wrong with datagrams, by code. */
  readonly problems: ReadonlyMap<string, number>
  /** True if a batch is full: `settle` before more is read. */
  isFull(): boolean
  /** Writes the full batches. Rejects if the disk takes no more. */
  settle(): Promise<void>
  /** Writes what is left. */
  end(): Promise<void>
}

export interface RowWriterDeps {
  /** Writes the rows of a batch, which may be reused when it resolves. */
  readonly write: (batch: FlowBatch) => Promise<void>
  readonly onSighting: (sighting: Sighting) => void
}

export function createRowWriter(deps: RowWriterDeps, capacity = BATCH_ROWS): RowWriter {
  const full: FlowBatch[] = []
  const free: FlowBatch[] = []
  const problems = new Map<string, number>()
  let written = 0
  const metrics = new MetricBatch()
  const problem = (code: string): void => void problems.set(code, (problems.get(code) ?? 0) + 1)
  const sink: IngestSink = {
    flows: new FlowBatch(capacity),
    metrics,
    room(rows) {
      if (sink.flows.n + rows <= sink.flows.capacity) return true
      if (rows > sink.flows.capacity) return false
      full.push(sink.flows)
      sink.flows = free.pop() ?? new FlowBatch(capacity)
      return true
    },
    sighting: deps.onSighting,
    problem,
  }

  async function settle(): Promise<void> {
    // Counters are no flows: nothing asks for them here.
    metrics.clear()
    for (let batch = full.shift(); batch; batch = full.shift()) {
      written += batch.n
      await deps.write(batch)
      batch.clear()
      free.push(batch)
    }
  }

  return {
    sink,
    problem,
    problems,
    rows: () => written,
    isFull: () => full.length > 0,
    settle,
    async end() {
      if (sink.flows.n > 0) {
        full.push(sink.flows)
        sink.flows = free.pop() ?? new FlowBatch(capacity)
      }
      await settle()
    },
  }
}
