// InMon's custom metrics (rtmetric) → metrics `rtmetric.<name>` of the entity `rt:<data source>`. Custom flows (rtflow) describe no
// packet: they are counted, and `decode` prints them.
import { readCustom } from '../wire/sflow/custom.ts'
import { SAMPLE, type SflowReader } from '../wire/sflow/reader.ts'
import type { Datagram, IngestSink } from './ingest.ts'
import { MOST_METRICS } from './sflow-counters.ts'
import type { SflowStream } from './sflow-streams.ts'

/** Names of metrics and data sources taken in: whoever invents new ones without end must not fill the store's dictionaries. */
const MOST_NAMES = 4096
const MOST_TEXT = 64

export interface CustomReader {
  /** Reads the reader's current rtmetric or rtflow. */
  read(datagram: Datagram, stream: SflowStream, sink: IngestSink): void
}

export function createCustomReader(reader: SflowReader): CustomReader {
  const names = new Set<string>()

  function isTaken(name: string): boolean {
    if (names.has(name)) return true
    if (name === '' || name.length > MOST_TEXT || names.size >= MOST_NAMES) return false
    names.add(name)
    return true
  }

  return {
    read(datagram, stream, sink) {
      const kind = reader.sampleType === SAMPLE.rtMetric ? 'rtmetric' : 'rtflow'
      const sample = readCustom(kind, reader.view, reader.sampleAt, reader.sampleEnd)
      if (!sample.whole && !reader.sampleCut) {
        reader.problem = 'bad_sample'
        reader.problemAt = reader.sampleAt
      }
      if (kind === 'rtflow') return
      const { agent, subAgent } = stream
      const entity = `rt:${sample.dataSource}`
      for (const { name, value } of sample.fields) {
        if (typeof value !== 'number' || !Number.isFinite(value)) continue
        if (sink.metrics.n < MOST_METRICS && isTaken(entity) && isTaken(`rtmetric.${name}`))
          sink.metrics.add(datagram.receivedAt, agent, subAgent, entity, `rtmetric.${name}`, value)
        else stream.problem('metrics_dropped')
      }
    },
  }
}
