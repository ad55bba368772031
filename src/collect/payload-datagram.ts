import { parseIp } from '../base/address.ts'
import type { Datagram } from './ingest.ts'

/** One datagram, filled anew for each payload that came from elsewhere than a socket. */
export interface PayloadDatagram {
  /** @param exporter address as text; one that is none counts as `::` */
  set(payload: Uint8Array, exporter: string, sourcePort: number, receivedAt: number): Datagram
}

export function createPayloadDatagram(): PayloadDatagram {
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
  let lastExporter: string | undefined

  function heardFrom(exporter: string): void {
    if (exporter === lastExporter) return
    lastExporter = exporter
    const words = new Uint32Array((parseIp(exporter) ?? new Uint8Array(16)).slice().buffer)
    datagram.source0 = words[0] as number
    datagram.source1 = words[1] as number
    datagram.source2 = words[2] as number
    datagram.source3 = words[3] as number
  }

  return {
    set(payload, exporter, sourcePort, receivedAt) {
      heardFrom(exporter)
      // Datagrams that lie in one buffer share a view of it
      if (datagram.view.buffer !== payload.buffer) {
        datagram.view = new DataView(payload.buffer)
        datagram.bytes = new Uint8Array(payload.buffer)
      }
      datagram.offset = payload.byteOffset
      datagram.length = payload.length
      datagram.sourcePort = sourcePort
      datagram.receivedAt = receivedAt
      return datagram
    },
  }
}
