import type { Sighting } from '../flow/sighting.ts'
import { firstBytesText, type RefusedSource } from './dispatch.ts'
import type { StreamStatus } from './ingest.ts'
import { PROBLEM_TEXTS, problemText } from './problem-texts.ts'

// Who is heard: the streams of all receivers, put together by exporter address, with rates and silence.

/** One exporter: its streams, and what they come to together. */
export interface HeardExporter {
  address: string
  name: string | null
  protocols: string[]
  /** silent: nothing for 90 s, or three times its usual pause. */
  state: 'heard' | 'silent'
  firstHeard: number
  lastHeard: number
  datagramsPerSecond: number
  flowsPerSecond: number
  datagrams: number
  flows: number
  lost: number
  sampling: { rate: number; from: string }[]
  interfaces: number
  problems: Record<string, { count: number; text: string }>
  streams: HeardStream[]
}

/** As the contract of the API has it: the answer goes out as it is. */
export interface HeardStream extends Omit<StreamStatus, 'exporter' | 'templates' | 'sampling' | 'problems'> {
  templates: { id: number; kind: 'data' | 'options'; fields: number; text: string }[]
  sampling: { rate: number; from: string }[]
  problems: Record<string, number>
}

export interface ExportersHeard {
  now: number
  /** Most recently heard first. */
  exporters: HeardExporter[]
  total: number
  evicted: number
  refused: { code: string; text: string; count: number }[]
}

export interface ExportersConfig {
  /** Streams kept; beyond, the one heard longest ago goes. */
  readonly limit: number
}

export interface ExportersDeps {
  /** Name of an exporter by its address, null if nobody knows one. */
  readonly nameOf: (address: string) => string | null
}

export interface Exporters {
  /** Streams as one receiver told them at `at`. */
  heard(receiver: number, streams: readonly StreamStatus[], at: number): void
  /** Counts the interfaces that an exporter named. */
  sighted(sighting: Sighting): void
  answer(now: number, totals: ExporterTotals): ExportersHeard
}

export interface ExporterTotals {
  readonly streams: number
  readonly evicted: number
  readonly refused: readonly RefusedSource[]
}

/** A rate follows its stream with this time constant. */
const RATE_MS = 10_000
const SILENT_MS = 90_000
const SILENT_PAUSES = 3
const INTERFACES_PER_EXPORTER = 4_096
const INTERFACES_MOST = 200_000
const EXPORTERS_SHOWN = 2_000
const REFUSED_SHOWN = 100

interface Known {
  stream: StreamStatus
  seenAt: number
  datagramsPerSecond: number
  flowsPerSecond: number
  /** Usual time between two datagrams, from the slow side: the longest of late, let down slowly. */
  pause: number
}

