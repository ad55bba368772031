import { ipText } from '../../base/address.ts'
import { elementName, type ElementLookup } from './registry.ts'
import { locateFields } from './records.ts'
import { NTP_TO_UNIX } from './numbers.ts'
import { VARIABLE, type Template } from './template.ts'

// Field values as plain JSON values, for people and for files: never for flows in number.

export type FieldValue =
  | string
  | number
  | boolean
  | null
  | readonly FieldValue[]
  | { readonly [name: string]: FieldValue }

/** What values are made with. */
export interface ValueContext {
  /** Finds the template of an id within the same stream: lists of records name theirs so. */
  readonly templateOf: (id: number) => Template | undefined
  readonly elements: ElementLookup
}

const PADDING = 210
/** Lists may hold lists; nobody sends more levels. */
const MAX_DEPTH = 4

/**
 * The fields of the record at `at`, by element name; undefined if the record does not fit before `end`. An element that stands more than
 * once gives a list of its values. Padding is left out.
 */
export function recordValues(
  template: Template,
  view: DataView,
  at: number,
  end: number,
  context: ValueContext,
  depth = 0,
): { readonly fields: Record<string, FieldValue>; readonly end: number } | undefined {
  const count = template.elements.length
  const offsets = new Uint32Array(count)
  const lengths = new Uint32Array(count)
  const next = locateFields(template, view, at, end, offsets, lengths)
  if (next < 0) return undefined
  const fields: Record<string, FieldValue> = {}
  const several = new Set<string>()
  for (let i = 0; i < count; i++) {
    const enterprise = template.enterprises[i] as number
    const id = template.elements[i] as number
    // A field announced without bytes has no value in any record; a template may hold thousands of them.
    if ((enterprise === 0 && id === PADDING) || template.lengths[i] === 0) continue
    const name = elementName(enterprise, id, context.elements)
    const value = fieldValue(enterprise, id, view, offsets[i] as number, lengths[i] as number, context, depth)
    if (!Object.hasOwn(fields, name)) fields[name] = value
    else if (several.has(name)) (fields[name] as FieldValue[]).push(value)
    else {
      several.add(name)
      fields[name] = [fields[name] as FieldValue, value]
    }
  }
  return { fields, end: next }
}

/** One value by the type of its element; hex where the type is unknown or the length can't be of the type. */
export function fieldValue(
  enterprise: number,
  id: number,
  view: DataView,
  at: number,
  length: number,
  context: ValueContext,
  depth = 0,
): FieldValue {
  const type = context.elements.of(enterprise, id)?.type
  switch (type) {
    case 'unsigned8':
    case 'unsigned16':
    case 'unsigned32':
    case 'unsigned64':
      return length === 0 ? null : length <= 8 ? unsigned(view, at, length) : hex(view, at, length)
    case 'signed8':
    case 'signed16':
    case 'signed32':
    case 'signed64':
      return length === 0 ? null : length <= 8 ? signed(view, at, length) : hex(view, at, length)
    case 'float32':
    case 'float64':
      return length === 4
        ? finite(view.getFloat32(at))
        : length === 8
          ? finite(view.getFloat64(at))
          : hex(view, at, length)
    case 'boolean':
      // RFC 7011 §6.1.5: 1 is true, 2 is false, all else is not defined.
      return length === 1 && view.getUint8(at) === 1
        ? true
        : length === 1 && view.getUint8(at) === 2
          ? false
          : hex(view, at, length)
    case 'macAddress':
      return length === 6
        ? octets(view, at, 6)
            .map((octet) => octet.toString(16).padStart(2, '0'))
            .join(':')
        : hex(view, at, length)
    case 'ipv4Address':
      return length === 4 ? octets(view, at, 4).join('.') : length === 16 ? ipv6(view, at) : hex(view, at, length)
    case 'ipv6Address':
      return length === 16 ? ipv6(view, at) : length === 4 ? octets(view, at, 4).join('.') : hex(view, at, length)
    case 'dateTimeSeconds':
    case 'dateTimeMilliseconds':
      return length > 0 && length <= 8 ? unsigned(view, at, length) : hex(view, at, length)
    case 'dateTimeMicroseconds':
      return length === 8 ? ntp(view, at, 1_000_000n) : hex(view, at, length)
    case 'dateTimeNanoseconds':
      return length === 8 ? ntp(view, at, 1_000_000_000n) : hex(view, at, length)
    case 'string':
      return text(view, at, length)
    case 'basicList':
      return (depth < MAX_DEPTH ? basicList(view, at, at + length, context, depth) : undefined) ?? hex(view, at, length)
    case 'subTemplateList':
      return (
        (depth < MAX_DEPTH ? subTemplateList(view, at, at + length, context, depth) : undefined) ??
        hex(view, at, length)
      )
    case 'subTemplateMultiList':
      return (depth < MAX_DEPTH ? multiList(view, at, at + length, context, depth) : undefined) ?? hex(view, at, length)
    case 'octetArray':
    case undefined:
      return hex(view, at, length)
  }
}

function octets(view: DataView, at: number, length: number): number[] {
  return Array.from({ length }, (_, i) => view.getUint8(at + i))
}

