import { Sampler, type RandomSource } from '../capture/sampler.ts'
import type { PortConfig } from './config.ts'

// One port of a virtual switch: an sFlow data source with its counters. It outlives a change of the configuration.

const VLANS = 4096

export class SwitchPort {
  readonly mac: number
  config: PortConfig
  index: number
  /** Found, not listed. */
  isLearnt = false
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
