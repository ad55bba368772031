// A panel with a title, a note beside it, and what leads further at its end.
import { useId } from 'react'
import type { ReactNode } from 'react'

export interface CardProps {
  readonly title: ReactNode
  readonly note?: ReactNode
  readonly end?: ReactNode
  readonly foot?: ReactNode
  readonly className?: string
  readonly children: ReactNode
}

export function Card({ title, note, end, foot, className = '', children }: CardProps) {
  const id = useId()
  return (
    <section className={`card ${className}`} aria-labelledby={id}>
      <div className="card-head">
        <h2 id={id}>{title}</h2>
        {note === undefined ? null : <span className="card-note">{note}</span>}
        {end === undefined ? null : <span className="card-end">{end}</span>}
      </div>
      {children}
      {foot === undefined ? null : <div className="card-foot">{foot}</div>}
    </section>
  )
}
