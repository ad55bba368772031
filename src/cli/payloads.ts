// UDP payloads and messages from captures, IPFIX files and raw files: what `decode` and `replay` read.
import { createReadStream } from 'node:fs'
import { ipText } from '../base/address.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import { readCapture, type CaptureProblem } from '../capture/pcap-file.ts'
import { unpacked } from '../capture/unpacked.ts'
import { isIpfixFile, readIpfixFile } from '../capture/ipfix-file.ts'
import { createIpExtractor } from '../capture/ip-payloads.ts'
import { TCP } from '../capture/tcp-streams.ts'
import { UDP, udpPayload } from '../capture/udp-payloads.ts'
import { createTcpMessages, type StreamMessage, type StreamTrouble } from './tcp-messages.ts'

/** One UDP payload, or one message out of a TCP connection; `bytes` is valid until the next one is asked for. */
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
  /** Packets that are neither UDP nor, where that is read, TCP. */
  other: number
  /** Whether TCP is read. */
  tcp: boolean
  /** Directions of TCP connections that carry no IPFIX. */
  foreign: number
  /** Datagrams whose fragments are not all there. */
  incomplete: number
  /** Packets in which nothing is known. */
  notUnderstood: number
  /** Datagrams that the capture cut short. */
  cut: number
  /** Files whose end is missing or wrong: sentences. */
  readonly damage: string[]
}

/**
 * The payloads of a file; `-` is standard input.
 * @param raw the file holds one datagram and nothing else.
 * @param trouble told of what is wrong with TCP connections that carry IPFIX; without it TCP is left out.
 */
export async function* readPayloads(
  file: string,
  raw: boolean,
  left: LeftOut,
  trouble?: (trouble: StreamTrouble) => void,
): AsyncGenerator<Payload, void, void> {
  const damaged = (code: 'truncated' | 'bad_length', offset: number): void => {
    left.damage.push(
      `${nameOf(file)}: ${code === 'truncated' ? 'the file ends within a packet' : 'a length is wrong'} at byte ${offset}`,
    )
  }
  const source = await peeked(file, damaged)
  if (raw) {
    yield { bytes: await whole(source), from: '0.0.0.0', fromPort: 0, at: 0 }
    return
  }
  const start = await source.next()
  const rest = resumed(start, source)
  if (start.done !== true && isIpfixFile(start.value)) {
    for await (const { at, bytes } of readIpfixFile(rest, damaged)) yield { bytes, from: '0.0.0.0', fromPort: 0, at }
    return
  }
  const extractor = createIpExtractor(trouble ? [UDP, TCP] : [UDP])
  left.tcp ||= trouble !== undefined
  // A segment may complete several messages.
  let ready: (StreamMessage | StreamTrouble)[] = []
  const streams = createTcpMessages({
    message: (message) => ready.push({ ...message, bytes: message.bytes.slice() }),
    problem: (one) => ready.push(one),
    foreign: () => left.foreign++,
  })
  function* taken(at: number): Generator<Payload, void, void> {
    const all = ready
    ready = []
    for (const one of all) {
      if ('code' in one) trouble?.(one)
      else yield { ...one, at }
    }
  }
  let at = 0
  try {
    for await (const packet of readCapture(rest, damaged)) {
      at = packet.seconds * 1000 + packet.nanos / 1e6
      const datagram = extractor.packet(packet.linkType, packet.bytes)
      if (datagram === 'fragment') continue
      if (datagram !== 'other' && datagram.protocol === TCP) {
        if (!streams.segment(datagram)) left.other++
        yield* taken(at)
        continue
      }
      const payload = datagram === 'other' ? datagram : udpPayload(datagram)
      if (payload === 'other') left.other++
      else {
        if (payload.cut) left.cut++
        yield { bytes: payload.bytes, from: ipText(payload.from), fromPort: payload.fromPort, at }
      }
    }
  } catch (error) {
    if (error instanceof UserError)
      throw new UserError(`${nameOf(file)}: ${error.message}`, error.hint === undefined ? {} : { hint: error.hint })
    throw error
  }
  streams.end()
  yield* taken(at)
  left.incomplete += extractor.incomplete()
}

export function createLeftOut(): LeftOut {
  return { other: 0, tcp: false, foreign: 0, incomplete: 0, notUnderstood: 0, cut: 0, damage: [] }
}

/** Sentences on what was left out, for standard error; none if nothing was. */
export function leftOutText(left: LeftOut): string[] {
  const sentences = [...left.damage]
  if (left.other > 0) sentences.push(`skipped ${left.other} packets that are not UDP${left.tcp ? ' or TCP' : ''}`)
  if (left.foreign > 0) sentences.push(`skipped ${left.foreign} TCP streams that are not IPFIX`)
  if (left.incomplete > 0) sentences.push(`skipped ${left.incomplete} datagrams whose fragments are not all there`)
  if (left.notUnderstood > 0) sentences.push(`skipped ${left.notUnderstood} packets of which no header is known`)
  if (left.cut > 0) sentences.push(`${left.cut} datagrams were cut short by the capture`)
  return sentences
}

function nameOf(file: string): string {
  return file === '-' ? 'standard input' : file
}

/** The bytes of the file as a stream, unpacked if they are packed. */
async function peeked(file: string, damaged: CaptureProblem): Promise<AsyncGenerator<Uint8Array, void, void>> {
  const stream = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 1 << 18 })
  const pieces = unpacked(stream as AsyncIterable<Uint8Array>, damaged)
  try {
    return resumed(await pieces.next(), pieces)
  } catch (error) {
    throw unreadable(file, error as NodeJS.ErrnoException)
  }
}

async function* resumed(
  first: IteratorResult<Uint8Array>,
  pieces: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  for (let next = first; next.done !== true; next = await pieces.next()) yield next.value
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
