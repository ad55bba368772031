// Captures from files: pcap (draft-ietf-opsawg-pcap) in both byte orders with micro- or nanoseconds, and pcapng
// (draft-ietf-opsawg-pcapng), read as a stream. Lengths in a file are believed only up to a bound.
import { UserError } from '../base/errors.ts'
import { ByteWindow } from './byte-window.ts'
import { createPacketBlock, type PacketBlock } from './packet-block.ts'

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

/** What may be wrong inside a capture: told once, and reading ends there. */
export type CaptureProblem = (code: 'truncated' | 'bad_length', offset: number) => void

const MOST_PACKET = 16 * 1024 * 1024

/** Half a second-level cache: a packet is met again before it has left it. */
const READ_AT_ONCE = 1 << 19

const MAGIC_MICRO = 0xa1b2c3d4
const MAGIC_NANO = 0xa1b23c4d
const MAGIC_MODIFIED = 0xa1b2cd34
const SECTION = 0x0a0d0d0a

/** What a file is by its first 4 bytes; '' if it is no capture. */
export function captureKind(bytes: Uint8Array): 'pcap' | 'pcapng' | 'gzip' | '' {
  if (bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b) return 'gzip'
  if (bytes.length < 4) return ''
  const view = viewOf(bytes)
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
): AsyncGenerator<PacketBlock, void, void> {
  const chunks = source[Symbol.asyncIterator]()
  const fill = async (window: ByteWindow): Promise<boolean> => {
    const { value, done } = await chunks.next()
    if (value) window.append(value)
    return done !== true
  }
  yield* walked(fill, problem)
}

/** An open file, such as Node's FileHandle; these types are for readers without those of Node too. */
interface OpenFile {
  read(into: Uint8Array): Promise<{ readonly bytesRead: number }>
}

/** The packets of an open file, from where it stands; read straight into the memory that they are walked over in. */
export async function* readPacketBlocksOf(
  file: OpenFile,
  problem: CaptureProblem,
): AsyncGenerator<PacketBlock, void, void> {
  const fill = async (window: ByteWindow): Promise<boolean> => {
    const room = window.room(READ_AT_ONCE)
    const { bytesRead } = await file.read(room)
    window.grow(bytesRead)
    return bytesRead > 0
  }
  yield* walked(fill, problem)
}

