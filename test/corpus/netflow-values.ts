// One field of a record: our value against what tshark shows of the same element.

import { ipText, parseIp } from '../../src/base/address.ts'
import type { FieldValue } from '../../src/wire/ipfix/values.ts'
import type { OracleField } from './cflow-oracle.ts'
import type { OwnField } from './netflow-decoded.ts'
import { TSHARK_FIELDS, UNKNOWN_TO_TSHARK } from './netflow-elements.ts'

/** How a field was compared, or what differs. */
export type Outcome =
  | { readonly how: 'value' | 'bytes' | 'empty' | 'list' }
  | { readonly how: 'differs'; readonly why: string }

const differs = (why: string): Outcome => ({ how: 'differs', why })

/** Times: tshark shows them under a duration, with the offset of another one, so that they are found by their name alone. */
const TIMES = new Set(
  ['timestart', 'timeend', 'timedelta', 'abstimestart', 'abstimeend'].map((name) => `cflow.${name}`),
)
const BYTES = new Set(['cflow.unknown_field_type', 'cflow.enterprise_private_entry'])
const LISTS = new Set(['basicList', 'subTemplateList', 'subTemplateMultiList'])

/**
 * @param nth how many fields of the record before this one are of the same element.
 * @param theirs what tshark shows of the whole record.
 */
export function compareField(own: OwnField, nth: number, payload: Uint8Array, theirs: readonly OracleField[]): Outcome {
  if (own.length === 0) return { how: 'empty' }
  const mapped = TSHARK_FIELDS[own.name]
  const names = (typeof mapped === 'string' ? [mapped] : (mapped ?? [])).map((name) => `cflow.${name}`)
  const fields = theirs.filter(({ name }) => names.includes(name))
  const here = fields.filter((field) => covers(field, own))
  if (here.length > 0) return same(own, told(own, here), here)
  const timed = fields.filter(({ name }) => TIMES.has(name))
  const time = timed[nth] ?? timed.at(-1)
  if (time) return same(own, told(own, [time]), [time])
  const raw = theirs.find((field) => BYTES.has(field.name) && covers(field, own))
  if (raw === undefined) return differs('tshark shows nothing there')
  if (!UNKNOWN_TO_TSHARK.has(own.name))
    return differs('tshark shows bytes, and it is not listed that it has no name for it')
  const hex = Buffer.from(payload.subarray(own.at, own.at + own.length)).toString('hex')
  if (raw.hex !== hex) return differs(`${hex}, tshark ${raw.hex}`)
  if (LISTS.has(own.type ?? '')) return isList(own.value, hex) ? { how: 'list' } : differs(JSON.stringify(own.value))
  return text(own.value) === ofBytes(own, hex) ? { how: 'bytes' } : differs(`${text(own.value)}, bytes ${hex}`)
}

/** Of a field of variable length tshark also counts the byte that tells the length; some it shows in parts. */
const covers = ({ at, length }: OracleField, own: OwnField): boolean =>
  (at === own.at && length === own.length) ||
  (at === own.at - 1 && length === own.length + 1) ||
  (at >= own.at && length < own.length && at + length <= own.at + own.length)

function same(own: OwnField, theirs: string | undefined, fields: readonly OracleField[]): Outcome {
  if (theirs === undefined)
    return differs(`no such value: ${fields.map(({ name, show }) => `${name} ${show}`).join(' ')}`)
  return text(own.value) === theirs ? { how: 'value' } : differs(`${text(own.value)}, tshark ${theirs}`)
}

const text = (value: FieldValue): string => (typeof value === 'object' ? JSON.stringify(value) : String(value))

