// Writes IPFIX messages (RFC 7011).
//
//   header 16          version=10 ·2 length ·2 export time s ·4 sequence of data records ·4 observation domain ·4                    §3.1
//   template set       id=2 ·2 length ·2 {template_id ·2 field_count ·2 {field}…}…                                                   §3.4.1
//   options template   id=3 ·2 length ·2 {template_id ·2 field_count ·2 scope_count ·2 {scope field}… {field}…}…                     §3.4.2
//   field              [enterprise bit] element ·2 length ·2 [enterprise number ·4]                                                  §3.2
//   data set           id=template_id ·2 length ·2 records…                                                                          §3.4.3

import { BugError } from '../../base/errors.ts'

const VERSION = 10
const HEADER = 16
const TEMPLATE_SET = 2
const OPTIONS_SET = 3
const ENTERPRISE_BIT = 0x8000

export interface IpfixField {
  readonly element: number
  readonly length: number
  readonly enterprise?: number
}

export interface IpfixTemplate {
  /** From 256. */
  readonly id: number
  readonly fields: readonly IpfixField[]
  /** Scope fields, which make it an options template; they come first in a record. */
  readonly scope?: readonly IpfixField[]
}

export interface IpfixEncoderOptions {
  readonly observationDomain: number
  readonly maxBytes?: number
}

/**
 * Collects templates and records into messages. A record is begun, its fields are written in the order of the template, and it is
 * ended; a record that no longer fits goes into the next message.
 */
export class IpfixEncoder {
  /** Milliseconds since 1970. */
  now = 0
  /** Data records sent before this message, those of options among them (§3.1). */
  sequence = 0
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private readonly emit: (message: Uint8Array) => void
  private readonly maxBytes: number
  private at = HEADER
  private dataRecords = 0
  private setId = -1
  private setStart = 0
  private recordEnd = 0

  constructor(options: IpfixEncoderOptions, emit: (message: Uint8Array) => void) {
    this.emit = emit
    this.maxBytes = options.maxBytes ?? 1400
    this.bytes = new Uint8Array(this.maxBytes)
    this.view = new DataView(this.bytes.buffer)
    this.view.setUint16(0, VERSION)
    this.view.setUint32(12, options.observationDomain)
  }

  template(template: IpfixTemplate): void {
    const scope = template.scope ?? []
    const fields = [...scope, ...template.fields]
    let length = template.scope === undefined ? 4 : 6
    for (const field of fields) length += field.enterprise === undefined ? 4 : 8
    this.open(template.scope === undefined ? TEMPLATE_SET : OPTIONS_SET, length)
    this.u16(template.id)
    this.u16(fields.length)
    if (template.scope !== undefined) this.u16(scope.length)
    for (const field of fields) {
      this.u16(field.enterprise === undefined ? field.element : field.element | ENTERPRISE_BIT)
      this.u16(field.length)
      if (field.enterprise !== undefined) this.u32(field.enterprise)
    }
  }

  /** Begins a record of so many bytes, those of the template's fields. */
  beginRecord(template: IpfixTemplate): void {
    const length = recordLength(template)
    this.open(template.id, length)
    this.recordEnd = this.at + length
  }

  endRecord(): void {
    if (this.at !== this.recordEnd) throw new BugError('a record is not as long as its template says')
    this.dataRecords++
  }

  /** Sends what waits, if anything does. */
  flush(): void {
    if (this.at === HEADER) return
    this.closeSet()
    const { view } = this
    view.setUint16(2, this.at)
    view.setUint32(4, Math.floor(this.now / 1000))
    view.setUint32(8, this.sequence)
    this.sequence = (this.sequence + this.dataRecords) >>> 0
    const length = this.at
    this.at = HEADER
    this.dataRecords = 0
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
    if (this.at + (this.setId === id ? 0 : 4) + length > this.maxBytes && this.at > HEADER) this.flush()
    if (this.setId === id) return
    this.closeSet()
    this.setId = id
    this.setStart = this.at
    this.u16(id)
    this.u16(0)
  }

  private closeSet(): void {
    if (this.setId < 0) return
    this.view.setUint16(this.setStart + 2, this.at - this.setStart)
    this.setId = -1
  }
}

/** Bytes of a record of the template. */
export function recordLength(template: IpfixTemplate): number {
  let length = 0
  for (const field of template.scope ?? []) length += field.length
  for (const field of template.fields) length += field.length
  return length
}
