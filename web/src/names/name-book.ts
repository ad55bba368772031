// Names of addresses, MACs, services and autonomous systems: asked for together, kept while the page is open, asked again while
// the server is still looking them up.
import type { AddressNames, NamesAnswer, NamesQuestion } from '../../../src/api/contract/names.ts'

interface Kinds {
  readonly addresses: AddressNames
  readonly macs: string
  readonly services: NamesAnswer['services'][string]
  readonly as: string
}
export type NameKind = keyof Kinds

export interface NameBook {
  /** What is known of it, or undefined; what is not known yet is asked for. */
  get<K extends NameKind>(kind: K, key: string): Kinds[K] | undefined
  /** Calls `listener` whenever more is known. */
  subscribe(listener: () => void): () => void
}

export interface NameBookDeps {
  ask(question: NamesQuestion): Promise<NamesAnswer>
  later(work: () => void, ms: number): void
}

const KINDS: readonly NameKind[] = ['addresses', 'macs', 'services', 'as']
const MOST_ASKED = 1000
const MOST_KEPT = 20_000
/** Everything that one drawing of the page wants goes into one question. */
const GATHER_MS = 20
const AGAIN_MS = 2000
const MOST_TRIES = 4

interface Entry {
  value: Kinds[NameKind] | undefined
  tries: number
}

export function createNameBook({ ask, later }: NameBookDeps): NameBook {
  const known = new Map<NameKind, Map<string, Entry>>(KINDS.map((kind) => [kind, new Map()]))
  const wanted = new Map<NameKind, Set<string>>(KINDS.map((kind) => [kind, new Set()]))
  const listeners = new Set<() => void>()
  let gathering = false

  const gather = (ms = GATHER_MS) => {
    if (gathering) return
    gathering = true
    later(() => {
      gathering = false
      void flush()
    }, ms)
  }

  const take = (kind: NameKind): string[] => {
    const set = wanted.get(kind) ?? new Set()
    const keys = [...set].slice(0, MOST_ASKED)
    for (const key of keys) set.delete(key)
    return keys
  }

  const flush = async () => {
    const keys = { addresses: take('addresses'), macs: take('macs'), services: take('services'), as: take('as') }
    if (KINDS.every((kind) => keys[kind].length === 0)) return
    if (KINDS.some((kind) => (wanted.get(kind)?.size ?? 0) > 0)) gather()
    const answer = await ask({ ...keys, as: keys.as.map(Number) }).catch(() => undefined)
    if (!answer) {
      // Whoever shows them again asks again.
      for (const kind of KINDS) for (const key of keys[kind]) known.get(kind)?.delete(key)
      return
    }
    for (const kind of KINDS)
      for (const key of keys[kind]) keep(kind, key, answer[kind][key], kind === 'addresses' && answer.pending > 0)
    if (wanted.get('addresses')?.size) gather(AGAIN_MS)
    for (const listener of listeners) listener()
  }

  const keep = (kind: NameKind, key: string, value: Kinds[NameKind] | undefined, mayCome: boolean) => {
    const map = known.get(kind)
    const tries = (map?.get(key)?.tries ?? 0) + 1
    map?.set(key, { value, tries })
    const unnamed = typeof value === 'object' ? value.name === undefined : value === undefined
    if (mayCome && unnamed && tries < MOST_TRIES) wanted.get(kind)?.add(key)
  }

  return {
    get(kind, key) {
      const map = known.get(kind)
      const entry = map?.get(key)
      if (entry) return entry.value as never
      if (map && map.size >= MOST_KEPT) map.delete(map.keys().next().value as string)
      map?.set(key, { value: undefined, tries: 0 })
      wanted.get(kind)?.add(key)
      gather()
      return undefined
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
