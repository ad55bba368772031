import type { Millis } from '../base/clock.ts'

export type MachineKind = 'vm' | 'host' | 'physical'

/** A machine as the inventory knows it; mutable, owned by the inventory. */
export interface MachineRecord {
  /** Stable for the life of the process; index into the inventory's list. */
  readonly id: number
  /** `uuid:…`, `source:<agent>/<class:index>` or `name:…`: what makes two sightings the same machine. */
  readonly key: string
  name: string
  kind: MachineKind
  uuid: string | undefined
  /** Name of the host that it runs on. */
  host: string | undefined
  slice: string | undefined
  readonly macs: Set<number>
  readonly addresses: Set<string>
  readonly vlans: Set<number>
  readonly from: Set<'sflow' | 'config' | 'traffic'>
  lastSeen: Millis | undefined
  /** It sends with too many addresses to be an end: a router. Its MAC says nothing about addresses any more. */
  routes: boolean
  /** When it was last seen to send with addresses that were new, oldest first. */
  readonly learntAt: Millis[]
  /** Key of the sFlow source that told of it last. */
  source: string | undefined
  /** The agent whose host it is placed on as soon as that is known. */
  awaitingAgent: string | undefined
  /** Indices of name, host and slice in the inventory's name table, for the columns. */
  nameId: number
  hostId: number
  sliceId: number
}

/** What the configuration says of a machine. */
export interface MachineEntry {
  readonly name: string
  readonly kind: MachineKind
  readonly host?: string | undefined
  readonly uuid?: string | undefined
  readonly macs?: readonly string[] | undefined
  readonly addresses?: readonly string[] | undefined
  readonly slice?: string | undefined
}

export interface InventoryConfig {
  readonly machines: readonly MachineEntry[]
  readonly vlans: readonly { readonly id: number; readonly name: string }[]
  readonly slices: readonly {
    readonly name: string
    readonly vlans?: readonly number[] | undefined
    readonly machines?: readonly string[] | undefined
  }[]
  readonly networks: readonly {
    readonly prefix: string
    readonly name?: string | undefined
    readonly kind: 'internal' | 'external'
  }[]
  readonly exporters: readonly {
    readonly address: string
    readonly name?: string | undefined
    readonly host?: string | undefined
    /** Instead of what the exporter says. */
    readonly samplingRate?: number | undefined
  }[]
}

export const EMPTY_INVENTORY: InventoryConfig = { machines: [], vlans: [], slices: [], networks: [], exporters: [] }
