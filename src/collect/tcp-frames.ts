// IPFIX over TCP (RFC 7011 §10.4): messages one after another, each with its length in the third and fourth byte. Pieces of the stream
// end wherever they like.

const HEADER = 16
const LONGEST = 65_535

/** Takes one whole message; its bytes are valid only during the call. */
export type MessageHandler = (view: DataView, offset: number, length: number) => void

/** Cuts the stream of one connection into messages. */
export class MessageFramer {
  /** A message that is not yet whole: had for the first time that one is needed. */
  #held: Uint8Array<ArrayBuffer> | undefined
  #heldView: DataView | undefined
  #have = 0

  /** Bytes of a message that is not yet whole. */
  get pending(): number {
    return this.#have
  }

  /** False when what comes is no message: from there on nothing of this stream can be understood. */
  push(piece: Uint8Array, message: MessageHandler): boolean {
    const view = new DataView(piece.buffer, piece.byteOffset, piece.length)
    let at = this.#have > 0 ? this.#complete(piece, message) : 0
    while (at >= 0 && piece.length - at >= 4) {
      const length = lengthAt(view, at)
      if (length < 0) return false
      if (piece.length - at < length) break
      message(view, at, length)
      at += length
    }
    if (at < 0) return false
    if (at < piece.length) this.#hold(piece, at, piece.length)
    return true
  }

  /** Adds to the message held as much as it needs; answers where the piece goes on, or -1 if this is no message. */
  #complete(piece: Uint8Array, message: MessageHandler): number {
    const view = this.#heldView as DataView
    let at = 0
    if (this.#have < 4) at = this.#hold(piece, 0, Math.min(piece.length, 4 - this.#have))
    if (this.#have < 4) return at
    const length = lengthAt(view, 0)
    if (length < 0) return -1
    at = this.#hold(piece, at, Math.min(piece.length, at + length - this.#have))
    if (this.#have < length) return at
    this.#have = 0
    message(view, 0, length)
    return at
  }

  #hold(piece: Uint8Array, from: number, to: number): number {
    this.#held ??= new Uint8Array(LONGEST)
    this.#heldView ??= new DataView(this.#held.buffer)
    this.#held.set(piece.subarray(from, to), this.#have)
    this.#have += to - from
    return to
  }
}

/** Length of the message that starts here, -1 if none does. */
function lengthAt(view: DataView, at: number): number {
  const length = view.getUint16(at + 2)
  return view.getUint16(at) === 10 && length >= HEADER ? length : -1
}
