// What a flow is told apart by: seventeen 32-bit words, and which bits of them count.

/** Words of a packet's and a flow's fields. Addresses are four words each as the dissector has them (network order, IPv4 mapped). */
export const FIELD = {
  src: 0,
  dst: 4,
  /** Source port in the upper, destination port in the lower 16 bits; ICMP has type and code in the lower, as NetFlow does. */
  ports: 8,
  /** EtherType in the upper 16 bits, then ToS, then IP protocol. */
  protocol: 9,
  /** Outer (service) VLAN in the upper 16 bits, VLAN in the lower; 0 where there is none. */
  vlans: 10,
  /** Interface index. */
  port: 11,
  srcMacLow: 12,
  dstMacLow: 13,
  /** Upper 16 bits of the source MAC, then of the destination MAC. */
  macsHigh: 14,
  /** Kind of tunnel in the upper 8 bits, VNI in the lower 24. */
  tunnel: 15,
  /** Top MPLS label in the lower 20 bits; the highest bit tells that the machine itself sent the packet. */
  mpls: 16,
} as const

export const FIELDS = 17

export const EGRESS = 0x80000000

/** Which fields make a flow, as softflowd's `-T` names them. Each takes in what those below it do. */
export const TRACK_LEVELS = ['ip', 'proto', 'full', 'vlan', 'ether'] as const

export type TrackLevel = (typeof TRACK_LEVELS)[number]

export interface KeyOptions {
  readonly track: TrackLevel
  /** Whether packets of one flow that differ in ToS are two flows. */
  readonly tos: boolean
  /** Whether both directions are one flow: then neither ToS nor interface, which may differ, tell flows apart. */
  readonly biflow?: boolean
}

/** Bits of each word that tell flows apart. */
export function keyMask(options: KeyOptions): Uint32Array {
  const mask = new Uint32Array(FIELDS)
  const level = TRACK_LEVELS.indexOf(options.track)
  const set = (from: number, bits: number, words = 1): void => void mask.fill(bits, from, from + words)
  set(FIELD.src, 0xffffffff, 8)
  if (!options.biflow) {
    set(FIELD.port, 0xffffffff)
    set(FIELD.mpls, EGRESS)
  }
  let protocol = 0xffff0000
  if (level >= 1) protocol |= 0xff
  if (options.tos && !options.biflow) protocol |= 0xff00
  set(FIELD.protocol, protocol >>> 0)
  if (level >= 2) set(FIELD.ports, 0xffffffff)
  if (level >= 2) set(FIELD.tunnel, 0xffffffff)
  if (level >= 3) set(FIELD.vlans, 0xffffffff)
  if (level >= 4) set(FIELD.srcMacLow, 0xffffffff, 3)
  return mask
}
