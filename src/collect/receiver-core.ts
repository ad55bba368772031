import type { Clock } from '../base/clock.ts'
import { BatchPool } from './batch-pool.ts'
import { familyOf, RefusedSources } from './dispatch.ts'
import type { Datagram, Ingest, IngestSink, ProblemCode } from './ingest.ts'
import type { Listener } from './receive.ts'
import { ReceiverSink } from './receiver-sink.ts'
import type { FromReceiver, IngestState, ReceiverConfig, ReceiverStatus, ToReceiver } from './receiver-messages.ts'

// What a receiver does between its sockets and the pipeline: dispatch, the batch being filled, the counters. It knows
// no threads: messages come from `mail` and go to `post`.

export interface ReceiverCoreDeps {
  readonly netflow: Ingest
  readonly sflow: Ingest
  readonly clock: Clock
  readonly post: (message: FromReceiver) => void
  /** The next message of the pipeline, undefined if there is none. */
  readonly mail: () => ToReceiver | undefined
  /** The open listeners, their kernel drops read just now. */
  readonly listeners: () => readonly Listener[]
}

const METRICS_PER_MESSAGE = 8_192
const METRICS_IN_FLIGHT = 8
const SIGHTINGS_PER_MESSAGE = 2_000
const STREAMS_LEAST = 64
const STREAMS_MOST = 10_000
const REFUSED_SHOWN = 100
/** Nobody sends so many in one message. */
const ROWS_OF_A_MESSAGE = 8_192
/** What may have changed without being counted is saved this often. */
const SAVE_ALL_MS = 60_000
const SHRINK_MS = 30_000
/** What is due within a second and is further away than this was set before the clock was. */
const CLOCK_SET_BACK_MS = 2_000
/** Housekeeping that took t ms comes again at the earliest after this many times t: receiving goes first. */
const HOUSEKEEPING_SHARE = 50
/** What the kernel counts for a datagram of Ethernet size in the receive buffer. */
const KERNEL_BYTES_A_DATAGRAM = 2_304
/** Housekeeping may let the receive buffer fill up by this part. */
const BUFFER_SHARE = 1 / 8
/** Of fewer streams or templates, the time each takes says nothing. */
const MEASURED_FROM = 100
/** At the end there is nothing more to receive, but somebody waits. */
const LAST_SAVE_MS = 1_000
const LAST_STREAMS = 512

/** Problems after which, if nothing else came of it, a datagram counts as rejected. */
const REJECTING: ReadonlySet<ProblemCode> = new Set([
  'truncated',
  'bad_version',
  'bad_length',
  'bad_template',
  'bad_sample',
  'bad_record',
  'empty',
  'unsupported',
  'session_limit',
])

export interface ReceiverCore {
  datagram(datagram: Datagram): void
  /** Counts something that nothing could be made of. */
  refuse(from: Datagram, code: ProblemCode): void
  /** True if there is room for the rows of a large message. */
  ready(): boolean
  /** Where the ingests put what they understand. */
  readonly sink: IngestSink
  /** Housekeeping between datagrams, at least every 100 ms: batches by age, and what is due each second. */
  turn(): void
  /** Reads what the pipeline sent. */
  readMail(): void
  restore(states: readonly IngestState[]): void
  /** Tells the counters now. */
  report(): void
  /** Hands on all that is left, templates included, and says that it is done. */
  finish(): void
}

