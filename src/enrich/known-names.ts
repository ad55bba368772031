import { ipText, parseIp, parseMac } from '../base/address.ts'
import type { ReverseNames } from '../inventory/reverse-names.ts'
import type { Services } from '../inventory/services.ts'
import type { Vendors } from '../inventory/vendors.ts'
import { EXTERNAL, GROUP, NOWHERE, type RealmOf } from './networks.ts'
import type { PlaceFiles } from './places.ts'

// What things are called, as far as that is known at the moment: for people who look at numbers.

export interface KnownNamesDeps {
  /** Absent if no names are looked up. */
  readonly reverse?: ReverseNames
  /** Only our own addresses are looked up: nobody outside learns at whom we look. */
  readonly onlyInternal: boolean
  readonly realmOf: RealmOf
  readonly places: PlaceFiles
  readonly vendors: Vendors
  readonly services: Services
}

export interface NamesAsked {
  readonly addresses?: readonly string[] | undefined
  readonly macs?: readonly string[] | undefined
  readonly services?: readonly string[] | undefined
  readonly as?: readonly number[] | undefined
}

interface OfAddress {
  name?: string
  country?: string
  as?: number
  asName?: string
}

export interface NamesKnown {
  addresses: Record<string, OfAddress>
  macs: Record<string, string>
  services: Record<string, { name: string; describe: string }>
  as: Record<string, string>
  /** Addresses that are being looked up. */
  pending: number
}

export function createKnownNames(deps: KnownNamesDeps) {
  const { reverse, places, vendors, services } = deps

  function mayAsk(words: Uint32Array): boolean {
    const realm = deps.realmOf(words, 0)
    return realm !== NOWHERE && realm !== GROUP && !(deps.onlyInternal && realm === EXTERNAL)
  }

  return {
    /** Never waits: addresses that aren't known yet are looked up meanwhile. */
    known(asked: NamesAsked): NamesKnown {
      const answer: NamesKnown = { addresses: {}, macs: {}, services: {}, as: {}, pending: 0 }
      for (const text of asked.addresses ?? []) {
        const bytes = parseIp(text)
        if (!bytes) continue
        const words = new Uint32Array(bytes.slice().buffer)
        const found: OfAddress = {}
        if (reverse && mayAsk(words)) {
          const name = reverse.nameOf(ipText(bytes))
          if (name === undefined) answer.pending++
          else if (name !== '') found.name = name
        }
        const country = places.countryOf(words, 0)
        if (country !== '') found.country = country
        const system = places.systemOf(words, 0)
        if (system) {
          found.as = system.number
          if (system.name !== '') found.asName = system.name
        }
        if (Object.keys(found).length > 0) answer.addresses[text] = found
      }
      for (const text of asked.macs ?? []) {
        const mac = parseMac(text)
        const vendor = mac === undefined ? undefined : vendors.vendorOf(mac)
        if (vendor !== undefined) answer.macs[text] = vendor
      }
      for (const text of asked.services ?? []) {
        const service = services.serviceOf(text)
        if (service) answer.services[text] = { ...service }
      }
      for (const number of asked.as ?? []) {
        const name = places.nameOf(number)
        if (name !== undefined && name !== '') answer.as[String(number)] = name
      }
      return answer
    },
  }
}
