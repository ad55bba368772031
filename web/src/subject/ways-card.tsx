// What a thing sends and receives over time.
import { useMemo } from 'react'
import { useSeries } from '../api/questions.ts'
import { SeriesChart } from '../chart/series-chart.tsx'
import { rateText } from '../figures/units.ts'
import { Answer, Provenance } from '../parts/answer.tsx'
import { Card } from '../parts/card.tsx'
import { NothingInSpan } from '../parts/states.tsx'
import { Legend } from './series-card.tsx'
import { waysOf } from './ways.ts'
import { knownSeconds } from '../time/known.ts'

const NONE: readonly string[] = []

export function WaysCard({
  outFilter,
  inFilter,
  className = 'c8 stretch',
}: {
  readonly outFilter: string
  readonly inFilter: string
  readonly className?: string
}) {
  const out = useSeries({ by: NONE, filter: outFilter, metric: 'bytes' })
  const into = useSeries({ by: NONE, filter: inFilter, metric: 'bytes' })
  const both = useMemo(() => (out.data && into.data ? waysOf(out.data, into.data) : undefined), [out.data, into.data])
  const seconds = both ? knownSeconds(both) : 1
  const average = (at: number) => rateText('bytes', ((both?.series[at]?.total.bytes ?? 0) * 8) / seconds)
  const shown = {
    data: both,
    error: out.error ?? into.error,
    isPlaceholderData: out.isPlaceholderData || into.isPlaceholderData,
    errorUpdatedAt: out.errorUpdatedAt,
    refetch: () => Promise.all([out.refetch(), into.refetch()]),
  }
  return (
    <Card
      title="Out and in"
      note={both ? `${average(0)} out, ${average(1)} in on average` : ''}
      className={className}
      foot={<Provenance of={out} />}
    >
      <Answer of={shown} height={250}>
        {(data) =>
          data.series.every((series) => series.total.flows === 0) ? (
            <NothingInSpan />
          ) : (
            <>
              <SeriesChart answer={data} metric="bytes" stacked={false} height={220} />
              <Legend answer={data} />
            </>
          )
        }
      </Answer>
    </Card>
  )
}
