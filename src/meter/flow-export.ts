// Ended flows → NetFlow v5, NetFlow v9 or IPFIX. The flow is read where it lies in the table; an exporter holds one datagram.

import type { FlowExport, FlowExportOptions } from './export-contract.ts'
import { createNetflow5Export } from './export-netflow5.ts'
import { createTemplatedExport } from './export-templated.ts'

/** @param send takes a datagram that is overwritten afterwards */
export function createFlowExport(options: FlowExportOptions, send: (datagram: Uint8Array) => void): FlowExport {
  const counts = { records: 0, unsent: 0, datagrams: 0, bytes: 0 }
  const counted = (datagram: Uint8Array): void => {
    counts.datagrams++
    counts.bytes += datagram.length
    send(datagram)
  }
  if (options.version === 5) return createNetflow5Export(options, counts, counted)
  return createTemplatedExport(options, counts, counted)
}
