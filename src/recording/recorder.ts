import type { Clock } from '../base/clock.ts'
import { BugError } from '../base/errors.ts'
import type { PacketBlock } from '../capture/packet-block.ts'
import { Chunk, PacketBlockEncoder } from './packet-blocks.ts'
import { interfaceBlock, sectionBlock, statisticsBlock, type InterfaceInfo, type SectionInfo } from './pcapng.ts'

// Packets of blocks → pcapng in chunks, within bounds, cut into files at packets. Chunks are written while the next ones are
// filled; where writing is slower than what comes, the recorder takes no more, and the source's own buffer fills.

export interface RecordingBounds {
  readonly packets: number
  /** Of all files together. */
  readonly bytes: number
  /** A file ends before it would have more bytes. */
  readonly fileBytes: number
  /** A file ends when it has lasted so many seconds. */
  readonly fileSeconds: number
}

export interface RecorderConfig {
  readonly section: SectionInfo
  readonly snapshotLength: number
  /** Whether packets that were not sent came in; of files nobody knows. */
  readonly knowsInbound: boolean
  readonly bounds: RecordingBounds
}

export interface SourceCounts {
  /** Number of the interface, as packets have it. */
  readonly port: number
  readonly received: number
  readonly dropped: number
}

export interface RecorderDeps {
  readonly output: RecordingOutput
  readonly clock: Clock
  /** What is known of an interface: asked once, when its first packet comes. */
  interfaceOf(port: number, linkType: number): InterfaceInfo
  /** What the source has counted; none where nobody counts. */
  counts(): SourceCounts | undefined
}

/** Where chunks go. */
export interface RecordingOutput {
  /** Resolves when the chunk's memory may be used again. Rejects when nothing more can be written. */
  write(chunk: Chunk): Promise<void>
  /** Packets for which there was no room. */
  readonly unwritten: number
  /** Bytes that were written. */
  readonly bytes: number
  close(): Promise<void>
}

/** Why a recording ends by itself. */
export type BoundReached = 'packets' | 'bytes'

export interface RecordingStatus {
  /** Packets that were taken, and those of them that found no room where they are written. */
  readonly packets: number
  readonly unwritten: number
  /** Bytes that were written. */
  readonly bytes: number
}

export interface Recorder {
  /** Names an interface before its first packet comes. */
  declare(port: number, linkType: number): void
  /**
   * Takes packets of a block, from number `from` on, and answers the number of the first that it did not take: there is no memory
   * for it until `ready`, or a bound is reached.
   * @param seconds that pass evenly, by which files last
   */
  take(block: PacketBlock, from: number, seconds: number): number
  /** Begins another file, unless this one is empty. */
  cut(): void
  /** Hands over what has been gathered, for those who look on. */
  flush(): void
  /** Resolves when packets can be taken again. Rejects with what keeps them from being written. */
  ready(): Promise<void>
  /** Resolves when all that was handed over is written. Rejects as `ready` does. */
  settled(): Promise<void>
  readonly reached: BoundReached | undefined
  /** Why nothing more can be written. */
  readonly failure: Error | undefined
  status(): RecordingStatus
  /** Writes what is left and the statistics, with the reason as their comment. Rejects as `ready` does. */
  end(reason: string): Promise<void>
}

const CHUNK_BYTES = 512 * 1024
const CHUNKS = 8
/** Kept free for the statistics at the end of each file. */
const EPILOGUE_BYTES = 512
/** Packets of other interfaces have no place in the file any more. */
const MOST_INTERFACES = 65_536

