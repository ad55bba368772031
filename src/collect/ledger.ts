import type { ProblemCode } from './ingest.ts'
import type { Listener } from './receive.ts'
import type { ReceiverStatus } from './receiver-messages.ts'

// Where every datagram and every flow went, so that nothing is lost without being told:
//
//   sent to us = received + kernelDropped
//   received   = rejected + understood
//   decoded    = queueDropped + spoolRefused + spooled + in flight
//   spooled    = stored + waiting        (the store's half: see the loader)

/** The pipeline's half of the ledger in src/api/contract/system.ts. */
export interface PipelineLedger {
  readonly datagrams: { readonly received: number; readonly kernelDropped: number; readonly rejected: number }
  readonly flows: {
    readonly decoded: number
    readonly queueDropped: number
    readonly spoolRefused: number
    readonly spooled: number
    /** Decoded, and at this moment between the receiver and the spool. */
    readonly inFlight: number
  }
  readonly metrics: { readonly decoded: number; readonly dropped: number; readonly spooled: number }
}

/** What came of the flows and metrics that left the receivers. */
export interface Outcome {
  spoolRefused: number
  spooled: number
  metricsDropped: number
  metricsSpooled: number
}

/** Adds up the receivers, those that have ended included, and what became of their rows. */
export function ledgerOf(receivers: readonly ReceiverStatus[], outcome: Outcome): PipelineLedger {
  let received = 0
  let kernelDropped = 0
  let rejected = 0
  let decoded = 0
  let queueDropped = 0
  let metricsDecoded = 0
  let metricsDropped = outcome.metricsDropped
  for (const receiver of receivers) {
    for (const listener of receiver.listeners) {
      received += listener.datagrams
      kernelDropped += listener.kernelDropped
    }
    rejected += receiver.rejected
    decoded += receiver.flowsDecoded
    queueDropped += receiver.flowsDropped
    metricsDecoded += receiver.metricsDecoded
    metricsDropped += receiver.metricsDropped
  }
  // Receivers tell their counters once a second, the spool answers at once: between two reports more may be spooled than
  // the last report knows. What is spooled was decoded.
  const settled = queueDropped + outcome.spoolRefused + outcome.spooled
  decoded = Math.max(decoded, settled)
  return {
    datagrams: { received, kernelDropped, rejected },
    flows: {
      decoded,
      queueDropped,
      spoolRefused: outcome.spoolRefused,
      spooled: outcome.spooled,
      inFlight: decoded - settled,
    },
    metrics: { decoded: metricsDecoded, dropped: metricsDropped, spooled: outcome.metricsSpooled },
  }
}

/** Counters of two receivers as one: what ended ones leave is kept in one sum, however often they are started again. */
export function addStatus(a: ReceiverStatus, b: ReceiverStatus): ReceiverStatus {
  const problems = { ...a.problems }
  for (const code of Object.keys(b.problems) as ProblemCode[]) problems[code] += b.problems[code]
  return {
    listeners: mergeListeners([a, b]),
    rejected: a.rejected + b.rejected,
    flowsDecoded: a.flowsDecoded + b.flowsDecoded,
    flowsDropped: a.flowsDropped + b.flowsDropped,
    metricsDecoded: a.metricsDecoded + b.metricsDecoded,
    metricsDropped: a.metricsDropped + b.metricsDropped,
    sightingsDropped: a.sightingsDropped + b.sightingsDropped,
    problems,
    decodeFailures: a.decodeFailures + b.decodeFailures,
    lastDecodeFailure: b.lastDecodeFailure ?? a.lastDecodeFailure,
    streams: a.streams + b.streams,
    streamsEvicted: a.streamsEvicted + b.streamsEvicted,
    templates: a.templates + b.templates,
    pending: a.pending + b.pending,
    batchesAllocated: a.batchesAllocated + b.batchesAllocated,
    batchesFree: a.batchesFree + b.batchesFree,
    refused: [...b.refused, ...a.refused].slice(0, 100),
  }
}

/** One line a listener, whatever number of receivers share it. */
export function mergeListeners(statuses: readonly ReceiverStatus[]): Listener[] {
  const merged = new Map<string, Listener>()
  for (const { listeners } of statuses) {
    for (const one of listeners) {
      const key = `${one.address} ${one.port} ${one.transport ?? 'udp'}`
      const same = merged.get(key)
      if (!same) {
        merged.set(key, { ...one })
        continue
      }
      same.datagrams += one.datagrams
      same.bytes += one.bytes
      same.kernelDropped += one.kernelDropped
    }
  }
  return [...merged.values()]
}

/** What was lost of late, as opposed to since the start. */
export interface RecentLoss {
  readonly overMs: number
  readonly kernelDropped: number
  readonly queueDropped: number
  readonly spoolRefused: number
}

const RECENT_MS = 300_000
const RECENT_STEP_MS = 10_000

/** Remembers the ledger of the last five minutes, every ten seconds, to tell what was lost in them. */
export class RecentLosses {
  readonly #marks: { at: number; kernelDropped: number; queueDropped: number; spoolRefused: number }[] = []

  note(now: number, { datagrams, flows }: PipelineLedger): void {
    const last = this.#marks.at(-1)
    if (last && Math.abs(now - last.at) < RECENT_STEP_MS) return
    this.#marks.push({
      at: now,
      kernelDropped: datagrams.kernelDropped,
      queueDropped: flows.queueDropped,
      spoolRefused: flows.spoolRefused,
    })
    while (this.#marks.length > RECENT_MS / RECENT_STEP_MS + 1) this.#marks.shift()
  }

  since(now: number, { datagrams, flows }: PipelineLedger): RecentLoss {
    const from = this.#marks[0] ?? { at: now, kernelDropped: 0, queueDropped: 0, spoolRefused: 0 }
    return {
      overMs: Math.max(0, now - from.at),
      kernelDropped: datagrams.kernelDropped - from.kernelDropped,
      queueDropped: flows.queueDropped - from.queueDropped,
      spoolRefused: flows.spoolRefused - from.spoolRefused,
    }
  }
}
