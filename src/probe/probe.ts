import { performance } from 'node:perf_hooks'
import { BLOCK_BYTES, openPacketRing, type PacketRing } from '../capture/af-packet.ts'
import { compileFilter } from '../capture/bpf.ts'
import { createPacketBlock } from '../capture/packet-block.ts'
import type { RandomSource } from '../capture/sampler.ts'
import { OperatorError } from '../base/errors.ts'
import { macText } from '../base/address.ts'
import { SflowEncoder } from '../wire/sflow/encode.ts'
import { isVlanAware, readBridge } from './bridge.ts'
import type { PortConfig, ProbeConfig, SwitchConfig } from './config.ts'
import { SwitchPort } from './port.ts'
import { learntPort, MOST_LEARNT, VirtualSwitch } from './virtual-switch.ts'

// The probe: for each virtual switch a ring of packets and an sFlow sub-agent. It can be given another configuration while it
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
  status(): ProbeStatus
  /** Sends the last counters and samples, and lets go of the devices. */
  stop(): void
}

interface Monitored {
  config: SwitchConfig
  readonly subAgent: number
  readonly encoder: SflowEncoder
  ports: SwitchPort[]
  switch: VirtualSwitch
  ring: PacketRing | undefined
  isAway: boolean
  /** Of rings that are closed. */
  dropsBefore: number
  /** Takes addresses that no port has, if they are to be learnt. */
  strangers: ((mac: number) => void) | undefined
}

const RING_BYTES = 16 << 20
const POLL_EACH_MS = 100
const FLUSH_EACH_MS = 500
const LOOK_EACH_MS = 1000
const LEARN_EACH_MS = 5000
const SNAPSHOT_LEAST = 64

