// Names in an order that can be changed: by dragging, or by Alt and the arrow keys; Delete takes one away.
import { X } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import type { KeyboardEvent } from 'react'
import { moved, placeAt } from './order.ts'

export interface ChipListProps {
  /** What the list is of, for screen readers. */
  readonly label: string
  readonly items: readonly string[]
  readonly nameOf: (item: string) => string
  readonly onChange: (items: readonly string[]) => void
}

/** A click that trembles is not a drag. */
const STILL = 4

interface Drag {
  readonly item: string
  readonly startX: number
  readonly startY: number
  readonly order: readonly string[]
  readonly moving: boolean
}

export function ChipList({ label, items, nameOf, onChange }: ChipListProps) {
  const box = useRef<HTMLSpanElement>(null)
  const [drag, setDrag] = useState<Drag>()
  const [said, setSaid] = useState('')
  const shown = drag?.order ?? items
  const chips = () => [...(box.current?.querySelectorAll<HTMLElement>('[data-chip]') ?? [])]
  const focus = (at: number) => requestAnimationFrame(() => chips()[at]?.focus())

  const drop = (at: number) => {
    setSaid(`${nameOf(items[at] ?? '')} removed`)
    onChange(items.filter((_, other) => other !== at))
    focus(Math.min(at, items.length - 2))
  }
  const onKey = (event: KeyboardEvent<HTMLElement>, at: number) => {
    if (event.target !== event.currentTarget) return
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    if (by !== 0) {
      event.preventDefault()
      const to = at + by
      if (!event.altKey) {
        focus(to)
        return
      }
      const next = moved(items, at, to)
      if (next === items) return
      setSaid(`${nameOf(items[at] ?? '')} is now ${to + 1} of ${items.length}`)
      onChange(next)
      focus(to)
    } else if (event.key === 'Delete' || event.key === 'Backspace') {
      event.preventDefault()
      drop(at)
    }
  }
  const move = (event: PointerEvent) => {
    if (!drag) return
    const far = Math.abs(event.clientX - drag.startX) + Math.abs(event.clientY - drag.startY) > STILL
    if (!drag.moving && !far) return
    const from = drag.order.indexOf(drag.item)
    const to = placeAt(
      chips().map((chip) => chip.getBoundingClientRect()),
      from,
      event.clientX,
      event.clientY,
    )
    setDrag({ ...drag, moving: true, order: to === undefined ? drag.order : moved(drag.order, from, to) })
  }
  const finish = () => {
    if (drag?.moving && drag.order.join() !== items.join()) onChange(drag.order)
    setDrag(undefined)
  }
  const hand = useRef({ move, finish })
  hand.current = { move, finish }
  const dragging = drag !== undefined
  useEffect(() => {
    if (!dragging) return
    // On the window: a chip that changes its place in the page loses the pointer that it had captured.
    const listeners = new AbortController()
    const on = <K extends keyof WindowEventMap>(type: K, hear: (event: WindowEventMap[K]) => void) =>
      window.addEventListener(type, hear, { signal: listeners.signal })
    on('pointermove', (event) => hand.current.move(event))
    on('pointerup', () => hand.current.finish())
    on('pointercancel', () => setDrag(undefined))
    on('blur', () => setDrag(undefined))
    on('keydown', (event) => {
      if (event.key === 'Escape') setDrag(undefined)
    })
    return () => listeners.abort()
  }, [dragging])

  return (
    <span className="row chips" role="list" aria-label={label} ref={box}>
      {shown.map((item, at) => (
        <span
          key={item}
          data-chip={item}
          role="listitem"
          aria-label={nameOf(item)}
          tabIndex={0}
          className={`chip movable ${drag?.moving && drag.item === item ? 'moving' : ''}`}
          title="Drag, or Alt and arrow keys, to change the order; Delete to remove"
          aria-keyshortcuts="Alt+ArrowLeft Alt+ArrowRight Delete"
          onKeyDown={(event) => onKey(event, at)}
          onPointerDown={(event) => {
            if (event.button !== 0 || (event.target as HTMLElement).closest('button')) return
            setDrag({ item, startX: event.clientX, startY: event.clientY, order: items, moving: false })
          }}
        >
          {nameOf(item)}
          <button type="button" tabIndex={-1} onClick={() => drop(at)} aria-label={`Remove ${nameOf(item)}`}>
            <X size={12} aria-hidden="true" />
          </button>
        </span>
      ))}
      <span className="sr" role="status">
        {said}
      </span>
    </span>
  )
}
