// The question on the screen in another form: shown, and copied by a click.
import { Popover } from '@mantine/core'
import { useState } from 'react'
import { CopyButton } from '../../parts/copy.tsx'
import { Segments } from '../../parts/segments.tsx'

export interface AsCodeProps {
  /** What the button says. */
  readonly label: string
  readonly note: string
  /** The same for different times: `fixed` for what is shown. */
  readonly texts: readonly { readonly value: string; readonly label: string; readonly text: string }[]
}

export function AsCode({ label, note, texts }: AsCodeProps) {
  const [open, setOpen] = useState(false)
  const [chosen, setChosen] = useState('')
  const current = texts.find((text) => text.value === chosen) ?? texts[0]
  if (!current) return null
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" trapFocus returnFocus withinPortal>
      <Popover.Target>
        <button type="button" className="link" aria-expanded={open} onClick={() => setOpen(!open)}>
          {label}
        </button>
      </Popover.Target>
      <Popover.Dropdown>
        <div className="as-code" role="group" aria-label={label}>
          <div className="spread">
            <span className="dim small">{note}</span>
            {texts.length > 1 ? (
              <Segments label="Time" value={current.value} options={texts} onChange={setChosen} tight />
            ) : null}
          </div>
          <pre className="snippet">{current.text}</pre>
          <CopyButton text={current.text} label="Copy" />
        </div>
      </Popover.Dropdown>
    </Popover>
  )
}
