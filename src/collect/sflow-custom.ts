// InMon's custom metrics (rtmetric) → metrics `rtmetric.<name>` of the entity `rt:<data source>`. Custom flows (rtflow) describe no
// packet: they are counted, and `decode` prints them.
import { readCustom } from '../wire/sflow/custom.ts'
import { SAMPLE, type SflowReader } from '../wire/sflow/reader.ts'
import type { Datagram, IngestSink } from './ingest.ts'
import { MOST_METRICS } from './sflow-counters.ts'
import type { SflowStream } from './sflow-streams.ts'

/**
 * Names of metrics and data sources in use at a time: whoever invents new ones without end must not fill the store's dictionaries. One that
 * nobody has sent for an hour gives way to a new one.
 */
const MOST_NAMES = 4096
const UNUSED_MS = 3_600_000
/** A name is noted as used no more often than so. */
const NOTED_MS = 60_000
const MOST_TEXT = 64

export interface CustomReader {
  /** Reads the reader's current rtmetric or rtflow. */
  read(datagram: Datagram, stream: SflowStream, sink: IngestSink): void
}

export function createCustomReader(reader: SflowReader): CustomReader {
  /** When each was last noted as used, the one longest ago first. */
  const names = new Map<string, number>()

  function isTaken(name: string, now: number): boolean {
    const used = names.get(name)
    if (used !== undefined && Math.abs(now - used) < NOTED_MS) return true
    if (used !== undefined) names.delete(name)
    else if (name === '' || name.length > MOST_TEXT || !hasRoom(now)) return false
    names.set(name, now)
    return true
  }

  function hasRoom(now: number): boolean {
    if (names.size < MOST_NAMES) return true
    const [oldest] = names
    if (oldest === undefined || now - oldest[1] < UNUSED_MS) return false
    names.delete(oldest[0])
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
      const { receivedAt: now } = datagram
      const entity = `rt:${sample.dataSource}`
      for (const { name, value } of sample.fields) {
        if (typeof value !== 'number' || !Number.isFinite(value)) continue
        if (sink.metrics.n < MOST_METRICS && isTaken(entity, now) && isTaken(`rtmetric.${name}`, now))
          sink.metrics.add(now, agent, subAgent, entity, `rtmetric.${name}`, value)
        else stream.problem('metrics_dropped')
      }
    },
  }
}
