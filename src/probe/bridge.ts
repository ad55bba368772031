import { readdirSync, readFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseMac } from '../base/address.ts'
import { deviceSpeed } from './kernel-devices.ts'

// What the kernel knows of a Linux bridge, from /sys: its ports by name, and the addresses learnt behind each.

/** A port that a switch itself tells. */
export interface FoundPort {
  readonly name: string
  /** The kernel's device; '' if there is none. */
  readonly device: string
  /** The device is the host's own end: what it receives goes out of the switch. */
  readonly isInside: boolean
  /** A physical device or what leads to other machines, and not a virtual machine's. */
  readonly isUplink: boolean
  /** Bits a second; 0 if unknown. */
  readonly speed: number
  readonly macs: readonly number[]
}

const NET = '/sys/class/net'

/** struct __fdb_entry: MAC ·6 port ·1 local ·1 age ·4 port's upper byte ·1 padding ·3 */
const ENTRY = 16

/** The ports of a bridge; undefined if the device is none. */
export function readBridge(device: string, net = NET): FoundPort[] | undefined {
  const ports = join(net, device, 'brif')
  if (!existsSync(ports)) return undefined
  try {
    const macs = addressesByPort(join(net, device, 'brforward'))
    const found = readdirSync(ports)
      .toSorted()
      .map((name): FoundPort => {
        const number = Number.parseInt(readFileSync(join(ports, name, 'port_no'), 'utf8'), 16)
        return {
          name,
          device: name,
          isInside: false,
          // Asked of new ports alone: of a thousand it takes a while
          get isUplink() {
            return leadsAway(name, net)
          },
          get speed() {
            return deviceSpeed(name, net)
          },
          macs: macs.get(number) ?? [],
        }
      })
    return [...found, ownPort(device, net)]
  } catch {
    // A port that goes while it is read: the next look will tell
    return undefined
  }
}

/**
 * The host itself is behind a port, too. What the kernel counts on the bridge's device is none of its counters: while somebody
 * looks at all frames there, it counts all of them.
 */
function ownPort(device: string, net: string): FoundPort {
  const mac = parseMac(readFileSync(join(net, device, 'address'), 'utf8').trim())
  return { name: device, device: '', isInside: true, isUplink: false, speed: 0, macs: mac === undefined ? [] : [mac] }
}

/** Kinds of device that stand for a physical one, or for a tunnel to other hosts. */
const AWAY = /^DEVTYPE=(?:bond|team|vlan|vxlan|geneve|gretap|wlan)$/m

/** Whether other machines than those of this host are behind a device. */
export function leadsAway(device: string, net = NET): boolean {
  if (existsSync(join(net, device, 'device'))) return true
  try {
    return AWAY.test(readFileSync(join(net, device, 'uevent'), 'utf8'))
  } catch {
    return false
  }
}

/** Whether a device tells VLANs apart when it floods: a Linux bridge only if it filters them, any other switch does. */
export function isVlanAware(device: string, net = NET): boolean {
  if (!existsSync(join(net, device, 'bridge'))) return true
  try {
    return readFileSync(join(net, device, 'bridge', 'vlan_filtering'), 'utf8').trim() === '1'
  } catch {
    // A kernel without VLAN filtering
    return false
  }
}

function addressesByPort(file: string): Map<number, number[]> {
  const bytes = readFileSync(file)
  const found = new Map<number, number[]>()
  for (let at = 0; at + ENTRY <= bytes.length; at += ENTRY) {
    // Addresses of the bridge itself are no machine behind a port
    if (bytes.readUInt8(at + 7) !== 0) continue
    const port = (bytes.readUInt8(at + 12) << 8) | bytes.readUInt8(at + 6)
    const list = found.get(port) ?? []
    list.push(bytes.readUIntBE(at, 6))
    found.set(port, list)
  }
  return found
}
