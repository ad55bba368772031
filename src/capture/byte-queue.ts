// Bytes of a stream in whatever pieces they come, taken in the pieces that a format has.

export class ByteQueue {
  /** Bytes taken so far. */
  position = 0
  private readonly source: AsyncIterator<Uint8Array>
  private chunk: Uint8Array = new Uint8Array(0)
  private ended = false

  constructor(source: AsyncIterable<Uint8Array>) {
    this.source = source[Symbol.asyncIterator]()
  }

  /** The next so many bytes, left in place; fewer at the end of the stream. */
  async peek(length: number): Promise<Uint8Array> {
    while (this.chunk.length < length && !this.ended) await this.more(length)
    return this.chunk.subarray(0, length)
  }

  /** The next so many bytes; fewer at the end of the stream. */
  async take(length: number): Promise<Uint8Array> {
    const bytes = this.chunk.length >= length ? this.chunk.subarray(0, length) : await this.peek(length)
    this.chunk = this.chunk.subarray(bytes.length)
    this.position += bytes.length
    return bytes
  }

  private async more(wanted: number): Promise<void> {
    // Pieces are gathered first and joined once: a packet larger than a piece must not be copied once a piece
    const pieces = [this.chunk]
    let have = this.chunk.length
    while (have < wanted) {
      const { value, done } = await this.source.next()
      if (done === true) {
        this.ended = true
        break
      }
      pieces.push(value)
      have += value.length
    }
    if (pieces.length === 1) return
    if (this.chunk.length === 0 && pieces.length === 2) {
      this.chunk = pieces[1] as Uint8Array
      return
    }
    const joined = new Uint8Array(have)
    let at = 0
    for (const piece of pieces) {
      joined.set(piece, at)
      at += piece.length
    }
    this.chunk = joined
  }
}
