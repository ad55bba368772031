/**
 * sFlow version 5 (sFlow.org, sflow_version_5.txt and the structures published since), both ways.
 *
 * - `createSflowReader()`: datagrams → plain objects that JSON.stringify takes.
 * - `createSflowIngest()` with `createColumnDecoder()`: datagrams → typed-array columns, without an object a flow.
 * - `SflowEncoder`: samples → datagrams.
 *
 * Nothing here throws on what it reads from the network: what is wrong comes back as a problem, with the offset in bytes.
 * @module
 */
export { createSflowReader, type SflowDecoded, type SflowObjectReader } from '../collect/sflow-reader.ts'
export type { SflowRecord, SflowValue } from '../wire/sflow/describe.ts'
export { discardReasonName } from '../wire/sflow/discard-reasons.ts'

export { createSflowIngest, type SflowIngestOptions } from '../collect/sflow.ts'
export * from './columns.ts'

export {
  HEADER_PROTOCOL,
  INTERNAL_PORT,
  SAMPLE,
  SflowEncoder,
  SOURCE_CLASS,
  type EmitDatagram,
  type SflowEncoderOptions,
} from '../wire/sflow/encode.ts'
export type {
  HostAdapter,
  HostCpu,
  HostDiskIo,
  HostMemory,
  IfCounters,
  NetIo,
  VirtDiskIo,
} from '../wire/sflow/counter-values.ts'

/** The structures that are known: for each tag (`enterprise << 12 | format`) its name and its fields in the order of the wire. */
export {
  COUNTER_STRUCTURES,
  FLOW_STRUCTURES,
  type Field,
  type FieldType,
  type Structure,
} from '../wire/sflow/structures.ts'
