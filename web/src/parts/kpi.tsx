import type { ReactNode } from 'react'
import { Go } from './go.tsx'

export interface KpiProps {
  readonly label: string
  readonly value: string
  readonly unit?: string
  readonly note?: ReactNode
  readonly state?: 'good' | 'warn' | 'bad' | undefined
  readonly to?: string
  readonly search?: Readonly<Record<string, string>>
}

export function Kpi({ label, value, unit, note, state, to, search }: KpiProps) {
  const inside = (
    <>
      <div className="kpi-label">{label}</div>
      <div className="kpi-figure">
        {value}
        {unit === undefined ? null : <small>{unit}</small>}
      </div>
      <div className={`kpi-note truncate ${state ?? ''}`}>{note ?? '\u00a0'}</div>
    </>
  )
  return to === undefined ? (
    <div className="kpi">{inside}</div>
  ) : (
    <Go to={to} {...(search ? { search } : {})} className="kpi">
      {inside}
    </Go>
  )
}
