// What is unread of a stream, as one piece of memory that can be walked over in place.

/** `bytes` from `at` to `end` are unread; whoever reads moves `at`. */
export class ByteWindow {
  bytes: Uint8Array = new Uint8Array(0)
  view: DataView = new DataView(new ArrayBuffer(0))
  at = 0
  end = 0
  /** Place in the stream of `bytes[0]`. */
  base = 0
  private own: Uint8Array = new Uint8Array(0)

  get length(): number {
    return this.end - this.at
  }

  /** Puts a chunk behind what is unread. A chunk that meets nothing unread is read where it lies; `bytes` may be new afterwards. */
  append(chunk: Uint8Array): void {
    if (this.at === this.end) return this.show(chunk, 0, chunk.length, this.base + this.at)
    this.room(chunk.length).set(chunk)
    this.grow(chunk.length)
  }

  /** Room for so many bytes behind what is unread, to be filled and then told to `grow`. */
  room(length: number): Uint8Array {
    const left = this.end - this.at
    const isOwn = this.bytes === this.own
    if (!isOwn || this.own.length - this.end < length) {
      const needed = left + length
      // Twice the room that is needed, so that a packet of many chunks is not copied once a chunk
      const into = this.own.length >= needed && this.own.length <= 4 * needed ? this.own : new Uint8Array(2 * needed)
      into.set(this.bytes.subarray(this.at, this.end))
      this.own = into
      this.show(into, 0, left, this.base + this.at)
    }
    return this.own.subarray(this.end, this.end + length)
  }

  grow(length: number): void {
    this.end += length
  }

  private show(bytes: Uint8Array, at: number, end: number, base: number): void {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.at = at
    this.end = end
    this.base = base
  }
}
