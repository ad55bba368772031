// All that is known of one flow, beside the list. Up and down go on to its neighbours, Escape closes it.
import { ChevronDown, ChevronUp, X } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import type { FlowsAnswer, KeyValue } from '../../../src/api/contract/query.ts'
import type { ColumnsAnswer } from '../../../src/api/contract/system.ts'
import { useFlows } from '../api/questions.ts'
import { bytesText, countText, rateText } from '../figures/units.ts'
import { labelOf, valueText } from '../names/dimensions.ts'
import { Answer } from '../parts/answer.tsx'
import { CopyButton } from '../parts/copy.tsx'
import { NarrowButtons } from '../parts/narrow-buttons.tsx'
import type { Narrow } from '../parts/narrow-buttons.tsx'
import { Nothing } from '../parts/states.tsx'
import { useClock } from '../time/clock.tsx'
import { durationText } from '../time/zone.ts'
import { FlowCell } from './flow-cells.tsx'
import { isNarrowable, isTold, sameRow, whereOf } from './list.ts'
import type { FlowColumn, FlowRow } from './list.ts'

export interface FlowDrawerProps {
  readonly answer: FlowsAnswer
  readonly row: FlowRow
  readonly all: ColumnsAnswer['columns']
  readonly onStep: (by: number) => void
  readonly onClose: () => void
  readonly onNarrow: Narrow
}

/** Where a column stands in the drawer; what is in none stands at the end. */
const SECTIONS: readonly { readonly title: string; readonly columns: readonly string[] }[] = [
  {
    title: 'Who',
    columns: ['src_vm', 'dst_vm', 'src_host', 'dst_host', 'slice', 'locality', 'src_country', 'dst_country', 'counted'],
  },
  { title: 'How much', columns: ['bytes', 'packets', 'sampling_rate'] },
  {
    title: 'Network',
    columns: [
      ...['src_addr', 'src_port', 'dst_addr', 'dst_port', 'proto', 'tcp_flags', 'tos', 'ttl', 'icmp_type', 'icmp_code'],
      ...['next_hop', 'src_as', 'dst_as', 'src_mask', 'dst_mask', 'mpls_label'],
    ],
  },
  {
    title: 'Link',
    columns: [
      ...['src_mac', 'dst_mac', 'vlan_in', 'vlan_out', 's_vlan', 'ethertype', 'vni'],
      ...['tunnel', 'tunnel_src', 'tunnel_dst'],
    ],
  },
  {
    title: 'When and where seen',
    columns: [
      ...['time_received', 'time_start', 'time_end', 'exporter', 'protocol', 'observation', 'source_if'],
      ...['in_if', 'out_if', 'direction', 'forwarding_status', 'discard_reason'],
    ],
  },
]
const PLACED = new Set(SECTIONS.flatMap((section) => section.columns))
/** Enough for every flow of the same ends in one millisecond. */
const CANDIDATES = 200

export function FlowDrawer({ answer, row, all, onStep, onClose, onNarrow }: FlowDrawerProps) {
  const box = useRef<HTMLElement>(null)
  const before = useRef<Element>(null)
  const { from, filter } = whereOf(answer, row)
  const flow = useFlows({
    by: all.map((column) => column.name),
    filter,
    limit: CANDIDATES,
    span: { kind: 'between', from, to: from + 1 },
    enabled: all.length > 0,
  })
  useEffect(() => {
    before.current = document.activeElement
    box.current?.focus()
    return () => {
      if (before.current instanceof HTMLElement) before.current.focus()
    }
  }, [])
  return (
    <aside
      className="drawer"
      role="dialog"
      aria-label="Flow"
      tabIndex={-1}
      ref={box}
      onKeyDown={(event) => {
        const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
        if (event.key === 'Escape') onClose()
        else if (by !== 0) onStep(by)
        else return
        event.preventDefault()
      }}
    >
      <div className="drawer-head">
        <h2>Flow</h2>
        <span className="row">
          <button type="button" className="button icon small-button" aria-label="Flow above" onClick={() => onStep(-1)}>
            <ChevronUp size={14} aria-hidden="true" />
          </button>
          <button type="button" className="button icon small-button" aria-label="Flow below" onClick={() => onStep(1)}>
            <ChevronDown size={14} aria-hidden="true" />
          </button>
          <button type="button" className="button icon small-button" aria-label="Close" onClick={onClose}>
            <X size={14} aria-hidden="true" />
          </button>
        </span>
      </div>
      <Answer of={flow} height={400}>
        {(found) => {
          const cells = sameRow(answer, row, found)
          return cells === undefined ? (
            <Nothing>The store does not hold this flow any more.</Nothing>
          ) : (
            <Whole columns={found.columns} cells={cells} all={all} onNarrow={onNarrow} />
          )
        }}
      </Answer>
    </aside>
  )
}

