import type { Clock } from '../base/clock.ts'
import { parseIp } from '../base/address.ts'
import type { FlowBatch } from '../flow/flow-batch.ts'
import type { Inventory } from '../inventory/inventory.ts'
import { KeyTable } from '../inventory/key-table.ts'
import type { InventoryConfig, MachineRecord } from '../inventory/machine.ts'
import type { Places } from './places.ts'
import { createNetworks, EXTERNAL, GROUP, INTERNAL, NOWHERE } from './networks.ts'

// Values of the `locality` column
const UNKNOWN = 0
const INTRA_HOST = 1
const INTER_HOST = 2
const VM_PHYSICAL = 3
const VM_EXTERNAL = 4
const ALL_EXTERNAL = 5

// Values of the `protocol` and `forwarding_status` columns
const SFLOW = 1
const DROPPED = 128

/** New addresses taken from one batch at most: a flood of spoofed sources must not slow the pipeline. */
const MOST_LEARNT_A_BATCH = 1000
/** VLANs remembered of one machine. */
const MOST_VLANS = 64

export interface EnricherDeps {
  readonly inventory: Inventory
  readonly clock: Clock
  /** Countries and autonomous systems, where databases are configured. Its numbers of names are the inventory's. */
  readonly places?: Places
}

/**
 * Inventory → columns: fills src_vm, dst_vm, src_host, dst_host, slice, locality of each row, at the time of receipt; and
 * from databases the countries, and the autonomous systems that the exporter didn't tell.
 */
