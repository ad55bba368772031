import { emptyNetflow5Record, Netflow5Encoder } from '../wire/netflow5/encode.ts'
import { FIELD } from './flow-key.ts'
import type { FlowExport, FlowExportOptions } from './export-contract.ts'
import { NUMBER, SLOT, SLOT_NUMBERS, SLOT_WORDS, type FlowTable } from './flow-table.ts'

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
      samplingInterval: options.samplingRate,
    },
    send,
  )
  const record = emptyNetflow5Record()
  const uptime = (time: number): number => Math.max(0, Math.round(time - options.startedAt)) >>> 0

  return {
    counts,
    flow(table: FlowTable, slot) {
      const at = slot * SLOT_WORDS
      const n = slot * SLOT_NUMBERS
      const { words, numbers } = table
      const protocol = words[at + FIELD.protocol] as number
      if (protocol >>> 16 !== 0x0800) {
        counts.unsent++
        return
      }
      putAddress(record.srcAddr, words[at + FIELD.src + 3] as number)
      putAddress(record.dstAddr, words[at + FIELD.dst + 3] as number)
      const isEgress = (words[at + FIELD.mpls] as number) >>> 31 === 1
      const device = (words[at + FIELD.port] as number) & 0xffff
      record.input = isEgress ? 0 : device
      record.output = isEgress ? device : 0
      record.first = uptime(numbers[n + NUMBER.first] as number)
      record.last = uptime(numbers[n + NUMBER.last] as number)
      record.srcPort = (words[at + FIELD.ports] as number) >>> 16
      record.dstPort = (words[at + FIELD.ports] as number) & 0xffff
      record.tcpFlags = (words[at + SLOT.tcpFlags] as number) & 0xff
      record.protocol = protocol & 0xff
      record.tos = (protocol >>> 8) & 0xff
      let packets = numbers[n + NUMBER.packets] as number
      let octets = numbers[n + NUMBER.bytes] as number
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
