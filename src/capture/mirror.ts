// Mirrored frames out of what carries them from a switch to a distant monitor: ERSPAN (draft-foschiano-erspan), GRE with
// bridged Ethernet (RFC 2784, RFC 2890), VXLAN (RFC 7348), Geneve (RFC 8926), or an encapsulation VLAN, as vSphere and switches
// send them. A block is rewritten in place: nothing is allocated, nothing throws, every length is checked.

import { LINK, readLink, type LinkHeader } from '../packet/link.ts'
import { START } from '../packet/dissect.ts'
import type { MirrorChoice, MirrorKind } from './mirror-choice.ts'
import { movePacket, type PacketBlock } from './packet-block.ts'

/** Bytes by which a capture has to keep more of each packet, for what stands before the mirrored frame. */
export const MIRROR_OVERHEAD = 160

export interface MirrorCounts {
  /** Frames that were unwrapped. */
  unwrapped: number
  /** Packets that are no chosen mirror, or end before the mirrored frame begins: left out. */
  others: number
}

const IPV4 = 0x0800
const IPV6 = 0x86dd
const ETHERNET_BRIDGED = 0x6558
const ERSPAN_1_2 = 0x88be
const ERSPAN_3 = 0x22eb
const DOT1Q = 0x8100
const ETHERNET = 14
const TAG = 4

const GRE = 47
const UDP = 17
const VXLAN_PORT = 4789
/** As Linux had it before there was a standard. */
const VXLAN_LINUX_PORT = 8472
const GENEVE_PORT = 6081

/** No packet has more tags than this one looks behind. */
const MOST_TAGS = 4

/** Unwraps the mirrors that were chosen. A frame is unwrapped once: what is mirrored may itself be a tunnel. */
export class MirrorReader {
  readonly counts: MirrorCounts = { unwrapped: 0, others: 0 }
  private readonly erspan: readonly number[]
  private readonly gre: readonly number[]
  private readonly vxlan: readonly number[]
  private readonly geneve: readonly number[]
  private readonly vlan: readonly number[]
  private readonly link: LinkHeader = { at: 0, etherType: 0, start: 0 }
  // The packet that is being read: where its bytes and its outer packet on the wire end, and what was found in it
  private end = 0
  private wireEnd = 0
  private found = 0
  private linkType = 0
  private tag = 0

  constructor(choices: readonly MirrorChoice[]) {
    const ids = (kind: MirrorKind): number[] => choices.filter((each) => each.kind === kind).map(({ id }) => id)
    this.erspan = ids('erspan')
    this.gre = ids('gre')
    this.vxlan = ids('vxlan')
    this.geneve = ids('geneve')
    this.vlan = ids('vlan')
  }

  /**
   * Leaves the mirrored frames of a block, as if they had been captured where they were mirrored: their place, both lengths, link
   * type and VLAN tag. A frame that was cut before it was sent has the length on the wire that its IP header tells.
   */
  unwrap(block: PacketBlock): void {
    let kept = 0
    for (let i = 0; i < block.count; i++) {
      if (!this.unwrapOne(block, i)) {
        this.counts.others++
        continue
      }
      this.counts.unwrapped++
      if (kept !== i) movePacket(block, i, kept)
      kept++
    }
    block.count = kept
  }

  private unwrapOne(block: PacketBlock, i: number): boolean {
    const { view } = block
    const at = block.offset[i] as number
    const captured = block.captured[i] as number
    const linkType = block.linkType[i] as number
    if (this.vlan.length > 0 && linkType === LINK.ethernet && this.takeTagOff(block, i, at, captured)) return true
    if (!readLink(linkType, view, at, captured, this.link)) return false
    this.end = at + captured
    this.wireEnd = at + (block.original[i] as number) - (block.tag[i] === 0 ? 0 : TAG)
    this.tag = 0
    this.linkType = LINK.ethernet
    let here = this.link.at
    let type = this.link.etherType
    const { start } = this.link
    if (start === START.ethernet) {
      if (captured < ETHERNET) return false
      type = view.getUint16(at + 12)
      here = at + ETHERNET
      for (let tags = 0; isTag(type) && tags < MOST_TAGS; tags++) {
        if (this.end - here < TAG) return false
        type = view.getUint16(here + 2)
        here += TAG
      }
    } else if (start === START.ipv4) type = IPV4
    else if (start === START.ipv6) type = IPV6
    const isFound = type === IPV4 ? this.inIpv4(view, here) : type === IPV6 ? this.inIpv6(view, here) : false
    if (!isFound) return false
    const inner = this.found
    const last = this.wireEnd < this.end ? this.wireEnd : this.end
    const isEthernet = this.linkType === LINK.ethernet
    if (last - inner < (isEthernet ? ETHERNET : 1)) return false
    let original = this.wireEnd - inner
    const stated = isEthernet ? frameLength(view, inner, last) : ipLength(view, inner, last)
    if (stated > original) original = stated
    block.offset[i] = inner
    block.captured[i] = last - inner
    block.original[i] = original + (this.tag === 0 ? 0 : TAG)
    block.linkType[i] = this.linkType
    block.tag[i] = this.tag
    return true
  }

