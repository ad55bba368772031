import { Random } from './random.ts'

// Who is there: sites, hosts with a virtual switch and an uplink each, VMs with their network cards, physical machines, and the outside.

/** A port of a virtual switch, with its exact counters. Directions are the switch's: `in` is what the machine behind it sends. */
export interface Port {
  readonly host: Host
  readonly ifIndex: number
  readonly name: string
  /** Bits a second. */
  readonly speed: number
  readonly uplink: boolean
  inPackets: number
  /** Frame bytes with FCS, and with the tag on an uplink. */
  inBytes: number
  outPackets: number
  outBytes: number
}

export interface Host {
  readonly index: number
  readonly name: string
  readonly site: string
  /** 16 bytes, IPv4 mapped: its address in the management VLAN, which is also its sFlow agent address. */
  readonly address: Uint8Array
  readonly uuid: Uint8Array
  readonly mac: Uint8Array
  readonly uplink: Port
  /** The uplink first, then a port for each network card. */
  readonly ports: Port[]
  readonly vms: Machine[]
  readonly cpus: number
  readonly memory: number
}

/** A network card, or the outside as it shows behind the router. */
export interface Nic {
  readonly index: number
  readonly machine: Machine
  readonly mac: Uint8Array
  readonly v4: Uint8Array
  readonly v6: Uint8Array
  readonly vlan: number
  /** undefined if no monitored switch has it. */
  readonly port: Port | undefined
}

export interface Machine {
  readonly index: number
  readonly name: string
  readonly role: string
  readonly kind: 'vm' | 'physical' | 'outside'
  readonly host: Host | undefined
  readonly uuid: Uint8Array
  readonly nics: Nic[]
  readonly cpus: number
  readonly memory: number
}

export interface DataCenter {
  readonly hosts: readonly Host[]
  readonly vms: readonly Machine[]
  readonly physical: readonly Machine[]
  /** The outside, one card for each VLAN that it is reached from. */
  readonly outside: Machine
  /** All, in the order of their indexes. */
  readonly nics: readonly Nic[]
  readonly machines: readonly Machine[]
}

export const VLANS: ReadonlyMap<number, string> = new Map([
  [110, 'storage'],
  [120, 'web-prod'],
  [130, 'backup'],
  [140, 'mgmt'],
  [201, 'slice-cesnet'],
  [202, 'slice-garr'],
  [203, 'slice-psnc'],
  [204, 'slice-grnet'],
])

const SITES = ['prg', 'ath', 'mil', 'erl', 'poz'] as const

// Roles in the order in which a small data center gets them; `*` lines repeat for the rest.
type RoleRow = readonly [name: string, role: string, vlans: readonly number[], site?: string]
const FIRST_ROLES: readonly RoleRow[] = [
  ['web-1', 'web', [120, 110]],
  ['db-main', 'db', [120, 110, 130]],
  ['dns-1', 'dns', [120]],
  ['stor-gw-1', 'storage', [110, 130]],
  ['web-2', 'web', [120, 110]],
  ['iperf-prg', 'iperf', [201], 'prg'],
  ['iperf-mil', 'iperf', [201], 'mil'],
  ['backup-2', 'backup', [130]],
  ['web-3', 'web', [120, 110]],
  ['app-1', 'app', [120]],
  ['garr-node-1', 'science', [202]],
  ['garr-node-2', 'science', [202]],
  ['mon-1', 'monitor', [140]],
  ['iperf-ath', 'iperf', [201], 'ath'],
  ['db-replica', 'db', [120, 110, 130]],
  ['cache-1', 'cache', [120]],
  ['mail-1', 'mail', [120, 130]],
  ['dns-2', 'dns', [120]],
  ['iperf-poz', 'iperf', [201], 'poz'],
  ['iperf-erl', 'iperf', [201], 'erl'],
  ['stor-gw-2', 'storage', [110, 130]],
  ['backup-1', 'backup', [130]],
  ['jump-1', 'jump', [140]],
  ['ci-1', 'ci', [140, 110]],
  ['psnc-video-1', 'video', [203]],
  ['psnc-view-1', 'viewer', [203]],
  ['psnc-view-2', 'viewer', [203]],
  ['grnet-head', 'cluster', [204]],
  ['grnet-node-1', 'cluster', [204]],
  ['grnet-node-2', 'cluster', [204]],
]
const NEXT_ROLES: readonly (readonly [prefix: string, role: string, vlans: readonly number[], from: number])[] = [
  ['web', 'web', [120, 110], 4],
  ['app', 'app', [120], 2],
  ['garr-node', 'science', [202], 3],
  ['web', 'web', [120, 110], 5],
  ['grnet-node', 'cluster', [204], 3],
  ['app', 'app', [120, 130], 3],
  ['cesnet-node', 'node', [201], 1],
  ['web', 'web', [120, 110], 6],
  ['cache', 'cache', [120], 2],
  ['psnc-view', 'viewer', [203], 3],
]