/** @param fill puts more of the stream into the window; false at its end */
async function* walked(
  fill: (window: ByteWindow) => Promise<boolean>,
  problem: CaptureProblem,
): AsyncGenerator<PacketBlock, void, void> {
  const window = new ByteWindow()
  const block = createPacketBlock()
  let walk: Walk | undefined
  for (let ended = false; !ended;) {
    ended = !(await fill(window))
    // Both kinds tell themselves by their first 24 bytes at most
    if (!walk && window.length < 24 && !ended) continue
    walk ??= begin(window)
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

/** Why a walk over the window stopped: the block is full, more bytes are needed, or nothing more can be read. */
type State = 'full' | 'more' | 'done'

/** Puts the packets that lie whole in the window into the block; at the end of the stream also one that is cut. */
type Walk = (window: ByteWindow, block: PacketBlock, ended: boolean, problem: CaptureProblem) => State

function begin(window: ByteWindow): Walk {
  const kind = captureKind(window.bytes.subarray(window.at, window.end))
  if (kind === 'pcapng') return pcapngWalk()
  if (kind === 'pcap') return pcapWalk(window)
  throw new UserError('this is neither a pcap nor a pcapng file', {
    hint: 'for a file that holds one datagram give --raw',
  })
}

// magic 4, version 2+2, zone 4, accuracy 4, snapshot length 4, link type 4; then { seconds 4, fraction 4, captured 4, original 4, bytes }*
function pcapWalk(start: ByteWindow): Walk {
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

interface Interface {
  readonly linkType: number
  /** Units of its timestamps in a second. */
  readonly units: bigint
  readonly offsetSeconds: bigint
}

/** Interfaces of one file that are told apart; its section may name any number. */
const MOST_INTERFACES = 65_536

// Every block: type 4, total length 4, body padded to 4, total length 4
function pcapngWalk(): Walk {
  let little = false
  let interfaces: Interface[] = []
  return (window, block, ended, problem) => {
    const { view, end } = window
    const capacity = block.offset.length
    while (block.count < capacity) {
      const at = window.at
      const have = end - at
      if (have < 12) {
        if (!ended) return 'more'
        if (have > 0) problem('truncated', window.base + at)
        return 'done'
      }
      if (view.getUint32(at) === SECTION) {
        // A new section may have another byte order: its magic 1a2b3c4d tells
        const magic = view.getUint32(at + 8)
        if (magic !== 0x1a2b3c4d && magic !== 0x4d3c2b1a) {
          problem('bad_length', window.base + at + 8)
          return 'done'
        }
        little = magic === 0x4d3c2b1a
        interfaces = []
      }
      const type = view.getUint32(at, little)
      const length = view.getUint32(at + 4, little)
      if (length < 12 || length % 4 !== 0 || length > MOST_PACKET) {
        problem('bad_length', window.base + at + 4)
        return 'done'
      }
      const isCut = have < length
      if (isCut && !ended) return 'more'
      const bodyEnd = isCut ? end : at + length - 4
      if (type === 1 && bodyEnd - at >= 16) {
        if (interfaces.length < MOST_INTERFACES) interfaces.push(readInterface(view, at, bodyEnd, little))
      } else if (type === 6 || type === 2 || type === 3) {
        const understood = readPacketBlock(type, view, at, bodyEnd, little, interfaces, block)
        if (!understood && !isCut) problem('bad_length', window.base + at)
      }
      if (isCut) {
        problem('truncated', window.base + at)
        return 'done'
      }
      window.at = at + length
    }
    return 'full'
  }
}

// Interface description: link type 2, reserved 2, snapshot length 4, options { code 2, length 2, value }*: 9 if_tsresol, 14 if_tsoffset
function readInterface(view: DataView, start: number, end: number, little: boolean): Interface {
  let units = 1_000_000n
  let offsetSeconds = 0n
  let at = start + 16
  while (end - at >= 4) {
    const code = view.getUint16(at, little)
    const length = view.getUint16(at + 2, little)
    if (code === 0 || length > end - at - 4) break
    if (code === 9 && length >= 1) {
      const resolution = view.getUint8(at + 4)
      const power = BigInt(Math.min(resolution & 0x7f, 63))
      units = (resolution & 0x80) === 0 ? 10n ** (power > 18n ? 18n : power) : 1n << power
    }
    if (code === 14 && length >= 8) offsetSeconds = view.getBigInt64(at + 4, little)
    at += 4 + ((length + 3) & ~3)
  }
  return { linkType: view.getUint16(start + 8, little), units, offsetSeconds }
}

// Enhanced packet: interface 4, timestamp high 4, low 4, captured 4, original 4, bytes. Packet (obsolete): interface 2, drops 2, then the same.
// Simple packet: original 4, bytes
function readPacketBlock(
  type: number,
  view: DataView,
  at: number,
  end: number,
  little: boolean,
  interfaces: readonly Interface[],
  into: PacketBlock,
): boolean {
  const port =
    type === 3 ? 0 : end - at < 12 ? -1 : type === 6 ? view.getUint32(at + 8, little) : view.getUint16(at + 8, little)
  const from = interfaces[port]
  const head = type === 3 ? 12 : 28
  if (!from || end - at < head) return false
  const i = into.count++
  const original = view.getUint32(at + (type === 3 ? 8 : 24), little)
  const length = type === 3 ? original : view.getUint32(at + 20, little)
  into.offset[i] = at + head
  into.captured[i] = Math.min(end - at - head, length)
  into.original[i] = original
  into.linkType[i] = from.linkType
  into.tag[i] = 0
  into.port[i] = port
  if (type === 3) {
    into.seconds[i] = 0
    into.nanos[i] = 0
    return true
  }
  const high = view.getUint32(at + 12, little)
  const low = view.getUint32(at + 16, little)
  if (from.units === 1_000_000n && from.offsetSeconds === 0n && high < 0x200000) {
    // Microseconds, by far the most frequent: they fit into a double until the year 2255
    const micros = high * 0x1_0000_0000 + low
    const seconds = Math.floor(micros / 1e6)
    into.seconds[i] = seconds
    into.nanos[i] = (micros - seconds * 1e6) * 1000
    return true
  }
  const stamp = (BigInt(high) << 32n) | BigInt(low)
  into.seconds[i] = Number(stamp / from.units + from.offsetSeconds)
  into.nanos[i] = Number(((stamp % from.units) * 1_000_000_000n) / from.units)
  return true
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
