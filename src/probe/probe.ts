import { performance } from 'node:perf_hooks'
import { macText } from '../base/address.ts'
import { MIRROR_OVERHEAD } from '../capture/mirror.ts'
import { createPacketBlock } from '../capture/packet-block.ts'
import { openPacketSource, type PacketSource } from '../capture/packet-source.ts'
import type { RandomSource } from '../capture/sampler.ts'
import { SflowEncoder } from '../wire/sflow/encode.ts'
import type { ProbeConfig, SwitchConfig } from './config.ts'
import { kernelDevices } from './kernel-devices.ts'
import { MonitoredSwitch, type MonitoredDeps } from './monitored-switch.ts'
import { PortNumbers } from './port-numbers.ts'
import { MOST_LEARNT } from './virtual-switch.ts'

// The probe: for each virtual switch its packets and an sFlow sub-agent. It can be given another configuration while it
// runs; what stays keeps its counters and sequence numbers.

export interface ProbeDeps {
  /** Takes a datagram that is overwritten afterwards. */
  send(datagram: Uint8Array): void
  readonly random: RandomSource
  /** Sentences for the operator, each said once. */
  say(sentence: string): void
}

export interface ProbeStatus {
  readonly switches: readonly {
    readonly device: string
    readonly subAgent: number
    readonly isAway: boolean
    readonly frames: number
    readonly octets: number
    readonly samples: number
    readonly drops: number
    /** Packets that were no chosen mirror. */
    readonly others: number
    /** Frames too short to have addresses, or of a device that has none. */
    readonly short: number
    readonly ports: readonly {
      readonly index: number
      readonly name: string
      readonly mac: string
      readonly isUplink: boolean
    }[]
  }[]
}

export interface Probe {
  /** Takes over another configuration. @throws OperatorError if a new device can't be opened; then all stays as it was */
  reload(config: ProbeConfig): void
  /** Looks at what has come; true if there was anything. */
  turn(): boolean
  /** Milliseconds for which nothing need be looked at where nothing had come. */
  restMs(): number
  status(): ProbeStatus
  /** Sends the last counters and samples, and lets go of the devices. */
  stop(): void
}

const RING_BYTES = 16 << 20
/** A ring holds some 60,000 packets: a fifth of a second where a third of a million come in one. */
const REST_MS = 20
/** Where the kernel samples, one in hundreds of them gets there. */
const REST_SAMPLED_MS = 100
const POLL_EACH_MS = 100
const FLUSH_EACH_MS = 500
const LOOK_EACH_MS = 1000
const LEARN_EACH_MS = 5000
const SNAPSHOT_LEAST = 64

