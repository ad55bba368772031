// What NetFlow and IPFIX have in common: sessions that keep templates, and the elements by their names.
export {
  createNetflowReader,
  type DecodedRecord,
  type NetflowReader,
  type NetflowReaderOptions,
} from '../collect/netflow-reader.ts'
export type { FieldValue } from '../wire/ipfix/values.ts'
export { createNetflowIngest, type NetflowDeps } from '../collect/netflow.ts'
export type { Biflow, KnownExporter, NetflowOptions } from '../collect/netflow-options.ts'
export * from './columns.ts'

/** Elements by enterprise (0: IANA, and what only NetFlow v9 numbers) and number: name and abstract data type (RFC 7012 §3.1). */
export { elementName, elementOf, type Element, type ElementType } from '../wire/ipfix/registry.ts'
/** Elements of one's own, from a file: `enterprise id name type`, one a line. */
export { parseElements, type ElementProblem, type OwnElement } from '../wire/ipfix/own-elements.ts'
