import type { PacketBlock } from '../capture/packet-block.ts'
import type { RandomSource } from '../capture/sampler.ts'
import { HEADER_PROTOCOL, type SflowEncoder, SOURCE_CLASS } from '../wire/sflow/encode.ts'
import type { PortConfig } from './config.ts'
import type { KernelDevices } from './kernel-devices.ts'
import { MacTable } from './mac-table.ts'
import { frameCounters, kernelCounters } from './port-counters.ts'
import type { SwitchPort } from './port.ts'

// A virtual switch seen through its mirror: each frame is given to the port by which it came in and to those by which it
// left, by its MAC addresses; it is counted there, and one in N of each port's is sampled.

/** Interface values of a flow sample (sFlow v5, 5.1): output unknown, or so many destinations as its lower bits say. */
const UNKNOWN_PORT = 0
const MULTIPLE = 0x80000000

const ETHERNET = 1
const DOT1Q = 0x8100
const FCS = 4
const TAG = 4
const WRAP_32 = 2 ** 32

/** Of a switch that learns. */
export const MOST_LEARNT = 4096

/** Of all ports together. */
const MOST_ADDRESSES = 65_536

export interface VirtualSwitchOptions {
  readonly samplingRate: number
  /** Milliseconds. */
  readonly pollingInterval: number
  readonly headerBytes: number
  readonly promiscuous: boolean
  readonly random: RandomSource
  /** Whether frames to all reach only the ports of their VLAN. */
  readonly isVlanAware: boolean
  /** Where the counters of ports are the kernel's own. */
  readonly kernel: KernelDevices | undefined
}

export interface SwitchTotals {
  /** Frames and octets seen, and samples taken. */
  frames: number
  octets: number
  samples: number
  /** Frames too short to have addresses. */
  short: number
  /** Packets that the kernel dropped. */
  drops: number
}

export class VirtualSwitch {
  readonly ports: SwitchPort[]
  readonly totals: SwitchTotals
  private readonly options: VirtualSwitchOptions
  private readonly encoder: SflowEncoder
  private table: MacTable
  private uplink = -1
  private readonly header: Uint8Array

  /** @param ports the first uplink among them takes the frames of unknown machines */
  constructor(ports: SwitchPort[], encoder: SflowEncoder, totals: SwitchTotals, options: VirtualSwitchOptions) {
    this.totals = totals
    this.ports = ports
    this.encoder = encoder
    this.options = options
    this.table = this.ownAddresses()
    this.uplink = ports.findIndex((port) => port.isUplink)
    this.header = new Uint8Array(options.headerBytes + TAG)
  }

  /** A further port. */
  addPort(port: SwitchPort): void {
    const place = this.ports.push(port) - 1
    if (port.mac !== 0) this.table.set(port.mac, place)
    if (this.uplink < 0 && port.isUplink) this.uplink = place
  }

  /** A further address of a port. Of any number of them, some of which somebody made up, only so many are held. */
  addMac(mac: number, port: number): void {
    if (this.table.size < MOST_ADDRESSES) this.table.set(mac, port)
  }

  /** Leaves each port its own address alone. */
  forgetMacs(): void {
    this.table = this.ownAddresses()
  }

  private ownAddresses(): MacTable {
    const table = new MacTable(Math.floor(this.options.random.unit() * WRAP_32))
    for (const [i, port] of this.ports.entries()) if (port.mac !== 0) table.set(port.mac, i)
    return table
  }

  knows(mac: number): boolean {
    return this.table.get(Math.floor(mac / WRAP_32), mac >>> 0) >= 0
  }

  /** Index of the port of a source address, the uplink of one that no port has; -1 if there is no uplink. */
  private senderOf(high: number, low: number, strangers: ((mac: number) => void) | undefined): number {
    let from = this.table.get(high, low)
    if (from < 0 && strangers !== undefined) {
      strangers(high * WRAP_32 + low)
      from = this.table.get(high, low)
    }
    return from < 0 ? this.uplink : from
  }

