// Whether each name of a batch's table is meant, worked out once a name and not once a row.

/** A test of names; `over` keeps one byte a name, and looks only at those that came since. */
export class NameVerdicts {
  readonly #matches: (name: string) => boolean
  #names: readonly string[] | undefined
  #known = 0
  #table = new Uint8Array(64)

  constructor(matches: (name: string) => boolean) {
    this.#matches = matches
  }

  /** By index of the name: 1 if it is meant. */
  over(names: readonly string[]): Uint8Array {
    if (names !== this.#names || names.length < this.#known) {
      this.#names = names
      this.#known = 0
      this.#table.fill(0)
    }
    if (this.#known === names.length) return this.#table
    if (this.#table.length < names.length) {
      const larger = new Uint8Array(Math.max(names.length, this.#table.length * 2))
      larger.set(this.#table.subarray(0, this.#known))
      this.#table = larger
    }
    for (let i = this.#known; i < names.length; i++) this.#table[i] = this.#matches(names[i] as string) ? 1 : 0
    this.#known = names.length
    return this.#table
  }
}

/** One of these names, as they are written. */
export function isOneOf(values: readonly string[]): (name: string) => boolean {
  const wanted = new Set(values)
  return (name) => wanted.has(name)
}

/** `*` stands for any characters, upper and lower case are alike; no regular expression, since patterns come from users. */
export function isLike(pattern: string): (name: string) => boolean {
  const parts = pattern.toLowerCase().split('*')
  const first = parts[0] as string
  const last = parts[parts.length - 1] as string
  return (name) => {
    const text = name.toLowerCase()
    if (parts.length === 1) return text === first
    if (!text.startsWith(first)) return false
    let at = first.length
    for (let i = 1; i < parts.length - 1; i++) {
      const found = text.indexOf(parts[i] as string, at)
      if (found < 0) return false
      at = found + (parts[i] as string).length
    }
    return text.length - last.length >= at && text.endsWith(last)
  }
}
