import { PROTOCOLS } from '../flow/columns.ts'
import { parseIp } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import {
  MAX_RECORDS,
  NETFLOW1_HEADER,
  NETFLOW1_RECORD,
  NETFLOW5_HEADER,
  NETFLOW5_RECORD,
  NETFLOW7_RECORD,
} from '../wire/netflow5/layout.ts'
import { elementsWith, type ElementLookup } from '../wire/ipfix/registry.ts'
import type { Template } from '../wire/ipfix/template.ts'
import type { Datagram, Ingest, IngestSink, StreamStatus } from './ingest.ts'
import { DEFAULTS, type KnownExporter, type NetflowLimits, type NetflowOptions } from './netflow-options.ts'
import { RowMaker } from './netflow-rows.ts'
import { SetReader } from './netflow-sets.ts'
import { readStreams, saveStreams, type ReadState, type SavedStream } from './netflow-state.ts'
import { streamStatus } from './netflow-status.ts'
import type { Known, Protocol, Stream, Transport } from './netflow-stream.ts'
import { StreamTable } from './netflow-stream-table.ts'
import { PORT_ALIVE_MS, Templates } from './netflow-templates.ts'
import { ToldFacts } from './netflow-told.ts'
import { WaitingSets } from './netflow-waiting.ts'

// NetFlow v1, v5, v7, v9 and IPFIX: from a datagram to rows.
//
//   v9 header (20 bytes, RFC 3954 §5.1)              IPFIX header (16 bytes, RFC 7011 §3.1)
//    0 u16 version 9   2 u16 records                  0 u16 version 10   2 u16 length
//    4 u32 sysUptime, ms   8 u32 unix seconds         4 u32 export time, s
//   12 u32 sequence (datagrams)  16 u32 source id     8 u32 sequence (data records)  12 u32 observation domain
//   the sets follow: netflow-sets.ts                  (v5, v7: wire/netflow5/layout.ts)

const NETFLOW9_HEADER = 20
const IPFIX_HEADER = 16

/** Templates are swept for old ones so often, so many streams a call: receiving must not wait for it. */
const SWEEP_MS = 60_000
const SWEEP_STREAMS = 2_000
/** A stream is proven when it has delivered rows over so long. */
const PROVEN_AFTER_MS = 5_000
/** An uptime that goes back by more than datagrams overtake each other is a restart. */
const UPTIME_BACK_MS = 60_000

export function createNetflowIngest(options: NetflowOptions, deps: NetflowDeps): Ingest {
  return new NetflowIngest(options, deps)
}

export interface NetflowDeps {
  readonly clock: Clock
  /** Of another ingest of the same options on the same thread: what it needs in memory is had once. */
  readonly rows?: RowMaker
}

class NetflowIngest implements Ingest {
  readonly #limits: NetflowLimits
  readonly #clock: Clock
  readonly #streams: StreamTable
  readonly #templates: Templates
  readonly #waiting: WaitingSets
  readonly #told: ToldFacts
  readonly #sets: SetReader
  readonly #elements: ElementLookup
  readonly #known1 = fixedLayout(NETFLOW1_RECORD)
  readonly #known5 = fixedLayout(NETFLOW5_RECORD)
  readonly #known7 = fixedLayout(NETFLOW7_RECORD)
  readonly #exporters = new Map<string, KnownExporter>()
  #nextSweep = 0
  #sweeping: Generator<Stream> | undefined = undefined

