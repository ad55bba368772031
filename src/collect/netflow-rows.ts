import type { FlowBatch } from '../flow/flow-batch.ts'
import type { Arrays, Stop } from '../wire/ipfix/compile.ts'
import type { Template } from '../wire/ipfix/template.ts'
import { dissect, START } from '../packet/dissect.ts'
import { fieldText } from '../wire/ipfix/numbers.ts'
import { IP_SECTION, type FlowPlan, type TimeKind } from './netflow-plan.ts'

// From what a compiled decoder has written to finished rows: what is the same for all rows of a datagram, times, sampling,
// tunnels, ICMP and the second row of a biflow.

/** Records decoded at a time; notes are kept for so many. */
const CHUNK = 2048

const WORD = 0x1_0000_0000

/** Records of a set in which names of interfaces are looked for. */
const NAMES_A_SET = 4

/** What decoders write that is not yet a column; one entry a record of the chunk at hand. */
class Notes {
  readonly start = new Float64Array(CHUNK)
  readonly end = new Float64Array(CHUNK)
  readonly start_ticks = new Uint32Array(CHUNK)
  readonly end_ticks = new Uint32Array(CHUNK)
  readonly duration = new Uint32Array(CHUNK)
  /** Offset and length. */
  readonly section = new Uint32Array(2 * CHUNK)
  readonly section_size = new Uint32Array(CHUNK)
  readonly in_name = new Uint32Array(2 * CHUNK)
  readonly out_name = new Uint32Array(2 * CHUNK)
  readonly boot = new Float64Array(CHUNK)
  readonly sampler = new Uint32Array(CHUNK)
  readonly interval = new Uint32Array(CHUNK)
  readonly space = new Uint32Array(CHUNK)
  readonly size = new Uint32Array(CHUNK)
  readonly population = new Uint32Array(CHUNK)
  readonly probability = new Float64Array(CHUNK)
  readonly customer_vlan = new Uint16Array(CHUNK)
  readonly segment_type = new Uint8Array(CHUNK)
  readonly outer_proto = new Uint8Array(CHUNK)
  readonly tunnel_type = new Uint8Array(CHUNK)
  readonly reverse_bytes = new Uint32Array(2 * CHUNK)
  readonly reverse_packets = new Uint32Array(2 * CHUNK)
  readonly reverse_flags = new Uint16Array(CHUNK)
  readonly reverse_tos = new Uint8Array(CHUNK)
  readonly reverse_vlan = new Uint16Array(CHUNK)
}

/** What all records of a set have in common. A single object, filled anew for each set. */
export class SetContext {
  /** Exporter address as the columns hold it. */
  exporter0 = 0
  exporter1 = 0
  exporter2 = 0
  exporter3 = 0
  protocol = 0
  observation = 0
  receivedAt = 0
  /** By the header of the datagram: when it was sent (milliseconds since 1970) and the exporter's uptime then. */
  exportedAt = 0
  uptime = 0
  /** When the exporter started (milliseconds since 1970) if only that can place uptimes in time (IPFIX); 0 if unknown. */
  bootedAt = 0
  /** Rate of rows whose record does not lead to another. */
  rate = 1
  sampling: RateTable | undefined = undefined
  names: NameSink | undefined = undefined
}

/** Rates that an exporter told of in options data. */
export interface RateTable {
  /** Of a sampler or selector, undefined if it was not told of. */
  ofSampler(id: number): number | undefined
  /** Of an input interface, undefined if there is none of its own. */
  ofInterface(ifIndex: number): number | undefined
  readonly hasInterfaces: boolean
}

/** Told of the names of interfaces that stand in flow records. */
export interface NameSink {
  /** True if the name of this interface is not known yet: only then is its text made. */
  wanted(ifIndex: number): boolean
  named(ifIndex: number, name: string): void
}

/** Where rows go. */
export interface RowSink {
  flows: FlowBatch
  room(rows: number): boolean
}

/** Turns the records of data sets into rows of a sink. */
export class RowMaker {
  readonly #notes = new Notes()
  readonly #stop: Stop = { at: 0 }
  /** Records decoded, and where decoding ended, of the last call of `rows`. */
  records = 0
  stoppedAt = 0
  #nextName = 0
  /** The sink had no room for all of them. */
  refused = false

  /** Decodes the records between `at` and `end`, answers the number of rows made. */
  rows(template: Template, plan: FlowPlan, view: DataView, at: number, end: number, context: SetContext, sink: RowSink, limit = CHUNK): number {
    const rowsEach = plan.biflow ? 2 : 1
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
      const decoded = plan.decode(view, at, end, count, batch as unknown as Arrays, batch.n, this.#notes as unknown as Arrays, this.#stop)
      if (decoded === 0) break
      this.records += decoded
      const before = batch.n
      this.#finish(batch, before, decoded, plan, context, view)
      batch.n = before + decoded
      if (plan.biflow) this.#reverse(batch, before, decoded, plan)
      made += batch.n - before
      at = this.#stop.at
      if (this.records >= limit && limit < CHUNK) break
    }
    this.stoppedAt = at
    return made
  }

