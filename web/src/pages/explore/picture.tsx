// The picture of an answer: areas, lines, a heat map or a Sankey diagram. What is clicked can be kept, left out or listed.
import { useMemo, useState } from 'react'
import type { MatrixAnswer, SeriesAnswer } from '../../../../src/api/contract/query.ts'
import { useEvents } from '../../api/events.ts'
import type { Answered, Asked } from '../../api/questions.ts'
import { HeatChart } from '../../chart/heat-chart.tsx'
import { addsUp, addUp, layersOf, wholeBuckets } from '../../chart/layers.ts'
import { marksOf } from '../../chart/marks.ts'
import { SankeyChart } from '../../chart/sankey-chart.tsx'
import { SeriesChart } from '../../chart/series-chart.tsx'
import { rateText } from '../../figures/units.ts'
import { Answer } from '../../parts/answer.tsx'
import { NothingInSpan } from '../../parts/states.tsx'
import type { View } from '../../url/search.ts'
import type { Acts } from './acts.ts'
import { EventList } from './event-list.tsx'
import { knownBefore, percentile } from './groups.ts'
import { MarkMenu } from './mark-menu.tsx'
import type { MarkPicked } from './mark-menu.tsx'
import { PickMenu } from './pick-menu.tsx'
import type { Picked } from './pick-menu.tsx'
import { knownSeconds } from '../../time/known.ts'

const HEIGHT = 300

export interface PictureProps {
  readonly view: View
  readonly series: Asked<SeriesAnswer>
  readonly matrix: Asked<MatrixAnswer>
  readonly acts: Acts
  readonly onClear: () => void
}

export function Picture({ view, series, matrix, acts, onClear }: PictureProps) {
  const [picked, setPicked] = useState<Picked>()
  const sankey = view.chart === 'sankey' && view.by.length >= 2
  const filtered = view.filter !== ''
  const pickable = view.by.length > 0
  const pick = (columns: readonly string[]) => (key: Picked['key'], at: Picked['at']) => setPicked({ columns, key, at })
  return (
    <section className="card picture" aria-label="Picture">
      {sankey ? (
        <Answer of={matrix} height={HEIGHT}>
          {(data) =>
            data.links.length === 0 ? (
              <NothingInSpan filtered={filtered} onClear={onClear} />
            ) : (
              <div style={{ padding: '0 14px' }}>
                <SankeyChart
                  columns={data.columns}
                  rows={data.links}
                  metric={data.counted.metric}
                  seconds={knownSeconds(data)}
                  height={400}
                  most={60}
                  onPick={(key, at) => setPicked({ columns: Object.keys(key), key, at })}
                />
              </div>
            )
          }
        </Answer>
      ) : (
        <Answer of={series} height={HEIGHT}>
          {(data) =>
            data.total.flows === 0 ? (
              <NothingInSpan filtered={filtered} onClear={onClear} />
            ) : view.chart === 'heat' ? (
              <HeatChart answer={data} metric={view.metric} {...(pickable ? { onPick: pick(data.columns) } : {})} />
            ) : (
              <Lines answer={data} view={view} {...(pickable ? { onPick: pick(data.columns) } : {})} />
            )
          }
        </Answer>
      )}
      {view.chart === 'sankey' && view.by.length < 2 ? (
        <p className="state small">A Sankey diagram needs two dimensions or more: add one above.</p>
      ) : null}
      <PickMenu
        picked={picked}
        onClose={() => setPicked(undefined)}
        onKeep={acts.keep}
        onDrop={acts.drop}
        onFlows={acts.flows}
      />
    </section>
  )
}

function Lines({
  answer,
  view,
  onPick,
}: {
  readonly answer: Answered<SeriesAnswer>
  readonly view: View
  readonly onPick?: (key: Picked['key'], at: Picked['at']) => void
}) {
  const adds = useMemo(() => addsUp(answer, view.metric), [answer, view.metric])
  const level = useMemo(() => (adds ? levelOf(answer, view) : undefined), [adds, answer, view])
  const before = useMemo(
    () => (adds && answer.previous ? addUp(answer.previous.series, answer.times.length).values : undefined),
    [adds, answer],
  )
  const known = useMemo(() => knownBefore(answer), [answer])
  const [marked, setMarked] = useState<MarkPicked>()
  const heard = useEvents(answer.bounds)
  const marks = useMemo(() => marksOf(heard.events, answer.step), [heard, answer.step])
  return (
    <>
      <SeriesChart
        answer={answer}
        metric={view.metric}
        stacked={view.chart !== 'lines'}
        height={HEIGHT}
        level={level}
        before={before}
        intervals
        marks={marks}
        onMark={(mark, at) => setMarked({ mark, at })}
        {...(onPick ? { onPick } : {})}
      />
      <p className="picture-key">
        {view.metric === 'flows' ? (
          <span>
            flow records as they were received
            {answer.samplingRates.some((rate) => rate > 1) ? ': they are not scaled by the sampling rate' : ''}
          </span>
        ) : (
          <span>
            <i className="key-band" aria-hidden="true" /> 95 % interval
          </span>
        )}
        {level ? (
          <span>
            <i className="key-level" aria-hidden="true" /> 95th percentile of the total
          </span>
        ) : null}
        {before ? (
          <span>
            <i className="key-before" aria-hidden="true" /> {beforeText(known)}
          </span>
        ) : null}
        {adds || view.chart === 'lines' ? null : (
          <span>
            {view.metric === 'share'
              ? 'lines, as shares of different links add up to nothing'
              : 'lines, as a flow counts for both of its ends: together they are more than the total'}
          </span>
        )}
      </p>
      <EventList heard={heard} />
      <MarkMenu picked={marked} onClose={() => setMarked(undefined)} />
    </>
  )
}

/** The 95th percentile of the total, as transit is billed; not for lines, which have no total to see. */
function levelOf(answer: Answered<SeriesAnswer>, view: View): { value: number; name: string } | undefined {
  if (view.chart === 'lines' && answer.series.length > 1) return undefined
  const { first, complete } = wholeBuckets(answer)
  const total = addUp(layersOf(answer), answer.times.length).values.slice(first, complete)
  const value = percentile(total, 0.95)
  return value === null || value <= 0 ? undefined : { value, name: `95th pct ${rateText(view.metric, value)}` }
}

function beforeText(known: number): string {
  if (known === 0) return 'of the total before nothing is kept'
  return known < 1 ? `the total before, of which ${Math.round(known * 100)} % of the time is kept` : 'the total before'
}