export function createReceiverCore(config: ReceiverConfig, deps: ReceiverCoreDeps): ReceiverCore {
  const { netflow, sflow, clock, post } = deps
  const sink = new ReceiverSink(new BatchPool(config.batchRows, config.batches), deps)
  const refused = new RefusedSources()
  let rejected = 0
  let metricsDecoded = 0
  let metricsDropped = 0
  let decodeFailures = 0
  let lastDecodeFailure: string | null = null
  let secondAt = clock.now() + 1000
  let shrinkAt = clock.now() + SHRINK_MS
  let streamsAt = 0
  let msPerStream = 0.02
  let datagramsThen = 0
  let datagramsPerMs = 0
  let statusAt = clock.now()
  let msPerSaved = 0.03
  let saveAt = clock.now() + config.saveMs
  let savedMark = ''

  function decode(ingest: Ingest, datagram: Datagram): void {
    const metricsBefore = sink.metrics.n
    sink.firstProblem = undefined
    let rows = 0
    try {
      rows = ingest.datagram(datagram, sink)
    } catch (error) {
      // No decoder should throw. If one does, one hostile datagram must not end receiving for everybody.
      decodeFailures++
      lastDecodeFailure = error instanceof Error ? (error.stack ?? error.message) : String(error)
      rejected++
    }
    if (
      sink.firstProblem !== undefined &&
      rows === 0 &&
      sink.metrics.n === metricsBefore &&
      REJECTING.has(sink.firstProblem)
    ) {
      rejected++
      refused.add(datagram, sink.firstProblem)
    }
    if (sink.metrics.n >= METRICS_PER_MESSAGE) flushMetrics()
    if (sink.sightings.length >= SIGHTINGS_PER_MESSAGE) flushSightings()
  }

  function flushMetrics(): void {
    const n = sink.metrics.n
    if (n === 0) return
    metricsDecoded += n
    if (sink.metricsInFlight < METRICS_IN_FLIGHT) {
      sink.metricsInFlight++
      post({ type: 'metrics', batch: sink.metrics })
    } else metricsDropped += n
    sink.metrics.clear()
  }

  function flushSightings(): void {
    if (sink.sightings.length === 0) return
    post({ type: 'sightings', sightings: sink.sightings })
    sink.sightings = []
  }

  /** How long receiving may pause at the rate of the last second without a full receive buffer. */
  function affordableMs(): number {
    const listeners = deps.listeners()
    const buffer = listeners.reduce(
      // What comes over TCP waits at its sender.
      (least, { receiveBufferBytes, transport }) =>
        transport === undefined ? Math.min(least, receiveBufferBytes) : least,
      Number.POSITIVE_INFINITY,
    )
    return (buffer * BUFFER_SHARE) / KERNEL_BYTES_A_DATAGRAM / Math.max(datagramsPerMs, 0.001)
  }

  function status(): ReceiverStatus {
    const n = netflow.counts()
    const s = sflow.counts()
    return {
      listeners: deps
        .listeners()
        .map(({ address, port, transport, receiveBufferBytes, datagrams, bytes, kernelDropped }) => ({
          address,
          port,
          ...(transport === undefined ? {} : { transport }),
          receiveBufferBytes,
          datagrams,
          bytes,
          kernelDropped,
        })),
      rejected,
      flowsDecoded: sink.handedOn + sink.flows.n + sink.dropped,
      flowsDropped: sink.dropped,
      metricsDecoded: metricsDecoded + sink.metrics.n,
      metricsDropped,
      sightingsDropped: sink.sightingsDropped,
      problems: { ...sink.problems },
      decodeFailures,
      lastDecodeFailure,
      streams: n.streams + s.streams,
      streamsEvicted: n.evicted + s.evicted,
      templates: n.templates + s.templates,
      pending: n.pending + s.pending,
      batchesAllocated: sink.pool.allocated,
      batchesFree: sink.pool.free,
      refused: refused.list(REFUSED_SHOWN),
    }
  }

  function postStreams(now: number, limit: number): void {
    const started = performance.now()
    const streams = [...netflow.streams(limit), ...sflow.streams(limit)]
    if (streams.length === 0) return
    post({ type: 'streams', at: now, streams })
    const took = performance.now() - started
    if (streams.length >= MEASURED_FROM) msPerStream += 0.3 * (took / streams.length - msPerStream)
    streamsAt = now + took * HOUSEKEEPING_SHARE
  }

  /** Gives out what is to be kept, unless nothing is new or it would take longer than it may. */
  function postState(now: number, mayTakeMs: number): void {
    saveAt = now + config.saveMs
    const { streams, templates, revision } = netflow.counts()
    const kept = streams + templates + sflow.counts().streams
    // Sampling rates change without a new template: once a minute is soon enough for them.
    const mark = `${revision}/${kept}/${kept > 0 ? Math.floor(now / SAVE_ALL_MS) : 0}`
    if (mark === savedMark || kept * msPerSaved > mayTakeMs) return
    savedMark = mark
    const started = performance.now()
    post({ type: 'state', state: { netflow: netflow.save(), sflow: sflow.save() } })
    const took = performance.now() - started
    if (kept >= MEASURED_FROM) msPerSaved += 0.5 * (took / kept - msPerSaved)
    saveAt = now + Math.max(config.saveMs, took * HOUSEKEEPING_SHARE)
  }

  function second(now: number): void {
    if (secondAt - now > CLOCK_SET_BACK_MS) {
      streamsAt = now
      saveAt = now
      shrinkAt = now
    }
    secondAt = now + 1000
    netflow.tick(now, sink)
    sflow.tick(now, sink)
    flushMetrics()
    flushSightings()
    sink.sightingsThisSecond = 0
    const report = status()
    post({ type: 'status', status: report })
    const datagrams = report.listeners.reduce((sum, listener) => sum + listener.datagrams, 0)
    datagramsPerMs = (datagrams - datagramsThen) / Math.max(1, now - statusAt)
    datagramsThen = datagrams
    statusAt = now
    const affordable = affordableMs()
    if (now >= streamsAt)
      postStreams(now, Math.max(STREAMS_LEAST, Math.min(STREAMS_MOST, Math.floor(affordable / 2 / msPerStream))))
    if (now >= saveAt) postState(now, affordable)
    if (now >= shrinkAt) {
      shrinkAt = now + SHRINK_MS
      for (const id of sink.pool.shrink()) post({ type: 'batchForgotten', id })
    }
  }

  return {
    datagram(datagram) {
      const family = familyOf(datagram)
      if (family === 'netflow') decode(netflow, datagram)
      else if (family === 'sflow') decode(sflow, datagram)
      else {
        sink.problems[family]++
        rejected++
        refused.add(datagram, family)
      }
    },
    refuse(from, code) {
      sink.problems[code]++
      refused.add(from, code)
    },
    ready: () => sink.flows.n + ROWS_OF_A_MESSAGE <= sink.flows.capacity || sink.handOn(),
    sink,
    turn() {
      const now = clock.now()
      if (sink.flows.n === 0) sink.filledSince = 0
      else if (sink.filledSince === 0 || now < sink.filledSince) sink.filledSince = now
      else if (now - sink.filledSince >= config.flushMs) sink.handOn()
      // A clock that was set back must not stop what is due.
      if (now >= secondAt || secondAt - now > CLOCK_SET_BACK_MS) second(now)
    },
    readMail: () => sink.readMail(),
    restore(states) {
      for (const state of states) {
        netflow.restore(state.netflow)
        sflow.restore(state.sflow)
      }
    },
    report: () => post({ type: 'status', status: status() }),
    finish() {
      const now = clock.now()
      if (sink.flows.n > 0) sink.giveAway()
      flushMetrics()
      flushSightings()
      post({ type: 'status', status: { ...status(), flowsDecoded: sink.handedOn + sink.dropped } })
      postStreams(now, LAST_STREAMS)
      savedMark = ''
      postState(now, LAST_SAVE_MS)
      post({ type: 'stopped' })
    },
  }
}
