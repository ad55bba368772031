import type { Cell } from '../store/store.ts'
import { intervalOf, sumsOf, sumsSql, weightOf, type Metric, type Sums } from './measure.ts'
import { missingOf, sumOf } from './missing.ts'
import { rowsOf, type Prepared } from './question.ts'
import type { Provenance, Run } from './run.ts'
import { howSampled } from './sampling.ts'

// What a range holds in all: bytes, packets and flows, each with its own interval and its mean a second.

export interface Total {
  value: number
  low: number
  high: number
  /** Mean over the range; of bytes in bits. */
  perSecond: number
}

export interface TotalsAnswer extends Provenance {
  from: number
  to: number
  bytes: Total
  packets: Total
  flows: Total
  bytesPerPacket: number
}

export async function totals(prepared: Prepared, run: Run): Promise<TotalsAnswer> {
  const { from, to } = prepared
  const how = howSampled({ ...prepared, metric: 'bytes' }, run)
  const [bytes, packets] = await Promise.all([sumsFor(prepared, 'bytes', run), sumsFor(prepared, 'packets', run)])
  const [facts, sampling] = await Promise.all([how.facts, how.sampling])
  const total = async (sums: Sums, metric: Metric): Promise<Total> => {
    const value = sums[metric]
    const perSecond = (value * (metric === 'bytes' ? 8 : 1)) / ((to - from) / 1000)
    const { low, high } = intervalOf(sums, metric, weightOf(sums, metric, sampling))
    const { all } = await missingOf({ ...prepared, metric }, [], run)
    return { value, low, high: high + sumOf(all), perSecond }
  }
  return {
    from,
    to,
    bytes: await total(bytes, 'bytes'),
    packets: await total(packets, 'packets'),
    // Records that came are counted, not estimated.
    flows: await total({ ...bytes, sampled: 0, variance: 0 }, 'flows'),
    bytesPerPacket: bytes.packets > 0 ? bytes.bytes / bytes.packets : 0,
    ...run.provenance(prepared, sampling, facts),
  }
}

async function sumsFor(prepared: Prepared, metric: Metric, run: Run): Promise<Sums> {
  const answer = await run.query(`SELECT ${sumsSql({ ...prepared, metric })} FROM ${rowsOf(prepared)}`)
  return sumsOf(answer.rows[0] as readonly Cell[], 0)
}