  #finish(batch: FlowBatch, first: number, count: number, plan: FlowPlan, context: SetContext, view: DataView): void {
    fillCommon(batch, first, count, context)
    this.#times(batch, first, count, plan, context)
    if (plan.sampler || plan.rate !== 'none' || context.sampling?.hasInterfaces === true) this.#rates(batch, first, count, plan, context)
    if (plan.icmpInPort) icmpFromPort(batch, first, count)
    if (plan.impliedProto !== 0) batch.proto.fill(plan.impliedProto, first, first + count)
    if (plan.impliedEthertype > 1) batch.ethertype.fill(plan.impliedEthertype, first, first + count)
    else if (plan.impliedEthertype === 1) ethertypeOfAddress(batch, first, count)
    if (plan.section !== 0) this.#sections(batch, first, count, plan, view)
    if (plan.names !== 0 && context.names !== undefined) this.#names(batch, first, count, plan, context.names, view)
    if (plan.qinq) this.#outerTags(batch, first, count)
    if (plan.tunnelKey || plan.tunnelType || plan.tenant || plan.nested) this.#tunnels(batch, first, count, plan)
  }

  #times(batch: FlowBatch, first: number, count: number, plan: FlowPlan, context: SetContext): void {
    if (plan.start === 'direct' && plan.end === 'direct') return
    if (plan.start === 'uptime' && plan.end === 'uptime' && !plan.boot && (context.uptime >= 0 || context.bootedAt > 0)) {
      const uptime = context.uptime >= 0 ? context.uptime : uptimeSince(context.bootedAt, context)
      uptimes(batch.time_start, first, this.#notes.start_ticks, count, uptime, context)
      uptimes(batch.time_end, first, this.#notes.end_ticks, count, uptime, context)
      return
    }
    const notes = this.#notes
    const { time_start: starts, time_end: ends } = batch
    for (let i = 0, r = first; i < count; i++, r++) {
      let start = -1
      let end = -1
      if (plan.start === 'direct') start = (starts[2 * r + 1] as number) * WORD + (starts[2 * r] as number)
      else if (plan.start !== 'none') start = this.#time(plan.start, notes.start, notes.start_ticks, i, plan, context)
      if (plan.end === 'direct') end = (ends[2 * r + 1] as number) * WORD + (ends[2 * r] as number)
      else if (plan.end !== 'none') end = this.#time(plan.end, notes.end, notes.end_ticks, i, plan, context)
      if (start < 0 || end < 0) {
        const lasted = plan.duration === 'none' ? 0 : (notes.duration[i] as number) / (plan.duration === 'micros' ? 1000 : 1)
        if (start < 0 && end < 0) end = context.receivedAt
        if (start < 0) start = Math.max(0, end - lasted)
        if (end < 0) end = start + lasted
      }
      starts[2 * r] = start
      starts[2 * r + 1] = start / WORD
      ends[2 * r] = end
      ends[2 * r + 1] = end / WORD
    }
  }

  #time(kind: TimeKind, absolute: Float64Array, ticks: Uint32Array, i: number, plan: FlowPlan, context: SetContext): number {
    if (kind === 'absolute') return absolute[i] as number
    if (kind === 'delta') return Math.max(0, context.exportedAt - (ticks[i] as number) / 1000)
    const tick = ticks[i] as number
    const boot = plan.boot && (this.#notes.boot[i] as number) > 0 ? (this.#notes.boot[i] as number) : context.bootedAt
    if (context.uptime >= 0) return context.exportedAt - ageOf(context.uptime, tick)
    if (boot > 0) return context.exportedAt - ageOf(uptimeSince(boot, context), tick)
    // IPFIX without the time the exporter started: the flow is taken to have ended when it was exported.
    const last = plan.end === 'uptime' ? (this.#notes.end_ticks[i] as number) : tick
    return context.exportedAt - ageOf(last, tick)
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
          lastRate = table?.ofSampler(id) ?? 0
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
      else if (plan.section === IP_SECTION && length >= 6) batch.bytes[2 * r] = version === 6 ? view.getUint16(offset + 4) + 40 : view.getUint16(offset + 2)
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

  #tunnels(batch: FlowBatch, first: number, count: number, plan: FlowPlan): void {
    const notes = this.#notes
    for (let i = 0, r = first; i < count; i++, r++) {
      let kind = 0
      if (plan.tunnelType) kind = TUNNEL_OF_TYPE[notes.tunnel_type[i] as number] ?? TUNNEL_OTHER
      if (kind === 0 && plan.segment) kind = TUNNEL_OF_SEGMENT[notes.segment_type[i] as number] ?? 0
      if (kind === 0 && plan.tenant) kind = TUNNEL_VXLAN
      if (plan.nested) kind = innerDiffers(batch, r) ? (TUNNEL_OF_PROTO.get(notes.outer_proto[i] as number) ?? TUNNEL_OTHER) : noTunnel(batch, r)
      if (kind === 0 && batch.vni[r] !== 0 && !plan.segment) kind = TUNNEL_OTHER
      batch.tunnel[r] = kind
    }
  }

  // RFC 5103: one record may tell of both directions. The other one is a row of its own, seen from its own source.
  #reverse(batch: FlowBatch, first: number, count: number, plan: FlowPlan): void {
    const notes = this.#notes
    let n = first + count
    for (let i = 0, r = first; i < count; i++, r++) {
      const bytes = 2 * i
      if ((notes.reverse_bytes[bytes] as number | 0) === 0 && notes.reverse_bytes[bytes + 1] === 0 &&
        notes.reverse_packets[bytes] === 0 && notes.reverse_packets[bytes + 1] === 0) continue
      turn(batch, r, n)
      batch.bytes[2 * n] = notes.reverse_bytes[bytes] as number
      batch.bytes[2 * n + 1] = notes.reverse_bytes[bytes + 1] as number
      batch.packets[2 * n] = notes.reverse_packets[bytes] as number
      batch.packets[2 * n + 1] = notes.reverse_packets[bytes + 1] as number
      batch.tcp_flags[n] = notes.reverse_flags[i] as number
      batch.tos[n] = notes.reverse_tos[i] as number
      if (plan.reverseVlan) batch.vlan_in[n] = notes.reverse_vlan[i] as number
      n++
    }
    batch.n = n
    notes.reverse_bytes.fill(0, 0, 2 * count)
    notes.reverse_packets.fill(0, 0, 2 * count)
    notes.reverse_flags.fill(0, 0, count)
    notes.reverse_tos.fill(0, 0, count)
  }
}

