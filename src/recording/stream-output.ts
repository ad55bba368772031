import type { Writable } from 'node:stream'
import { OperatorError } from '../base/errors.ts'
import type { RecordingOutput } from './recorder.ts'

// Chunks into a stream, such as a pipe to tshark.

/** `code` of the error when who reads the stream has gone, which is no failure. */
export const READER_GONE = 'reader_gone'

export function createStreamOutput(stream: Writable): RecordingOutput {
  let bytes = 0
  let trouble: NodeJS.ErrnoException | undefined
  stream.on('error', (error: NodeJS.ErrnoException) => (trouble ??= error))

  function failed(): OperatorError {
    const code = trouble?.code ?? 'closed'
    const isGone = code === 'EPIPE' || code === 'ECONNRESET' || code === 'closed' || code === 'ERR_STREAM_DESTROYED'
    return isGone
      ? new OperatorError(READER_GONE, 'who read the packets has gone')
      : new OperatorError('write_failed', `standard output can’t be written any more (${code})`, { cause: trouble })
  }

  return {
    unwritten: 0,
    get bytes() {
      return bytes
    },
    async write(chunk) {
      for (const part of [chunk.prelude, chunk.bytes.subarray(0, chunk.length), chunk.epilogue]) {
        if (part.length === 0) continue
        await new Promise<void>((resolve, reject) => {
          stream.write(part, (error) => {
            if (!error) return resolve()
            trouble ??= error
            reject(failed())
          })
        })
        bytes += part.length
      }
    },
    async close() {
      if (trouble || stream.destroyed) return void stream.destroy()
      await new Promise<void>((resolve) => void stream.end(() => resolve()))
    },
  }
}
