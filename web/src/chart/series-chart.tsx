// Traffic over time. Dragging over it zooms; the table beside or below it has the same figures.
import { useCallback, useMemo, useRef } from 'react'
import type { SeriesAnswer } from '../../../src/api/contract/query.ts'
import type { Answered } from '../api/questions.ts'
import { OTHER_COLOUR } from '../figures/colours.ts'
import type { MetricName } from '../figures/units.ts'
import type { Key } from '../names/dimensions.ts'
import { useExporterNames } from '../names/machine-index.ts'
import { RATE_UNIT } from '../figures/units.ts'
import { usePaint, useScheme } from '../parts/colours.tsx'
import { useClock } from '../time/clock.tsx'
import { Brush } from './brush.tsx'
import type { Point } from './brush.tsx'
import { Canvas } from './canvas.tsx'
import type { EChartsType } from './echarts.ts'
import { addsUp, drawnBuckets, layerAt, layersOf, SETTLE_MS, wholeBuckets } from './layers.ts'
import type { Mark } from './marks.ts'
import { seriesOption } from './series-option.ts'

export interface SeriesChartProps {
  readonly answer: Answered<SeriesAnswer>
  readonly metric: MetricName
  /** Areas, where the layers are parts of one whole. */
  readonly stacked?: boolean
  readonly height?: number
  /** Called with the key of the band or line that was clicked, and where. */
  readonly onPick?: (key: Key, at: Point) => void
  /** The total of an earlier time, bucket by bucket, drawn as a dashed line. */
  readonly before?: readonly (number | null)[] | undefined
  /** A level of the total that is drawn across, with its name. */
  readonly level?: { readonly value: number; readonly name: string } | undefined
  /** Draws what sampling leaves uncertain: around the total of a stack, around each line. */
  readonly intervals?: boolean
  /** What happened beside the traffic. */
  readonly marks?: readonly Mark[] | undefined
  /** Called with the mark that was clicked, and where. */
  readonly onMark?: (mark: Mark, at: Point) => void
}

/** How many pixels beside a thin line still mean it. */
const NEAR_MARK = 5

export function SeriesChart(props: SeriesChartProps) {
  const { answer, metric, height = 230, onPick, before, level, intervals = false, marks, onMark } = props
  const clock = useClock()
  const scheme = useScheme()
  const exporters = useExporterNames()
  const adds = useMemo(() => addsUp(answer, metric), [answer, metric])
  const stacked = (props.stacked ?? true) && adds
  const layers = useMemo(() => layersOf(answer, undefined, exporters, adds), [answer, exporters, adds])
  const paint = usePaint(
    answer.columns,
    useMemo(() => layers.filter((layer) => !layer.other).map((layer) => layer.key), [layers]),
  )
  const chart = useRef<EChartsType>(undefined)

  const option = useCallback(
    (width: number) =>
      seriesOption(
        {
          metric,
          times: answer.times,
          step: answer.step,
          zone: clock.zone,
          ...wholeBuckets(answer),
          drawn: drawnBuckets(answer.times, answer.step, answer.to, answer.askedAt - SETTLE_MS),
          marks,
          layers,
          colour: (layer) => (layer.other ? OTHER_COLOUR[scheme] : paint(layer.key)),
          from: answer.bounds.from,
          to: answer.bounds.to,
          stacked,
          adds,
          scheme,
          before,
          level,
          intervals,
        },
        width,
      ),
    [answer, layers, paint, metric, stacked, adds, scheme, clock.zone, before, level, intervals, marks],
  )
  const ready = useCallback((made: EChartsType) => {
    chart.current = made
    return () => {
      chart.current = undefined
    }
  }, [])
  const markAt = (x: number): Mark | undefined => {
    const far = ({ at }: Mark) => Math.abs(Number(chart.current?.convertToPixel({ xAxisIndex: 0 }, at)) - x)
    const near = (marks ?? []).filter((mark) => far(mark) <= NEAR_MARK)
    return near.reduce<Mark | undefined>((best, mark) => (best && far(best) <= far(mark) ? best : mark), undefined)
  }
  const pick = (point: Point) => {
    const mark = onMark ? markAt(point.x) : undefined
    if (mark) {
      onMark?.(mark, point)
      return
    }
    const index = Math.floor((point.time - (answer.times[0] ?? 0)) / (answer.step * 1000))
    const layer = layerAt(layers, index, point.value, stacked)
    if (layer && !layer.other) onPick?.(layer.key, point)
  }

  const label = `${stacked ? 'Stacked areas' : 'Lines'} over time in ${RATE_UNIT[metric]}: ${layers.map((layer) => layer.name).join(', ')}. The table has the figures.`
  return (
    <Brush chart={chart} bounds={answer.bounds} height={height} onPoint={onPick || onMark ? pick : undefined}>
      <Canvas option={option} height={height} label={label} onReady={ready} />
    </Brush>
  )
}