/** @throws OperatorError if a device can't be opened */
export function createProbe(first: ProbeConfig, { send, random, say }: ProbeDeps): Probe {
  const startedAt = performance.now()
  const block = createPacketBlock()
  const kernel = kernelDevices()
  let config = first
  let monitored: MonitoredSwitch[] = []
  let polledAt = 0
  let flushedAt = 0
  let lookedAt = 0
  let learntAt = 0

  const uptime = (): number => performance.now() - startedAt
  const deps: MonitoredDeps = { random, kernel, say, uptime }

  function openSource(wanted: SwitchConfig, { samplingRate }: ProbeConfig): PacketSource {
    return openPacketSource(wanted.device, {
      snapshotLength: Math.max(SNAPSHOT_LEAST, wanted.headerBytes) + (wanted.unwrap.length > 0 ? MIRROR_OVERHEAD : 0),
      promiscuous: wanted.promiscuous,
      filter: wanted.filter,
      bufferBytes: RING_BYTES,
      sampleRate: wanted.sampling === 'kernel' ? samplingRate : 1,
      say,
    })
  }

  function take(wanted: ProbeConfig): void {
    // First what can fail
    const sources = new Map<string, PacketSource>()
    try {
      for (const each of wanted.switches) {
        const before = monitored.find(({ config: old }) => old.device === each.device)
        if (!before || !isSameCapture(before.config, config, each, wanted))
          sources.set(each.device, openSource(each, wanted))
      }
    } catch (error) {
      for (const source of sources.values()) source.close()
      throw error
    }
    const old = monitored
    // What the former sources have still to show is of the former settings
    for (const at of old) {
      if (sources.has(at.config.device) || !wanted.switches.some(({ device }) => device === at.config.device))
        at.close(block)
      else at.handOver()
      at.encoder.flush()
    }
    const numbers = new PortNumbers(wanted.firstIfIndex)
    monitored = wanted.switches.map((each, i) => {
      const before = old.find(({ config: was }) => was.device === each.device)
      const subAgent = wanted.firstSubAgentId + i
      const encoder = encoderFor(wanted, subAgent, old)
      const source = sources.get(each.device) ?? (before as MonitoredSwitch).source
      return new MonitoredSwitch({ config: each, whole: wanted, subAgent, encoder, source, numbers }, deps, before)
    })
    config = wanted
    learntAt = 0
  }

  function encoderFor(wanted: ProbeConfig, subAgent: number, old: readonly MonitoredSwitch[]): SflowEncoder {
    const before = old.find((at) => at.subAgent === subAgent)
    const encoder = new SflowEncoder({ agent: wanted.agent, subAgent, expanded: needsExpanded(wanted) }, send)
    encoder.uptime = uptime()
    if (before) encoder.sequence = before.encoder.sequence
    return encoder
  }

  /** The kernel's counters of all ports at once, and what of them is due. */
  function lookAtKernel(): void {
    const counted = monitored.filter((at) => at.isKernelCounted)
    if (counted.length === 0) return
    const counters = kernel.counters()
    for (const at of counted) {
      at.look(counters)
      at.switch.poll(uptime())
    }
  }

  take(first)

  return {
    reload: take,
    turn() {
      let isBusy = false
      for (const at of monitored) if (at.readBlock(block)) isBusy = true
      const now = performance.now()
      if (now - polledAt >= POLL_EACH_MS) {
        polledAt = now
        for (const at of monitored) if (!at.isKernelCounted) at.switch.poll(uptime())
      }
      if (learntAt === 0 || now - learntAt >= LEARN_EACH_MS) {
        learntAt = now
        for (const at of monitored) at.learn()
      }
      if (now - lookedAt >= LOOK_EACH_MS) {
        lookedAt = now
        for (const at of monitored) at.lookAfter()
        lookAtKernel()
      }
      if (now - flushedAt >= FLUSH_EACH_MS) {
        flushedAt = now
        for (const at of monitored) at.switch.flush()
      }
      return isBusy
    },
    restMs: () => (monitored.every(({ config: of }) => of.sampling === 'kernel') ? REST_SAMPLED_MS : REST_MS),
    status: () => ({
      switches: monitored.map((at) => ({
        device: at.config.device,
        subAgent: at.subAgent,
        isAway: at.source.isAway,
        frames: at.switch.totals.frames,
        octets: at.switch.totals.octets,
        samples: at.switch.totals.samples,
        drops: at.drops(),
        others: at.mirrors?.counts.others ?? 0,
        short: at.switch.totals.short,
        ports: at.ports.map((port) => ({
          index: port.index,
          name: port.config.name,
          mac: macText(port.mac),
          isUplink: port.isUplink,
        })),
      })),
    }),
    stop() {
      for (const at of monitored) {
        at.close(block)
        for (const port of at.ports) port.pollAt = 0
        if (!at.isKernelCounted) at.switch.poll(uptime())
      }
      lookAtKernel()
      for (const at of monitored) at.switch.flush()
    },
  }
}

function isSameCapture(a: SwitchConfig, aWhole: ProbeConfig, b: SwitchConfig, bWhole: ProbeConfig): boolean {
  return (
    a.device === b.device &&
    a.headerBytes === b.headerBytes &&
    a.promiscuous === b.promiscuous &&
    a.filter === b.filter &&
    a.unwrap.length > 0 === b.unwrap.length > 0 &&
    a.sampling === b.sampling &&
    (a.sampling === 'probe' || aWhole.samplingRate === bWhole.samplingRate)
  )
}

/** Whether numbers of ports may not fit into the 24 bits that the compact samples of sFlow have for them. */
function needsExpanded({ firstIfIndex, switches }: ProbeConfig): boolean {
  // Numbers of ports that are gone rest before they are given again
  const most = switches.reduce((sum, { ports, learn }) => sum + ports.length + (learn ? 2 * MOST_LEARNT : 0), 0)
  return firstIfIndex + most >= 2 ** 24 || switches.some(({ ifIndex }) => ifIndex === 'kernel')
}