/** Builds the data center that a seed, a number of hosts and a number of VMs determine. */
export function buildDataCenter(options: { seed: number; hosts: number; vms: number }): DataCenter {
  return new Builder(options.seed).build(options.hosts, options.vms)
}

class Builder {
  private readonly random: Random
  private readonly hosts: Host[] = []
  private readonly machines: Machine[] = []
  private readonly nics: Nic[] = []
  private readonly perVlan = new Map<number, number>()

  constructor(seed: number) {
    this.random = new Random(seed, 'data center')
  }

  build(hosts: number, vms: number): DataCenter {
    for (let i = 0; i < hosts; i++) this.addHost(i)
    for (let i = 0; i < vms; i++) this.addVm(i)
    const physical = [
      this.addPhysical('stor-array-1', 'array', [110]),
      this.addPhysical('stor-array-2', 'array', [110]),
      this.addPhysical('tape-1', 'tape', [130]),
      this.addPhysical('core-r1', 'router', [140]),
      this.addPhysical('core-r2', 'router', [140]),
    ]
    const outside = this.addMachine('outside', 'outside', 'outside', undefined)
    for (const vlan of VLANS.keys()) this.addNic(outside, vlan, routerMac(vlan))
    return {
      hosts: this.hosts,
      vms: this.machines.filter((machine) => machine.kind === 'vm'),
      physical,
      outside,
      nics: this.nics,
      machines: this.machines,
    }
  }

  private addHost(index: number): void {
    const site = SITES[index % SITES.length] as string
    const number = Math.floor(index / SITES.length) + 1
    const siteNumber = (index % SITES.length) + 1
    const address = mapped(10, 140, siteNumber + 5 * (number >> 8), number & 0xff)
    const ports: Port[] = []
    const mac = Uint8Array.of(0x90, 0xe2, 0xba, siteNumber, number >> 8, number & 0xff)
    const host: Host = {
      index,
      name: `${site}-h${number}`,
      site,
      address,
      uuid: this.uuid(),
      mac,
      ports,
      vms: [],
      cpus: 32,
      memory: 256 * 2 ** 30,
      uplink: {
        ...emptyPort(),
        host: undefined as unknown as Host,
        ifIndex: 1,
        name: 'uplink1',
        speed: 40e9,
        uplink: true,
      },
    }
    ;(host.uplink as { host: Host }).host = host
    ports.push(host.uplink)
    this.hosts.push(host)
  }

  private addVm(index: number): void {
    const [name, role, vlans, site] = vmRole(index)
    const atSite = site === undefined ? [] : this.hosts.filter((host) => host.site === site)
    const host = atSite.length > 0 ? this.random.pick(atSite) : this.emptiest()
    const machine = this.addMachine(name, role, 'vm', host)
    host.vms.push(machine)
    for (const vlan of vlans) {
      const id = this.nics.length
      const vendor = host.site === 'mil' ? [0x00, 0x50, 0x56] : [0x52, 0x54, 0x00]
      this.addNic(machine, vlan, Uint8Array.of(...vendor, 0x10 + ((id >> 16) & 0x0f), (id >> 8) & 0xff, id & 0xff))
    }
  }

