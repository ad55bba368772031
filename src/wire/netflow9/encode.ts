// Writes NetFlow version 9 datagrams (RFC 3954).
//
//   header 20          version=9 ·2 count of records ·2 sys_uptime ms ·4 unix_secs ·4 sequence of datagrams ·4 source_id ·4          §5.1
//   template set       id=0 ·2 length ·2 {template_id ·2 field_count ·2 {type ·2 length ·2}…}…                                       §5.2
//   options template   id=1 ·2 length ·2 template_id ·2 scope bytes ·2 option bytes ·2 {scope type ·2 length ·2}… {type ·2 length ·2}… padding   §6.1
//   data set           id=template_id ·2 length ·2 records… padding to 4                                                             §5.3

import { SetWriter } from '../set-writer.ts'

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
export class Netflow9Encoder extends SetWriter {
  /** Milliseconds since the exporter started. */
  uptime = 0
  /** Datagrams sent before this one. */
  sequence = 0

  constructor(options: Netflow9EncoderOptions, emit: (datagram: Uint8Array) => void) {
    super({ header: HEADER, aligned: 4, maxBytes: options.maxBytes ?? 1400 }, emit)
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
    // The header counts templates as it counts records
    this.counted++
    // An options template set holds one template: readers can't tell its padding from another.
    if (template.scope !== undefined) this.closeSet()
  }

  protected override writeHeader(): void {
    this.view.setUint16(2, this.counted)
    this.view.setUint32(4, this.uptime)
    this.view.setUint32(8, Math.floor(this.now / 1000))
    this.view.setUint32(12, this.sequence)
    this.sequence = (this.sequence + 1) >>> 0
  }
}
