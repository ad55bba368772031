import { BugError } from '../base/errors.ts'

// What NetFlow v9 and IPFIX have in common when they are written: a header, and behind it sets (v9: flowsets) of
//
//   id ·2  length ·2, of the whole set  {template or record}…  [padding]          RFC 3954 §5.3, RFC 7011 §3.3

/** What a record consists of, as its template says. */
export interface RecordLayout {
  /** From 256. */
  readonly id: number
  readonly fields: readonly { readonly length: number }[]
  /** Scope fields, which make it an options template; they come first in a record. */
  readonly scope?: readonly { readonly length: number }[]
}

export interface SetWriterOptions {
  /** Bytes of the header. */
  readonly header: number
  /** Sets end at a multiple of so many bytes. */
  readonly aligned: 1 | 4
  readonly maxBytes: number
}

/**
 * Collects templates and records into messages. A record is begun, its fields are written in the order of the template, and it is
 * ended; a record that no longer fits goes into the next message. The standards differ in the header and in the templates.
 */
export abstract class SetWriter {
  /** Milliseconds since 1970. */
  now = 0
  protected readonly view: DataView
  /** What the message holds so far, as its header counts it. */
  protected counted = 0
  private readonly bytes: Uint8Array
  private readonly emit: (message: Uint8Array) => void
  private readonly header: number
  private readonly aligned: number
  private readonly maxBytes: number
  private at: number
  private setId = -1
  private setStart = 0
  private recordEnd = 0
  /** Of the last record, and the bytes of such a one. */
  private layout: RecordLayout | undefined
  private layoutLength = 0

  constructor({ header, aligned, maxBytes }: SetWriterOptions, emit: (message: Uint8Array) => void) {
    this.emit = emit
    this.header = header
    this.aligned = aligned
    this.maxBytes = maxBytes
    this.at = header
    // A single record may be so long that there is no room left for its padding
    this.bytes = new Uint8Array(maxBytes + aligned - 1)
    this.view = new DataView(this.bytes.buffer)
  }

  /** Writes what the header says of a message of so many bytes, and counts on for the next one. */
  protected abstract writeHeader(length: number): void

  /** Begins a record of so many bytes, those of the template's fields. */
  beginRecord(template: RecordLayout): void {
    if (template !== this.layout) {
      this.layout = template
      this.layoutLength = recordLength(template)
    }
    const length = this.layoutLength
    this.open(template.id, length)
    this.recordEnd = this.at + length
  }

  endRecord(): void {
    if (this.at !== this.recordEnd) throw new BugError('a record is not as long as its template says')
    this.counted++
  }

  /** Sends what waits, if anything does. */
  flush(): void {
    if (this.at === this.header) return
    this.closeSet()
    const length = this.at
    this.writeHeader(length)
    this.at = this.header
    this.counted = 0
    this.emit(this.bytes.subarray(0, length))
  }

  u8(value: number): void {
    this.bytes[this.at++] = value
  }

  u16(value: number): void {
    this.view.setUint16(this.at, value)
    this.at += 2
  }

  u32(value: number): void {
    this.view.setUint32(this.at, value)
    this.at += 4
  }

  u64(value: number): void {
    // Division is slow, and most are small
    const high = value < 2 ** 32 ? 0 : Math.floor(value / 2 ** 32)
    this.view.setUint32(this.at, high)
    this.view.setUint32(this.at + 4, value - high * 2 ** 32)
    this.at += 8
  }

  f64(value: number): void {
    this.view.setFloat64(this.at, value)
    this.at += 8
  }

  octets(value: Uint8Array): void {
    this.bytes.set(value, this.at)
    this.at += value.length
  }

  /** Makes room for so many bytes in a set of this id. */
  protected open(id: number, length: number): void {
    const more = (this.setId === id ? 0 : 4) + length + this.aligned - 1
    if (this.at + more > this.maxBytes && this.at > this.header) this.flush()
    if (this.setId === id) return
    this.closeSet()
    this.setId = id
    this.setStart = this.at
    this.u16(id)
    this.u16(0)
  }

  protected closeSet(): void {
    if (this.setId < 0) return
    while (this.at % this.aligned !== 0) this.bytes[this.at++] = 0
    this.view.setUint16(this.setStart + 2, this.at - this.setStart)
    this.setId = -1
  }
}

/** Bytes of a record of the template. */
export function recordLength(template: RecordLayout): number {
  let length = 0
  for (const field of template.scope ?? []) length += field.length
  for (const field of template.fields) length += field.length
  return length
}
