// Any question about the traffic: a filter, groups, a metric, a picture and its table.
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback, useMemo } from 'react'
import { useMatrix, useSeries } from '../../api/questions.ts'
import { summed } from '../../figures/rates.ts'
import { errorText } from '../../figures/units.ts'
import { FlowList } from '../../flows/flow-list.tsx'
import { excluding, narrowed } from '../../names/narrow.ts'
import type { Key } from '../../names/dimensions.ts'
import { Answer, Provenance } from '../../parts/answer.tsx'
import { NothingInSpan } from '../../parts/states.tsx'
import { readView, writeView } from '../../url/search.ts'
import type { View } from '../../url/search.ts'
import type { Part } from './acts.ts'
import { AskPanel } from './ask-panel.tsx'
import { canShare, limitOf, measureOf, plainMeasure, viewOf } from './asked.ts'
import { Distinct } from './distinct.tsx'
import { GroupsTable } from './groups-table.tsx'
import { Picture } from './picture.tsx'
import { Ways } from './ways.tsx'

const POINTS = 150

export function Explore() {
  const search = useSearch({ strict: false }) as Record<string, string>
  const navigate = useNavigate()
  const view = useMemo(() => readView(search), [search])
  const change = useCallback(
    (next: Partial<View>) =>
      void navigate({
        to: '.',
        search: ((was: Record<string, string>) => ({ ...was, ...writeView({ ...readView(was), ...next }) })) as never,
        resetScroll: false,
      }),
    [navigate],
  )
  const acts = useMemo(
    () => ({
      keep: (columns: readonly string[], key: Key) => change({ filter: narrowed(view.filter, columns, key) }),
      drop: (columns: readonly string[], key: Key) => change({ filter: excluding(view.filter, columns, key) }),
      flows: (columns: readonly string[], key: Key) =>
        change({ filter: narrowed(view.filter, columns, key), chart: 'flows', sort: undefined }),
    }),
    [change, view.filter],
  )
  return (
    <>
      <h1 className="sr">Explore</h1>
      {view.chart === 'flows' ? (
        <Flows view={view} change={change} acts={acts} />
      ) : view.chart === 'distinct' ? (
        <Distinct view={view} change={change} acts={acts} />
      ) : (
        <Groups view={view} change={change} acts={acts} />
      )}
    </>
  )
}

function Groups({ view, change, acts }: Part) {
  const sankey = view.chart === 'sankey' && view.by.length >= 2
  const limit = limitOf(view)
  const { by, filter, exact } = view
  const unknownLink = view.metric === 'share' && !canShare(by)
  const measure = measureOf(view)
  const series = useSeries({
    by,
    filter,
    ...measure,
    limit,
    exact,
    points: POINTS,
    versus: view.versus,
    enabled: !unknownLink,
  })
  const matrix = useMatrix({
    by: by.slice(0, 5),
    filter,
    ...plainMeasure(measure),
    limit,
    exact,
    enabled: sankey && !unknownLink,
  })
  const shown = viewOf(view, series.data?.counted)
  const total = series.data?.total
  const error = total === undefined ? undefined : errorText(total[summed(shown.metric)], total.low, total.high)
  return (
    <>
      <AskPanel
        view={view}
        change={change}
        problem={series.error}
        provenance={<Provenance of={series} {...(error === undefined ? {} : { error })} />}
      />
      {unknownLink ? (
        <WhichLink change={change} />
      ) : view.chart === 'table' ? (
        <Answer of={series} height={0}>
          {(data) =>
            data.total.flows === 0 ? (
              <section className="card">
                <NothingInSpan filtered={filter !== ''} onClear={() => change({ filter: '' })} />
              </section>
            ) : null
          }
        </Answer>
      ) : (
        <Picture view={shown} series={series} matrix={matrix} acts={acts} onClear={() => change({ filter: '' })} />
      )}
      {!unknownLink && series.data && series.data.total.flows > 0 ? (
        <GroupsTable
          answer={series.data}
          view={shown}
          change={change}
          acts={acts}
          ofBefore={series.isPlaceholderData}
          end={<Ways view={view} bounds={series.data.bounds} step={series.data.step} />}
        />
      ) : null}
    </>
  )
}

/** A share of a link needs to know which link: a way on, in place of a refusal. */
function WhichLink({ change }: Pick<Part, 'change'>) {
  return (
    <section className="card" aria-label="Picture">
      <div className="state" role="status">
        <strong>Which link?</strong>
        <span>A share of a link is known only by exporter and one of its interfaces: group by both.</span>
        <span className="row">
          <button type="button" className="button small-button" onClick={() => change({ by: ['exporter', 'out_if'] })}>
            Group by exporter and out interface
          </button>
          <button type="button" className="button small-button" onClick={() => change({ metric: 'bytes' })}>
            Show bits/s
          </button>
        </span>
      </div>
    </section>
  )
}

function Flows({ view, change, acts }: Part) {
  return (
    <FlowList
      filter={view.filter}
      columns={view.columns}
      sort={view.sort}
      onColumns={(columns) => change({ columns })}
      onSort={(sort) => change({ sort })}
      onNarrow={(column, value, keep) => (keep ? acts.keep : acts.drop)([column], { [column]: value })}
      end={(bounds) => <Ways view={view} bounds={bounds} step={undefined} />}
      head={(flows) => (
        <AskPanel view={view} change={change} problem={flows.error} provenance={<Provenance of={flows} />} />
      )}
    />
  )
}
