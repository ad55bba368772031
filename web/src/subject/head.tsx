// The head of a page about one thing: its name, what it is, and the way on.
import type { ReactNode } from 'react'
import { Go } from '../parts/go.tsx'

export function Head({
  title,
  note,
  filter,
  children,
}: {
  readonly title: string
  readonly note?: ReactNode
  readonly filter?: string
  readonly children?: ReactNode
}) {
  return (
    <div className="page-head">
      <h1>{title}</h1>
      {note === undefined ? null : <span className="dim">{note}</span>}
      {children}
      {filter === undefined ? null : (
        <span style={{ marginLeft: 'auto' }} className="row">
          <Go to="/conversations" search={{ filter }} className="link">
            Flows
          </Go>
          <Go to="/explore" search={{ filter, by: 'service' }} className="link">
            Open in Explore
          </Go>
        </span>
      )}
    </div>
  )
}
