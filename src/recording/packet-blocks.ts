import type { PacketBlock } from '../capture/packet-block.ts'
import { BLOCK, padded } from './pcapng.ts'

// Packets → enhanced packet blocks of pcapng (draft-ietf-opsawg-pcapng §4.3), many at a time, into memory that is used again:
//
//   type 6 ·4, total length ·4, interface ·4, time ·4 (upper word) ·4, captured ·4, original ·4, packet padded to 4,
//   where the direction is known, epb_flags 2 ·2 4 ·2 flags ·4 and the end of options ·4, total length ·4

const HEAD = 28
const FLAGS = 12
const LENGTH = 4
const EPB_FLAGS = 0x00040002

const FLAGS_INBOUND = 1
const FLAGS_OUTBOUND = 2
const TAG = 4
/** Where a VLAN tag stands in an Ethernet frame. */
const TAG_AT = 12
const WRAP_32 = 2 ** 32

/** Memory for blocks that are written together. */
export class Chunk {
  readonly bytes: Buffer
  readonly view: DataView
  length = 0
  /** Packets in it. */
  packets = 0
  /** Interfaces that its packets are the first to need, in a file that has begun; or the head of a file. */
  prelude: Uint8Array = new Uint8Array(0)
  /** Whether a file begins with it. */
  beginsFile = false
  /** What stands at the end of the file, if that ends with it. */
  epilogue: Uint8Array = new Uint8Array(0)

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafeSlow(capacity)
    this.view = new DataView(this.bytes.buffer)
  }

  clear(): void {
    this.length = 0
    this.packets = 0
    this.prelude = new Uint8Array(0)
    this.beginsFile = false
    this.epilogue = new Uint8Array(0)
  }
}

/** Writes packets of blocks into chunks. */
export class PacketBlockEncoder {
  private readonly snapshotLength: number
  private readonly knowsInbound: boolean
  // The upper and lower word of the second that came last, in nanoseconds
  private second = -1
  private secondHigh = 0
  private secondLow = 0
  // A Buffer over the memory of the packets, which copies without making an object for each
  private source: Buffer = Buffer.alloc(0)

  /** @param knowsInbound whether a packet that was not sent came in, so that it may be said */
  constructor(snapshotLength: number, knowsInbound: boolean) {
    this.snapshotLength = snapshotLength
    this.knowsInbound = knowsInbound
  }

  /** Bytes that packet `i` takes. */
  size(block: PacketBlock, i: number): number {
    return HEAD + padded(this.kept(block, i)) + (this.hasFlags(block, i) ? FLAGS : 0) + LENGTH
  }

  /** Puts packet `i` behind the others; there must be room for it. */
  put(block: PacketBlock, i: number, id: number, into: Chunk): void {
    const { view } = into
    const at = into.length
    const from = block.offset[i] as number
    const tag = block.tag[i] as number
    const captured = this.kept(block, i)
    const hasFlags = this.hasFlags(block, i)
    const length = HEAD + padded(captured) + (hasFlags ? FLAGS : 0) + LENGTH
    const second = block.seconds[i] as number
    if (second !== this.second) this.startSecond(second)
    const low = this.secondLow + (block.nanos[i] as number)
    let end = at + HEAD + padded(captured)
    // What pads the packet; before the lengths, which it may lie over
    view.setUint32(end - 4, 0, true)
    view.setUint32(at, BLOCK.packet, true)
    view.setUint32(at + 4, length, true)
    view.setUint32(at + 8, id, true)
    view.setUint32(at + 12, low >= WRAP_32 ? this.secondHigh + 1 : this.secondHigh, true)
    view.setUint32(at + 16, low >= WRAP_32 ? low - WRAP_32 : low, true)
    view.setUint32(at + 20, captured, true)
    view.setUint32(at + 24, block.original[i] as number, true)
    if (this.source.buffer !== block.bytes.buffer || this.source.byteOffset !== block.bytes.byteOffset)
      this.source = Buffer.from(block.bytes.buffer, block.bytes.byteOffset, block.bytes.length)
    if (tag === 0 || captured < TAG_AT + TAG) this.source.copy(into.bytes, at + HEAD, from, from + captured)
    else {
      this.source.copy(into.bytes, at + HEAD, from, from + TAG_AT)
      view.setUint32(at + HEAD + TAG_AT, tag)
      this.source.copy(into.bytes, at + HEAD + TAG_AT + TAG, from + TAG_AT, from + captured - TAG)
    }
    if (hasFlags) {
      view.setUint32(end, EPB_FLAGS, true)
      view.setUint32(end + 4, block.direction[i] === 1 ? FLAGS_OUTBOUND : FLAGS_INBOUND, true)
      view.setUint32(end + 8, 0, true)
      end += FLAGS
    }
    view.setUint32(end, length, true)
    into.length = at + length
    into.packets++
  }

  private hasFlags(block: PacketBlock, i: number): boolean {
    return this.knowsInbound || block.direction[i] === 1
  }

  /** With the tag that is put back, and no more than is wanted. */
  private kept(block: PacketBlock, i: number): number {
    const captured = block.captured[i] as number
    // A frame that is cut within its addresses has no place for a tag
    const whole = block.tag[i] !== 0 && captured >= TAG_AT ? captured + TAG : captured
    return whole < this.snapshotLength ? whole : this.snapshotLength
  }

  private startSecond(second: number): void {
    this.second = second
    // In pieces of 16 bits, none of whose products is too large for a double
    const upper = Math.floor(second / 65_536) * 1e9
    const lower = (second % 65_536) * 1e9 + (upper % 65_536) * 65_536
    this.secondHigh = Math.floor(upper / 65_536) + Math.floor(lower / WRAP_32)
    this.secondLow = lower % WRAP_32
  }
}