/** The value that tshark shows, written as ours are. */
function told(own: OwnField, fields: readonly OracleField[]): string | undefined {
  const [{ name, show, hex }] = fields as readonly [OracleField]
  switch (name) {
    case 'cflow.mpls_label':
      // Ours is the whole entry of the stack, tshark's its label.
      return Number.parseInt(text(own.value), 16) >> 4 === Number(show) ? text(own.value) : undefined
    case 'cflow.forwarding_status': {
      const reason = /^\d+$/.exec(fields.find((field) => field.name.startsWith('cflow.forwarding_status_'))?.show ?? '')
      return reason === null ? undefined : String((Number(show) << 6) | Number(reason[0]))
    }
    case 'cflow.timestart':
    case 'cflow.timeend':
    case 'cflow.timedelta':
      return milliseconds(show)
    default:
      break
  }
  switch (own.type) {
    case 'unsigned8':
    case 'unsigned16':
    case 'unsigned32':
    case 'unsigned64':
    case 'signed8':
    case 'signed16':
    case 'signed32':
    case 'signed64':
      if (fields.length > 1) return integer(`0x${joined(own, fields)}`)
      return isTime(show) ? time(show, 'dateTimeMilliseconds') : integer(show)
    case 'float32':
    case 'float64':
      return Number(Number(own.value).toPrecision(6)) === Number(show) ? text(own.value) : show
    case 'boolean':
      return show === '1' ? 'true' : show === '0' ? 'false' : undefined
    case 'ipv4Address':
    case 'ipv6Address':
      return address(show)
    case 'dateTimeSeconds':
    case 'dateTimeMilliseconds':
    case 'dateTimeMicroseconds':
    case 'dateTimeNanoseconds':
      return isTime(show) ? time(show, own.type) : integer(show)
    case 'macAddress':
      return show
    case 'string':
      return show
    default:
      return fields.length > 1 || hex.length !== 2 * own.length ? joined(own, fields) : hex
  }
}

/** The bytes of several fields that stand side by side and fill the place. */
function joined(own: OwnField, fields: readonly OracleField[]): string | undefined {
  let hex = ''
  for (const field of fields.toSorted((a, b) => a.at - b.at)) {
    if (field.at < own.at + hex.length / 2) continue
    if (field.at !== own.at + hex.length / 2) return undefined
    hex += field.hex.padStart(2 * field.length, '0')
  }
  return hex.length === 2 * own.length ? hex : undefined
}

/** The value that these bytes are of this type. */
function ofBytes(own: OwnField, hex: string): string | undefined {
  switch (own.type) {
    case 'unsigned8':
    case 'unsigned16':
    case 'unsigned32':
    case 'unsigned64':
      return integer(`0x${hex}`)
    case 'ipv4Address':
      return [...Buffer.from(hex, 'hex')].join('.')
    case 'ipv6Address':
      return ipText(Buffer.from(hex, 'hex'))
    case 'string':
      return Buffer.from(hex, 'hex').toString('utf8').replace(/\0+$/, '')
    case 'octetArray':
    case undefined:
      return hex
    default:
      return undefined
  }
}

/** A list of lists begins with its semantic, and each list with the number of its template (RFC 6313 §4.5.3). */
function isList(value: FieldValue, hex: string): boolean {
  const list = value as { semantic: number; lists?: { templateId: number; records: unknown }[] }
  if (typeof list !== 'object' || list.semantic !== Number.parseInt(hex.slice(0, 2), 16) || !list.lists) return false
  const first = list.lists[0]
  return first === undefined
    ? hex.length === 2
    : first.templateId === Number.parseInt(hex.slice(2, 6), 16) && Array.isArray(first.records)
}

export const isTime = (show: string): boolean => / UTC$/.test(show)

function integer(show: string | undefined): string | undefined {
  if (show === undefined || show.includes('undefined')) return undefined
  if (/^(0x[\da-f]+|-?\d+)$/i.test(show)) return BigInt(show).toString()
  // Bits are shown as bytes.
  return /^[\da-f]{2}(:[\da-f]{2})+$/.test(show) ? BigInt(`0x${show.replaceAll(':', '')}`).toString() : undefined
}

/** `2.577000000`, seconds since the exporter started → milliseconds. */
export function milliseconds(show: string): string | undefined {
  const [, whole, fraction] = /^(\d+)\.(\d{9})$/.exec(show) ?? []
  return whole === undefined ? undefined : String(Number(whole) * 1000 + Number((fraction as string).slice(0, 3)))
}

const PER_SECOND: Readonly<Record<string, bigint>> = {
  dateTimeSeconds: 1n,
  dateTimeMilliseconds: 1000n,
  dateTimeMicroseconds: 1_000_000n,
  dateTimeNanoseconds: 1_000_000_000n,
}

/** `Dec 22, 2016 12:17:37.000000000 UTC` → a count since 1970, in the unit of the type. */
export function time(show: string, type: string): string {
  const [whole, fraction] = show.replace(' UTC', '').split('.') as [string, string | undefined]
  const seconds = BigInt(Date.parse(`${whole} UTC`) / 1000)
  const unit = PER_SECOND[type] as bigint
  return (seconds * unit + (BigInt((fraction ?? '0').padEnd(9, '0')) * unit) / 1_000_000_000n).toString()
}

function address(show: string): string | undefined {
  const bytes = parseIp(show)
  return bytes && (show.includes(':') && !ipText(bytes).includes(':') ? `::ffff:${ipText(bytes)}` : ipText(bytes))
}
