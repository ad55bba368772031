import type { Datagram, IngestSink } from './ingest.ts'
import type { ElementLookup } from '../wire/ipfix/registry.ts'
import type { Flavour, Template } from '../wire/ipfix/template.ts'
import { SetContext, type NameSink } from './netflow-context.ts'
import type { NetflowObserver } from './netflow-options.ts'
import type { FlowPlan } from './netflow-plan.ts'
import type { RowMaker } from './netflow-rows.ts'
import { COMMON_PROPERTIES_ID, commonIdOf, CommonProperties } from './netflow-common.ts'
import { LearntElements, type LearntCount, type SavedElement } from './netflow-learnt.ts'
import { OptionsReader } from './netflow-sampling.ts'
import { addressText } from './netflow-status.ts'
import type { Known, Stream, Transport } from './netflow-stream.ts'
import type { ToldFacts } from './netflow-told.ts'
import type { Templates } from './netflow-templates.ts'
import type { WaitingSets } from './netflow-waiting.ts'

// The sets of a v9 or IPFIX message.
//
//   u16 id (v9 0, 1; IPFIX 2, 3: templates and options templates; from 256: data), u16 length with these four bytes, records, padding

/** Interfaces of one stream whose names are remembered as told. */
const MAX_NAMED = 4096

export class SetReader {
  readonly context = new SetContext()
  /** Data records of the message at hand, -1 once some could not be counted; and those of them that are of options. */
  records = 0
  options = 0
  readonly #templates: Templates
  readonly #waiting: WaitingSets
  readonly #observer: NetflowObserver | undefined
  readonly #maker: RowMaker
  readonly #elements: ElementLookup
  readonly #count: LearntCount = { learnt: 0, revision: 0 }
  readonly #common = new CommonProperties()
  readonly #optionsReader = new OptionsReader()
  readonly #told: ToldFacts
  readonly #names: InterfaceNames
  /** Rows made of sets that had waited for a template of this message. */
  #released = 0
  readonly #announced = (stream: Stream, transport: Transport, id: number, sink: IngestSink): void => {
    if (stream.waiting.length > 0) this.#release(stream, transport, id, sink)
  }

  constructor(
    templates: Templates,
    waiting: WaitingSets,
    maker: RowMaker,
    told: ToldFacts,
    elements: ElementLookup,
    observer: NetflowObserver | undefined,
  ) {
    this.#told = told
    this.#names = new InterfaceNames(told)
    this.#elements = elements
    this.#maker = maker
    this.#templates = templates
    this.#waiting = waiting
    this.#observer = observer
    this.context.names = this.#names
  }

  /** A stream has been forgotten, and with it what it told of elements. */
  forgotten(stream: Stream): void {
    this.#count.learnt -= stream.learnt?.size ?? 0
    this.#common.forgotten(stream.common)
  }

  /** Changes with what streams have told of elements. */
  get revision(): number {
    return this.#count.revision
  }

  /** Takes back what a stream had told of elements, as it was saved. */
  restoreElements(stream: Stream, elements: readonly SavedElement[]): void {
    for (const [enterprise, id, dataType, name] of elements) this.#learn(stream, enterprise, id, dataType, name)
  }

  #learn(stream: Stream, enterprise: number, id: number, dataType: number, name: string): void {
    stream.learnt ??= new LearntElements(this.#elements)
    stream.learnt.learn(enterprise, id, dataType, name, this.#count)
  }

  /** Makes ready for a datagram of this stream; its header has still to be put into `context`. */
  begin(stream: Stream, transport: Transport, sink: IngestSink): SetContext {
    const { context } = this
    this.records = 0
    this.options = 0
    this.#names.stream = stream
    this.#names.sink = sink
    context.exporter0 = stream.address0
    context.exporter1 = stream.address1
    context.exporter2 = stream.address2
    context.exporter3 = stream.address3
    context.observation = stream.domain
    context.bootedAt = transport.bootedAt
    context.rate = 1
    context.vlanInDstAs = stream.vlanInDstAs
    context.sampling = undefined
    return context
  }

  /**
   * Reads all sets, answers the rows made. Templates and options come first, then data: a sampling rate in the same message holds for the
   * flows beside it, whichever stands first.
   */
  read(
    stream: Stream,
    transport: Transport,
    d: Datagram,
    start: number,
    end: number,
    flavour: Flavour,
    sink: IngestSink,
  ): number {
    const { view } = d
    const templateSet = flavour === 'ipfix' ? 2 : 0
    const optionsSet = flavour === 'ipfix' ? 3 : 1
    let data = 0
    let at = start
    let last = end
    this.#released = 0
    while (end - at >= 4) {
      const id = view.getUint16(at)
      const length = view.getUint16(at + 2)
      if (length < 4) {
        // Zeroes to the end are padding of the whole datagram (some exporters fill it up).
        if (!zeroes(view, at, end)) stream.problem(sink, 'bad_length', at - d.offset)
        last = at
        break
      }
      if (length > end - at) stream.problem(sink, 'truncated', at - d.offset)
      const setEnd = Math.min(end, at + length)
      if (id === templateSet || id === optionsSet)
        this.#templates.read(stream, transport, d, at + 4, setEnd, flavour, id === optionsSet, sink, this.#announced)
      else if (id >= 256) {
        const known = stream.known(transport, id, setEnd - at - 4)
        if (known?.template.kind === 'options')
          this.#optionsRecords(stream, transport, id, known, view, at + 4, setEnd, sink)
        else data++
      } else stream.problem(sink, 'unsupported', at - d.offset)
      at += length
    }
    if (end - start < 4) stream.problem(sink, 'empty', start - d.offset)
    else if (at < end && end - at < 4 && !zeroes(view, at, end)) stream.problem(sink, 'truncated', at - d.offset)
    return this.#released + (data === 0 ? 0 : this.#dataSets(stream, transport, d, start, last, sink))
  }

  /** Makes rows of the records of one set. */
  rows(
    stream: Stream,
    id: number,
    known: Known,
    view: DataView,
    at: number,
    end: number,
    sink: IngestSink,
    setOffset: number,
  ): number {
    known.usedAt = this.context.receivedAt
    const plan = known.layout.plan ?? this.#templates.plan(known.layout)
    if (this.#observer !== undefined || (plan.common && stream.common !== undefined))
      return this.#oneByOne(stream, id, known.template, plan, view, at, end, sink, setOffset)
    const rows = this.#maker.rows(known.template, plan, view, at, end, this.context, sink)
    const { records, refused, stoppedAt } = this.#maker
    if (!refused) checkRest(stream, view, stoppedAt, end, records, sink, setOffset)
    if (this.records >= 0) this.records = refused && known.template.variable ? -1 : this.records + records
    return rows
  }

  #dataSets(stream: Stream, transport: Transport, d: Datagram, start: number, end: number, sink: IngestSink): number {
    const { view } = d
    this.#useRates(stream, transport)
    let rows = 0
    let at = start
    while (end - at >= 4) {
      const id = view.getUint16(at)
      const length = view.getUint16(at + 2)
      const setEnd = Math.min(end, at + length)
      if (id >= 256) {
        const known = stream.known(transport, id, setEnd - at - 4)
        if (known === undefined) {
          this.records = -1
          if (setEnd - at > 4 && !this.#waiting.hold(stream, transport, id, view, at + 4, setEnd, this.context)) {
            stream.problem(sink, 'pending_dropped', at - d.offset)
          }
        } else if (known.template.kind === 'data')
          rows += this.rows(stream, id, known, view, at + 4, setEnd, sink, at - d.offset)
      }
      at += length
    }
    return rows
  }

  /** Record by record, for who wants to see each, and for those that name what they have in common with others. */
  #oneByOne(
    stream: Stream,
    id: number,
    template: Template,
    plan: FlowPlan,
    view: DataView,
    start: number,
    end: number,
    sink: IngestSink,
    setOffset: number,
  ): number {
    let made = 0
    let at = start
    while (end - at >= template.minLength) {
      const rows = this.#maker.rows(
        template,
        plan,
        view,
        at,
        template.variable ? end : at + template.minLength,
        this.context,
        sink,
        1,
      )
      if (this.#maker.records === 0) break
      if (this.records >= 0) this.records++
      if (plan.common && stream.common !== undefined && rows > 0) {
        const shared = commonIdOf(template, view, at, this.#maker.stoppedAt)
        this.#common.join(stream.common, shared, sink.flows, sink.flows.n - rows, rows)
      }
      this.#observer?.record(stream, id, template, view, at, this.#maker.stoppedAt, rows)
      at = this.#maker.stoppedAt
      made += rows
    }
    checkRest(stream, view, at, end, at - start, sink, setOffset)
    return made
  }

  #optionsRecords(
    stream: Stream,
    transport: Transport,
    id: number,
    known: Known,
    view: DataView,
    start: number,
    end: number,
    sink: IngestSink,
  ): void {
    const { template } = known
    const reader = this.#optionsReader
    const common = template.elements.includes(COMMON_PROPERTIES_ID)
    known.usedAt = this.context.receivedAt
    let at = start
    while (end - at >= template.minLength) {
      const next = reader.read(template, view, at, end)
      if (next < 0) break
      if (this.records >= 0) this.records++
      this.options++
      stream.others++
      const { rate, sampler, ifIndex, bootedAt, interfaceName, element, enterprise, dataType } = reader.facts
      if (element !== undefined && enterprise !== undefined && dataType !== undefined && reader.facts.elementName) {
        this.#learn(stream, enterprise, element, dataType, reader.facts.elementName)
      }
      if (rate !== undefined && rate >= 1) this.#learnRate(stream, transport, rate, sampler, ifIndex, sink)
      if (bootedAt !== undefined && bootedAt > 0) this.context.bootedAt = transport.bootedAt = bootedAt
      if (interfaceName && ifIndex !== undefined && ifIndex !== 0)
        sink.sighting({ kind: 'interface', agent: addressText(stream), ifIndex, name: interfaceName })
      if (common) this.#learnCommon(stream, known, view, at, next)
      this.#observer?.record(stream, id, template, view, at, next, 0)
      at = next
    }
  }

  #learnCommon(stream: Stream, { template, layout }: Known, view: DataView, at: number, end: number): void {
    const id = commonIdOf(template, view, at, end)
    if (id < 0) return
    const plan = layout.plan ?? this.#templates.plan(layout)
    this.#maker.rows(template, plan, view, at, end, this.context, this.#common.sink(), 1)
    stream.common ??= new Map()
    this.#common.learn(stream.common, id)
  }

  #learnRate(
    stream: Stream,
    transport: Transport,
    rate: number,
    sampler: number | undefined,
    ifIndex: number | undefined,
    sink: IngestSink,
  ): void {
    const sampling = stream.learnSampling(transport)
    if (sampling.isNew(sampler, ifIndex)) {
      if (sampling.full || !this.#told.room(stream)) {
        stream.problem(sink, 'template_limit', 0)
        return
      }
      this.#told.add(stream)
    }
    sampling.learn(rate, sampler, ifIndex)
  }

  /** Decodes what waited for a template that has just come, each set with the times of its own datagram. */
  #release(stream: Stream, transport: Transport, id: number, sink: IngestSink): void {
    const known = transport.templates.get(id)
    const ready = known === undefined ? [] : this.#waiting.take(stream, transport, id, known)
    if (known === undefined || ready.length === 0) return
    const { context } = this
    const { receivedAt, exportedAt, uptime } = context
    const { records, options } = this
    this.#useRates(stream, transport)
    for (const set of ready) {
      context.receivedAt = set.receivedAt
      context.exportedAt = set.exportedAt
      context.uptime = set.uptime
      const view = new DataView(set.bytes.buffer)
      if (known.template.kind === 'options')
        this.#optionsRecords(stream, transport, id, known, view, 0, set.bytes.length, sink)
      else this.#released += this.rows(stream, id, known, view, 0, set.bytes.length, sink, 0)
    }
    Object.assign(context, { receivedAt, exportedAt, uptime })
    this.records = records
    this.options = options
  }

  #useRates(stream: Stream, transport: Transport): void {
    const sampling = stream.samplingOf(transport)
    this.context.sampling = sampling
    this.context.rate = sampling !== undefined && sampling.last > 0 ? sampling.last : Math.max(1, stream.defaultRate)
  }
}

