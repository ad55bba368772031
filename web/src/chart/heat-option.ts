// The ECharts option of a heat map: one row a group, one column a bucket, darker where there is more.
import type { EChartsCoreOption } from 'echarts/core'
import type { Scheme } from '../figures/colours.ts'
import { errorText, rateText } from '../figures/units.ts'
import type { MetricName } from '../figures/units.ts'
import type { Zone } from '../time/zone.ts'
import type { Layer } from './layers.ts'
import { CHART_FONT, INKS } from './palette.ts'
import { axisLabel, timeAxis, tooltipFrame } from './series-option.ts'
import { bucketText } from './tooltip.ts'

export interface HeatPicture {
  readonly metric: MetricName
  readonly times: readonly number[]
  readonly step: number
  readonly zone: Zone
  readonly complete: number
  readonly layers: readonly Layer[]
  readonly from: number
  readonly to: number
  readonly scheme: Scheme
}

/** From nearly nothing to the most; each is readable on the panel of its scheme. */
const RAMPS: Readonly<Record<Scheme, readonly (readonly [number, number, number])[]>> = {
  light: [
    [232, 240, 254],
    [143, 184, 248],
    [31, 111, 235],
    [13, 42, 104],
  ],
  dark: [
    [23, 35, 58],
    [35, 79, 148],
    [91, 155, 255],
    [222, 236, 255],
  ],
}

/** The colour of a share of the most, 0 to 1; by its square root, so that small things are seen beside large ones. */
export function heatColour(share: number, scheme: Scheme): string {
  const ramp = RAMPS[scheme]
  const at = Math.sqrt(Math.max(0, Math.min(1, share))) * (ramp.length - 1)
  const below = ramp[Math.min(ramp.length - 2, Math.floor(at))] ?? [0, 0, 0]
  const above = ramp[Math.min(ramp.length - 1, Math.floor(at) + 1)] ?? below
  const part = at - Math.min(ramp.length - 2, Math.floor(at))
  return `rgb(${below.map((from, i) => Math.round(from + ((above[i] ?? from) - from) * part)).join(',')})`
}

export function mostOf(layers: readonly Layer[]): number {
  let most = 0
  for (const layer of layers) for (const value of layer.values) most = Math.max(most, value ?? 0)
  return most
}

export const HEAT_ROW = 22
const LEGEND = 30
/** Pixels of a usual letter of the labels. */
const CHARACTER = 6.4

export function heatHeight(rows: number): number {
  return Math.max(4, rows) * HEAT_ROW + 34 + LEGEND
}

interface Api {
  value(dimension: number): number
  coord(point: readonly number[]): number[]
  size(extent: readonly number[]): number[]
}

export function heatOption(picture: HeatPicture, width: number): EChartsCoreOption {
  const { layers, times, scheme } = picture
  const inks = INKS[scheme]
  const most = mostOf(layers)
  const stepMs = picture.step * 1000
  const longest = Math.max(4, ...layers.map((layer) => layer.name.length))
  const names = Math.min(longest * CHARACTER, width * 0.3, 260)
  const data = layers.flatMap((layer, row) =>
    layer.values.flatMap((value, at) => (value === null ? [] : [[times[at] ?? 0, row, value, at]])),
  )
  return {
    animation: false,
    aria: { enabled: false },
    textStyle: { fontFamily: CHART_FONT },
    grid: { left: names + 14, right: 14, top: LEGEND, bottom: 24 },
    xAxis: { ...timeAxis(picture, width), axisPointer: { show: false } },
    yAxis: {
      type: 'category',
      inverse: true,
      data: layers.map((_, row) => row),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: {
        ...axisLabel(scheme),
        color: inks.ink,
        interval: 0,
        width: names,
        overflow: 'truncate',
        formatter: (row: string) => layers[Number(row)]?.name ?? '',
      },
    },
    tooltip: {
      ...tooltipFrame(scheme),
      trigger: 'item',
      formatter: (item: { readonly value: readonly number[] }) =>
        heatTip(picture, item.value[1] ?? 0, item.value[3] ?? 0),
    },
    series: [
      {
        type: 'custom',
        encode: { x: 0, y: 1 },
        data,
        renderItem: (_: unknown, api: Api) => {
          const [x = 0, y = 0] = api.coord([api.value(0), api.value(1)])
          const [right = 0] = api.coord([Math.min(api.value(0) + stepMs, picture.to), api.value(1)])
          const [left = 0] = api.coord([picture.from, api.value(1)])
          const start = Math.max(left, x)
          const tall = (api.size([0, 1])[1] ?? HEAT_ROW) - 2
          const gap = (right - start) / 8
          return {
            type: 'rect',
            shape: { x: start, y: y - tall / 2, width: Math.max(1, right - start - Math.min(1, gap)), height: tall },
            style: {
              fill: heatColour(most > 0 ? api.value(2) / most : 0, scheme),
              // The last bucket is not all in yet.
              opacity: api.value(3) >= picture.complete ? 0.45 : 1,
            },
          }
        },
      },
    ],
  }
}

function heatTip(picture: HeatPicture, row: number, at: number): HTMLElement {
  const layer = picture.layers[row]
  const box = document.createElement('div')
  box.className = 'tip'
  const head = document.createElement('div')
  head.className = 'tip-head'
  const text = bucketText(picture.times[at] ?? 0, picture.step, picture.zone)
  const utc = document.createElement('span')
  utc.textContent = at >= picture.complete ? `${text.utc} · not complete` : text.utc
  head.append(text.local, utc)
  const line = document.createElement('div')
  const value = layer?.values[at] ?? null
  const error = value === null ? '' : errorText(value, layer?.low[at] ?? value, layer?.high[at] ?? value)
  line.textContent = `${layer?.name ?? ''}: ${rateText(picture.metric, value)} ${error === '–' ? '' : error}`
  box.append(head, line)
  return box
}
