import { IpfixEncoder, type IpfixTemplate } from '../wire/ipfix/encode.ts'
import { Netflow9Encoder, SCOPE, type Netflow9Template } from '../wire/netflow9/encode.ts'
import { FIELD } from './flow-key.ts'
import { rateOf, type FlowExport, type FlowExportOptions } from './export-contract.ts'
import {
  FIRST_TEMPLATE,
  fieldsOf,
  FLOW_SAMPLING10,
  HASH_BOB,
  KIND,
  KINDS,
  RANDOM9,
  PROBABILITY10,
  RANDOM_N_OF_N,
  SAMPLER,
  SAMPLING10,
  SAMPLING9,
  SAMPLING_TEMPLATE,
  UNIFORM_PROBABILITY,
  type TemplateChoice,
} from './export-templates.ts'
import { greatestSelected, HASH_MOST } from './flow-sampling.ts'
import type { FlowRecord, FlowSide } from './flow-record.ts'

/** What both encoders write fields with. */
interface FieldWriter {
  u8(value: number): void
  u16(value: number): void
  u32(value: number): void
  u64(value: number): void
  flush(): void
}

/** The protocol's own part of an export. */
interface Dialect {
  readonly writer: FieldWriter
  template(kind: number): void
  sampling(): void
  begin(kind: number): void
  end(): void
  tick(now: number): void
  /** Times of a flow, milliseconds since 1970, as the protocol has them. */
  times(first: number, last: number): void
  flags(tcpFlags: number): void
  reason(reason: number): void
  sampler(): void
}

const TUNNEL_VXLAN = 1
const TUNNEL_NVGRE = 4

/** NetFlow v9 or IPFIX: each kind of flow has a template, told before its first record and again from time to time. */
export function createTemplatedExport(
  options: FlowExportOptions,
  counts: FlowExport['counts'],
  send: (datagram: Uint8Array) => void,
): FlowExport {
  const { link } = options
  const isSampled = rateOf(options) > 1
  const dialect = options.version === 9 ? netflow9(options, send) : ipfix(options, send)
  const { writer } = dialect
  const isKnown = new Uint8Array(KINDS)
  let toldAt = -Infinity
  let toldAfter = 0
  let now = options.startedAt

  function tellAll(): void {
    toldAt = now
    toldAfter = counts.datagrams
    for (let kind = 0; kind < KINDS; kind++) if (isKnown[kind] === 1) dialect.template(kind)
    if (isSampled) dialect.sampling()
  }

  /** What is told of either direction, in the order of `SIDE`. */
  function side(of: FlowSide): void {
    writer.u64(of.bytes)
    writer.u64(of.packets)
    dialect.times(of.first, of.last)
    // What the machine itself sends leaves by the device, and came in by none that is known here
    writer.u32(of.isEgress ? 0 : of.port)
    writer.u32(of.isEgress ? of.port : 0)
    writer.u8(of.isEgress ? 1 : 0)
    writer.u8(of.tos)
    writer.u8(of.leastTtl)
    writer.u8(of.greatestTtl)
    writer.u16(of.leastLength)
    writer.u16(of.greatestLength)
  }

  return {
    counts,
    flow(flow: FlowRecord, reason) {
      const { fields, there, back } = flow
      const protocol = fields[FIELD.protocol] as number
      const vlans = fields[FIELD.vlans] as number
      const tunnel = fields[FIELD.tunnel] as number
      const isV6 = protocol >>> 16 !== 0x0800
      const isQinq = link && vlans >>> 16 !== 0
      const hasVni = (tunnel & 0xffffff) !== 0
      const hasBack = options.biflow && back.packets > 0
      const kind = (isV6 ? KIND.v6 : 0) | (isQinq ? KIND.qinq : 0) | (hasVni ? KIND.vni : 0) | (hasBack ? KIND.back : 0)
      const age = now - toldAt
      // A clock that was set back must not hold the templates back
      if (counts.datagrams - toldAfter >= options.templateEvery || age >= options.templateSeconds * 1000 || age < 0)
        tellAll()
      if (isKnown[kind] === 0) {
        isKnown[kind] = 1
        dialect.template(kind)
      }
      dialect.begin(kind)
      for (let w = isV6 ? 0 : 3; w < 4; w++) writer.u32(swapped(fields[FIELD.src + w] as number))
      for (let w = isV6 ? 0 : 3; w < 4; w++) writer.u32(swapped(fields[FIELD.dst + w] as number))
      side(there)
      dialect.flags(there.tcpFlags)
      const ports = fields[FIELD.ports] as number
      const isIcmp = (protocol & 0xff) === 1 || (protocol & 0xff) === 58
      // ICMP's type and code have a field of their own beside the destination port, where NetFlow v5 had them
      writer.u16(isIcmp ? 0 : ports >>> 16)
      writer.u16(ports & 0xffff)
      writer.u8(protocol & 0xff)
      dialect.reason(reason)
      writer.u16(isIcmp ? ports & 0xffff : 0)
      if (link) {
        const high = fields[FIELD.macsHigh] as number
        writer.u16(high >>> 16)
        writer.u32(fields[FIELD.srcMacLow] as number)
        writer.u16(high & 0xffff)
        writer.u32(fields[FIELD.dstMacLow] as number)
        writer.u16(vlans & 0xffff)
        // Label, then traffic class 0 and the bottom of the stack, if there is a label
        const label = (fields[FIELD.mpls] as number) & 0xfffff
        const section = label === 0 ? 0 : (label << 4) | 1
        writer.u8(section >>> 16)
        writer.u16(section & 0xffff)
        if (isQinq) {
          writer.u16(vlans >>> 16)
          writer.u16(vlans & 0xffff)
        }
      }
      if (hasVni) {
        const encapsulation = tunnel >>> 24 === TUNNEL_VXLAN ? 1 : tunnel >>> 24 === TUNNEL_NVGRE ? 2 : 0
        writer.u32(encapsulation << 24)
        writer.u32(tunnel & 0xffffff)
      }
      if (isSampled) dialect.sampler()
      if (options.biflow) writer.u8(flow.initiator)
      if (hasBack) {
        side(back)
        dialect.flags(back.tcpFlags)
      }
      dialect.end()
      counts.records++
    },
    flush: () => writer.flush(),
    tick(time) {
      now = time
      dialect.tick(time)
    },
  }
}

