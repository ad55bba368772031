// Who talks with whom: the largest pairs, or the flows themselves, newest first.
import { useNavigate, useSearch } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { useTop } from '../api/questions.ts'
import type { KeyValue, Row } from '../../../src/api/contract/query.ts'
import { FlowList } from '../flows/flow-list.tsx'
import { countText, errorText, rateText, shareText, totalText } from '../figures/units.ts'
import { excluding, narrowed } from '../names/narrow.ts'
import { Answer, Provenance } from '../parts/answer.tsx'
import { Bar } from '../parts/bars.tsx'
import { Card } from '../parts/card.tsx'
import { EndName } from '../parts/end-name.tsx'
import { Name } from '../parts/name.tsx'
import { useMachineIndex } from '../names/machine-index.ts'
import { Segments } from '../parts/segments.tsx'
import { NothingInSpan } from '../parts/states.tsx'
import { Head } from '../subject/head.tsx'
import { DataTable } from '../table/data-table.tsx'
import type { Column } from '../table/data-table.tsx'
import { namesIn, readSort, writeSort } from '../url/search.ts'

const FilterEditor = lazy(() =>
  import('./explore/filter-editor.tsx').then(({ FilterEditor: component }) => ({ default: component })),
)

const KINDS = [
  { value: 'pairs', label: 'Pairs' },
  { value: 'flows', label: 'Flows' },
] as const
const BY = ['src_vm', 'src_addr', 'dst_vm', 'dst_addr', 'service']

export function Conversations() {
  const search = useSearch({ strict: false }) as Record<string, string>
  const navigate = useNavigate()
  const filter = search['filter'] ?? ''
  const kind = search['show'] === 'flows' ? 'flows' : 'pairs'
  const set = (next: Record<string, string>) =>
    void navigate({ to: '.', search: ((was: object) => ({ ...was, ...next })) as never })
  const [draft, setDraft] = useState({ of: filter, text: filter })
  const text = draft.of === filter ? draft.text : filter
  return (
    <>
      <Head
        title="Conversations"
        note={
          kind === 'pairs'
            ? 'sender, receiver and service; the largest first'
            : 'as the exporters told them; the newest first'
        }
      />
      <section className="card ask" aria-label="Question">
        <div className="ask-line">
          <Suspense fallback={<div className="filter-box" />}>
            <FilterEditor
              value={text}
              onChange={(next) => setDraft({ of: filter, text: next })}
              onRun={(next) => set({ filter: next.trim() })}
            />
          </Suspense>
          <Segments
            label="Show"
            value={kind}
            options={KINDS}
            onChange={(next) => set({ show: next === 'pairs' ? '' : next, sort: '' })}
          />
        </div>
      </section>
      {kind === 'pairs' ? (
        <Pairs filter={filter} sort={search['sort']} set={set} />
      ) : (
        <FlowList
          filter={filter}
          columns={namesIn(search['columns'])}
          sort={readSort(search['sort'])}
          onColumns={(columns) => set({ columns: columns.join(',') })}
          onSort={(sort) => set({ sort: writeSort(sort) })}
          onNarrow={(column, value, keep) =>
            set({ filter: (keep ? narrowed : excluding)(filter, [column], { [column]: value }) })
          }
          foot={(flows) => <Provenance of={flows} />}
        />
      )}
    </>
  )
}

/** The address of a machine; an end without a name shows its address as the name already. */
function AddressBeside({ vm, address }: { readonly vm: KeyValue | undefined; readonly address: KeyValue | undefined }) {
  const known = useMachineIndex().byAddress.has(String(address))
  return <span className="dim">{vm || known ? <Name of="ip" value={address} strong={false} /> : '–'}</span>
}

function Pairs({
  filter,
  sort,
  set,
}: {
  readonly filter: string
  readonly sort: string | undefined
  readonly set: (next: Record<string, string>) => void
}) {
  const top = useTop({ by: BY, filter, metric: 'bytes', limit: 500 })
  return (
    <Card
      title={top.data ? `${countText(top.data.rows.length)} of ${countText(top.data.groups)} pairs` : 'Pairs'}
      note="average over the time shown"
      foot={<Provenance of={top} />}
    >
      <Answer of={top} height={300}>
        {(data) => {
          if (data.rows.length === 0) return <NothingInSpan filtered={filter !== ''} />
          const scale = 8 / Math.max(1, (data.bounds.to - data.bounds.from) / 1000)
          const most = Math.max(1, ...data.rows.map((row) => row.bytes))
          const end = (row: Row, side: 'src' | 'dst') => String(row.key[`${side}_vm`] || row.key[`${side}_addr`])
          const columns: Column<Row>[] = [
            {
              id: 'src',
              head: 'From',
              value: (row) => end(row, 'src'),
              cell: (row) => <EndName vm={row.key['src_vm']} address={row.key['src_addr']} />,
            },
            {
              id: 'src_addr',
              wide: true,
              head: 'Address',
              value: (row) => String(row.key['src_addr']),
              cell: (row) => <AddressBeside vm={row.key['src_vm']} address={row.key['src_addr']} />,
            },
            {
              id: 'dst',
              head: 'To',
              value: (row) => end(row, 'dst'),
              cell: (row) => <EndName vm={row.key['dst_vm']} address={row.key['dst_addr']} />,
            },
            {
              id: 'dst_addr',
              wide: true,
              head: 'Address',
              value: (row) => String(row.key['dst_addr']),
              cell: (row) => <AddressBeside vm={row.key['dst_vm']} address={row.key['dst_addr']} />,
            },
            {
              id: 'service',
              head: 'Service',
              value: (row) => String(row.key['service']),
              cell: (row) => String(row.key['service']),
            },
            {
              id: 'average',
              head: 'Average',
              num: true,
              value: (row) => row.bytes,
              cell: (row) => rateText('bytes', row.bytes * scale),
            },
            {
              id: 'error',
              wide: true,
              head: '± 95 %',
              num: true,
              cell: (row) => <span className="dim">{errorText(row.bytes, row.low, row.high).replace('± ', '')}</span>,
            },
            {
              id: 'packets',
              wide: true,
              head: 'Packets',
              num: true,
              value: (row) => row.packets,
              cell: (row) => totalText('packets', row.packets),
            },
            {
              id: 'total',
              head: 'Total',
              num: true,
              value: (row) => row.bytes,
              cell: (row) => totalText('bytes', row.bytes),
            },
            {
              id: 'share',
              head: 'Share',
              num: true,
              value: (row) => row.bytes,
              cell: (row) => shareText(row.bytes / Math.max(1, data.total.bytes)),
            },
            { id: 'bar', head: '', cell: (row) => <Bar share={row.bytes / most} /> },
          ]
          return (
            <DataTable
              label="Pairs"
              tall
              columns={columns}
              rows={data.rows}
              rowId={(row) => JSON.stringify(row.key)}
              sort={readSort(sort)}
              onSort={(next) => set({ sort: writeSort(next) })}
              onPick={(row) =>
                set({ filter: narrowed(filter, ['src_addr', 'dst_addr', 'service'], row.key), show: 'flows', sort: '' })
              }
            />
          )
        }}
      </Answer>
    </Card>
  )
}