function tellName(sink: NameSink, ifIndex: number, view: DataView, spans: Uint32Array, i: number): void {
  const name = fieldText(view, spans[2 * i] as number, spans[2 * i + 1] as number)
  if (name !== '') sink.named(ifIndex, name)
}

const TUNNEL_VXLAN = 1
const TUNNEL_OTHER = 10
/** By the protocol number of the outer IP header: IPv4 (and IPv6 in IPv6), GRE, ESP and the like are other. */
const TUNNEL_OF_PROTO: ReadonlyMap<number, number> = new Map([[4, 6], [41, 7], [47, 3]])

/** True if the row's packet is not the outer one itself. */
function innerDiffers(batch: FlowBatch, r: number): boolean {
  for (let k = 4 * r; k < 4 * r + 4; k++) {
    if (batch.src_addr[k] !== batch.tunnel_src[k] || batch.dst_addr[k] !== batch.tunnel_dst[k]) return true
  }
  return false
}

function noTunnel(batch: FlowBatch, r: number): 0 {
  batch.tunnel_src.fill(0, 4 * r, 4 * r + 4)
  batch.tunnel_dst.fill(0, 4 * r, 4 * r + 4)
  return 0
}

/** layer2SegmentId (351): 1 VXLAN, 2 NVGRE. */
const TUNNEL_OF_SEGMENT: readonly (number | undefined)[] = [0, 1, 4]
/** tunnelType of Open vSwitch and KVM hosts: 1 VXLAN, 2 GRE, 3 LISP, 4 STT, 7 Geneve. */
const TUNNEL_OF_TYPE: readonly (number | undefined)[] = [0, 1, 3, 10, 10, 10, 10, 2]

/** Ages from here on (the last 70 minutes of 49.7 days) are of uptimes that lie a little ahead of the header's. */
const FUTURE = 0xffc0_0000

/** How long before uptime `now` the uptime `then` was, in milliseconds; both wrap after 49.7 days. A little after it is negative. */
function ageOf(now: number, then: number): number {
  const age = (now - then) >>> 0
  return age >= FUTURE ? age - WORD : age
}

/** The uptime of an exporter when it sent the datagram, wrapped as the uptimes in its records are. */
function uptimeSince(boot: number, context: SetContext): number {
  return (context.exportedAt - boot) >>> 0
}

/** Uptimes of v5 and v9 → milliseconds since 1970, in whole numbers only: this runs for most records there are. */
function uptimes(times: Uint32Array, first: number, ticks: Uint32Array, count: number, uptime: number, context: SetContext): void {
  const high = Math.floor(context.exportedAt / WORD)
  const low = context.exportedAt >>> 0
  for (let i = 0, at = 2 * first; i < count; i++, at += 2) {
    const age = (uptime - (ticks[i] as number)) >>> 0
    if (age < FUTURE) {
      times[at] = low - age
      times[at + 1] = low < age ? high - 1 : high
    } else {
      const time = context.exportedAt + WORD - age
      times[at] = time
      times[at + 1] = time / WORD
    }
  }
}

