import { parseIp } from '../base/address.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import { MetricBatch } from '../flow/metric-batch.ts'
import { rowAsJson, type RowJson } from '../flow/row-json.ts'
import { elementName, elementsWith, type ElementLookup } from '../wire/ipfix/registry.ts'
import { recordValues, type FieldValue } from '../wire/ipfix/values.ts'
import type { Template } from '../wire/ipfix/template.ts'
import type { OwnElement } from '../wire/ipfix/own-elements.ts'
import type { Datagram, IngestSink, ProblemCode } from './ingest.ts'
import { createNetflowIngest } from './netflow.ts'
import type { NetflowObserver } from './netflow-options.ts'
import { addressText } from './netflow-status.ts'
import type { Protocol, Stream } from './netflow-stream.ts'

/** What a reader makes of a datagram, in the order in which it is understood: templates and options of a datagram before its flows. */
export type DecodedRecord =
  | {
      readonly kind: 'flow' | 'options'
      readonly protocol: Protocol
      readonly exporter: string
      readonly observationDomain: number
      readonly templateId: number
      /** By IANA element name; an element that is not known as `e<enterprise>.<id>`, in hex. */
      readonly fields: Readonly<Record<string, FieldValue>>
      /** The normalized row; absent for options. */
      readonly flow?: RowJson
      /** The row of the other direction, where one record tells of both (RFC 5103). */
      readonly reverse?: RowJson
    }
  | {
      readonly kind: 'template'
      readonly protocol: Protocol
      readonly exporter: string
      readonly observationDomain: number
      readonly templateId: number
      readonly scopes: number
      readonly elements: readonly {
        readonly name: string
        readonly enterprise: number
        readonly id: number
        readonly length: number
      }[]
    }
  | { readonly kind: 'problem'; readonly code: ProblemCode; readonly offset: number; readonly exporter: string }

export interface NetflowReader {
  /** Decodes one UDP payload; templates stay known for later datagrams of the same exporter. `receivedAt` in milliseconds since 1970. */
  read(payload: Uint8Array, exporter: string, sourcePort?: number, receivedAt?: number): DecodedRecord[]
  /** What still waits for a template that never came, as problems. */
  end(): DecodedRecord[]
}

export interface NetflowReaderOptions {
  /** Elements beside those of the registries. */
  readonly elements?: readonly OwnElement[]
}

/** Reads NetFlow v5, v7, v9 and IPFIX datagrams one after another into plain objects, through the same sessions as the collector. */
export function createNetflowReader(options: NetflowReaderOptions = {}): NetflowReader {
  const registered = elementsWith(options.elements ?? [])
  const elementsOf = (stream: Stream): ElementLookup => stream.learnt ?? registered
  const flows = new FlowBatch(64)
  let records: DecodedRecord[] = []
  let exporterText = ''

  const observer: NetflowObserver = {
    template(stream, id, template) {
      const elements = Array.from(template.elements, (element, i) => {
        const enterprise = template.enterprises[i] as number
        return {
          name: elementName(enterprise, element, elementsOf(stream)),
          enterprise,
          id: element,
          length: template.lengths[i] as number,
        }
      })
      records.push({ kind: 'template', ...identity(stream, id), scopes: template.scopes, elements })
    },
    record(stream, id, template, view, at, end, rows) {
      const templateOf = (other: number): Template | undefined => stream.templateNamed(other)
      const fields = recordValues(template, view, at, end, { templateOf, elements: elementsOf(stream) })?.fields ?? {}
      const base = { ...identity(stream, id), fields }
      if (template.kind === 'options') records.push({ kind: 'options', ...base })
      else {
        const first = flows.n - rows
        records.push({
          kind: 'flow',
          ...base,
          ...(rows > 0 ? { flow: rowAsJson(flows, first) } : {}),
          ...(rows > 1 ? { reverse: rowAsJson(flows, first + 1) } : {}),
        })
      }
    },
  }

  const sink: IngestSink = {
    flows,
    room(rows) {
      if (flows.n + rows > flows.capacity) flows.clear()
      return true
    },
    metrics: new MetricBatch(),
    sighting() {},
    problem(code, offset) {
      records.push({ kind: 'problem', code, offset, exporter: exporterText })
    },
  }

  const ingest = createNetflowIngest({ ...options, observer }, { clock: { now: () => 0 } })
  const taken = (): DecodedRecord[] => {
    const all = records
    records = []
    return all
  }

  return {
    read(payload, exporter, sourcePort = 0, receivedAt = 0) {
      exporterText = exporter
      ingest.datagram(datagramOf(payload, exporter, sourcePort, receivedAt), sink)
      return taken()
    },
    end() {
      exporterText = ''
      ingest.tick(Number.MAX_SAFE_INTEGER, sink)
      return taken()
    },
  }
}

function identity(
  stream: Stream,
  templateId: number,
): { protocol: Protocol; exporter: string; observationDomain: number; templateId: number } {
  return { protocol: stream.protocol, exporter: addressText(stream), observationDomain: stream.domain, templateId }
}

function datagramOf(payload: Uint8Array, exporter: string, sourcePort: number, receivedAt: number): Datagram {
  const words = new Uint32Array((parseIp(exporter) ?? new Uint8Array(16)).slice().buffer)
  return {
    bytes: payload,
    view: new DataView(payload.buffer, payload.byteOffset, payload.byteLength),
    offset: 0,
    length: payload.length,
    receivedAt,
    source0: words[0] as number,
    source1: words[1] as number,
    source2: words[2] as number,
    source3: words[3] as number,
    sourcePort,
  }
}
