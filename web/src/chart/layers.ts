// From a series answer to the layers of a picture: the largest first, at most seven and the rest as one.
import type { SeriesAnswer } from '../../../src/api/contract/query.ts'
import { keyId, keyText } from '../names/dimensions.ts'
import type { ExporterNames } from '../names/dimensions.ts'
import type { MetricName } from '../figures/units.ts'
import type { Key } from '../names/dimensions.ts'

export interface Layer {
  readonly id: string
  readonly name: string
  readonly key: Key
  readonly other: boolean
  readonly values: readonly (number | null)[]
  readonly low: readonly (number | null)[]
  readonly high: readonly (number | null)[]
}

export const MOST_LAYERS = 7

type Series = SeriesAnswer['series'][number]

function sum(rows: readonly (readonly (number | null)[])[], at: number): number | null {
  let total: number | null = null
  for (const row of rows) {
    const value = row[at]
    if (value !== null && value !== undefined) total = (total ?? 0) + value
  }
  return total
}

/** Adds layers up; their intervals add as independent errors do, by the square. */
export function addUp(
  layers: readonly Pick<Layer, 'values' | 'low' | 'high'>[],
  length: number,
): Pick<Layer, 'values' | 'low' | 'high'> {
  const values = Array.from({ length }, (_, at) =>
    sum(
      layers.map((layer) => layer.values),
      at,
    ),
  )
  const half = Array.from({ length }, (_, at) =>
    Math.sqrt(layers.reduce((squares, { low, high }) => squares + (((high[at] ?? 0) - (low[at] ?? 0)) / 2) ** 2, 0)),
  )
  return {
    values,
    low: values.map((value, at) => (value === null ? null : Math.max(0, value - (half[at] ?? 0)))),
    high: values.map((value, at) => (value === null ? null : value + (half[at] ?? 0))),
  }
}

function size(series: Pick<Series, 'values'>): number {
  return series.values.reduce<number>((total, value) => total + (value ?? 0), 0)
}

/** @param parts false for groups that are no parts of one whole: those beyond `most` can't be one with the rest then */
export function layersOf(answer: SeriesAnswer, most = MOST_LAYERS, exporters?: ExporterNames, parts = true): Layer[] {
  const named = answer.series.filter((series) => !series.other).sort((a, b) => size(b) - size(a))
  const layers = named.slice(0, most).map((series) => ({
    id: keyId(answer.columns, series.key),
    name: answer.columns.length === 0 ? 'all traffic' : keyText(answer.columns, series.key, exporters),
    key: series.key,
    other: false,
    values: series.values,
    low: series.low,
    high: series.high,
  }))
  const rest = [...named.slice(most), ...answer.series.filter((series) => series.other)]
  if (rest.length === 0 || (!parts && rest.length > 1)) return layers
  return [...layers, { id: '\u0000other', name: 'other', key: {}, other: true, ...addUp(rest, answer.times.length) }]
}

/** Sums of the same bytes in another order differ by this much at most. */
const ROUNDING = 1e-6

/**
 * True if the layers are parts of one whole. Shares of different links are not, nor are groups by either end of a flow,
 * which counts for both.
 */
export function addsUp({ series, total }: Pick<SeriesAnswer, 'series' | 'total'>, metric: MetricName): boolean {
  if (metric === 'share') return false
  const sum = series.reduce((so, one) => so + one.total[metric], 0)
  return sum <= total[metric] * (1 + ROUNDING)
}

/** The layer drawn at a height of one bucket: the band of a stack, or the nearest line; undefined beside all of them. */
export function layerAt(layers: readonly Layer[], index: number, height: number, stacked: boolean): Layer | undefined {
  if (!stacked) {
    const near = (layer: Layer) => Math.abs((layer.values[index] ?? Infinity) - height)
    const best = layers.reduce<Layer | undefined>(
      (least, layer) => (least === undefined || near(layer) < near(least) ? layer : least),
      undefined,
    )
    return best && near(best) < Infinity ? best : undefined
  }
  let top = 0
  if (height < 0) return undefined
  return layers.find((layer) => (top += layer.values[index] ?? 0) >= height && (layer.values[index] ?? 0) > 0)
}

/** Less of a bucket that goes on than this says too little of what it will be. */
const LEAST_ARRIVED = 0.75

/** How many buckets are worth drawing: not the newest, as long as most of what passed in it has not arrived. */
export function drawnBuckets(times: readonly number[], stepSeconds: number, to: number, settled: number): number {
  let count = times.length
  for (; count > 1; count--) {
    const start = times[count - 1] ?? 0
    const passed = Math.min(to, start + stepSeconds * 1000) - start
    if (Math.min(settled, start + passed) - start >= LEAST_ARRIVED * passed) break
  }
  return count
}

/** How many buckets at the start are complete: those that ended before `until`. */
export function completeBuckets(times: readonly number[], stepSeconds: number, until: number): number {
  let count = times.length
  while (count > 0 && (times[count - 1] ?? 0) + stepSeconds * 1000 > until) count--
  return count
}

/** The first bucket that begins at `from` or later; what was before it is not all known. */
export function firstWhole(times: readonly number[], from: number): number {
  const first = times.findIndex((time) => time >= from)
  return first < 0 ? times.length : first
}

/** How long after its end a bucket may still grow: receipt, spool and loading. */
export const SETTLE_MS = 4000

export interface WholeBuckets {
  /** The first bucket that is all kept. */
  readonly first: number
  /** The first after it that has not all arrived. */
  readonly complete: number
}

/** The buckets that are wholly known. */
export function wholeBuckets(
  answer: Pick<SeriesAnswer, 'times' | 'step' | 'to'> & {
    readonly askedAt: number
    readonly known: { readonly from: number }
  },
): WholeBuckets {
  const { times, step, to, askedAt, known } = answer
  return {
    first: firstWhole(times, known.from),
    complete: completeBuckets(times, step, Math.min(to, askedAt - SETTLE_MS)),
  }
}