function hex(view: DataView, at: number, length: number): string {
  return octets(view, at, length)
    .map((octet) => octet.toString(16).padStart(2, '0'))
    .join('')
}

// An IPv6 field is shown as IPv6 even where it holds a mapped address: that is what was sent.
function ipv6(view: DataView, at: number): string {
  const bytes = Uint8Array.from(octets(view, at, 16))
  const text = ipText(bytes)
  return text.includes(':') ? text : `::ffff:${text}`
}

function big(view: DataView, at: number, length: number): bigint {
  let value = 0n
  for (let i = 0; i < length; i++) value = (value << 8n) | BigInt(view.getUint8(at + i))
  return value
}

function plain(value: bigint): number | string {
  return value <= 9_007_199_254_740_991n && value >= -9_007_199_254_740_991n ? Number(value) : value.toString()
}

function unsigned(view: DataView, at: number, length: number): number | string {
  return plain(big(view, at, length))
}

function signed(view: DataView, at: number, length: number): number | string {
  return plain(BigInt.asIntN(8 * length, big(view, at, length)))
}

function finite(value: number): number | string {
  return Number.isFinite(value) ? value : String(value)
}

// As numbers.ts has it: NTP time stamps, or counts since 1970 from exporters that send those; here in the full resolution.
function ntp(view: DataView, at: number, perSecond: bigint): number | string {
  const high = view.getUint32(at)
  if (high < 0x8000_0000) return plain(big(view, at, 8))
  return plain(BigInt(high - NTP_TO_UNIX) * perSecond + ((BigInt(view.getUint32(at + 4)) * perSecond) >> 32n))
}

/** UTF-8 up to the zeroes that fill a fixed field; hex if it is no text. */
function text(view: DataView, at: number, length: number): string {
  let end = length
  while (end > 0 && view.getUint8(at + end - 1) === 0) end--
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(octets(view, at, end)))
  } catch {
    return hex(view, at, length)
  }
}

// RFC 6313 §4.5.1: u8 semantic, u16 element (top bit: enterprise), u16 length, [u32 enterprise], values
function basicList(
  view: DataView,
  start: number,
  end: number,
  context: ValueContext,
  depth: number,
): FieldValue | undefined {
  if (end - start < 5) return undefined
  const semantic = view.getUint8(start)
  const type = view.getUint16(start + 1)
  const length = view.getUint16(start + 3)
  let at = start + 5
  let enterprise = 0
  if (type >= 0x8000) {
    if (end - at < 4) return undefined
    enterprise = view.getUint32(at)
    at += 4
  }
  const values: FieldValue[] = []
  while (at < end) {
    const size = sizeAt(view, at, end, length)
    if (size === undefined || size.length + size.start === at) return undefined
    values.push(fieldValue(enterprise, type & 0x7fff, view, size.start, size.length, context, depth + 1))
    at = size.start + size.length
  }
  return { semantic, element: elementName(enterprise, type & 0x7fff, context.elements), values }
}

function sizeAt(
  view: DataView,
  at: number,
  end: number,
  length: number,
): { start: number; length: number } | undefined {
  if (length !== VARIABLE) return at + length <= end ? { start: at, length } : undefined
  const short = view.getUint8(at)
  if (short < 255) return at + 1 + short <= end ? { start: at + 1, length: short } : undefined
  if (end - at < 3) return undefined
  const long = view.getUint16(at + 1)
  return at + 3 + long <= end ? { start: at + 3, length: long } : undefined
}

// RFC 6313 §4.5.2: u8 semantic, u16 template id, records
function subTemplateList(
  view: DataView,
  start: number,
  end: number,
  context: ValueContext,
  depth: number,
): FieldValue | undefined {
  if (end - start < 3) return undefined
  const templateId = view.getUint16(start + 1)
  const records = listRecords(view, start + 3, end, context.templateOf(templateId), context, depth)
  return records && { semantic: view.getUint8(start), templateId, records }
}

// RFC 6313 §4.5.3: u8 semantic, then again and again u16 template id, u16 length with these four bytes, records
function multiList(
  view: DataView,
  start: number,
  end: number,
  context: ValueContext,
  depth: number,
): FieldValue | undefined {
  if (end - start < 1) return undefined
  const lists: FieldValue[] = []
  let at = start + 1
  while (end - at >= 4) {
    const templateId = view.getUint16(at)
    const length = view.getUint16(at + 2)
    if (length < 4 || length > end - at) return undefined
    const records = listRecords(view, at + 4, at + length, context.templateOf(templateId), context, depth)
    lists.push({ templateId, records: records ?? hex(view, at + 4, length - 4) })
    at += length
  }
  return { semantic: view.getUint8(start), lists }
}

function listRecords(
  view: DataView,
  start: number,
  end: number,
  template: Template | undefined,
  context: ValueContext,
  depth: number,
): FieldValue[] | undefined {
  if (template === undefined) return undefined
  const records: FieldValue[] = []
  let at = start
  while (end - at >= template.minLength) {
    const record = recordValues(template, view, at, end, context, depth + 1)
    if (record === undefined) return undefined
    records.push(record.fields)
    at = record.end
  }
  return records
}
