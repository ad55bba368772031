import { planFlow, type FlowPlan } from './netflow-plan.ts'
import { TemplateCursor, type Flavour, type Template } from '../wire/ipfix/template.ts'
import type { Datagram, IngestSink } from './ingest.ts'
import type { NetflowLimits, NetflowObserver } from './netflow-options.ts'
import { flavourOf } from './netflow-state.ts'
import type { Known, Layout, Stream, Transport } from './netflow-stream.ts'
import type { StreamTable } from './netflow-stream-table.ts'

// Templates of all streams: announced, announced anew, withdrawn, shared among those who announce the same, and never too many.

/** A port not heard for so long is taken to be given up. */
export const PORT_ALIVE_MS = 300_000

/** So many templates a stream has by good right; beyond them it gives up its own before others give up theirs. */
const FAIR_SHARE = 64

type Limits = Pick<NetflowLimits, 'maxTemplates' | 'maxTemplatesOfStream' | 'maxTemplateBytes' | 'maxPlans'>

export class Templates {
  readonly #limits: Limits
  readonly #streams: StreamTable
  readonly #observer: NetflowObserver | undefined
  readonly #cursor = new TemplateCursor()
  /** Layouts in use by their bytes, so that all exporters who announce the same share one. */
  readonly #shared = new Map<string, Layout>()
  readonly #keys = new WeakMap<Layout, string>()
  readonly #planned = new Set<Layout>()
  readonly #restored = new WeakMap<Template, Layout>()
  #bytes = 0
  /** The transport whose templates of a kind were all withdrawn, with nothing announced since. */
  #emptied: Transport | undefined = undefined
  #emptiedOf: Template['kind'] = 'data'
  #emptiedSize = 0
  count = 0
  /** Changes with each template that is announced anew or forgotten. */
  revision = 0

  constructor(limits: Limits, streams: StreamTable, observer: NetflowObserver | undefined) {
    this.#limits = limits
    this.#streams = streams
    this.#observer = observer
  }

  /** Reads the records of a template set; `announced` is called for each template that was not known so. */
  read(
    stream: Stream,
    transport: Transport,
    d: Datagram,
    start: number,
    end: number,
    flavour: Flavour,
    options: boolean,
    sink: IngestSink,
    announced: (stream: Stream, transport: Transport, id: number, sink: IngestSink) => void,
  ): void {
    const cursor = this.#cursor
    let at = start
    while (cursor.next(d.view, at, end, flavour, options)) {
      at = cursor.end
      if (cursor.withdrawal) this.#withdraw(transport, cursor.id, options)
      else if (cursor.problem) stream.problem(sink, cursor.problem, cursor.wireStart - 2 - d.offset)
      else if (this.#announce(stream, transport, d, flavour, sink)) announced(stream, transport, cursor.id, sink)
    }
    if (cursor.problem) stream.problem(sink, cursor.problem, at - d.offset)
  }

  /** How records of a layout become rows: worked out when first needed. */
  plan(layout: Layout): FlowPlan {
    if (layout.plan !== undefined) return layout.plan
    const plan = planFlow(layout.template)
    layout.plan = plan
    this.#planned.add(layout)
    if (this.#planned.size > this.#limits.maxPlans) {
      const oldest = this.#planned.values().next().value as Layout
      this.#planned.delete(oldest)
      oldest.plan = undefined
    }
    return plan
  }

  /** Takes back a template as it was saved; false when there are too many. */
  restore(
    stream: Stream,
    transport: Transport,
    id: number,
    template: Template,
    announcedAt: number,
    usedAt: number,
  ): boolean {
    if (this.count >= this.#limits.maxTemplates || this.#bytes + layoutCost(template) > this.#limits.maxTemplateBytes)
      return false
    // One saved layout is of many exporters: it is looked up by its bytes only once.
    const layout = this.#restored.get(template) ?? this.#layout(template, flavourOf(stream.protocol))
    this.#restored.set(template, layout)
    this.#keep(transport, id, layout, announcedAt, usedAt)
    return true
  }

  /** Forgets what nobody has used or announced since. */
  expire(stream: Stream, since: number): void {
    for (const transport of stream.transports) {
      for (const [id, known] of transport.templates) {
        if (Math.max(known.announcedAt, known.usedAt) < since) this.#drop(transport, id, known)
      }
    }
  }

  /** A stream has been forgotten, and its templates with it. */
  forgotten(stream: Stream): void {
    for (const transport of stream.transports) for (const known of transport.templates.values()) this.dropped(known)
  }

  /** A template is no longer known: gives back what it took, and the layout's share if nobody else has it. */
  readonly dropped = (known: Known): void => {
    this.count--
    this.revision++
    this.#bytes -= KNOWN_COST
    known.layout.users--
    if (known.layout.users === 0) this.#unshare(known.layout)
  }

  #announce(stream: Stream, transport: Transport, d: Datagram, flavour: Flavour, sink: IngestSink): boolean {
    const cursor = this.#cursor
    const { id } = cursor
    const before = transport.templates.get(id)
    if (before !== undefined && cursor.matches(d.view, before.template)) {
      before.announcedAt = d.receivedAt
      this.#observer?.template(stream, id, before.template)
      return false
    }
    const layout = this.#layout(cursor.build(d.view, flavour), flavour)
    if (before !== undefined) this.#drop(transport, id, before)
    else if (disagrees(stream, transport, id, layout.template, d.receivedAt)) stream.portsDisagree = true
    this.#makeRoom(stream, transport, layout, sink)
    this.#keep(transport, id, layout, d.receivedAt, 0)
    this.#observer?.template(stream, id, layout.template)
    return true
  }

  #layout(template: Template, flavour: Flavour): Layout {
    const key = `${flavour} ${template.kind} ${Buffer.from(template.wire).toString('latin1')}`
    const same = this.#shared.get(key)
    if (same) return same
    const layout: Layout = { template, plan: undefined, users: 0 }
    this.#shared.set(key, layout)
    this.#keys.set(layout, key)
    return layout
  }

