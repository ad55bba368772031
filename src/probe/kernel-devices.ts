import { readFileSync } from 'node:fs'

// What the kernel itself counts and knows of the devices of this machine.

/** Of one device since it exists, as the switch sees it: what comes in was sent by the machine behind the port. */
export interface DeviceCounters {
  readonly inOctets: number
  readonly inPackets: number
  readonly inErrors: number
  readonly inDrops: number
  readonly inMulticast: number
  readonly outOctets: number
  readonly outPackets: number
  readonly outErrors: number
  readonly outDrops: number
}

export interface DeviceFacts {
  /** Bits a second; 0 if unknown. */
  readonly speed: number
  readonly isAdminUp: boolean
  readonly isUp: boolean
}

export interface KernelDevices {
  /** The counters of every device, read at once. */
  counters(): ReadonlyMap<string, DeviceCounters>
  /** 0 if there is no such device. */
  ifIndex(device: string): number
  facts(device: string): DeviceFacts
}

const NET = '/sys/class/net'
const IFF_UP = 1

export function kernelDevices(): KernelDevices {
  return {
    counters: () => parseNetDev(readFileSync('/proc/net/dev', 'utf8')),
    ifIndex: (device) => Number(read(NET, device, 'ifindex') ?? 0),
    facts: (device) => factsOf(device),
  }
}

/** Two lines of headings, then `name: ` and 8 numbers of what came in, 8 of what went out (proc_net_dev(5)). */
export function parseNetDev(text: string): Map<string, DeviceCounters> {
  const found = new Map<string, DeviceCounters>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon < 0) continue
    const cells = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
    if (cells.length < 16) continue
    const cell = (i: number): number => Number(cells[i])
    found.set(line.slice(0, colon).trim(), {
      inOctets: cell(0),
      inPackets: cell(1),
      inErrors: cell(2),
      inDrops: cell(3),
      inMulticast: cell(7),
      outOctets: cell(8),
      outPackets: cell(9),
      outErrors: cell(10),
      outDrops: cell(11),
    })
  }
  return found
}

/** Bits a second that the kernel tells; 0 where it knows none. */
export function deviceSpeed(device: string, net = NET): number {
  const megabits = Number(read(net, device, 'speed'))
  return megabits > 0 ? megabits * 1e6 : 0
}

function factsOf(device: string, net = NET): DeviceFacts {
  const state = read(net, device, 'operstate')
  return {
    speed: deviceSpeed(device, net),
    isAdminUp: (Number(read(net, device, 'flags')) & IFF_UP) !== 0,
    // Devices that know no state of their own (tun, dummy) say “unknown”
    isUp: state === 'up' || state === 'unknown',
  }
}

function read(net: string, device: string, what: string): string | undefined {
  try {
    return readFileSync(`${net}/${device}/${what}`, 'utf8').trim()
  } catch {
    // The device went, or has no such property
    return undefined
  }
}
