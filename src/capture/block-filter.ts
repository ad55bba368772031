import { compileFilter, createPacketFilter, type PacketFilter } from './bpf.ts'
import { movePacket, type PacketBlock } from './packet-block.ts'

// Filters for what no kernel has filtered: files, and what the kernel's own packet filter logs.

/** Leaves in a block only the packets that pass. */
export type BlockFilter = (block: PacketBlock) => void

/**
 * @param expression in tcpdump's words
 * @param linkTypes for which it is compiled at once; for others when they are met
 * @throws UserError, here or while filtering, where it is wrong
 */
export function createBlockFilter(expression: string, linkTypes: readonly number[] = []): BlockFilter {
  const filters = new Map<number, PacketFilter>()
  const filterFor = (linkType: number): PacketFilter => {
    let filter = filters.get(linkType)
    if (!filter) {
      filter = createPacketFilter(compileFilter(expression, linkType))
      filters.set(linkType, filter)
    }
    return filter
  }
  for (const linkType of linkTypes) filterFor(linkType)
  return (block) => {
    let kept = 0
    for (let i = 0; i < block.count; i++) {
      const filter = filterFor(block.linkType[i] as number)
      const offset = block.offset[i] as number
      if (!filter.passes(block.view, offset, block.captured[i] as number, block.original[i] as number)) continue
      if (kept < i) movePacket(block, i, kept)
      kept++
    }
    block.count = kept
  }
}
