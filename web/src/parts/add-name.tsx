// A dashed chip that opens a list to choose one more name from; typing narrows the list, Enter takes its first.
import { Menu } from '@mantine/core'
import { Plus } from 'lucide-react'
import { useState } from 'react'

export interface AddNameProps {
  /** What is added: `dimension`, `column`. */
  readonly what: string
  readonly offered: readonly { readonly name: string; readonly label: string; readonly describe: string }[]
  readonly onAdd: (name: string) => void
  readonly disabled?: boolean
}

export function AddName({ what, offered, onAdd, disabled = false }: AddNameProps) {
  const [open, setOpen] = useState(false)
  const [typed, setTyped] = useState('')
  const found = offered.filter(({ name, label, describe }) =>
    `${name} ${label} ${describe}`.toLowerCase().includes(typed.trim().toLowerCase()),
  )
  const add = (name: string) => {
    onAdd(name)
    setOpen(false)
    setTyped('')
  }
  return (
    <Menu
      opened={open}
      onChange={setOpen}
      position="bottom-start"
      withinPortal
      onClose={() => setTyped('')}
      width={340}
      trapFocus
      returnFocus
    >
      <Menu.Target>
        <button type="button" className="chip add-chip" disabled={disabled}>
          <Plus size={13} aria-hidden="true" /> {what}
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <div style={{ padding: 4 }}>
          <input
            className="field"
            data-autofocus
            aria-label={`Find a ${what}`}
            placeholder={`Find a ${what}`}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && found[0]) add(found[0].name)
            }}
          />
        </div>
        <div style={{ maxHeight: 320, overflowY: 'auto' }}>
          {found.map(({ name, label, describe }) => (
            <Menu.Item key={name} onClick={() => add(name)} title={describe}>
              {label} <span className="dim small">{describe.split(/[.:;]/)[0]}</span>
            </Menu.Item>
          ))}
          {found.length === 0 ? (
            <p className="dim small" style={{ padding: 10 }}>
              No such {what}
            </p>
          ) : null}
        </div>
      </Menu.Dropdown>
    </Menu>
  )
}
