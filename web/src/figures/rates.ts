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

/** A second, over `seconds`: bits for bytes; a share of `speed`, and null where that is not known. */
export function rateOf(row: Row, metric: MetricName, seconds: number, speed?: number | null): Rate | null {
  if (metric === 'share' && row.share) return row.share
  const whole = metric === 'share' ? (speed ?? row.speed) : 1
  if (!whole) return null
  const scale = (summed(metric) === 'bytes' ? 8 : 1) / Math.max(1, seconds) / whole
  return { value: row[summed(metric)] * scale, low: row.low * scale, high: row.high * scale }
}
