import type { Millis } from '../base/clock.ts'
import { IpfixEncoder } from '../wire/ipfix/encode.ts'
import { emptyNetflow5Record, Netflow5Encoder } from '../wire/netflow5/encode.ts'
import { Netflow9Encoder } from '../wire/netflow9/encode.ts'
import type { ExportProtocol, SimulatorConfig } from './config.ts'
import type { Host, Port } from './data-center.ts'
import { END_REASON, FlowCache, type CachedFlow } from './flow-cache.ts'
import { hopLimit, protocolNumber } from './frame.ts'
import type { Lane } from './lane.ts'
import {
  COUNT_BASED,
  IPFIX_IPV4,
  IPFIX_IPV6,
  IPFIX_SAMPLING,
  NETFLOW9_IPV4,
  NETFLOW9_IPV6,
  NETFLOW9_SAMPLING,
  RANDOM_SAMPLING,
  SAMPLER_ID,
} from './meter-templates.ts'
import { Random } from './random.ts'
import type { Sampler } from '../capture/sampler.ts'
import { outsideAddress, Session } from './session.ts'
import type { SwitchExporter } from './sflow-switch.ts'

/** Milliseconds after which templates and options are sent again. */
const TEMPLATE_INTERVAL = 30_000
const MOST_FLOWS = 500_000
const INGRESS = 0

/** Writes flows in one protocol. */
interface FlowWriter {
  /** Templates and sampling. */
  announce(): void
  flow(flow: CachedFlow, reason: number): void
  setTime(now: Millis): void
  setSampling(rate: number): void
  flush(): void
}

/** A virtual switch that exports NetFlow or IPFIX: it meters the (sampled) packets that come in, in a flow cache. */
export class MeterSwitch implements SwitchExporter {
  readonly takesTrains = true
  private readonly random: Random
  private readonly session = new Session()
  private readonly cache: FlowCache
  private readonly writer: FlowWriter
  private announcedAt = -Infinity

  constructor(
    host: Host,
    protocol: Exclude<ExportProtocol, 'sflow'>,
    config: SimulatorConfig,
    startedAt: Millis,
    emit: (datagram: Uint8Array) => void,
  ) {
    this.random = new Random(config.seed, `meter ${host.name}`)
    this.writer = flowWriter(protocol, host.index + 1, config, startedAt, emit)
    this.writer.setTime(startedAt)
    this.cache = new FlowCache({ ...config, maxFlows: MOST_FLOWS }, (flow, reason) => this.writer.flow(flow, reason))
  }

  sample(
    lane: Lane,
    second: boolean,
    _sampler: Sampler,
    count: number,
    ipBytes: number,
    _frame: number,
    flags: number,
    now: Millis,
  ): void {
    // Flow records are of IP packets.
    if (ipBytes === 0) return
    const pieces = lane.sessions === 1 ? 1 : Math.min(count, 16)
    for (let i = 0, left = count; i < pieces; i++) {
      const packets = Math.ceil(left / (pieces - i))
      left -= packets
      this.session.pick(lane, this.random, now)
      this.cache.add(lane, second, this.session, packets, ipBytes, flags, now)
    }
  }

  poll(now: Millis): void {
    this.writer.setTime(now)
    if (now - this.announcedAt < TEMPLATE_INTERVAL) return
    this.announcedAt = now
    this.writer.announce()
  }

  tick(now: Millis, flush: boolean): void {
    this.cache.tick(now)
    if (flush) this.writer.flush()
  }

  rateChanged(rate: number): void {
    // What was sampled at the old rate is told under the old rate.
    this.cache.reportAll(END_REASON.active)
    this.writer.flush()
    this.writer.setSampling(rate)
    this.writer.announce()
    this.writer.flush()
  }

  finish(): void {
    this.cache.reportAll(END_REASON.forced)
    this.writer.flush()
  }
}

function flowWriter(
  protocol: Exclude<ExportProtocol, 'sflow'>,
  domain: number,
  config: SimulatorConfig,
  startedAt: Millis,
  emit: (datagram: Uint8Array) => void,
): FlowWriter {
  switch (protocol) {
    case 'netflow5':
      return netflow5Writer(domain, config, startedAt, emit)
    case 'netflow9':
      return netflow9Writer(domain, config, startedAt, emit)
    case 'ipfix':
      return ipfixWriter(domain, config, emit)
  }
}

/** Milliseconds that a switch was up when the simulation began. */
const UP_BEFORE = 3_600_000

function netflow5Writer(
  domain: number,
  config: SimulatorConfig,
  startedAt: Millis,
  emit: (datagram: Uint8Array) => void,
): FlowWriter {
  const encoder = new Netflow5Encoder(
    { engineType: 0, engineId: domain & 0xff, samplingInterval: config.sampling },
    emit,
  )
  const booted = startedAt - UP_BEFORE
  const address = new Uint8Array(8)
  const record = {
    ...emptyNetflow5Record(),
    srcAddr: address.subarray(0, 4),
    dstAddr: address.subarray(4, 8),
    srcMask: 24,
    dstMask: 24,
  }
  return {
    announce: () => {},
    setTime: (now) => {
      encoder.now = now
      encoder.uptime = now - booted
    },
    setSampling: (rate) => encoder.setSampling(rate),
    flush: () => encoder.flush(),
    flow: (flow) => {
      // Version 5 knows IPv4 alone.
      if (flow.lane.ipv6) return
      writeAddress(flow, true, address, 0)
      writeAddress(flow, false, address, 4)
      record.input = inPort(flow).ifIndex
      record.output = outPort(flow).ifIndex
      record.packets = flow.packets
      record.octets = flow.ipBytes
      record.first = flow.first - booted
      record.last = flow.last - booted
      record.srcPort = portOf(flow, true)
      record.dstPort = portOf(flow, false)
      record.tcpFlags = flow.tcpFlags
      record.protocol = protocolNumber(flow.lane)
      encoder.add(record)
    },
  }
}