function choiceOf(options: FlowExportOptions): TemplateChoice {
  return { link: options.link, sampled: rateOf(options) > 1, biflow: options.biflow }
}

function netflow9(options: FlowExportOptions, send: (datagram: Uint8Array) => void): Dialect {
  const encoder = new Netflow9Encoder({ sourceId: options.domain, maxBytes: options.maxBytes }, send)
  const templates = Array.from({ length: KINDS }, (_, kind): Netflow9Template => ({
    id: FIRST_TEMPLATE + kind,
    fields: fieldsOf(9, kind, choiceOf(options)).map(({ element, length }) => ({
      type: element,
      length,
    })),
  }))
  const sampling: Netflow9Template = {
    id: SAMPLING_TEMPLATE,
    scope: [{ type: SCOPE.system, length: 4 }],
    fields: SAMPLING9.map(({ element, length }) => ({ type: element, length })),
  }
  const uptime = (time: number): number => Math.max(0, Math.round(time - options.startedAt)) >>> 0
  return {
    writer: encoder,
    template: (kind) => encoder.template(templates[kind] as Netflow9Template),
    sampling() {
      encoder.template(sampling)
      encoder.beginRecord(sampling)
      encoder.u32(0)
      encoder.u8(SAMPLER)
      encoder.u8(RANDOM9)
      // Of packets or of flows: the protocol has no word for the difference, and estimates are the same
      encoder.u32(rateOf(options))
      encoder.endRecord()
    },
    begin: (kind) => encoder.beginRecord(templates[kind] as Netflow9Template),
    end: () => encoder.endRecord(),
    tick(now) {
      // The header has whole seconds, from which readers reckon when the uptime began: with the uptime of that very second
      // they get it to the millisecond. The next one, so that no flow ends behind it.
      const second = Math.ceil(now / 1000) * 1000
      encoder.now = second
      encoder.uptime = uptime(second)
    },
    times(first, last) {
      encoder.u32(uptime(first))
      encoder.u32(uptime(last))
    },
    flags: (tcpFlags) => encoder.u8(tcpFlags & 0xff),
    reason: () => undefined,
    sampler: () => encoder.u8(SAMPLER),
  }
}

function ipfix(options: FlowExportOptions, send: (datagram: Uint8Array) => void): Dialect {
  const encoder = new IpfixEncoder({ observationDomain: options.domain, maxBytes: options.maxBytes }, send)
  const templates = Array.from({ length: KINDS }, (_, kind): IpfixTemplate => ({
    id: FIRST_TEMPLATE + kind,
    fields: fieldsOf(10, kind, choiceOf(options)),
  }))
  const rate = rateOf(options)
  const [fields, writeSampling] =
    options.flowSampling > 1
      ? [FLOW_SAMPLING10, hashOfFlows]
      : options.kernelSampling > 1
        ? [PROBABILITY10, probability]
        : [SAMPLING10, randomOfEach]
  // By observationDomainId
  const sampling: IpfixTemplate = { id: SAMPLING_TEMPLATE, scope: [{ element: 149, length: 4 }], fields }

  function hashOfFlows(): void {
    encoder.u16(HASH_BOB)
    encoder.f64(1 / rate)
    encoder.u64(0)
    encoder.u64(HASH_MOST)
    encoder.u64(0)
    encoder.u64(greatestSelected(rate))
  }
  function probability(): void {
    encoder.u16(UNIFORM_PROBABILITY)
    encoder.f64(1 / rate)
  }
  function randomOfEach(): void {
    encoder.u16(RANDOM_N_OF_N)
    encoder.u32(1)
    encoder.u32(rate)
    encoder.u32(1)
    encoder.u32(rate - 1)
  }

  return {
    writer: encoder,
    template: (kind) => encoder.template(templates[kind] as IpfixTemplate),
    sampling() {
      encoder.template(sampling)
      encoder.beginRecord(sampling)
      encoder.u32(options.domain)
      encoder.u64(SAMPLER)
      writeSampling()
      encoder.endRecord()
    },
    begin: (kind) => encoder.beginRecord(templates[kind] as IpfixTemplate),
    end: () => encoder.endRecord(),
    tick(now) {
      encoder.now = now
    },
    times(first, last) {
      encoder.u64(Math.round(first))
      encoder.u64(Math.round(last))
    },
    flags: (tcpFlags) => encoder.u16(tcpFlags),
    reason: (reason) => encoder.u8(reason),
    sampler: () => encoder.u64(SAMPLER),
  }
}

/** A word in the order of the dissector (first byte lowest) as a number whose first byte is the highest. */
function swapped(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0
}
