import type { Cell } from '../store/store.ts'
import type { Facts } from './facts.ts'
import { UNSAMPLED, type Sampling, type Sums } from './measure.ts'
import { rowsOf, where, type Prepared } from './question.ts'
import type { Run } from './run.ts'

// How the rows of an answer were sampled, from as little reading as says it.

/**
 * Two narrow columns, read fast: where nothing was sampled, the sums are the cheaper for knowing it. Of rollups, which are
 * small, all there is to know at once.
 */
export async function factsOf(prepared: Prepared, run: Run): Promise<Facts> {
  const protocol = `CAST(protocol, 'Int8')`
  const more = prepared.reading
    ? `, arraySort(groupUniqArray(1000)(sampling_rate)), quantileBFloat16WeightedIf(0.95)(packet_bytes, toUInt64(greatest(bytes * sampling_rate, 0)), sampling_rate > 1)`
    : ''
  const answer = await run.query(
    `SELECT count(), min(sampling_rate), max(sampling_rate), min(${protocol}), max(${protocol})${more} FROM ${rowsOf(prepared)}`,
  )
  const cells = answer.rows[0] ?? []
  const [rows = 0, leastRate = 1, mostRate = 1, leastProtocol = 0, mostProtocol = 0] = cells.slice(0, 5).map(Number)
  const facts = { rows, leastRate, mostRate, leastProtocol, mostProtocol }
  if (!prepared.reading) return facts
  const rates = ((cells[5] ?? []) as readonly Cell[]).map(Number)
  return { ...facts, sampling: { rates, packetBytes: Number(cells[6]) || 0 } }
}

/** Sampled packets looked at for how large the large ones are, in so many places of the range. */
const SLICES = 8
const ROWS_OF_SLICE = 20_000

export async function samplingOf(prepared: Prepared, totals: Sums, facts: Facts, run: Run): Promise<Sampling> {
  if (facts.rows === 0 || facts.mostRate <= 1) return UNSAMPLED
  if (facts.sampling) return facts.sampling
  const [rates, packetBytes] = await Promise.all([
    ratesOf(prepared, facts, run),
    prepared.metric === 'bytes' && totals.sampled > 0 ? packetBytesOf(prepared, run) : 0,
  ])
  return { rates, packetBytes }
}

async function ratesOf(prepared: Prepared, facts: Facts, run: Run): Promise<number[]> {
  if (facts.leastRate === facts.mostRate) return [facts.mostRate]
  const answer = await run.query(`SELECT arraySort(groupUniqArray(1000)(sampling_rate)) FROM ${rowsOf(prepared)}`)
  return ((answer.rows[0]?.[0] ?? []) as readonly Cell[]).map(Number)
}

/** The size of packet that is exceeded by 5 % of the sampled bytes. */
async function packetBytesOf(prepared: Prepared, run: Run): Promise<number> {
  const answer = await run.query(`SELECT quantileBFloat16Weighted(0.95)(size, weight) FROM (${slicesOf(prepared)})`)
  return Number(answer.rows[0]?.[0]) || 0
}

/** Each slice stops when it has seen enough. */
function slicesOf(prepared: Prepared): string {
  const { from, to } = prepared
  const edges = Array.from({ length: SLICES + 1 }, (_, i) => from + Math.floor(((to - from) * i) / SLICES))
  return edges
    .slice(1)
    .flatMap((edge, i) => {
      const start = edges[i] as number
      if (start === edge) return []
      return [
        `SELECT bytes / greatest(packets, 1) AS size, bytes * sampling_rate AS weight FROM flows WHERE ${where(prepared, start, edge)} AND sampling_rate > 1 LIMIT ${ROWS_OF_SLICE}`,
      ]
    })
    .join(' UNION ALL ')
}
