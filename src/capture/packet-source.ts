import { readdirSync, readFileSync } from 'node:fs'
import { OperatorError, UserError } from '../base/errors.ts'
import { LINK } from '../packet/link.ts'
import { ALL_DEVICES, openPacketRing, type RingConfig } from './af-packet.ts'
import { compileFilter, type BpfProgram } from './bpf.ts'
import { openFanOut } from './fan-out.ts'
import { openLibpcapDevice } from './libpcap-device.ts'
import { isNflog, openNflog } from './nflog-device.ts'
import type { PacketBlock } from './packet-block.ts'
import { DEVICE_DOWN, type DeviceConfig, type DeviceCounts, type PacketDevice } from './packet-device.ts'
import type { Capability } from './privileges.ts'
import { ARPHRD_ETHER, ARPHRD_LOOPBACK, programForAll, trueSampleRate } from './ring-program.ts'

// Packets as they come, from whatever has a name: what meter, probe and capture read. A device that goes down or vanishes is
// waited for, and its counts go on.

export interface PacketSourceOptions extends Partial<Omit<DeviceConfig, 'device'>> {
  /** Sentences for the operator: that a device is away, and that it is back. */
  readonly say?: (sentence: string) => void
}

export interface PacketSource {
  readonly name: string
  /** Its ifIndex, which may be another when it comes back; 0 if it is no interface. */
  readonly index: number
  /** Of so many packets one is shown, as exactly as the kernel can: 1 for all of them. */
  readonly sampleRate: number
  /** Number of the fan-out that it shares packets in; 0 without one. */
  readonly fanoutGroup: number
  /** Whether it is waited for. */
  readonly isAway: boolean
  /** Bits a second; 0 if nobody knows. */
  speed(): number
  /** Shows the next packets that are there; false if none are. They are valid until `release`, which then has to be called. */
  next(into: PacketBlock): boolean
  /** Gives back what was shown last. */
  release(): void
  /** To be called every second or so: notices that the device is away, and opens it again. What was in its ring is shown before. */
  lookAfter(): void
  /** Of all the times it was open. */
  counts(): DeviceCounts
  /** Why it is away; '' if it isn't. */
  trouble(): string
  /** From now on `next` shows what lies there already, and no more, however fast it is filled. */
  end(): void
  close(): void
}

export const USUAL_DEVICE: Omit<DeviceConfig, 'device'> = {
  snapshotLength: 262_144,
  promiscuous: true,
  filter: '',
  bufferBytes: 16 << 20,
  sampleRate: 1,
  rings: 1,
}

/** Opens what has this name. @throws OperatorError if there is none or it may not be opened; UserError if the filter is wrong */
export function openPacketSource(name: string, options: PacketSourceOptions = {}): PacketSource {
  const { say, ...given } = options
  const config: DeviceConfig = { ...USUAL_DEVICE, ...given, device: name }
  return survivingSource(
    config,
    (group) => openPacketDevice({ ...config, fanoutGroup: group }),
    say ?? ((): void => undefined),
  )
}

/** What libpcap opens that is no interface. */
const LIBPCAP_ALONE = /^(nfqueue|usbmon|bluetooth|dbus-|netmap:)/

const FORCED = 'pcap:'

function openPacketDevice(config: DeviceConfig): PacketDevice {
  const { device } = config
  if (isNflog(device)) return openNflog(config)
  if (device.startsWith(FORCED)) return openLibpcapDevice(device.slice(FORCED.length), config)
  if (LIBPCAP_ALONE.test(device)) return openLibpcapDevice(device, config)
  const ring: RingConfig = {
    device,
    snapshotLength: config.snapshotLength,
    headersOnly: config.headersOnly,
    promiscuous: config.promiscuous,
    filter: config.filter === '' ? undefined : () => programFor(config),
    ringBytes: config.bufferBytes,
    sampleRate: config.sampleRate,
    fanoutGroup: config.fanoutGroup,
  }
  return config.rings > 1 ? openFanOut(ring, config.rings) : openPacketRing(ring)
}

function programFor({ filter, device, snapshotLength }: DeviceConfig): BpfProgram {
  if (device !== ALL_DEVICES) return compileFilter(filter, device, snapshotLength)
  const ethernet = compileForAny(filter, snapshotLength)
  let bare: BpfProgram | undefined
  try {
    bare = compileFilter(filter, LINK.raw, snapshotLength)
  } catch (error) {
    // It asks for what bare packets don't have, such as MACs
    if (!(error instanceof UserError)) throw error
  }
  return programForAll(ethernet, bare)
}