function netflow9Writer(
  domain: number,
  config: SimulatorConfig,
  startedAt: Millis,
  emit: (datagram: Uint8Array) => void,
): FlowWriter {
  const encoder = new Netflow9Encoder({ sourceId: domain, maxBytes: config.datagramBytes }, emit)
  const booted = startedAt - UP_BEFORE
  const address = new Uint8Array(16)
  let rate = config.sampling
  return {
    announce() {
      encoder.template(NETFLOW9_IPV4)
      encoder.template(NETFLOW9_IPV6)
      encoder.template(NETFLOW9_SAMPLING)
      encoder.beginRecord(NETFLOW9_SAMPLING)
      encoder.u32(0)
      encoder.u8(SAMPLER_ID)
      encoder.u8(RANDOM_SAMPLING)
      encoder.u32(rate)
      encoder.endRecord()
    },
    setTime: (now) => {
      encoder.now = now
      encoder.uptime = now - booted
    },
    setSampling: (next) => (rate = next),
    flush: () => encoder.flush(),
    flow(flow) {
      const { lane } = flow
      encoder.beginRecord(lane.ipv6 ? NETFLOW9_IPV6 : NETFLOW9_IPV4)
      encoder.octets(writeAddress(flow, true, address, 0))
      encoder.octets(writeAddress(flow, false, address, 0))
      encoder.u64(flow.ipBytes)
      encoder.u64(flow.packets)
      encoder.u32(flow.first - booted)
      encoder.u32(flow.last - booted)
      encoder.u16(portOf(flow, true))
      encoder.u16(portOf(flow, false))
      encoder.u32(inPort(flow).ifIndex)
      encoder.u32(outPort(flow).ifIndex)
      encoder.u16(lane.src.vlan)
      encoder.u16(lane.src.vlan)
      encoder.octets(lane.src.mac)
      encoder.octets(lane.dst.mac)
      encoder.u8(protocolNumber(lane))
      encoder.u8(0)
      encoder.u8(flow.tcpFlags)
      encoder.u8(INGRESS)
      encoder.u8(SAMPLER_ID)
      encoder.endRecord()
    },
  }
}

function ipfixWriter(domain: number, config: SimulatorConfig, emit: (datagram: Uint8Array) => void): FlowWriter {
  const encoder = new IpfixEncoder({ observationDomain: domain, maxBytes: config.datagramBytes }, emit)
  const address = new Uint8Array(16)
  let rate = config.sampling
  return {
    announce() {
      encoder.template(IPFIX_IPV4)
      encoder.template(IPFIX_IPV6)
      encoder.template(IPFIX_SAMPLING)
      encoder.beginRecord(IPFIX_SAMPLING)
      encoder.u32(domain)
      encoder.u64(SAMPLER_ID)
      encoder.u16(COUNT_BASED)
      encoder.u32(1)
      encoder.u32(rate - 1)
      encoder.endRecord()
    },
    setTime: (now) => (encoder.now = now),
    setSampling: (next) => (rate = next),
    flush: () => encoder.flush(),
    flow(flow, reason) {
      const { lane } = flow
      encoder.beginRecord(lane.ipv6 ? IPFIX_IPV6 : IPFIX_IPV4)
      encoder.octets(writeAddress(flow, true, address, 0))
      encoder.octets(writeAddress(flow, false, address, 0))
      encoder.u64(flow.ipBytes)
      encoder.u64(flow.packets)
      encoder.u64(flow.first)
      encoder.u64(flow.last)
      encoder.u16(portOf(flow, true))
      encoder.u16(portOf(flow, false))
      encoder.u32(inPort(flow).ifIndex)
      encoder.u32(outPort(flow).ifIndex)
      encoder.u16(lane.src.vlan)
      encoder.u16(lane.src.vlan)
      encoder.octets(lane.src.mac)
      encoder.octets(lane.dst.mac)
      encoder.u8(protocolNumber(lane))
      encoder.u8(0)
      encoder.u16(flow.tcpFlags)
      encoder.u8(hopLimit(lane))
      encoder.u8(INGRESS)
      encoder.u8(reason)
      encoder.u64(SAMPLER_ID)
      encoder.endRecord()
    },
  }
}

function inPort(flow: CachedFlow): Port {
  return flow.second ? (flow.lane.second as Port) : flow.lane.first
}

function outPort(flow: CachedFlow): Port {
  return flow.second ? (flow.lane.secondOut as Port) : flow.lane.firstOut
}

/** Source or destination port; of ICMP, type and code stand where the destination port would, as exporters have it. */
function portOf(flow: CachedFlow, source: boolean): number {
  const { lane, clientPort } = flow
  if (lane.profile.proto === 'icmp') {
    if (source) return 0
    return (lane.ipv6 ? (lane.up ? 128 : 129) : lane.up ? 8 : 0) << 8
  }
  return source === lane.up ? clientPort : lane.profile.port
}

/** Writes the source or destination address and answers its bytes. */
function writeAddress(flow: CachedFlow, source: boolean, out: Uint8Array, at: number): Uint8Array {
  const { lane } = flow
  const nic = source ? lane.src : lane.dst
  const length = lane.ipv6 ? 16 : 4
  if (nic.machine.kind === 'outside') outsideAddress(flow.hash, lane.ipv6, out, at)
  else out.set(lane.ipv6 ? nic.v6 : nic.v4, at)
  return length === out.length ? out : out.subarray(at, at + length)
}
