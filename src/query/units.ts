// What bytes are. sFlow tells the length of the frame, with its check sequence (layer 2); NetFlow and IPFIX that of the IP
// packet (layer 3). One is estimated from the other by the header that an Ethernet frame has: addresses and type 14, check
// sequence 4, and 4 for a VLAN tag where a VLAN is known. A second tag, padding of short frames, and exporters that count
// layer 2 octets in IPFIX are not seen by this, which is why an answer calls such numbers estimated.

/** `observed`: as the exporters count. `share`: layer 2 bits a second as a part of the interface's speed. */
export type Unit = 'observed' | 'l2' | 'l3' | 'share'

export interface UnitAnswer {
  /** What the bytes of the answer count; `mixed` if some rows are frames and others IP packets. */
  bytes: 'l2' | 'l3' | 'mixed'
  /** True if some rows had to be converted. */
  estimated: boolean
  describe: string
}

const HEADER = '(18 + 4 * (vlan_in != 0))'

/** Bytes that a packet of a row has more in this unit than was observed, as an Int64; undefined if none has. */
export function addedBytesSql(unit: Unit): string | undefined {
  if (unit === 'observed') return undefined
  const sflow = "protocol = 'sflow'"
  return unit === 'l3' ? `toInt64(if(${sflow}, -${HEADER}, 0))` : `toInt64(if(${sflow}, 0, ${HEADER}))`
}

/** What the bytes of an answer are, some of whose rows came by sFlow (frames), some by others (packets). */
export function unitOf(unit: Unit, of: { readonly frames: boolean; readonly packets: boolean }): UnitAnswer {
  const frames = of.frames && !of.packets
  const packets = of.packets && !of.frames
  if (unit === 'observed') {
    if (frames) return { bytes: 'l2', estimated: false, describe: 'frames as sFlow counts them, with check sequence' }
    if (packets) return { bytes: 'l3', estimated: false, describe: 'IP packets as NetFlow and IPFIX count them' }
    return {
      bytes: 'mixed',
      estimated: false,
      describe: 'frames where sFlow told of them, IP packets where NetFlow or IPFIX did',
    }
  }
  if (unit === 'l3')
    return {
      bytes: 'l3',
      estimated: !packets,
      describe: packets ? 'IP packets' : 'IP packets; from sFlow estimated as frames less 18 bytes, 22 with a VLAN',
    }
  return {
    bytes: 'l2',
    estimated: !frames,
    describe: frames
      ? 'frames with check sequence'
      : 'frames with check sequence; from NetFlow and IPFIX estimated as IP packets and 18 bytes, 22 with a VLAN',
  }
}
