// Captured packets → UDP payloads (RFC 768), those of fragments too.
import { createIpExtractor, type IpPayload } from './ip-payloads.ts'

export const UDP = 17

/** A UDP payload as it was sent. */
export interface UdpPayload {
  /** Source address as 16 bytes, IPv4 mapped. */
  readonly from: Uint8Array
  readonly fromPort: number
  readonly toPort: number
  readonly bytes: Uint8Array
  /** The capture cut the packet short: `bytes` is only its start. */
  readonly cut: boolean
}

export interface UdpExtractor {
  /** The payload that this packet completes, or why there is none: no UDP at all, or a fragment that waits for others. */
  packet(linkType: number, bytes: Uint8Array): UdpPayload | 'other' | 'fragment'
  /** Datagrams whose fragments never all came. */
  incomplete(): number
}

export function createUdpExtractor(): UdpExtractor {
  const ip = createIpExtractor([UDP])
  return {
    packet(linkType, bytes) {
      const datagram = ip.packet(linkType, bytes)
      return typeof datagram === 'string' ? datagram : udpPayload(datagram)
    },
    incomplete: () => ip.incomplete(),
  }
}

/** What a UDP datagram carries; `other` if it is too short to be one. */
export function udpPayload({ from, bytes }: IpPayload): UdpPayload | 'other' {
  if (bytes.length < 8) return 'other'
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const claimed = v.getUint16(4)
  // Length 0 is a jumbogram or segmentation offload
  const stop = claimed >= 8 && claimed < bytes.length ? claimed : bytes.length
  return {
    from,
    fromPort: v.getUint16(0),
    toPort: v.getUint16(2),
    bytes: bytes.subarray(8, stop),
    cut: claimed >= 8 && claimed > bytes.length,
  }
}
