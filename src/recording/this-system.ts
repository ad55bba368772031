import { readdirSync, readFileSync } from 'node:fs'
import { arch, cpus, release, type } from 'node:os'

// What a capture file tells of the system and its interfaces.

/** Such as “Linux 6.1.0”. */
export const systemName = (): string => `${type()} ${release()} ${arch()}`

export const hardwareName = (): string => cpus()[0]?.model ?? ''

/** Name of the interface of this index; '' if there is none. */
export function interfaceName(index: number): string {
  for (const name of interfaces()) if (interfaceIndex(name) === index) return name
  return ''
}

/** 0 if there is none of this name. */
export function interfaceIndex(name: string): number {
  return Number(attribute(name, 'ifindex'))
}

const ARPHRD_ETHERNET = 1
const ARPHRD_LOOPBACK = 772

/** Link type of an interface's packets where that is sure before one comes. */
export function knownLinkType(name: string): number | undefined {
  const hardware = Number(attribute(name, 'type'))
  return hardware === ARPHRD_ETHERNET || hardware === ARPHRD_LOOPBACK ? 1 : undefined
}

/** Whether packets of this source tell in which way they went: those that libpcap alone opens don't. */
export function tellsDirections(name: string): boolean {
  return interfaceIndex(name) > 0 || name === 'any' || /^nflog(?::|$)/.test(name)
}

/** Bits a second; 0 if nobody knows. */
export function interfaceSpeed(name: string): number {
  const megabits = Number(attribute(name, 'speed'))
  return megabits > 0 ? megabits * 1_000_000 : 0
}

function interfaces(): string[] {
  try {
    return readdirSync('/sys/class/net')
  } catch {
    return []
  }
}

function attribute(name: string, which: string): string {
  try {
    return name === '' || name.includes('/') ? '' : readFileSync(`/sys/class/net/${name}/${which}`, 'utf8')
  } catch {
    return ''
  }
}
