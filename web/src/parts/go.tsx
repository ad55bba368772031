// A link inside the console. The time that is shown goes along.
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'

export interface GoProps {
  readonly to: string
  readonly search?: Readonly<Record<string, string>>
  readonly className?: string
  readonly title?: string
  readonly label?: string
  readonly onClick?: () => void
  readonly children: ReactNode
}

export function Go({ to, search, className, title, label, onClick, children }: GoProps) {
  return (
    <Link
      to={to as never}
      search={(search ?? {}) as never}
      className={className}
      title={title}
      aria-label={label}
      onClick={(event) => {
        event.stopPropagation()
        onClick?.()
      }}
    >
      {children}
    </Link>
  )
}
