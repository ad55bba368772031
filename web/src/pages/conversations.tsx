// Who talks with whom: the largest pairs, or the flows themselves, newest first.
import { useNavigate, useSearch } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { useConversations } from '../api/questions.ts'
import type { Answered } from '../api/questions.ts'
import type { ConversationsAnswer } from '../../../src/api/contract/analysis.ts'
import { FlowList } from '../flows/flow-list.tsx'
import { countText, errorText, rateText, shareText, totalText } from '../figures/units.ts'
import { excluding, narrowed, termFor } from '../names/narrow.ts'
import { Answer, Provenance } from '../parts/answer.tsx'
import { Mirror } from '../parts/bars.tsx'
import { Card } from '../parts/card.tsx'
import { CopyButton } from '../parts/copy.tsx'
import { EndName } from '../parts/end-name.tsx'
import { Name } from '../parts/name.tsx'
import { useMachineIndex } from '../names/machine-index.ts'
import { Segments } from '../parts/segments.tsx'
import { NothingInSpan } from '../parts/states.tsx'
import { Head } from '../subject/head.tsx'
import { DataTable } from '../table/data-table.tsx'
import type { Column } from '../table/data-table.tsx'
import { toTsv } from '../table/text.ts'
import type { Cell } from '../table/text.ts'
import { namesIn, readSort, writeSort } from '../url/search.ts'
import { knownSeconds } from '../time/known.ts'

const FilterEditor = lazy(() =>
  import('./explore/filter-editor.tsx').then(({ FilterEditor: component }) => ({ default: component })),
)

const KINDS = [
  { value: 'pairs', label: 'Pairs' },
  { value: 'flows', label: 'Flows' },
] as const
const BY = ['vm', 'ip', 'service']

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
            ? 'both ends and the service, both ways in one row; the largest first'
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
function AddressBeside({ end }: { readonly end: End }) {
  const known = useMachineIndex().byAddress.has(String(end['ip']))
  return <span className="dim">{end['vm'] || known ? <Name of="ip" value={end['ip']} strong={false} /> : '–'}</span>
}

type End = ConversationsAnswer['rows'][number]['a']
type Pair = ConversationsAnswer['rows'][number]

const MOST_PAIRS = 500

function Pairs({
  filter,
  sort,
  set,
}: {
  readonly filter: string
  readonly sort: string | undefined
  readonly set: (next: Record<string, string>) => void
}) {
  const pairs = useConversations({ by: BY, filter, metric: 'bytes', limit: MOST_PAIRS })
  const data = pairs.data
  return (
    <Card
      title={data ? `${countText(data.rows.length)} of ${countText(data.groups)} pairs` : 'Pairs'}
      note="averages over the time shown; the end that sent more stands first"
      end={data ? <CopyButton className="link" label="copy table" text={() => toTsv(pairsText(data))} /> : undefined}
      foot={<Provenance of={pairs} />}
    >
      <Answer of={pairs} height={300}>
        {(answer) =>
          answer.rows.length === 0 ? (
            <NothingInSpan filtered={filter !== ''} />
          ) : (
            <DataTable
              label="Pairs"
              tall
              columns={pairColumns(answer)}
              rows={answer.rows}
              rowId={(row) => JSON.stringify([row.a, row.b, row.key])}
              sort={readSort(sort)}
              onSort={(next) => set({ sort: writeSort(next) })}
              onPick={(row) => set({ filter: pairFilter(filter, row), show: 'flows', sort: '' })}
            />
          )
        }
      </Answer>
    </Card>
  )
}

/** Keeps what went either way between the two ends. */
function pairFilter(filter: string, { a, b, key }: Pair): string {
  const between = ['ip', 'ip'].map((column, at) => termFor(column, (at === 0 ? a : b)[column]))
  return [narrowed(filter, ['service'], key), ...between].join(' and ')
}

function pairColumns(answer: Answered<ConversationsAnswer>): Column<Pair>[] {
  const scale = 8 / knownSeconds(answer)
  const most = Math.max(1, ...answer.rows.map((row) => Math.max(row.forth.bytes, row.back.bytes)))
  const text = (end: End) => String(end['vm'] || end['ip'])
  const end = (id: 'a' | 'b', head: string): Column<Pair>[] => [
    {
      id,
      head,
      value: (row) => text(row[id]),
      cell: (row) => <EndName vm={row[id]['vm']} address={row[id]['ip']} />,
    },
    {
      id: `${id}_ip`,
      wide: true,
      head: 'Address',
      value: (row) => String(row[id]['ip']),
      cell: (row) => <AddressBeside end={row[id]} />,
    },
  ]
  return [
    ...end('a', 'One end'),
    ...end('b', 'The other'),
    {
      id: 'service',
      head: 'Service',
      value: (row) => String(row.key['service']),
      cell: (row) => <Name of="service" value={row.key['service']} strong={false} />,
    },
    {
      id: 'forth',
      head: 'Forth',
      num: true,
      title: 'From the one end to the other',
      value: (row) => row.forth.bytes,
      cell: (row) => rateText('bytes', row.forth.bytes * scale),
    },
    { id: 'bars', head: '', cell: (row) => <Mirror left={row.forth.bytes / most} right={row.back.bytes / most} /> },
    {
      id: 'back',
      head: 'Back',
      num: true,
      value: (row) => row.back.bytes,
      cell: (row) => rateText('bytes', row.back.bytes * scale),
    },
    {
      id: 'error',
      wide: true,
      head: '± 95 %',
      num: true,
      title: 'What sampling leaves uncertain of both together',
      cell: (row) => (
        <span className="dim">{errorText(row.both.bytes, row.both.low, row.both.high).replace('± ', '')}</span>
      ),
    },
    {
      id: 'total',
      head: 'Total',
      num: true,
      value: (row) => row.both.bytes,
      cell: (row) => totalText('bytes', row.both.bytes),
    },
    {
      id: 'share',
      head: 'Share',
      num: true,
      value: (row) => row.both.bytes,
      cell: (row) => shareText(row.both.bytes / Math.max(1, answer.total.bytes)),
    },
  ]
}

function pairsText(answer: ConversationsAnswer): Cell[][] {
  const ends = (of: string) => answer.ends.map((name) => `${of}_${name}`)
  return [
    [...ends('a'), ...ends('b'), ...answer.shared, 'bytes_forth', 'bytes_back', 'packets_forth', 'packets_back'],
    ...answer.rows.map(({ a, b, key, forth, back }) => [
      ...answer.ends.map((name) => a[name]),
      ...answer.ends.map((name) => b[name]),
      ...answer.shared.map((name) => key[name]),
      ...[forth.bytes, back.bytes, forth.packets, back.packets].map(Math.round),
    ]),
  ]
}