/** For Ethernet, by the first device that is up: on each of them the program is the same. */
function compileForAny(filter: string, snapshotLength: number): BpfProgram {
  let down: OperatorError | undefined
  for (const name of readdirSync('/sys/class/net').filter((each) => isLikeEthernet(each))) {
    try {
      return compileFilter(filter, name, snapshotLength)
    } catch (error) {
      if (!(error instanceof OperatorError) || error.code === 'capture_unavailable') throw error
      // It may also have gone meanwhile
      if (error.code === DEVICE_DOWN || !down) down = error
    }
  }
  throw down ?? new OperatorError('no_device', 'no network device has Ethernet frames')
}

function isLikeEthernet(name: string): boolean {
  const type = Number(kernelSays(name, 'type'))
  return type === ARPHRD_ETHER || type === ARPHRD_LOOPBACK
}

/** What has to be kept, where privileges are dropped, to open these again. */
export function capabilitiesFor(names: readonly string[]): Capability[] {
  const logs = names.filter((name) => isNflog(name.replace(FORCED, ''))).length
  return [...(logs < names.length ? ['net_raw' as const] : []), ...(logs > 0 ? ['net_admin' as const] : [])]
}

function survivingSource(
  config: DeviceConfig,
  open: (fanoutGroup: number | 'new' | undefined) => PacketDevice,
  say: (sentence: string) => void,
): PacketSource {
  const name = config.device
  const before: DeviceCounts = { packets: 0, drops: 0 }
  let device: PacketDevice | undefined
  let index = 0
  let sampleRate = trueSampleRate(config.sampleRate)
  let fanoutGroup = 0
  let why = ''
  /** Blocks that are still shown of a device that is to be closed; Infinity while it goes on. */
  let left = Infinity
  let isEnding = false

  // A device that comes back is joined in the same group: others may be in it still
  const opened = (): PacketDevice =>
    open(config.fanoutGroup === undefined || fanoutGroup === 0 ? config.fanoutGroup : fanoutGroup)
  const take = (one: PacketDevice): void => {
    device = one
    ;({ index, sampleRate, fanoutGroup } = one)
    left = Infinity
    why = ''
  }

  try {
    take(opened())
  } catch (error) {
    if (!(error instanceof OperatorError && error.code === DEVICE_DOWN)) throw error
    // Not only when it is up is it to be said that the filter is wrong
    if (config.filter !== '') compileFilter(config.filter, LINK.ethernet)
    why = 'ENETDOWN'
    say(`${name} is away (${why}); waiting for it`)
  }

  function close(): void {
    if (!device) return
    const { packets, drops } = device.counts()
    before.packets += packets
    before.drops += drops
    device.close()
    device = undefined
  }

  function leave(): void {
    if (device) left = Math.min(left, device.mostBlocks)
  }

  return {
    name,
    get index() {
      return index
    },
    get sampleRate() {
      return sampleRate
    },
    get fanoutGroup() {
      return fanoutGroup
    },
    get isAway() {
      return why !== ''
    },
    speed: () => speedOf(name.startsWith(FORCED) ? name.slice(FORCED.length) : name),
    next(into) {
      if (!device) return false
      if (left > 0 && device.next(into)) {
        left--
        return true
      }
      if (left !== Infinity) close()
      return false
    },
    release() {
      device?.release()
    },
    lookAfter() {
      if (isEnding) return
      if (device) {
        if (left !== Infinity) return
        const trouble = device.trouble()
        if (trouble === '') return
        if (why === '') say(`${name} is away (${trouble}); waiting for it`)
        why = trouble
        return leave()
      }
      try {
        const again = opened()
        // It may be there and down
        if (again.trouble() !== '') return again.close()
        take(again)
        say(`${name} is back`)
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error
      }
    },
    counts() {
      const now = device?.counts()
      return { packets: before.packets + (now?.packets ?? 0), drops: before.drops + (now?.drops ?? 0) }
    },
    trouble: () => why,
    end() {
      isEnding = true
      leave()
    },
    close() {
      isEnding = true
      close()
    },
  }
}

/** Megabits in the kernel, bits here. */
function speedOf(name: string): number {
  const megabits = Number(kernelSays(name, 'speed'))
  return megabits > 0 ? megabits * 1_000_000 : 0
}

/** What the kernel says of an interface; '' if it says nothing. */
function kernelSays(name: string, what: 'speed' | 'type'): string {
  try {
    return readFileSync(`/sys/class/net/${name}/${what}`, 'utf8')
  } catch {
    return ''
  }
}
