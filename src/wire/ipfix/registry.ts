import { NETFLOW7_ONLY } from '../netflow5/layout.ts'
import { ELEMENT_TABLES } from './elements.ts'
import { NETFLOW9_SCOPE } from './template.ts'

/** Abstract data types of RFC 7012 §3.1, in the order of their numbers at IANA (RFC 5610 §3.1, RFC 6313 §11.1). */
export const ELEMENT_TYPES = [
  'octetArray',
  'unsigned8',
  'unsigned16',
  'unsigned32',
  'unsigned64',
  'signed8',
  'signed16',
  'signed32',
  'signed64',
  'float32',
  'float64',
  'boolean',
  'macAddress',
  'string',
  'dateTimeSeconds',
  'dateTimeMilliseconds',
  'dateTimeMicroseconds',
  'dateTimeNanoseconds',
  'ipv4Address',
  'ipv6Address',
  'basicList',
  'subTemplateList',
  'subTemplateMultiList',
] as const

export type ElementType = (typeof ELEMENT_TYPES)[number]

export function isElementType(text: string): text is ElementType {
  return (ELEMENT_TYPES as readonly string[]).includes(text)
}

export interface Element {
  readonly name: string
  readonly type: ElementType
}

/** RFC 5103 §6.1: the enterprise under which IANA's elements tell of the other direction. */
const REVERSE = 29305
/** CERT marks the other direction by a bit of the element id. */
const CERT = 6871
const CERT_REVERSE_BIT = 0x4000
const CISCO = 9

const ELEMENTS: ReadonlyMap<number, ReadonlyMap<number, Element>> = new Map(
  [
    ...ELEMENT_TABLES,
    [NETFLOW9_SCOPE, scopes()] as const,
    [NETFLOW7_ONLY, '1 fieldFlags unsigned8\n2 recordFlags unsigned16\n3 bypassedRouter ipv4Address'] as const,
  ].map(([enterprise, lines]) => [enterprise, parse(lines)]),
)

/** RFC 3954 §6.1: what an options record of NetFlow v9 is about. */
function scopes(): string {
  return [
    '1 scopeSystem octetArray',
    '2 scopeInterface unsigned32',
    '3 scopeLineCard octetArray',
    '4 scopeCache octetArray',
    '5 scopeTemplate octetArray',
  ].join('\n')
}

function parse(lines: string): ReadonlyMap<number, Element> {
  return new Map(
    lines
      .trim()
      .split('\n')
      .map((line) => {
        const [id, name, type] = line.split(' ') as [string, string, ElementType]
        return [Number(id), { name, type }]
      }),
  )
}

/** What is known of an element; undefined if it is in no registry. */
export function elementOf(enterprise: number, id: number): Element | undefined {
  const own = ELEMENTS.get(enterprise)?.get(id)
  if (own !== undefined) return own
  // Cisco writes elements of its own enterprise so in v9, which has no enterprise numbers.
  if (enterprise === 0 && id >= 0x8000) return ELEMENTS.get(CISCO)?.get(id & 0x7fff)
  if (enterprise === REVERSE) return reversed(ELEMENTS.get(0)?.get(id))
  if (enterprise === CERT && (id & CERT_REVERSE_BIT) !== 0)
    return reversed(ELEMENTS.get(CERT)?.get(id & ~CERT_REVERSE_BIT))
  return undefined
}

/** Where elements are looked up. */
export interface ElementLookup {
  of(enterprise: number, id: number): Element | undefined
}

/** The registries alone. */
export const REGISTERED: ElementLookup = { of: elementOf }

/** The registries, and before them a list of one's own. */
export function elementsWith(
  own: readonly (Element & { readonly enterprise: number; readonly id: number })[],
): ElementLookup {
  if (own.length === 0) return REGISTERED
  const known = new Map(own.map(({ enterprise, id, name, type }) => [`${enterprise}.${id}`, { name, type }]))
  return { of: (enterprise, id) => known.get(`${enterprise}.${id}`) ?? elementOf(enterprise, id) }
}

/** Its name, or `e<enterprise>.<id>`. */
export function elementName(enterprise: number, id: number, elements: ElementLookup = REGISTERED): string {
  return elements.of(enterprise, id)?.name ?? `e${enterprise}.${id}`
}

function reversed(element: Element | undefined): Element | undefined {
  return (
    element && { name: `reverse${element.name.charAt(0).toUpperCase()}${element.name.slice(1)}`, type: element.type }
  )
}
