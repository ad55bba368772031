import { ipText, macText } from '../base/address.ts'
import type { Machine, Nic } from '../simulate/data-center.ts'
import { VLANS } from '../simulate/data-center.ts'
import type { SimulatorConfig } from '../simulate/config.ts'
import { createSimulator } from '../simulate/simulator.ts'
import type { Config } from './config.ts'

/** The simulated data center of the demo; everything not named here is the simulator's default. */
export const DEMO: Partial<SimulatorConfig> = { seed: 1, protocol: 'mixed' }

/** Slices as an operator would have lent them; the rest of the VLANs are the infrastructure's. */
const SLICES: readonly { name: string; vlans: number[] }[] = [
  { name: 'infrastructure', vlans: [110, 130, 140] },
  { name: 'web-prod', vlans: [120] },
  { name: 'slice-cesnet', vlans: [201] },
  { name: 'slice-garr', vlans: [202] },
  { name: 'slice-psnc', vlans: [203] },
  { name: 'slice-grnet', vlans: [204] },
]

/**
 * What an operator of the simulated data center would have written into the configuration: names of VLANs, slices, the
 * physical machines, and the virtual machines on hosts whose switches export NetFlow or IPFIX, which tell no names.
 */
export function withDemoInventory(config: Config): Config {
  const { center, exporters } = createSimulator(DEMO, { clock: { now: () => 0 }, send: () => undefined })
  const mute = new Set(exporters.filter(({ protocol }) => protocol !== 'sflow').map(({ name }) => name))
  const machines = [...center.physical, ...center.vms.filter(({ host }) => host !== undefined && mute.has(host.name))]
  const taken = new Set(config.inventory.machines.map(({ name }) => name))
  const vlans = new Set(config.inventory.vlans.map(({ id }) => id))
  const slices = new Set(config.inventory.slices.map(({ name }) => name))
  return {
    ...config,
    inventory: {
      ...config.inventory,
      machines: [...config.inventory.machines, ...machines.filter(({ name }) => !taken.has(name)).map(machineEntry)],
      vlans: [
        ...config.inventory.vlans,
        ...[...VLANS].filter(([id]) => !vlans.has(id)).map(([id, name]) => ({ id, name })),
      ],
      slices: [
        ...config.inventory.slices,
        ...SLICES.filter(({ name }) => !slices.has(name)).map((slice) => ({ ...slice, machines: [] })),
      ],
    },
    exporters: [
      ...config.exporters,
      ...exporters
        .filter(({ protocol }) => protocol !== 'sflow')
        .map(({ loopback, name }) => ({
          address: loopback,
          name,
          host: name,
          samplingRate: null,
          defaultSamplingRate: null,
          vlanInDstAs: false,
        })),
    ],
  }
}

function machineEntry(machine: Machine): Config['inventory']['machines'][number] {
  return {
    name: machine.name,
    kind: machine.kind === 'physical' ? 'physical' : 'vm',
    host: machine.host?.name ?? null,
    macs: machine.nics.map(({ mac }) => macText(mac.reduce((sum, byte) => sum * 256 + byte, 0))),
    addresses: machine.nics.flatMap(addressesOf),
    uuid: null,
    slice: null,
  }
}

function addressesOf({ v4, v6 }: Nic): string[] {
  return [v4.join('.'), ipText(v6)]
}