  /** Takes the outermost tag off if it is that of a chosen VLAN. */
  private takeTagOff(block: PacketBlock, i: number, at: number, captured: number): boolean {
    const { view, bytes } = block
    if (block.tag[i] !== 0) {
      if (!this.vlan.includes((block.tag[i] as number) & 0xfff) || captured < ETHERNET) return false
      block.tag[i] = 0
    } else {
      if (captured < ETHERNET + TAG || !isTag(view.getUint16(at + 12))) return false
      if (!this.vlan.includes(view.getUint16(at + 14) & 0xfff)) return false
      // The addresses move up to what is behind the tag
      bytes.copyWithin(at + TAG, at, at + 12)
      block.offset[i] = at + TAG
      block.captured[i] = captured - TAG
    }
    const inner = block.offset[i] as number
    const original = (block.original[i] as number) - TAG
    const stated = frameLength(view, inner, inner + (block.captured[i] as number))
    block.original[i] = stated > original ? stated : original
    return true
  }

  private inIpv4(view: DataView, at: number): boolean {
    if (this.end - at < 20) return false
    const first = view.getUint8(at)
    const header = (first & 15) << 2
    // A later fragment begins somewhere in the mirrored frame, whose length the first one tells
    if (first >> 4 !== 4 || header < 20 || (view.getUint16(at + 6) & 0x1fff) !== 0) return false
    const total = view.getUint16(at + 2)
    // 0 where the sender's adapter was to cut the packet
    if (total >= header) this.wireEnd = at + total
    return this.inTransport(view, at + header, view.getUint8(at + 9))
  }

  private inIpv6(view: DataView, at: number): boolean {
    if (this.end - at < 40 || view.getUint8(at) >> 4 !== 6) return false
    const payload = view.getUint16(at + 4)
    if (payload > 0) this.wireEnd = at + 40 + payload
    let next = view.getUint8(at + 6)
    let here = at + 40
    // Hop-by-hop, routing and destination options (Linux puts a tunnel encapsulation limit before GRE), and a fragment's header
    for (;;) {
      if (next !== 0 && next !== 43 && next !== 60 && next !== 44) break
      if (this.end - here < 8) return false
      if (next === 44 && view.getUint16(here + 2) >> 3 !== 0) return false
      const length = next === 44 ? 8 : (view.getUint8(here + 1) + 1) << 3
      next = view.getUint8(here)
      here += length
    }
    return this.inTransport(view, here, next)
  }

  private inTransport(view: DataView, at: number, protocol: number): boolean {
    if (protocol === GRE) return this.inGre(view, at)
    if (protocol !== UDP || this.end - at < 16) return false
    const port = view.getUint16(at + 2)
    if (port === VXLAN_PORT || port === VXLAN_LINUX_PORT) return this.inVxlan(view, at + 8)
    return port === GENEVE_PORT && this.inGeneve(view, at + 8)
  }

  // flags 1 (I = 0x08), reserved 3, VNI 3, reserved 1
  private inVxlan(view: DataView, at: number): boolean {
    if ((view.getUint8(at) & 0x08) === 0) return false
    this.found = at + 8
    return isChosen(this.vxlan, view.getUint32(at + 4) >>> 8)
  }

  // version 2 bits, options length 6 bits in words, flags 1, protocol type 2, VNI 3, reserved 1, options
  private inGeneve(view: DataView, at: number): boolean {
    const first = view.getUint8(at)
    if (first >> 6 !== 0 || view.getUint16(at + 2) !== ETHERNET_BRIDGED) return false
    this.found = at + 8 + ((first & 0x3f) << 2)
    return isChosen(this.geneve, view.getUint32(at + 4) >>> 8)
  }

