// sFlow datagrams → plain objects: what `decode` prints.
import { ipText, parseIp } from '../base/address.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import { type RowJson, rowAsJson } from '../flow/row-json.ts'
import { describeRecord, type SflowRecord } from '../wire/sflow/describe.ts'
import { discardReasonName } from '../wire/sflow/discard-reasons.ts'
import { type CustomField, readCustom } from '../wire/sflow/custom.ts'
import { isCounterSample, isFlowSample, SAMPLE, SflowReader } from '../wire/sflow/reader.ts'
import type { ProblemCode } from './ingest.ts'
import { createSampleStamp, fillSflowRow, stampSamples } from './sflow-row.ts'

interface FromAgent {
  readonly agent: string
  readonly subAgent: number
}

/** What a datagram holds, in its order. Ports are compact words: a format in the top two bits, the ifIndex or code below. */
export type SflowDecoded =
  | (FromAgent & {
      readonly kind: 'flow_sample'
      readonly sequence: number
      /** `class:index` */
      readonly source: string
      readonly samplingRate: number
      readonly samplePool: number
      readonly drops: number
      readonly input: number
      readonly output: number
      readonly records: readonly SflowRecord[]
      readonly flow?: RowJson
    })
  | (FromAgent & {
      readonly kind: 'counter_sample'
      readonly sequence: number
      readonly source: string
      readonly records: readonly SflowRecord[]
    })
  | (FromAgent & {
      readonly kind: 'discarded_packet'
      readonly sequence: number
      readonly source: string
      readonly drops: number
      readonly input: number
      readonly output: number
      readonly reason: number
      /** Absent for a code that is not known. */
      readonly reasonName?: string
      readonly records: readonly SflowRecord[]
      readonly flow?: RowJson
    })
  /** Metrics of an application (InMon, 4300:1002). */
  | (FromAgent & { readonly kind: 'rtmetric'; readonly dataSource: string; readonly metrics: readonly CustomField[] })
  /** A flow of an application (InMon, 4300:1003). */
  | (FromAgent & {
      readonly kind: 'rtflow'
      readonly dataSource: string
      readonly samplingRate: number
      readonly samplePool: number
      readonly fields: readonly CustomField[]
    })
  /** A sample of a kind that is not known: its format as `enterprise:format`, its bytes in hex. */
  | (FromAgent & { readonly kind: 'unknown_sample'; readonly format: string; readonly data: string })
  | { readonly kind: 'problem'; readonly code: ProblemCode; readonly offset: number; readonly exporter: string }

export interface SflowObjectReader {
  /** Decodes one UDP payload. `exporter` is its source address, `receivedAt` in milliseconds since 1970. */
  read(payload: Uint8Array, exporter: string, receivedAt?: number): SflowDecoded[]
}

/** Reads sFlow v5 datagrams one after another into plain objects. */
export function createSflowReader(): SflowObjectReader {
  const reader = new SflowReader()
  const batch = new FlowBatch(1)
  const bytes = new Uint8Array(batch.buffer)
  const stamp = createSampleStamp()

  function agentBytes(payload: Uint8Array, exporter: string): Uint8Array {
    const at = reader.agentAt
    const size = reader.agentType === 1 ? 4 : reader.agentType === 2 ? 16 : 0
    const given = payload.subarray(at, at + size)
    if (given.every((byte) => byte === 0)) return parseIp(exporter) ?? new Uint8Array(16)
    const bytes = new Uint8Array(16)
    if (size === 4) bytes.fill(0xff, 10, 12)
    bytes.set(given, 16 - size)
    return bytes
  }

  function flow(agent: Uint8Array, receivedAt: number): RowJson | undefined {
    bytes.fill(0)
    if (!fillSflowRow(reader, batch, 0)) return undefined
    const words = new Uint32Array(agent.slice().buffer)
    const [exporter0 = 0, exporter1 = 0, exporter2 = 0, exporter3 = 0] = words
    Object.assign(stamp, { receivedAt, exporter0, exporter1, exporter2, exporter3, observation: reader.subAgent })
    stampSamples(stamp, batch, 0, 1)
    return rowAsJson(batch, 0)
  }

  function sample(
    from: FromAgent,
    agent: Uint8Array,
    receivedAt: number,
    payload: Uint8Array,
  ): SflowDecoded | undefined {
    const { sampleType, sequence, drops, input, output } = reader
    const source = `${reader.sourceClass}:${reader.sourceIndex}`
    if (isFlowSample(sampleType)) {
      if (!reader.headRead) return undefined
      const row = flow(agent, receivedAt)
      const problem = reader.problem
      const problemAt = reader.problemAt
      reader.rewindRecords()
      const list = records('flow')
      // The records were read twice: what is wrong with them is told once
      reader.problem = problem
      reader.problemAt = problemAt
      const rest = { records: list, ...(row ? { flow: row } : {}) }
      if (sampleType === SAMPLE.discarded) {
        const reason = reader.reason
        const reasonName = discardReasonName(reason)
        const why = reasonName === undefined ? { reason } : { reason, reasonName }
        return { kind: 'discarded_packet', ...from, sequence, source, drops, input, output, ...why, ...rest }
      }
      const { samplingRate, samplePool } = reader
      return { kind: 'flow_sample', ...from, sequence, source, samplingRate, samplePool, drops, input, output, ...rest }
    }
    if (isCounterSample(sampleType)) {
      return reader.headRead
        ? { kind: 'counter_sample', ...from, sequence, source, records: records('counter') }
        : undefined
    }
    if (sampleType === SAMPLE.rtMetric || sampleType === SAMPLE.rtFlow) return customSample(from)
    const data = Buffer.from(payload.subarray(reader.sampleAt, reader.sampleEnd)).toString('hex')
    return { kind: 'unknown_sample', ...from, format: `${sampleType >>> 12}:${sampleType & 0xfff}`, data }
  }

  function customSample(from: FromAgent): SflowDecoded {
    const kind = reader.sampleType === SAMPLE.rtMetric ? 'rtmetric' : 'rtflow'
    const read = readCustom(kind, reader.view, reader.sampleAt, reader.sampleEnd)
    if (!read.whole && !reader.sampleCut) {
      reader.problem = 'bad_sample'
      reader.problemAt = reader.sampleAt
    }
    const { dataSource, samplingRate, samplePool, fields } = read
    return kind === 'rtmetric'
      ? { kind, ...from, dataSource, metrics: fields }
      : { kind, ...from, dataSource, samplingRate, samplePool, fields }
  }

  function records(kind: 'flow' | 'counter'): SflowRecord[] {
    const list: SflowRecord[] = []
    while (reader.nextRecord()) {
      const record = describeRecord(kind, reader.recordType, reader.view, reader.recordAt, reader.recordEnd)
      list.push(reader.recordCut ? { ...record, truncated: 1 } : record)
    }
    return list
  }

  return {
    read(payload, exporter, receivedAt = 0) {
      const decoded: SflowDecoded[] = []
      const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
      const problem = (): void => {
        if (reader.problem !== '')
          decoded.push({ kind: 'problem', code: reader.problem, offset: reader.problemAt, exporter })
        reader.problem = ''
      }
      if (!reader.start(view, 0, payload.length)) {
        problem()
        return decoded
      }
      const agent = agentBytes(payload, exporter)
      const from: FromAgent = { agent: ipText(agent), subAgent: reader.subAgent }
      while (reader.nextSample()) {
        const object = sample(from, agent, receivedAt, payload)
        if (object) decoded.push(object)
        problem()
      }
      problem()
      return decoded
    },
  }
}
