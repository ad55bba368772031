import type { NetflowOptions } from '../collect/netflow-options.ts'
import type { Config } from './config.ts'

/** The part of the configuration that says how NetFlow and IPFIX are understood; plain data. */
export function netflowOptionsOf(config: Config): NetflowOptions {
  return {
    biflow: config.decode.biflow,
    exporters: config.exporters
      .filter((exporter) => exporter.defaultSamplingRate !== null || exporter.vlanInDstAs)
      .map(({ address, defaultSamplingRate, vlanInDstAs }) => ({
        address,
        ...(defaultSamplingRate === null ? {} : { defaultSamplingRate }),
        vlanInDstAs,
      })),
  }
}