  /** Counts and samples the frames of a block. @param strangers takes addresses that no port has, if they are to be learnt */
  block(block: PacketBlock, strangers?: (mac: number) => void): void {
    const { view, count } = block
    const { ports, table, totals } = this
    for (let i = 0; i < count; i++) {
      const at = block.offset[i] as number
      if ((block.captured[i] as number) < 14 || block.linkType[i] !== ETHERNET) {
        totals.short++
        continue
      }
      const tag = block.tag[i] as number
      const length = block.original[i] as number
      const dstHigh = view.getUint16(at)
      const dstLow = view.getUint32(at + 2)
      const srcHigh = view.getUint16(at + 6)
      const srcLow = view.getUint32(at + 8)
      const hasTag = tag !== 0 || ((block.captured[i] as number) >= 16 && view.getUint16(at + 12) === DOT1Q)
      const vlan = hasTag ? (tag === 0 ? view.getUint16(at + 14) : tag) & 0xfff : 0
      totals.frames++
      totals.octets += length
      const from = this.senderOf(srcHigh, srcLow, strangers)
      const isGroup = (dstHigh & 0x0100) !== 0
      const isBroadcast = dstHigh === 0xffff && dstLow === 0xffffffff
      let to = -1
      let reached = 0
      if (isGroup) reached = this.countToAll(from, vlan, length, hasTag, isBroadcast)
      else {
        to = table.get(dstHigh, dstLow)
        if (to < 0) to = this.uplink
        // From the uplink to a machine that is not here: the switch of the network floods, and so does this one
        if (to === from) to = -1
        if (to >= 0) {
          const port = ports[to] as SwitchPort
          port.outOctets += octetsAt(port, length, hasTag)
          port.outUnicast++
        }
      }
      if (from < 0) continue
      const port = ports[from] as SwitchPort
      port.inOctets += octetsAt(port, length, hasTag)
      if (isBroadcast) port.inBroadcast++
      else if (isGroup) port.inMulticast++
      else port.inUnicast++
      port.speaks(vlan)
      if (port.sampler.next(1) === 0) continue
      const output = isGroup ? (MULTIPLE | reached) >>> 0 : to < 0 ? UNKNOWN_PORT : (ports[to] as SwitchPort).index
      this.sample(block, i, port, output, tag, totals.drops / port.sampler.rate)
    }
  }

  /**
   * Exports the frames of a block, which the kernel chose, one in `rate`. What it did not choose is not here, so that nothing is
   * counted.
   */
  sampled(block: PacketBlock, rate: number, strangers?: (mac: number) => void): void {
    const { view, count } = block
    const { ports, table, totals } = this
    for (let i = 0; i < count; i++) {
      const at = block.offset[i] as number
      if ((block.captured[i] as number) < 14 || block.linkType[i] !== ETHERNET) {
        totals.short++
        continue
      }
      const tag = block.tag[i] as number
      const dstHigh = view.getUint16(at)
      const srcHigh = view.getUint16(at + 6)
      const srcLow = view.getUint32(at + 8)
      totals.frames++
      totals.octets += block.original[i] as number
      const from = this.senderOf(srcHigh, srcLow, strangers)
      if (from < 0) continue
      const port = ports[from] as SwitchPort
      const hasInline = tag === 0 && (block.captured[i] as number) >= 16 && view.getUint16(at + 12) === DOT1Q
      const vlan = (hasInline ? view.getUint16(at + 14) : tag) & 0xfff
      port.speaks(vlan)
      port.take(rate)
      let output = UNKNOWN_PORT
      if ((dstHigh & 0x0100) !== 0) output = (MULTIPLE | this.reach(from, vlan)) >>> 0
      else {
        let to = table.get(dstHigh, view.getUint32(at + 2))
        if (to < 0) to = this.uplink
        if (to >= 0 && to !== from) output = (ports[to] as SwitchPort).index
      }
      this.sample(block, i, port, output, tag, totals.drops)
    }
  }

  /** Takes ports away, whose last counters are told. */
  removePorts(isGone: (port: SwitchPort) => boolean): void {
    const { ports } = this
    let kept = 0
    for (const port of ports) {
      if (isGone(port)) this.counters(port)
      else ports[kept++] = port
    }
    if (kept === ports.length) return
    ports.length = kept
    this.table = this.ownAddresses()
    this.uplink = ports.findIndex((port) => port.isUplink)
  }

