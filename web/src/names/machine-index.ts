// Lookups in the inventory and among the exporters.
import { useMemo } from 'react'
import type { InventoryAnswer } from '../../../src/api/contract/system.ts'
import { useExporters, useInventory } from '../api/system.ts'
import type { ExporterNames } from './dimensions.ts'

export type Machine = InventoryAnswer['machines'][number]

export interface MachineIndex {
  readonly byName: ReadonlyMap<string, Machine>
  readonly byAddress: ReadonlyMap<string, Machine>
}

export function indexMachines(machines: readonly Machine[]): MachineIndex {
  return {
    byName: new Map(machines.map((machine) => [machine.name, machine])),
    byAddress: new Map(machines.flatMap((machine) => machine.addresses.map((address) => [address, machine] as const))),
  }
}

export function useMachineIndex(): MachineIndex {
  const machines = useInventory().data?.machines
  return useMemo(() => indexMachines(machines ?? []), [machines])
}

/** Names of exporters by their address. */
export function useExporterNames(): ExporterNames {
  const exporters = useExporters().data?.exporters
  // Their counters change with every look, their names seldom: what is drawn with these stays as it is.
  const named = JSON.stringify(
    (exporters ?? []).flatMap(({ address, name }) => (name === null ? [] : [[address, name]])),
  )
  return useMemo(() => new Map(JSON.parse(named) as [string, string][]), [named])
}
