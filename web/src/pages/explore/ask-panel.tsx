// The question itself: filter, groups, metric, picture, how many.
import { Menu } from '@mantine/core'
import { ChevronDown, Plus, X } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import type { ReactNode } from 'react'
import { problemFrom } from '../../api/client.ts'
import { useColumns } from '../../api/system.ts'
import { labelOf, USUAL_DIMENSIONS } from '../../names/dimensions.ts'
import { CopyButton } from '../../parts/copy.tsx'
import { Segments } from '../../parts/segments.tsx'
import { TOPS } from '../../url/search.ts'
import type { View } from '../../url/search.ts'

const FilterEditor = lazy(() =>
  import('./filter-editor.tsx').then(({ FilterEditor: component }) => ({ default: component })),
)

const METRICS = [
  { value: 'bytes', label: 'bits/s' },
  { value: 'packets', label: 'packets/s' },
  { value: 'flows', label: 'flows/s' },
] as const
const CHARTS = [
  { value: 'stacked', label: 'Stacked' },
  { value: 'lines', label: 'Lines' },
  { value: 'sankey', label: 'Sankey' },
  { value: 'table', label: 'Table' },
] as const

export interface AskPanelProps {
  readonly view: View
  readonly change: (next: Partial<View>) => void
  readonly problem: unknown
  readonly provenance: ReactNode
}

export function AskPanel({ view, change, problem, provenance }: AskPanelProps) {
  const [draft, setDraft] = useState<{ readonly of: string; readonly text: string }>({
    of: view.filter,
    text: view.filter,
  })
  // A narrowed filter (by click, or by the browser's back) replaces what was typed.
  const text = draft.of === view.filter ? draft.text : view.filter
  const setText = (next: string) => setDraft({ of: view.filter, text: next })
  const run = (next = text) => change({ filter: next.trim() })
  const told = problem ? problemFrom(problem) : undefined
  return (
    <section className="card ask" aria-label="Question">
      <div className="ask-line">
        <Suspense
          fallback={
            // Not a field: what is typed into one would be lost to the editor that takes its place.
            <div className="filter-box" aria-busy="true">
              <div className="filter-plain">{text}</div>
            </div>
          }
        >
          <FilterEditor
            value={text}
            onChange={setText}
            onRun={run}
            {...(told?.position !== undefined && text === view.filter ? { told } : {})}
          />
        </Suspense>
        <CopyButton text={() => location.href} label="Share" className="wide-share" />
        <button type="button" className="button primary" onClick={() => run()}>
          Run{' '}
          <span style={{ opacity: 0.75 }} className="small" aria-hidden="true">
            ⌘↵
          </span>
        </button>
      </div>
      <div className="row">
        <span className="ask-label">Group by</span>
        {view.by.map((dimension) => (
          <Chip
            key={dimension}
            dimension={dimension}
            remove={() => change({ by: view.by.filter((other) => other !== dimension) })}
          />
        ))}
        <AddDimension view={view} change={change} />
        <span style={{ width: 8 }} />
        <span className="ask-label">Show</span>
        <Segments label="Metric" value={view.metric} options={METRICS} onChange={(metric) => change({ metric })} />
        <Segments label="Picture" value={view.chart} options={CHARTS} onChange={(chart) => change({ chart })} />
        <TopMenu view={view} change={change} />
        <span className="dim small" style={{ marginLeft: 'auto' }}>
          {provenance}
        </span>
      </div>
    </section>
  )
}

function Chip({ dimension, remove }: { readonly dimension: string; readonly remove: () => void }) {
  const label = labelOf(dimension)
  return (
    <span className="chip">
      {label}
      <button type="button" onClick={remove} aria-label={`Don't group by ${label}`}>
        <X size={12} aria-hidden="true" />
      </button>
    </span>
  )
}

function AddDimension({ view, change }: Pick<AskPanelProps, 'view' | 'change'>) {
  const columns = useColumns().data?.columns
  const [typed, setTyped] = useState('')
  const offered = (
    columns ?? USUAL_DIMENSIONS.map((name) => ({ name, label: labelOf(name), describe: '', dimension: true }))
  )
    .filter((column) => column.dimension && !view.by.includes(column.name))
    .filter((column) =>
      `${column.name} ${labelOf(column.name)} ${column.describe}`.toLowerCase().includes(typed.toLowerCase()),
    )
  const order = (name: string) => (USUAL_DIMENSIONS.includes(name) ? USUAL_DIMENSIONS.indexOf(name) : 1000)
  return (
    <Menu position="bottom-start" withinPortal onClose={() => setTyped('')} width={330}>
      <Menu.Target>
        <button
          type="button"
          className="chip"
          style={{ borderStyle: 'dashed', paddingRight: 10, color: 'var(--ink-2)' }}
          disabled={view.by.length >= 8}
        >
          <Plus size={13} aria-hidden="true" /> dimension
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <div style={{ padding: 4 }}>
          <input
            className="field"
            data-autofocus
            aria-label="Find a dimension"
            placeholder="Find a dimension"
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
        </div>
        <div style={{ maxHeight: 320, overflowY: 'auto' }}>
          {[...offered]
            .sort((a, b) => order(a.name) - order(b.name))
            .map((column) => (
              <Menu.Item
                key={column.name}
                onClick={() => change({ by: [...view.by, column.name] })}
                title={column.describe}
              >
                {labelOf(column.name)} <span className="dim small">{column.describe.split(/[.:;]/)[0]}</span>
              </Menu.Item>
            ))}
          {offered.length === 0 ? (
            <p className="dim small" style={{ padding: 10 }}>
              No such dimension
            </p>
          ) : null}
        </div>
      </Menu.Dropdown>
    </Menu>
  )
}

function TopMenu({ view, change }: Pick<AskPanelProps, 'view' | 'change'>) {
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <button type="button" className="button small-button" style={{ height: 30 }}>
          <span className="dim">top</span> {view.top} <ChevronDown size={13} aria-hidden="true" />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {TOPS.map((top) => (
          <Menu.Item key={top} onClick={() => change({ top })} aria-current={top === view.top || undefined}>
            {top}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
