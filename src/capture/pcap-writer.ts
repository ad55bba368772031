// Packets → a pcap file with nanoseconds (draft-ietf-opsawg-pcap §4): bytes for whoever writes them.

/** The file header: little-endian, nanoseconds. */
export function pcapHeader(linkType: number, snapshotLength = 262_144): Uint8Array {
  const bytes = new Uint8Array(24)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 0xa1b23c4d, true)
  view.setUint16(4, 2, true)
  view.setUint16(6, 4, true)
  view.setUint32(16, snapshotLength, true)
  view.setUint32(20, linkType, true)
  return bytes
}

/** One packet with its header. `originalLength` is the length on the wire, if more than was captured. */
export function pcapPacket(
  seconds: number,
  nanos: number,
  packet: Uint8Array,
  originalLength = packet.length,
): Uint8Array {
  const bytes = new Uint8Array(16 + packet.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, seconds, true)
  view.setUint32(4, nanos, true)
  view.setUint32(8, packet.length, true)
  view.setUint32(12, originalLength, true)
  bytes.set(packet, 16)
  return bytes
}

export interface UdpEnds {
  /** Dotted IPv4. */
  readonly from: readonly [number, number, number, number]
  readonly to: readonly [number, number, number, number]
  readonly fromPort: number
  readonly toPort: number
}

/** A UDP payload as a raw IPv4 packet (link type 101), checksums included. */
export function udpPacket(ends: UdpEnds, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(28 + payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, 0x45)
  view.setUint16(2, bytes.length)
  view.setUint8(8, 64)
  view.setUint8(9, 17)
  bytes.set(ends.from, 12)
  bytes.set(ends.to, 16)
  view.setUint16(10, checksum(view, 0, 20, 0))
  view.setUint16(20, ends.fromPort)
  view.setUint16(22, ends.toPort)
  view.setUint16(24, 8 + payload.length)
  bytes.set(payload, 28)
  // The pseudo-header: addresses, protocol, length (RFC 768)
  let pseudo = 17 + 8 + payload.length
  for (let at = 12; at < 20; at += 2) pseudo += view.getUint16(at)
  view.setUint16(26, checksum(view, 20, bytes.length, pseudo) || 0xffff)
  return bytes
}

// RFC 1071
function checksum(view: DataView, from: number, to: number, start: number): number {
  let sum = start
  let at = from
  for (; at + 1 < to; at += 2) sum += view.getUint16(at)
  if (at < to) sum += view.getUint8(at) << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
