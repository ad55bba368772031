import { UserError } from '../base/errors.ts'

export const EXPORT_PROTOCOLS = ['sflow', 'netflow5', 'netflow9', 'ipfix'] as const
/** What a switch exports. */
export type ExportProtocol = (typeof EXPORT_PROTOCOLS)[number]

/** At which ports packets are sampled; see `SimulatorConfig.sample`. */
export type SamplePoints = 'vm-ports+external' | 'all-ports'

export interface SimulatorConfig {
  /** Decides everything that is random. */
  readonly seed: number
  readonly hosts: number
  readonly vms: number
  /** Packets a second in the whole data center, averaged over a day. */
  readonly pps: number
  /** One packet in this many is sampled. */
  readonly sampling: number
  /** Seconds between the counters of one interface, host or VM. */
  readonly polling: number
  /** `mixed`: sFlow, but one host of the Milan site exports IPFIX and one host NetFlow v9. */
  readonly protocol: ExportProtocol | 'mixed'
  /**
   * `vm-ports+external`: each packet can be sampled at one port only: where a VM sends it, or, sent by a physical machine or from
   * outside, where it enters by the uplink. `all-ports`: also where a VM's packet enters another host by its uplink, as
   * switches with sampling on every port do; what crosses hosts is then seen twice.
   */
  readonly sample: SamplePoints
  /** Bytes of each packet in an sFlow sample. */
  readonly headerBytes: number
  readonly datagramBytes: number
  /** Seconds after which the flow caches of NetFlow and IPFIX switches report a flow that goes on. */
  readonly activeTimeout: number
  /** Seconds after which they report a flow that is silent. */
  readonly inactiveTimeout: number
}

export const DEFAULTS: SimulatorConfig = {
  seed: 1,
  hosts: 12,
  vms: 90,
  pps: 1_000_000,
  sampling: 400,
  polling: 30,
  protocol: 'sflow',
  sample: 'vm-ports+external',
  headerBytes: 128,
  datagramBytes: 1400,
  activeTimeout: 60,
  inactiveTimeout: 15,
}

/** Fills in the defaults. Throws a UserError for a value that can't be. */
export function simulatorConfig(given: Partial<SimulatorConfig>): SimulatorConfig {
  const config = { ...DEFAULTS, ...given }
  whole('hosts', config.hosts, 1, 10_000)
  whole('vms', config.vms, 1, 200_000)
  whole('sampling', config.sampling, 1, 1_000_000)
  whole('seed', config.seed, 0, Number.MAX_SAFE_INTEGER)
  whole('headerBytes', config.headerBytes, 64, 1024)
  whole('datagramBytes', config.datagramBytes, 512, 65_507)
  positive('pps', config.pps, 1e9)
  positive('polling', config.polling, 86_400)
  positive('activeTimeout', config.activeTimeout, 86_400)
  positive('inactiveTimeout', config.inactiveTimeout, 86_400)
  return config
}

function whole(name: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new UserError(`${name} must be a whole number from ${low} to ${high}, not ${value}`)
  }
}

function positive(name: string, value: number, high: number): void {
  if (!(value > 0 && value <= high)) throw new UserError(`${name} must be above 0 and at most ${high}, not ${value}`)
}
