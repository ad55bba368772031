import type { FlowBatch } from '../flow/flow-batch.ts'
import { WORD, type Notes, type SetContext } from './netflow-context.ts'
import type { FlowPlan, TimeKind } from './netflow-plan.ts'

// When flows started and ended: exporters tell it as absolute times, as uptimes of theirs that wrap, before export, or as a duration.

/** Writes when the flows started and ended, by whatever their records tell; by receipt if they tell nothing. */
export function writeTimes(
  batch: FlowBatch,
  first: number,
  count: number,
  plan: FlowPlan,
  context: SetContext,
  notes: Notes,
): void {
  if (plan.start === 'direct' && plan.end === 'direct') return fillZeroTimes(batch, first, count)
  if (plan.start === 'uptime' && plan.end === 'uptime' && !plan.boot && (context.uptime >= 0 || context.bootedAt > 0)) {
    const uptime = context.uptime >= 0 ? context.uptime : uptimeSince(context.bootedAt, context)
    uptimes(batch.time_start, first, notes.start_ticks, count, uptime, context)
    uptimes(batch.time_end, first, notes.end_ticks, count, uptime, context)
    return
  }
  const { time_start: starts, time_end: ends } = batch
  for (let i = 0, r = first; i < count; i++, r++) {
    let start = -1
    let end = -1
    if (plan.start === 'direct') start = (starts[2 * r + 1] as number) * WORD + (starts[2 * r] as number)
    else if (plan.start !== 'none') start = timeOf(plan.start, notes.start, notes.start_ticks, i, plan, context, notes)
    if (plan.end === 'direct') end = (ends[2 * r + 1] as number) * WORD + (ends[2 * r] as number)
    else if (plan.end !== 'none') end = timeOf(plan.end, notes.end, notes.end_ticks, i, plan, context, notes)
    if (start < 0 || end < 0) {
      const lasted =
        plan.duration === 'none' ? 0 : (notes.duration[i] as number) / (plan.duration === 'micros' ? 1000 : 1)
      if (start < 0 && end < 0) end = context.receivedAt
      if (start < 0) start = Math.max(0, end - lasted)
      if (end < 0) end = start + lasted
    }
    starts[2 * r] = start
    starts[2 * r + 1] = start / WORD
    ends[2 * r] = end
    ends[2 * r + 1] = end / WORD
  }
}

// Some exporters leave a time at zero: that is no time. The other one stands in, or the receipt.
function fillZeroTimes(batch: FlowBatch, first: number, count: number): void {
  const { time_start: starts, time_end: ends, time_received: received } = batch
  for (let at = 2 * first; at < 2 * (first + count); at += 2) {
    const noStart = starts[at] === 0 && starts[at + 1] === 0
    const noEnd = ends[at] === 0 && ends[at + 1] === 0
    if (!noStart && !noEnd) continue
    if (noStart && noEnd) {
      ends[at] = received[at] as number
      ends[at + 1] = received[at + 1] as number
    }
    const [from, to] = noEnd && !noStart ? [starts, ends] : [ends, starts]
    to[at] = from[at] as number
    to[at + 1] = from[at + 1] as number
  }
}

function timeOf(
  kind: TimeKind,
  absolute: Float64Array,
  ticks: Uint32Array,
  i: number,
  plan: FlowPlan,
  context: SetContext,
  notes: Notes,
): number {
  if (kind === 'absolute') return absolute[i] as number
  if (kind === 'delta') return Math.max(0, context.exportedAt - (ticks[i] as number) / 1000)
  const tick = ticks[i] as number
  const boot = plan.boot && (notes.boot[i] as number) > 0 ? (notes.boot[i] as number) : context.bootedAt
  if (context.uptime >= 0) return context.exportedAt - ageOf(context.uptime, tick)
  if (boot > 0) return context.exportedAt - ageOf(uptimeSince(boot, context), tick)
  // IPFIX without the time the exporter started: the flow is taken to have ended when it was exported.
  const last = plan.end === 'uptime' ? (notes.end_ticks[i] as number) : tick
  return context.exportedAt - ageOf(last, tick)
}

/** Ages from here on (the last 70 minutes of 49.7 days) are of uptimes that lie a little ahead of the header's. */
const FUTURE = 0xffc0_0000

/** How long before uptime `now` the uptime `then` was, in milliseconds; both wrap after 49.7 days. A little after it is negative. */
function ageOf(now: number, then: number): number {
  const age = (now - then) >>> 0
  return age >= FUTURE ? age - WORD : age
}

/** The uptime of an exporter when it sent the datagram, wrapped as the uptimes in its records are. */
function uptimeSince(boot: number, context: SetContext): number {
  return (context.exportedAt - boot) >>> 0
}

/** Uptimes of v5 and v9 → milliseconds since 1970, in whole numbers only: this runs for most records there are. */
function uptimes(
  times: Uint32Array,
  first: number,
  ticks: Uint32Array,
  count: number,
  uptime: number,
  context: SetContext,
): void {
  const high = Math.floor(context.exportedAt / WORD)
  const low = context.exportedAt >>> 0
  for (let i = 0, at = 2 * first; i < count; i++, at += 2) {
    const age = (uptime - (ticks[i] as number)) >>> 0
    if (age < FUTURE) {
      times[at] = low - age
      times[at + 1] = low < age ? high - 1 : high
    } else {
      const time = context.exportedAt + WORD - age
      times[at] = time
      times[at + 1] = time / WORD
    }
  }
}
