import { PROTOCOLS } from '../flow/columns.ts'
import type { Clock } from '../base/clock.ts'
import type { Datagram, Ingest, IngestSink, ProblemCode, StreamStatus } from './ingest.ts'
import { TemplateCursor, type Flavour, type Template } from '../wire/ipfix/template.ts'
import { MAX_RECORDS, NETFLOW5_HEADER, NETFLOW5_RECORD, NETFLOW7_RECORD } from '../wire/netflow5/layout.ts'
import { planFlow, type FlowPlan } from './netflow-plan.ts'
import { RowMaker, SetContext, type NameSink } from './netflow-rows.ts'
import { OptionsReader } from './netflow-sampling.ts'
import { fits, templateCost, StreamTable, type Known, type Layout, type Protocol, type Stream, type Transport, type Waiting } from './netflow-streams.ts'
import { streamStatus, addressText } from './netflow-status.ts'
import { readStreams, saveStreams, templateOfSaved } from './netflow-state.ts'

// NetFlow v5, v7, v9 and IPFIX: from a datagram to rows.
//
//   v9 header (20 bytes, RFC 3954 §5.1)              IPFIX header (16 bytes, RFC 7011 §3.1)
//    0 u16 version 9   2 u16 records                  0 u16 version 10   2 u16 length
//    4 u32 sysUptime, ms   8 u32 unix seconds         4 u32 export time, s
//   12 u32 sequence (datagrams)  16 u32 source id     8 u32 sequence (data records)  12 u32 observation domain
//   set: u16 id (v9 0, 1; IPFIX 2, 3: templates and options templates; from 256: data), u16 length with these four bytes

export interface NetflowOptions {
  /** Streams (exporter, protocol, domain) kept; more push out those silent longest. */
  readonly maxStreams?: number
  /** Templates kept, of all streams together and of one. */
  readonly maxTemplates?: number
  readonly maxTemplatesOfStream?: number
  /** Bytes of all templates together. */
  readonly maxTemplateBytes?: number
  /** Compiled decoders kept; those of templates not used lately are compiled again when needed. */
  readonly maxPlans?: number
  /** Bytes of data sets that wait for their template, of all streams together and of one, and how long they may wait. */
  readonly maxWaitingBytes?: number
  readonly maxWaitingBytesOfStream?: number
  readonly maxWaitMs?: number
  /** A template neither announced nor used for so long is forgotten. */
  readonly templateLifetimeMs?: number
  /** Told of each thing in a datagram, record by record: for reading datagrams one at a time, not for speed. */
  readonly observer?: NetflowObserver
}

/** What is told of while a datagram is decoded; offsets are into `view`. */
export interface NetflowObserver {
  template(stream: Stream, id: number, template: Template): void
  /** One record; its rows are the last `rows` of the sink's batch. */
  record(stream: Stream, id: number, template: Template, view: DataView, at: number, end: number, rows: number): void
}

export const DEFAULTS = {
  maxStreams: 65_536,
  maxTemplates: 131_072,
  maxTemplatesOfStream: 4_096,
  maxTemplateBytes: 64 << 20,
  maxPlans: 2_048,
  maxWaitingBytes: 32 << 20,
  maxWaitingBytesOfStream: 256 << 10,
  maxWaitMs: 600_000,
  templateLifetimeMs: 86_400_000,
} as const

/** A port not heard for so long is taken to be given up. */
const PORT_ALIVE_MS = 300_000
const SWEEP_MS = 60_000
const SWEEP_STREAMS = 2_000
/** A stream is proven when it has delivered rows over so long. */
const PROVEN_AFTER_MS = 5_000
/** Templates whose bytes are remembered to share one object among exporters. */
const MAX_SHARED = 8_192

export function createNetflowIngest(options: NetflowOptions, deps: { readonly clock: Clock }): Ingest {
  return new NetflowIngest(options, deps.clock)
}

