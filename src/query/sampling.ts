import type { Cell } from '../store/store.ts'
import type { Facts } from './facts.ts'
import { UNSAMPLED, type Sampling } from './measure.ts'
import { rowsOf, where, type Prepared } from './question.ts'
import type { Run } from './run.ts'
import { SLOT_MS } from './source.ts'

// How the rows of an answer were sampled, from as little reading as says it.

const SFLOW = "protocol = 'sflow'"

export interface HowSampled {
  readonly facts: Promise<Facts>
  readonly sampling: Promise<Sampling>
}

/** Found out beside what else is asked. Either may be awaited after something else has failed. */
export function howSampled(prepared: Prepared, run: Run): HowSampled {
  const facts = factsOf(prepared, run)
  const sampling = facts.then((known) => samplingOf(prepared, known, run))
  sampling.catch(() => undefined)
  return { facts, sampling }
}

/**
 * Of the flows only whether there is any such row: each probe stops at the first, and where there is none it has read one
 * narrow column. Of rollups, which are small, all there is to know.
 */
async function factsOf(prepared: Prepared, run: Run): Promise<Facts> {
  return prepared.reading ? ofRollups(prepared, run) : ofFlows(prepared, run)
}

async function ofFlows(prepared: Prepared, run: Run): Promise<Facts> {
  const probes = ['sampling_rate > 1', 'sampling_rate = 1', SFLOW, `NOT (${SFLOW})`].map(
    (probe, i) => `(SELECT ${i} AS i, sampling_rate FROM flows WHERE ${where(prepared)} AND ${probe} LIMIT 1)`,
  )
  const answer = await run.query(probes.join(' UNION ALL '), probes.length)
  const found = new Map(answer.rows.map(([i, rate]) => [Number(i), Number(rate)]))
  const sampledRate = found.get(0)
  return {
    ...(sampledRate === undefined ? {} : { sampledRate }),
    unsampled: found.has(1),
    frames: found.has(2),
    packets: found.has(3),
  }
}

async function ofRollups(prepared: Prepared, run: Run): Promise<Facts> {
  const size = `quantileBFloat16WeightedIf(0.95)(packet_bytes, toUInt64(greatest(bytes * sampling_rate, 0)), sampling_rate > 1)`
  const answer = await run.query(
    `SELECT arraySort(groupUniqArray(1000)(sampling_rate)), countIf(${SFLOW}), countIf(NOT (${SFLOW})), ${size} FROM ${rowsOf(prepared)}`,
  )
  const [list = [], frames = 0, packets = 0, packetBytes = 0] = answer.rows[0] ?? []
  const rates = (list as readonly Cell[]).map(Number)
  const sampledRate = rates.find((rate) => rate > 1)
  return {
    ...(sampledRate === undefined ? {} : { sampledRate }),
    unsampled: rates.includes(1),
    frames: Number(frames) > 0,
    packets: Number(packets) > 0,
    sampling: { rates, packetBytes: Number(packetBytes) || 0 },
  }
}

/** Sampled packets looked at for how large the large ones are, in so many places of the range. */
const SLICES = 8
const ROWS_OF_SLICE = 10_000
/** Rates that are asked for one by one; whoever has more of them is asked for all at once. */
const FEW_RATES = 5

async function samplingOf(prepared: Prepared, facts: Facts, run: Run): Promise<Sampling> {
  const { sampledRate } = facts
  if (sampledRate === undefined) return UNSAMPLED
  if (facts.sampling) return facts.sampling
  const [rates, packetBytes] = await Promise.all([
    ratesOf(prepared, [...(facts.unsampled ? [1] : []), sampledRate], run),
    prepared.metric === 'bytes' ? packetBytesOf(prepared, run) : 0,
  ])
  return { rates, packetBytes }
}

/** The rates known and all others, ascending. */
async function ratesOf(prepared: Prepared, known: readonly number[], run: Run): Promise<number[]> {
  if (known.length > FEW_RATES) {
    const answer = await run.query(`SELECT groupUniqArray(1000)(sampling_rate) FROM ${rowsOf(prepared)}`)
    return ((answer.rows[0]?.[0] ?? []) as readonly Cell[]).map(Number).sort((a, b) => a - b)
  }
  const others = `sampling_rate NOT IN (1, ${known.join(', ')})`
  const { rows } = await run.query(`SELECT sampling_rate FROM flows WHERE ${where(prepared)} AND ${others} LIMIT 1`)
  const [another] = rows[0] ?? []
  if (another === undefined) return known.toSorted((a, b) => a - b)
  return ratesOf(prepared, [...known, Number(another)], run)
}

/** The size of packet that is exceeded by 5 % of the sampled bytes. */
async function packetBytesOf(prepared: Prepared, run: Run): Promise<number> {
  const answer = await run.query(
    `SELECT quantileBFloat16Weighted(0.95)(size, weight) FROM (${slicesOf(prepared)})`,
    SLICES,
  )
  return Number(answer.rows[0]?.[0]) || 0
}

/** Each slice stops when it has seen enough. */
function slicesOf(prepared: Prepared): string {
  const { from, to } = prepared
  // On the borders of slots, where flows are found without their times.
  const unit = to - from > 2 * SLICES * SLOT_MS ? SLOT_MS : 1
  const inner = Array.from({ length: SLICES - 1 }, (_, i) => from + ((to - from) * (i + 1)) / SLICES)
  const edges = [from, ...inner.map((time) => Math.floor(time / unit) * unit), to]
  return edges
    .slice(1)
    .flatMap((edge, i) => {
      const start = edges[i] as number
      if (start === edge) return []
      return [
        `SELECT bytes / greatest(packets, 1) AS size, bytes * sampling_rate AS weight FROM ${rowsOf({ ...prepared, from: start, to: edge }, 'sampling_rate > 1')} LIMIT ${ROWS_OF_SLICE}`,
      ]
    })
    .join(' UNION ALL ')
}
