// When each group was busy: one row a group, time to the right, darker where there is more.
import { useCallback, useMemo, useRef } from 'react'
import type { SeriesAnswer } from '../../../src/api/contract/query.ts'
import type { Answered } from '../api/questions.ts'
import { rateText, RATE_UNIT } from '../figures/units.ts'
import type { MetricName } from '../figures/units.ts'
import type { Key } from '../names/dimensions.ts'
import { useExporterNames } from '../names/machine-index.ts'
import { useScheme } from '../parts/colours.tsx'
import { useClock } from '../time/clock.tsx'
import { Brush } from './brush.tsx'
import type { Point } from './brush.tsx'
import { Canvas } from './canvas.tsx'
import type { EChartsType } from './echarts.ts'
import { heatColour, heatHeight, heatOption, mostOf } from './heat-option.ts'
import { layersOf, wholeBuckets } from './layers.ts'

const MOST_ROWS = 40
const LEGEND_STEPS = [0, 0.04, 0.16, 0.36, 0.64, 1]

export function HeatChart({
  answer,
  metric,
  onPick,
}: {
  readonly answer: Answered<SeriesAnswer>
  readonly metric: MetricName
  readonly onPick?: (key: Key, at: Point) => void
}) {
  const clock = useClock()
  const scheme = useScheme()
  const exporters = useExporterNames()
  const chart = useRef<EChartsType>(undefined)
  // The rest of all would only drown what is looked at.
  const layers = useMemo(
    () => layersOf(answer, MOST_ROWS, exporters).filter((layer) => !layer.other),
    [answer, exporters],
  )
  const most = useMemo(() => mostOf(layers), [layers])
  const height = heatHeight(layers.length)
  const option = useCallback(
    (width: number) =>
      heatOption(
        {
          metric,
          layers,
          scheme,
          times: answer.times,
          step: answer.step,
          zone: clock.zone,
          complete: wholeBuckets(answer).complete,
          from: answer.bounds.from,
          to: answer.bounds.to,
        },
        width,
      ),
    [answer, layers, metric, scheme, clock.zone],
  )
  const ready = useCallback((made: EChartsType) => {
    chart.current = made
    return () => {
      chart.current = undefined
    }
  }, [])
  const pick = (point: Point) => {
    const layer = layers[Math.round(point.value)]
    if (layer) onPick?.(layer.key, point)
  }
  return (
    <Brush chart={chart} bounds={answer.bounds} height={height} onPoint={onPick ? pick : undefined}>
      <div className="heat-legend" aria-hidden="true">
        0
        {LEGEND_STEPS.map((share) => (
          <i key={share} style={{ background: heatColour(share, scheme) }} />
        ))}
        {rateText(metric, most)}
      </div>
      <Canvas
        option={option}
        height={height}
        onReady={ready}
        label={`Heat map over time in ${RATE_UNIT[metric]}, a row each: ${layers.map((layer) => layer.name).join(', ')}. The table has the figures.`}
      />
    </Brush>
  )
}
