import type { Millis } from '../base/clock.ts'
import { HEADER_PROTOCOL, SflowEncoder, SOURCE_CLASS, type EmitDatagram } from '../wire/sflow/encode.ts'
import type { SimulatorConfig } from './config.ts'
import type { Host, Machine, Port } from './data-center.ts'
import { FrameWriter } from './frame.ts'
import { hostRecords, portRecords, vmRecords } from './host-counters.ts'
import { FCS, TAG, type Lane } from './lane.ts'
import { Random } from './random.ts'
import type { Sampler } from '../capture/sampler.ts'
import { Session } from './session.ts'
import type { Usage } from './usage.ts'

/** What takes the samples of one virtual switch and exports them. */
export interface SwitchExporter {
  /** True if it can take a whole train at once where every packet is sampled. */
  readonly takesTrains: boolean
  /**
   * `count` packets of a lane were sampled at a port, one after the other. They came in by the uplink of their second switch if `second`.
   * @param frame length with FCS, without tag
   */
  sample(
    lane: Lane,
    second: boolean,
    sampler: Sampler,
    count: number,
    ipBytes: number,
    frame: number,
    flags: number,
    now: Millis,
  ): void
  /** Time has come to `now`: counters that are due leave, before the packets of this turn. */
  poll(now: Millis): void
  /** The packets of the turn are over; with `flush`, nothing may wait any longer in a half full datagram. */
  tick(now: Millis, flush: boolean): void
  /** Another sampling rate is in force from now on. */
  rateChanged(rate: number): void
  /** Exports everything that it still holds. */
  finish(): void
}

interface Source {
  readonly sourceClass: number
  readonly index: number
  sequence: number
  dueAt: Millis
  readonly write: (encoder: SflowEncoder, now: Millis) => void
}

/** Seconds that a host was up when the simulation began. */
const BOOTED_BEFORE = 40 * 86_400

/** The sFlow agent of a host: packet samples of its virtual switch; counters of the switch's ports, of the host and of its VMs. */
export class SflowSwitch implements SwitchExporter {
  readonly takesTrains = false
  private readonly encoder: SflowEncoder
  private readonly sources: Source[]
  private readonly frames: FrameWriter
  private readonly random: Random
  private readonly session = new Session()
  private readonly headerBytes: number
  private readonly startedAt: Millis
  private polling: number

  constructor(host: Host, usage: Usage, config: SimulatorConfig, startedAt: Millis, emit: EmitDatagram) {
    this.random = new Random(config.seed, `sflow ${host.name}`)
    this.frames = new FrameWriter(this.random)
    this.headerBytes = config.headerBytes
    this.startedAt = startedAt
    this.polling = config.polling * 1000
    this.encoder = new SflowEncoder({ agent: host.address, subAgent: 0, maxBytes: config.datagramBytes }, emit)
    this.sources = sourcesOf(host, usage, startedAt)
  }

  sample(
    lane: Lane,
    second: boolean,
    sampler: Sampler,
    count: number,
    ipBytes: number,
    frame: number,
    flags: number,
    now: Millis,
  ): void {
    const first = second ? (lane.second as Port) : lane.first
    const out = second ? (lane.secondOut as Port) : lane.firstOut
    const tagged = first.uplink
    const length = tagged ? frame + TAG : frame
    const { encoder, frames, session } = this
    const header = Math.min(length - FCS, this.headerBytes)
    for (let i = 0; i < count; i++) {
      session.pick(lane, this.random, now)
      frames.write(lane, session, tagged, ipBytes, flags, header)
      encoder.beginFlowSample(
        sampler.sequence,
        SOURCE_CLASS.ifIndex,
        first.ifIndex,
        sampler.rate,
        sampler.pool,
        0,
        first.ifIndex,
        out.ifIndex,
      )
      encoder.sampledHeader(HEADER_PROTOCOL.ethernet, length, FCS, frames.bytes, header)
      encoder.extendedSwitch(lane.src.vlan, 0, lane.src.vlan, 0)
      encoder.endSample()
    }
  }

  poll(now: Millis): void {
    this.encoder.uptime = now - this.startedAt + BOOTED_BEFORE * 1000
    for (const source of this.sources) {
      if (now < source.dueAt) continue
      source.dueAt += this.polling * Math.ceil((now - source.dueAt + 1) / this.polling)
      this.encoder.beginCountersSample(++source.sequence, source.sourceClass, source.index)
      source.write(this.encoder, now)
      this.encoder.endSample()
    }
  }

  tick(_now: Millis, flush: boolean): void {
    if (flush) this.encoder.flush()
  }

  /** Another polling interval, in seconds; every source is due again within it. */
  setPolling(seconds: number, now: Millis): void {
    this.polling = seconds * 1000
    for (const [i, source] of this.sources.entries())
      source.dueAt = now + (this.polling * (i + 1)) / this.sources.length
  }

  rateChanged(): void {
    // Each sample carries its rate.
  }

  finish(): void {
    this.encoder.flush()
  }
}

function sourcesOf(host: Host, usage: Usage, startedAt: Millis): Source[] {
  const source = (sourceClass: number, index: number, write: Source['write']): Source => ({
    sourceClass,
    index,
    sequence: 0,
    dueAt: startedAt,
    write,
  })
  const vm = (machine: Machine, i: number): Source =>
    source(SOURCE_CLASS.logicalEntity, 100_001 + i, (encoder, now) =>
      vmRecords(encoder, machine, usage, BOOTED_BEFORE * 1000 + now - startedAt),
    )
  return [
    source(SOURCE_CLASS.physicalEntity, 1, (encoder, now) =>
      hostRecords(encoder, host, usage, BOOTED_BEFORE * 1000 + now - startedAt),
    ),
    ...host.vms.map(vm),
    ...host.ports.map((port) => source(SOURCE_CLASS.ifIndex, port.ifIndex, (encoder) => portRecords(encoder, port))),
  ]
}
