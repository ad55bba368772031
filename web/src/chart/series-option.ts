// The ECharts option of a picture over time.
import type { EChartsCoreOption } from 'echarts/core'
import type { Scheme } from '../figures/colours.ts'
import { axisText } from '../figures/units.ts'
import { clockText, dayText, wallOf } from '../time/zone.ts'
import type { Zone } from '../time/zone.ts'
import { CHART_FONT, INKS } from './palette.ts'
import { tooltipNode } from './tooltip.ts'
import type { TipFrame } from './tooltip.ts'

export interface SeriesPicture extends TipFrame {
  readonly from: number
  readonly to: number
  readonly stacked: boolean
  readonly scheme: Scheme
}

/** A label of the time axis: the day at midnight, the time otherwise. */
export function timeLabel(ms: number, zone: Zone, spanMs: number): string {
  const wall = wallOf(ms, zone)
  if (spanMs > 36 * 3_600_000 && wall.hour === 0 && wall.minute === 0) return dayText(ms, zone).slice(5)
  return clockText(ms, zone, spanMs <= 3 * 60_000)
}

const TICKS = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800]

/** Round moments of the viewer's clock for at most `most` labels. */
export function timeTicks(from: number, to: number, zone: Zone, most: number): number[] {
  const seconds = TICKS.find((tick) => (to - from) / 1000 / tick <= most) ?? 2_592_000
  const wall = wallOf(from, zone)
  // Wall-clock midnight, as an offset of whole ticks, so that labels are round in the viewer's zone.
  const shift = (wall.hour * 3600 + wall.minute * 60 + wall.second) * 1000 + (from % 1000)
  const midnight = from - shift
  const size = seconds * 1000
  const ticks: number[] = []
  for (let at = midnight + Math.ceil((from - midnight) / size) * size; at <= to; at += size) ticks.push(at)
  return ticks
}

export function seriesOption(picture: SeriesPicture, width: number): EChartsCoreOption {
  const inks = INKS[picture.scheme]
  const half = (picture.step * 1000) / 2
  const spanMs = picture.to - picture.from
  const incomplete = picture.complete < picture.times.length ? picture.times[picture.complete] : undefined
  const veil = {
    silent: true,
    itemStyle: { color: inks.panel, opacity: 0.62 },
    data: [[{ xAxis: (incomplete ?? 0) - half / 8 }, { xAxis: picture.to + half }]],
  }
  const series = picture.layers.map((layer, index) => ({
    type: 'line',
    id: layer.id,
    name: layer.name,
    // The middle of the bucket is where its average stands.
    data: layer.values.map((value, at) => [Math.min((picture.times[at] ?? 0) + half, picture.to), value]),
    ...(picture.stacked ? { stack: 'all', areaStyle: { opacity: 0.72, color: picture.colour(layer) } } : {}),
    lineStyle: { width: picture.stacked ? 1 : 1.5, color: picture.colour(layer) },
    itemStyle: { color: picture.colour(layer) },
    symbol: 'circle',
    symbolSize: 4,
    // A value between two gaps has no line to be seen by.
    showSymbol: layer.values.filter((value) => value !== null).length === 1,
    connectNulls: false,
    emphasis: { disabled: true },
    z: 2,
    ...(index === picture.layers.length - 1 && incomplete !== undefined ? { markArea: { ...veil, z: 5 } } : {}),
  }))
  const label = { color: inks.ink2, fontSize: 11, fontFamily: CHART_FONT }
  return {
    animation: false,
    aria: { enabled: false },
    textStyle: { fontFamily: CHART_FONT },
    grid: { left: 44, right: 14, top: 10, bottom: 24 },
    xAxis: {
      type: 'value',
      min: picture.from,
      max: picture.to,
      axisLine: { show: true, lineStyle: { color: inks.line } },
      axisTick: { show: false },
      splitLine: { show: false },
      axisLabel: {
        ...label,
        customValues: timeTicks(picture.from, picture.to, picture.zone, Math.max(2, Math.floor(width / 76))),
        formatter: (ms: number) => timeLabel(ms, picture.zone, spanMs),
      },
      axisPointer: {
        show: true,
        snap: true,
        lineStyle: { color: inks.ink2, type: 'solid', width: 1 },
        label: { show: false },
      },
    },
    yAxis: {
      type: 'value',
      min: 0,
      splitNumber: 4,
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { ...label, formatter: axisText },
      splitLine: { lineStyle: { color: inks.line } },
    },
    tooltip: {
      trigger: 'axis',
      confine: true,
      transitionDuration: 0,
      backgroundColor: inks.panel,
      borderColor: inks.line,
      borderWidth: 1,
      padding: [8, 10],
      extraCssText: 'box-shadow:0 4px 16px rgb(0 0 0/12%);border-radius:6px;',
      axisPointer: { type: 'line' },
      formatter: (items: unknown) => {
        const first = Array.isArray(items) ? (items[0] as { dataIndex?: number } | undefined) : undefined
        return tooltipNode(picture, first?.dataIndex ?? 0)
      },
    },
    series,
  }
}
