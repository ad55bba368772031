// UDP payloads from captures, IPFIX files and raw files: what `decode` and `replay` read.
import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { ipText } from '../base/address.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import { captureKind, readCapture } from '../capture/pcap-file.ts'
import { isIpfixFile, readIpfixFile } from '../capture/ipfix-file.ts'
import { createUdpExtractor } from '../capture/udp-payloads.ts'

/** One UDP payload; `bytes` is valid until the next one is asked for. */
export interface Payload {
  readonly bytes: Uint8Array
  /** Source address as text; 0.0.0.0 where the file doesn't tell. */
  readonly from: string
  readonly fromPort: number
  /** When it was captured, in milliseconds since 1970 with a fraction; 0 where the file doesn't tell. */
  readonly at: number
}

/** What reading left out, by reason, for the user to see. */
export interface LeftOut {
  /** Packets that are no UDP. */
  notUdp: number
  /** Datagrams whose fragments are not all there. */
  incomplete: number
  /** Datagrams that the capture cut short. */
  cut: number
  /** Files whose end is missing or wrong: sentences. */
  readonly damage: string[]
}

/** The payloads of a file; `-` is standard input. `raw`: the file holds one datagram and nothing else. */
export async function* readPayloads(file: string, raw: boolean, left: LeftOut): AsyncGenerator<Payload, void, void> {
  const source = await peeked(file)
  if (raw) {
    yield { bytes: await whole(source), from: '0.0.0.0', fromPort: 0, at: 0 }
    return
  }
  const extractor = createUdpExtractor()
  const damaged = (code: 'truncated' | 'bad_length', offset: number): void => {
    left.damage.push(
      `${nameOf(file)}: ${code === 'truncated' ? 'the file ends within a packet' : 'a length is wrong'} at byte ${offset}`,
    )
  }
  const start = await source.next()
  const rest = resumed(start, source)
  if (start.done !== true && isIpfixFile(start.value)) {
    for await (const { at, bytes } of readIpfixFile(rest, damaged)) yield { bytes, from: '0.0.0.0', fromPort: 0, at }
    return
  }
  const packets = readCapture(rest, damaged)
  try {
    for await (const packet of packets) {
      const payload = extractor.packet(packet.linkType, packet.bytes)
      if (payload === 'other') left.notUdp++
      else if (payload !== 'fragment') {
        if (payload.cut) left.cut++
        yield {
          bytes: payload.bytes,
          from: ipText(payload.from),
          fromPort: payload.fromPort,
          at: packet.seconds * 1000 + packet.nanos / 1e6,
        }
      }
    }
  } catch (error) {
    if (error instanceof UserError)
      throw new UserError(`${nameOf(file)}: ${error.message}`, error.hint === undefined ? {} : { hint: error.hint })
    throw error
  }
  left.incomplete += extractor.incomplete()
}

export function createLeftOut(): LeftOut {
  return { notUdp: 0, incomplete: 0, cut: 0, damage: [] }
}

/** Sentences on what was left out, for standard error; none if nothing was. */
export function leftOutText(left: LeftOut): string[] {
  const sentences = [...left.damage]
  if (left.notUdp > 0) sentences.push(`skipped ${left.notUdp} packets that are not UDP`)
  if (left.incomplete > 0) sentences.push(`skipped ${left.incomplete} datagrams whose fragments are not all there`)
  if (left.cut > 0) sentences.push(`${left.cut} datagrams were cut short by the capture`)
  return sentences
}

function nameOf(file: string): string {
  return file === '-' ? 'standard input' : file
}

/** The bytes of the file as a stream, unpacked if it is gzip. */
async function peeked(file: string): Promise<AsyncGenerator<Uint8Array, void, void>> {
  const stream = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 1 << 18 })
  const pieces = (stream as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  let first: IteratorResult<Uint8Array>
  try {
    first = await pieces.next()
  } catch (error) {
    throw unreadable(file, error as NodeJS.ErrnoException)
  }
  const rest = resumed(first, pieces)
  if (first.done === true || captureKind(first.value) !== 'gzip') return rest
  return gunzipped(rest)
}

async function* resumed(
  first: IteratorResult<Uint8Array>,
  pieces: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  for (let next = first; next.done !== true; next = await pieces.next()) yield next.value
}

async function* gunzipped(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const { Readable } = await import('node:stream')
  yield* Readable.from(source).pipe(createGunzip()) as AsyncIterable<Uint8Array>
}

async function whole(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of source) pieces.push(piece)
  return Buffer.concat(pieces)
}

function unreadable(file: string, error: NodeJS.ErrnoException): OperatorError {
  const why =
    error.code === 'ENOENT'
      ? 'there is no such file'
      : error.code === 'EACCES'
        ? 'reading it is not allowed'
        : error.code === 'EISDIR'
          ? 'it is a directory'
          : error.message
  return new OperatorError('unreadable_file', `cannot read ${nameOf(file)}: ${why}`, { cause: error })
}
