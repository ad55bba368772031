import type { FlowBatch } from '../flow/flow-batch.ts'
import { stampRows } from '../flow/stamp-rows.ts'
import type { Arrays, Stop } from '../wire/ipfix/compile.ts'
import type { Template } from '../wire/ipfix/template.ts'
import { dissect, START } from '../packet/dissect.ts'
import { fieldText } from '../wire/ipfix/numbers.ts'
import { addReverseRows, forgetReverse, mergeReverse } from './netflow-biflow.ts'
import { CHUNK, Notes, type NameSink, type RowSink, type SetContext } from './netflow-context.ts'
import type { Biflow } from './netflow-options.ts'
import { IP_SECTION, type FlowPlan } from './netflow-plan.ts'
import { writeTimes } from './netflow-times.ts'
import { writeTunnels } from './netflow-tunnels.ts'

// From what a compiled decoder has written to finished rows.

/** Records of a set in which names of interfaces are looked for. */
const NAMES_A_SET = 4

/** Turns the records of data sets into rows of a sink. */
export class RowMaker {
  readonly #notes = new Notes()
  readonly #stop: Stop = { at: 0 }
  /** Records decoded, and where decoding ended, of the last call of `rows`. */
  records = 0
  stoppedAt = 0
  #nextName = 0
  readonly #biflow: Biflow
  /** The sink had no room for all of them. */
  refused = false

  constructor(biflow: Biflow) {
    this.#biflow = biflow
  }

  /** Decodes the records between `at` and `end`, answers the number of rows made. */
  rows(
    template: Template,
    plan: FlowPlan,
    view: DataView,
    at: number,
    end: number,
    context: SetContext,
    sink: RowSink,
    limit = CHUNK,
  ): number {
    const rowsEach = plan.biflow && this.#biflow === 'split' ? 2 : 1
    let made = 0
    this.records = 0
    this.refused = false
    while (end - at >= template.minLength) {
      const fit = Math.floor((end - at) / template.minLength)
      const count = Math.min(fit, limit - this.records, CHUNK, Math.floor(sink.flows.capacity / rowsEach))
      const place = sink.room(count * rowsEach)
      // Without room the records are decoded all the same, into nothing, to know where the next one is.
      const batch = sink.flows
      if (!place) {
        this.refused = true
        this.records += template.variable ? 0 : count
        if (template.variable) break
        at += count * template.minLength
        continue
      }
      const decoded = plan.decode(
        view,
        at,
        end,
        count,
        batch as unknown as Arrays,
        batch.n,
        this.#notes as unknown as Arrays,
        this.#stop,
      )
      if (decoded === 0) break
      this.records += decoded
      const before = batch.n
      this.#finish(batch, before, decoded, plan, context, view)
      batch.n = before + decoded
      if (plan.biflow) this.#bothWays(batch, before, decoded, plan)
      made += batch.n - before
      at = this.#stop.at
      if (this.records >= limit && limit < CHUNK) break
    }
    this.stoppedAt = at
    return made
  }

