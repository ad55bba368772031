// Beside a value of a table: keep only it, or leave it out. Seen when the pointer or the focus is on its row.
import { Minus, Plus } from 'lucide-react'
import type { MouseEvent } from 'react'
import { valueText } from '../names/dimensions.ts'
import type { KeyValue } from '../../../src/api/contract/query.ts'

export type Narrow = (column: string, value: KeyValue, keep: boolean) => void

export function NarrowButtons({
  of,
  value,
  narrow,
}: {
  readonly of: string
  readonly value: KeyValue
  readonly narrow: Narrow
}) {
  const text = valueText(of, value)
  const act = (keep: boolean) => (event: MouseEvent) => {
    event.stopPropagation()
    narrow(of, value, keep)
  }
  return (
    <span className="narrow-buttons">
      <button type="button" tabIndex={-1} title={`Only ${text}`} aria-label={`Only ${text}`} onClick={act(true)}>
        <Plus size={12} aria-hidden="true" />
      </button>
      <button type="button" tabIndex={-1} title={`Without ${text}`} aria-label={`Without ${text}`} onClick={act(false)}>
        <Minus size={12} aria-hidden="true" />
      </button>
    </span>
  )
}
