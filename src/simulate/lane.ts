import type { Nic, Port } from './data-center.ts'
import { FULL_SEGMENT, type Profile } from './profiles.ts'

// One direction of a conversation, and the ports that its packets cross.

/** Ethernet's frame check sequence, which frame lengths include. */
export const FCS = 4
/** An 802.1Q tag. */
export const TAG = 4
const SHORTEST_FRAME = 60

export interface Lane {
  readonly conversation: number
  /** True from the client to the server. */
  readonly up: boolean
  readonly src: Nic
  readonly dst: Nic
  readonly profile: Profile
  readonly ipv6: boolean
  readonly sessions: number
  /** Milliseconds. */
  readonly lifetime: number
  /** The port where a monitored switch first sees the packets, and the one by which they leave that switch. */
  readonly first: Port
  readonly firstOut: Port
  /** The uplink by which they enter a second monitored switch, and the port behind it. */
  readonly second: Port | undefined
  readonly secondOut: Port | undefined
  /** Bytes of the IP and transport headers; 0 for ARP. */
  readonly headerLength: number
}

/** The lane of the packets from `src` to `dst`; at least one of them has a port. */
export function createLane(
  lane: Pick<Lane, 'conversation' | 'up' | 'src' | 'dst' | 'profile' | 'ipv6' | 'sessions' | 'lifetime'>,
): Lane {
  const from = lane.src.port
  const to = lane.dst.port
  const headerLength =
    lane.profile.proto === 'arp' ? 0 : (lane.ipv6 ? 40 : 20) + (lane.profile.proto === 'tcp' ? 32 : 8)
  if (from === undefined) {
    return {
      ...lane,
      headerLength,
      first: (to as Port).host.uplink,
      firstOut: to as Port,
      second: undefined,
      secondOut: undefined,
    }
  }
  if (to === undefined)
    return { ...lane, headerLength, first: from, firstOut: from.host.uplink, second: undefined, secondOut: undefined }
  if (to.host === from.host)
    return { ...lane, headerLength, first: from, firstOut: to, second: undefined, secondOut: undefined }
  return { ...lane, headerLength, first: from, firstOut: from.host.uplink, second: to.host.uplink, secondOut: to }
}

/** The payload that fits: IPv6 headers leave 20 bytes less of a full segment. */
export function fitPayload(lane: Lane, payload: number): number {
  return lane.ipv6 ? Math.min(payload, FULL_SEGMENT - 20) : payload
}

/** Length of the IP packet; 0 if it isn't one. */
export function ipLength(lane: Lane, payload: number): number {
  return lane.headerLength === 0 ? 0 : lane.headerLength + payload
}

const ARP_LENGTH = 28

/** Length of the untagged frame with its FCS. */
export function frameLength(lane: Lane, payload: number): number {
  const body = lane.headerLength === 0 ? ARP_LENGTH : lane.headerLength + payload
  return Math.max(SHORTEST_FRAME, 14 + body) + FCS
}
