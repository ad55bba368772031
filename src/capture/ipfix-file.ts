// IPFIX files (RFC 5655): messages one after another as they went over the wire, each with its own length; nothing before, between or behind.
//
//   u16 version 10   u16 length with this header   u32 export time, s   u32 sequence   u32 observation domain   sets

import { ByteQueue } from './byte-queue.ts'
import type { CaptureProblem } from './pcap-file.ts'

const HEADER = 16

/** One message. `bytes` is valid until the next one is asked for. */
export interface FiledMessage {
  /** When it was sent, by its own header: milliseconds since 1970. */
  readonly at: number
  readonly bytes: Uint8Array
}

/** True if a file that starts so is an IPFIX file. */
export function isIpfixFile(start: Uint8Array): boolean {
  return start.length >= 4 && start[0] === 0 && start[1] === 10 && lengthOf(start) >= HEADER
}

/** The messages of an IPFIX file. What is no message ends the reading: there is no telling where the next one would start. */
export async function* readIpfixFile(
  source: AsyncIterable<Uint8Array>,
  problem: CaptureProblem,
): AsyncGenerator<FiledMessage, void, void> {
  const input = new ByteQueue(source)
  for (;;) {
    const head = await input.peek(HEADER)
    if (head.length === 0) return
    if (head.length < HEADER) return problem('truncated', input.position)
    if (!isIpfixFile(head)) return problem('bad_length', input.position)
    const at = new DataView(head.buffer, head.byteOffset).getUint32(4) * 1000
    const start = input.position
    const length = lengthOf(head)
    const bytes = await input.take(length)
    if (bytes.length < length) return problem('truncated', start)
    yield { at, bytes }
  }
}

function lengthOf(head: Uint8Array): number {
  return ((head[2] as number) << 8) | (head[3] as number)
}
