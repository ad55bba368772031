import { isElementName } from '../wire/ipfix/own-elements.ts'
import { ELEMENT_TYPES, type Element, type ElementLookup, type ElementType } from '../wire/ipfix/registry.ts'

// RFC 5610: exporters tell name and type of elements that no registry has. They hold for the stream that told them alone.

/** Elements remembered of one stream, and of all together. */
const MAX_OF_STREAM = 4_096
const MAX_OF_ALL = 65_536

/** How many elements have been learnt, of all streams of an ingest together. */
export interface LearntCount {
  learnt: number
  /** Changes with each that is new or has changed. */
  revision: number
}

/** One as it is saved: the number of its type is IANA's. */
export type SavedElement = readonly [enterprise: number, id: number, dataType: number, name: string]

/** What is known of elements in one stream: the registries, and beneath them what it told itself. */
export class LearntElements implements ElementLookup {
  readonly #registered: ElementLookup
  readonly #elements = new Map<number, Element>()

  constructor(registered: ElementLookup) {
    this.#registered = registered
  }

  of(enterprise: number, id: number): Element | undefined {
    return this.#registered.of(enterprise, id) ?? this.#elements.get(enterprise * 65_536 + id)
  }

  /**
   * Takes note of an element; what a registry has, or has no usable name, is left as it is.
   * @param dataType its number in IANA's list of abstract data types.
   */
  learn(enterprise: number, id: number, dataType: number, name: string, count: LearntCount): void {
    const type = typeOfNumber(dataType)
    if (enterprise === 0 || type === undefined || !isElementName(name)) return
    if (this.#registered.of(enterprise, id) !== undefined) return
    const key = enterprise * 65_536 + id
    if (!this.#elements.has(key)) {
      if (this.#elements.size >= MAX_OF_STREAM || count.learnt >= MAX_OF_ALL) return
      count.learnt++
    }
    const before = this.#elements.get(key)
    if (before?.name === name && before.type === type) return
    this.#elements.set(key, { name, type })
    count.revision++
  }

  save(): SavedElement[] {
    return [...this.#elements].map(([key, { name, type }]) => [
      Math.floor(key / 65_536),
      key % 65_536,
      ELEMENT_TYPES.indexOf(type),
      name,
    ])
  }

  get size(): number {
    return this.#elements.size
  }
}

// ELEMENT_TYPES stand in the order of IANA's numbers (RFC 5610 §3.1, RFC 6313 for the lists).
function typeOfNumber(number: number): ElementType | undefined {
  return ELEMENT_TYPES[number]
}