  /** Sends the counters that are due. @param uptime milliseconds, which no clock that is set changes */
  poll(uptime: number): void {
    this.encoder.uptime = uptime
    for (const port of this.ports) {
      if (uptime < port.pollAt) continue
      port.pollAt = uptime + this.options.pollingInterval
      this.counters(port)
    }
  }

  /** Sends what waits in a half full datagram. */
  flush(): void {
    this.encoder.flush()
  }

  private countToAll(from: number, vlan: number, length: number, hasTag: boolean, isBroadcast: boolean): number {
    const { ports } = this
    const { isVlanAware } = this.options
    let reached = 0
    for (let p = 0; p < ports.length; p++) {
      const port = ports[p] as SwitchPort
      if (p === from || (isVlanAware && !port.isMember(vlan))) continue
      port.outOctets += octetsAt(port, length, hasTag)
      if (isBroadcast) port.outBroadcast++
      else port.outMulticast++
      reached++
    }
    return reached
  }

  /** Ports that a frame to all reaches. */
  private reach(from: number, vlan: number): number {
    const { ports } = this
    const { isVlanAware } = this.options
    let reached = 0
    for (let p = 0; p < ports.length; p++)
      if (p !== from && (!isVlanAware || (ports[p] as SwitchPort).isMember(vlan))) reached++
    return reached
  }

  /** @param drops samples that were lost because the kernel had to drop frames */
  private sample(block: PacketBlock, i: number, port: SwitchPort, output: number, tag: number, drops: number): void {
    const { encoder, header, options, totals } = this
    const { sampler } = port
    totals.samples++
    const at = block.offset[i] as number
    const captured = block.captured[i] as number
    let length = captured < options.headerBytes ? captured : options.headerBytes
    let tci = 0
    if (tag === 0) {
      header.set(block.bytes.subarray(at, at + length))
      if (length >= 16 && block.view.getUint16(at + 12) === DOT1Q) tci = block.view.getUint16(at + 14)
    } else {
      // As it was on the wire: the tag behind the addresses
      tci = tag & 0xffff
      const kept = Math.min(captured, options.headerBytes - TAG)
      header.set(block.bytes.subarray(at, at + 12))
      header[12] = tag >>> 24
      header[13] = tag >>> 16
      header[14] = tag >>> 8
      header[15] = tag
      header.set(block.bytes.subarray(at + 12, at + kept), 16)
      length = kept + TAG
    }
    encoder.beginFlowSample(
      sampler.sequence,
      SOURCE_CLASS.ifIndex,
      port.index,
      sampler.rate,
      sampler.pool % WRAP_32,
      Math.round(drops) % WRAP_32,
      port.index,
      output,
    )
    encoder.sampledHeader(HEADER_PROTOCOL.ethernet, (block.original[i] as number) + FCS, FCS, header, length)
    encoder.extendedSwitch(tci & 0xfff, tci >> 13, tci & 0xfff, tci >> 13)
    encoder.endSample()
  }

  private counters(port: SwitchPort): void {
    const { config } = port
    const { encoder } = this
    const { kernel, promiscuous } = this.options
    // Of a port whose device is not known nothing is known
    if (kernel && !port.kernel) return
    port.counterSequence = (port.counterSequence + 1) % WRAP_32
    encoder.beginCountersSample(port.counterSequence, SOURCE_CLASS.ifIndex, port.index)
    encoder.ifCounters(kernel ? kernelCounters(port, kernel, promiscuous) : frameCounters(port, promiscuous))
    if (config.name !== '') encoder.portName(config.name)
    encoder.endSample()
  }
}

/** Octets of a frame on this port, without FCS, as Linux counts them. */
function octetsAt(port: SwitchPort, length: number, hasTag: boolean): number {
  return hasTag && !port.config.isTagged ? length - TAG : length
}

/** A port that was found, not listed. */
export function learntPort(mac: number, name: string, kind: PortConfig['kind']): PortConfig {
  return { kind, mac, ifSpeed: 0, ifType: 6, isTagged: kind === 'uplink', name, device: '' }
}
