import { once } from 'node:events'
import type { Writable } from 'node:stream'

const BLOCK = 1 << 16

/** Lines to a stream in blocks, waiting when the reader is slower. */
export interface LineWriter {
  line(text: string): Promise<void> | undefined
  end(): Promise<void>
}

export function createLineWriter(stream: Writable): LineWriter {
  let block = ''

  async function flush(): Promise<void> {
    const text = block
    block = ''
    if (text !== '' && !stream.write(text)) await once(stream, 'drain')
  }

  return {
    line(text) {
      block += `${text}\n`
      return block.length >= BLOCK ? flush() : undefined
    },
    end: flush,
  }
}
