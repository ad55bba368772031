// Both directions of a flow as one (RFC 5103): packets are looked up by fields that are the same for either direction.

import { FIELD, FIELDS } from './flow-key.ts'
import { turnFields } from './flow-record.ts'
import type { PacketReader } from './packet-reader.ts'

/** Turns the packets whose source is the greater of the two sides, and notes which they are. */
export function alignDirections(packets: PacketReader): void {
  const { count, fields, turned } = packets
  for (let row = 0; row < count; row++) {
    const at = row * FIELDS
    const isTurned = sourceIsGreater(fields, at)
    turned[row] = isTurned ? 1 : 0
    if (isTurned) turnFields(fields, at)
  }
}

function sourceIsGreater(fields: Int32Array, at: number): boolean {
  for (let w = 3; w >= 0; w--) {
    const src = fields[at + FIELD.src + w] as number
    const dst = fields[at + FIELD.dst + w] as number
    if (src !== dst) return src > dst
  }
  const protocol = (fields[at + FIELD.protocol] as number) & 0xff
  if (protocol === 1 || protocol === 58) return false
  const ports = fields[at + FIELD.ports] as number
  return ports >>> 16 > (ports & 0xffff)
}
