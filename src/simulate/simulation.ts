import { ipText } from '../base/address.ts'
import type { Millis } from '../base/clock.ts'
import type { ExportProtocol, SimulatorConfig } from './config.ts'
import { planConversations } from './conversations.ts'
import { buildDataCenter, type DataCenter, type Host, type Port } from './data-center.ts'
import type { Lane } from './lane.ts'
import { MeterSwitch } from './meter-switch.ts'
import { Random } from './random.ts'
import { Sampler } from '../capture/sampler.ts'
import { SflowSwitch, type SwitchExporter } from './sflow-switch.ts'
import { countPorts, Traffic } from './traffic.ts'
import { Truth, type TruthRow } from './truth.ts'
import { Usage } from './usage.ts'

// The data center in virtual time, with no clock and no socket: `tick` moves it, datagrams and true totals come out.

/** One exporting process: it has one address and one protocol. */
export interface SimulatedExporter {
  readonly index: number
  /** Name of its host. */
  readonly name: string
  readonly protocol: ExportProtocol
  /** sFlow agent address; the address that it exports from in the simulated world. */
  readonly address: string
  /** A loopback address of its own, 127.x.y.z, from which its datagrams can be sent on one machine. */
  readonly loopback: string
}

export interface SimulationOutput {
  /** A datagram leaves; its bytes are valid only during the call. */
  datagram(bytes: Uint8Array, exporter: SimulatedExporter, now: Millis): void
  /** True totals of a minute that is over. */
  truth?(row: TruthRow): void
}

/** In so many turns all conversations have sent. */
export const SLOTS = 10

export interface SimulationCounts {
  packets: number
  bytes: number
  samples: number
  datagrams: number
  datagramBytes: number
}

export class Simulation {
  readonly center: DataCenter
  readonly exporters: readonly SimulatedExporter[]
  readonly counts: SimulationCounts = { packets: 0, bytes: 0, samples: 0, datagrams: 0, datagramBytes: 0 }
  /** Virtual time. */
  now: Millis
  private readonly config: SimulatorConfig
  private readonly output: SimulationOutput
  private readonly traffic: Traffic
  private readonly truth: Truth | undefined
  private readonly switches: SwitchExporter[] = []
  private readonly agents: SflowSwitch[] = []
  private readonly samplers = new Map<Port, Sampler>()
  private turn = 0

  constructor(config: SimulatorConfig, startedAt: Millis, output: SimulationOutput) {
    this.config = config
    this.output = output
    this.now = startedAt
    this.center = buildDataCenter(config)
    this.traffic = new Traffic(
      planConversations(this.center, config),
      config.seed,
      startedAt,
      (lane, packets, frame, ipBytes, flags) => this.train(lane, packets, frame, ipBytes, flags),
    )
    this.truth =
      output.truth === undefined ? undefined : new Truth(this.center, startedAt, (row) => output.truth?.(row))
    this.exporters = this.createExporters(startedAt)
    for (const port of this.center.hosts.flatMap((host) => host.ports)) {
      this.samplers.set(
        port,
        new Sampler(config.sampling, new Random(config.seed, `sampler ${port.host.name} ${port.ifIndex}`)),
      )
    }
  }

  /** Moves on by one turn, which lasts so many milliseconds. Everything in it happens at its end. */
  tick(milliseconds: number): void {
    this.now += milliseconds
    const { now, turn } = this
    this.turn = (turn + 1) % SLOTS
    this.truth?.tick(now)
    for (const exporter of this.switches) exporter.poll(now)
    this.traffic.send(now, turn, SLOTS)
    // The turn before a whole second (of ten) or half of it: a minute's samples leave within their minute.
    const flush = turn % 5 === 3
    for (const exporter of this.switches) exporter.tick(now, flush)
  }

  /** Samples one packet in `rate` from now on; sFlow says it in each sample, the others in their options data. */
  setSampling(rate: number): void {
    for (const sampler of this.samplers.values()) sampler.setRate(rate)
    for (const exporter of this.switches) exporter.rateChanged(rate)
  }