class NetflowIngest implements Ingest {
  readonly #options: Required<Omit<NetflowOptions, 'observer'>>
  readonly #observer: NetflowObserver | undefined
  readonly #clock: Clock
  readonly #streams: StreamTable
  readonly #maker = new RowMaker()
  readonly #context = new SetContext()
  readonly #cursor = new TemplateCursor()
  readonly #optionsReader = new OptionsReader()
  readonly #shared = new Map<string, Layout>()
  readonly #planned = new Set<Layout>()
  readonly #known5 = fixedLayout(NETFLOW5_RECORD)
  readonly #known7 = fixedLayout(NETFLOW7_RECORD)
  readonly #names = new InterfaceNames()
  /** Templates that a stream gave up by itself, with the port that announced them. */
  readonly #onDropped = (template: Template): void => {
    this.#templates--
    this.#templateBytes -= templateCost(template)
  }
  #templates = 0
  #templateBytes = 0
  #waiting = 0
  #waitingBytes = 0
  /** Data records of the datagram at hand, -1 once some could not be counted; and those of them that are of options. */
  #records = 0
  #optionsCount = 0
  readonly #waitingStreams = new Set<Stream>()
  #nextSweep = 0
  #sweeping: Generator<Stream> | undefined = undefined

  constructor(options: NetflowOptions, clock: Clock) {
    const { observer, ...limits } = options
    this.#options = { ...DEFAULTS, ...limits }
    this.#observer = observer
    this.#clock = clock
    this.#context.names = this.#names
    this.#streams = new StreamTable(this.#options.maxStreams, (stream) => this.#forgotten(stream))
  }

  datagram(d: Datagram, sink: IngestSink): number {
    this.#names.sink = sink
    const end = d.offset + d.length
    if (d.length < 2) {
      sink.problem(d.length === 0 ? 'empty' : 'truncated', 0)
      return 0
    }
    switch (d.view.getUint16(d.offset)) {
      case 5:
        return this.#fixed(d, end, sink, 'netflow5')
      case 7:
        return this.#fixed(d, end, sink, 'netflow7')
      case 9:
        return this.#netflow9(d, end, sink)
      case 10:
        return this.#ipfix(d, end, sink)
      default:
        sink.problem('bad_version', 0)
        return 0
    }
  }

  #fixed(d: Datagram, end: number, sink: IngestSink, protocol: 'netflow5' | 'netflow7'): number {
    const { view, offset } = d
    if (d.length < NETFLOW5_HEADER) {
      sink.problem('truncated', d.length)
      return 0
    }
    const record = protocol === 'netflow5' ? NETFLOW5_RECORD : NETFLOW7_RECORD
    const claimed = view.getUint16(offset + 2)
    const uptime = view.getUint32(offset + 4)
    const sequence = view.getUint32(offset + 16)
    // Engine type and id tell the line cards of one router apart, each with a sequence of its own.
    const domain = protocol === 'netflow5' ? view.getUint16(offset + 20) : 0
    const stream = this.#stream(protocol, domain, d)
    const transport = stream.transport(d.sourcePort, sequence, d.receivedAt, this.#onDropped)
    const fit = Math.floor((d.length - NETFLOW5_HEADER) / record.minLength)
    if (claimed === 0) this.#problem(stream, sink, 'empty', 2)
    if (claimed > fit) this.#problem(stream, sink, 'truncated', d.length)
    else if (claimed > MAX_RECORDS) this.#problem(stream, sink, 'bad_length', 2)
    const count = Math.min(claimed, fit)
    this.#optionsCount = 0
    this.#sequence(stream, transport, sequence, claimed, uptime)
    const context = this.#enter(stream, transport, d)
    context.exportedAt = view.getUint32(offset + 8) * 1000 + Math.floor(view.getUint32(offset + 12) / 1e6)
    context.uptime = uptime
    if (protocol === 'netflow5') {
      // The mode is not looked at: exporters that sample do not agree on it.
      stream.headerRate = view.getUint16(offset + 22) & 0x3fff
      if (stream.headerRate > 1) context.rate = stream.headerRate
    }
    const at = offset + NETFLOW5_HEADER
    const known = protocol === 'netflow5' ? this.#known5 : this.#known7
    const rows = count === 0 ? 0 : this.#rows(stream, 0, known, view, at, Math.min(end, at + count * record.minLength), sink)
    return this.#leave(stream, rows)
  }

  #netflow9(d: Datagram, end: number, sink: IngestSink): number {
    const { view, offset } = d
    if (d.length < 20) {
      sink.problem('truncated', d.length)
      return 0
    }
    const uptime = view.getUint32(offset + 4)
    const sequence = view.getUint32(offset + 12)
    const stream = this.#stream('netflow9', view.getUint32(offset + 16), d)
    const transport = stream.transport(d.sourcePort, sequence, d.receivedAt, this.#onDropped)
    const context = this.#enter(stream, transport, d)
    context.exportedAt = view.getUint32(offset + 8) * 1000
    context.uptime = uptime
    this.#records = 0
    this.#optionsCount = 0
    const rows = this.#sets(stream, transport, d, offset + 20, end, 'netflow9', sink)
    this.#sequence(stream, transport, sequence, this.#records, uptime)
    return this.#leave(stream, rows)
  }

  #ipfix(d: Datagram, end: number, sink: IngestSink): number {
    const { view, offset } = d
    if (d.length < 16) {
      sink.problem('truncated', d.length)
      return 0
    }
    const length = view.getUint16(offset + 2)
    const sequence = view.getUint32(offset + 8)
    const stream = this.#stream('ipfix', view.getUint32(offset + 12), d)
    const transport = stream.transport(d.sourcePort, sequence, d.receivedAt, this.#onDropped)
    if (length < 16 || length < d.length) this.#problem(stream, sink, 'bad_length', 2)
    else if (length > d.length) this.#problem(stream, sink, 'truncated', d.length)
    const context = this.#enter(stream, transport, d)
    context.exportedAt = view.getUint32(offset + 4) * 1000
    context.uptime = -1
    this.#records = 0
    this.#optionsCount = 0
    const rows = this.#sets(stream, transport, d, offset + 16, Math.min(end, offset + Math.max(length, 16)), 'ipfix', sink)
    this.#sequence(stream, transport, sequence, this.#records, -1)
    return this.#leave(stream, rows)
  }

  // Templates and options first, then data: a sampling rate in the same datagram holds for the flows beside it, whichever stands first.
  #sets(stream: Stream, transport: Transport, d: Datagram, start: number, end: number, flavour: Flavour, sink: IngestSink): number {
    const { view } = d
    const templateSet = flavour === 'ipfix' ? 2 : 0
    const optionsSet = flavour === 'ipfix' ? 3 : 1
    let data = 0
    let at = start
    let sets = 0
    let last = end
    while (end - at >= 4) {
      const id = view.getUint16(at)
      const length = view.getUint16(at + 2)
      if (length < 4) {
        // Zeroes to the end are padding of the whole datagram (some exporters fill it up).
        if (!zeroes(view, at, end)) this.#problem(stream, sink, 'bad_length', at - d.offset)
        last = at
        break
      }
      if (length > end - at) this.#problem(stream, sink, 'truncated', at - d.offset)
      const setEnd = Math.min(end, at + length)
      sets++
      if (id === templateSet || id === optionsSet) this.#templateRecords(stream, transport, d, at + 4, setEnd, flavour, id === optionsSet, sink)
      else if (id >= 256) {
        const known = stream.known(transport, id, setEnd - at - 4)
        if (known?.template.kind === 'options') this.#optionsRecords(stream, transport, id, known, view, at + 4, setEnd, sink)
        else data++
      } else this.#problem(stream, sink, 'unsupported', at - d.offset)
      at += length
    }
    if (sets === 0 && last === end && end - start < 4) this.#problem(stream, sink, 'empty', start - d.offset)
    else if (at < end && end - at < 4 && !zeroes(view, at, end)) this.#problem(stream, sink, 'truncated', at - d.offset)
    return data === 0 ? 0 : this.#dataSets(stream, transport, d, start, last, sink)
  }

  #dataSets(stream: Stream, transport: Transport, d: Datagram, start: number, end: number, sink: IngestSink): number {
    const { view } = d
    this.#rates(stream, transport)
    let rows = 0
    let at = start
    while (end - at >= 4) {
      const id = view.getUint16(at)
      const length = view.getUint16(at + 2)
      if (length < 4) break
      const setEnd = Math.min(end, at + length)
      if (id >= 256) {
        const known = stream.known(transport, id, setEnd - at - 4)
        if (known === undefined) {
          this.#records = -1
          this.#hold(stream, transport, id, view, at + 4, setEnd, d, sink)
        } else if (known.template.kind === 'data') rows += this.#rows(stream, id, known, view, at + 4, setEnd, sink, at - d.offset)
      }
      at += length
    }
    return rows
  }

  #rows(stream: Stream, id: number, known: Known, view: DataView, at: number, end: number, sink: IngestSink, setOffset = 0): number {
    known.usedAt = this.#context.receivedAt
    const plan = known.layout.plan ?? this.#plan(known.layout)
    if (this.#observer) return this.#observed(this.#observer, stream, id, known.template, plan, view, at, end, sink, setOffset)
    const rows = this.#maker.rows(known.template, plan, view, at, end, this.#context, sink)
    const { records, refused, stoppedAt } = this.#maker
    if (!refused) this.#checkRest(stream, view, stoppedAt, end, records, sink, setOffset)
    if (this.#records >= 0) this.#records = refused && known.template.variable ? -1 : this.#records + records
    return rows
  }

  #observed(
    observer: NetflowObserver, stream: Stream, id: number, template: Template, plan: FlowPlan, view: DataView, start: number, end: number, sink: IngestSink, setOffset: number,
  ): number {
    let made = 0
    let at = start
    while (end - at >= template.minLength) {
      const rows = this.#maker.rows(template, plan, view, at, template.variable ? end : at + template.minLength, this.#context, sink, 1)
      if (this.#maker.records === 0) break
      if (this.#records >= 0) this.#records++
      observer.record(stream, id, template, view, at, this.#maker.stoppedAt, rows)
      at = this.#maker.stoppedAt
      made += rows
    }
    this.#checkRest(stream, view, at, end, at - start, sink, setOffset)
    return made
  }

  /** Up to three bytes, or zeroes, are padding (RFC 7011 §3.3.1); anything else behind the last record is not what the template says. */
  #checkRest(stream: Stream, view: DataView, at: number, end: number, decoded: number, sink: IngestSink, setOffset: number): void {
    if (decoded === 0 && end === at) this.#problem(stream, sink, 'empty', setOffset)
    else if (decoded === 0 || (end - at > 3 && !zeroes(view, at, end))) this.#problem(stream, sink, 'bad_record', setOffset)
  }

  #plan(layout: Layout): FlowPlan {
    const plan = planFlow(layout.template)
    layout.plan = plan
    this.#planned.add(layout)
    if (this.#planned.size > this.#options.maxPlans) {
      const oldest = this.#planned.values().next().value as Layout
      this.#planned.delete(oldest)
      oldest.plan = undefined
    }
    return plan
  }

  #templateRecords(stream: Stream, transport: Transport, d: Datagram, start: number, end: number, flavour: Flavour, options: boolean, sink: IngestSink): void {
    const cursor = this.#cursor
    let at = start
    while (cursor.next(d.view, at, end, flavour, options)) {
      at = cursor.end
      if (cursor.withdrawal) this.#withdraw(stream, transport, cursor.id, options)
      else if (cursor.problem) this.#problem(stream, sink, cursor.problem, cursor.wireStart - 2 - d.offset)
      else this.#announce(stream, transport, d, flavour, sink)
    }
    if (cursor.problem) this.#problem(stream, sink, cursor.problem, at - d.offset)
  }

  #announce(stream: Stream, transport: Transport, d: Datagram, flavour: Flavour, sink: IngestSink): void {
    const cursor = this.#cursor
    const { id } = cursor
    const before = transport.templates.get(id)
    if (before !== undefined && cursor.matches(d.view, before.template)) {
      before.announcedAt = d.receivedAt
      this.#observer?.template(stream, id, before.template)
      return
    }
    const layout = this.#sharedLayout(cursor.build(d.view, flavour), flavour)
    const { template } = layout
    if (before !== undefined) this.#drop(stream, transport, id, before)
    else if (this.#disagrees(stream, transport, id, layout, d.receivedAt)) stream.portsDisagree = true
    this.#makeRoom(stream, transport, template, sink)
    this.#keep(stream, transport, id, layout, d.receivedAt, 0)
    this.#observer?.template(stream, id, template)
    if (stream.waiting.length > 0) this.#release(stream, transport, id, sink)
  }

  #keep(stream: Stream, transport: Transport, id: number, layout: Layout, announcedAt: number, usedAt: number): void {
    const { template } = layout
    transport.templates.set(id, { layout, template, announcedAt, usedAt })
    this.#templates++
    this.#templateBytes += templateCost(template)
    stream.templateBytes += templateCost(template)
  }

  /** Two ports alive that give one id two meanings are two exporters behind one address. */
  #disagrees(stream: Stream, transport: Transport, id: number, layout: Layout, now: number): boolean {
    for (const other of stream.transports) {
      if (other === transport || now - other.lastHeard > PORT_ALIVE_MS) continue
      const known = other.templates.get(id)
      if (known !== undefined && known.layout !== layout) return other.lastDatagram > transport.firstDatagram
    }
    return false
  }

  #sharedLayout(template: Template, flavour: Flavour): Layout {
    const key = `${flavour} ${template.kind} ${Buffer.from(template.wire).toString('latin1')}`
    const same = this.#shared.get(key)
    if (same) return same
    if (this.#shared.size >= MAX_SHARED) this.#shared.clear()
    const layout: Layout = { template, plan: undefined }
    this.#shared.set(key, layout)
    return layout
  }

  #makeRoom(stream: Stream, transport: Transport, template: Template, sink: IngestSink): void {
    const { maxTemplates, maxTemplatesOfStream, maxTemplateBytes } = this.#options
    const cost = templateCost(template)
    while (this.#templates >= maxTemplates || this.#templateBytes + cost > maxTemplateBytes) {
      if (transport.templates.size > 64 || !this.#streams.evictStranger(stream)) break
    }
    const tooMany = (): boolean => transport.templates.size >= maxTemplatesOfStream || this.#templates >= maxTemplates || this.#templateBytes + cost > maxTemplateBytes
    while (transport.templates.size > 0 && tooMany()) {
      // The one announced first: whoever announces so many gives up its own.
      const [id, known] = transport.templates.entries().next().value as [number, Known]
      this.#drop(stream, transport, id, known)
      this.#problem(stream, sink, 'template_limit', 0)
    }
  }

  #drop(stream: Stream, transport: Transport, id: number, known: Known): void {
    transport.templates.delete(id)
    this.#templates--
    this.#templateBytes -= templateCost(known.template)
    stream.templateBytes -= templateCost(known.template)
  }

  // RFC 7011 §8.1: a template without fields withdraws its id; under the set's own id, all templates of the kind.
  #withdraw(stream: Stream, transport: Transport, id: number, options: boolean): void {
    const kind = options ? 'options' : 'data'
    for (const [known, entry] of [...transport.templates]) {
      if (known === id || (id === (options ? 3 : 2) && entry.template.kind === kind)) this.#drop(stream, transport, known, entry)
    }
  }

  #optionsRecords(stream: Stream, transport: Transport, id: number, known: Known, view: DataView, start: number, end: number, sink: IngestSink): void {
    const { template } = known
    const reader = this.#optionsReader
    known.usedAt = this.#context.receivedAt
    let at = start
    while (end - at >= template.minLength) {
      const next = reader.read(template, view, at, end)
      if (next < 0) break
      if (this.#records >= 0) this.#records++
      this.#optionsCount++
      stream.others++
      const { rate, sampler, ifIndex, bootedAt, interfaceName } = reader.facts
      if (rate !== undefined && rate >= 1) stream.learnSampling(transport).learn(rate, sampler, ifIndex)
      if (bootedAt !== undefined && bootedAt > 0) this.#context.bootedAt = transport.bootedAt = bootedAt
      if (interfaceName && ifIndex !== undefined && ifIndex !== 0) sink.sighting({ kind: 'interface', agent: addressText(stream), ifIndex, name: interfaceName })
      this.#observer?.record(stream, id, template, view, at, next, 0)
      at = next
    }
  }

  /** Keeps a data set until its template is announced. */
  #hold(stream: Stream, transport: Transport, id: number, view: DataView, at: number, end: number, d: Datagram, sink: IngestSink): void {
    const length = end - at
    if (length === 0) return
    const { maxWaitingBytes, maxWaitingBytesOfStream } = this.#options
    if (stream.waitingBytes + length > maxWaitingBytesOfStream || this.#waitingBytes + length > maxWaitingBytes) {
      this.#problem(stream, sink, 'pending_dropped', at - d.offset)
      return
    }
    const bytes = new Uint8Array(length)
    bytes.set(new Uint8Array(view.buffer, view.byteOffset + at, length))
    const { receivedAt, exportedAt, uptime } = this.#context
    stream.waiting.push({ id, port: transport.port, bytes, receivedAt, exportedAt, uptime })
    stream.waitingBytes += length + WAITING_COST
    this.#waitingBytes += length + WAITING_COST
    this.#waiting++
    this.#waitingStreams.add(stream)
  }

  /** Decodes what waited for a template that has just come. */
  #release(stream: Stream, transport: Transport, id: number, sink: IngestSink): void {
    const known = transport.templates.get(id) as Known
    const ready = stream.waiting.filter((set) => set.id === id && (set.port === transport.port || (!stream.portsDisagree && fits(known.template, set.bytes.length))))
    if (ready.length === 0) return
    const context = this.#context
    const { receivedAt, exportedAt, uptime, rate } = context
    const records = this.#records
    this.#rates(stream, transport)
    for (const set of ready) {
      this.#unhold(stream, set)
      context.receivedAt = set.receivedAt
      context.exportedAt = set.exportedAt
      context.uptime = set.uptime
      const view = new DataView(set.bytes.buffer)
      if (known.template.kind === 'options') this.#optionsRecords(stream, transport, id, known, view, 0, set.bytes.length, sink)
      else this.#released += this.#rows(stream, id, known, view, 0, set.bytes.length, sink)
    }
    this.#records = records
    Object.assign(context, { receivedAt, exportedAt, uptime, rate })
  }

  /** Rows made of sets that had waited, in the datagram at hand. */
  #released = 0

  #unhold(stream: Stream, set: Waiting): void {
    stream.waiting.splice(stream.waiting.indexOf(set), 1)
    stream.waitingBytes -= set.bytes.length + WAITING_COST
    this.#waitingBytes -= set.bytes.length + WAITING_COST
    this.#waiting--
    if (stream.waiting.length === 0) this.#waitingStreams.delete(stream)
  }

  #stream(protocol: Protocol, domain: number, d: Datagram): Stream {
    let stream = this.#streams.find(protocol, domain, d.source0, d.source1, d.source2, d.source3)
    if (stream === undefined) {
      stream = this.#streams.add(protocol, domain, d.source0, d.source1, d.source2, d.source3)
      stream.firstHeard = d.receivedAt
    }
    stream.lastHeard = d.receivedAt
    stream.datagrams++
    return stream
  }

  #enter(stream: Stream, transport: Transport, d: Datagram): SetContext {
    const context = this.#context
    context.exporter0 = d.source0
    context.exporter1 = d.source1
    context.exporter2 = d.source2
    context.exporter3 = d.source3
    context.protocol = PROTOCOL_NUMBER[stream.protocol]
    context.observation = stream.domain
    context.receivedAt = d.receivedAt
    context.bootedAt = transport.bootedAt
    context.rate = 1
    context.sampling = undefined
    this.#names.stream = stream
    return context
  }

  #rates(stream: Stream, transport: Transport): void {
    const sampling = stream.samplingOf(transport)
    this.#context.sampling = sampling
    this.#context.rate = sampling !== undefined && sampling.last > 0 ? sampling.last : 1
  }

  #leave(stream: Stream, decoded: number): number {
    const rows = decoded + this.#released
    this.#released = 0
    stream.flows += rows
    if (rows > 0 && !stream.proven && stream.lastHeard - stream.firstHeard >= PROVEN_AFTER_MS) this.#streams.prove(stream)
    return rows
  }

  #sequence(stream: Stream, transport: Transport, sequence: number, units: number, uptime: number): void {
    const tracker = transport.sequence
    // An uptime that went back by more than datagrams overtake each other is a restart; the wrap after 49.7 days is a step forward.
    const back = transport.uptime >= 0 && uptime >= 0 ? (transport.uptime - uptime) | 0 : 0
    tracker.observe(sequence, units, units - this.#optionsCount, back > 60_000)
    if (back <= 0 || back > 60_000) transport.uptime = uptime
    stream.lost = Math.max(0, stream.lost + tracker.lost)
    stream.reordered += tracker.reordered
    stream.restarts += tracker.restarts
    tracker.lost = tracker.reordered = tracker.restarts = 0
  }

  #problem(stream: Stream, sink: IngestSink, code: ProblemCode, offset: number): void {
    stream.count(code)
    sink.problem(code, offset)
  }

  #forgotten(stream: Stream): void {
    this.#templates -= stream.templates
    this.#templateBytes -= stream.templateBytes
    this.#waiting -= stream.waiting.length
    this.#waitingStreams.delete(stream)
    this.#waitingBytes -= stream.waitingBytes
  }

  tick(now: number, sink: IngestSink): void {
    for (const stream of this.#waitingStreams) {
      while (stream.waiting.length > 0 && now - (stream.waiting[0] as Waiting).receivedAt > this.#options.maxWaitMs) {
        this.#unhold(stream, stream.waiting[0] as Waiting)
        this.#problem(stream, sink, 'no_template', 0)
      }
    }
    if (this.#sweeping === undefined && now >= this.#nextSweep) {
      this.#nextSweep = now + SWEEP_MS
      this.#sweeping = this.#streams.all()
    }
    if (this.#sweeping !== undefined) this.#sweep(this.#sweeping, now)
  }

  /** Forgets templates that nobody has used or announced for long, some streams at a time: receiving must not wait for it. */
  #sweep(streams: Generator<Stream>, now: number): void {
    for (let n = 0; n < SWEEP_STREAMS; n++) {
      const { value: stream, done } = streams.next()
      if (done === true) {
        this.#sweeping = undefined
        return
      }
      stream.settlePorts(now - PORT_ALIVE_MS)
      for (const transport of stream.transports) {
        for (const [id, known] of transport.templates) {
          if (now - Math.max(known.announcedAt, known.usedAt) > this.#options.templateLifetimeMs) this.#drop(stream, transport, id, known)
        }
      }
    }
  }

  streams(limit: number): StreamStatus[] {
    const list: StreamStatus[] = []
    for (const stream of this.#streams.recent()) {
      if (list.length >= limit) break
      list.push(streamStatus(stream))
    }
    return list
  }

  counts(): { streams: number; evicted: number; templates: number; pending: number } {
    return { streams: this.#streams.size, evicted: this.#streams.evicted, templates: this.#templates, pending: this.#waiting }
  }

  save(): unknown {
    return saveStreams(this.#streams.recent(), this.#clock.now())
  }

  restore(state: unknown): { restored: number; refused: number } {
    const { streams, refused } = readStreams(state)
    const notBefore = this.#clock.now() - this.#options.templateLifetimeMs
    let restored = 0
    let unusable = refused
    for (const { saved, address } of streams) {
      const [a0, a1, a2, a3] = address as unknown as [number, number, number, number]
      if (this.#streams.find(saved.protocol, saved.domain, a0, a1, a2, a3) !== undefined) continue
      const stream = this.#streams.add(saved.protocol, saved.domain, a0, a1, a2, a3)
      stream.firstHeard = saved.firstHeard
      stream.lastHeard = saved.lastHeard
      for (const { port, lastHeard, bootedAt, sampling, templates } of saved.transports) {
        const transport = stream.restoreTransport(port, lastHeard, bootedAt, sampling)
        for (const one of templates) {
          const template = templateOfSaved(one)
          if (template === undefined) unusable++
          else if (Math.max(one.announcedAt, one.usedAt) >= notBefore && this.#templates < this.#options.maxTemplates) {
            this.#keep(stream, transport, one.id, this.#sharedLayout(template, saved.protocol === 'ipfix' ? 'ipfix' : 'netflow9'), one.announcedAt, one.usedAt)
          }
        }
      }
      this.#streams.prove(stream)
      restored++
    }
    return { restored, refused: unusable }
  }
}

/** Names of interfaces out of flow records: told once an interface, however often they come. */
class InterfaceNames implements NameSink {
  stream: Stream | undefined = undefined
  sink: IngestSink | undefined = undefined

  wanted(ifIndex: number): boolean {
    // 0 stands for an interface that is not known.
    if (ifIndex === 0) return false
    const named = this.stream?.named
    return named === undefined || (!named.has(ifIndex) && named.size < MAX_NAMED)
  }

  named(ifIndex: number, name: string): void {
    const { stream, sink } = this
    if (stream === undefined || sink === undefined) return
    stream.named ??= new Set()
    stream.named.add(ifIndex)
    sink.sighting({ kind: 'interface', agent: addressText(stream), ifIndex, name })
  }
}

/** Interfaces of one stream whose names are remembered as told. */
const MAX_NAMED = 4096

/** What a held set takes in memory beyond its bytes, about. */
const WAITING_COST = 200

const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = (() => {
  const numbers = Object.fromEntries(Object.entries(PROTOCOLS).map(([number, name]) => [name, Number(number)]))
  return numbers as Record<Protocol, number>
})()

function zeroes(view: DataView, at: number, end: number): boolean {
  for (let i = at; i < end; i++) if (view.getUint8(i) !== 0) return false
  return true
}

function fixedLayout(template: Template): Known {
  return { layout: { template, plan: planFlow(template) }, template, announcedAt: 0, usedAt: 0 }
}
