// Traffic over time. Dragging over it zooms; the table beside or below it has the same figures.
import { useCallback, useMemo, useRef, useState } from 'react'
import type { PointerEvent } from 'react'
import type { SeriesAnswer } from '../../../src/api/contract/query.ts'
import type { Answered } from '../api/questions.ts'
import { OTHER_COLOUR } from '../figures/colours.ts'
import type { MetricName } from '../figures/units.ts'
import type { Key } from '../names/dimensions.ts'
import { RATE_UNIT } from '../figures/units.ts'
import { usePaint, useScheme } from '../parts/colours.tsx'
import { useClock } from '../time/clock.tsx'
import { Canvas } from './canvas.tsx'
import type { EChartsType } from './echarts.ts'
import { completeBuckets, layerAt, layersOf, SETTLE_MS } from './layers.ts'
import { seriesOption } from './series-option.ts'

export interface SeriesChartProps {
  readonly answer: Answered<SeriesAnswer>
  readonly metric: MetricName
  readonly stacked?: boolean
  readonly height?: number
  /** Called with the key of the band or line that was clicked. */
  readonly onPick?: (key: Key) => void
}

interface Drag {
  readonly start: number
  readonly now: number
}

export function SeriesChart({ answer, metric, stacked = true, height = 230, onPick }: SeriesChartProps) {
  const clock = useClock()
  const scheme = useScheme()
  const layers = useMemo(() => layersOf(answer), [answer])
  const paint = usePaint(
    answer.columns,
    useMemo(() => layers.filter((layer) => !layer.other).map((layer) => layer.key), [layers]),
  )
  const chart = useRef<EChartsType>(undefined)
  const [drag, setDrag] = useState<Drag>()

  const option = useCallback(
    (width: number) =>
      seriesOption(
        {
          metric,
          times: answer.times,
          step: answer.step,
          zone: clock.zone,
          complete: completeBuckets(answer.times, answer.step, Math.min(answer.to, answer.askedAt - SETTLE_MS)),
          layers,
          colour: (layer) => (layer.other ? OTHER_COLOUR[scheme] : paint(layer.key)),
          from: answer.bounds.from,
          to: answer.bounds.to,
          stacked,
          scheme,
        },
        width,
      ),
    [answer, layers, paint, metric, stacked, scheme, clock.zone],
  )
  const ready = useCallback((made: EChartsType) => {
    chart.current = made
    return () => {
      chart.current = undefined
    }
  }, [])

  const x = (event: PointerEvent<HTMLDivElement>) => event.clientX - event.currentTarget.getBoundingClientRect().left
  const finish = () => {
    if (drag && Math.abs(drag.now - drag.start) > 6 && chart.current) {
      const moment = (px: number) => Number(chart.current?.convertFromPixel({ xAxisIndex: 0 }, px))
      const ends = [moment(drag.start), moment(drag.now)].sort((a, b) => a - b)
      const from = Math.max(answer.bounds.from, ends[0] ?? 0)
      const to = Math.min(answer.bounds.to, ends[1] ?? 0)
      if (to - from >= 2000) clock.setSpan({ kind: 'between', from, to })
    }
    setDrag(undefined)
  }
  const pick = (event: PointerEvent<HTMLDivElement>) => {
    if (!onPick || !chart.current || !drag || Math.abs(drag.now - drag.start) > 6) return
    const point = chart.current.convertFromPixel({ gridIndex: 0 }, [
      x(event),
      event.clientY - event.currentTarget.getBoundingClientRect().top,
    ])
    const [time, value] = Array.isArray(point) ? point : []
    if (time === undefined || value === undefined) return
    const layer = layerAt(layers, Math.floor((time - (answer.times[0] ?? 0)) / (answer.step * 1000)), value, stacked)
    if (layer && !layer.other) onPick(layer.key)
  }

  const label = `${stacked ? 'Stacked areas' : 'Lines'} over time in ${RATE_UNIT[metric]}: ${layers.map((layer) => layer.name).join(', ')}. The table has the figures.`
  return (
    <div
      className="chart"
      style={{ height }}
      onPointerDown={(event) => {
        if (event.button !== 0) return
        event.currentTarget.setPointerCapture(event.pointerId)
        setDrag({ start: x(event), now: x(event) })
      }}
      onPointerMove={(event) => {
        if (drag) setDrag({ start: drag.start, now: x(event) })
      }}
      onPointerUp={(event) => {
        pick(event)
        finish()
      }}
      onPointerCancel={() => setDrag(undefined)}
    >
      <Canvas option={option} height={height} label={label} onReady={ready} />
      {drag && Math.abs(drag.now - drag.start) > 6 ? (
        <div
          className="brushing"
          style={{ left: Math.min(drag.start, drag.now), width: Math.abs(drag.now - drag.start) }}
        />
      ) : null}
    </div>
  )
}
