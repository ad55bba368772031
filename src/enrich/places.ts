import { readFile, stat } from 'node:fs/promises'
import { OperatorError } from '../base/errors.ts'
import { wildcard } from '../base/wildcard.ts'
import { openMmdb, type Mmdb } from './mmdb.ts'

// Countries and autonomous systems of addresses, from MaxMind databases; those of others with the same words are read too.

export interface PlacesConfig {
  /** Files; null for none. */
  readonly countries: string | null
  readonly autonomousSystems: string | null
}

export interface PlacesLog {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}

export interface PlacesDeps {
  readonly log: PlacesLog
  /** A text as a number, for countries that are told by number: an index into the names that travel with a batch. */
  readonly nameId: (name: string) => number
}

/** What rows are filled from: numbers, nothing is allocated. Addresses are four raw u32 words. */
export interface Places {
  /** True if there is a database of this kind now. */
  readonly hasCountries: boolean
  readonly hasSystems: boolean
  /** Looks an address up; what was found stands in the two arrays at the index that this answers, until the next call. */
  locate(words: Uint32Array, at: number): number
  /** Numbers of countries, as `nameId` gave them; 0 for unknown. */
  readonly countries: Uint32Array
  /** Numbers of autonomous systems; 0 for unknown. */
  readonly systems: Uint32Array
}

export interface PlaceFiles extends Places {
  /** Reads the files. Rejects with an OperatorError if one can't be read or is none. */
  start(): Promise<void>
  stop(): void
  /** Two letters; '' if unknown. */
  countryOf(words: Uint32Array, at: number): string
  systemOf(words: Uint32Array, at: number): AutonomousSystem | undefined
  /** Organisation of an autonomous system; undefined if the database doesn't name it. */
  nameOf(system: number): string | undefined
  /** Numbers of the systems whose organisation matches; `*` stands for any characters, capital letters don't matter. */
  numbersOf(pattern: string): number[]
  status(): readonly { readonly file: string; readonly type: string; readonly built: number }[]
}

export interface AutonomousSystem {
  readonly number: number
  readonly name: string
}

/** New editions are looked for this often: databases come weekly. */
const LOOK_EVERY_MS = 60_000
/** Addresses whose answers are remembered: a power of two. */
const REMEMBERED = 16_384

interface Opened {
  readonly db: Mmdb
  readonly changed: number
}

export function createPlaces(config: PlacesConfig, deps: PlacesDeps): PlaceFiles {
  const files = { countries: config.countries, systems: config.autonomousSystems }
  let countries: Opened | undefined
  let systems: Opened | undefined
  /** By place in the data section: countries as numbers, and systems. */
  let countryIds = new Map<number, number>()
  let systemNumbers = new Map<number, number>()
  let names: Map<number, string> | undefined
  let timer: NodeJS.Timeout | undefined
  const remembered = createRemembered()

  function countryOf(words: Uint32Array, at: number): string {
    const place = countries?.db.find(words, at) ?? -1
    return place < 0 ? '' : countryIn(countries?.db.value(place))
  }

  function findCountry(words: Uint32Array, at: number): number {
    if (!countries) return 0
    const place = countries.db.find(words, at)
    if (place < 0) return 0
    let id = countryIds.get(place)
    if (id === undefined) {
      id = deps.nameId(countryIn(countries.db.value(place)))
      countryIds.set(place, id)
    }
    return id
  }

  function findSystem(words: Uint32Array, at: number): number {
    if (!systems) return 0
    const place = systems.db.find(words, at)
    if (place < 0) return 0
    let number = systemNumbers.get(place)
    if (number === undefined) {
      number = systemIn(systems.db.value(place))?.number ?? 0
      systemNumbers.set(place, number)
    }
    return number
  }

  async function look(): Promise<void> {
    const [newCountries, newSystems] = await Promise.all([
      opened(files.countries, countries),
      opened(files.systems, systems),
    ])
    if (newCountries !== countries) {
      countries = newCountries
      countryIds = new Map()
    }
    if (newSystems !== systems) {
      systems = newSystems
      systemNumbers = new Map()
      names = undefined
    }
    remembered.clear()
  }

  async function lookAgain(): Promise<void> {
    try {
      const [before, then] = [countries, systems]
      await look()
      for (const [file, was, is] of [
        [files.countries, before, countries],
        [files.systems, then, systems],
      ] as const)
        if (was !== is) deps.log.info({ file, type: is?.db.type }, 'a new edition of a MaxMind database is in use')
    } catch (error) {
      deps.log.warn({ err: error }, 'a MaxMind database has changed and can’t be read; the one before stays in use')
    }
  }

  function systemNames(): Map<number, string> {
    if (names) return names
    names = new Map()
    const db = systems?.db
    for (const place of db?.places() ?? []) {
      const system = systemIn(db?.value(place))
      if (system) names.set(system.number, system.name)
    }
    return names
  }

  return {
    get hasCountries() {
      return countries !== undefined
    },
    get hasSystems() {
      return systems !== undefined
    },
    async start() {
      if (files.countries === null && files.systems === null) return
      await look()
      timer = setInterval(() => void lookAgain(), LOOK_EVERY_MS).unref()
    },
    stop: () => clearInterval(timer),
    countries: remembered.countries,
    systems: remembered.systems,
    locate(words, at) {
      const slot = remembered.slot(words, at)
      if (!remembered.holds(slot, words, at))
        remembered.put(slot, words, at, findCountry(words, at), findSystem(words, at))
      return slot
    },
    countryOf,
    systemOf(words, at) {
      const place = systems?.db.find(words, at) ?? -1
      return place < 0 ? undefined : systemIn(systems?.db.value(place))
    },
    nameOf: (system) => systemNames().get(system),
    numbersOf(pattern) {
      const matches = wildcard(pattern)
      return [...systemNames()].filter(([, name]) => matches(name)).map(([number]) => number)
    },
    status: () =>
      [
        [files.countries, countries],
        [files.systems, systems],
      ].flatMap(([file, is]) => {
        const { db } = (is as Opened | undefined) ?? {}
        return db ? [{ file: file as string, type: db.type, built: db.built }] : []
      }),
  }
}

