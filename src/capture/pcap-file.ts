// Captures from files: pcap (draft-ietf-opsawg-pcap) in both byte orders with micro- or nanoseconds, and pcapng
// (draft-ietf-opsawg-pcapng), read as a stream. Lengths in a file are believed only up to a bound.
import { UserError } from '../base/errors.ts'
import { ByteQueue } from './byte-queue.ts'

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

const MAGIC_MICRO = 0xa1b2c3d4
const MAGIC_NANO = 0xa1b23c4d
const MAGIC_MODIFIED = 0xa1b2cd34
const SECTION = 0x0a0d0d0a

/** What a file is by its first 4 bytes; '' if it is no capture. */
export function captureKind(bytes: Uint8Array): 'pcap' | 'pcapng' | 'gzip' | '' {
  if (bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b) return 'gzip'
  if (bytes.length < 4) return ''
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
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
  const input = new ByteQueue(source)
  const magic = await input.peek(4)
  const kind = captureKind(magic)
  if (kind === 'pcap') yield* readPcap(input, problem)
  else if (kind === 'pcapng') yield* readPcapng(input, problem)
  else
    throw new UserError('this is neither a pcap nor a pcapng file', {
      hint: 'for a file that holds one datagram give --raw',
    })
}

// magic 4, version 2+2, zone 4, accuracy 4, snapshot length 4, link type 4; then { seconds 4, fraction 4, captured 4, original 4, bytes }*
async function* readPcap(input: ByteQueue, problem: CaptureProblem): AsyncGenerator<CapturedPacket, void, void> {
  const head = await input.take(24)
  if (head.length < 24) return problem('truncated', head.length)
  const headView = viewOf(head)
  const big = headView.getUint32(0)
  const little = !(big === MAGIC_MICRO || big === MAGIC_NANO || big === MAGIC_MODIFIED)
  const magic = headView.getUint32(0, little)
  const scale = magic === MAGIC_NANO ? 1 : 1000
  // Kuznetzov's variant, of old Linux: 8 more bytes a packet
  const packetHead = magic === MAGIC_MODIFIED ? 24 : 16
  // The upper bits tell of the frame check sequence
  const linkType = headView.getUint32(20, little) & 0xffff
  for (;;) {
    const at = input.position
    const record = await input.take(packetHead)
    if (record.length === 0) return
    if (record.length < packetHead) return problem('truncated', at)
    const view = viewOf(record)
    const seconds = view.getUint32(0, little)
    const nanos = view.getUint32(4, little) * scale
    const length = view.getUint32(8, little)
    const originalLength = view.getUint32(12, little)
    if (length > MOST_PACKET) return problem('bad_length', at + 8)
    const bytes = await input.take(length)
    if (bytes.length > 0 || length === 0) yield { seconds, nanos, bytes, originalLength, linkType }
    if (bytes.length < length) return problem('truncated', at)
  }
}

interface Interface {
  readonly linkType: number
  /** Units of its timestamps in a second. */
  readonly units: bigint
  readonly offsetSeconds: bigint
}

// Every block: type 4, total length 4, body padded to 4, total length 4
async function* readPcapng(input: ByteQueue, problem: CaptureProblem): AsyncGenerator<CapturedPacket, void, void> {
  let little = false
  let interfaces: Interface[] = []
  for (;;) {
    const at = input.position
    const head = await input.peek(12)
    if (head.length === 0) return
    if (head.length < 12) return problem('truncated', at)
    const headView = viewOf(head)
    if (headView.getUint32(0) === SECTION) {
      // A new section may have another byte order: its magic 1a2b3c4d tells
      const magic = headView.getUint32(8)
      if (magic !== 0x1a2b3c4d && magic !== 0x4d3c2b1a) return problem('bad_length', at + 8)
      little = magic === 0x4d3c2b1a
      interfaces = []
    }
    const type = headView.getUint32(0, little)
    const length = headView.getUint32(4, little)
    if (length < 12 || length % 4 !== 0 || length > MOST_PACKET) return problem('bad_length', at + 4)
    const block = await input.take(length)
    const view = viewOf(block)
    const end = block.length < length ? block.length : length - 4
    if (type === 1 && end >= 16) interfaces.push(readInterface(view, end, little))
    else if (type === 6 || type === 2 || type === 3) {
      const packet = readPacketBlock(type, block, view, end, little, interfaces)
      if (packet) yield packet
      else if (block.length === length) problem('bad_length', at)
    }
    if (block.length < length) return problem('truncated', at)
  }
}

// Interface description: link type 2, reserved 2, snapshot length 4, options { code 2, length 2, value }*: 9 if_tsresol, 14 if_tsoffset
function readInterface(view: DataView, end: number, little: boolean): Interface {
  let units = 1_000_000n
  let offsetSeconds = 0n
  let at = 16
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
  return { linkType: view.getUint16(8, little), units, offsetSeconds }
}

// Enhanced packet: interface 4, timestamp high 4, low 4, captured 4, original 4, bytes. Packet (obsolete): interface 2, drops 2, then the same.
// Simple packet: original 4, bytes
function readPacketBlock(
  type: number,
  block: Uint8Array,
  view: DataView,
  end: number,
  little: boolean,
  interfaces: readonly Interface[],
): CapturedPacket | undefined {
  if (type === 3) {
    const from = interfaces[0]
    if (!from || end < 12) return undefined
    const originalLength = view.getUint32(8, little)
    return {
      seconds: 0,
      nanos: 0,
      bytes: block.subarray(12, Math.min(end, 12 + originalLength)),
      originalLength,
      linkType: from.linkType,
    }
  }
  if (end < 28) return undefined
  const from = interfaces[type === 6 ? view.getUint32(8, little) : view.getUint16(8, little)]
  if (!from) return undefined
  const stamp = (BigInt(view.getUint32(12, little)) << 32n) | BigInt(view.getUint32(16, little))
  const seconds = stamp / from.units
  const nanos = ((stamp % from.units) * 1_000_000_000n) / from.units
  const length = view.getUint32(20, little)
  return {
    seconds: Number(seconds + from.offsetSeconds),
    nanos: Number(nanos),
    bytes: block.subarray(28, Math.min(end, 28 + length)),
    originalLength: view.getUint32(24, little),
    linkType: from.linkType,
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