export function createEnricher(config: InventoryConfig, deps: EnricherDeps) {
  const { inventory, clock, places } = deps
  const realmOf = createNetworks(config.networks)
  const rates: number[] = []
  const rateOf = new KeyTable(4)
  for (const exporter of config.exporters) {
    const bytes = parseIp(exporter.address)
    if (!bytes || exporter.samplingRate === undefined) continue
    rateOf.set(new Uint32Array(bytes.buffer), 0, rates.length)
    rates.push(exporter.samplingRate)
  }
  const sliceNames = new Uint32Array(4096)
  for (const [vlan, name] of inventory.sliceOfVlan) if (vlan < 4096) sliceNames[vlan] = inventory.nameId(name)

  /** The machine behind a MAC address; behind an IP address, where the MAC is unknown or only a router's. */
  function machineOf(mac: Uint32Array, address: Uint32Array, row: number): MachineRecord | undefined {
    const byMac = inventory.byMac.size === 0 ? -1 : inventory.byMac.find(mac, row * 2)
    const link = byMac < 0 ? undefined : inventory.machines[byMac]
    if (link?.kind === 'vm' && !link.routes) return link
    const byAddress = inventory.byAddress.size === 0 ? -1 : inventory.byAddress.find(address, row * 4)
    const owner = byAddress < 0 ? undefined : inventory.machines[byAddress]
    // What a router sends on are others' addresses, even those that were learnt before it was known as one.
    if (owner && (!owner.routes || owner.from.has('config'))) return owner
    // An outside address behind the MAC of a machine that we know: that machine is the gateway, not the end.
    return link !== undefined && realmOf(address, row * 4) === EXTERNAL ? undefined : link
  }

  function localityOf(
    source: MachineRecord | undefined,
    target: MachineRecord | undefined,
    batch: FlowBatch,
    row: number,
  ): number {
    if (
      source?.host !== undefined &&
      target?.host !== undefined &&
      source.kind !== 'physical' &&
      target.kind !== 'physical'
    ) {
      return source.host === target.host ? INTRA_HOST : INTER_HOST
    }
    const from = source ? INTERNAL : realmOf(batch.src_addr, row * 4)
    const to = target ? INTERNAL : realmOf(batch.dst_addr, row * 4)
    if (source?.kind === 'vm' || target?.kind === 'vm') {
      const other = source?.kind === 'vm' ? target : source
      const realm = source?.kind === 'vm' ? to : from
      if (other?.kind === 'physical' || other?.kind === 'host') return VM_PHYSICAL
      if (other) return UNKNOWN
      return realm === EXTERNAL ? VM_EXTERNAL : realm === INTERNAL ? VM_PHYSICAL : UNKNOWN
    }
    return from === EXTERNAL || to === EXTERNAL ? ALL_EXTERNAL : UNKNOWN
  }

  return {
    /** Fills the columns of the batch; answers the names that its `name` columns refer to. */
    apply(batch: FlowBatch): readonly string[] {
      const now = clock.now()
      const known = inventory.machines.length > 0
      let learnt = 0
      for (let row = 0; row < batch.n; row++) {
        const vlanIn = (batch.vlan_in[row] as number) & 0xfff
        const vlanOut = (batch.vlan_out[row] as number) & 0xfff
        if (vlanIn !== 0) inventory.vlanLastSeen[vlanIn] = now
        if (vlanOut !== 0) inventory.vlanLastSeen[vlanOut] = now
        if (rates.length > 0) {
          const at = rateOf.find(batch.exporter, row * 4)
          if (at >= 0 && !isToldSingly(batch, row)) batch.sampling_rate[row] = rates[at] as number
        }
        let slice = sliceNames[vlanIn] || (sliceNames[vlanOut] as number)
        if (known) {
          const source = machineOf(batch.src_mac, batch.src_addr, row)
          const target = machineOf(batch.dst_mac, batch.dst_addr, row)
          if (source) {
            if (source.kind === 'vm') {
              batch.src_vm[row] = source.nameId
              if (vlanIn !== 0 && source.vlans.size < MOST_VLANS) source.vlans.add(vlanIn)
              if (learnt < MOST_LEARNT_A_BATCH && isNewAddress(batch, row, source)) {
                inventory.learnAddress(source, batch.src_addr, row * 4)
                learnt++
              }
            }
            batch.src_host[row] = source.hostId
            slice ||= source.sliceId
          }
          if (target) {
            if (target.kind === 'vm') batch.dst_vm[row] = target.nameId
            batch.dst_host[row] = target.hostId
            slice ||= target.sliceId
          }
          batch.locality[row] = localityOf(source, target, batch, row)
        }
        batch.slice[row] = slice
      }
      if (places && (places.hasCountries || places.hasSystems)) fillPlaces(batch, places)
      return inventory.names
    },
  }

  /** True if the sender was told by its MAC and sends with an address that it may take. */
  function isNewAddress(batch: FlowBatch, row: number, source: MachineRecord): boolean {
    if (source.routes || !inventory.isFree(batch.src_addr, row * 4, source)) return false
    const realm = realmOf(batch.src_addr, row * 4)
    if (realm === NOWHERE || realm === GROUP) return false
    return inventory.byMac.find(batch.src_mac, row * 2) === source.id
  }
}

/** Exporters that don't route send 0 for a system; what one of them says stands. */
function fillPlaces(batch: FlowBatch, places: Places): void {
  const { countries, systems } = places
  for (let row = 0; row < batch.n; row++) {
    const source = places.locate(batch.src_addr, row * 4)
    batch.src_country[row] = countries[source] as number
    if (batch.src_as[row] === 0) batch.src_as[row] = systems[source] as number
    const target = places.locate(batch.dst_addr, row * 4)
    batch.dst_country[row] = countries[target] as number
    if (batch.dst_as[row] === 0) batch.dst_as[row] = systems[target] as number
  }
}

/** True for a packet of an sFlow discard notice: each of them is told, whatever the sampling rate. A sampled packet that was discarded has its reason in `out_if`. */
function isToldSingly(batch: FlowBatch, row: number): boolean {
  return (
    batch.protocol[row] === SFLOW &&
    batch.forwarding_status[row] === DROPPED &&
    (batch.out_if[row] as number) >>> 30 !== 1
  )
}
