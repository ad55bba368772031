// Which columns a list shows, and in which order. The choice is kept in the URL.
import { Popover } from '@mantine/core'
import { Columns3 } from 'lucide-react'
import { useState } from 'react'
import type { ColumnsAnswer } from '../../../src/api/contract/system.ts'
import { labelOf } from '../names/dimensions.ts'
import { ChipList } from '../parts/chip-list.tsx'

export interface ColumnsMenuProps {
  readonly all: ColumnsAnswer['columns']
  readonly shown: readonly string[]
  /** True if they were chosen, false if they are the usual ones. */
  readonly chosen: boolean
  readonly onChange: (columns: readonly string[]) => void
}

export function ColumnsMenu({ all, shown, chosen, onChange }: ColumnsMenuProps) {
  const [open, setOpen] = useState(false)
  const [typed, setTyped] = useState('')
  const found = all.filter(({ name, label, describe }) =>
    `${name} ${label} ${describe}`.toLowerCase().includes(typed.trim().toLowerCase()),
  )
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" trapFocus returnFocus withinPortal>
      <Popover.Target>
        <button type="button" className="link export-link" aria-expanded={open} onClick={() => setOpen(!open)}>
          <Columns3 size={13} aria-hidden="true" /> Columns
        </button>
      </Popover.Target>
      <Popover.Dropdown>
        <div className="columns-menu" role="group" aria-label="Columns">
          <ChipList label="Columns shown" items={shown} nameOf={labelOf} onChange={onChange} />
          <input
            className="field"
            data-autofocus
            aria-label="Find a column"
            placeholder="Find a column"
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
          <div className="columns-list">
            {found.map(({ name, describe }) => (
              <label key={name} title={describe}>
                <input
                  type="checkbox"
                  checked={shown.includes(name)}
                  onChange={(event) =>
                    onChange(event.currentTarget.checked ? [...shown, name] : shown.filter((other) => other !== name))
                  }
                />
                <span>{labelOf(name)}</span> <span className="dim small truncate">{describe}</span>
              </label>
            ))}
            {found.length === 0 ? <p className="dim small">No such column</p> : null}
          </div>
          <span className="row">
            <button
              type="button"
              className="button small-button"
              onClick={() =>
                onChange([...shown, ...all.map(({ name }) => name).filter((name) => !shown.includes(name))])
              }
            >
              All {all.length}
            </button>
            <button type="button" className="button small-button" disabled={!chosen} onClick={() => onChange([])}>
              The usual
            </button>
          </span>
        </div>
      </Popover.Dropdown>
    </Popover>
  )
}