export function createExporters(config: ExportersConfig, deps: ExportersDeps): Exporters {
  // Insertion order is the order of hearing: what is heard is put at the end, so that the first one is the oldest.
  const known = new Map<string, Known>()
  const interfaces = new Map<string, Set<number>>()
  let interfacesKept = 0

  function update(key: string, stream: StreamStatus, at: number): void {
    const before = known.get(key)
    if (!before || stream.datagrams < before.stream.datagrams) {
      known.delete(key)
      const seconds = Math.max(1, (at - stream.firstHeard) / 1000)
      known.set(key, {
        stream,
        seenAt: at,
        datagramsPerSecond: stream.datagrams / seconds,
        flowsPerSecond: stream.flows / seconds,
        pause: 0,
      })
      return
    }
    const elapsed = at - before.seenAt
    if (elapsed === 0) return
    if (elapsed < 0) {
      // The clock was set back. What was measured by it until now says nothing any more.
      before.pause = 0
      before.stream = stream
      before.seenAt = at
      return
    }
    const news = stream.datagrams - before.stream.datagrams
    const weight = 1 - Math.exp(-elapsed / RATE_MS)
    before.datagramsPerSecond += weight * ((news * 1000) / elapsed - before.datagramsPerSecond)
    before.flowsPerSecond += weight * (((stream.flows - before.stream.flows) * 1000) / elapsed - before.flowsPerSecond)
    if (news > 0) {
      const pause = (stream.lastHeard - before.stream.lastHeard) / news
      before.pause = Math.max(pause, before.pause * 0.9)
      known.delete(key)
      known.set(key, before)
    }
    before.stream = stream
    before.seenAt = at
  }

  function evict(): void {
    for (const [key, { stream }] of known) {
      if (known.size <= config.limit) return
      known.delete(key)
      interfacesKept -= interfaces.get(stream.exporter)?.size ?? 0
      interfaces.delete(stream.exporter)
    }
  }

  return {
    heard(receiver, streams, at) {
      for (let i = streams.length - 1; i >= 0; i--) {
        const stream = streams[i] as StreamStatus
        update(`${receiver} ${stream.exporter} ${stream.protocol} ${stream.observation}`, stream, at)
      }
      evict()
    },
    sighted(sighting) {
      if (sighting.kind !== 'interface') return
      let ports = interfaces.get(sighting.agent)
      if (!ports) {
        if (interfaces.size >= config.limit) return
        interfaces.set(sighting.agent, (ports = new Set()))
      }
      if (ports.size >= INTERFACES_PER_EXPORTER || interfacesKept >= INTERFACES_MOST || ports.has(sighting.ifIndex))
        return
      ports.add(sighting.ifIndex)
      interfacesKept++
    },
    answer(now, totals) {
      const byAddress = new Map<string, Known[]>()
      for (const one of known.values()) {
        const list = byAddress.get(one.stream.exporter)
        if (list) list.push(one)
        else byAddress.set(one.stream.exporter, [one])
      }
      const exporters = [...byAddress].map(([address, list]) => exporterOf(address, list, now))
      exporters.sort((a, b) => b.lastHeard - a.lastHeard)
      return {
        now,
        exporters: exporters.slice(0, EXPORTERS_SHOWN),
        total: Math.max(exporters.length, totals.streams > config.limit ? totals.streams : 0),
        evicted: totals.evicted,
        refused: totals.refused.slice(0, REFUSED_SHOWN).map(refusedText),
      }
    },
  }

  function exporterOf(address: string, list: readonly Known[], now: number): HeardExporter {
    const streams = list.map(({ stream }) => stream)
    const lastHeard = Math.max(...streams.map((s) => s.lastHeard))
    // The busiest stream says how often the exporter is usually heard.
    const pause = Math.min(...list.map((one) => one.pause))
    const silent = now - lastHeard > Math.max(SILENT_MS, SILENT_PAUSES * pause)
    const problems: Record<string, { count: number; text: string }> = {}
    for (const stream of streams) {
      for (const [code, count] of Object.entries(stream.problems)) {
        if (count === 0) continue
        const problem = (problems[code] ??= { count: 0, text: problemText(code) })
        problem.count += count
      }
    }
    return {
      address,
      name: deps.nameOf(address),
      protocols: [...new Set(streams.map((s) => s.protocol))],
      state: silent ? 'silent' : 'heard',
      firstHeard: Math.min(...streams.map((s) => s.firstHeard)),
      lastHeard,
      datagramsPerSecond: sum(list, (one) => faded(one.datagramsPerSecond, one, now)),
      flowsPerSecond: sum(list, (one) => faded(one.flowsPerSecond, one, now)),
      datagrams: sum(streams, (s) => s.datagrams),
      flows: sum(streams, (s) => s.flows),
      lost: sum(streams, (s) => s.lost),
      sampling: distinctSampling(streams),
      interfaces: interfaces.get(address)?.size ?? 0,
      problems,
      streams: streams.map((s) => ({
        sourcePort: s.sourcePort,
        protocol: s.protocol,
        observation: s.observation,
        firstHeard: s.firstHeard,
        lastHeard: s.lastHeard,
        datagrams: s.datagrams,
        flows: s.flows,
        others: s.others,
        templates: [...s.templates],
        sampling: [...s.sampling],
        lost: s.lost,
        reordered: s.reordered,
        restarts: s.restarts,
        pending: s.pending,
        problems: { ...s.problems },
      })),
    }
  }
}

/** A stream that is no longer reported loses its rate as one that is reported with nothing new. */
function faded(rate: number, one: Known, now: number): number {
  return rate * Math.exp(-Math.max(0, now - one.seenAt - 2_000) / RATE_MS)
}

function sum<T>(list: readonly T[], value: (item: T) => number): number {
  let total = 0
  for (const item of list) total += value(item)
  return total
}

function distinctSampling(streams: readonly StreamStatus[]): { rate: number; from: string }[] {
  const found = new Map<string, { rate: number; from: string }>()
  for (const { sampling } of streams) {
    for (const { rate, from } of sampling) found.set(`${rate} ${from}`, { rate, from })
  }
  return [...found.values()].slice(0, 100)
}

function refusedText({ source, code, count, firstBytes }: RefusedSource): {
  code: string
  text: string
  count: number
} {
  const why =
    code === 'bad_version'
      ? `datagrams begin with ${firstBytesText(firstBytes)}, which is no version of sFlow (5), NetFlow (1, 5, 7, 9) or IPFIX (10)`
      : PROBLEM_TEXTS[code]
  return { code, text: `From ${source}: ${why}`, count }
}
