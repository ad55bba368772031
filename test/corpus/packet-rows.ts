// The packets of a capture as rows: what the dissector makes of each, as plain values.

import { createReadStream } from 'node:fs'
import { ipText, macText } from '../../src/base/address.ts'
import { readCapture } from '../../src/capture/pcap-file.ts'
import { clearPacketRow, createPacketColumns, type PacketColumns } from '../../src/packet/columns.ts'
import { dissectLink } from '../../src/packet/link.ts'

const KINDS = ['none', 'vxlan', 'geneve', 'gre', 'nvgre', 'erspan', 'ipip', '6in4', 'teredo', 'gtp', 'other']

export interface PacketRow {
  readonly src_mac: string
  readonly dst_mac: string
  /** The outermost and the innermost tag; 0 where there is none. */
  readonly tags: readonly [number, number]
  readonly src: string
  readonly dst: string
  readonly proto: number
  readonly ttl: number
  readonly tos: number
  /** `source→destination` */
  readonly ports: string
  readonly flags: number
  /** `type/code` */
  readonly icmp: string
  readonly tunnel: string
  readonly tunnel_src: string
  readonly tunnel_dst: string
  readonly vni: number
  readonly label: number
}

export function rowOf(out: PacketColumns): PacketRow {
  const address = (column: Uint32Array): string => ipText(new Uint8Array(column.buffer, column.byteOffset, 16))
  const mac = (column: Uint32Array): string => macText((column[1] ?? 0) * 0x1_0000_0000 + (column[0] ?? 0))
  const word = (column: Uint8Array | Uint16Array | Uint32Array): number => column[0] ?? 0
  return {
    src_mac: mac(out.src_mac),
    dst_mac: mac(out.dst_mac),
    tags: [word(out.s_vlan), word(out.vlan_in)],
    src: address(out.src_addr),
    dst: address(out.dst_addr),
    proto: word(out.proto),
    ttl: word(out.ttl),
    tos: word(out.tos),
    ports: `${word(out.src_port)}→${word(out.dst_port)}`,
    flags: word(out.tcp_flags),
    icmp: `${word(out.icmp_type)}/${word(out.icmp_code)}`,
    tunnel: KINDS[word(out.tunnel)] ?? '?',
    tunnel_src: address(out.tunnel_src),
    tunnel_dst: address(out.tunnel_dst),
    vni: word(out.vni),
    label: word(out.mpls_label),
  }
}

/** A packet's row, its length on the wire, and when it was captured, in microseconds since 1970. */
export interface CapturedRow extends PacketRow {
  readonly length: number
  readonly micros: number
}

/** A row for each packet of a capture file, in its order. */
export async function* packetRows(file: string): AsyncGenerator<CapturedRow> {
  const out = createPacketColumns()
  for await (const packet of readCapture(createReadStream(file), () => undefined)) {
    clearPacketRow(out, 0)
    const view = new DataView(packet.bytes.buffer, packet.bytes.byteOffset, packet.bytes.length)
    dissectLink(packet.linkType, view, 0, packet.bytes.length, out, 0)
    const micros = packet.seconds * 1e6 + Math.floor(packet.nanos / 1000)
    yield { ...rowOf(out), length: packet.originalLength, micros }
  }
}
