import { ipText } from '../base/address.ts'
import { elementName, type ElementLookup } from '../wire/ipfix/registry.ts'
import { VARIABLE, type Template } from '../wire/ipfix/template.ts'
import type { StreamStatus } from './ingest.ts'
import type { Stream } from './netflow-stream.ts'

/** The address of a stream's exporter as text. */
export function addressText(stream: Stream): string {
  return ipText(
    new Uint8Array(Uint32Array.of(stream.address0, stream.address1, stream.address2, stream.address3).buffer),
  )
}

/** A stream as the Exporters page shows it. */
export function streamStatus(stream: Stream, registered: ElementLookup): StreamStatus {
  const transport = stream.transports[0]
  const templates = stream.transports.flatMap((one) =>
    [...one.templates].map(([id, { template }]) => ({
      id,
      kind: template.kind,
      fields: template.elements.length,
      text: templateText(template, stream.learnt ?? registered),
    })),
  )
  const sampling = stream.transports.flatMap((one) => one.sampling?.list() ?? [])
  if (stream.headerRate > 1) sampling.push({ rate: stream.headerRate, from: 'header' })
  if (sampling.length === 0 && stream.headerRate === 0 && stream.defaultRate > 0)
    sampling.push({ rate: stream.defaultRate, from: 'configuration' })
  return {
    exporter: addressText(stream),
    sourcePort: transport?.port ?? 0,
    protocol: stream.protocol,
    observation: stream.domain,
    firstHeard: stream.firstHeard,
    lastHeard: stream.lastHeard,
    datagrams: stream.datagrams,
    flows: stream.flows,
    others: stream.others,
    templates,
    sampling,
    lost: stream.lost,
    reordered: stream.reordered,
    restarts: stream.restarts,
    pending: stream.waiting.length,
    problems: { ...stream.problems },
  }
}

/** `sourceIPv4Address(4) …`: elements with their lengths; scopes in brackets. */
function templateText(template: Template, elements: ElementLookup): string {
  return Array.from(template.elements, (element, i) => {
    const length = template.lengths[i] === VARIABLE ? 'variable' : template.lengths[i]
    const text = `${elementName(template.enterprises[i] as number, element, elements)}(${length})`
    return i < template.scopes ? `[${text}]` : text
  }).join(' ')
}
