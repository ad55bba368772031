// Writes IPFIX messages (RFC 7011).
//
//   header 16          version=10 ·2 length ·2 export time s ·4 sequence of data records ·4 observation domain ·4                    §3.1
//   template set       id=2 ·2 length ·2 {template_id ·2 field_count ·2 {field}…}…                                                   §3.4.1
//   options template   id=3 ·2 length ·2 {template_id ·2 field_count ·2 scope_count ·2 {scope field}… {field}…}…                     §3.4.2
//   field              [enterprise bit] element ·2 length ·2 [enterprise number ·4]                                                  §3.2
//   data set           id=template_id ·2 length ·2 records…                                                                          §3.4.3

import { SetWriter } from '../set-writer.ts'

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
export class IpfixEncoder extends SetWriter {
  /** Data records sent before this message, those of options among them (§3.1). */
  sequence = 0

  constructor(options: IpfixEncoderOptions, emit: (message: Uint8Array) => void) {
    super({ header: HEADER, aligned: 1, maxBytes: options.maxBytes ?? 1400 }, emit)
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

  protected override writeHeader(length: number): void {
    this.view.setUint16(2, length)
    this.view.setUint32(4, Math.floor(this.now / 1000))
    this.view.setUint32(8, this.sequence)
    this.sequence = (this.sequence + this.counted) >>> 0
  }
}
