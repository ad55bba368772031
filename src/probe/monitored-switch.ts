import { macText } from '../base/address.ts'
import { MirrorReader } from '../capture/mirror.ts'
import type { PacketBlock } from '../capture/packet-block.ts'
import type { PacketSource } from '../capture/packet-source.ts'
import type { RandomSource } from '../capture/sampler.ts'
import type { SflowEncoder } from '../wire/sflow/encode.ts'
import { isVlanAware, readBridge, type FoundPort } from './bridge.ts'
import type { PortConfig, ProbeConfig, SwitchConfig } from './config.ts'
import type { DeviceCounters, KernelDevices } from './kernel-devices.ts'
import { readOpenVswitch } from './open-vswitch.ts'
import type { PortNumbers } from './port-numbers.ts'
import { SwitchPort } from './port.ts'
import { learntPort, MOST_LEARNT, VirtualSwitch, type SwitchTotals } from './virtual-switch.ts'

// One switch that is monitored: its packets, its ports and where they are learnt from.

export interface MonitoredDeps {
  readonly random: RandomSource
  readonly kernel: KernelDevices
  say(sentence: string): void
  /** Milliseconds since the probe began. */
  uptime(): number
}

export interface MonitoredSetup {
  readonly config: SwitchConfig
  /** The configuration that the switch is part of. */
  readonly whole: ProbeConfig
  readonly subAgent: number
  readonly encoder: SflowEncoder
  readonly source: PacketSource
  readonly numbers: PortNumbers
}

/** A port that nobody told, and that has been silent for so long, is gone; earlier where there is no room for others. */
const SILENT_MS = 3_600_000
const SILENT_FULL_MS = 300_000

export class MonitoredSwitch {
  readonly config: SwitchConfig
  readonly subAgent: number
  readonly encoder: SflowEncoder
  readonly ports: SwitchPort[]
  readonly switch: VirtualSwitch
  readonly source: PacketSource
  readonly mirrors: MirrorReader | undefined
  private readonly bridge: string
  /** Of sources that are closed. */
  private readonly dropsBefore: number
  private readonly whole: ProbeConfig
  private readonly numbers: PortNumbers
  private readonly deps: MonitoredDeps
  /** Whether somebody else tells the ports: the kernel or Open vSwitch. */
  private isTold: boolean
  /** Whether an answer of Open vSwitch is awaited. */
  isAsking = false
  /** Whether Open vSwitch is there and does not answer: said once. */
  private isSilent = false
  private isOver = false
  /** Takes addresses that no port has, if they are to be learnt. */
  private strangers: ((mac: number) => void) | undefined

  /** @param before the same switch in the former configuration */
  constructor(setup: MonitoredSetup, deps: MonitoredDeps, before: MonitoredSwitch | undefined) {
    const { config, whole, subAgent, encoder, source, numbers } = setup
    this.config = config
    // Libpcap by force is the same device
    this.bridge = config.device.replace(/^pcap:/, '')
    this.whole = whole
    this.subAgent = subAgent
    this.encoder = encoder
    this.source = source
    this.numbers = numbers
    this.deps = deps
    this.mirrors = config.unwrap.length > 0 ? new MirrorReader(config.unwrap) : undefined
    this.dropsBefore =
      before === undefined ? 0 : before.drops() - (before.source === source ? source.counts().drops : 0)
    this.isTold = before?.isTold ?? false
    this.ports = this.portsFrom(before?.ports ?? [])
    const totals: SwitchTotals = before?.switch.totals ?? { frames: 0, octets: 0, samples: 0, short: 0, drops: 0 }
    this.switch = new VirtualSwitch(this.ports, encoder, totals, {
      samplingRate: whole.samplingRate,
      pollingInterval: whole.pollingInterval * 1000,
      headerBytes: config.headerBytes,
      promiscuous: config.promiscuous,
      random: deps.random,
      isVlanAware: isVlanAware(this.bridge),
      kernel: config.counters === 'kernel' ? deps.kernel : undefined,
    })
  }

  get isKernelCounted(): boolean {
    return this.config.counters === 'kernel'
  }

  /** Packets, or samples where the kernel chooses them, that found no room. */
  drops(): number {
    return this.dropsBefore + this.source.counts().drops
  }

  /** Ports in the order of the file; those that were there before, by MAC, go on. */
  private portsFrom(before: readonly SwitchPort[]): SwitchPort[] {
    // Ports of a bridge that were found may have no address of their own
    const known = new Map(before.map((port) => [port.mac || port.config.name, port]))
    const ports = this.config.ports.map((portConfig) => {
      const index = this.numbers.take()
      const old = known.get(portConfig.mac)
      if (!old) return this.newPort(portConfig, index)
      known.delete(portConfig.mac)
      old.config = portConfig
      this.keep(old, index)
      return old
    })
    if (this.config.learn) {
      for (const port of known.values()) {
        if (!port.isLearnt) continue
        this.keep(port, this.numbers.take())
        ports.push(port)
      }
    }
    return ports
  }

  private newPort(portConfig: PortConfig, index: number): SwitchPort {
    const port = new SwitchPort(portConfig, index, this.whole.samplingRate, this.deps.random)
    port.pollAt = this.somewhen()
    port.heardAt = this.deps.uptime()
    if (portConfig.device !== '') this.setDevice(port, portConfig.device, false)
    return port
  }

  private keep(port: SwitchPort, index: number): void {
    port.index = index
    const { samplingRate } = this.whole
    if (port.sampler.rate !== samplingRate) port.sampler.setRate(samplingRate)
    if (port.config.device !== '') this.setDevice(port, port.config.device, false)
    else if (port.device !== '') this.setDevice(port, port.device, port.isInside)
    // It may have waited for the end of a longer interval
    port.pollAt = Math.min(port.pollAt, this.somewhen())
  }