  #bothWays(batch: FlowBatch, first: number, count: number, plan: FlowPlan): void {
    if (this.#biflow === 'split') addReverseRows(batch, first, count, plan, this.#notes)
    else if (this.#biflow === 'merge') mergeReverse(batch, first, count, this.#notes)
    forgetReverse(count, this.#notes)
  }

  #finish(batch: FlowBatch, first: number, count: number, plan: FlowPlan, context: SetContext, view: DataView): void {
    stampRows(batch, first, first + count, context)
    fillRate(batch, first, first + count, context.rate | 0)
    writeTimes(batch, first, count, plan, context, this.#notes)
    if (plan.sampler || plan.rate !== 'none' || context.sampling?.hasInterfaces === true)
      this.#rates(batch, first, count, plan, context)
    if (context.vlanInDstAs) vlanFromAs(batch, first, count)
    if (plan.icmpInPort) icmpFromPort(batch, first, count)
    if (plan.impliedProto !== 0) fill(batch.proto, first, first + count, plan.impliedProto)
    if (plan.impliedEthertype > 1) fill(batch.ethertype, first, first + count, plan.impliedEthertype)
    else if (plan.impliedEthertype === 1) ethertypeOfAddress(batch, first, count)
    if (plan.section !== 0) this.#sections(batch, first, count, plan, view)
    if (plan.names !== 0 && context.names !== undefined) this.#names(batch, first, count, plan, context.names, view)
    if (plan.qinq) this.#outerTags(batch, first, count)
    if (plan.tunnelKey || plan.tunnelType || plan.tenant || plan.nested)
      writeTunnels(batch, first, count, plan, this.#notes)
  }

  #rates(batch: FlowBatch, first: number, count: number, plan: FlowPlan, context: SetContext): void {
    const notes = this.#notes
    const table = context.sampling
    let lastSampler = -1
    let lastRate = context.rate
    for (let i = 0, r = first; i < count; i++, r++) {
      let rate = 0
      if (plan.rate !== 'none') rate = recordRate(notes, i, plan.rate)
      if (rate < 1 && plan.sampler) {
        const id = notes.sampler[i] as number
        if (id !== lastSampler) {
          lastSampler = id
          // No sampler is no sampling, unless there is a rate for all.
          lastRate =
            table?.ofSampler(id) ?? (id !== 0 ? 0 : table === undefined ? context.rate : Math.max(1, table.plain))
        }
        rate = lastRate
      }
      if (rate < 1 && table?.hasInterfaces === true) rate = table.ofInterface(batch.in_if[r] as number) ?? 0
      if (rate >= 1) batch.sampling_rate[r] = rate
    }
  }

  // PSAMP: the record holds the packet itself, cut short.
  #sections(batch: FlowBatch, first: number, count: number, plan: FlowPlan, view: DataView): void {
    const notes = this.#notes
    for (let i = 0, r = first; i < count; i++, r++) {
      const offset = notes.section[2 * i] as number
      const length = notes.section[2 * i + 1] as number
      if (length === 0) continue
      const version = view.getUint8(offset) >>> 4
      const start = plan.section === IP_SECTION ? (version === 6 ? START.ipv6 : START.ipv4) : plan.section
      dissect(view, offset, length, start, batch, r)
      if (!plan.packets) batch.packets[2 * r] = 1
      if (plan.bytes) continue
      if (plan.sectionSize) batch.bytes[2 * r] = notes.section_size[i] as number
      else if (plan.section === IP_SECTION && length >= 6)
        batch.bytes[2 * r] = version === 6 ? view.getUint16(offset + 4) + 40 : view.getUint16(offset + 2)
    }
  }

  // Names hardly ever change: of a long set a few records are looked at, other ones each time.
  #names(batch: FlowBatch, first: number, count: number, plan: FlowPlan, sink: NameSink, view: DataView): void {
    const { in_name, out_name } = this.#notes
    for (let k = Math.min(count, NAMES_A_SET); k > 0; k--) {
      this.#nextName = (this.#nextName + 1) % count
      const i = this.#nextName
      const inIf = batch.in_if[first + i] as number
      const outIf = batch.out_if[first + i] as number
      if (sink.wanted(inIf)) tellName(sink, inIf, view, in_name, i)
      if (plan.names === 2 && sink.wanted(outIf)) tellName(sink, outIf, view, out_name, i)
    }
  }

  #outerTags(batch: FlowBatch, first: number, count: number): void {
    for (let i = 0; i < count; i++) if (this.#notes.customer_vlan[i] === 0) batch.s_vlan[first + i] = 0
  }
}

function tellName(sink: NameSink, ifIndex: number, view: DataView, spans: Uint32Array, i: number): void {
  const name = fieldText(view, spans[2 * i] as number, spans[2 * i + 1] as number)
  if (name !== '') sink.named(ifIndex, name)
}

function recordRate(notes: Notes, i: number, how: FlowPlan['rate']): number {
  const interval = notes.interval[i] as number
  if (how === 'interval') return interval
  if (how === 'space') return interval === 0 ? 0 : Math.round((interval + (notes.space[i] as number)) / interval)
  if (how === 'population')
    return notes.size[i] === 0 ? 0 : Math.round((notes.population[i] as number) / (notes.size[i] as number))
  const probability = notes.probability[i] as number
  return probability > 0 && probability <= 1 ? Math.min(Math.round(1 / probability), 0xffff_ffff) : 0
}

function fill(column: Uint8Array | Uint16Array, from: number, to: number, value: number): void {
  for (let row = from | 0; row < to; row = (row + 1) | 0) column[row] = value
}

function fillRate(batch: FlowBatch, from: number, to: number, rate: number): void {
  const { sampling_rate } = batch
  for (let row = from | 0; row < to; row = (row + 1) | 0) sampling_rate[row] = rate
}

// FlowMon of 2010: the tag of the frame, or 0, where the AS should be. A real VLAN element goes first.
function vlanFromAs(batch: FlowBatch, first: number, count: number): void {
  const { dst_as: as, vlan_in: vlan } = batch
  for (let r = first; r < first + count; r++) {
    if (vlan[r] === 0) vlan[r] = (as[r] as number) & 0xfff
    as[r] = 0
  }
}

// Routers put type × 256 + code where the destination port is (NetFlow v5, most of v9): as a port it means nothing.
function icmpFromPort(batch: FlowBatch, first: number, count: number): void {
  const { proto, dst_port: port } = batch
  for (let r = first | 0; r < first + count; r = (r + 1) | 0) {
    if (proto[r] !== 1 && proto[r] !== 58) continue
    batch.icmp_type[r] = (port[r] as number) >>> 8
    batch.icmp_code[r] = (port[r] as number) & 0xff
    port[r] = 0
  }
}

const MAPPED = 0xffff0000

function ethertypeOfAddress(batch: FlowBatch, first: number, count: number): void {
  for (let r = first; r < first + count; r++) {
    const mapped =
      batch.src_addr[4 * r + 2] === MAPPED && batch.src_addr[4 * r + 1] === 0 && batch.src_addr[4 * r] === 0
    batch.ethertype[r] = mapped ? 0x0800 : 0x86dd
  }
}
