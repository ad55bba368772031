import { ipText, macText, parseIp, parseMac } from '../base/address.ts'
import type { Clock, Millis } from '../base/clock.ts'
import type { Sighting } from '../flow/sighting.ts'
import { createInterfaces, type InterfaceRecord } from './interfaces.ts'
import { KeyTable } from './key-table.ts'
import type { InventoryConfig, MachineKind, MachineRecord } from './machine.ts'

// Who is who: machines, their hosts, adapters and addresses, learnt from sFlow host structures, the configuration, and
// (addresses only) from traffic. Everything that comes from the network is bounded.

const MOST_MACHINES = 100_000
const MOST_MACS = 64
/** Names are told to the columns by number and never forgotten: an agent that renames its machines all the time must not fill the memory. */
const MOST_NAMES = 4 * MOST_MACHINES
/** Addresses kept of one machine. One that sends with so many new ones in an hour is a router, not the owner of them. */
const MOST_LEARNT_ADDRESSES = 16
const ROUTER_MS = 3_600_000
/** An agent that tells of a machine at all does so every half a minute or so. */
const GONE_MS = 600_000
const NIL_UUID = /^[0-]*$/
/** sFlow logical entities from here on are applications and Java machines, not virtual machines (sFlow data source numbers). */
const FIRST_APPLICATION = 150_000
const LAST_APPLICATION = 265_535

/** What outlives a restart. */
export interface SavedInventory {
  readonly machines: readonly {
    readonly key: string
    readonly name: string
    readonly kind: MachineKind
    readonly uuid: string | null
    readonly host: string | null
    readonly macs: readonly string[]
    readonly addresses: readonly string[]
    readonly lastSeen: Millis | null
  }[]
  readonly agents: Readonly<Record<string, string>>
  readonly interfaces: readonly InterfaceRecord[]
}

type MachineSighting = Extract<Sighting, { kind: 'machine' }>

export type Inventory = ReturnType<typeof createInventory>

