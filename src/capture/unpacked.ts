import { Readable } from 'node:stream'
import { constants, createGunzip, createZstdDecompress } from 'node:zlib'
import { captureKind } from './pcap-file.ts'

// Captures that were packed by gzip or zstd: unpacked piece by piece, never more than what is being read.

/** Of a zstd file, the most that it may look back: more than this, its writer had to ask for. */
const ZSTD_WINDOW_LOG = 27
const PIECE = 1 << 18

/** Where what was unpacked ends early: told once, with the reason. */
export type UnpackProblem = (code: 'truncated' | 'bad_length', offset: number) => void

/** The same bytes, unpacked if they are packed. */
export async function* unpacked(
  source: AsyncIterable<Uint8Array>,
  problem: UnpackProblem,
): AsyncGenerator<Uint8Array, void, void> {
  const pieces = source[Symbol.asyncIterator]()
  const start: Uint8Array[] = []
  let known = 0
  for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) {
    start.push(next.value)
    known += next.value.length
    if (known >= 4) break
  }
  const kind = captureKind(start.length === 1 ? (start[0] as Uint8Array) : Buffer.concat(start))
  const whole = resumed(start, pieces)
  if (kind === 'gzip' || kind === 'zstd') yield* through(whole, kind, problem)
  else yield* whole
}

/** Whether a file that begins with these bytes is packed. */
export function isPacked(bytes: Uint8Array): boolean {
  const kind = captureKind(bytes)
  return kind === 'gzip' || kind === 'zstd'
}

async function* resumed(
  start: readonly Uint8Array[],
  pieces: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  yield* start
  for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value
}

/** What was unpacked of a piece that turns out to be damaged is lost, so pieces are small. */
const PIECE_IN = 1 << 15

/** Pieces out that may wait for whoever reads. */
const MOST_WAITING = 4

async function* through(
  source: AsyncIterable<Uint8Array>,
  kind: 'gzip' | 'zstd',
  problem: UnpackProblem,
): AsyncGenerator<Uint8Array, void, void> {
  const unpacker =
    kind === 'gzip'
      ? createGunzip({ chunkSize: PIECE })
      : createZstdDecompress({ chunkSize: PIECE, params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } })
  const input = Readable.from(inPieces(source), { objectMode: false })
  // Taken as it comes: a stream that fails drops what waits in it
  const waiting: Uint8Array[] = []
  let failed: Error | undefined
  let isOver = false
  let wake: (() => void) | undefined
  const over = (error?: Error): void => {
    failed ??= error
    isOver = true
    wake?.()
  }
  unpacker.on('data', (piece: Uint8Array) => {
    if (waiting.push(piece) >= MOST_WAITING) unpacker.pause()
    wake?.()
  })
  unpacker.on('end', () => over())
  unpacker.on('error', over)
  input.on('error', (error) => {
    over(error)
    unpacker.destroy()
  })
  input.pipe(unpacker)
  let given = 0
  try {
    for (;;) {
      const piece = waiting.shift()
      if (piece) {
        given += piece.length
        yield piece
        continue
      }
      if (isOver) break
      unpacker.resume()
      await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    input.destroy()
    unpacker.destroy()
  }
  if (failed === undefined) return
  const code = (failed as NodeJS.ErrnoException).code ?? ''
  if (!/^(Z_|ZSTD_)/.test(code)) throw failed
  problem(code === 'Z_BUF_ERROR' ? 'truncated' : 'bad_length', given)
}

async function* inPieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  for await (const bytes of source)
    for (let at = 0; at < bytes.length; at += PIECE_IN) yield bytes.subarray(at, at + PIECE_IN)
}
