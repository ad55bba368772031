import type { Inventory } from './inventory.ts'

/** The inventory as the API answers it: plain data, by name. */
export function inventoryAnswer(inventory: Inventory) {
  return {
    machines: inventory.machines
      .map((machine) => ({
        name: machine.name,
        kind: machine.kind,
        uuid: machine.uuid ?? null,
        host: machine.host ?? null,
        macs: inventory.macsOf(machine),
        addresses: [...machine.addresses],
        vlans: [...machine.vlans].sort((a, b) => a - b),
        slice: machine.slice ?? null,
        from: [...machine.from],
        lastSeen: machine.lastSeen ?? null,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    vlans: inventory.vlans(),
    switches: [...inventory.hostsOfAgents()].map(([address, host]) => ({
      address,
      name: inventory.exporterName(address) ?? null,
      host,
    })),
  }
}
