// The table of what the picture draws. A row narrows the question to itself.
import { useMemo } from 'react'
import type { ReactNode } from 'react'
import type { SeriesAnswer } from '../../../../src/api/contract/query.ts'
import type { Answered } from '../../api/questions.ts'
import { wholeBuckets } from '../../chart/layers.ts'
import { changeText, countText, errorText, rateText, shareText, totalText } from '../../figures/units.ts'
import { labelOf } from '../../names/dimensions.ts'
import type { Key } from '../../names/dimensions.ts'
import { Bar } from '../../parts/bars.tsx'
import { Card } from '../../parts/card.tsx'
import { usePaint } from '../../parts/colours.tsx'
import { CopyButton } from '../../parts/copy.tsx'
import { Name } from '../../parts/name.tsx'
import { NarrowButtons } from '../../parts/narrow-buttons.tsx'
import type { Narrow } from '../../parts/narrow-buttons.tsx'
import { DataTable } from '../../table/data-table.tsx'
import type { Column } from '../../table/data-table.tsx'
import { toTsv } from '../../table/text.ts'
import { useClock } from '../../time/clock.tsx'
import { knownSeconds } from '../../time/known.ts'
import { durationText, momentText } from '../../time/zone.ts'
import type { View } from '../../url/search.ts'
import type { Acts } from './acts.ts'
import { changeOf, groupsOf, groupsTable } from './groups.ts'
import type { Group, Over } from './groups.ts'

export interface GroupsTableProps {
  readonly answer: Answered<SeriesAnswer>
  readonly view: View
  readonly change: (next: Partial<View>) => void
  readonly acts: Acts
  /** True while another question is on its way. */
  readonly ofBefore: boolean
  /** What leads further, at the end of the head. */
  readonly end: ReactNode
}

export function GroupsTable({ answer, view, change, acts, ofBefore, end }: GroupsTableProps) {
  const { columns } = answer
  const groups = useMemo(() => groupsOf(answer, view.metric, overOf(answer)), [answer, view.metric])
  const named = useMemo(() => groups.filter((group) => !group.other), [groups])
  const other = useMemo(() => groups.filter((group) => group.other), [groups])
  const coloured = useMemo(() => colouredBy(view.chart, columns), [view.chart, columns])
  const paint = usePaint(
    coloured ?? columns,
    useMemo(
      () => named.slice(0, coloured?.length === columns.length ? 7 : undefined).map(({ key }) => key),
      [named, coloured, columns],
    ),
  )
  const { zone } = useClock()
  const notes = [
    ...(other.length > 0 ? ['and the rest as one'] : []),
    ...(answer.known.from - answer.bounds.from > answer.step * 1000
      ? [`averages since ${momentText(answer.known.from, zone)}, as nothing is kept of before`]
      : []),
  ]
  const exported = () => groupsTable(columns, groups, view.metric)
  const narrow: Narrow = (column, value, keep) => (keep ? acts.keep : acts.drop)([column], { [column]: value })
  return (
    <Card
      title={columns.length === 0 ? 'All traffic' : groupsText(named.length, answer.groups)}
      note={notes.length > 0 ? notes.join('; ') : undefined}
      className={ofBefore ? 'of-before' : ''}
      end={
        <span className="row">
          <CopyButton className="link" label="copy table" text={() => toTsv(exported())} />
          {end}
        </span>
      }
    >
      <DataTable
        label="Groups"
        columns={tableColumns(
          columns,
          view,
          coloured === undefined ? undefined : paint,
          Math.max(0.0001, ...named.map((group) => group.share)),
          durationText(answer.step * 1000),
          narrow,
        )}
        rows={named}
        last={other}
        rowId={(group) => group.id}
        sort={view.sort}
        onSort={(sort) => change({ sort })}
        {...(columns.length === 0
          ? {}
          : {
              onPick: (group: Group) => acts.keep(columns, group.key),
              onDrop: (group: Group) => acts.drop(columns, group.key),
            })}
        faint={(group) => group.other}
      />
    </Card>
  )
}

function overOf(answer: Answered<SeriesAnswer>): Over {
  const { bounds } = answer
  return {
    seconds: knownSeconds(answer),
    whole: (bounds.to - bounds.from) / 1000,
    ...wholeBuckets(answer),
  }
}

