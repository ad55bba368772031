import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { UserError } from '../base/errors.ts'
import { createBlockFilter } from './block-filter.ts'
import type { CaptureProblem, ReadingOptions } from './capture-walk.ts'
import type { PacketBlock } from './packet-block.ts'
import { readPacketBlocks, readPacketBlocksOf } from './pcap-file.ts'
import { isPacked, unpacked } from './unpacked.ts'

// Captures by their name: pcap or pcapng, packed by gzip or zstd or not, from a file or from standard input.

export interface CaptureFileOptions extends Omit<ReadingOptions, 'logged'> {
  /** In tcpdump's words; '' for all packets. */
  readonly filter?: string
}

const PIECE = 1 << 18

/**
 * The packets of a capture, many at a time: one block is filled again and again.
 * @param file `-` is standard input
 * @throws UserError if it can't be read, is no capture, or the filter is wrong
 */
export async function* readCaptureFile(
  file: string,
  problem: CaptureProblem,
  options: CaptureFileOptions = {},
): AsyncGenerator<PacketBlock, void, void> {
  const { filter = '', ...rest } = options
  const keep = filter === '' ? undefined : createBlockFilter(filter)
  try {
    for await (const block of blocksOf(file, problem, { ...rest, logged: true })) {
      keep?.(block)
      if (block.count > 0) yield block
    }
  } catch (error) {
    if (error instanceof UserError) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) throw error
    throw new UserError(`${file} can’t be read (${code})`, { cause: error })
  }
}

async function* blocksOf(
  file: string,
  problem: CaptureProblem,
  options: ReadingOptions,
): AsyncGenerator<PacketBlock, void, void> {
  if (file === '-') return yield* readPacketBlocks(unpacked(process.stdin, problem), problem, options)
  const handle = await open(file)
  try {
    // A pipe can't be looked into beforehand
    if ((await handle.stat()).isFile()) {
      const start = new Uint8Array(4)
      const { bytesRead } = await handle.read(start, 0, 4, 0)
      if (!isPacked(start.subarray(0, bytesRead))) return yield* readPacketBlocksOf(handle, problem, options)
    }
  } finally {
    await handle.close()
  }
  yield* readPacketBlocks(unpacked(createReadStream(file, { highWaterMark: PIECE }), problem), problem, options)
}