  #unshare(layout: Layout): void {
    this.#bytes -= layoutCost(layout.template)
    const key = this.#keys.get(layout) as string
    if (this.#shared.get(key) === layout) this.#shared.delete(key)
    this.#planned.delete(layout)
    layout.plan = undefined
  }

  #keep(transport: Transport, id: number, layout: Layout, announcedAt: number, usedAt: number): void {
    const { template } = layout
    this.#emptied = undefined
    transport.templates.set(id, { layout, template, announcedAt, usedAt })
    this.count++
    this.revision++
    this.#bytes += KNOWN_COST
    if (layout.users === 0) this.#bytes += layoutCost(template)
    layout.users++
  }

  #drop(transport: Transport, id: number, known: Known): void {
    transport.templates.delete(id)
    this.dropped(known)
  }

  #makeRoom(stream: Stream, transport: Transport, layout: Layout, sink: IngestSink): void {
    const { templates } = transport
    const cost = KNOWN_COST + (layout.users === 0 ? layoutCost(layout.template) : 0)
    const full = (): boolean =>
      this.count >= this.#limits.maxTemplates || this.#bytes + cost > this.#limits.maxTemplateBytes
    while (full() && templates.size <= FAIR_SHARE && this.#streams.evictStranger(stream));
    while (templates.size > 0 && (full() || templates.size >= this.#limits.maxTemplatesOfStream)) {
      // The one announced first: whoever announces so many gives up its own.
      const [id, known] = templates.entries().next().value as [number, Known]
      this.#drop(transport, id, known)
      stream.problem(sink, 'template_limit', 0)
    }
    while (full() && this.#streams.evictOne(stream));
  }

  // RFC 7011 §8.1: a template without fields withdraws its id; under the set's own id, all templates of the kind.
  #withdraw(transport: Transport, id: number, options: boolean): void {
    if (id !== (options ? 3 : 2)) {
      const known = transport.templates.get(id)
      if (known !== undefined) this.#drop(transport, id, known)
      return
    }
    // Said again and again in one datagram it must not cost a walk over all templates each time.
    const kind = options ? 'options' : 'data'
    if (this.#emptied === transport && this.#emptiedOf === kind && this.#emptiedSize === transport.templates.size)
      return
    for (const [other, known] of transport.templates)
      if (known.template.kind === kind) this.#drop(transport, other, known)
    this.#emptied = transport
    this.#emptiedOf = kind
    this.#emptiedSize = transport.templates.size
  }
}

/** Two ports alive that give one id two meanings are two exporters behind one address. */
function disagrees(stream: Stream, transport: Transport, id: number, template: Template, now: number): boolean {
  for (const other of stream.transports) {
    if (other === transport || now - other.lastHeard > PORT_ALIVE_MS || other.lastDatagram <= transport.firstDatagram)
      continue
    const known = other.templates.get(id)
    if (known !== undefined && Buffer.compare(known.template.wire, template.wire) !== 0) return true
  }
  return false
}

/** Bytes that a template takes in memory for each who announces it, about. */
const KNOWN_COST = 200

/** Bytes that the layout of a template takes in memory, about. */
function layoutCost(template: Template): number {
  return 1_200 + 2 * template.wire.length + 8 * template.elements.length
}