  private addPhysical(name: string, role: string, vlans: readonly number[]): Machine {
    const machine = this.addMachine(name, role, 'physical', undefined)
    for (const vlan of vlans) {
      const id = this.nics.length
      this.addNic(machine, vlan, Uint8Array.of(0x00, 0xa0, 0x98, (id >> 16) & 0xff, (id >> 8) & 0xff, id & 0xff))
    }
    return machine
  }

  /** One of the hosts with the fewest VMs. */
  private emptiest(): Host {
    const least = Math.min(...this.hosts.map((host) => host.vms.length))
    return this.random.pick(this.hosts.filter((host) => host.vms.length === least))
  }

  private addMachine(name: string, role: string, kind: Machine['kind'], host: Host | undefined): Machine {
    const machine: Machine = {
      index: this.machines.length,
      name,
      role,
      kind,
      host,
      uuid: this.uuid(),
      nics: [],
      cpus: this.random.pick([2, 4, 4, 8]),
      memory: this.random.pick([4, 8, 8, 16]) * 2 ** 30,
    }
    this.machines.push(machine)
    return machine
  }

  private addNic(machine: Machine, vlan: number, mac: Uint8Array): void {
    const number = (this.perVlan.get(vlan) ?? 9) + 1
    this.perVlan.set(vlan, number)
    const host = machine.host
    const nic: Nic = {
      index: this.nics.length,
      machine,
      mac,
      vlan,
      v4: Uint8Array.of(10, vlan, (number >> 8) & 0xff, number & 0xff),
      // 2001:db8:<VLAN as it is read>::<number>
      v6: Uint8Array.of(
        0x20,
        0x01,
        0x0d,
        0xb8,
        Math.floor(vlan / 100),
        Number.parseInt(String(vlan % 100), 16),
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        (number >> 8) & 0xff,
        number & 0xff,
      ),
      port: host === undefined ? undefined : addPort(host, machine),
    }
    this.nics.push(nic)
    machine.nics.push(nic)
  }

  private uuid(): Uint8Array {
    const uuid = new Uint8Array(16)
    for (let i = 0; i < 16; i++) uuid[i] = this.random.below(256)
    uuid[6] = ((uuid[6] as number) & 0x0f) | 0x40
    uuid[8] = ((uuid[8] as number) & 0x3f) | 0x80
    return uuid
  }
}

function vmRole(index: number): RoleRow {
  const first = FIRST_ROLES[index]
  if (first !== undefined) return first
  const rest = index - FIRST_ROLES.length
  const [prefix, role, vlans, from] = NEXT_ROLES[rest % NEXT_ROLES.length] as (typeof NEXT_ROLES)[number]
  const step = NEXT_ROLES.filter((row) => row[0] === prefix).length
  return [`${prefix}-${from + Math.floor(rest / NEXT_ROLES.length) * step}`, role, vlans]
}

function addPort(host: Host, machine: Machine): Port {
  const ifIndex = 9 + host.ports.length
  const port: Port = {
    ...emptyPort(),
    host,
    ifIndex,
    name: `tap${100 + machine.index}i${machine.nics.length}`,
    speed: 10e9,
    uplink: false,
  }
  host.ports.push(port)
  return port
}

function emptyPort(): Pick<Port, 'inPackets' | 'inBytes' | 'outPackets' | 'outBytes'> {
  return { inPackets: 0, inBytes: 0, outPackets: 0, outBytes: 0 }
}

/** VRRP virtual router MAC (RFC 9568 §7.3) of the gateway of a VLAN. */
function routerMac(vlan: number): Uint8Array {
  return Uint8Array.of(0x00, 0x00, 0x5e, 0x00, 0x01, vlan & 0xff)
}

function mapped(a: number, b: number, c: number, d: number): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d)
}
