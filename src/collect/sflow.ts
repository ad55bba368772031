// sFlow v5 datagrams → flow rows, metrics and sightings.
import type { Clock } from '../base/clock.ts'
import { isCounterSample, isFlowSample, SAMPLE, SflowReader } from '../wire/sflow/reader.ts'
import type { Datagram, Ingest, IngestSink } from './ingest.ts'
import { createCounterReader } from './sflow-counters.ts'
import { createCustomReader } from './sflow-custom.ts'
import { createRowStamp, fillSflowRow, stampRows, stampTime } from './sflow-row.ts'
import { type SflowStream, SflowStreams } from './sflow-streams.ts'

const MAPPED = 0xffff0000
const TWO_32 = 4_294_967_296

export interface SflowIngestOptions {
  /** Streams, that is pairs of agent and sub-agent, kept at most; 10,000 if not given. */
  readonly maxStreams?: number
  /** Mixed into the hash of streams; random if not given. */
  readonly seed?: number
}

/** Reads sFlow v5. A stream is an (agent, sub-agent); an agent that gives no address is known by the datagram's source. */
export function createSflowIngest(options: SflowIngestOptions, _deps: { clock: Clock }): Ingest {
  const reader = new SflowReader()
  const counters = createCounterReader(reader)
  const custom = createCustomReader(reader)
  const stamp = createRowStamp()
  /** The first row of the batch that has not been stamped yet. */
  let unstamped = 0
  const streams = new SflowStreams(options.maxStreams ?? 10_000, options.seed ?? Math.floor(Math.random() * TWO_32))

  function problem(datagram: Datagram, sink: IngestSink, stream: SflowStream | undefined): void {
    if (reader.problem === '') return
    sink.problem(reader.problem, reader.problemAt - datagram.offset)
    stream?.problem(reader.problem)
    reader.problem = ''
  }

  /** Records that nothing here knows were stepped over: counted, once for a sample. */
  function unsupported(datagram: Datagram, sink: IngestSink, stream: SflowStream): void {
    const named = Math.min(reader.unknownRecords, reader.unknownTypes.length)
    for (let i = 0; i < named; i++) stream.unknown('flow', reader.unknownTypes[i] as number)
    reader.unknownRecords = 0
    stream.problem('unsupported')
    sink.problem('unsupported', reader.sampleAt - datagram.offset)
  }

  function streamOf(datagram: Datagram): SflowStream {
    const { view } = datagram
    streams.now = datagram.receivedAt
    const at = reader.agentAt
    if (reader.agentType === 1 && view.getUint32(at) !== 0) {
      return streams.heard(0, 0, MAPPED, view.getUint32(at, true), reader.subAgent)
    }
    if (reader.agentType === 2) {
      const word0 = view.getUint32(at, true)
      const word1 = view.getUint32(at + 4, true)
      const word2 = view.getUint32(at + 8, true)
      const word3 = view.getUint32(at + 12, true)
      if (word0 !== 0 || word1 !== 0 || word2 !== 0 || word3 !== 0) {
        return streams.heard(word0, word1, word2, word3, reader.subAgent)
      }
    }
    return streams.heard(datagram.source0, datagram.source1, datagram.source2, datagram.source3, reader.subAgent)
  }

  function flowRow(datagram: Datagram, sink: IngestSink, stream: SflowStream): number {
    if (sink.flows.n >= sink.flows.capacity) {
      // A full batch is handed on: its rows must be whole before
      stampRows(stamp, sink.flows, unstamped, sink.flows.n)
      unstamped = sink.flows.n
      if (!sink.room(1)) return 0
      unstamped = sink.flows.n
    } else if (!sink.room(1)) return 0
    const batch = sink.flows
    const row = batch.n
    const made = fillSflowRow(reader, batch, row)
    if (reader.unknownRecords > 0) unsupported(datagram, sink, stream)
    if (!made) {
      stream.others++
      return 0
    }
    batch.n = row + 1
    if (reader.sampleType !== SAMPLE.discarded)
      stream.sampled(reader.sourceClass, reader.sourceIndex, reader.samplingRate)
    return 1
  }

  return {
    datagram(datagram, sink) {
      if (!reader.start(datagram.view, datagram.offset, datagram.length)) {
        problem(datagram, sink, undefined)
        return 0
      }
      const stream = streamOf(datagram)
      stream.datagrams++
      stream.sourcePort = datagram.sourcePort
      stream.follow(reader.datagramSequence, reader.uptime)
      stampTime(stamp, datagram.receivedAt)
      stamp.word0 = stream.word0
      stamp.word1 = stream.word1
      stamp.word2 = stream.word2
      stamp.word3 = stream.word3
      stamp.subAgent = stream.subAgent
      unstamped = sink.flows.n
      let rows = 0
      while (reader.nextSample()) {
        if (reader.problem !== '') {
          problem(datagram, sink, stream)
        } else if (isFlowSample(reader.sampleType)) {
          rows += flowRow(datagram, sink, stream)
        } else if (isCounterSample(reader.sampleType)) {
          stream.others++
          counters.read(datagram, stream, sink)
        } else if (reader.sampleType === SAMPLE.rtMetric || reader.sampleType === SAMPLE.rtFlow) {
          stream.others++
          custom.read(datagram, stream, sink)
        } else {
          stream.others++
          stream.unknown('sample', reader.sampleType)
          unsupported(datagram, sink, stream)
        }
        if (reader.problem !== '') problem(datagram, sink, stream)
      }
      stampRows(stamp, sink.flows, unstamped, sink.flows.n)
      problem(datagram, sink, stream)
      stream.flows += rows
      return rows
    },
    tick() {},
    streams: (limit) => streams.list(limit).map((stream) => stream.status()),
    counts: () => ({ streams: streams.size, evicted: streams.evicted, templates: 0, pending: 0, revision: 0 }),
    save: () => ({}),
    restore: () => ({ restored: 0, refused: 0 }),
  }
}