  // flags and version 2, protocol 2, [checksum, reserved 4], [key 4], [sequence 4]
  private inGre(view: DataView, start: number): boolean {
    if (this.end - start < 4) return false
    const flags = view.getUint16(start)
    const type = view.getUint16(start + 2)
    // Version 0, no routing
    if ((flags & 0x4007) !== 0) return false
    let at = start + 4 + ((flags & 0x8000) === 0 ? 0 : 4)
    let key = -1
    if ((flags & 0x2000) !== 0) {
      if (this.end - at < 4) return false
      key = view.getUint32(at)
      at += 4
    }
    const isNumbered = (flags & 0x1000) !== 0
    if (isNumbered) at += 4
    this.found = at
    if (type === ETHERNET_BRIDGED) return isChosen(this.gre, key)
    if (type === ERSPAN_1_2) return isNumbered ? this.inErspan2(view, at) : isChosen(this.erspan, -1)
    return type === ERSPAN_3 && this.inErspan3(view, at)
  }

  // Type II (§4.2): version 4 bits (1), VLAN 12 bits, CoS 3 bits, encapsulation 2, truncated 1, session 10, reserved 12 and index 20 bits
  private inErspan2(view: DataView, at: number): boolean {
    if (this.end - at < 8) return false
    const vlan = view.getUint16(at)
    const session = view.getUint16(at + 2)
    if (vlan >> 12 !== 1) return false
    this.found = at + 8
    // Encapsulation 3: the frame has its tag still
    if (((session >> 11) & 3) !== 3) this.putTag(view, vlan & 0xfff, session >> 13)
    return isChosen(this.erspan, session & 0x3ff)
  }

  // Type III (§4.3): version 4 bits (2), VLAN 12 bits, CoS 3 bits, frame's state 2, truncated 1, session 10, timestamp 4, group tag 2,
  // P 1 bit, frame type 5, hardware 6, direction 1, granularity 2, O 1 bit: 8 bytes of the platform follow
  private inErspan3(view: DataView, at: number): boolean {
    if (this.end - at < 12) return false
    const vlan = view.getUint16(at)
    const session = view.getUint16(at + 2)
    if (vlan >> 12 !== 2) return false
    const last = view.getUint16(at + 10)
    const frameType = (last >> 10) & 0x1f
    this.found = at + 12 + ((last & 1) === 0 ? 0 : 8)
    if (frameType === 2) this.linkType = LINK.raw
    else if (frameType === 0) this.putTag(view, vlan & 0xfff, session >> 13)
    else return false
    return isChosen(this.erspan, session & 0x3ff)
  }

  /** The mirroring switch tells the VLAN of a frame whose tag it took off; Linux tells it beside the tag. */
  private putTag(view: DataView, vlan: number, priority: number): void {
    const at = this.found
    if (vlan === 0 || this.end - at < ETHERNET + TAG) return
    if (isTag(view.getUint16(at + 12)) && (view.getUint16(at + 14) & 0xfff) === vlan) return
    this.tag = ((DOT1Q << 16) | (priority << 13) | vlan) >>> 0
  }
}

function isChosen(ids: readonly number[], id: number): boolean {
  for (let i = 0; i < ids.length; i++) if (ids[i] === -1 || ids[i] === id) return true
  return false
}

function isTag(type: number): boolean {
  return type === DOT1Q || type === 0x88a8 || type === 0x9100
}

/** Length of a frame as the IP packet in it tells, at most 64 KiB; 0 if it tells none. */
function frameLength(view: DataView, start: number, end: number): number {
  if (end - start < ETHERNET) return 0
  let type = view.getUint16(start + 12)
  let at = start + ETHERNET
  for (let tags = 0; isTag(type) && tags < MOST_TAGS; tags++) {
    if (end - at < TAG) return 0
    type = view.getUint16(at + 2)
    at += TAG
  }
  if (type !== IPV4 && type !== IPV6) return 0
  const length = ipLength(view, at, end)
  return length === 0 ? 0 : at - start + length
}

function ipLength(view: DataView, at: number, end: number): number {
  if (end - at < 6) return 0
  const version = view.getUint8(at) >> 4
  if (version === 4) return view.getUint16(at + 2)
  const payload = version === 6 ? view.getUint16(at + 4) : 0
  return payload === 0 ? 0 : payload + 40
}
