// Writes NetFlow version 9 datagrams (RFC 3954).
//
//   header 20          version=9 ·2 count of records ·2 sys_uptime ms ·4 unix_secs ·4 sequence of datagrams ·4 source_id ·4          §5.1
//   template set       id=0 ·2 length ·2 {template_id ·2 field_count ·2 {type ·2 length ·2}…}…                                       §5.2
//   options template   id=1 ·2 length ·2 template_id ·2 scope bytes ·2 option bytes ·2 {scope type ·2 length ·2}… {type ·2 length ·2}… padding   §6.1
//   data set           id=template_id ·2 length ·2 records… padding to 4                                                             §5.3

import { BugError } from '../../base/errors.ts'

const VERSION = 9
const HEADER = 20
const TEMPLATE_SET = 0
const OPTIONS_SET = 1

/** Scope types of options templates (§6.1). */
export const SCOPE = { system: 1, interface: 2, lineCard: 3, cache: 4, template: 5 } as const

export interface Netflow9Field {
  readonly type: number
  readonly length: number
}

export interface Netflow9Template {
  /** From 256. */
  readonly id: number
  readonly fields: readonly Netflow9Field[]
  /** Scope fields, which make it an options template; they come first in a record. */
  readonly scope?: readonly Netflow9Field[]
}

export interface Netflow9EncoderOptions {
  readonly sourceId: number
  readonly maxBytes?: number
}

/**
 * Collects templates and records into datagrams. A record is begun, its fields are written in the order of the template, and it is
 * ended; a record that no longer fits goes into the next datagram.
 */
export class Netflow9Encoder {
  /** Milliseconds since the exporter started. */
  uptime = 0
  /** Milliseconds since 1970. */
  now = 0
  /** Datagrams sent before this one. */
  sequence = 0
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private readonly emit: (datagram: Uint8Array) => void
  private readonly maxBytes: number
  private at = HEADER
  private records = 0
  private setId = -1
  private setStart = 0
  private recordEnd = 0

  constructor(options: Netflow9EncoderOptions, emit: (datagram: Uint8Array) => void) {
    this.emit = emit
    this.maxBytes = options.maxBytes ?? 1400
    this.bytes = new Uint8Array(this.maxBytes + 8)
    this.view = new DataView(this.bytes.buffer)
    this.view.setUint16(0, VERSION)
    this.view.setUint32(16, options.sourceId)
  }

  template(template: Netflow9Template): void {
    const scope = template.scope ?? []
    const fields = scope.length + template.fields.length
    this.open(
      template.scope === undefined ? TEMPLATE_SET : OPTIONS_SET,
      (template.scope === undefined ? 4 : 6) + 4 * fields,
    )
    this.u16(template.id)
    if (template.scope === undefined) {
      this.u16(fields)
    } else {
      this.u16(4 * scope.length)
      this.u16(4 * template.fields.length)
    }
    for (const field of [...scope, ...template.fields]) {
      this.u16(field.type)
      this.u16(field.length)
    }
    this.records++
    // An options template set holds one template: readers can't tell its padding from another.
    if (template.scope !== undefined) this.closeSet()
  }

  /** Begins a record of so many bytes, those of the template's fields. */
  beginRecord(template: Netflow9Template): void {
    const length = recordLength(template)
    this.open(template.id, length)
    this.recordEnd = this.at + length
  }

  endRecord(): void {
    if (this.at !== this.recordEnd) throw new BugError('a record is not as long as its template says')
    this.records++
  }

  /** Sends what waits, if anything does. */
  flush(): void {
    if (this.records === 0) return
    this.closeSet()
    const { view } = this
    view.setUint16(2, this.records)
    view.setUint32(4, this.uptime)
    view.setUint32(8, Math.floor(this.now / 1000))
    view.setUint32(12, this.sequence)
    this.sequence = (this.sequence + 1) >>> 0
    const length = this.at
    this.at = HEADER
    this.records = 0
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
    this.view.setUint32(this.at, Math.floor(value / 2 ** 32))
    this.view.setUint32(this.at + 4, value % 2 ** 32)
    this.at += 8
  }

  octets(value: Uint8Array): void {
    this.bytes.set(value, this.at)
    this.at += value.length
  }

  /** Makes room for so many bytes in a set of this id. */
  private open(id: number, length: number): void {
    const same = this.setId === id
    // Up to 3 bytes of padding end the set.
    if (this.at + (same ? 0 : 4) + length + 3 > this.maxBytes && this.records > 0) this.flush()
    if (this.setId === id) return
    this.closeSet()
    this.setId = id
    this.setStart = this.at
    this.u16(id)
    this.u16(0)
  }

  private closeSet(): void {
    if (this.setId < 0) return
    while (this.at % 4 !== 0) this.bytes[this.at++] = 0
    this.view.setUint16(this.setStart + 2, this.at - this.setStart)
    this.setId = -1
  }
}

/** Bytes of a record of the template. */
export function recordLength(template: Netflow9Template): number {
  let length = 0
  for (const field of template.scope ?? []) length += field.length
  for (const field of template.fields) length += field.length
  return length
}
