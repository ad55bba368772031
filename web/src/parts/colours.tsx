// Which colour each thing on the screen has. Kept for the life of the page; a reload begins again from the hash.
import { useComputedColorScheme } from '@mantine/core'
import { createContext, use, useMemo, useState } from 'react'
import type { ReactNode } from 'react'
import { assignColours, colourOf } from '../figures/colours.ts'
import type { Scheme } from '../figures/colours.ts'
import { kindOf } from '../names/dimensions.ts'
import type { Key } from '../names/dimensions.ts'

const Book = createContext<Map<string, number>>(new Map())

export function ColourBook({ children }: { readonly children: ReactNode }) {
  const [book] = useState(() => new Map<string, number>())
  return <Book value={book}>{children}</Book>
}

export function useScheme(): Scheme {
  return useComputedColorScheme('light')
}

const LOCALITY_SLOTS: Readonly<Record<string, number>> = {
  intra_host: 0,
  inter_host: 1,
  vm_physical: 2,
  vm_external: 3,
  external: 6,
}

/** A machine is the same thing as sender and as receiver, so it has one colour. */
export function colourId(columns: readonly string[], key: Key): string {
  return columns
    .map((column) => `${kindOf(column) === 'plain' ? column : kindOf(column)}=${String(key[column] ?? '')}`)
    .join('|')
}

export type Paint = (key: Key) => string

/** Colours for keys that are shown together, the most important first; others get the grey of "other". */
export function usePaint(columns: readonly string[], keys: readonly Key[]): Paint {
  const book = use(Book)
  const scheme = useScheme()
  const ids = keys.map((key) => colourId(columns, key)).join('\n')
  return useMemo(() => {
    const given = assignColours(ids === '' ? [] : ids.split('\n'), book)
    for (const [id, slot] of given) book.set(id, slot)
    const only = columns.length === 1 ? columns[0] : undefined
    const whole = columns.length === 0
    return (key: Key) => {
      if (whole) return colourOf(0, scheme)
      if (only === 'way') return colourOf(key[only] === 'out' ? 0 : 1, scheme)
      if (only === 'locality') return colourOf(LOCALITY_SLOTS[String(key[only])], scheme)
      return colourOf(given.get(colourId(columns, key)), scheme)
    }
    // The ids stand for keys and columns alike.
  }, [ids, book, scheme, columns])
}
