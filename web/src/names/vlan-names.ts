import { useMemo } from 'react'
import { useInventory } from '../api/system.ts'

/** Names of VLANs that have one. */
export function useVlanNames(): ReadonlyMap<number, string> {
  const vlans = useInventory().data?.vlans
  return useMemo(
    () => new Map((vlans ?? []).flatMap((vlan) => (vlan.name === null ? [] : [[vlan.id, vlan.name] as const]))),
    [vlans],
  )
}
