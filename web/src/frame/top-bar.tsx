// Search, live, time and theme.
import { useIsFetching, useQueryClient } from '@tanstack/react-query'
import { Search } from 'lucide-react'
import { lazy, Suspense, useEffect, useState } from 'react'
import { useClock } from '../time/clock.tsx'
import { withCommand } from './keys.ts'
import { ThemeMenu } from './theme-menu.tsx'
import { TimePicker } from './time-picker.tsx'

const Palette = lazy(() => import('./palette.tsx').then(({ Palette: component }) => ({ default: component })))

export function TopBar() {
  const clock = useClock()
  const [open, setOpen] = useState(false)
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const slash =
        event.key === '/' &&
        !(event.target instanceof HTMLElement && event.target.closest('input, textarea, [contenteditable]'))
      if (slash || ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 'k')) {
        event.preventDefault()
        setOpen(true)
      }
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [])
  return (
    <header className="top">
      <button
        type="button"
        className="top-search"
        onClick={() => setOpen(true)}
        aria-label="Find a machine, VLAN, address"
        aria-keyshortcuts="Control+K Meta+K"
      >
        <span className="truncate">Find a machine, VLAN, address…</span>
        <Search size={15} aria-hidden="true" />
        <kbd>{withCommand('K')}</kbd>
      </button>
      <Waiting />
      <span className="top-space" />
      <button
        type="button"
        className="button"
        aria-pressed={clock.live}
        onClick={() => clock.setLive(!clock.live)}
        title={
          clock.live ? 'Answers are asked anew by themselves. Click to hold still.' : 'Click to follow the present.'
        }
      >
        <span className={`dot ${clock.live ? 'good' : ''}`} aria-hidden="true" />
        <span className={clock.live ? 'good' : 'dim'}>{clock.live ? 'Live' : 'Still'}</span>
      </button>
      <TimePicker />
      <ThemeMenu />
      {open ? (
        <Suspense fallback={null}>
          <Palette onClose={() => setOpen(false)} />
        </Suspense>
      ) : null}
    </header>
  )
}

/** A thin line while a new question is on its way, and a way to stop it, from 300 ms on. */
function Waiting() {
  const clock = useClock()
  const queries = useQueryClient()
  const fetching = useIsFetching({
    predicate: (query) => query.queryKey[0] === 'ask' && query.state.data === undefined,
  })
  const [late, setLate] = useState(false)
  const waiting = fetching > 0
  useEffect(() => {
    if (!waiting) return setLate(false)
    const timer = setTimeout(() => setLate(true), 300)
    return () => clearTimeout(timer)
  }, [waiting])
  if (!late) return null
  return (
    <>
      <div className="progress" role="progressbar" aria-label="Asking" />
      <button
        type="button"
        className="button small-button"
        onClick={() => {
          // Who stops a question doesn't want it asked again by itself.
          if (clock.live) clock.setLive(false)
          void queries.cancelQueries({ predicate: (query) => query.queryKey[0] === 'ask' })
        }}
      >
        Cancel
      </button>
    </>
  )
}