  /** Within the next polling interval: counters of many ports are not all due at once. */
  private somewhen(): number {
    return this.deps.uptime() + this.deps.random.unit() * this.whole.pollingInterval * 1000
  }

  private setDevice(port: SwitchPort, device: string, isInside: boolean): void {
    port.setDevice(device, isInside)
    this.setIndex(port, device)
  }

  private setIndex(port: SwitchPort, device: string): void {
    if (this.config.ifIndex !== 'kernel') return
    const ifIndex = this.deps.kernel.ifIndex(device)
    if (ifIndex !== 0) port.index = ifIndex
  }

  readBlock(block: PacketBlock): boolean {
    const { source } = this
    if (!source.next(block)) return false
    this.mirrors?.unwrap(block)
    if (this.config.sampling === 'kernel')
      this.switch.sampled(block, Math.max(1, Math.round(source.sampleRate)), this.strangers)
    else this.switch.block(block, this.strangers)
    source.release()
    return true
  }

  /** Reads what lies there, and lets go of the device. */
  close(block: PacketBlock): void {
    this.isOver = true
    this.source.end()
    while (this.readBlock(block));
    this.source.close()
  }

  /** Another goes on with its source and ports. */
  handOver(): void {
    this.isOver = true
  }

  /** To be called every second or so. */
  lookAfter(): void {
    this.source.lookAfter()
    this.switch.totals.drops = this.drops()
  }

  /** Takes over what the kernel counts. */
  look(counters: ReadonlyMap<string, DeviceCounters>): void {
    for (const port of this.ports) {
      if (port.device === '') continue
      const counted = counters.get(port.device)
      if (counted) port.look(counted)
      else port.lose()
    }
  }

  /** Finds ports and devices out, as far as that is wanted. */
  learn(): void {
    const { config } = this
    if (!config.learn && config.counters === 'frames' && config.ifIndex === 'file') return
    const found = readBridge(this.bridge)
    if (found) return this.learnFrom(found)
    if (this.isAsking) return
    this.isAsking = true
    void readOpenVswitch(this.bridge, config.ovsdb).then((told) => {
      this.isAsking = false
      if (this.isOver) return
      if (told === 'silent' && !this.isSilent)
        this.deps.say(`${config.device}: Open vSwitch does not answer at ${config.ovsdb}; may this user open it?`)
      this.isSilent = told === 'silent'
      this.learnFrom(told === 'silent' ? undefined : told)
    })
  }

  private learnFrom(found: readonly FoundPort[] | undefined): void {
    const { config } = this
    if (found) {
      this.isTold = true
      this.strangers = undefined
      return this.takeOver(found)
    }
    // A bridge that is away for a moment has its ports again when it comes back
    if (!config.learn || this.isTold) return
    this.strangers = (mac) => {
      if (isVirtual(mac) && !this.switch.knows(mac)) this.addPort(learntPort(mac, '', 'virtual'))
    }
    this.forgetSilent()
  }

  /** Ports as the kernel or Open vSwitch tells them. */
  private takeOver(found: readonly FoundPort[]): void {
    const names = new Set(found.map(({ name }) => name))
    this.remove((port) => !names.has(port.config.name))
    // Addresses that the switch has forgotten since are nobody's
    this.switch.forgetMacs()
    for (const each of found) {
      let place = this.placeOf(each)
      if (place < 0) {
        if (!this.config.learn) continue
        const kind = each.isUplink ? 'uplink' : 'virtual'
        const mac = each.isUplink ? 0 : (each.macs[0] ?? 0)
        if (!this.addPort({ ...learntPort(mac, each.name, kind), ifSpeed: each.speed }, each)) continue
        place = this.ports.length - 1
      }
      const port = this.ports[place] as SwitchPort
      if (port.config.device === '') this.setFound(port, each)
      // Behind an uplink is everybody else, who needs no entry
      if (!port.isUplink) for (const mac of each.macs) this.switch.addMac(mac, place)
    }
  }

  private setFound(port: SwitchPort, { name, device, isInside }: FoundPort): void {
    if (device === '') this.setIndex(port, name)
    else this.setDevice(port, device, isInside)
  }

  private placeOf({ name, device, macs }: FoundPort): number {
    return this.ports.findIndex(
      (port) =>
        port.config.name === name ||
        (device !== '' && port.config.device === device) ||
        (port.mac !== 0 && macs.includes(port.mac)),
    )
  }

  private addPort(portConfig: PortConfig, found?: FoundPort): SwitchPort | undefined {
    if (this.ports.length >= MOST_LEARNT) return undefined
    const port = this.newPort(portConfig, this.numbers.take())
    port.isLearnt = true
    if (found) this.setFound(port, found)
    this.switch.addPort(port)
    this.deps.say(`${this.config.device}: port ${port.index} is ${portConfig.name || macText(portConfig.mac)}`)
    return port
  }

  /** Of learnt ports those that have not been heard for long. */
  private forgetSilent(): void {
    const now = this.deps.uptime()
    const patience = this.ports.length < MOST_LEARNT ? SILENT_MS : SILENT_FULL_MS
    this.remove((port) => {
      const heard = port.inFrames + port.sampler.sequence
      if (heard !== port.heard) {
        port.heard = heard
        port.heardAt = now
      }
      return now - port.heardAt > patience
    })
  }

  private remove(isGone: (port: SwitchPort) => boolean): void {
    this.switch.removePorts((port) => {
      if (!port.isLearnt || !isGone(port)) return false
      this.deps.say(`${this.config.device}: port ${port.index}, ${port.config.name || macText(port.mac)}, is gone`)
      if (this.config.ifIndex === 'file') this.numbers.give(port.index)
      return true
    })
  }
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
