// Captures from files: pcap (draft-ietf-opsawg-pcap) in both byte orders with micro- or nanoseconds, and pcapng
// (draft-ietf-opsawg-pcapng), read as a stream. Lengths in a file are believed only up to a bound.
import { UserError } from '../base/errors.ts'
import { LINK } from '../packet/link.ts'
import { ByteWindow } from './byte-window.ts'
import { MOST_PACKET, type CaptureProblem, type ReadingOptions, type State, type Walk } from './capture-walk.ts'
import { showLogged, type Logged } from './nflog.ts'
import { createPacketBlock, type PacketBlock } from './packet-block.ts'
import { pcapngWalk, SECTION } from './pcapng-walk.ts'

export type { CaptureProblem } from './capture-walk.ts'

/** One captured packet. `bytes` is valid until the next one is asked for. */
export interface CapturedPacket {
  /** Seconds since 1970 and nanoseconds within. */
  readonly seconds: number
  readonly nanos: number
  readonly bytes: Uint8Array
  /** Length on the wire; more than `bytes` has if the capture cut it. */
  readonly originalLength: number
  readonly linkType: number
}

/** Half a second-level cache: a packet is met again before it has left it. */
const READ_AT_ONCE = 1 << 19

const MAGIC_MICRO = 0xa1b2c3d4
const MAGIC_NANO = 0xa1b23c4d
const MAGIC_MODIFIED = 0xa1b2cd34
const ZSTD = 0xfd2fb528

/** What a file is by its first 4 bytes; '' if it is no capture. */
export function captureKind(bytes: Uint8Array): 'pcap' | 'pcapng' | 'gzip' | 'zstd' | '' {
  if (bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b) return 'gzip'
  if (bytes.length < 4) return ''
  const view = viewOf(bytes)
  if (view.getUint32(0, true) === ZSTD) return 'zstd'
  if (view.getUint32(0) === SECTION) return 'pcapng'
  for (const magic of [view.getUint32(0), view.getUint32(0, true)]) {
    if (magic === MAGIC_MICRO || magic === MAGIC_NANO || magic === MAGIC_MODIFIED) return 'pcap'
  }
  return ''
}

/** The packets of a pcap or pcapng stream, one after another. Throws UserError if it is neither. */
export async function* readCapture(
  source: AsyncIterable<Uint8Array>,
  problem: CaptureProblem,
): AsyncGenerator<CapturedPacket, void, void> {
  for await (const block of readPacketBlocks(source, problem)) {
    for (let i = 0; i < block.count; i++) {
      const offset = block.offset[i] as number
      yield {
        seconds: block.seconds[i] as number,
        nanos: block.nanos[i] as number,
        bytes: block.bytes.subarray(offset, offset + (block.captured[i] as number)),
        originalLength: block.original[i] as number,
        linkType: block.linkType[i] as number,
      }
    }
  }
}

/** The same, many at a time: one block is filled again and again. Throws UserError if the stream is no capture. */
export async function* readPacketBlocks(
  source: AsyncIterable<Uint8Array>,
  problem: CaptureProblem,
  options: ReadingOptions = {},
): AsyncGenerator<PacketBlock, void, void> {
  const chunks = source[Symbol.asyncIterator]()
  const fill = async (window: ByteWindow): Promise<boolean> => {
    const { value, done } = await chunks.next()
    if (value) window.append(value)
    return done !== true
  }
  yield* walked(fill, problem, options)
}

/** An open file, such as Node's FileHandle; these types are for readers without those of Node too. */
interface OpenFile {
  read(into: Uint8Array): Promise<{ readonly bytesRead: number }>
}

/** The packets of an open file, from where it stands; read straight into the memory that they are walked over in. */
export async function* readPacketBlocksOf(
  file: OpenFile,
  problem: CaptureProblem,
  options: ReadingOptions = {},
): AsyncGenerator<PacketBlock, void, void> {
  const fill = async (window: ByteWindow): Promise<boolean> => {
    const room = window.room(READ_AT_ONCE)
    const { bytesRead } = await file.read(room)
    window.grow(bytesRead)
    return bytesRead > 0
  }
  yield* walked(fill, problem, options)
}