function Whole({
  columns,
  cells,
  all,
  onNarrow,
}: {
  readonly columns: readonly FlowColumn[]
  readonly cells: readonly KeyValue[]
  readonly all: ColumnsAnswer['columns']
  readonly onNarrow: Narrow
}) {
  const [every, setEvery] = useState(false)
  const at = new Map(columns.map((column, index) => [column.name, { column, value: cells[index] ?? null }]))
  const rest = columns.map((column) => column.name).filter((name) => !PLACED.has(name))
  const untold = [...at.values()].filter(({ column, value }) => !isTold(column.name, value)).length
  const text = () => JSON.stringify(Object.fromEntries([...at].map(([name, { value }]) => [name, value])), undefined, 2)
  return (
    <div className="drawer-body">
      <Summary value={(name) => at.get(name)?.value ?? null} />
      {[...SECTIONS, { title: 'Further', columns: rest }].map(({ title, columns: names }) => {
        const shown = names.flatMap((name) => {
          const one = at.get(name)
          return one && (every || isTold(name, one.value)) ? [one] : []
        })
        return shown.length === 0 ? null : (
          <section key={title}>
            <h3>{title}</h3>
            <dl className="facts">
              {shown.map(({ column, value }) => (
                <Fact
                  key={column.name}
                  column={column}
                  value={value}
                  proto={at.get('proto')?.value ?? null}
                  describe={all.find((other) => other.name === column.name)?.describe}
                  onNarrow={onNarrow}
                />
              ))}
            </dl>
          </section>
        )
      })}
      <span className="row">
        <CopyButton text={text} label="Copy as JSON" />
        {untold > 0 ? (
          <button type="button" className="button small-button" onClick={() => setEvery(!every)}>
            {every ? 'Only what is told' : `${untold} more that tell nothing`}
          </button>
        ) : null}
      </span>
    </div>
  )
}

function Fact({
  column,
  value,
  proto,
  describe,
  onNarrow,
}: {
  readonly column: FlowColumn
  readonly value: KeyValue
  readonly proto: KeyValue
  readonly describe: string | undefined
  readonly onNarrow: Narrow
}) {
  const clock = useClock()
  return (
    <>
      <dt title={describe}>{labelOf(column.name)}</dt>
      <dd className="narrowable">
        <FlowCell column={column} value={value} zone={clock.zone} dated exact proto={proto} />
        {isNarrowable(column) ? <NarrowButtons of={column.name} value={value} narrow={onNarrow} /> : null}
      </dd>
    </>
  )
}

/** One line of what it was: who to whom, how much, how long, and for how much it stands. */
function Summary({ value }: { readonly value: (name: string) => KeyValue }) {
  const end = (side: 'src' | 'dst') => {
    const port = Number(value(`${side}_port`))
    const name = value(`${side}_vm`) || value(`${side}_addr`)
    return `${String(name)}${port > 0 ? `:${port}` : ''}`
  }
  const ms = Number(value('time_end')) - Number(value('time_start'))
  const [bytes, packets] = [Number(value('bytes')), Number(value('packets'))]
  const rate = Math.max(1, Number(value('sampling_rate')))
  return (
    <div className="drawer-summary">
      <p className="strong">
        {end('src')} → {end('dst')} <span className="dim">{valueText('proto', value('proto'))}</span>
      </p>
      <p className="dim">
        {bytesText(bytes)} in {countText(packets)} {packets === 1 ? 'packet' : 'packets'}
        {ms > 0 ? `, ${durationText(ms)}, ${rateText('bytes', (bytes * 8000) / ms)}` : ''}
        {rate > 1 ? `; stands for about ${bytesText(bytes * rate)} (1 in ${countText(rate)})` : ''}
      </p>
    </div>
  )
}