  setPolling(seconds: number): void {
    for (const agent of this.agents) agent.setPolling(seconds, this.now)
  }

  /** Exports what the switches still hold, and tells what there is of the last, incomplete minute. */
  finish(): void {
    for (const exporter of this.switches) exporter.finish()
    this.truth?.finish()
  }

  private train(lane: Lane, packets: number, frame: number, ipBytes: number, flags: number): void {
    this.counts.packets += packets
    this.counts.bytes += packets * frame
    countPorts(lane, packets, frame)
    this.truth?.add(lane, packets, frame, ipBytes)
    this.sampleAt(lane, lane.first, false, packets, frame, ipBytes, flags)
    if (lane.second !== undefined && this.config.sample === 'all-ports') {
      this.sampleAt(lane, lane.second, true, packets, frame, ipBytes, flags)
    }
  }

  private sampleAt(
    lane: Lane,
    port: Port,
    second: boolean,
    packets: number,
    frame: number,
    ipBytes: number,
    flags: number,
  ): void {
    const sampler = this.samplers.get(port) as Sampler
    const exporter = this.switches[port.host.index] as SwitchExporter
    if (sampler.rate === 1 && exporter.takesTrains) {
      sampler.all(packets)
      this.counts.samples += packets
      exporter.sample(lane, second, sampler, packets, ipBytes, frame, flags, this.now)
      return
    }
    for (let left = packets; left > 0;) {
      const position = sampler.next(left)
      if (position === 0) return
      left -= position
      this.counts.samples++
      exporter.sample(lane, second, sampler, 1, ipBytes, frame, flags, this.now)
    }
  }

  private createExporters(startedAt: Millis): SimulatedExporter[] {
    const usage = new Usage(this.config.seed)
    const exporters: SimulatedExporter[] = []
    const create = (host: Host, protocol: ExportProtocol): ((bytes: Uint8Array) => void) => {
      const index = exporters.length
      const exporter = {
        index,
        name: host.name,
        protocol,
        address: ipText(host.address),
        loopback: `127.10.${(index + 1) >> 8}.${(index + 1) & 0xff}`,
      }
      exporters.push(exporter)
      return (bytes) => {
        this.counts.datagrams++
        this.counts.datagramBytes += bytes.length
        this.output.datagram(bytes, exporter, this.now)
      }
    }
    for (const host of this.center.hosts) {
      const protocol = protocolOf(host, this.config, this.center.hosts.length)
      if (protocol === 'sflow' || this.config.protocol === 'mixed') {
        const agent = new SflowSwitch(host, usage, this.config, startedAt, create(host, 'sflow'))
        this.agents.push(agent)
        if (protocol === 'sflow') {
          this.switches.push(agent)
          continue
        }
      }
      const meter = new MeterSwitch(
        host,
        protocol as Exclude<ExportProtocol, 'sflow'>,
        this.config,
        startedAt,
        create(host, protocol),
      )
      // Its host agent only counts: both move with the clock as one.
      const agent = this.config.protocol === 'mixed' ? this.agents.at(-1) : undefined
      this.switches.push(agent === undefined ? meter : beside(meter, agent))
    }
    return exporters
  }
}

/** In a mixed data center, the first host in Milan exports IPFIX and the last of all NetFlow v9; without them, the second and the third. */
function protocolOf(host: Host, config: SimulatorConfig, hosts: number): ExportProtocol {
  if (config.protocol !== 'mixed') return config.protocol
  if (host.index === Math.min(2, hosts - 1)) return 'ipfix'
  return host.index === hosts - 1 && hosts > 3 ? 'netflow9' : 'sflow'
}

function beside(meter: MeterSwitch, agent: SflowSwitch): SwitchExporter {
  return {
    takesTrains: true,
    sample: (...packet) => meter.sample(...packet),
    poll: (now) => {
      meter.poll(now)
      agent.poll(now)
    },
    tick: (now, flush) => {
      meter.tick(now, flush)
      agent.tick(now, flush)
    },
    rateChanged: (rate) => meter.rateChanged(rate),
    finish: () => {
      meter.finish()
      agent.finish()
    },
  }
}
