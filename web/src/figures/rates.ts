// The rate of a row of an answer: its sum over the time, or its share of the interface's speed.
import type { Metric, Row } from '../../../src/api/contract/query.ts'
import type { MetricName } from './units.ts'

/** What is summed for a metric. */
export function summed(metric: MetricName): Metric {
  return metric === 'share' ? 'bytes' : metric
}

export interface Rate {
  readonly value: number
  readonly low: number
  readonly high: number
}

/** A second, over `seconds`: bits for bytes; null where the speed of the interface is not known. */
export function rateOf(row: Row, metric: MetricName, seconds: number): Rate | null {
  if (metric === 'share') return row.share ?? null
  const scale = (metric === 'bytes' ? 8 : 1) / Math.max(1, seconds)
  return { value: row[metric] * scale, low: row.low * scale, high: row.high * scale }
}