export function createRecorder(config: RecorderConfig, deps: RecorderDeps): Recorder {
  const { bounds } = config
  const { output } = deps
  const encoder = new PacketBlockEncoder(config.snapshotLength, config.knowsInbound)
  const startedAt = deps.clock.now()
  const section = sectionBlock(config.section)
  const interfaces: Uint8Array[] = []
  const ids = new Map<number, number>()
  const free: Chunk[] = []
  let chunks = 0
  let current: Chunk | undefined
  let fileBytes = 0
  let filePackets = 0
  let fileBegan = 0
  let hasBegun = false
  let isCut = false
  let secondsNow = 0
  /** Bytes of what every file begins with. */
  let headBytes = section.length
  let bytesBefore = 0
  let packets = 0
  let reached: BoundReached | undefined
  let failure: Error | undefined
  let written = Promise.resolve()
  let waiting: (() => void)[] = []
  // The interface of the packet before
  let lastKey = -1
  let lastId = 0

  function taken(): Chunk | undefined {
    const chunk = free.pop()
    if (chunk) return chunk
    if (chunks === CHUNKS) return undefined
    chunks++
    return new Chunk(CHUNK_BYTES)
  }

  /** The chunk that is filled now; a file begins with the first. */
  function chunkNow(): Chunk | undefined {
    if (current) return current
    current = taken()
    if (current && !hasBegun) beginFile(current)
    return current
  }

  function beginFile(chunk: Chunk): void {
    bytesBefore += fileBytes
    chunk.beginsFile = true
    chunk.prelude = Buffer.concat([section, ...interfaces])
    fileBytes = headBytes + EPILOGUE_BYTES
    filePackets = 0
    hasBegun = true
  }

  function ship(): void {
    const chunk = current
    if (!chunk) return
    current = undefined
    written = written
      .then(() => (failure ? undefined : output.write(chunk)))
      .catch((error: unknown) => {
        failure ??= error instanceof Error ? error : new BugError(String(error))
      })
      .then(() => {
        chunk.clear()
        free.push(chunk)
        const resumed = waiting
        waiting = []
        for (const resume of resumed) resume()
      })
  }

  function statistics(comment: string): Uint8Array {
    const counted = deps.counts()
    if (!counted || interfaces.length === 0) return new Uint8Array(0)
    // A device that came back may have another number, under which nothing came yet
    const id = [...ids].find(([key]) => Math.floor(key / 65_536) === counted.port)?.[1] ?? 0
    return statisticsBlock({
      id,
      startedAt,
      endedAt: deps.clock.now(),
      received: counted.received,
      dropped: counted.dropped,
      delivered: packets - output.unwritten,
      // Within the room that is kept for it, however long its letters are
      comment: comment.slice(0, 100),
    })
  }

  /** Ends the file with the current chunk and begins another; false if there is no memory for that now. */
  function nextFile(seconds: number): boolean {
    const following = taken()
    if (!following || !current) return false
    current.epilogue = statistics('goes on in the next file')
    ship()
    current = following
    beginFile(following)
    fileBegan = seconds
    isCut = false
    return true
  }

  /** The interface's number in the file; undefined if there is no memory for naming it now. */
  function idOf(port: number, linkType: number): number | undefined {
    const key = port * 65_536 + linkType
    if (key === lastKey) return lastId
    let id = ids.get(key)
    if (id === undefined) {
      if (current && current.packets > 0) ship()
      const chunk = chunkNow()
      if (!chunk) return undefined
      id = interfaces.length
      const block = interfaceBlock(deps.interfaceOf(port, linkType))
      ids.set(key, id)
      interfaces.push(block)
      chunk.prelude = Buffer.concat([chunk.prelude, block])
      headBytes += block.length
      fileBytes += block.length
    }
    lastKey = key
    lastId = id
    return id
  }

  async function allWritten(): Promise<void> {
    await written
    if (failure) throw failure
  }

  return {
    declare: (port, linkType) => void idOf(port, linkType),
    take(block, from, seconds) {
      secondsNow = seconds
      if (packets === 0) fileBegan = seconds
      let i = from
      for (; i < block.count; i++) {
        if (packets >= bounds.packets) reached = 'packets'
        if (reached !== undefined || failure !== undefined) break
        if (ids.size >= MOST_INTERFACES && !ids.has((block.port[i] as number) * 65_536 + (block.linkType[i] as number)))
          continue
        const id = idOf(block.port[i] as number, block.linkType[i] as number)
        let chunk = chunkNow()
        if (id === undefined || !chunk) break
        const size = encoder.size(block, i)
        const isFileOver =
          filePackets > 0 && (isCut || fileBytes + size > bounds.fileBytes || seconds - fileBegan >= bounds.fileSeconds)
        if (bytesBefore + fileBytes + (isFileOver ? headBytes + EPILOGUE_BYTES : 0) + size > bounds.bytes) {
          reached = 'bytes'
          break
        }
        if (isFileOver) {
          if (!nextFile(seconds)) break
        } else if (chunk.length + size > CHUNK_BYTES) ship()
        chunk = chunkNow()
        if (!chunk) break
        encoder.put(block, i, id, chunk)
        fileBytes += size
        filePackets++
        packets++
      }
      if (packets >= bounds.packets) reached = 'packets'
      return i
    },
    cut() {
      if (filePackets === 0) return
      // At once, or where there is no memory now with the next packet
      isCut = true
      if (chunkNow()) nextFile(secondsNow)
    },
    flush() {
      const chunk = chunkNow()
      if (chunk && (chunk.packets > 0 || chunk.prelude.length > 0)) ship()
    },
    async ready() {
      while (!failure && free.length === 0 && chunks === CHUNKS)
        await new Promise<void>((resolve) => waiting.push(resolve))
      if (failure) throw failure
    },
    settled: allWritten,
    get reached() {
      return reached
    },
    get failure() {
      return failure
    },
    status: () => ({ packets, unwritten: output.unwritten, bytes: output.bytes }),
    async end(reason) {
      // Counts are of what was written: first that
      ship()
      await allWritten()
      const chunk = chunkNow()
      if (!chunk) throw new BugError('all memory of a recording is in use although all of it is written')
      chunk.epilogue = statistics(reason)
      ship()
      await allWritten()
    },
  }
}
