// How what is known of a value is said.
import type { AddressNames } from '../../../src/api/contract/names.ts'
import type { KeyValue } from '../../../src/api/contract/query.ts'
import { kindOf } from './dimensions.ts'
import type { NameKind } from './name-book.ts'

/** Where the names of a dimension's values are found. */
export function kindOfName(dimension: string): NameKind | 'country' | undefined {
  if (kindOf(dimension) === 'address') return 'addresses'
  if (/(^|_)mac$/.test(dimension)) return 'macs'
  if (/(^|_)as$/.test(dimension)) return 'as'
  if (/(^|_)country$/.test(dimension)) return 'country'
  return dimension === 'service' || /(^|_)port$/.test(dimension) ? 'services' : undefined
}

/** From here on ports are taken by clients as they come: a name there says nothing. */
const FIRST_DYNAMIC = 49_152

/** `443/tcp`; of a port alone the one of TCP, which is nearly always named alike. */
export function serviceKey(dimension: string, value: KeyValue | undefined, proto?: KeyValue): string | undefined {
  const text = String(value)
  if (dimension === 'service') return /^\d+\/\w+$/.test(text) ? text : undefined
  const port = Number(value)
  return port > 0 && port < FIRST_DYNAMIC
    ? `${port}/${typeof proto === 'string' ? proto.toLowerCase() : 'tcp'}`
    : undefined
}

export function countryText(code: string): string {
  try {
    return new Intl.DisplayNames(['en'], { type: 'region' }).of(code) ?? code
  } catch {
    return code
  }
}

/** The name, else whose it is; all of it as a title. */
export function addressText({ name, country, as, asName }: AddressNames): { text: string; title: string } {
  const system = as === undefined ? '' : `AS ${as}${asName === undefined ? '' : ` ${asName}`}`
  const place = country === undefined ? '' : countryText(country)
  const all = [name ?? '', place, system].filter((part) => part !== '')
  return {
    text: name ?? [country ?? '', asName ?? ''].filter((part) => part !== '').join(' · '),
    title: all.join(', '),
  }
}
