/**
 * Packet headers, from Ethernet through VLAN tags, MPLS and tunnels to the ports of the innermost packet; and captures of packets.
 *
 * - `packetAsJson()`: one packet → a plain object.
 * - `dissect()`, `dissectLink()`: one packet → a row of typed-array columns; nothing is allocated.
 * - `readCapture()`: a pcap or pcapng stream → its packets. `createUdpExtractor()`: packets → the UDP payloads in them, put together
 *   from fragments. `pcapHeader()`, `pcapPacket()`: packets → a pcap file.
 *
 * Nothing here throws on the bytes of a packet, however it is cut.
 * @module
 */
export { packetAsJson, type PacketJson } from '../flow/packet-json.ts'
export { clearPacketRow, createPacketColumns, type PacketColumns } from '../packet/columns.ts'
export { dissect, dissectEtherType, SEEN, START, TUNNEL } from '../packet/dissect.ts'
export { dissectLink, LINK } from '../packet/link.ts'

export { captureKind, readCapture, type CapturedPacket, type CaptureProblem } from '../capture/pcap-file.ts'
export { pcapHeader, pcapPacket } from '../capture/pcap-writer.ts'
export { createUdpExtractor, type UdpExtractor, type UdpPayload } from '../capture/udp-payloads.ts'

/** An address of a column (16 bytes, IPv4 mapped) and a MAC (a number below 2^48) as text, and back; what is none gives undefined. */
export { ipText, macText, parseIp, parseMac } from '../base/address.ts'
