import { IpfixEncoder, type IpfixTemplate } from '../wire/ipfix/encode.ts'
import { Netflow9Encoder, SCOPE, type Netflow9Template } from '../wire/netflow9/encode.ts'
import { FIELD } from './flow-key.ts'
import type { FlowExport, FlowExportOptions } from './export-contract.ts'
import {
  FIRST_TEMPLATE,
  fieldsOf,
  KIND,
  KINDS,
  RANDOM9,
  RANDOM_N_OF_N,
  SAMPLER,
  SAMPLING10,
  SAMPLING9,
  SAMPLING_TEMPLATE,
} from './export-templates.ts'
import { NUMBER, SLOT, SLOT_NUMBERS, SLOT_WORDS, type FlowTable } from './flow-table.ts'

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
  flags(tcpFlags: number, reason: number): void
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
    if (options.samplingRate > 1) dialect.sampling()
  }

  return {
    counts,
    flow(table: FlowTable, slot, reason) {
      const at = slot * SLOT_WORDS
      const n = slot * SLOT_NUMBERS
      const { words, numbers } = table
      const protocol = words[at + FIELD.protocol] as number
      const vlans = words[at + FIELD.vlans] as number
      const tunnel = words[at + FIELD.tunnel] as number
      const isV6 = protocol >>> 16 !== 0x0800
      const isQinq = link && vlans >>> 16 !== 0
      const hasVni = (tunnel & 0xffffff) !== 0
      const kind = (isV6 ? KIND.v6 : 0) | (isQinq ? KIND.qinq : 0) | (hasVni ? KIND.vni : 0)
      const age = now - toldAt
      // A clock that was set back must not hold the templates back
      if (counts.datagrams - toldAfter >= options.templateEvery || age >= options.templateSeconds * 1000 || age < 0)
        tellAll()
      if (isKnown[kind] === 0) {
        isKnown[kind] = 1
        dialect.template(kind)
      }
      dialect.begin(kind)
      const from = at + FIELD.src + (isV6 ? 0 : 3)
      for (let w = from; w < at + FIELD.src + 4; w++) writer.u32(swapped(words[w] as number))
      const to = at + FIELD.dst + (isV6 ? 0 : 3)
      for (let w = to; w < at + FIELD.dst + 4; w++) writer.u32(swapped(words[w] as number))
      writer.u64(numbers[n + NUMBER.bytes] as number)
      writer.u64(numbers[n + NUMBER.packets] as number)
      dialect.times(numbers[n + NUMBER.first] as number, numbers[n + NUMBER.last] as number)
      const ports = words[at + FIELD.ports] as number
      const isIcmp = (protocol & 0xff) === 1 || (protocol & 0xff) === 58
      // ICMP's type and code have a field of their own beside the destination port, where NetFlow v5 had them
      writer.u16(isIcmp ? 0 : ports >>> 16)
      writer.u16(ports & 0xffff)
      const mpls = words[at + FIELD.mpls] as number
      // What the machine itself sends leaves by the device, and came in by none that is known here
      const isEgress = mpls >>> 31 === 1
      const device = words[at + FIELD.port] as number
      writer.u32(isEgress ? 0 : device)
      writer.u32(isEgress ? device : 0)
      writer.u8(isEgress ? 1 : 0)
      writer.u8(protocol & 0xff)
      writer.u8((protocol >>> 8) & 0xff)
      const ttls = words[at + SLOT.ttls] as number
      writer.u8(ttls & 0xff)
      writer.u8(ttls >>> 16)
      const lengths = words[at + SLOT.lengths] as number
      writer.u16(lengths & 0xffff)
      writer.u16(lengths >>> 16)
      dialect.flags(words[at + SLOT.tcpFlags] as number, reason)
      writer.u16(isIcmp ? ports & 0xffff : 0)
      if (link) {
        const high = words[at + FIELD.macsHigh] as number
        writer.u16(high >>> 16)
        writer.u32(words[at + FIELD.srcMacLow] as number)
        writer.u16(high & 0xffff)
        writer.u32(words[at + FIELD.dstMacLow] as number)
        writer.u16(vlans & 0xffff)
        // Label, then traffic class 0 and the bottom of the stack, if there is a label
        const label = mpls & 0xfffff
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
      if (options.samplingRate > 1) dialect.sampler()
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

function netflow9(options: FlowExportOptions, send: (datagram: Uint8Array) => void): Dialect {
  const encoder = new Netflow9Encoder({ sourceId: options.domain, maxBytes: options.maxBytes }, send)
  const templates = Array.from({ length: KINDS }, (_, kind): Netflow9Template => ({
    id: FIRST_TEMPLATE + kind,
    fields: fieldsOf(9, kind, options.link, options.samplingRate > 1).map(({ element, length }) => ({
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
      encoder.u32(options.samplingRate)
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
    sampler: () => encoder.u8(SAMPLER),
  }
}

function ipfix(options: FlowExportOptions, send: (datagram: Uint8Array) => void): Dialect {
  const encoder = new IpfixEncoder({ observationDomain: options.domain, maxBytes: options.maxBytes }, send)
  const templates = Array.from({ length: KINDS }, (_, kind): IpfixTemplate => ({
    id: FIRST_TEMPLATE + kind,
    fields: fieldsOf(10, kind, options.link, options.samplingRate > 1),
  }))
  // By observationDomainId
  const sampling: IpfixTemplate = {
    id: SAMPLING_TEMPLATE,
    scope: [{ element: 149, length: 4 }],
    fields: SAMPLING10,
  }
  return {
    writer: encoder,
    template: (kind) => encoder.template(templates[kind] as IpfixTemplate),
    sampling() {
      encoder.template(sampling)
      encoder.beginRecord(sampling)
      encoder.u32(options.domain)
      encoder.u64(SAMPLER)
      encoder.u16(RANDOM_N_OF_N)
      encoder.u32(1)
      encoder.u32(options.samplingRate)
      encoder.u32(1)
      encoder.u32(options.samplingRate - 1)
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
    flags(tcpFlags, reason) {
      encoder.u16(tcpFlags)
      encoder.u8(reason)
    },
    sampler: () => encoder.u64(SAMPLER),
  }
}

/** A word in the order of the dissector (first byte lowest) as a number whose first byte is the highest. */
function swapped(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0
}
