// The ECharts option of a picture over time.
import type { EChartsCoreOption } from 'echarts/core'
import type { Scheme } from '../figures/colours.ts'
import { axisText, RATE_UNIT } from '../figures/units.ts'
import { clockText, dayText, wallOf } from '../time/zone.ts'
import type { Zone } from '../time/zone.ts'
import { addUp } from './layers.ts'
import type { Mark } from './marks.ts'
import { CHART_FONT, INKS } from './palette.ts'
import type { Inks } from './palette.ts'
import { tooltipNode } from './tooltip.ts'
import type { TipFrame } from './tooltip.ts'

export interface SeriesPicture extends TipFrame {
  readonly from: number
  readonly to: number
  readonly stacked: boolean
  readonly scheme: Scheme
  readonly before?: readonly (number | null)[] | undefined
  readonly level?: { readonly value: number; readonly name: string } | undefined
  readonly intervals?: boolean
  /** How many buckets are drawn. */
  readonly drawn: number
}

/** A label of the time axis: the day at midnight, the time otherwise. */
export function timeLabel(ms: number, zone: Zone, spanMs: number, withSeconds: boolean): string {
  const wall = wallOf(ms, zone)
  if (spanMs > 36 * 3_600_000 && wall.hour === 0 && wall.minute === 0) return dayText(ms, zone).slice(5)
  return clockText(ms, zone, withSeconds)
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

/** The axes that every picture over time has: round moments below, SI units at the left. */
export function timeAxis(picture: Pick<SeriesPicture, 'from' | 'to' | 'zone' | 'scheme'>, width: number): object {
  const inks = INKS[picture.scheme]
  const ticks = timeTicks(picture.from, picture.to, picture.zone, Math.max(2, Math.floor(width / 76)))
  const withSeconds = ticks.some((tick) => tick % 60_000 !== 0)
  return {
    type: 'value',
    min: picture.from,
    max: picture.to,
    axisLine: { show: true, lineStyle: { color: inks.line } },
    axisTick: { show: false },
    splitLine: { show: false },
    axisLabel: {
      ...axisLabel(picture.scheme),
      customValues: ticks,
      formatter: (ms: number) => timeLabel(ms, picture.zone, picture.to - picture.from, withSeconds),
    },
  }
}

export function axisLabel(scheme: Scheme): { color: string; fontSize: number; fontFamily: string } {
  return { color: INKS[scheme].ink2, fontSize: 11, fontFamily: CHART_FONT }
}

export function tooltipFrame(scheme: Scheme): object {
  const inks = INKS[scheme]
  return {
    confine: true,
    transitionDuration: 0,
    backgroundColor: inks.panel,
    borderColor: inks.line,
    borderWidth: 1,
    padding: [8, 10],
    extraCssText: 'box-shadow:0 4px 16px rgb(0 0 0/12%);border-radius:6px;',
  }
}

type Points = (readonly [number, number | null])[]

/** What sampling leaves uncertain, as a band: the lower end unseen, and what lies between both ends upon it. */
function bandOf(id: string, low: Points, high: Points, colour: string): object[] {
  const line = {
    type: 'line',
    stack: `band ${id}`,
    stackStrategy: 'all',
    silent: true,
    symbol: 'none',
    lineStyle: { opacity: 0 },
    tooltip: { show: false },
    z: 3,
  }
  return [
    { ...line, id: `low ${id}`, data: low },
    {
      ...line,
      id: `high ${id}`,
      data: high.map(([time, value], at) => [time, value === null ? null : value - (low[at]?.[1] ?? 0)]),
      areaStyle: { color: colour, opacity: 0.22 },
    },
  ]
}

export function seriesOption(picture: SeriesPicture, width: number): EChartsCoreOption {
  const inks = INKS[picture.scheme]
  const half = (picture.step * 1000) / 2
  const incomplete = picture.complete < picture.drawn ? picture.times[picture.complete] : undefined
  // The middle of the bucket is where its average stands.
  const points = (values: readonly (number | null)[]): Points =>
    values.map(
      (value, at) =>
        [Math.min((picture.times[at] ?? 0) + half, picture.to), at < picture.drawn ? value : null] as const,
    )
  // What is not all in yet, and what is no longer all kept, is drawn faint.
  const cut = picture.first > 0 ? picture.times[picture.first] : undefined
  const since = picture.times[picture.first - 1] ?? picture.from
  const faint = [
    ...(incomplete === undefined ? [] : [[{ xAxis: incomplete - half / 8 }, { xAxis: picture.to + half }]]),
    ...(cut === undefined ? [] : [[{ xAxis: since }, { xAxis: cut + half / 8 }]]),
  ]
  const veil = { silent: true, itemStyle: { color: inks.panel, opacity: 0.62 }, data: faint }
  const layers = picture.layers.map((layer, index) => ({
    type: 'line',
    id: layer.id,
    name: layer.name,
    data: points(layer.values),
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
    ...(index === picture.layers.length - 1 && faint.length > 0 ? { markArea: { ...veil, z: 5 } } : {}),
  }))
  return {
    animation: false,
    aria: { enabled: false },
    textStyle: { fontFamily: CHART_FONT },
    grid: { left: 44, right: 14, top: 22, bottom: 24 },
    xAxis: {
      ...timeAxis(picture, width),
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
      name: RATE_UNIT[picture.metric],
      nameGap: 6,
      nameTextStyle: { ...axisLabel(picture.scheme), align: 'left', padding: [0, 0, 0, 4] },
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { ...axisLabel(picture.scheme), formatter: (value: number) => axisText(value, picture.metric) },
      splitLine: { lineStyle: { color: inks.line } },
    },
    tooltip: {
      ...tooltipFrame(picture.scheme),
      trigger: 'axis',
      axisPointer: { type: 'line' },
      formatter: (items: unknown) => {
        const first = Array.isArray(items) ? (items[0] as { dataIndex?: number } | undefined) : undefined
        return tooltipNode(picture, first?.dataIndex ?? 0)
      },
    },
    series: [
      ...layers,
      ...(picture.intervals ? bands(picture, points) : []),
      ...(picture.before ? [beforeLine(points(picture.before), inks.ink)] : []),
      ...(picture.level ? [levelLine(picture.level, inks)] : []),
      ...(picture.marks && picture.marks.length > 0 ? [eventLines(picture.marks, picture, inks)] : []),
    ],
  }
}

function bands(picture: SeriesPicture, points: (values: readonly (number | null)[]) => Points): object[] {
  if (!picture.stacked)
    return picture.layers.flatMap((layer) =>
      bandOf(layer.id, points(layer.low), points(layer.high), picture.colour(layer)),
    )
  const total = addUp(picture.layers, picture.times.length)
  return bandOf('total', points(total.low), points(total.high), INKS[picture.scheme].ink)
}

function beforeLine(data: Points, colour: string): object {
  return {
    type: 'line',
    id: 'before',
    data,
    silent: true,
    symbol: 'none',
    connectNulls: false,
    lineStyle: { width: 1.5, type: [5, 4], color: colour, opacity: 0.75 },
    z: 4,
  }
}

/** A level across the whole picture, its name at the right end. */
function levelLine(level: { readonly value: number; readonly name: string }, inks: Inks): object {
  return {
    type: 'line',
    id: 'level',
    data: [],
    silent: true,
    markLine: {
      silent: true,
      symbol: 'none',
      lineStyle: { color: inks.ink2, width: 1, type: [2, 3] },
      label: {
        position: 'insideEndTop',
        formatter: level.name,
        color: inks.ink,
        fontSize: 11,
        fontFamily: CHART_FONT,
        textBorderColor: inks.panel,
        textBorderWidth: 3,
      },
      data: [{ yAxis: level.value }],
    },
    z: 4,
  }
}

/** A thin line from top to bottom for each mark; the tooltip has its words. */
function eventLines(marks: readonly Mark[], { from, to }: Pick<SeriesPicture, 'from' | 'to'>, inks: Inks): object {
  return {
    type: 'line',
    id: 'events',
    data: [],
    silent: true,
    markLine: {
      silent: true,
      symbol: 'none',
      lineStyle: { color: inks.ink, width: 1, type: 'solid', opacity: 0.45 },
      label: { show: false },
      data: marks.filter(({ at }) => at >= from && at <= to).map(({ at }) => ({ xAxis: at })),
    },
    z: 6,
  }
}