function recordRate(notes: Notes, i: number, how: FlowPlan['rate']): number {
  const interval = notes.interval[i] as number
  if (how === 'interval') return interval
  if (how === 'space') return interval === 0 ? 0 : Math.round((interval + (notes.space[i] as number)) / interval)
  if (how === 'population') return notes.size[i] === 0 ? 0 : Math.round((notes.population[i] as number) / (notes.size[i] as number))
  const probability = notes.probability[i] as number
  return probability > 0 && probability <= 1 ? Math.min(Math.round(1 / probability), 0xffff_ffff) : 0
}

function fillCommon(batch: FlowBatch, first: number, count: number, context: SetContext): void {
  const { time_received: received, exporter, protocol, observation, sampling_rate: rate, counted } = batch
  const high = Math.floor(context.receivedAt / WORD)
  const low = context.receivedAt >>> 0
  const { exporter0, exporter1, exporter2, exporter3 } = context
  for (let r = first; r < first + count; r++) {
    received[2 * r] = low
    received[2 * r + 1] = high
    exporter[4 * r] = exporter0
    exporter[4 * r + 1] = exporter1
    exporter[4 * r + 2] = exporter2
    exporter[4 * r + 3] = exporter3
    protocol[r] = context.protocol
    observation[r] = context.observation
    rate[r] = context.rate
    counted[r] = 1
  }
}

// Routers put type × 256 + code where the destination port is (NetFlow v5, most of v9): as a port it means nothing.
function icmpFromPort(batch: FlowBatch, first: number, count: number): void {
  const { proto, dst_port: port } = batch
  for (let r = first; r < first + count; r++) {
    if (proto[r] !== 1 && proto[r] !== 58) continue
    batch.icmp_type[r] = (port[r] as number) >>> 8
    batch.icmp_code[r] = (port[r] as number) & 0xff
    port[r] = 0
  }
}

const MAPPED = 0xffff0000

function ethertypeOfAddress(batch: FlowBatch, first: number, count: number): void {
  for (let r = first; r < first + count; r++) {
    const mapped = batch.src_addr[4 * r + 2] === MAPPED && batch.src_addr[4 * r + 1] === 0 && batch.src_addr[4 * r] === 0
    batch.ethertype[r] = mapped ? 0x0800 : 0x86dd
  }
}

/** Copies row `from` to row `to` as the other direction of the same conversation. */
function turn(batch: FlowBatch, from: number, to: number): void {
  for (let k = 0; k < 4; k++) {
    const f = 4 * from + k
    const t = 4 * to + k
    batch.exporter[t] = batch.exporter[f] as number
    batch.src_addr[t] = batch.dst_addr[f] as number
    batch.dst_addr[t] = batch.src_addr[f] as number
    batch.tunnel_src[t] = batch.tunnel_dst[f] as number
    batch.tunnel_dst[t] = batch.tunnel_src[f] as number
  }
  for (let k = 0; k < 2; k++) {
    const f = 2 * from + k
    const t = 2 * to + k
    batch.time_received[t] = batch.time_received[f] as number
    batch.time_start[t] = batch.time_start[f] as number
    batch.time_end[t] = batch.time_end[f] as number
    batch.src_mac[t] = batch.dst_mac[f] as number
    batch.dst_mac[t] = batch.src_mac[f] as number
  }
  const copy = (column: Uint8Array | Uint16Array | Uint32Array): void => { column[to] = column[from] as number }
  const swap = <T extends Uint8Array | Uint16Array | Uint32Array>(source: T, destination: T): void => {
    source[to] = destination[from] as number
    destination[to] = source[from] as number
  }
  copy(batch.protocol)
  copy(batch.observation)
  copy(batch.source_if)
  copy(batch.sampling_rate)
  copy(batch.forwarding_status)
  copy(batch.s_vlan)
  copy(batch.ethertype)
  copy(batch.vni)
  copy(batch.tunnel)
  copy(batch.proto)
  copy(batch.icmp_type)
  copy(batch.icmp_code)
  copy(batch.counted)
  swap(batch.in_if, batch.out_if)
  swap(batch.src_port, batch.dst_port)
  swap(batch.src_as, batch.dst_as)
  swap(batch.src_mask, batch.dst_mask)
  // Where no VLAN on the way out is known, both directions are on the one that is.
  if (batch.vlan_out[from] === 0) copy(batch.vlan_in)
  else swap(batch.vlan_in, batch.vlan_out)
  batch.direction[to] = batch.direction[from] === 0 ? 0 : 3 - (batch.direction[from] as number)
}
