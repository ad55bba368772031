// Counter samples → metrics and sightings, by the table of structures.
import type { Sighting } from '../flow/sighting.ts'
import { describeRecord, type SflowRecord } from '../wire/sflow/describe.ts'
import type { SflowReader } from '../wire/sflow/reader.ts'
import { COUNTER_STRUCTURES, type Field } from '../wire/sflow/structures.ts'
import type { Datagram, IngestSink } from './ingest.ts'
import type { SflowStream } from './sflow-streams.ts'

/** Metrics that may wait in the sink: a flood of counters must not fill the memory while the pipeline is busy. */
export const MOST_METRICS = 1_000_000
const MOST_ENTITIES = 65_536
/** Of names; sFlow bounds them too, senders need not. */
const MOST_TEXT = 255
const TWO_32 = 4_294_967_296
const ALL_ONES = 0xffffffff
/** Of either sign: there is no such value, or it is not known (energy.power_factor). */
const UNKNOWN_SIGNED = 0x7fffffff

// sFlow Host Structures, enum machine_type and enum os_name
const MACHINES = [
  'unknown',
  'other',
  'x86',
  'x86_64',
  'ia64',
  'sparc',
  'alpha',
  'powerpc',
  'm68k',
  'mips',
  'arm',
  'hppa',
  's390',
]
const SYSTEMS = [
  'unknown',
  'other',
  'linux',
  'windows',
  'darwin',
  'hpux',
  'aix',
  'dragonfly',
  'freebsd',
  'netbsd',
  'openbsd',
  'osf',
  'solaris',
]

/** A counter of a structure: where it stands is known only while reading, for strings may precede it. */
interface Step {
  readonly type: Field['type']
  /** `structure.field`, or empty for what is no metric. */
  readonly metric: string
}

/** Identifiers, which are no quantities. */
const NOT_METRICS = new Set([
  'if_index',
  'if_type',
  'vlan_id',
  'module_id',
  'datapath_id',
  'port_no',
  'container_type',
  'container_index',
  'machine_type',
  'os_name',
  'domain_id',
  'network_index',
  'flags',
])

/** Types of fields that are quantities. */
const NUMBERS: ReadonlySet<Field['type']> = new Set(['u32', 'i32', 'u64', 'f32'])

export interface CounterReader {
  /** Reads the reader's current counter sample. */
  read(datagram: Datagram, stream: SflowStream, sink: IngestSink): void
}

