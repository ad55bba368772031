// What we make of NetFlow and IPFIX datagrams: each record with its fields, their places and values, and its rows.

import type { Datagram, IngestSink } from '../../src/collect/ingest.ts'
import { createNetflowIngest } from '../../src/collect/netflow.ts'
import type { NetflowObserver } from '../../src/collect/netflow-options.ts'
import { FlowBatch } from '../../src/flow/flow-batch.ts'
import { MetricBatch } from '../../src/flow/metric-batch.ts'
import { rowAsJson, type RowJson } from '../../src/flow/row-json.ts'
import { locateFields } from '../../src/wire/ipfix/records.ts'
import { elementName, elementOf, REGISTERED, type ElementType } from '../../src/wire/ipfix/registry.ts'
import { fieldValue, type FieldValue } from '../../src/wire/ipfix/values.ts'
import type { Captured } from './netflow-inputs.ts'

export interface OwnField {
  readonly name: string
  readonly enterprise: number
  readonly element: number
  readonly type: ElementType | undefined
  readonly at: number
  readonly length: number
  /** As `decode` prints it. */
  readonly value: FieldValue
}

export interface OwnRecord {
  readonly kind: 'data' | 'options'
  readonly domain: number
  readonly at: number
  readonly fields: readonly OwnField[]
  readonly row: RowJson | undefined
  /** The row of the other direction, where the record tells of both. */
  readonly reverse: RowJson | undefined
}

export interface OwnDatagram {
  readonly records: readonly OwnRecord[]
  readonly problems: readonly string[]
  /** Records of earlier datagrams, which had waited for a template of this one. */
  readonly waited: number
}

export function decodeAll(inputs: readonly Captured[]): OwnDatagram[] {
  const flows = new FlowBatch(8192)
  let records: OwnRecord[] = []
  let problems: string[] = []
  let waited = 0
  let current: DataView
  const observer: NetflowObserver = {
    template() {},
    record(stream, _id, template, view, at, end, rows) {
      if (view !== current) {
        waited++
        return
      }
      const offsets = new Uint32Array(template.elements.length)
      const lengths = new Uint32Array(template.elements.length)
      locateFields(template, view, at, end, offsets, lengths)
      const context = { elements: REGISTERED, templateOf: (id: number) => stream.templateNamed(id) }
      const fields = Array.from(template.elements, (element, i): OwnField => {
        const enterprise = template.enterprises[i] as number
        const place = offsets[i] as number
        const length = lengths[i] as number
        return {
          name: elementName(enterprise, element),
          enterprise,
          element,
          type: elementOf(enterprise, element)?.type,
          at: place,
          length,
          value: fieldValue(enterprise, element, view, place, length, context),
        }
      })
      records.push({
        kind: template.kind,
        domain: stream.domain,
        at,
        fields,
        row: rows > 0 ? rowAsJson(flows, flows.n - rows) : undefined,
        reverse: rows > 1 ? rowAsJson(flows, flows.n - rows + 1) : undefined,
      })
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
    problem: (code) => problems.push(code),
  }
  const ingest = createNetflowIngest({ observer }, { clock: { now: () => 0 } })
  return inputs.map(({ from, port, payload }) => {
    const words = new Uint32Array(from.slice().buffer)
    current = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
    const datagram: Datagram = {
      bytes: payload,
      view: current,
      offset: 0,
      length: payload.length,
      receivedAt: 1_700_000_000_000,
      sourcePort: port,
      source0: words[0] as number,
      source1: words[1] as number,
      source2: words[2] as number,
      source3: words[3] as number,
    }
    records = []
    problems = []
    waited = 0
    ingest.datagram(datagram, sink)
    return { records, problems, waited }
  })
}
