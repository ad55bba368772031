import type { NetflowOptions } from '../collect/netflow-options.ts'
import { readElementsFile } from './elements-file.ts'
import type { Config } from './config.ts'

/** The part of the configuration that says how NetFlow and IPFIX are understood; plain data. Throws what is wrong with the file of elements. */
export function netflowOptionsOf(config: Config): NetflowOptions {
  return {
    ...(config.decode.elements === null ? {} : { elements: readElementsFile(config.decode.elements) }),
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
