// The span a page shows, whether it follows the present, and the viewer's zone.
import { useNavigate, useSearch } from '@tanstack/react-router'
import { createContext, use, useCallback, useMemo, useState } from 'react'
import type { ReactNode } from 'react'
import { useHealth } from '../api/system.ts'
import { spanOf, spanSearch } from '../url/search.ts'
import type { Search } from '../url/search.ts'
import type { Span } from './span.ts'
import type { Zone } from './zone.ts'

export interface Clock {
  readonly span: Span
  /** True if the URL names the span; otherwise it follows how much there is to show. */
  readonly chosen: boolean
  /** True if the URL names a span that makes no sense, so that another is shown. */
  readonly misread: boolean
  readonly live: boolean
  readonly zone: Zone
  /** The server's time, in milliseconds. */
  now(): number
  setSpan(span: Span): void
  setLive(live: boolean): void
  setZone(zone: Zone): void
}

const ClockContext = createContext<Clock | undefined>(undefined)

export function useClock(): Clock {
  const clock = use(ClockContext)
  if (!clock) throw new TypeError('useClock is used outside of ClockProvider')
  return clock
}

function stored(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return null
  }
}

function store(name: string, value: string): void {
  try {
    localStorage.setItem(name, value)
  } catch {
    // Without storage a choice lasts as long as the page.
  }
}

/** With minutes of data an hour would be an empty picture: start with what there is, up to an hour. */
export function usualSpan(oldest: number | null | undefined, now: number): Span {
  const held = oldest === null || oldest === undefined ? Infinity : now - oldest
  return { kind: 'last', ms: held < 6 * 60_000 ? 5 * 60_000 : held < 20 * 60_000 ? 15 * 60_000 : 60 * 60_000 }
}

export function ClockProvider({ children }: { readonly children: ReactNode }) {
  const search = useSearch({ strict: false }) as Search
  const navigate = useNavigate()
  const health = useHealth()
  const [live, setLiveState] = useState(stored('vnetscope-live') !== 'off')
  const [zone, setZoneState] = useState<Zone>(stored('vnetscope-zone') === 'utc' ? 'utc' : 'local')
  const skew = health.data?.skew ?? 0
  const oldest = health.data?.store.oldest
  const known = health.data !== undefined
  const now = useCallback(() => Date.now() + skew, [skew])
  const { last, from, to } = search
  const chosen = useMemo(() => spanOf({ last: last ?? '', from: from ?? '', to: to ?? '' }), [last, from, to])
  const usualMs = useUsualMs(known, oldest, now)
  const span = useMemo<Span>(() => chosen ?? { kind: 'last', ms: usualMs }, [chosen, usualMs])

  const clock = useMemo<Clock>(
    () => ({
      span,
      chosen: chosen !== undefined,
      misread: chosen === undefined && [last, from, to].some((text) => text !== undefined && text !== ''),
      live: live && span.kind === 'last',
      zone,
      now,
      setSpan: (next) =>
        void navigate({ to: '.', search: ((was: Search) => ({ ...was, ...spanSearch(next) })) as never }),
      setLive: (next) => {
        store('vnetscope-live', next ? 'on' : 'off')
        setLiveState(next)
        if (next && span.kind === 'between')
          void navigate({ to: '.', search: ((was: Search) => ({ ...was, last: '', from: '', to: '' })) as never })
      },
      setZone: (next) => {
        store('vnetscope-zone', next)
        setZoneState(next)
      },
    }),
    [span, chosen, last, from, to, live, zone, now, navigate],
  )
  return <ClockContext value={clock}>{children}</ClockContext>
}

/** The usual span only grows by itself while the page is open, so that nothing jumps back. */
function useUsualMs(known: boolean, oldest: number | null | undefined, now: () => number): number {
  const usual = usualSpan(known ? (oldest ?? Date.now()) : undefined, now())
  return usual.kind === 'last' ? usual.ms : 60 * 60_000
}
