import { TAG, type Lane } from './lane.ts'
import type { Random } from './random.ts'
import { outsideAddress, type Session } from './session.ts'

// Writes the frame of a sampled packet: Ethernet, 802.1Q, then IPv4 or IPv6 with TCP, UDP or ICMP, or ARP; the payload is zeros.
//
//   Ethernet II   dst MAC 6 · src MAC 6 · [8100 · TCI] · EtherType          IEEE 802.3, 802.1Q
//   IPv4          45 · ToS · length · id · flags · TTL · protocol · checksum · src · dst          RFC 791
//   IPv6          6 · class · label · length · next · hop limit · src · dst                       RFC 8200
//   TCP           ports · seq · ack · offset 8 · flags · window · checksum · urgent · NOP NOP timestamps   RFC 9293, 7323

const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd } as const
export const PROTOCOL_NUMBER = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const
const LONGEST = 2048

/** IP protocol number of a lane; 0 for ARP. */
export function protocolNumber(lane: Lane): number {
  switch (lane.profile.proto) {
    case 'tcp':
      return PROTOCOL_NUMBER.tcp
    case 'udp':
      return PROTOCOL_NUMBER.udp
    case 'icmp':
      return lane.ipv6 ? PROTOCOL_NUMBER.icmp6 : PROTOCOL_NUMBER.icmp
    case 'arp':
      return 0
  }
}

export function hopLimit(lane: Lane): number {
  return lane.src.machine.kind === 'outside' ? 52 : 64
}

export function sourcePort(lane: Lane, session: Session): number {
  return lane.up ? session.clientPort : lane.profile.port
}

export function destinationPort(lane: Lane, session: Session): number {
  return lane.up ? lane.profile.port : session.clientPort
}

export class FrameWriter {
  readonly bytes = new Uint8Array(LONGEST)
  private readonly view = new DataView(this.bytes.buffer)
  private readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  /**
   * Writes the packet into `bytes`.
   * @param length of the frame without FCS: where the headers end, zeros follow up to there
   */
  write(lane: Lane, session: Session, tagged: boolean, ipBytes: number, flags: number, length: number): void {
    const { bytes, view } = this
    bytes.fill(0, 0, Math.min(length, LONGEST))
    bytes.set(lane.dst.mac, 0)
    bytes.set(lane.src.mac, 6)
    let at = 12
    if (tagged) {
      view.setUint16(at, ETHERTYPE.vlan)
      view.setUint16(at + 2, lane.src.vlan)
      at += TAG
    }
    if (lane.headerLength === 0) {
      this.arp(lane, at)
      return
    }
    view.setUint16(at, lane.ipv6 ? ETHERTYPE.ipv6 : ETHERTYPE.ipv4)
    at = lane.ipv6 ? this.ipv6(lane, session, at + 2, ipBytes) : this.ipv4(lane, session, at + 2, ipBytes)
    this.transport(lane, session, at, ipBytes - (lane.ipv6 ? 40 : 20), flags)
  }

  private ipv4(lane: Lane, session: Session, at: number, ipBytes: number): number {
    const { bytes, view } = this
    bytes[at] = 0x45
    view.setUint16(at + 2, ipBytes)
    const random = this.random.u32()
    view.setUint16(at + 4, random & 0xffff)
    view.setUint16(at + 6, 0x4000)
    bytes[at + 8] = hopLimit(lane)
    bytes[at + 9] = protocolNumber(lane)
    if (lane.src.machine.kind === 'outside') outsideAddress(session.hash, false, bytes, at + 12)
    else bytes.set(lane.src.v4, at + 12)
    if (lane.dst.machine.kind === 'outside') outsideAddress(session.hash, false, bytes, at + 16)
    else bytes.set(lane.dst.v4, at + 16)
    let sum = 0
    for (let i = 0; i < 20; i += 2) sum += view.getUint16(at + i)
    sum = (sum & 0xffff) + (sum >>> 16)
    sum = (sum & 0xffff) + (sum >>> 16)
    view.setUint16(at + 10, ~sum & 0xffff)
    return at + 20
  }

  private ipv6(lane: Lane, session: Session, at: number, ipBytes: number): number {
    const { bytes, view } = this
    bytes[at] = 0x60
    view.setUint16(at + 4, ipBytes - 40)
    bytes[at + 6] = protocolNumber(lane)
    bytes[at + 7] = hopLimit(lane)
    if (lane.src.machine.kind === 'outside') outsideAddress(session.hash, true, bytes, at + 8)
    else bytes.set(lane.src.v6, at + 8)
    if (lane.dst.machine.kind === 'outside') outsideAddress(session.hash, true, bytes, at + 24)
    else bytes.set(lane.dst.v6, at + 24)
    return at + 40
  }

  private transport(lane: Lane, session: Session, at: number, length: number, flags: number): void {
    const { bytes, view } = this
    if (lane.profile.proto === 'icmp') {
      bytes[at] = lane.ipv6 ? (lane.up ? 128 : 129) : lane.up ? 8 : 0
      view.setUint16(at + 4, session.hash & 0xffff)
      view.setUint16(at + 6, this.random.u32() & 0xffff)
      return
    }
    view.setUint16(at, sourcePort(lane, session))
    view.setUint16(at + 2, destinationPort(lane, session))
    if (lane.profile.proto === 'udp') {
      view.setUint16(at + 4, length)
      return
    }
    view.setUint32(at + 4, this.random.u32())
    if (flags !== 0x02) view.setUint32(at + 8, this.random.u32())
    bytes[at + 12] = 0x80
    bytes[at + 13] = flags
    view.setUint16(at + 14, 0xfaf0)
    bytes[at + 20] = 1
    bytes[at + 21] = 1
    bytes[at + 22] = 8
    bytes[at + 23] = 10
    view.setUint32(at + 24, this.random.u32())
    view.setUint32(at + 28, this.random.u32())
  }

  // RFC 826: hardware 1 · protocol 0800 · 6 · 4 · operation (1 request, 2 reply) · sender MAC, IP · target MAC, IP
  private arp(lane: Lane, at: number): void {
    const { bytes, view } = this
    view.setUint16(at, ETHERTYPE.arp)
    view.setUint16(at + 2, 1)
    view.setUint16(at + 4, ETHERTYPE.ipv4)
    bytes[at + 6] = 6
    bytes[at + 7] = 4
    view.setUint16(at + 8, lane.up ? 1 : 2)
    bytes.set(lane.src.mac, at + 10)
    bytes.set(lane.src.v4, at + 16)
    bytes.set(lane.dst.mac, at + 20)
    bytes.set(lane.dst.v4, at + 26)
  }
}
