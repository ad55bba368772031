import { Sampler, type RandomSource } from '../capture/sampler.ts'
import type { PortConfig } from './config.ts'
import type { DeviceCounters } from './kernel-devices.ts'

// One port of a virtual switch: an sFlow data source with its counters. It outlives a change of the configuration.

const VLANS = 4096

export class SwitchPort {
  readonly mac: number
  config: PortConfig
  index: number
  /** Found, not listed. */
  isLearnt = false
  /** The kernel's device, where the probe runs on the hypervisor and knows it. */
  device = ''
  /** The device is the host's own end of the port: what it receives goes out of the switch. */
  isInside = false
  /** What the kernel counted on the device, as of the last look. */
  kernel: DeviceCounters | undefined
  /** Milliseconds of the probe's uptime when it was last seen to have sent something, and how much that was. */
  heardAt = 0
  heard = 0
  /** What the kernel's packet counter had been at a pool of 0; NaN if it was not looked yet. */
  private poolBase = Number.NaN
  /** Packets since the pool began, as the kernel counts them. */
  private counted = 0
  readonly sampler: Sampler
  /** Of counter samples. */
  counterSequence = 0
  /** Milliseconds of the probe's uptime. */
  pollAt = 0
  inOctets = 0
  inUnicast = 0
  inMulticast = 0
  inBroadcast = 0
  outOctets = 0
  outUnicast = 0
  outMulticast = 0
  outBroadcast = 0
  /** VLANs in which it has sent: bit by bit. */
  private readonly vlans = new Uint8Array(VLANS / 8)
  private hasSpoken = false

  constructor(config: PortConfig, index: number, samplingRate: number, random: RandomSource) {
    this.mac = config.mac
    this.config = config
    this.index = index
    this.sampler = new Sampler(samplingRate, random)
  }

  /** The kernel's device is found, or is another than before. */
  setDevice(device: string, isInside: boolean): void {
    this.isInside = isInside
    if (device === this.device) return
    this.device = device
    this.lose()
  }

  /** The kernel no longer knows the device. */
  lose(): void {
    this.kernel = undefined
    this.poolBase = Number.NaN
  }

  /**
   * Takes over what the kernel has counted. Where the kernel samples, the pool is what came in by the device since the first
   * look, and at least N for each sample: it never falls.
   */
  look(counters: DeviceCounters): void {
    const { sampler } = this
    const packets = this.isInside ? counters.outPackets : counters.inPackets
    const before = this.kernel && (this.isInside ? this.kernel.outPackets : this.kernel.inPackets)
    // A device that was made anew counts from 0
    if (Number.isNaN(this.poolBase) || (before !== undefined && packets < before))
      this.poolBase = packets - sampler.pool
    this.kernel = counters
    this.counted = packets - this.poolBase
  }

  /** The kernel chose a frame of this port, one in so many. */
  take(rate: number): void {
    const { sampler } = this
    sampler.rate = rate
    sampler.sequence++
    sampler.pool = Math.max(sampler.pool + rate, this.counted)
  }

  get inFrames(): number {
    return this.inUnicast + this.inMulticast + this.inBroadcast
  }

  get isUplink(): boolean {
    return this.config.kind === 'uplink'
  }

  /** It sent a frame in this VLAN (0 untagged). */
  speaks(vlan: number): void {
    this.hasSpoken = true
    this.vlans[vlan >> 3] = (this.vlans[vlan >> 3] as number) | (1 << (vlan & 7))
  }

  /** Whether frames to all in this VLAN reach it: an uplink takes all; others those of VLANs in which they speak. */
  isMember(vlan: number): boolean {
    if (this.config.kind === 'uplink') return true
    if (!this.hasSpoken) return vlan === 0
    return ((this.vlans[vlan >> 3] as number) & (1 << (vlan & 7))) !== 0
  }
}
