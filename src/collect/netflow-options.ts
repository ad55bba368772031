import type { OwnElement } from '../wire/ipfix/own-elements.ts'
import type { Template } from '../wire/ipfix/template.ts'
import type { Stream } from './netflow-stream.ts'

export interface NetflowOptions {
  /** Streams (exporter, protocol, domain) kept; more push out those silent longest. */
  readonly maxStreams?: number
  /** Templates kept, of all streams together and of one. */
  readonly maxTemplates?: number
  readonly maxTemplatesOfStream?: number
  /** Bytes of all templates together. */
  readonly maxTemplateBytes?: number
  /** Compiled decoders kept; those of templates not used lately are compiled again when needed. */
  readonly maxPlans?: number
  /** Sampling rates and names of interfaces remembered, of all streams together. */
  readonly maxTold?: number
  /** Bytes of data sets that wait for their template, of all streams together and of one, and how long they may wait. */
  readonly maxWaitingBytes?: number
  readonly maxWaitingBytesOfStream?: number
  readonly maxWaitMs?: number
  /** A template neither announced nor used for so long is forgotten. */
  readonly templateLifetimeMs?: number
  /** What is known of exporters beforehand. */
  readonly exporters?: readonly KnownExporter[]
  /**
   * What becomes of a record that tells of both directions (RFC 5103): a row each way, one row of the way that the elements tell of
   * first, or one row with the bytes and packets of both.
   */
  readonly biflow?: Biflow
  /** Elements beside those of the registries, for their names. */
  readonly elements?: readonly OwnElement[]
  /** Told of each thing in a datagram, record by record: for reading datagrams one at a time, not for speed. */
  readonly observer?: NetflowObserver
}

export type Biflow = 'split' | 'forward' | 'merge'

export interface KnownExporter {
  /** As text, IPv4 or IPv6. */
  readonly address: string
  /** Sampling rate of what it sends, where it tells of none itself. */
  readonly defaultSamplingRate?: number
  /** It puts the VLAN into the destination's AS, as FlowMon probes of 2010 did for collectors that knew no VLANs. */
  readonly vlanInDstAs?: boolean
}

/** What is told of while a datagram is decoded; offsets are into `view`. */
export interface NetflowObserver {
  template(stream: Stream, id: number, template: Template): void
  /** One record; its rows are the last `rows` of the sink's batch. */
  record(stream: Stream, id: number, template: Template, view: DataView, at: number, end: number, rows: number): void
}

/** Limits as numbers that a machine of a few gigabytes holds with ease, and no exporter reaches. */
export const DEFAULTS = {
  maxStreams: 65_536,
  maxTemplates: 131_072,
  maxTemplatesOfStream: 4_096,
  maxTemplateBytes: 64 << 20,
  maxPlans: 2_048,
  maxTold: 1 << 20,
  maxWaitingBytes: 32 << 20,
  maxWaitingBytesOfStream: 256 << 10,
  maxWaitMs: 600_000,
  templateLifetimeMs: 86_400_000,
} as const

/** The limits, all given. */
export type NetflowLimits = Required<Omit<NetflowOptions, 'observer' | 'exporters' | 'biflow' | 'elements'>>
