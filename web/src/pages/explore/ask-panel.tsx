// The question itself: filter, groups, metric, picture, how many, beside what.
import { Menu } from '@mantine/core'
import { ChevronDown } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import type { ReactNode } from 'react'
import { problemFrom } from '../../api/client.ts'
import { isRough } from '../../api/rough.ts'
import { useColumns } from '../../api/system.ts'
import { labelOf, USUAL_DIMENSIONS } from '../../names/dimensions.ts'
import { AddName } from '../../parts/add-name.tsx'
import { ChipList } from '../../parts/chip-list.tsx'
import { Segments } from '../../parts/segments.tsx'
import { TOPS } from '../../url/search.ts'
import { useClock } from '../../time/clock.tsx'
import type { Unit, View } from '../../url/search.ts'
import type { Versus } from '../../time/span.ts'
import { withCommand } from '../../frame/keys.ts'
import { canShare, limitOf } from './asked.ts'
import { SavedMenu } from './saved-menu.tsx'
import { ShareMenu } from './share-menu.tsx'

const FilterEditor = lazy(() =>
  import('./filter-editor.tsx').then(({ FilterEditor: component }) => ({ default: component })),
)

const METRICS = [
  { value: 'bytes', label: 'bits/s' },
  { value: 'packets', label: 'packets/s' },
  { value: 'flows', label: 'flows/s' },
  { value: 'share', label: '% of link' },
] as const
const UNITS: readonly { readonly value: Unit; readonly label: string }[] = [
  { value: 'observed', label: 'as counted' },
  { value: 'l2', label: 'frames (L2)' },
  { value: 'l3', label: 'IP packets (L3)' },
]
const CHARTS = [
  { value: 'stacked', label: 'Stacked' },
  { value: 'lines', label: 'Lines' },
  { value: 'heat', label: 'Heat' },
  { value: 'sankey', label: 'Sankey' },
  { value: 'table', label: 'Table' },
  { value: 'distinct', label: 'Distinct' },
  { value: 'flows', label: 'Flows' },
] as const
const VERSUS: readonly { readonly value: Versus; readonly label: string }[] = [
  { value: 'none', label: 'nothing' },
  { value: 'before', label: 'previous period' },
  { value: 'day', label: 'a day before' },
  { value: 'week', label: 'a week before' },
]
const MOST_DIMENSIONS = 8
const MOST_COUNTED = 4

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
  const { span } = useClock()
  const isLong = isRough('top', span.kind === 'last' ? span.ms : span.to - span.from, false)
  const changed = text.trim() !== view.filter
  const source = <span className="dim small ask-source">{provenance}</span>
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
        <SavedMenu filter={text} onFilter={run} />
        <ShareMenu />
        <button type="button" className="button primary" onClick={() => run()} data-changed={changed || undefined}>
          Run{' '}
          <span style={{ opacity: 0.75 }} className="small key-hint" aria-hidden="true">
            {withCommand('↵')}
          </span>
        </button>
      </div>
      {view.chart === 'flows' ? null : (
        <div className="row ask-choices ask-over">
          <span className="row ask-group">
            <span className="ask-label">Group by</span>
            <ChipList label="Group by" items={view.by} nameOf={labelOf} onChange={(by) => change({ by })} />
            <AddDimension taken={view.by} most={MOST_DIMENSIONS} onAdd={(name) => change({ by: [...view.by, name] })} />
          </span>
          {view.chart === 'distinct' ? (
            <span className="row ask-group">
              <span className="ask-label">Count different</span>
              <ChipList
                label="Count different"
                items={view.of}
                nameOf={labelOf}
                onChange={(of) => change(of.length > 0 ? { of } : {})}
              />
              <AddDimension taken={view.of} most={MOST_COUNTED} onAdd={(name) => change({ of: [...view.of, name] })} />
            </span>
          ) : null}
          {isLong && view.chart !== 'distinct' ? (
            <label
              className="row ask-label exact-choice"
              title="Each rare address, port and system by itself; takes longer"
            >
              <input
                type="checkbox"
                checked={view.exact}
                onChange={(event) => change({ exact: event.currentTarget.checked })}
              />
              exact
            </label>
          ) : null}
          {source}
        </div>
      )}
      <div className="row ask-choices">
        <span className="row ask-group">
          <span className="ask-label">Show</span>
          {view.chart === 'flows' || view.chart === 'distinct' ? null : (
            <Segments
              label="Metric"
              value={view.metric}
              options={METRICS}
              onChange={(metric) =>
                // Which link it is a share of must be known.
                change({ metric, ...(metric === 'share' && !canShare(view.by) ? { by: ['exporter', 'out_if'] } : {}) })
              }
            />
          )}
          <Segments
            label="Picture"
            value={view.chart}
            options={CHARTS}
            onChange={(chart) =>
              // Each kind of table is sorted by columns of its own.
              change({ chart, ...(tableOf(chart) === tableOf(view.chart) ? {} : { sort: undefined }) })
            }
          />
        </span>
        {view.chart === 'flows' ? null : (
          <span className="row ask-group">
            <Choice
              label="top"
              value={limitOf(view)}
              options={TOPS.map((top) => ({ value: top, label: String(top) }))}
              onChange={(top) => change({ top })}
            />
            {view.metric === 'bytes' && view.chart !== 'distinct' ? (
              <Choice label="bits of" value={view.unit} options={UNITS} onChange={(unit) => change({ unit })} />
            ) : null}
            {view.chart === 'distinct' ? null : (
              <Choice label="vs" value={view.versus} options={VERSUS} onChange={(versus) => change({ versus })} />
            )}
          </span>
        )}
        {view.chart === 'flows' ? source : null}
      </div>
    </section>
  )
}

function tableOf(chart: View['chart']): 'flows' | 'distinct' | 'groups' {
  return chart === 'flows' || chart === 'distinct' ? chart : 'groups'
}

function AddDimension({
  taken,
  most,
  onAdd,
}: {
  readonly taken: readonly string[]
  readonly most: number
  readonly onAdd: (name: string) => void
}) {
  const columns = useColumns().data?.columns
  const offered = (columns ?? USUAL_DIMENSIONS.map((name) => ({ name, describe: '', dimension: true }))).filter(
    (column) => column.dimension && !taken.includes(column.name),
  )
  const order = (name: string) => (USUAL_DIMENSIONS.includes(name) ? USUAL_DIMENSIONS.indexOf(name) : 1000)
  return (
    <AddName
      what="dimension"
      disabled={taken.length >= most}
      offered={[...offered]
        .sort((a, b) => order(a.name) - order(b.name))
        .map(({ name, describe }) => ({ name, label: labelOf(name), describe }))}
      onAdd={onAdd}
    />
  )
}

function Choice<T extends string | number>({
  label,
  value,
  options,
  onChange,
}: {
  readonly label: string
  readonly value: T
  readonly options: readonly { readonly value: T; readonly label: string }[]
  readonly onChange: (value: T) => void
}) {
  const current = options.find((option) => option.value === value)
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <button type="button" className="button small-button choice" aria-label={`${label} ${current?.label ?? value}`}>
          <span className="dim">{label}</span> {current?.label ?? value} <ChevronDown size={13} aria-hidden="true" />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {options.map((option) => (
          <Menu.Item
            key={option.value}
            onClick={() => onChange(option.value)}
            aria-current={option.value === value || undefined}
          >
            {option.label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