export function createInventory(config: InventoryConfig, deps: { clock: Clock }) {
  const machines: MachineRecord[] = []
  const byKey = new Map<string, MachineRecord>()
  const byName = new Map<string, MachineRecord>()
  const interfaces = createInterfaces()
  /** `agent` → name of the host that it speaks for. */
  const hostOfAgent = new Map<string, string>()
  /** Virtual machines that were seen before the host they run on had told its name. */
  const awaitingHost = new Map<string, Set<MachineRecord>>()
  const byMac = new KeyTable(2)
  /** Adapters that the configuration names: no agent takes them away. */
  const configuredMacs = new Set<number>()
  /** Agents whose host the configuration names. */
  const configuredAgents = new Set<string>()
  const byAddress = new KeyTable(4)
  const sliceOfVlan = new Map<number, string>()
  const vlanNames = new Map<number, string>(config.vlans.map((vlan) => [vlan.id, vlan.name]))
  const vlanLastSeen = new Float64Array(4096)
  const names: string[] = ['']
  const nameIds = new Map<string, number>([['', 0]])
  const macWords = new Uint32Array(2)
  let version = 0
  let refused = 0

  const exporterNames = new Map<string, string>()
  for (const exporter of config.exporters) {
    if (exporter.name !== undefined) exporterNames.set(exporter.address, exporter.name)
    if (exporter.host === undefined) continue
    hostOfAgent.set(exporter.address, exporter.host)
    configuredAgents.add(exporter.address)
  }
  for (const slice of config.slices) for (const vlan of slice.vlans ?? []) sliceOfVlan.set(vlan, slice.name)
  for (const entry of config.machines) {
    const machine = create(`name:${entry.name}`, entry.name, entry.kind)
    if (!machine) continue
    machine.from.add('config')
    machine.uuid = entry.uuid?.toLowerCase()
    place(machine, entry.kind === 'host' ? entry.name : entry.host)
    machine.slice = entry.slice ?? config.slices.find((slice) => slice.machines?.includes(entry.name))?.name
    machine.sliceId = nameId(machine.slice)
    if (machine.uuid) byKey.set(`uuid:${machine.uuid}`, machine)
    for (const mac of entry.macs ?? []) {
      const number = parseMac(mac)
      if (number === undefined) continue
      own(machine, number)
      configuredMacs.add(number)
    }
    for (const address of entry.addresses ?? []) {
      const bytes = parseIp(address)
      if (bytes) claim(machine, new Uint32Array(bytes.buffer), 0)
    }
  }

  function create(key: string, name: string, kind: MachineKind): MachineRecord | undefined {
    if (machines.length >= MOST_MACHINES || !hasRoomFor(name)) {
      refused++
      return undefined
    }
    const machine: MachineRecord = {
      id: machines.length,
      key,
      name,
      kind,
      uuid: undefined,
      host: undefined,
      slice: undefined,
      macs: new Set(),
      addresses: new Set(),
      vlans: new Set(),
      from: new Set(),
      lastSeen: undefined,
      routes: false,
      learntAt: [],
      source: undefined,
      awaitingAgent: undefined,
      nameId: nameId(name),
      hostId: 0,
      sliceId: 0,
    }
    machines.push(machine)
    byKey.set(key, machine)
    byName.set(name, machine)
    version++
    return machine
  }

  function place(machine: MachineRecord, host: string | undefined): void {
    if (machine.host === host) return
    machine.host = host
    machine.hostId = nameId(host)
    version++
  }

  function hasRoomFor(name: string): boolean {
    return names.length < MOST_NAMES || nameIds.has(name)
  }

  function nameId(name: string | undefined): number {
    if (!name) return 0
    let id = nameIds.get(name)
    if (id === undefined) {
      id = names.length
      names.push(name)
      nameIds.set(name, id)
    }
    return id
  }

  function own(machine: MachineRecord, mac: number): void {
    // A group address or an all-zero one names no adapter.
    if (mac === 0 || Math.floor(mac / 2 ** 40) % 2 === 1) return
    if (!machine.macs.has(mac)) {
      if (machine.macs.size >= MOST_MACS) return
      machine.macs.add(mac)
      version++
    }
    macWords[0] = mac % 2 ** 32
    macWords[1] = Math.floor(mac / 2 ** 32)
    const known = byMac.find(macWords, 0)
    if (known >= 0 && known !== machine.id && configuredMacs.has(mac)) return
    // A host lists the adapters of its virtual machines' taps at times; the virtual machine itself knows better.
    if (known >= 0 && known !== machine.id && machine.kind === 'host' && machines[known]?.kind === 'vm') return
    byMac.set(macWords, 0, machine.id)
  }

  function claim(machine: MachineRecord, words: Uint32Array, at: number): void {
    const holder = byAddress.find(words, at)
    const text = ipText(new Uint8Array(words.buffer, words.byteOffset + at * 4, 16))
    if (holder >= 0) machines[holder]?.addresses.delete(text)
    byAddress.set(words, at, machine.id)
    machine.addresses.add(text)
    version++
  }

  /** Temporary addresses (RFC 8981) change every day. False for a machine of the configuration, whose addresses stand. */
  function forgetOldestAddress(machine: MachineRecord): boolean {
    const [oldest] = machine.addresses
    if (oldest === undefined || machine.from.has('config')) return false
    machine.addresses.delete(oldest)
    byAddress.forget(new Uint32Array((parseIp(oldest) as Uint8Array).buffer), 0)
    return true
  }

  /** True if nobody has the address, or one who has gone or only passed it on. What the configuration says stands. */
  function isFree(words: Uint32Array, at: number, forMachine: MachineRecord): boolean {
    const id = byAddress.find(words, at)
    if (id < 0) return true
    const holder = machines[id] as MachineRecord
    if (holder === forMachine || holder.from.has('config')) return false
    return holder.routes || deps.clock.now() - (holder.lastSeen ?? 0) > GONE_MS
  }

  /** The name that nobody else bears: two machines called `ubuntu` become `ubuntu` and `ubuntu@host`. */
  function uniqueName(wanted: string, machine: MachineRecord | undefined, host: string | undefined): string {
    const holder = byName.get(wanted)
    if (!holder || holder === machine) return wanted
    const qualified = `${wanted}@${host ?? 'unknown'}`
    const other = byName.get(qualified)
    return !other || other === machine ? qualified : `${qualified}#${machine?.id ?? machines.length}`
  }

  function sightMachine(sighting: MachineSighting): void {
    const now = deps.clock.now()
    const entity = sighting.source.startsWith('3:') ? Number(sighting.source.slice(2)) : undefined
    if (entity !== undefined && entity >= FIRST_APPLICATION && entity <= LAST_APPLICATION) return
    const uuid = sighting.uuid && !NIL_UUID.test(sighting.uuid) ? sighting.uuid.toLowerCase() : undefined
    const isVirtual = entity !== undefined || sighting.parent !== undefined
    const sourceKey = `source:${sighting.agent}/${sighting.source}`
    let machine = (uuid ? byKey.get(`uuid:${uuid}`) : undefined) ?? byKey.get(sourceKey)
    // Numbers of data sources are used again: with another uuid it is another machine.
    if (uuid && machine?.uuid && machine.uuid !== uuid) machine = undefined
    if (!machine && sighting.hostname) {
      const namesake = byName.get(sighting.hostname)
      // An entry of the configuration without a uuid is completed by the first machine that bears its name.
      if (namesake?.from.has('config') && !namesake.uuid) machine = namesake
    }
    if (!machine) {
      if (!sighting.hostname) return
      const host = isVirtual ? hostOfAgent.get(sighting.agent) : undefined
      machine = create(
        uuid ? `uuid:${uuid}` : sourceKey,
        uniqueName(sighting.hostname, undefined, host),
        isVirtual ? 'vm' : 'host',
      )
      if (!machine) return
    }
    machine.from.add('sflow')
    machine.lastSeen = now
    if (sighting.hostname) rename(machine, sighting.hostname)
    if (uuid && !machine.uuid) {
      machine.uuid = uuid
      byKey.set(`uuid:${uuid}`, machine)
    }
    reachBy(sourceKey, machine)
    if (isVirtual) placeVirtual(machine, sighting.agent)
    else if (sighting.hostname) placeHost(machine, sighting.agent)
    for (const adapter of sighting.adapters ?? []) for (const mac of adapter.macs) own(machine, mac)
  }

  /** The source that told of the machine last leads to it, and no other: senders can make up as many as they like. */
  function reachBy(sourceKey: string, machine: MachineRecord): void {
    if (byKey.get(sourceKey) === machine) return
    if (machine.source !== undefined && byKey.get(machine.source) === machine) byKey.delete(machine.source)
    machine.source = sourceKey
    byKey.set(sourceKey, machine)
  }

  function rename(machine: MachineRecord, wanted: string): void {
    // A name that the configuration gave stands; one that was made unique is not a new name.
    if (machine.name === wanted || machine.from.has('config') || machine.name.startsWith(`${wanted}@`)) return
    const name = uniqueName(wanted, machine, machine.host)
    if (!hasRoomFor(name)) return
    if (byName.get(machine.name) === machine) byName.delete(machine.name)
    machine.name = name
    machine.nameId = nameId(machine.name)
    byName.set(machine.name, machine)
    version++
  }

  function placeVirtual(machine: MachineRecord, agent: string): void {
    // Its own agent, inside of it, was heard before its hypervisor's and made it look like a host.
    if (machine.kind === 'host' && !machine.from.has('config')) {
      machine.kind = 'vm'
      place(machine, undefined)
    }
    const host = hostOfAgent.get(agent)
    awaitNone(machine)
    if (host !== undefined) {
      place(machine, host)
      return
    }
    let waiting = awaitingHost.get(agent)
    if (!waiting) {
      if (awaitingHost.size >= MOST_MACHINES) return
      awaitingHost.set(agent, (waiting = new Set()))
    }
    waiting.add(machine)
    machine.awaitingAgent = agent
  }

  /** A machine waits for one agent's host at most. */
  function awaitNone(machine: MachineRecord): void {
    const agent = machine.awaitingAgent
    if (agent === undefined) return
    machine.awaitingAgent = undefined
    const waiting = awaitingHost.get(agent)
    waiting?.delete(machine)
    if (waiting?.size === 0) awaitingHost.delete(agent)
  }

  function placeHost(machine: MachineRecord, agent: string): void {
    // A virtual machine that runs an agent of its own stays where its hypervisor says that it is.
    if (machine.kind !== 'vm') place(machine, machine.name)
    if (configuredAgents.has(agent) || hostOfAgent.get(agent) === machine.name) return
    if (!hostOfAgent.has(agent) && hostOfAgent.size >= MOST_MACHINES) return
    hostOfAgent.set(agent, machine.name)
    for (const waiting of awaitingHost.get(agent) ?? []) {
      waiting.awaitingAgent = undefined
      place(waiting, machine.name)
    }
    awaitingHost.delete(agent)
    version++
  }

  function restoreMachine(entry: SavedInventory['machines'][number]): void {
    const known = byKey.get(entry.key) ?? (entry.uuid === null ? undefined : byKey.get(`uuid:${entry.uuid}`))
    const machine = known ?? create(entry.key, uniqueName(entry.name, undefined, entry.host ?? undefined), entry.kind)
    if (!machine) return
    machine.from.add('sflow')
    machine.lastSeen = entry.lastSeen ?? undefined
    if (entry.uuid !== null && machine.uuid === undefined) {
      machine.uuid = entry.uuid
      byKey.set(`uuid:${entry.uuid}`, machine)
    }
    if (machine.host === undefined && entry.host !== null) place(machine, entry.host)
    for (const mac of entry.macs) {
      const number = parseMac(mac)
      if (number !== undefined) own(machine, number)
    }
    for (const address of entry.addresses) {
      const bytes = parseIp(address)
      if (!bytes) continue
      const words = new Uint32Array(bytes.buffer)
      if (byAddress.find(words, 0) < 0) claim(machine, words, 0)
    }
  }

  return {
    machines: machines as readonly MachineRecord[],
    byMac: byMac as Pick<KeyTable, 'find' | 'size'>,
    byAddress: byAddress as Pick<KeyTable, 'find' | 'size'>,
    names: names as readonly string[],
    sliceOfVlan: sliceOfVlan as ReadonlyMap<number, string>,
    /** When each VLAN was last seen in a flow, by its number; 0 for never. Written by the enricher. */
    vlanLastSeen,

    /** Changes whenever a name, a place or an address does. */
    version: () => version,
    /** Machines that were not taken in because there were too many. */
    refused: () => refused,

    sight(sighting: Sighting): void {
      if (sighting.kind === 'machine') sightMachine(sighting)
      else interfaces.sight(sighting)
    },

    isFree,

    /** Takes a machine's own source address from a frame that it sent; `words` are the four raw words at `at`. */
    learnAddress(machine: MachineRecord, words: Uint32Array, at: number): void {
      if (machine.routes || machine.kind !== 'vm') return
      // Of two machines that send with one address, the first keeps it.
      if (!isFree(words, at, machine)) return
      const now = deps.clock.now()
      if (machine.learntAt.length === MOST_LEARNT_ADDRESSES) {
        if (Math.abs(now - (machine.learntAt[0] as number)) < ROUTER_MS) {
          machine.routes = true
          return
        }
        machine.learntAt.shift()
      }
      machine.learntAt.push(now)
      if (machine.addresses.size >= MOST_LEARNT_ADDRESSES && !forgetOldestAddress(machine)) return
      machine.from.add('traffic')
      claim(machine, words, at)
    },

    /** Index of a name in `names`; 0 for none. */
    nameId,

    /** What was learnt, as JSON; what the configuration says is not in it. */
    save(): SavedInventory {
      return {
        machines: machines
          .filter((machine) => machine.from.has('sflow'))
          .map((machine) => ({
            key: machine.key,
            name: machine.name,
            kind: machine.kind,
            uuid: machine.uuid ?? null,
            host: machine.host ?? null,
            macs: [...machine.macs].map(macText),
            // Those of a router are others'.
            addresses: machine.routes ? [] : [...machine.addresses],
            lastSeen: machine.lastSeen ?? null,
          })),
        agents: Object.fromEntries(hostOfAgent),
        interfaces: interfaces.save(),
      }
    },

    /** Takes back what `save` gave. What the configuration says meanwhile stands; what can't be read is left out. */
    restore(state: unknown): void {
      const saved = state as Partial<SavedInventory> | undefined
      for (const [agent, host] of Object.entries(saved?.agents ?? {}))
        if (!hostOfAgent.has(agent)) hostOfAgent.set(agent, host)
      for (const entry of saved?.machines ?? []) restoreMachine(entry)
      interfaces.restore(saved?.interfaces ?? [])
    },

    exporterName(address: string): string | undefined {
      return exporterNames.get(address) ?? hostOfAgent.get(address)
    },
    exporterNames: (): [address: string, name: string][] => [...hostOfAgent, ...exporterNames],
    interfaceCount: (agent: string): number => interfaces.count(agent),
    /** Address of each sFlow agent → name of the host that it speaks for. */
    hostsOfAgents: (): ReadonlyMap<string, string> => hostOfAgent,
    vlans(): { id: number; name: string | null; lastSeen: Millis | null }[] {
      const list: { id: number; name: string | null; lastSeen: Millis | null }[] = []
      for (let id = 1; id < 4096; id++) {
        const lastSeen = vlanLastSeen[id] as number
        const name = vlanNames.get(id) ?? null
        if (lastSeen > 0 || name !== null) list.push({ id, name, lastSeen: lastSeen > 0 ? lastSeen : null })
      }
      return list
    },
    macsOf(machine: MachineRecord): string[] {
      return [...machine.macs].map(macText)
    },
  }
}