/** @param fill puts more of the stream into the window; false at its end */
async function* walked(
  fill: (window: ByteWindow) => Promise<boolean>,
  problem: CaptureProblem,
  options: ReadingOptions,
): AsyncGenerator<PacketBlock, void, void> {
  const window = new ByteWindow()
  const block = createPacketBlock()
  let walk: Walk | undefined
  for (let ended = false; !ended;) {
    ended = !(await fill(window))
    // Both kinds tell themselves by their first 24 bytes at most
    if (!walk && window.length < 24 && !ended) continue
    walk ??= begin(window, options)
    for (let state: State = 'full'; state === 'full';) {
      block.count = 0
      block.bytes = window.bytes
      block.view = window.view
      state = walk(window, block, ended, problem)
      if (block.count > 0) yield block
      if (state === 'done') return
    }
  }
}

function begin(window: ByteWindow, options: ReadingOptions): Walk {
  const kind = captureKind(window.bytes.subarray(window.at, window.end))
  if (kind === 'pcapng') return pcapngWalk(options)
  if (kind === 'pcap') return pcapWalk(window, options)
  throw new UserError('this is neither a pcap nor a pcapng file', {
    hint: 'decode and replay read a file that holds one datagram with --raw',
  })
}

// magic 4, version 2+2, zone 4, accuracy 4, snapshot length 4, link type 4; then { seconds 4, fraction 4, captured 4, original 4, bytes }*
function pcapWalk(start: ByteWindow, options: ReadingOptions): Walk {
  if (start.length < 24) {
    return (window, _block, _ended, problem) => {
      problem('truncated', window.length)
      return 'done'
    }
  }
  const big = start.view.getUint32(start.at)
  const little = !(big === MAGIC_MICRO || big === MAGIC_NANO || big === MAGIC_MODIFIED)
  const magic = start.view.getUint32(start.at, little)
  const scale = magic === MAGIC_NANO ? 1 : 1000
  // Kuznetzov's variant, of old Linux: 8 more bytes a packet
  const packetHead = magic === MAGIC_MODIFIED ? 24 : 16
  // The upper bits tell of the frame check sequence
  const linkType = start.view.getUint32(start.at + 20, little) & 0xffff
  start.at += 24
  const logged: Logged | undefined =
    options.logged === true && linkType === LINK.nflog ? { sequence: -1, hasTime: false } : undefined
  return (window, block, ended, problem) => {
    const { view, end } = window
    const capacity = block.offset.length
    while (block.count < capacity) {
      const at = window.at
      const have = end - at
      if (have < packetHead) {
        if (!ended) return 'more'
        if (have > 0) problem('truncated', window.base + at)
        return 'done'
      }
      const length = view.getUint32(at + 8, little)
      if (length > MOST_PACKET) {
        problem('bad_length', window.base + at + 8)
        return 'done'
      }
      const isCut = have - packetHead < length
      if (isCut && !ended) return 'more'
      if (!isCut || have > packetHead) {
        const i = block.count++
        block.seconds[i] = view.getUint32(at, little)
        block.nanos[i] = view.getUint32(at + 4, little) * scale
        block.offset[i] = at + packetHead
        block.captured[i] = isCut ? have - packetHead : length
        block.original[i] = view.getUint32(at + 12, little)
        block.linkType[i] = linkType
        block.tag[i] = 0
        block.port[i] = 0
        block.direction[i] = 0
        if (logged) showLogged(block, i, view, at + packetHead, isCut ? end : at + packetHead + length, little, logged)
      }
      if (isCut) {
        problem('truncated', window.base + at)
        return 'done'
      }
      window.at = at + packetHead + length
    }
    return 'full'
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
