// What a packet source showed, as plain objects to compare.

import type { PacketBlock } from '../../src/capture/packet-block.ts'

export interface SeenPacket {
  /** The frame with the tag that the kernel took off put back. */
  readonly hex: string
  readonly original: number
  readonly linkType: number
  readonly port: number
  readonly sent: number
  readonly time: number
}

export function seenPackets(block: PacketBlock, into: SeenPacket[]): void {
  for (let i = 0; i < block.count; i++) {
    const at = block.offset[i] as number
    const bytes = Buffer.from(block.bytes.subarray(at, at + (block.captured[i] as number)))
    const tag = Buffer.alloc(4)
    tag.writeUInt32BE(block.tag[i] as number)
    const whole = block.tag[i] === 0 ? bytes : Buffer.concat([bytes.subarray(0, 12), tag, bytes.subarray(12)])
    into.push({
      hex: whole.toString('hex'),
      original: block.original[i] as number,
      linkType: block.linkType[i] as number,
      port: block.port[i] as number,
      sent: block.direction[i] as number,
      time: (block.seconds[i] as number) * 1000 + (block.nanos[i] as number) / 1e6,
    })
  }
}