/** Names of interfaces out of flow records: told once an interface, however often they come. */
class InterfaceNames implements NameSink {
  stream: Stream | undefined = undefined
  sink: IngestSink | undefined = undefined
  readonly #told: ToldFacts

  constructor(told: ToldFacts) {
    this.#told = told
  }

  wanted(ifIndex: number): boolean {
    // 0 stands for an interface that is not known.
    if (ifIndex === 0) return false
    const { stream } = this
    if (stream === undefined) return false
    if (stream.named !== undefined && (stream.named.has(ifIndex) || stream.named.size >= MAX_NAMED)) return false
    return this.#told.room(stream)
  }

  named(ifIndex: number, name: string): void {
    const { stream, sink } = this
    if (stream === undefined || sink === undefined) return
    stream.named ??= new Set()
    stream.named.add(ifIndex)
    this.#told.add(stream)
    sink.sighting({ kind: 'interface', agent: addressText(stream), ifIndex, name })
  }
}

/** Up to three bytes, or zeroes, are padding (RFC 7011 §3.3.1); anything else behind the last record is not what the template says. */
function checkRest(
  stream: Stream,
  view: DataView,
  at: number,
  end: number,
  decoded: number,
  sink: IngestSink,
  setOffset: number,
): void {
  if (decoded === 0 && end === at) stream.problem(sink, 'empty', setOffset)
  else if (decoded === 0 || (end - at > 3 && !zeroes(view, at, end))) stream.problem(sink, 'bad_record', setOffset)
}

function zeroes(view: DataView, at: number, end: number): boolean {
  for (let i = at; i < end; i++) if (view.getUint8(i) !== 0) return false
  return true
}
