// What is known of an address, a MAC, a service, an autonomous system or a country beside its value.
import { createContext, use, useState, useSyncExternalStore } from 'react'
import type { ReactNode } from 'react'
import type { NamesAnswer } from '../../../src/api/contract/names.ts'
import type { KeyValue } from '../../../src/api/contract/query.ts'
import { postFor } from '../api/client.ts'
import { isUnknown } from './dimensions.ts'
import { createNameBook } from './name-book.ts'
import type { NameBook } from './name-book.ts'
import { addressText, countryText, kindOfName, serviceKey } from './name-text.ts'

const Book = createContext<NameBook | undefined>(undefined)

export function Names({ children }: { readonly children: ReactNode }) {
  const [book] = useState(() =>
    createNameBook({
      ask: (question) => postFor<NamesAnswer>('/api/v1/names', question),
      later: (work, ms) => void setTimeout(work, ms),
    }),
  )
  return <Book value={book}>{children}</Book>
}

/** In a few words what is known of a value, and the whole of it; undefined if nothing is. */
export interface Named {
  readonly text: string
  readonly title: string
}

export function useNamed(dimension: string, value: KeyValue | undefined, proto?: KeyValue): Named | undefined {
  const book = use(Book)
  if (!book) throw new TypeError('useNamed is used outside of Names')
  const kind = isUnknown(dimension, value) ? undefined : kindOfName(dimension)
  const key = kind === 'services' ? serviceKey(dimension, value, proto) : String(value)
  const asks = kind !== undefined && kind !== 'country' && key !== undefined
  const known = useSyncExternalStore(book.subscribe, () => (asks ? book.get(kind, key) : undefined))
  if (kind === 'country') return { text: countryText(String(value)), title: countryText(String(value)) }
  if (known === undefined) return undefined
  if (typeof known === 'string') return { text: known, title: known }
  if ('describe' in known) return { text: known.name, title: known.describe || known.name }
  return addressText(known)
}

/** The same beside a value, in small. */
export function NamedNote({
  of,
  value,
  proto,
}: {
  readonly of: string
  readonly value: KeyValue | undefined
  readonly proto?: KeyValue
}) {
  const named = useNamed(of, value, proto)
  return named === undefined || named.text === '' ? null : (
    <span className="dim small beside named" title={named.title}>
      {named.text}
    </span>
  )
}
