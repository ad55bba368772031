import type { InventoryConfig } from '../inventory/machine.ts'
import type { Config } from './config.ts'

/** The part of the configuration that says who is who. */
export function inventoryConfigOf(config: Config): InventoryConfig {
  const { machines, vlans, slices, networks } = config.inventory
  return {
    machines: machines.map((machine) => ({
      ...machine,
      host: machine.host ?? undefined,
      uuid: machine.uuid ?? undefined,
      slice: machine.slice ?? undefined,
    })),
    vlans,
    slices,
    networks,
    exporters: config.exporters.map((exporter) => ({
      address: exporter.address,
      name: exporter.name ?? undefined,
      host: exporter.host ?? undefined,
      samplingRate: exporter.samplingRate ?? undefined,
    })),
  }
}
