// One of a few, side by side: a radio group with arrow keys.
import { useEffect, useRef } from 'react'

export interface SegmentsProps<T extends string> {
  readonly label: string
  readonly value: T
  readonly options: readonly { readonly value: T; readonly label: string }[]
  readonly onChange: (value: T) => void
  readonly tight?: boolean
}

export function Segments<T extends string>({ label, value, options, onChange, tight }: SegmentsProps<T>) {
  const box = useRef<HTMLDivElement>(null)
  // On a narrow screen they are wider than it: the one that is chosen is to be seen.
  useEffect(() => {
    const chosen = box.current?.querySelector<HTMLElement>('[aria-checked=true]')
    if (!box.current || !chosen) return
    const { scrollLeft, clientWidth } = box.current
    const left = chosen.offsetLeft - box.current.offsetLeft
    if (left < scrollLeft || left + chosen.offsetWidth > scrollLeft + clientWidth)
      box.current.scrollLeft = left - (clientWidth - chosen.offsetWidth) / 2
  }, [value])
  const move = (by: number) => {
    const at = options.findIndex((option) => option.value === value)
    const next = options[(at + by + options.length) % options.length]
    if (!next) return
    onChange(next.value)
    box.current?.querySelectorAll('button')[options.indexOf(next)]?.focus()
  }
  return (
    <div className={`segments ${tight ? 'tight' : ''}`} role="radiogroup" aria-label={label} ref={box}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          role="radio"
          aria-checked={option.value === value}
          tabIndex={option.value === value ? 0 : -1}
          onClick={() => onChange(option.value)}
          onKeyDown={(event) => {
            const by =
              event.key === 'ArrowRight' || event.key === 'ArrowDown'
                ? 1
                : event.key === 'ArrowLeft' || event.key === 'ArrowUp'
                  ? -1
                  : 0
            if (by === 0) return
            event.preventDefault()
            move(by)
          }}
        >
          {option.label}
        </button>
      ))}
    </div>
  )
}