/** The dimensions whose values have colours in the picture beside; none have where it is darker or lighter only. */
function colouredBy(chart: View['chart'], columns: readonly string[]): readonly string[] | undefined {
  if (chart === 'heat' || chart === 'table') return undefined
  return chart === 'sankey' && columns.length >= 2 ? columns.slice(0, 1) : columns
}

function groupsText(shown: number, all: number): string {
  const word = all === 1 ? 'group' : 'groups'
  return all > shown ? `${countText(shown)} of ${countText(all)} ${word}` : `${countText(shown)} ${word}`
}

function tableColumns(
  columns: readonly string[],
  view: View,
  paint: ((key: Key) => string) | undefined,
  most: number,
  every: string,
  narrow: Narrow,
): Column<Group>[] {
  const { metric } = view
  const rate = (value: number | null) => rateText(metric, value)
  const dimensions = columns.map((column, at): Column<Group> => ({
    id: column,
    head: labelOf(column),
    value: (group) => {
      const value = group.key[column]
      return typeof value === 'number' ? value : String(value ?? '')
    },
    cell: (group) => (
      <span className="cell-name narrowable" style={{ display: 'inline-flex', alignItems: 'center' }}>
        {at === 0 && paint ? (
          <span
            className="swatch"
            style={{ background: group.other ? 'var(--other)' : paint(group.key) }}
            aria-hidden="true"
          />
        ) : null}
        {group.other ? (
          at === 0 ? (
            'other'
          ) : (
            ''
          )
        ) : (
          <>
            <span className="truncate">
              <Name of={column} value={group.key[column]} strong={at === 0} />
            </span>
            <NarrowButtons of={column} value={group.key[column] ?? null} narrow={narrow} />
          </>
        )}
      </span>
    ),
  }))
  return [
    ...(columns.length === 0
      ? [{ id: 'all', head: '', cell: () => <span className="strong">all traffic</span> }]
      : dimensions),
    {
      id: 'average',
      head: 'Average',
      num: true,
      value: (group) => group.average,
      cell: (group) =>
        metric === 'share' && group.average === null && !group.other ? (
          <span className="dim">speed not told</span>
        ) : (
          rate(group.average)
        ),
    },
    {
      id: 'error',
      head: '± 95 %',
      num: true,
      title: 'What sampling leaves uncertain',
      value: (group) => (group.average ? (group.averageHigh - group.averageLow) / group.average : null),
      cell: (group) => (
        <span className="dim">
          {errorText(group.average ?? 0, group.averageLow, group.averageHigh).replace('± ', '')}
        </span>
      ),
    },
    {
      id: 'peak',
      head: 'Peak',
      num: true,
      title: `The highest average over ${every}`,
      value: (group) => group.peak,
      cell: (group) => rate(group.peak),
    },
    {
      id: 'p95',
      head: '95th pct',
      num: true,
      title: `Of the averages over ${every}, 95 % are no higher`,
      value: (group) => group.p95,
      cell: (group) => rate(group.p95),
    },
    {
      id: 'total',
      head: 'Total',
      num: true,
      value: (group) => group.total,
      cell: (group) => totalText(metric, group.total),
    },
    { id: 'share', head: 'Share', num: true, value: (group) => group.share, cell: (group) => shareText(group.share) },
    {
      id: 'bar',
      head: '',
      // Beside a rest that is more than any of them, their bars would all be nothing.
      cell: (group) =>
        group.other && group.share > most ? null : (
          <Bar
            share={group.share / most}
            {...(group.other ? { colour: 'var(--other)' } : paint ? { colour: paint(group.key) } : {})}
          />
        ),
    },
    ...(view.versus === 'none' ? [] : [beforeColumn(rate)]),
  ]
}

function beforeColumn(rate: (value: number | null) => string): Column<Group> {
  return {
    id: 'before',
    head: 'Δ before',
    num: true,
    title: 'Against the time that it is compared with',
    value: (group) => changeOf(group.average, group.before),
    cell: (group) => {
      const change = changeOf(group.average, group.before)
      if (group.before === null) return <span className="dim">–</span>
      return <span title={`${rate(group.before)} before`}>{change === null ? 'new' : changeText(change)}</span>
    },
  }
}