export function createCounterReader(reader: SflowReader): CounterReader {
  const steps = new Map<number, readonly Step[]>()
  for (const { tag, name, fields } of COUNTER_STRUCTURES.values()) {
    steps.set(
      tag,
      fields.map((field) => ({ type: field.type, metric: isMetric(field) ? `${name}.${field.name}` : '' })),
    )
  }
  const entities = new Map<string | number, string>()

  function entityOf(sourceClass: number, index: number): string {
    const key = sourceClass * TWO_32 + index
    let entity = entities.get(key)
    if (entity === undefined) {
      if (entities.size >= MOST_ENTITIES) entities.clear()
      entity =
        sourceClass === 0
          ? `if:${index}`
          : sourceClass === 1
            ? `vlan:${index}`
            : sourceClass === 2 && index === 1
              ? 'host'
              : `entity:${sourceClass}:${index}`
      entities.set(key, entity)
    }
    return entity
  }

  function metrics(entity: string, time: number, stream: SflowStream, sink: IngestSink): void {
    const view = reader.view
    const end = reader.recordEnd
    let at = reader.recordAt
    for (const { type, metric } of steps.get(reader.recordType) ?? []) {
      let value = Number.NaN
      switch (type) {
        case 'u32': {
          if (end - at < 4) return
          const word = view.getUint32(at)
          if (word !== ALL_ONES) value = word
          at += 4
          break
        }
        case 'i32': {
          if (end - at < 4) return
          const word = view.getInt32(at)
          if (Math.abs(word) !== UNKNOWN_SIGNED) value = word
          at += 4
          break
        }
        case 'u64': {
          if (end - at < 8) return
          const high = view.getUint32(at)
          const low = view.getUint32(at + 4)
          if (high !== ALL_ONES || low !== ALL_ONES) value = high * TWO_32 + low
          at += 8
          break
        }
        case 'f32':
          if (end - at < 4) return
          value = view.getFloat32(at)
          at += 4
          break
        case 'u8':
          if (end - at < 1) return
          value = view.getUint8(at)
          at += 1
          break
        case 'mac':
          at += 8
          break
        case 'address': {
          if (end - at < 4) return
          const kind = view.getUint32(at)
          at += kind === 1 ? 8 : kind === 2 ? 20 : 4
          break
        }
        case 'string':
        case 'opaque': {
          if (end - at < 4) return
          const length = view.getUint32(at)
          if (length > end - at - 4) return
          at += 4 + ((length + 3) & ~3)
          break
        }
        default:
          return
      }
      if (metric !== '' && Number.isFinite(value))
        sink.metrics.add(time, stream.agent, stream.subAgent, entity, metric, value)
    }
  }

  function record(kind: number): SflowRecord {
    return describeRecord('counter', kind, reader.view, reader.recordAt, reader.recordEnd)
  }

  return {
    read(datagram, stream, sink) {
      const sourceClass = reader.sourceClass
      const sourceIndex = reader.sourceIndex
      const entity = entityOf(sourceClass, sourceIndex)
      const view = reader.view
      let machine: Record<string, unknown> | undefined
      let port: { ifIndex: number; name?: string; speed?: number; status?: number } | undefined
      while (reader.nextRecord()) {
        const type = reader.recordType
        const at = reader.recordAt
        const length = reader.recordEnd - at
        if (!steps.has(type)) {
          stream.unknown('counter', type)
          stream.problem('unsupported')
          sink.problem('unsupported', at - datagram.offset)
          continue
        }
        let of = entity
        if (type === 1 && length >= 24) {
          const ifIndex = view.getUint32(at)
          of = entityOf(0, ifIndex)
          port = {
            ...port,
            ifIndex,
            speed: view.getUint32(at + 8) * TWO_32 + view.getUint32(at + 12),
            status: view.getUint32(at + 20) & 3,
          }
        } else if (type === 5 && length >= 4) of = entityOf(1, view.getUint32(at))
        else if (type === 1005 && sourceClass === 0) port = { ifIndex: sourceIndex, ...port, ...named(record(type)) }
        else if (type === 2000) machine = { ...machine, ...described(record(type)) }
        else if (type === 2001) machine = { ...machine, adapters: adapters(record(type)) }
        else if (type === 2002 && length >= 8)
          machine = { ...machine, parent: `${view.getUint32(at)}:${view.getUint32(at + 4)}` }
        if (sink.metrics.n >= MOST_METRICS) stream.problem('metrics_dropped')
        else metrics(of, datagram.receivedAt, stream, sink)
      }
      if (port) sink.sighting({ kind: 'interface', agent: stream.agent, ...port })
      if (machine) {
        const source = `${sourceClass}:${sourceIndex}`
        sink.sighting({
          ...machine,
          kind: 'machine',
          agent: stream.agent,
          subAgent: stream.subAgent,
          source,
        } as Sighting)
      }
    },
  }
}

function isMetric(field: Field): boolean {
  return NUMBERS.has(field.type) && !NOT_METRICS.has(field.name)
}

function named(record: SflowRecord): { name?: string } {
  const name = text(record['name'])
  return name === undefined ? {} : { name }
}

function described(record: SflowRecord): Record<string, string> {
  const uuid = text(record['uuid'])
  const entries: [string, string | undefined][] = [
    ['hostname', text(record['hostname'])],
    ['uuid', uuid === undefined || /^[0-]*$/.test(uuid) ? undefined : uuid],
    ['machineType', MACHINES[Number(record['machine_type'])]],
    ['osName', SYSTEMS[Number(record['os_name'])]],
    ['osRelease', text(record['os_release'])],
  ]
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined))
}

function adapters(record: SflowRecord): { ifIndex: number; macs: number[] }[] {
  const list = record['adapters']
  if (!Array.isArray(list)) return []
  return list.map((adapter: { if_index?: number; mac_address?: readonly string[] }) => ({
    ifIndex: adapter.if_index ?? 0,
    macs: (adapter.mac_address ?? []).map((mac) => Number.parseInt(mac.replaceAll(':', ''), 16)),
  }))
}

/** Text without the zero bytes that some agents pad it with, of bounded length; undefined if nothing is left. */
function text(value: unknown): string | undefined {
  const clean = typeof value === 'string' ? value.replaceAll('\0', '').trim().slice(0, MOST_TEXT) : ''
  return clean === '' ? undefined : clean
}
