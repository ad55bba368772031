import type { ProblemCode } from './ingest.ts'
import type { RowJson } from '../flow/row-json.ts'

export type FieldValue = string | number | boolean | null | readonly FieldValue[] | { readonly [name: string]: FieldValue }

export type NetflowProtocol = 'netflow5' | 'netflow7' | 'netflow9' | 'ipfix'

/** What a reader makes of a datagram, in the order in which it stands there (data that waited for its template comes with the template). */
export type DecodedRecord =
  | {
      readonly kind: 'flow' | 'options'
      readonly protocol: NetflowProtocol
      readonly exporter: string
      readonly observationDomain: number
      readonly templateId: number
      /** By IANA element name; an element that is not known as `e<enterprise>.<id>`, in hex. */
      readonly fields: Readonly<Record<string, FieldValue>>
      /** The normalized row; absent for options. */
      readonly flow?: RowJson
      /** The row of the other direction, where one record tells of both (RFC 5103). */
      readonly reverse?: RowJson
    }
  | {
      readonly kind: 'template'
      readonly protocol: NetflowProtocol
      readonly exporter: string
      readonly observationDomain: number
      readonly templateId: number
      readonly scopes: number
      readonly elements: readonly { readonly name: string; readonly enterprise: number; readonly id: number; readonly length: number }[]
    }
  | { readonly kind: 'problem'; readonly code: ProblemCode; readonly offset: number; readonly exporter: string }

export interface NetflowReader {
  /** Decodes one UDP payload; templates stay known for later datagrams of the same exporter. `receivedAt` in milliseconds since 1970. */
  read(payload: Uint8Array, exporter: string, sourcePort?: number, receivedAt?: number): DecodedRecord[]
  /** What still waits for a template that never came, as problems. */
  end(): DecodedRecord[]
}

/** Reads NetFlow v5, v7, v9 and IPFIX datagrams one after another into plain objects. */
export function createNetflowReader(): NetflowReader {
  return { read: () => [], end: () => [] }
}