/** The file as a database; the one that is open if it hasn't changed. */
async function opened(file: string | null, open: Opened | undefined): Promise<Opened | undefined> {
  if (file === null) return undefined
  try {
    const { mtimeMs } = await stat(file)
    if (open?.changed === mtimeMs) return open
    return { db: openMmdb(await readFile(file), file), changed: mtimeMs }
  } catch (cause) {
    if (cause instanceof OperatorError) throw cause
    throw new OperatorError('mmdb_unreadable', `the MaxMind database ${file} can’t be read`, { cause })
  }
}

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null

/** Two capital letters, or '' if there are none. */
function countryIn(record: unknown): string {
  if (!isFields(record)) return ''
  for (const value of [record['country'], record['country_code'], record['registered_country']]) {
    const code = isFields(value) ? value['iso_code'] : value
    if (typeof code === 'string' && /^[a-z]{2}$/i.test(code)) return code.toUpperCase()
  }
  return ''
}

const MOST_AS = 2 ** 32

function systemIn(record: unknown): AutonomousSystem | undefined {
  if (!isFields(record)) return undefined
  const given = record['autonomous_system_number'] ?? record['asn']
  const number = typeof given === 'string' ? Number(given.replace(/^AS/i, '')) : Number(given)
  if (!Number.isInteger(number) || number <= 0 || number >= MOST_AS) return undefined
  const name = record['autonomous_system_organization'] ?? record['as_name'] ?? record['name']
  return { number, name: typeof name === 'string' ? name : '' }
}

/** Answers by address, one a slot: most rows of a batch have an address that was asked for just before. */
function createRemembered() {
  const keys = new Uint32Array(4 * REMEMBERED)
  const countries = new Uint32Array(REMEMBERED)
  const systems = new Uint32Array(REMEMBERED)
  const taken = new Uint8Array(REMEMBERED)
  return {
    countries,
    systems,
    clear: (): void => void taken.fill(0),
    slot(words: Uint32Array, at: number): number {
      let hash = Math.imul((words[at] as number) ^ Math.imul(words[at + 1] as number, 31), 0x85ebca6b)
      hash = Math.imul(hash ^ (words[at + 2] as number), 0x9e3779b1) ^ (words[at + 3] as number)
      hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35)
      return (hash ^ (hash >>> 15)) & (REMEMBERED - 1)
    },
    holds(slot: number, words: Uint32Array, at: number): boolean {
      const key = 4 * slot
      return (
        taken[slot] === 1 &&
        keys[key] === words[at] &&
        keys[key + 1] === words[at + 1] &&
        keys[key + 2] === words[at + 2] &&
        keys[key + 3] === words[at + 3]
      )
    },
    put(slot: number, words: Uint32Array, at: number, country: number, system: number): void {
      for (let i = 0; i < 4; i++) keys[4 * slot + i] = words[at + i] as number
      countries[slot] = country
      systems[slot] = system
      taken[slot] = 1
    },
  }
}
