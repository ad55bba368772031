// sFlow v5 datagrams → flow rows, metrics and sightings.
import type { Clock } from '../base/clock.ts'
import { isCounterSample, isFlowSample, SAMPLE, SflowReader } from '../wire/sflow/reader.ts'
import type { Datagram, Ingest, IngestSink } from './ingest.ts'
import { createCounterReader } from './sflow-counters.ts'
import { createCustomReader } from './sflow-custom.ts'
import { createSampleStamp, fillPlainRow, fillSflowRow, stampSamples } from './sflow-row.ts'
import { type SflowStream, SflowStreams } from './sflow-streams.ts'

const MAPPED = 0xffff0000 | 0
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
  const stamp = createSampleStamp()
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
    const subAgent = reader.subAgent | 0
    if (reader.agentType === 1 && view.getInt32(at) !== 0)
      return streams.heard(0, 0, MAPPED, view.getInt32(at, true), subAgent)
    if (reader.agentType === 2) {
      const word0 = view.getInt32(at, true)
      const word1 = view.getInt32(at + 4, true)
      const word2 = view.getInt32(at + 8, true)
      const word3 = view.getInt32(at + 12, true)
      if ((word0 | word1 | word2 | word3) !== 0) return streams.heard(word0, word1, word2, word3, subAgent)
    }
    const { source0, source1, source2, source3 } = datagram
    return streams.heard(source0 | 0, source1 | 0, source2 | 0, source3 | 0, subAgent)
  }

  /** Makes sure of room for one row. */
  function room(sink: IngestSink): boolean {
    if (sink.flows.n < sink.flows.capacity) return sink.room(1)
    // A full batch is handed on: its rows must be whole before
    stampSamples(stamp, sink.flows, unstamped, sink.flows.n)
    unstamped = sink.flows.n
    if (!sink.room(1)) return false
    unstamped = sink.flows.n
    return true
  }

  function flowRow(datagram: Datagram, sink: IngestSink, stream: SflowStream): number {
    if (!room(sink)) return 0
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

  /** The row of the plainest kind of sample, if there is room: answers how many rows were made, -1 if it is of another kind. */
  function plainRow(sink: IngestSink, stream: SflowStream): number {
    if (reader.sampleType !== SAMPLE.flow || reader.sampleCut) return -1
    if (!room(sink)) return 0
    const batch = sink.flows
    const row = batch.n
    const { view, sampleAt } = reader
    if (!fillPlainRow(view, sampleAt, reader.sampleEnd, batch, row)) return -1
    batch.n = row + 1
    // As signed words, which never have to be allocated
    stream.sampled(view.getUint8(sampleAt + 4), view.getInt32(sampleAt + 4) & 0xffffff, view.getInt32(sampleAt + 8))
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
      stream.follow(reader.datagramSequence | 0, reader.uptime | 0)
      stamp.receivedAt = datagram.receivedAt
      stamp.exporter0 = stream.word0
      stamp.exporter1 = stream.word1
      stamp.exporter2 = stream.word2
      stamp.exporter3 = stream.word3
      stamp.observation = stream.subAgent
      unstamped = sink.flows.n
      let rows = 0
      while (reader.stepSample()) {
        const made = plainRow(sink, stream)
        if (made >= 0) {
          rows += made
          continue
        }
        if (!reader.readHead()) break
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
      stampSamples(stamp, sink.flows, unstamped, sink.flows.n)
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
