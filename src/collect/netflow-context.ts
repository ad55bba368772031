import type { FlowBatch } from '../flow/flow-batch.ts'

// What passes between the steps that make rows of records: what records left to be worked out, what they have in common, where rows go.

/** Records decoded at a time; notes are kept for so many. */
export const CHUNK = 2048

/** 2^32: a 64-bit column has two words a row. */
export const WORD = 0x1_0000_0000

/** What decoders write that is not yet a column; one entry a record of the chunk at hand. */
export class Notes {
  readonly start = new Float64Array(CHUNK)
  readonly end = new Float64Array(CHUNK)
  readonly start_ticks = new Uint32Array(CHUNK)
  readonly end_ticks = new Uint32Array(CHUNK)
  readonly duration = new Uint32Array(CHUNK)
  /** Offset and length. */
  readonly section = new Uint32Array(2 * CHUNK)
  readonly section_size = new Uint32Array(CHUNK)
  readonly in_name = new Uint32Array(2 * CHUNK)
  readonly out_name = new Uint32Array(2 * CHUNK)
  readonly boot = new Float64Array(CHUNK)
  readonly sampler = new Uint32Array(CHUNK)
  readonly interval = new Uint32Array(CHUNK)
  readonly space = new Uint32Array(CHUNK)
  readonly size = new Uint32Array(CHUNK)
  readonly population = new Uint32Array(CHUNK)
  readonly probability = new Float64Array(CHUNK)
  readonly customer_vlan = new Uint16Array(CHUNK)
  readonly segment_type = new Uint8Array(CHUNK)
  readonly outer_proto = new Uint8Array(CHUNK)
  readonly tunnel_type = new Uint8Array(CHUNK)
  readonly reverse_bytes = new Uint32Array(2 * CHUNK)
  readonly reverse_packets = new Uint32Array(2 * CHUNK)
  readonly reverse_flags = new Uint16Array(CHUNK)
  readonly reverse_tos = new Uint8Array(CHUNK)
  readonly reverse_in = new Uint32Array(CHUNK)
  readonly reverse_out = new Uint32Array(CHUNK)
  readonly reverse_direction = new Uint8Array(CHUNK)
  readonly reverse_vlan = new Uint16Array(CHUNK)
}

/** What all records of a set have in common. A single object, filled anew for each set. */
export class SetContext {
  /** Exporter address as the columns hold it. */
  exporter0 = 0
  exporter1 = 0
  exporter2 = 0
  exporter3 = 0
  protocol = 0
  observation = 0
  receivedAt = 0
  /** By the header of the datagram: when it was sent (milliseconds since 1970) and the exporter's uptime then. */
  exportedAt = 0
  uptime = 0
  /** When the exporter started (milliseconds since 1970) if only that can place uptimes in time (IPFIX); 0 if unknown. */
  bootedAt = 0
  /** Rate of rows whose record does not lead to another. */
  rate = 1
  /** The VLAN stands in the destination's AS. */
  vlanInDstAs = false
  sampling: RateTable | undefined = undefined
  names: NameSink | undefined = undefined
}

/** Rates that an exporter told of in options data. */
export interface RateTable {
  /** Of a sampler or selector, undefined if it was not told of. */
  ofSampler(id: number): number | undefined
  /** Of an input interface, undefined if there is none of its own. */
  ofInterface(ifIndex: number): number | undefined
  readonly hasInterfaces: boolean
  /** The rate told of nothing in particular, 0 if none. */
  readonly plain: number
}

/** Told of the names of interfaces that stand in flow records. */
export interface NameSink {
  /** True if the name of this interface is not known yet: only then is its text made. */
  wanted(ifIndex: number): boolean
  named(ifIndex: number, name: string): void
}

/** Where rows go. */
export interface RowSink {
  flows: FlowBatch
  room(rows: number): boolean
}
