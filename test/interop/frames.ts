// Packets of known flows, as a pcap file: what the peers meter, and what the answers are held against.

import { writeFileSync } from 'node:fs'
import { parseIp } from '../../src/base/address.ts'

export interface KnownFlow {
  readonly src: string
  readonly dst: string
  readonly proto: 1 | 6 | 17
  readonly srcPort: number
  readonly dstPort: number
  readonly vlan?: number
  readonly packets: number
  /** Bytes after the transport header, of each packet. */
  readonly payload: number
}

const isV6 = (flow: KnownFlow): boolean => flow.src.includes(':')
const transportLength = (flow: KnownFlow): number => (flow.proto === 6 ? 20 : 8)

/** Length of the IP packet, header included, as NetFlow counts it. */
export function ipLength(flow: KnownFlow): number {
  return (isV6(flow) ? 40 : 20) + transportLength(flow) + flow.payload
}

/** A fixed mix of `count` flows: TCP, UDP and ICMP, short and long, IPv6 among them if wanted. */
export function someFlows(count: number, options: { ipv6?: boolean; vlans?: readonly number[] } = {}): KnownFlow[] {
  return Array.from({ length: count }, (_, i): KnownFlow => {
    const v6 = options.ipv6 === true && i % 4 === 3
    const proto = i % 9 === 8 && !v6 ? 1 : i % 3 === 2 ? 17 : 6
    const host = (net: number, n: number): string =>
      v6 ? `2001:db8:${net}::${(n + 1).toString(16)}` : `10.${net}.${n >> 8}.${(n & 255) + 1}`
    const vlan = options.vlans?.[i % options.vlans.length]
    return {
      src: host(1, i % 37),
      dst: host(2, (i * 7) % 53),
      proto,
      srcPort: proto === 1 ? 0 : 20_000 + i,
      dstPort: proto === 1 ? 0x0800 : ([80, 443, 53, 5201] as const)[i % 4]!,
      ...(vlan === undefined ? {} : { vlan }),
      packets: 1 + ((i * i) % 23),
      payload: 18 + ((i * 131) % 1300),
    }
  })
}

/** The n-th packet of a flow, as an Ethernet frame with right checksums of IPv4. */
export function frameOf(flow: KnownFlow, n: number): Buffer {
  const tagged = flow.vlan !== undefined
  const link = Buffer.alloc(tagged ? 18 : 14)
  link.writeUIntBE(0x025400000000 + lastByte(flow.dst), 0, 6)
  link.writeUIntBE(0x025400010000 + lastByte(flow.src), 6, 6)
  if (tagged) {
    link.writeUInt16BE(0x8100, 12)
    link.writeUInt16BE(flow.vlan as number, 14)
  }
  link.writeUInt16BE(isV6(flow) ? 0x86dd : 0x0800, tagged ? 16 : 12)
  const transport = transportOf(flow, n)
  return Buffer.concat([link, isV6(flow) ? ipv6(flow, transport) : ipv4(flow, transport)])
}

function lastByte(address: string): number {
  return (parseIp(address) as Uint8Array)[15] as number
}

function ipv4(flow: KnownFlow, transport: Buffer): Buffer {
  const header = Buffer.alloc(20)
  header.writeUInt8(0x45, 0)
  header.writeUInt16BE(20 + transport.length, 2)
  header.writeUInt8(64, 8)
  header.writeUInt8(flow.proto, 9)
  header.set((parseIp(flow.src) as Uint8Array).subarray(12), 12)
  header.set((parseIp(flow.dst) as Uint8Array).subarray(12), 16)
  let sum = 0
  for (let i = 0; i < 20; i += 2) sum += header.readUInt16BE(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  header.writeUInt16BE(~sum & 0xffff, 10)
  return Buffer.concat([header, transport])
}

function ipv6(flow: KnownFlow, transport: Buffer): Buffer {
  const header = Buffer.alloc(40)
  header.writeUInt32BE(0x60000000, 0)
  header.writeUInt16BE(transport.length, 4)
  header.writeUInt8(flow.proto, 6)
  header.writeUInt8(64, 7)
  header.set(parseIp(flow.src) as Uint8Array, 8)
  header.set(parseIp(flow.dst) as Uint8Array, 24)
  return Buffer.concat([header, transport])
}

/** TCP opens with SYN and closes with FIN, so that a meter ends the flow there. */
function transportOf(flow: KnownFlow, n: number): Buffer {
  const bytes = Buffer.alloc(transportLength(flow) + flow.payload, 0x61)
  bytes.fill(0, 0, transportLength(flow))
  if (flow.proto === 1) {
    bytes.writeUInt8(8, 0)
    bytes.writeUInt16BE(n, 6)
    return bytes
  }
  bytes.writeUInt16BE(flow.srcPort, 0)
  bytes.writeUInt16BE(flow.dstPort, 2)
  if (flow.proto === 17) bytes.writeUInt16BE(bytes.length, 4)
  else {
    bytes.writeUInt32BE(1 + n * flow.payload, 4)
    bytes.writeUInt8(0x50, 12)
    bytes.writeUInt8(n === 0 ? 0x02 : n === flow.packets - 1 ? 0x11 : 0x10, 13)
    bytes.writeUInt16BE(65_000, 14)
  }
  return bytes
}

/** Writes all packets of the flows, round by round, 20 µs apart, from `start` (milliseconds) on. */
export function writePcap(file: string, flows: readonly KnownFlow[], start: number): void {
  const frames: Buffer[] = []
  const rounds = Math.max(...flows.map((flow) => flow.packets))
  for (let round = 0; round < rounds; round++) {
    for (const flow of flows) if (round < flow.packets) frames.push(frameOf(flow, round))
  }
  writeFrames(file, frames, start)
}

/** A pcap file of Ethernet frames, 20 µs apart, from `start` (milliseconds) on. */
export function writeFrames(file: string, frames: readonly Buffer[], start: number): void {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(65_535, 16)
  header.writeUInt32LE(1, 20)
  const parts: Buffer[] = [header]
  for (const [i, frame] of frames.entries()) {
    const micros = start * 1000 + i * 20
    const record = Buffer.alloc(16)
    record.writeUInt32LE(Math.floor(micros / 1e6), 0)
    record.writeUInt32LE(micros % 1e6, 4)
    record.writeUInt32LE(frame.length, 8)
    record.writeUInt32LE(frame.length, 12)
    parts.push(record, frame)
  }
  writeFileSync(file, Buffer.concat(parts))
}

/** A UDP datagram from one port of this machine to another, as a frame. */
export function datagramFrame(payload: Uint8Array, srcPort: number, dstPort: number): Buffer {
  const flow: KnownFlow = {
    src: '127.0.0.1',
    dst: '127.0.0.1',
    proto: 17,
    srcPort,
    dstPort,
    packets: 1,
    payload: payload.length,
  }
  const frame = frameOf(flow, 0)
  frame.set(payload, frame.length - payload.length)
  return frame
}
