// Template records of NetFlow v9 and IPFIX: how the records of a set are laid out.
//
//   RFC 7011 §3.4.1, §3.4.2                        RFC 3954 §5.2, §6.1
//   template   u16 id, u16 field count             template   u16 id, u16 field count
//   options    u16 id, u16 field count,            options    u16 id, u16 scope bytes,
//              u16 scope field count                          u16 option bytes
//   field      u16 element (top bit: enterprise),  field      u16 type, u16 length
//              u16 length, [u32 enterprise number]
//
// A length of 65535 means that each record carries the length of that field; some v9 exporters use it too.

export type Flavour = 'netflow9' | 'ipfix'
export type TemplateKind = 'data' | 'options'

export const VARIABLE = 65535

/** Stands in for the enterprise of a v9 scope field, whose types are numbered apart (1 system, 2 interface, …). */
export const NETFLOW9_SCOPE = 0xffff_fffd

/** Fields without bytes that a template may have, beyond one for each byte of a record. */
const MOST_EMPTY = 64

/** Bytes before the fields of a record, and what was wrong with it. */
export type TemplateProblem = 'truncated' | 'bad_template'

/** The layout of records. Objects are shared by all exporters that announce the same bytes, so nothing in it is of one exporter. */
export interface Template {
  readonly kind: TemplateKind
  /** How many of the fields, from the first, are scopes. */
  readonly scopes: number
  readonly enterprises: Uint32Array
  readonly elements: Uint16Array
  /** Bytes; 65535 where each record carries the length. */
  readonly lengths: Uint16Array
  /** Bytes of the shortest record; of every record if there is no field of variable length. */
  readonly minLength: number
  readonly variable: boolean
  /** The record as announced, without its id: equal bytes are equal templates. */
  readonly wire: Uint8Array
}

/** A cursor over the template records of one set; reused, so that templates that are only repeated cost nothing. */
export class TemplateCursor {
  id = 0
  kind: TemplateKind = 'data'
  scopes = 0
  fields = 0
  /** Where the record's bytes after the id start, and where the record ends. */
  wireStart = 0
  fieldsStart = 0
  end = 0
  /** A record that announces no fields: in IPFIX it withdraws the template (RFC 7011 §8.1). */
  withdrawal = false
  problem: TemplateProblem | undefined = undefined

  /** Reads the record at `at`; false when nothing (but padding) is left or the rest can't be read. Then `problem` says why, if it is wrong. */
  next(view: DataView, at: number, end: number, flavour: Flavour, options: boolean): boolean {
    this.problem = undefined
    // Sets are padded to 4 bytes; an id of 0 can only be padding.
    if (end - at < 4) return false
    this.id = view.getUint16(at)
    if (this.id === 0) return false
    this.kind = options ? 'options' : 'data'
    this.wireStart = at + 2
    this.withdrawal = false
    if (!options) {
      this.fields = view.getUint16(at + 2)
      this.scopes = 0
      this.fieldsStart = at + 4
    } else if (flavour === 'ipfix' && view.getUint16(at + 2) === 0) {
      this.fields = 0
      this.scopes = 0
      this.fieldsStart = at + 4
    } else if (end - at < 6) {
      this.problem = 'truncated'
      return false
    } else if (flavour === 'ipfix') {
      this.fields = view.getUint16(at + 2)
      this.scopes = view.getUint16(at + 4)
      this.fieldsStart = at + 6
    } else {
      const scopeBytes = view.getUint16(at + 2)
      const optionBytes = view.getUint16(at + 4)
      if (scopeBytes % 4 !== 0 || optionBytes % 4 !== 0) {
        this.problem = 'bad_template'
        return false
      }
      this.scopes = scopeBytes / 4
      this.fields = (scopeBytes + optionBytes) / 4
      this.fieldsStart = at + 6
    }
    if (this.fields === 0 && flavour === 'ipfix') {
      this.withdrawal = true
      this.end = this.fieldsStart
      return true
    }
    return this.#findEnd(view, end, flavour)
  }

  #findEnd(view: DataView, end: number, flavour: Flavour): boolean {
    let at = this.fieldsStart
    let bytes = 0
    for (let i = 0; i < this.fields; i++) {
      if (end - at < 4) {
        this.problem = 'truncated'
        return false
      }
      const length = view.getUint16(at + 2)
      bytes += length === VARIABLE ? 1 : length
      at += flavour === 'ipfix' && view.getUint8(at) >= 0x80 ? 8 : 4
    }
    if (at > end) {
      this.problem = 'truncated'
      return false
    }
    this.end = at
    // Records of no bytes would never end, records longer than a datagram never come, and fields of no bytes by the hundred
    // would make much work of few bytes.
    const impossible = bytes === 0 || bytes > 65535 || this.fields > bytes + MOST_EMPTY
    if (this.id < 256 || impossible || this.scopes > this.fields) this.problem = 'bad_template'
    return true
  }

  /** The template that the cursor stands on. */
  build(view: DataView, flavour: Flavour): Template {
    const enterprises = new Uint32Array(this.fields)
    const elements = new Uint16Array(this.fields)
    const lengths = new Uint16Array(this.fields)
    let minLength = 0
    let variable = false
    let at = this.fieldsStart
    for (let i = 0; i < this.fields; i++) {
      const type = view.getUint16(at)
      const length = view.getUint16(at + 2)
      at += 4
      elements[i] = type
      lengths[i] = length
      if (flavour === 'ipfix' && type >= 0x8000) {
        elements[i] = type & 0x7fff
        enterprises[i] = view.getUint32(at)
        at += 4
      } else if (flavour === 'netflow9' && i < this.scopes) {
        enterprises[i] = NETFLOW9_SCOPE
      }
      if (length === VARIABLE) variable = true
      minLength += length === VARIABLE ? 1 : length
    }
    const wire = new Uint8Array(this.end - this.wireStart)
    for (let i = 0; i < wire.length; i++) wire[i] = view.getUint8(this.wireStart + i)
    return { kind: this.kind, scopes: this.scopes, enterprises, elements, lengths, minLength, variable, wire }
  }

  /** True if the cursor stands on the same announcement as `template` was built from. */
  matches(view: DataView, template: Template): boolean {
    const { wire } = template
    if (this.kind !== template.kind || this.end - this.wireStart !== wire.length) return false
    for (let i = 0; i < wire.length; i++) if (view.getUint8(this.wireStart + i) !== wire[i]) return false
    return true
  }
}

/** A template of fixed fields that no exporter announces: the records of NetFlow v5 and v7. */
export function fixedTemplate(
  fields: readonly (readonly [element: number, length: number, enterprise?: number])[],
): Template {
  return {
    kind: 'data',
    scopes: 0,
    enterprises: Uint32Array.from(fields, (field) => field[2] ?? 0),
    elements: Uint16Array.from(fields, (field) => field[0]),
    lengths: Uint16Array.from(fields, (field) => field[1]),
    minLength: fields.reduce((sum, field) => sum + field[1], 0),
    variable: false,
    wire: new Uint8Array(0),
  }
}
