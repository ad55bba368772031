// What is on the screen as a file: the server writes it, and is told to stop if nobody waits for it any more.
import { Menu } from '@mantine/core'
import { ChevronDown, Download, X } from 'lucide-react'
import { useRef, useState } from 'react'
import { askForFile, problemFrom } from '../api/client.ts'
import type { FileFormat, FileQuestion } from '../api/client.ts'
import { bytesText } from '../figures/units.ts'
import { saveFile } from './save.ts'

export interface Exported extends FileQuestion {
  readonly name: string
  readonly describe: string
}

interface Format {
  readonly format: FileFormat
  readonly label: string
}

const FORMATS: readonly Format[] = [
  { format: 'csv', label: 'CSV' },
  { format: 'json', label: 'JSON' },
  { format: 'parquet', label: 'Parquet' },
]
/** A stream has no end to close a JSON list with. */
const STREAMED: readonly Format[] = [
  { format: 'csv', label: 'CSV' },
  { format: 'jsonl', label: 'JSON, one a line' },
  { format: 'parquet', label: 'Parquet' },
]

interface State {
  readonly text: string
  readonly busy: boolean
}

export function ExportMenu({ of }: { readonly of: readonly Exported[] }) {
  const [state, setState] = useState<State>()
  const stop = useRef<AbortController>(undefined)
  const start = async (what: Exported, format: FileFormat) => {
    const controller = new AbortController()
    stop.current = controller
    setState({ text: 'preparing the file', busy: true })
    try {
      const file = await askForFile(what, format, controller.signal, (bytes) =>
        setState({ text: bytesText(bytes), busy: true }),
      )
      saveFile(`vnetscope-${what.name}.${format}`, file)
      setState({ text: `saved ${bytesText(file.size)}`, busy: false })
    } catch (error) {
      setState({ text: controller.signal.aborted ? 'stopped' : problemFrom(error).title, busy: false })
    }
  }
  if (state?.busy)
    return (
      <span className="row" role="status">
        <span className="dim small">{state.text}…</span>
        <button type="button" className="link export-link" onClick={() => stop.current?.abort()}>
          <X size={12} aria-hidden="true" /> Cancel
        </button>
      </span>
    )
  return (
    <>
      <span className="dim small" role="status">
        {state?.text ?? ''}
      </span>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <button type="button" className="link export-link">
            <Download size={13} aria-hidden="true" /> Export <ChevronDown size={12} aria-hidden="true" />
          </button>
        </Menu.Target>
        <Menu.Dropdown>
          {of.map((what) => (
            <div key={what.name} role="group" aria-label={what.describe}>
              <Menu.Label>{what.describe}</Menu.Label>
              {(what.all === true ? STREAMED : FORMATS).map(({ format, label }) => (
                <Menu.Item key={format} onClick={() => void start(what, format)}>
                  {label}
                </Menu.Item>
              ))}
            </div>
          ))}
        </Menu.Dropdown>
      </Menu>
    </>
  )
}
