// What an exporter of flows is: shared by the protocols.

import type { FlowRecord } from './flow-record.ts'

export type ExportVersion = 5 | 9 | 10

export interface FlowExportOptions {
  readonly version: ExportVersion
  /** Observation domain of IPFIX, source ID of NetFlow v9, engine (type in the upper 8 bits) of v5. */
  readonly domain: number
  /** Uptimes of v5 and v9 count from here: milliseconds since 1970. */
  readonly startedAt: number
  /** One packet in this many is metered. */
  readonly samplingRate: number
  /** One flow in this many is metered. */
  readonly flowSampling: number
  /** Whether MACs, VLANs and MPLS labels are told. */
  readonly link: boolean
  /** The kernel hands over a random one of so many packets. At most one of the three is above 1. */
  readonly kernelSampling: number
  /** Whether both directions are one flow: IPFIX alone can tell so. */
  readonly biflow: boolean
  /** Templates are told again after so many datagrams, and after so many seconds. */
  readonly templateEvery: number
  readonly templateSeconds: number
  /** Most bytes of a datagram's payload. */
  readonly maxBytes: number
}

export interface FlowExport {
  /** @param reason an END */
  flow(flow: FlowRecord, reason: number): void
  /** Sends what waits, if anything does. */
  flush(): void
  /** Time of what follows, milliseconds since 1970. */
  tick(now: number): void
  /** Records of flows handed over, and those that the protocol cannot carry (IPv6 in NetFlow v5). */
  readonly counts: { records: number; unsent: number; datagrams: number; bytes: number }
}

/** One of so many packets or flows: bytes and packets are to be multiplied by it. */
export function rateOf({ samplingRate, flowSampling, kernelSampling }: FlowExportOptions): number {
  return samplingRate * flowSampling * kernelSampling
}
