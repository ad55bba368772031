import { emptyNetflow5Record, Netflow5Encoder } from '../wire/netflow5/encode.ts'
import { FIELD } from './flow-key.ts'
import { rateOf, type FlowExport, type FlowExportOptions } from './export-contract.ts'
import type { FlowRecord } from './flow-record.ts'

const MAX_U32 = 0xffffffff

/** NetFlow v5 knows IPv4 and counters of 32 bits: what is not IPv4 is counted as unsent, larger flows become several records. */
export function createNetflow5Export(
  options: FlowExportOptions,
  counts: FlowExport['counts'],
  send: (datagram: Uint8Array) => void,
): FlowExport {
  const encoder = new Netflow5Encoder(
    {
      engineType: (options.domain >>> 8) & 0xff,
      engineId: options.domain & 0xff,
      // The header does not say of what
      samplingInterval: rateOf(options),
    },
    send,
  )
  const record = emptyNetflow5Record()
  const uptime = (time: number): number => Math.max(0, Math.round(time - options.startedAt)) >>> 0

  return {
    counts,
    flow({ fields, there }: FlowRecord) {
      const protocol = fields[FIELD.protocol] as number
      if (protocol >>> 16 !== 0x0800) {
        counts.unsent++
        return
      }
      putAddress(record.srcAddr, fields[FIELD.src + 3] as number)
      putAddress(record.dstAddr, fields[FIELD.dst + 3] as number)
      const device = there.port & 0xffff
      record.input = there.isEgress ? 0 : device
      record.output = there.isEgress ? device : 0
      record.first = uptime(there.first)
      record.last = uptime(there.last)
      record.srcPort = (fields[FIELD.ports] as number) >>> 16
      record.dstPort = (fields[FIELD.ports] as number) & 0xffff
      record.tcpFlags = there.tcpFlags & 0xff
      record.protocol = protocol & 0xff
      record.tos = there.tos
      let packets = there.packets
      let octets = there.bytes
      // Each piece carries its share of the packets, so that every record has at least one
      const pieces = Math.max(1, Math.ceil(octets / MAX_U32), Math.ceil(packets / MAX_U32))
      for (let piece = pieces; piece > 0; piece--) {
        record.packets = Math.ceil(packets / piece)
        record.octets = Math.ceil(octets / piece)
        packets -= record.packets
        octets -= record.octets
        counts.records++
        encoder.add(record)
      }
    },
    flush: () => encoder.flush(),
    tick(now) {
      encoder.now = now
      encoder.uptime = uptime(now)
    },
  }
}

/** An address word as the dissector has it: the first byte lowest. */
function putAddress(into: Uint8Array, word: number): void {
  into[0] = word
  into[1] = word >>> 8
  into[2] = word >>> 16
  into[3] = word >>> 24
}