/** @throws OperatorError if a device can't be opened */
export function createProbe(first: ProbeConfig, deps: ProbeDeps): Probe {
  const startedAt = performance.now()
  const block = createPacketBlock()
  let config = first
  let monitored: Monitored[] = []
  let nextIndex = 0
  let polledAt = 0
  let flushedAt = 0
  let lookedAt = 0
  let learntAt = 0

  const uptime = (): number => performance.now() - startedAt

  function openRing(wanted: SwitchConfig): PacketRing {
    return openPacketRing({
      device: wanted.device,
      snapshotLength: Math.max(SNAPSHOT_LEAST, wanted.headerBytes),
      promiscuous: wanted.promiscuous,
      filter: wanted.filter === '' ? undefined : compileFilter(wanted.filter, wanted.device),
      ringBytes: RING_BYTES,
    })
  }

  function newSwitch(at: Monitored, from: ProbeConfig): VirtualSwitch {
    const totals = at.switch?.totals ?? { frames: 0, octets: 0, samples: 0, short: 0, drops: 0 }
    return new VirtualSwitch(at.ports, at.encoder, totals, {
      samplingRate: from.samplingRate,
      pollingInterval: from.pollingInterval * 1000,
      headerBytes: at.config.headerBytes,
      promiscuous: at.config.promiscuous,
      random: deps.random,
      isVlanAware: isVlanAware(at.config.device),
    })
  }

  /** Ports in the order of the file; those that were there before, by MAC, go on. */
  function portsOf(wanted: SwitchConfig, from: ProbeConfig, before: readonly SwitchPort[]): SwitchPort[] {
    // Ports of a bridge that were found may have no address of their own
    const known = new Map(before.map((port) => [port.mac || port.config.name, port]))
    const ports = wanted.ports.map((portConfig) => {
      const index = nextIndex++
      const old = known.get(portConfig.mac)
      if (!old) return newPort(portConfig, index, from)
      known.delete(portConfig.mac)
      old.config = portConfig
      keep(old, index, from)
      return old
    })
    if (wanted.learn) {
      for (const port of known.values()) {
        if (!port.isLearnt) continue
        keep(port, nextIndex++, from)
        ports.push(port)
      }
    }
    return ports
  }

  function newPort(portConfig: PortConfig, index: number, from: ProbeConfig): SwitchPort {
    const port = new SwitchPort(portConfig, index, from.samplingRate, deps.random)
    port.pollAt = somewhen(from)
    return port
  }

  function keep(port: SwitchPort, index: number, from: ProbeConfig): void {
    port.index = index
    if (port.sampler.rate !== from.samplingRate) port.sampler.setRate(from.samplingRate)
    // It may have waited for the end of a longer interval
    port.pollAt = Math.min(port.pollAt, somewhen(from))
  }

  /** Within the next polling interval: counters of many ports are not all due at once. */
  function somewhen(from: ProbeConfig): number {
    return uptime() + deps.random.unit() * from.pollingInterval * 1000
  }

  function take(wanted: ProbeConfig): void {
    // First what can fail
    const rings = new Map<string, PacketRing>()
    try {
      for (const each of wanted.switches) {
        const before = monitored.find(({ config: old }) => old.device === each.device)
        if (before && isSameCapture(before.config, each)) continue
        if (before) readRest(before)
        rings.set(each.device, openRing(each))
      }
    } catch (error) {
      for (const ring of rings.values()) ring.close()
      throw error
    }
    nextIndex = wanted.firstIfIndex
    const old = monitored
    monitored = wanted.switches.map((each, i) => {
      const before = old.find(({ config: was }) => was.device === each.device)
      const subAgent = wanted.firstSubAgentId + i
      const encoder = encoderFor(wanted, subAgent, old)
      const at = {
        config: each,
        subAgent,
        encoder,
        ports: portsOf(each, wanted, before?.ports ?? []),
        switch: before?.switch,
        ring: before?.ring,
        isAway: before?.isAway ?? false,
        dropsBefore: before?.dropsBefore ?? 0,
        strangers: undefined,
      } as Monitored
      const ring = rings.get(each.device)
      if (ring) {
        if (before) closeRing(at)
        at.ring = ring
        at.isAway = false
      }
      at.switch = newSwitch(at, wanted)
      return at
    })
    for (const gone of old) if (!monitored.some(({ config: now }) => now.device === gone.config.device)) closeRing(gone)
    config = wanted
    learntAt = 0
  }

  function encoderFor(wanted: ProbeConfig, subAgent: number, old: readonly Monitored[]): SflowEncoder {
    const before = old.find((at) => at.subAgent === subAgent)
    before?.encoder.flush()
    const encoder = new SflowEncoder({ agent: wanted.agent, subAgent, expanded: needsExpanded(wanted) }, deps.send)
    encoder.uptime = uptime()
    if (before) encoder.sequence = before.encoder.sequence
    return encoder
  }

  function readBlock({ ring, switch: virtualSwitch, strangers }: Monitored): boolean {
    if (!ring?.next(block)) return false
    virtualSwitch.block(block, strangers)
    ring.release()
    return true
  }

  /** What lies in the ring, and no more: it may be filled as fast as it is read. */
  function readRest(at: Monitored): void {
    for (let left = RING_BYTES / BLOCK_BYTES; left > 0 && readBlock(at); left--);
  }

  function closeRing(at: Monitored): void {
    if (!at.ring) return
    at.dropsBefore += at.ring.counts().drops
    at.ring.close()
    at.ring = undefined
  }

  /** A device may vanish and come back. */
  function lookAfter(at: Monitored): void {
    if (at.ring) {
      at.switch.totals.drops = at.dropsBefore + at.ring.counts().drops
      const trouble = at.ring.trouble()
      if (trouble === '') return
      readRest(at)
      closeRing(at)
      if (!at.isAway) deps.say(`${at.config.device} is away (${trouble}); waiting for it`)
      at.isAway = true
    }
    try {
      const ring = openRing(at.config)
      // It may be there and down
      if (ring.trouble() !== '') return ring.close()
      at.ring = ring
      deps.say(`${at.config.device} is back`)
      at.isAway = false
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error
    }
  }

  function addPort(at: Monitored, portConfig: PortConfig): SwitchPort | undefined {
    if (at.ports.length >= MOST_LEARNT) return undefined
    const port = newPort(portConfig, nextIndex++, config)
    port.isLearnt = true
    at.switch.addPort(port)
    deps.say(`${at.config.device}: port ${port.index} is ${portConfig.name || macText(portConfig.mac)}`)
    return port
  }

  /** The kernel tells the ports of a bridge, and what is behind each. */
  function learnBridge(at: Monitored): void {
    const bridgePorts = readBridge(at.config.device)
    if (!bridgePorts) return
    // Addresses that the kernel has forgotten since are nobody's
    at.switch.forgetMacs()
    for (const found of bridgePorts) {
      let place = at.ports.findIndex((port) => port.config.name === found.name || found.macs.includes(port.mac))
      if (place < 0) {
        const kind = found.isUplink ? 'uplink' : 'virtual'
        const mac = found.isUplink ? 0 : (found.macs[0] ?? 0)
        if (!addPort(at, { ...learntPort(mac, found.name, kind), ifSpeed: found.speed })) continue
        place = at.ports.length - 1
      }
      // Behind an uplink is everybody else, who needs no entry
      if (at.ports[place]?.isUplink !== true) for (const mac of found.macs) at.switch.addMac(mac, place)
    }
  }

  const strangersOf = (at: Monitored): ((mac: number) => void) | undefined => {
    if (!at.config.learn || readBridge(at.config.device)) return undefined
    return (mac) => {
      if (isVirtual(mac) && !at.switch.knows(mac)) addPort(at, learntPort(mac, '', 'virtual'))
    }
  }

  take(first)

  return {
    reload: take,
    turn() {
      let isBusy = false
      for (const at of monitored) if (readBlock(at)) isBusy = true
      const now = performance.now()
      if (now - polledAt >= POLL_EACH_MS) {
        polledAt = now
        for (const at of monitored) at.switch.poll(uptime())
      }
      if (now - flushedAt >= FLUSH_EACH_MS) {
        flushedAt = now
        for (const at of monitored) at.switch.flush()
      }
      if (now - lookedAt >= LOOK_EACH_MS) {
        lookedAt = now
        for (const at of monitored) lookAfter(at)
      }
      if (learntAt === 0 || now - learntAt >= LEARN_EACH_MS) {
        learntAt = now
        for (const at of monitored) {
          if (!at.config.learn) continue
          learnBridge(at)
          at.strangers = strangersOf(at)
        }
      }
      return isBusy
    },
    status: () => ({
      switches: monitored.map((at) => ({
        device: at.config.device,
        subAgent: at.subAgent,
        isAway: at.isAway,
        frames: at.switch.totals.frames,
        octets: at.switch.totals.octets,
        samples: at.switch.totals.samples,
        drops: at.dropsBefore + (at.ring?.counts().drops ?? 0),
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
        readRest(at)
        for (const port of at.ports) port.pollAt = 0
        at.switch.poll(uptime())
        at.switch.flush()
        closeRing(at)
      }
    },
  }
}

function isSameCapture(a: SwitchConfig, b: SwitchConfig): boolean {
  return (
    a.device === b.device && a.headerBytes === b.headerBytes && a.promiscuous === b.promiscuous && a.filter === b.filter
  )
}

/** Whether numbers of ports may not fit into the 24 bits that the compact samples of sFlow have for them. */
function needsExpanded({ firstIfIndex, switches }: ProbeConfig): boolean {
  const most = switches.reduce((sum, { ports, learn }) => sum + ports.length + (learn ? MOST_LEARNT : 0), 0)
  return firstIfIndex + most >= 2 ** 24
}

/** The prefixes under which hypervisors hand out addresses: VMware (three), Xen, KVM, VirtualBox, Hyper-V. */
const VIRTUAL_PREFIXES: ReadonlySet<number> = new Set([
  0x005056, 0x000c29, 0x000569, 0x00163e, 0x525400, 0x080027, 0x00155d,
])

/** Locally administered, or of a hypervisor. */
function isVirtual(mac: number): boolean {
  const first = Math.floor(mac / 2 ** 40)
  return (first & 1) === 0 && ((first & 2) !== 0 || VIRTUAL_PREFIXES.has(Math.floor(mac / 2 ** 24)))
}
