// The stretch of time: one of the usual, typed in words, or between two moments.
import { Popover } from '@mantine/core'
import { ChevronDown, ChevronLeft, ChevronRight } from 'lucide-react'
import { useState } from 'react'
import { useClock } from '../time/clock.tsx'
import { boundsOf, parseDuration, parseSpan, PRESETS, spanText } from '../time/span.ts'
import type { Span } from '../time/span.ts'
import { momentText } from '../time/zone.ts'

export function TimePicker() {
  const clock = useClock()
  const [open, setOpen] = useState(false)
  const bounds = boundsOf(clock.span, clock.now())
  const choose = (span: Span) => {
    clock.setSpan(span)
    setOpen(false)
  }
  const shift = (by: number) => {
    const width = bounds.to - bounds.from
    const to = Math.min(clock.now(), bounds.to + by * width)
    clock.setSpan({ kind: 'between', from: to - width, to })
  }
  return (
    <span className="row" style={{ gap: 4, flexWrap: 'nowrap' }}>
      <button type="button" className="button icon wide" aria-label="Earlier" title="Earlier" onClick={() => shift(-1)}>
        <ChevronLeft size={15} aria-hidden="true" />
      </button>
      <Popover opened={open} onChange={setOpen} position="bottom-end" trapFocus returnFocus withinPortal>
        <Popover.Target>
          <button
            type="button"
            className="button"
            onClick={() => setOpen(!open)}
            aria-label={`Time shown: ${spanText(clock.span, clock.now(), clock.zone)}`}
          >
            <span className="truncate" style={{ maxWidth: 300 }}>
              {spanText(clock.span, clock.now(), clock.zone)}
            </span>
            <ChevronDown size={14} aria-hidden="true" />
          </button>
        </Popover.Target>
        <Popover.Dropdown>
          <Panel choose={choose} />
        </Popover.Dropdown>
      </Popover>
      <button
        type="button"
        className="button icon wide"
        aria-label="Later"
        title="Later"
        disabled={clock.span.kind === 'last'}
        onClick={() => shift(1)}
      >
        <ChevronRight size={15} aria-hidden="true" />
      </button>
    </span>
  )
}

function Panel({ choose }: { readonly choose: (span: Span) => void }) {
  const clock = useClock()
  const [typed, setTyped] = useState('')
  const read = typed.trim() === '' ? undefined : parseSpan(typed, clock.now(), clock.zone)
  const wrong = typed.trim() !== '' && read === undefined
  const bounds = read ? boundsOf(read, clock.now()) : boundsOf(clock.span, clock.now())
  return (
    <form
      style={{ width: 300, display: 'grid', gap: 10 }}
      onSubmit={(event) => {
        event.preventDefault()
        if (read) choose(read)
      }}
    >
      <input
        className="field"
        data-autofocus
        aria-label="Time in words"
        aria-invalid={wrong}
        placeholder="yesterday 14:00 to 16:00"
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
      />
      <p className={`small ${wrong ? 'bad' : 'dim'}`} role="status">
        {wrong
          ? 'Not understood. Try “6h”, “since 09:00”, “monday 10:00 to 12:00”, “2026-11-20 to 2026-11-21”.'
          : `${momentText(bounds.from, clock.zone)} to ${momentText(bounds.to, clock.zone)}${clock.zone === 'utc' ? ' UTC' : ''}`}
      </p>
      <div style={{ display: 'grid', gridTemplateColumns: '1fr 1fr', gap: 4 }}>
        {PRESETS.map((code) => {
          const span: Span = { kind: 'last', ms: parseDuration(code) ?? 3_600_000 }
          const current = clock.span.kind === 'last' && clock.span.ms === span.ms
          return (
            <button
              key={code}
              type="button"
              className="button small-button"
              aria-current={current || undefined}
              style={current ? { color: 'var(--accent-text)', background: 'var(--accent-soft)' } : undefined}
              onClick={() => choose(span)}
            >
              {spanText(span, 0, clock.zone)}
            </button>
          )
        })}
      </div>
      <button type="submit" className="button primary" disabled={!read} style={{ justifyContent: 'center' }}>
        Show
      </button>
    </form>
  )
}
