// Traffic of a thing over time, by one of a few dimensions.
import { useState } from 'react'
import { useSeries } from '../api/questions.ts'
import { SERIES } from '../figures/colours.ts'
import { layersOf } from '../chart/layers.ts'
import { SeriesChart } from '../chart/series-chart.tsx'
import { Answer, Provenance } from '../parts/answer.tsx'
import { Card } from '../parts/card.tsx'
import { usePaint } from '../parts/colours.tsx'
import { Go } from '../parts/go.tsx'
import { Segments } from '../parts/segments.tsx'
import { NothingInSpan } from '../parts/states.tsx'
import type { Answered } from '../api/questions.ts'
import type { SeriesAnswer } from '../../../src/api/contract/query.ts'

export interface SeriesCardProps {
  readonly title: string
  readonly filter: string
  readonly over: readonly { readonly value: string; readonly label: string }[]
  /** Counts what each exporter sees, though another counts it too. */
  readonly uncounted?: boolean
  readonly className?: string
}

export function SeriesCard({ title, filter, over, uncounted = false, className = 'c8 stretch' }: SeriesCardProps) {
  const [by, setBy] = useState(over[0]?.value ?? '')
  const dimension = over.some((option) => option.value === by) ? by : (over[0]?.value ?? '')
  const series = useSeries({
    by: [dimension],
    filter,
    metric: 'bytes',
    limit: SERIES,
    ...(uncounted ? { uncounted } : {}),
  })
  return (
    <Card
      title={title}
      note="bits a second"
      className={className}
      end={
        <>
          {over.length > 1 ? <Segments label="By" value={dimension} options={over} onChange={setBy} tight /> : null}
          <Go to="/explore" search={{ filter, by: dimension }} className="link">
            Explore
          </Go>
        </>
      }
      foot={<Provenance of={series} />}
    >
      <Answer of={series} height={246}>
        {(data) =>
          data.total.flows === 0 ? (
            <NothingInSpan />
          ) : (
            <>
              <SeriesChart answer={data} metric="bytes" height={220} />
              <Legend answer={data} />
            </>
          )
        }
      </Answer>
    </Card>
  )
}

export function Legend({ answer }: { readonly answer: Answered<SeriesAnswer> }) {
  const layers = layersOf(answer)
  const paint = usePaint(
    answer.columns,
    layers.filter((layer) => !layer.other).map((layer) => layer.key),
  )
  return (
    <div className="legend">
      {layers.map((layer) => (
        <span key={layer.id} style={{ display: 'inline-flex', alignItems: 'center' }}>
          <span
            className="swatch"
            style={{ background: layer.other ? 'var(--other)' : paint(layer.key), marginRight: 6 }}
            aria-hidden="true"
          />
          {layer.name}
        </span>
      ))}
    </div>
  )
}
