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
  const { time_start: starts, time_end: ends } = batch
  const { bootedAt } = context
  if (plan.start === 'uptime' && plan.end === 'uptime' && !plan.boot) {
    if (context.uptime < 0 && bootedAt <= 0) return beforeExport(batch, first, count, context, notes)
    const uptime = (context.uptime >= 0 ? context.uptime : uptimeSince(bootedAt, context)) | 0
    uptimes(starts, first, notes.start_ticks, count, uptime, context)
    uptimes(ends, first, notes.end_ticks, count, uptime, context)
    return
  }
  resolve(plan.start, starts, first, count, plan, context, notes, notes.start, notes.start_ticks)
  resolve(plan.end, ends, first, count, plan, context, notes, notes.end, notes.end_ticks)
  const { start: from, end: to, duration } = notes
  const { receivedAt } = context
  const unit = plan.duration === 'none' ? Number.POSITIVE_INFINITY : plan.duration === 'micros' ? 1000 : 1
  for (let i = 0, at = 2 * first; i < count; i++, at += 2) {
    let start = from[i] as number
    let end = to[i] as number
    if (start < 0 || end < 0) {
      const lasted = (duration[i] as number) / unit
      if (start < 0 && end < 0) end = receivedAt
      if (start < 0) start = Math.max(0, end - lasted)
      if (end < 0) end = start + lasted
    }
    starts[at] = start
    starts[at + 1] = start / WORD
    ends[at] = end
    ends[at + 1] = end / WORD
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

/** Milliseconds since 1970 of the records' times into `into`, negative where there is none. Absolute times stand there already. */
function resolve(
  kind: TimeKind,
  times: Uint32Array,
  first: number,
  count: number,
  plan: FlowPlan,
  context: SetContext,
  notes: Notes,
  into: Float64Array,
  ticks: Uint32Array,
): void {
  const { exportedAt, bootedAt } = context
  if (kind === 'none') for (let i = 0; i < count; i++) into[i] = -1
  else if (kind === 'direct')
    for (let i = 0, at = 2 * first; i < count; i++, at += 2)
      into[i] = (times[at + 1] as number) * WORD + (times[at] as number)
  else if (kind === 'delta')
    for (let i = 0; i < count; i++) into[i] = Math.max(0, exportedAt - (ticks[i] as number) / 1000)
  else if (kind === 'uptime') {
    const boots = plan.boot ? notes.boot : undefined
    const last = plan.end === 'uptime' ? notes.end_ticks : ticks
    for (let i = 0; i < count; i++) {
      const told = boots === undefined ? 0 : (boots[i] as number)
      const boot = told > 0 ? told : bootedAt
      // Without the time the exporter started (IPFIX) the flow is taken to have ended when it was exported.
      const now = context.uptime >= 0 ? context.uptime : boot > 0 ? uptimeSince(boot, context) : (last[i] as number)
      into[i] = exportedAt - ageOf(now, ticks[i] as number)
    }
  }
}

/** Uptimes that lie so little (70 minutes of 49.7 days) ahead of the header's are ahead of it, not long before. */
const AHEAD = 0x40_0000

/** How long before uptime `now` the uptime `then` was, in milliseconds; both wrap after 49.7 days. A little after it is negative. */
function ageOf(now: number, then: number): number {
  const age = (now - then) >>> 0
  return age >= WORD - AHEAD ? age - WORD : age
}

/** The uptime of an exporter when it sent the datagram, wrapped as the uptimes in its records are. */
function uptimeSince(boot: number, context: SetContext): number {
  return (context.exportedAt - boot) >>> 0
}

/** Uptimes → milliseconds since 1970, in whole numbers only: this runs for most records there are. `uptime` as a signed word. */
function uptimes(
  times: Uint32Array,
  first: number,
  ticks: Uint32Array,
  count: number,
  uptime: number,
  context: SetContext,
): void {
  const high = (context.exportedAt / WORD) | 0
  const low = context.exportedAt | 0
  for (let i = 0, at = first << 1; i < count; i++, at = (at + 2) | 0) {
    const age = (uptime - (ticks[i] as number)) | 0
    if (age >= 0 || age < -AHEAD) {
      times[at] = low - age
      times[at | 1] = low >>> 0 < age >>> 0 ? high - 1 : high
    } else {
      const time = context.exportedAt - age
      times[at] = time
      times[at | 1] = time / WORD
    }
  }
}

/** Uptimes of an exporter that does not tell when it started: its flows are taken to have ended when they were exported. */
function beforeExport(batch: FlowBatch, first: number, count: number, context: SetContext, notes: Notes): void {
  const { start_ticks, end_ticks } = notes
  for (let i = 0; i < count; i++) start_ticks[i] = (start_ticks[i] as number) - (end_ticks[i] as number)
  uptimes(batch.time_start, first, start_ticks, count, 0, context)
  const { time_end } = batch
  const low = context.exportedAt | 0
  const high = (context.exportedAt / WORD) | 0
  for (let at = first << 1; at < 2 * (first + count); at = (at + 2) | 0) {
    time_end[at] = low
    time_end[at | 1] = high
  }
}
