// Records → plain objects, by the table of structures: for people and tests, not for speed.
import { ipText, macText } from '../../base/address.ts'
import { AGGREGATION, COUNTER_STRUCTURES, FLOW_STRUCTURES, type Field } from './structures.ts'

/** Aggregates within aggregates are read so deep; what is further in stays bytes. */
const MAX_DEPTH = 3

export type SflowValue = number | string | readonly SflowValue[] | { readonly [field: string]: SflowValue }

/** A record under its `type`; one that is not known has type `unknown`, its `format` as `enterprise:format`, and its bytes. */
export type SflowRecord = { readonly type: string } & { readonly [field: string]: SflowValue }

/** Reads fields one after another within bounds; `over` once one didn't fit. */
class FieldReader {
  over = false
  private readonly view: DataView
  private at: number
  private readonly end: number

  constructor(view: DataView, at: number, end: number) {
    this.view = view
    this.at = at
    this.end = end
  }

  get done(): boolean {
    return this.over || this.at >= this.end
  }

  structure(fields: readonly Field[]): { [field: string]: SflowValue } {
    const into: { [field: string]: SflowValue } = {}
    for (const field of fields) {
      if (this.done) break
      const value = this.value(field)
      if (value === undefined) break
      into[field.name] = value
    }
    return into
  }

  private value(field: Field): SflowValue | undefined {
    switch (field.type) {
      case 'u32':
        return this.u32()
      case 'i32': {
        const at = this.take(4)
        return at < 0 ? undefined : this.view.getInt32(at)
      }
      case 'u64':
        return this.u64()
      case 'f32': {
        const at = this.take(4)
        return at < 0 ? undefined : Number(this.view.getFloat32(at).toPrecision(7))
      }
      case 'u8': {
        const at = this.take(1)
        return at < 0 ? undefined : this.view.getUint8(at)
      }
      case 'mac': {
        const at = this.take(8)
        return at < 0 ? undefined : macText(this.view.getUint16(at) * 0x1_0000_0000 + this.view.getUint32(at + 2))
      }
      case 'address':
        return this.address()
      case 'ip4':
        return this.ip(4)
      case 'ip6':
        return this.ip(16)
      case 'string':
        return this.opaque()?.toString('utf8')
      case 'opaque':
        return this.opaque()?.toString('hex')
      case 'uuid':
        return this.bytes(16)
          ?.toString('hex')
          .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
      case 'rest':
        return this.bytes(this.end - this.at)?.toString('hex')
      case 'words':
        return this.numbers((this.end - this.at) >>> 2)
      case 'numbers': {
        const count = this.u32()
        return count === undefined ? undefined : this.numbers(count)
      }
      case 'list':
        return this.list(field.of ?? [])
    }
  }

  private list(of: readonly Field[]): SflowValue | undefined {
    let count = this.u32()
    if (count === undefined) return undefined
    const items: SflowValue[] = []
    // A list of one field is a list of its values
    const only = of.length === 1 ? of[0] : undefined
    while (count-- > 0 && !this.done) {
      const item = only ? this.value(only) : this.structure(of)
      if (item !== undefined) items.push(item)
    }
    if (count >= 0) this.over = true
    return items
  }

  private numbers(count: number): SflowValue[] {
    const items: number[] = []
    while (items.length < count) {
      const value = this.u32()
      if (value === undefined) break
      items.push(value)
    }
    return items
  }

  private u32(): number | undefined {
    const at = this.take(4)
    return at < 0 ? undefined : this.view.getUint32(at)
  }

  private u64(): SflowValue | undefined {
    const at = this.take(8)
    if (at < 0) return undefined
    const value = this.view.getBigUint64(at)
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString()
  }

  private address(): SflowValue | undefined {
    const type = this.u32()
    if (type === undefined) return undefined
    if (type === 1) return this.ip(4)
    if (type === 2) return this.ip(16)
    if (type !== 0) {
      this.over = true
      return undefined
    }
    // By the specification type 0 has no bytes; hsflowd writes 4 zero bytes
    if (this.end - this.at >= 4 && this.view.getUint32(this.at) === 0) this.at += 4
    return 'unknown'
  }

  private ip(size: 4 | 16): string | undefined {
    const bytes = this.bytes(size)
    if (!bytes) return undefined
    return size === 4 ? bytes.join('.') : ip6Text(bytes)
  }

  private opaque(): Buffer | undefined {
    const length = this.u32()
    if (length === undefined) return undefined
    const bytes = this.bytes(length)
    this.at = Math.min(this.end, (this.at + 3) & ~3)
    return bytes
  }

  private bytes(length: number): Buffer | undefined {
    const at = this.take(length)
    return at < 0 ? undefined : Buffer.from(this.view.buffer, this.view.byteOffset + at, length)
  }

  private take(length: number): number {
    const at = this.at
    if (this.over || length > this.end - at) {
      this.over = true
      return -1
    }
    this.at = at + length
    return at
  }
}

// An address of 16 bytes stays IPv6 in text, even where it maps an IPv4 address
function ip6Text(bytes: Uint8Array): string {
  const text = ipText(bytes)
  return text.includes('.') ? `::ffff:${text}` : text
}

/** One record of a flow or counter sample, its body from `at` to `end`. */
export function describeRecord(
  kind: 'flow' | 'counter',
  tag: number,
  view: DataView,
  at: number,
  end: number,
  depth = 0,
): SflowRecord {
  const structure = (kind === 'flow' ? FLOW_STRUCTURES : COUNTER_STRUCTURES).get(tag)
  if (!structure) {
    return {
      type: 'unknown',
      format: `${tag >>> 12}:${tag & 0xfff}`,
      data: Buffer.from(view.buffer, view.byteOffset + at, end - at).toString('hex'),
    }
  }
  const reader = new FieldReader(view, at, end)
  const fields = reader.structure(structure.fields)
  if (kind === 'flow' && tag === AGGREGATION && depth < MAX_DEPTH && Array.isArray(fields['pdus']))
    fields['pdus'] = fields['pdus'].map((records) =>
      Array.isArray(records) ? records.map((r) => within(r, depth)) : [],
    )
  return reader.over ? { type: structure.name, ...fields, truncated: 1 } : { type: structure.name, ...fields }
}

/** A flow record that stands in another one, of which the data_format and the bytes in hex are known. */
function within(record: SflowValue, depth: number): SflowValue {
  const { data_format: tag, flow_data: data } = record as { data_format?: number; flow_data?: string }
  if (tag === undefined || data === undefined) return record
  const bytes = Buffer.from(data, 'hex')
  return describeRecord(
    'flow',
    tag,
    new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    0,
    bytes.length,
    depth + 1,
  )
}
