// What the entries of the codecs have in common: rows as columns.
export { createColumnDecoder, type ColumnDecoder, type ColumnHandlers } from '../collect/column-decoder.ts'
export type { Datagram, Ingest, IngestSink, ProblemCode, StreamStatus } from '../collect/ingest.ts'
export { systemClock, type Clock, type Millis } from '../base/clock.ts'
/** The columns of a row: name, type, unit and one sentence for each. */
export { COLUMNS, type ColumnDefinition, type ColumnFormat, type ColumnStorage } from '../flow/columns.ts'
export { FlowBatch } from '../flow/flow-batch.ts'
export { MetricBatch } from '../flow/metric-batch.ts'
export { rowAsJson, type RowJson } from '../flow/row-json.ts'
export type { Sighting } from '../flow/sighting.ts'