  constructor(options: NetflowOptions, { clock, rows }: NetflowDeps) {
    const { observer, exporters = [], biflow = 'split', elements = [], ...limits } = options
    this.#limits = { ...DEFAULTS, ...limits }
    this.#clock = clock
    this.#elements = elementsWith(elements)
    this.#streams = new StreamTable(this.#limits.maxStreams, (stream) => {
      this.#templates.forgotten(stream)
      this.#waiting.forgotten(stream)
      this.#told.forgotten(stream)
      this.#sets.forgotten(stream)
    })
    this.#templates = new Templates(this.#limits, this.#streams, observer)
    this.#waiting = new WaitingSets(this.#limits)
    this.#told = new ToldFacts(this.#limits.maxTold, this.#streams)
    this.#sets = new SetReader(
      this.#templates,
      this.#waiting,
      rows ?? new RowMaker(biflow),
      this.#told,
      this.#elements,
      observer,
    )
    for (const exporter of exporters) {
      const address = parseIp(exporter.address)
      if (address !== undefined) this.#exporters.set(Buffer.from(address).toString('hex'), exporter)
    }
  }

  datagram(d: Datagram, sink: IngestSink): number {
    if (d.length < 2) {
      sink.problem(d.length === 0 ? 'empty' : 'truncated', 0)
      return 0
    }
    switch (d.view.getUint16(d.offset)) {
      case 1:
        return this.#netflow1(d, sink)
      case 5:
        return this.#fixed(d, sink, 'netflow5')
      case 7:
        return this.#fixed(d, sink, 'netflow7')
      case 9:
        return this.#netflow9(d, sink)
      case 10:
        return this.#ipfix(d, sink)
      default:
        sink.problem('bad_version', 0)
        return 0
    }
  }

  #fixed(d: Datagram, sink: IngestSink, protocol: 'netflow5' | 'netflow7'): number {
    const { view, offset } = d
    if (d.length < NETFLOW5_HEADER) {
      sink.problem('truncated', d.length)
      return 0
    }
    const known = protocol === 'netflow5' ? this.#known5 : this.#known7
    const claimed = view.getUint16(offset + 2)
    const uptime = view.getUint32(offset + 4)
    const sequence = view.getInt32(offset + 16)
    // Engine type and id tell the line cards of one router apart, each with a sequence of its own.
    const stream = this.#stream(protocol, protocol === 'netflow5' ? view.getUint16(offset + 20) : 0, d)
    const transport = stream.transport(d.sourcePort, sequence, this.#templates.dropped)
    const fit = Math.floor((d.length - NETFLOW5_HEADER) / known.template.minLength)
    if (claimed === 0) stream.problem(sink, 'empty', 2)
    if (claimed > fit) stream.problem(sink, 'truncated', d.length)
    else if (claimed > MAX_RECORDS) stream.problem(sink, 'bad_length', 2)
    const context = this.#begin(stream, transport, d, sink)
    context.exportedAt = view.getUint32(offset + 8) * 1000 + Math.floor(view.getUint32(offset + 12) / 1e6)
    context.uptime = uptime
    context.rate = Math.max(1, stream.defaultRate)
    if (protocol === 'netflow5') {
      // The mode is not looked at: exporters that sample do not agree on it.
      stream.headerRate = view.getUint16(offset + 22) & 0x3fff
      if (stream.headerRate > 0) context.rate = stream.headerRate
    }
    const count = Math.min(claimed, fit)
    const at = offset + NETFLOW5_HEADER
    const rows =
      count === 0
        ? 0
        : this.#sets.rows(stream, 0, known, view, at, at + count * known.template.minLength, sink, NETFLOW5_HEADER)
    this.#sequence(stream, transport, sequence, claimed)
    return this.#leave(stream, rows)
  }

  // v1 has no sequence numbers: what is missing can't be known.
  #netflow1(d: Datagram, sink: IngestSink): number {
    const { view, offset } = d
    if (d.length < NETFLOW1_HEADER) {
      sink.problem('truncated', d.length)
      return 0
    }
    const known = this.#known1
    const claimed = view.getUint16(offset + 2)
    const stream = this.#stream('netflow1', 0, d)
    const transport = stream.transport(d.sourcePort, 0, this.#templates.dropped)
    const count = Math.min(claimed, Math.floor((d.length - NETFLOW1_HEADER) / known.template.minLength))
    if (claimed === 0) stream.problem(sink, 'empty', 2)
    if (count < claimed) stream.problem(sink, 'truncated', d.length)
    const context = this.#begin(stream, transport, d, sink)
    context.exportedAt = view.getUint32(offset + 8) * 1000 + Math.floor(view.getUint32(offset + 12) / 1e6)
    context.uptime = view.getUint32(offset + 4)
    context.rate = Math.max(1, stream.defaultRate)
    if (count === 0) return 0
    const at = offset + NETFLOW1_HEADER
    const end = at + count * known.template.minLength
    return this.#leave(stream, this.#sets.rows(stream, 0, known, view, at, end, sink, NETFLOW1_HEADER))
  }

  #netflow9(d: Datagram, sink: IngestSink): number {
    const { view, offset } = d
    if (d.length < NETFLOW9_HEADER) {
      sink.problem('truncated', d.length)
      return 0
    }
    const uptime = view.getUint32(offset + 4)
    const sequence = view.getInt32(offset + 12)
    const stream = this.#stream('netflow9', view.getInt32(offset + 16), d)
    const transport = stream.transport(d.sourcePort, sequence, this.#templates.dropped)
    const context = this.#begin(stream, transport, d, sink)
    context.exportedAt = view.getUint32(offset + 8) * 1000
    context.uptime = uptime
    const rows = this.#sets.read(stream, transport, d, offset + NETFLOW9_HEADER, offset + d.length, 'netflow9', sink)
    this.#sequence(stream, transport, sequence, this.#sets.records)
    return this.#leave(stream, rows)
  }

  #ipfix(d: Datagram, sink: IngestSink): number {
    const { view, offset } = d
    if (d.length < IPFIX_HEADER) {
      sink.problem('truncated', d.length)
      return 0
    }
    const length = view.getUint16(offset + 2)
    const sequence = view.getInt32(offset + 8)
    const stream = this.#stream('ipfix', view.getInt32(offset + 12), d)
    const transport = stream.transport(d.sourcePort, sequence, this.#templates.dropped)
    if (length < d.length) stream.problem(sink, 'bad_length', 2)
    else if (length > d.length) stream.problem(sink, 'truncated', d.length)
    const context = this.#begin(stream, transport, d, sink)
    context.exportedAt = view.getUint32(offset + 4) * 1000
    context.uptime = -1
    const end = offset + Math.min(d.length, Math.max(length, IPFIX_HEADER))
    const rows = this.#sets.read(stream, transport, d, offset + IPFIX_HEADER, end, 'ipfix', sink)
    this.#sequence(stream, transport, sequence, this.#sets.records)
    return this.#leave(stream, rows)
  }

  // Numbers of 32 bits are handed on as signed words: those never have to be allocated, whether or not the compiler inlines the call.
  #stream(protocol: Protocol, domain: number, d: Datagram): Stream {
    let stream = this.#streams.find(protocol, domain, d)
    if (stream === undefined) {
      stream = this.#add(protocol, domain, d)
      stream.firstHeard = d.receivedAt
    }
    stream.lastHeard = d.receivedAt
    stream.datagrams++
    return stream
  }

  #add(protocol: Protocol, domain: number, from: Parameters<StreamTable['add']>[2]): Stream {
    const stream = this.#streams.add(protocol, domain, from)
    if (this.#exporters.size > 0) {
      const words = Uint32Array.of(from.source0, from.source1, from.source2, from.source3)
      const exporter = this.#exporters.get(Buffer.from(words.buffer).toString('hex'))
      stream.defaultRate = exporter?.defaultSamplingRate ?? 0
      stream.vlanInDstAs = exporter?.vlanInDstAs ?? false
    }
    return stream
  }

  #begin(stream: Stream, transport: Transport, d: Datagram, sink: IngestSink): SetReader['context'] {
    const context = this.#sets.begin(stream, transport, sink)
    context.protocol = PROTOCOL_NUMBER[stream.protocol]
    context.receivedAt = d.receivedAt
    return context
  }

  #leave(stream: Stream, rows: number): number {
    stream.flows += rows
    if (rows > 0 && !stream.proven && stream.lastHeard - stream.firstHeard >= PROVEN_AFTER_MS)
      this.#streams.prove(stream)
    return rows
  }

  #sequence(stream: Stream, transport: Transport, sequence: number, records: number): void {
    const tracker = transport.sequence
    const { uptime } = this.#sets.context
    // The wrap after 49.7 days is a step forward.
    const back = transport.uptime >= 0 && uptime >= 0 ? (transport.uptime - uptime) | 0 : 0
    tracker.observe(sequence, records, records - this.#sets.options, back > UPTIME_BACK_MS)
    if (back <= 0 || back > UPTIME_BACK_MS) transport.uptime = uptime
    stream.lost = Math.max(0, stream.lost + tracker.lost)
    stream.reordered += tracker.reordered
    stream.restarts += tracker.restarts
    tracker.lost = tracker.reordered = tracker.restarts = 0
  }

  tick(now: number, sink: IngestSink): void {
    this.#waiting.expire(now, sink)
    if (this.#sweeping === undefined && now >= this.#nextSweep) {
      this.#nextSweep = now + SWEEP_MS
      this.#sweeping = this.#streams.all()
    }
    for (let n = 0; this.#sweeping !== undefined && n < SWEEP_STREAMS; n++) {
      const { value: stream, done } = this.#sweeping.next()
      if (done === true) this.#sweeping = undefined
      else {
        stream.settlePorts(now - PORT_ALIVE_MS)
        this.#told.recount(stream)
        this.#templates.expire(stream, now - this.#limits.templateLifetimeMs)
      }
    }
  }

  streams(limit: number): StreamStatus[] {
    const list: StreamStatus[] = []
    for (const stream of this.#streams.recent()) {
      if (list.length >= limit) break
      list.push(streamStatus(stream, this.#elements))
    }
    return list
  }

  counts(): ReturnType<Ingest['counts']> {
    return {
      streams: this.#streams.size,
      evicted: this.#streams.evicted,
      templates: this.#templates.count,
      revision: this.#templates.revision + this.#sets.revision,
      pending: this.#waiting.count,
    }
  }

  save(): unknown {
    return saveStreams(this.#streams.recent(), this.#clock.now())
  }

  restore(state: unknown): { restored: number; refused: number } {
    const { streams, templates, refused } = readStreams(state)
    let restored = 0
    let unusable = refused
    for (const { saved, address } of streams) {
      const [source0, source1, source2, source3] = address as unknown as [number, number, number, number]
      const from = { source0, source1, source2, source3 }
      const domain = saved.domain | 0
      if (this.#streams.find(saved.protocol, domain, from) !== undefined) continue
      const stream = this.#add(saved.protocol, domain, from)
      unusable += this.#restoreStream(stream, saved, templates)
      restored++
    }
    return { restored, refused: unusable }
  }

  /** Answers how many templates can't be used. */
  #restoreStream(stream: Stream, saved: SavedStream, layouts: ReadState['templates']): number {
    const notBefore = this.#clock.now() - this.#limits.templateLifetimeMs
    let refused = 0
    stream.firstHeard = saved.firstHeard
    stream.lastHeard = saved.lastHeard
    this.#sets.restoreElements(stream, saved.elements ?? [])
    for (const { port, lastHeard, bootedAt, sampling, templates } of saved.transports) {
      const transport = stream.restoreTransport(port, lastHeard, bootedAt, sampling)
      if (transport === undefined) continue
      for (const [id, layout, announcedAt, usedAt] of templates) {
        if (Math.max(announcedAt, usedAt) < notBefore) continue
        const template = layouts[layout]
        const kept =
          template !== undefined &&
          !transport.templates.has(id) &&
          this.#templates.restore(stream, transport, id, template, announcedAt, usedAt)
        if (!kept) refused++
      }
    }
    this.#told.recount(stream)
    this.#streams.prove(stream)
    return refused
  }
}

const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = (() => {
  const numbers = Object.fromEntries(Object.entries(PROTOCOLS).map(([number, name]) => [name, Number(number)]))
  return numbers as Record<Protocol, number>
})()

function fixedLayout(template: Template): Known {
  return { layout: { template, plan: undefined, users: 1 }, template, announcedAt: 0, usedAt: 0 }
}
