import { NETFLOW9_SCOPE, type Template } from '../wire/ipfix/template.ts'
import { locateFields } from '../wire/ipfix/records.ts'
import { fieldText, uintHigh, uintLow } from '../wire/ipfix/numbers.ts'
import type { RateTable } from './netflow-context.ts'

// What options data tells: sampling rates (of the exporter, a sampler, a selector or an interface), when the exporter started, and the
// names of interfaces. Options are rare: this is the plain way.

/** Samplers and interfaces remembered of one exporter; more than any device has. */
const MAX_RATES = 4096

/** Sampling rates that an exporter told of. */
export class Sampling implements RateTable {
  readonly #samplers = new Map<number, number>()
  readonly #interfaces = new Map<number, number>()
  /** The last rate told, whatever it was of: for records that lead to no other. */
  last = 0
  from = ''
  /** The rate told of nothing in particular, 0 if none: that of records without a sampler. */
  plain = 0
  hasInterfaces = false

  ofSampler(id: number): number | undefined {
    return this.#samplers.get(id)
  }

  ofInterface(ifIndex: number): number | undefined {
    return this.#interfaces.get(ifIndex)
  }

  get size(): number {
    return this.#samplers.size + this.#interfaces.size
  }

  /** True if a rate of this sampler or interface would be one more to remember. */
  isNew(sampler: number | undefined, ifIndex: number | undefined): boolean {
    if (sampler !== undefined) return !this.#samplers.has(sampler)
    return ifIndex !== undefined && ifIndex !== 0 && !this.#interfaces.has(ifIndex)
  }

  /** True if no more samplers or interfaces are remembered. */
  get full(): boolean {
    return this.size >= MAX_RATES
  }

  learn(rate: number, sampler: number | undefined, ifIndex: number | undefined): void {
    this.last = rate
    if (sampler !== undefined) {
      this.from = `sampler ${sampler}`
      this.#samplers.set(sampler, rate)
    } else if (ifIndex !== undefined && ifIndex !== 0) {
      this.from = `interface ${ifIndex}`
      this.#interfaces.set(ifIndex, rate)
      this.hasInterfaces = true
    } else {
      this.from = 'options'
      this.plain = rate
    }
  }

  list(): { rate: number; from: string }[] {
    const all = [
      ...[...this.#samplers].map(([id, rate]) => ({ rate, from: `sampler ${id}` })),
      ...[...this.#interfaces].map(([id, rate]) => ({ rate, from: `interface ${id}` })),
    ]
    return all.length > 0 || this.last === 0 ? all : [{ rate: this.last, from: this.from }]
  }

  save(): SavedSampling {
    return {
      last: this.last,
      from: this.from,
      plain: this.plain,
      samplers: [...this.#samplers],
      interfaces: [...this.#interfaces],
    }
  }

  static restore(saved: SavedSampling): Sampling {
    const sampling = new Sampling()
    for (const [id, rate] of saved.samplers.slice(0, MAX_RATES)) sampling.#samplers.set(id, rate)
    for (const [id, rate] of saved.interfaces.slice(0, MAX_RATES)) sampling.#interfaces.set(id, rate)
    sampling.hasInterfaces = sampling.#interfaces.size > 0
    sampling.last = saved.last
    sampling.from = saved.from
    sampling.plain = saved.plain
    return sampling
  }
}

export interface SavedSampling {
  readonly last: number
  readonly from: string
  readonly plain: number
  readonly samplers: readonly (readonly [id: number, rate: number])[]
  readonly interfaces: readonly (readonly [ifIndex: number, rate: number])[]
}

/** What one options record said; undefined where it said nothing. */
export interface OptionsFacts {
  rate: number | undefined
  sampler: number | undefined
  ifIndex: number | undefined
  /** systemInitTimeMilliseconds. */
  bootedAt: number | undefined
  interfaceName: string | undefined
  /** Name and type of an element (RFC 5610): its id, enterprise, number of its type, and name. */
  element: number | undefined
  enterprise: number | undefined
  dataType: number | undefined
  elementName: string | undefined
}

const MAX_FIELDS = 512

/** Reads the records of options data sets. */
export class OptionsReader {
  readonly #offsets = new Uint32Array(MAX_FIELDS)
  readonly #lengths = new Uint32Array(MAX_FIELDS)
  readonly facts: OptionsFacts = {
    rate: undefined,
    sampler: undefined,
    ifIndex: undefined,
    bootedAt: undefined,
    interfaceName: undefined,
    element: undefined,
    enterprise: undefined,
    dataType: undefined,
    elementName: undefined,
  }

  /** Reads the record at `at` into `facts`; answers where it ends, or -1 if it doesn't fit. */
  read(template: Template, view: DataView, at: number, end: number): number {
    const { facts } = this
    facts.rate = facts.sampler = facts.ifIndex = facts.bootedAt = facts.interfaceName = undefined
    facts.element = facts.enterprise = facts.dataType = facts.elementName = undefined
    // Nobody sends options of so many fields; what a template of them means is not looked into.
    if (template.elements.length > MAX_FIELDS) return end
    const next = locateFields(template, view, at, end, this.#offsets, this.#lengths)
    if (next < 0) return -1
    let interval = 0
    let space = 0
    let size = 0
    let population = 0
    let probability = 0
    for (let i = 0; i < template.elements.length; i++) {
      const enterprise = template.enterprises[i] as number
      const offset = this.#offsets[i] as number
      const length = this.#lengths[i] as number
      if (length === 0) continue
      const element = template.elements[i] as number
      if (enterprise === NETFLOW9_SCOPE) {
        if (element === 2) facts.ifIndex = uintLow(view, offset, length)
        continue
      }
      if (enterprise !== 0) continue
      switch (element) {
        case 34:
        case 50:
        case 305:
          interval = uintLow(view, offset, length) || interval
          break
        case 306:
          space = uintLow(view, offset, length)
          break
        case 309:
          size = uintLow(view, offset, length)
          break
        case 310:
          population = uintLow(view, offset, length)
          break
        case 311:
          if (length === 8) probability = view.getFloat64(offset)
          else if (length === 4) probability = view.getFloat32(offset)
          break
        case 48:
        case 302:
          facts.sampler = uintLow(view, offset, length)
          break
        case 10:
          facts.ifIndex = uintLow(view, offset, length)
          break
        case 160:
          facts.bootedAt = uintHigh(view, offset, length) * 0x1_0000_0000 + uintLow(view, offset, length)
          break
        case 82:
          facts.interfaceName = fieldText(view, offset, length)
          break
        case 303:
          facts.element = uintLow(view, offset, length) & 0x7fff
          break
        case 346:
          facts.enterprise = uintLow(view, offset, length)
          break
        case 339:
          facts.dataType = uintLow(view, offset, length)
          break
        case 341:
          facts.elementName = fieldText(view, offset, length)
          break
        case 83:
          facts.interfaceName ??= fieldText(view, offset, length)
          break
      }
    }
    facts.rate = rateOf(interval, space, size, population, probability, template)
    return next
  }
}

function rateOf(
  interval: number,
  space: number,
  size: number,
  population: number,
  probability: number,
  template: Template,
): number | undefined {
  if (probability > 0 && probability <= 1) return Math.min(Math.max(1, Math.round(1 / probability)), 0xffff_ffff)
  if (size > 0 && population >= size) return Math.round(population / size)
  if (interval === 0) return undefined
  // 305 is how many packets in a row are taken, 306 how many are left out after them; some exporters put the whole interval into 305 alone.
  return template.elements.includes(306) ? Math.round((interval + space) / interval) : interval
}
