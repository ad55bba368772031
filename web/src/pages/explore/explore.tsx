// Any question about the traffic: a filter, groups, a metric, a picture and its table.
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback, useMemo } from 'react'
import { useMatrix, useSeries } from '../../api/questions.ts'
import { SankeyChart } from '../../chart/sankey-chart.tsx'
import { SeriesChart } from '../../chart/series-chart.tsx'
import { errorText } from '../../figures/units.ts'
import { narrowed } from '../../names/narrow.ts'
import type { Key } from '../../names/dimensions.ts'
import { Answer, Provenance } from '../../parts/answer.tsx'
import { NothingInSpan } from '../../parts/states.tsx'
import { readView, writeView } from '../../url/search.ts'
import type { View } from '../../url/search.ts'
import { AskPanel } from './ask-panel.tsx'
import { GroupsTable } from './groups-table.tsx'

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
  const narrow = useCallback(
    (columns: readonly string[], key: Key) => change({ filter: narrowed(view.filter, columns, key) }),
    [change, view.filter],
  )

  const sankey = view.chart === 'sankey' && view.by.length >= 2
  const series = useSeries({ by: view.by, filter: view.filter, metric: view.metric, limit: view.top, points: 150 })
  const matrix = useMatrix({
    by: view.by.slice(0, 5),
    filter: view.filter,
    metric: view.metric,
    limit: Math.max(view.top, 30),
    enabled: sankey,
  })
  const total = series.data?.total
  const error = total === undefined ? undefined : errorText(total[view.metric], total.low, total.high)

  return (
    <>
      <h1 className="sr">Explore</h1>
      <AskPanel
        view={view}
        change={change}
        problem={series.error}
        provenance={<Provenance of={series} {...(error === undefined ? {} : { error })} />}
      />
      {view.chart === 'table' ? null : (
        <section className="card" aria-label="Picture" style={{ padding: '10px 0 4px' }}>
          {sankey ? (
            <Answer of={matrix} height={320}>
              {(data) =>
                data.links.length === 0 ? (
                  <NothingInSpan filtered={view.filter !== ''} />
                ) : (
                  <div style={{ padding: '0 14px' }}>
                    <SankeyChart
                      columns={data.columns}
                      rows={data.links}
                      metric={view.metric}
                      seconds={Math.max(1, (data.bounds.to - data.bounds.from) / 1000)}
                      height={380}
                      most={60}
                      onPick={(column, value) => narrow([column], { [column]: value })}
                    />
                  </div>
                )
              }
            </Answer>
          ) : (
            <Answer of={series} height={300}>
              {(data) =>
                data.total.flows === 0 ? (
                  <NothingInSpan filtered={view.filter !== ''} />
                ) : (
                  <SeriesChart
                    answer={data}
                    metric={view.metric}
                    stacked={view.chart !== 'lines'}
                    height={300}
                    {...(view.by.length > 0 ? { onPick: (key: Key) => narrow(data.columns, key) } : {})}
                  />
                )
              }
            </Answer>
          )}
          {view.chart === 'sankey' && view.by.length < 2 ? (
            <p className="state small">A Sankey diagram needs two dimensions or more: add one above.</p>
          ) : null}
        </section>
      )}
      {series.data && (view.chart === 'table' || series.data.total.flows > 0) ? (
        <GroupsTable
          answer={series.data}
          view={view}
          change={change}
          onPick={(key) => narrow(series.data.columns, key)}
        />
      ) : null}
    </>
  )
}
