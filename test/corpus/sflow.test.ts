// Every sFlow capture against tshark, and against what other projects keep as the right reading of their own files.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import { parseIp, ipText } from '../../src/base/address.ts'
import { pcapHeader, pcapPacket, udpPacket } from '../../src/capture/pcap-writer.ts'
import { createLeftOut, readPayloads } from '../../src/cli/payloads.ts'
import { FlowBatch } from '../../src/flow/flow-batch.ts'
import { MetricBatch } from '../../src/flow/metric-batch.ts'
import type { IngestSink } from '../../src/collect/ingest.ts'
import { createSflowIngest } from '../../src/collect/sflow.ts'
import { createSflowReader, type SflowDecoded } from '../../src/collect/sflow-reader.ts'
import {
  type FieldTable,
  FRAMEWORK,
  RECORD_FIELDS,
  SAMPLE_FIELDS,
  SAMPLE_PARTS,
  UNKNOWN_TO_TSHARK,
} from './sflow-fields.ts'
import { type RawSample, samplesIn, valuesFill } from './sflow-words.ts'
import { CAPTURES, field, number, type PdmlNode, pdmlOf, text } from './pdml.ts'

const DIRECTORY = join(CAPTURES, 'sflow')
const FILES = readdirSync(DIRECTORY)
  .filter((file) => /\.(pcap|bin|dump|dat)$/.test(file))
  .sort()

type Sample = Extract<SflowDecoded, { kind: 'flow_sample' | 'counter_sample' | 'discarded_packet' }>

async function payloadsOf(file: string): Promise<Uint8Array[]> {
  const payloads: Uint8Array[] = []
  for await (const payload of readPayloads(join(DIRECTORY, file), !file.endsWith('.pcap'), createLeftOut())) {
    payloads.push(Uint8Array.from(payload.bytes))
  }
  return payloads
}

/** The datagrams, each alone in a packet to the sFlow port, as tshark reads them. */
function tsharkOf(payloads: readonly Uint8Array[]): PdmlNode[] {
  const ends = { from: [10, 0, 0, 1], to: [10, 0, 0, 2], fromPort: 9999, toPort: 6343 } as const
  const packets = payloads.map((payload, i) => pcapPacket(i, 0, udpPacket(ends, payload)))
  return pdmlOf(Buffer.concat([pcapHeader(101), ...packets]), ['-d', 'udp.port==6343,sflow'])
}

function samplesOf(packet: PdmlNode): PdmlNode[] {
  const sflow = packet.children.find((node) => node.name === 'sflow')
  return (sflow?.children ?? []).filter((node) => node.children.some((child) => child.name === 'sflow_245.sampletype'))
}

let compared: Record<string, number> = {}
const altogether: Record<string, number> = {}
const unknownSeen = new Set<string>()

/** Samples of a kind that has no flows or counters: nothing in the corpus beyond these. */
const unknownSamples = new Set(['unknown_sample'])
const NOTHING: PdmlNode = { tag: '', name: '', show: '', value: '', children: [] }

function count(what: string, n = 1): void {
  compared[what] = (compared[what] ?? 0) + n
  altogether[what] = (altogether[what] ?? 0) + n
}

function same(what: string, ours: unknown, theirs: unknown, where: string): void {
  if (theirs === undefined) return
  count(what)
  assert.deepEqual(ours, theirs, `${what} in ${where}`)
}

function port(sample: PdmlNode, side: 'input' | 'output'): number | undefined {
  const name = `sflow.flow_sample.${side}_interface`
  const value = number(sample, `${name}_value`)
  const format = number(sample, `${name}_format`) ?? number(sample, `${name}.format`)
  if (value === undefined || format === undefined) return number(sample, name)
  return format === 0 ? value : ((format << 30) | (value & 0x3fffffff)) >>> 0
}

/** Names of what tshark shows of a node itself: not of the protocols of a sampled header, nor of groups. */
function leaves(node: PdmlNode): PdmlNode[] {
  return node.children.filter(
    (child) =>
      child.tag === 'field' && child.name !== '' && !child.children.some(({ name }) => name === 'sflow.enterprise'),
  )
}

const isGroup = (node: PdmlNode): boolean => node.children.some((child) => child.name === 'sflow.enterprise')

/** Everything that tshark shows of a record, whether it puts it into a group of its own or not. */
const shownIn = (group: PdmlNode): PdmlNode[] =>
  leaves(group)
    .concat(group.children.filter((child) => child.name === '' && !isGroup(child)).flatMap(shownIn))
    .filter(({ name }) => name !== '_ws.expert' && name !== 'sflow_245.expert')

/** Each record of a sample: its values against its bytes, and against tshark if that knows the structure. */
function compareRecords(ours: Sample, theirs: PdmlNode, raw: RawSample, where: string): void {
  const groups = theirs.children.filter(isGroup)
  // tshark does not step over formats that it doesn't know: from there on it reads other bytes.
  let lost = false
  for (const [i, record] of (ours.records as readonly Readonly<Record<string, unknown>>[]).entries()) {
    const place = `${where}, record ${i} (${String(record['type'])})`
    const bytes = raw.records[i]?.bytes
    assert.ok(bytes, place)
    const found = valuesFill(record, bytes)
    assert.ok(found !== undefined, `${place}: ${JSON.stringify(record)} is not ${Buffer.from(bytes).toString('hex')}`)
    count('values by bytes', found)
    const type = String(record['type'])
    const table = RECORD_FIELDS[type]
    const group = groups[i]
    const known = group !== undefined && !/Unknown/.test(group.show)
    if (table !== undefined && known && !lost) compareFields(record, table, shownIn(group), place)
    else if (table !== undefined) count('values behind what tshark does not know', found)
    else {
      assert.ok(UNKNOWN_TO_TSHARK.has(type), `${place}: no table has it, and it is not listed as unknown to tshark`)
      assert.ok(!known || lost, `${place}: tshark knows it`)
      unknownSeen.add(type)
      count('values of structures unknown to tshark', found)
    }
    // Of other enterprises it goes by their length.
    if (!known && !/Unknown enterprise/.test(group?.show ?? '')) lost = true
  }
}

function compareFields(
  record: Readonly<Record<string, unknown>>,
  table: FieldTable,
  shown: readonly PdmlNode[],
  where: string,
): void {
  const held = new Set(FRAMEWORK)
  for (const [name, value] of Object.entries(record)) {
    if (name === 'type') continue
    const entry = table[name]
    assert.ok(entry !== undefined, `${where}: ${name} is held against nothing`)
    const [names, check] = typeof entry === 'string' ? [[entry], undefined] : entry
    const shows = names.flatMap((one) => shown.filter((field) => field.name === one).map((field) => field.show))
    for (const one of names) held.add(one)
    const same = check ? check(value, shows) : shows.length === 1 && String(value) === plain(shows[0] as string)
    assert.ok(same, `${where}: ${name} is ${JSON.stringify(value)}, tshark ${shows.join(' ')}`)
    count('values by tshark')
  }
  for (const { name } of shown)
    assert.ok(held.has(name), `${where}: tshark shows ${name}, which is held against nothing`)
}

/** Numbers in hex and addresses are written otherwise by tshark. */
const plain = (show: string): string =>
  /^0x[\da-f]+$/.test(show)
    ? String(Number(show))
    : show.includes(':') && show.length > 17
      ? (normal(show) ?? show)
      : show

/** The protocols of the sampled header: tshark puts them side by side below the header field. */
function headerProtocols(sample: PdmlNode): readonly PdmlNode[] {
  return field(sample, 'sflow_245.header')?.children.filter((node) => node.tag === 'proto') ?? []
}

function compareFlow(
  ours: Sample & { kind: 'flow_sample' | 'discarded_packet' },
  theirs: PdmlNode,
  where: string,
): void {
  const flow = ours.flow
  if (!flow) return
  const protocols = headerProtocols(theirs)
  const named = (...names: string[]): PdmlNode | undefined => protocols.filter((p) => names.includes(p.name)).at(-1)
  const frame = number(theirs, 'sflow_245.header.frame_length')
  same('frame length', flow['bytes'], frame, where)
  const eth = named('eth')
  if (eth) {
    same('MAC', flow['src_mac'], text(eth, 'eth.src'), where)
    same('MAC', flow['dst_mac'], text(eth, 'eth.dst'), where)
  }
  const ip = named('ip', 'ipv6')
  if (ip) {
    same('address', flow['src_addr'], normal(text(ip, `${ip.name}.src`)), where)
    same('address', flow['dst_addr'], normal(text(ip, `${ip.name}.dst`)), where)
    if (ip.name === 'ip') same('protocol', flow['proto'], number(ip, 'ip.proto'), where)
    same('TTL', flow['ttl'], number(ip, ip.name === 'ip' ? 'ip.ttl' : 'ipv6.hlim'), where)
  }
  const layer4 = named('tcp', 'udp')
  if (layer4) {
    same('transport port', flow['src_port'], number(layer4, `${layer4.name}.srcport`), where)
    same('transport port', flow['dst_port'], number(layer4, `${layer4.name}.dstport`), where)
    if (layer4.name === 'tcp') same('TCP flags', flow['tcp_flags'], number(layer4, 'tcp.flags'), where)
  }
  const tag = named('vlan')
  if (tag && field(theirs, 'sflow_245.vlan.in') === undefined)
    same('VLAN', flow['vlan_in'], number(tag, 'vlan.id'), where)
  if (protocols.length === 0) {
    same(
      'address',
      flow['src_addr'],
      normal(text(theirs, 'sflow_245.ipv4_src') ?? text(theirs, 'sflow_245.ipv6_src')),
      where,
    )
    same(
      'address',
      flow['dst_addr'],
      normal(text(theirs, 'sflow_245.ipv4_dst') ?? text(theirs, 'sflow_245.ipv6_dst')),
      where,
    )
    same('transport port', flow['src_port'], number(theirs, 'sflow_245.ip.source_port'), where)
    same('transport port', flow['dst_port'], number(theirs, 'sflow.ip.destination_port'), where)
  }
  const vlanIn = number(theirs, 'sflow_245.vlan.in')
  if (vlanIn !== undefined && vlanIn > 0 && vlanIn < 4096) same('VLAN', flow['vlan_in'], vlanIn, where)
  const vlanOut = number(theirs, 'sflow_245.vlan.out')
  if (vlanOut !== undefined && vlanOut > 0 && vlanOut < 4096) same('VLAN', flow['vlan_out'], vlanOut, where)
  const nextHop = normal(text(theirs, 'sflow_245.nexthop') ?? text(theirs, 'sflow_245.nexthop.v6'))
  if (nextHop !== undefined && nextHop !== '0.0.0.0') same('next hop', flow['next_hop'], nextHop, where)
  same('mask', flow['src_mask'], number(theirs, 'sflow_245.nexthop.src_mask'), where)
  same('mask', flow['dst_mask'], number(theirs, 'sflow_245.nexthop.dst_mask'), where)
}

function normal(address: string | undefined): string | undefined {
  const bytes = address === undefined ? undefined : parseIp(address)
  return bytes ? ipText(bytes) : undefined
}

function compareSample(ours: Sample, theirs: PdmlNode, raw: RawSample, where: string): void {
  count('samples')
  const isCounter = ours.kind === 'counter_sample'
  const held = new Set([...FRAMEWORK, ...SAMPLE_PARTS])
  const fields = isCounter ? SAMPLE_FIELDS.counter : SAMPLE_FIELDS.flow
  for (const [name, tshark] of Object.entries(fields)) {
    held.add(tshark)
    same(`of samples: ${name}`, (ours as unknown as Record<string, unknown>)[name], number(theirs, tshark), where)
  }
  const prefix = isCounter ? 'sflow.counters_sample' : 'sflow.flow_sample'
  const index = number(theirs, `${prefix}.index`) ?? number(theirs, `${prefix}.source_id_index`)
  const kind = number(theirs, `${prefix}.source_id_class`) ?? number(theirs, `${prefix}.source_id_type`)
  same('of samples: source', ours.source, index === undefined ? undefined : `${kind}:${index}`, where)
  if (!isCounter) {
    same('of samples: input', ours.input, port(theirs, 'input'), where)
    same('of samples: output', ours.output, port(theirs, 'output'), where)
  }
  for (const { name } of leaves(theirs))
    assert.ok(held.has(name), `${where}: tshark shows ${name}, which is held against nothing`)
  compareRecords(ours, theirs, raw, where)
  if (!isCounter) compareFlow(ours, theirs, where)
}

describe('sFlow captures read as tshark reads them', () => {
  // One start of tshark takes longer than all that it reads here.
  const read = new Map<string, { payloads: Uint8Array[]; packets: PdmlNode[] }>()
  before(async () => {
    for (const file of FILES) read.set(file, { payloads: await payloadsOf(file), packets: [] })
    const all = tsharkOf([...read.values()].flatMap(({ payloads }) => payloads))
    for (const { payloads, packets } of read.values()) packets.push(...all.splice(0, payloads.length))
    assert.equal(all.length, 0)
  })
  for (const file of FILES) {
    it(file, (t) => {
      compared = {}
      const { payloads = [], packets = [] } = read.get(file) ?? {}
      assert.ok(payloads.length > 0)
      assert.equal(packets.length, payloads.length)
      const reader = createSflowReader()
      for (const [i, payload] of payloads.entries()) {
        const packet = packets[i] as PdmlNode
        const version = number(packet, 'sflow_245.version')
        const decoded = reader.read(payload, '10.0.0.1', 0)
        const where = `${file}, datagram ${i}`
        if (version !== 5) {
          assert.deepEqual(
            decoded.map((d) => d.kind),
            ['problem'],
            where,
          )
          continue
        }
        const ours = decoded.filter((d) => d.kind !== 'problem')
        const raw = samplesIn(payload)
        const agent = normal(text(packet, 'sflow_245.agent') ?? text(packet, 'sflow_245.agent.v6'))
        const first = ours[0]
        count('datagrams')
        if (first && agent !== undefined) same('agent', first.agent, agent, where)
        if (first) same('sub-agent', first.subAgent, number(packet, 'sflow_245.sub_agent_id'), where)
        const theirs = samplesOf(packet)
        // tshark stops at what it calls malformed: until there the samples are the same ones
        const malformed =
          field(packet, '_ws.malformed') !== undefined || field(packet, '_ws.malformed.expert') !== undefined
        if (malformed) assert.ok(ours.length >= theirs.length || decoded.some((d) => d.kind === 'problem'), where)
        else same('numbers of samples', ours.length, theirs.length, where)
        for (const [n, our] of ours.entries()) {
          const place = `${where}, sample ${n}`
          if (our.kind !== 'flow_sample' && our.kind !== 'counter_sample' && our.kind !== 'discarded_packet') {
            assert.ok(unknownSamples.has(our.kind), `${place}: ${our.kind}`)
            count(`samples: ${our.kind}`)
            continue
          }
          assert.ok(raw[n], place)
          const sample = theirs[n]
          if (sample && !(malformed && n === theirs.length - 1)) compareSample(our, sample, raw[n], place)
          else {
            count('samples that tshark gives up')
            compareRecords(our, NOTHING, raw[n], place)
          }
        }
      }
      t.diagnostic(summary(compared))
    })
  }

  it('with nothing left out, and nothing listed as unknown that is not there', (t) => {
    t.diagnostic(`altogether ${summary(altogether)}`)
    assert.deepEqual(
      [...UNKNOWN_TO_TSHARK].filter((type) => !unknownSeen.has(type)),
      [],
    )
  })
})

function summary(counts: Readonly<Record<string, number>>): string {
  const words = Object.entries(counts).map(([what, n]) => `${n} × ${what}`)
  return words.join(', ') || 'nothing'
}

// flowparser keeps its reading of each file as YAML, with structures that tshark doesn't know
const STRUCTURES: Readonly<Record<string, string>> = {
  VirtNode: 'virt_node',
  HostAdapters: 'host_adapters',
  HostDiskIo: 'host_disk_io',
  HostMemory: 'host_memory',
  HostCpu: 'host_cpu',
  HostNetIo: 'host_net_io',
  HostDescr: 'host_descr',
  HostParent: 'host_parent',
  VirtCpu: 'virt_cpu',
  VirtMemory: 'virt_memory',
  VirtDiskIo: 'virt_disk_io',
  VirtNetIo: 'virt_net_io',
  JmxRuntime: 'jvm_runtime',
  JvmStatistics: 'jvm_statistics',
  GenericInterface: 'if_counters',
  XenVif: 'xen_vif',
}

/** What are words there, and numbers in the structures (sflow_host.txt). */
const WORDS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  machine_type: { Unknown: 0, Other: 1, X86: 2, X86_64: 3 },
  os_name: { Unknown: 0, Other: 1, Linux: 2 },
  state: { NoState: 0, Running: 1, Blocked: 2, Paused: 3 },
}

function valuesOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value.flatMap(valuesOf)
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(valuesOf)
  return [value]
}

describe('host, VM and JVM counters read as flowparser reads them', () => {
  for (const file of FILES.filter((name) => name.startsWith('flowparser-snapshot'))) {
    it(file, (t) => {
      const golden = parse(
        readFileSync(join(DIRECTORY, `${file}.golden.yaml`), 'utf8').replace(/^---[\s\S]*?\n---\n/, ''),
      ) as {
        datagrams: { samples: Record<string, { records: Record<string, unknown>[] }>[] }[]
      }
      const decoded = createSflowReader().read(readFileSync(join(DIRECTORY, file)), '10.0.0.1', 0)
      const ours = decoded.flatMap((d) => (d.kind === 'counter_sample' ? d.records : []))
      const theirs = golden.datagrams
        .flatMap((d) => d.samples)
        .flatMap((s) => Object.values(s))
        .flatMap((s) => s.records)
      assert.equal(ours.length, theirs.length)
      let values = 0
      for (const [i, their] of theirs.entries()) {
        const [name, body] = Object.entries(their)[0] as [string, unknown]
        const our = ours[i] as Record<string, unknown>
        assert.equal(our['type'], STRUCTURES[name], `record ${i}`)
        const { type: _, ...fields } = our
        const text = (list: readonly unknown[]): string[] => list.map((value) => String(value).toLowerCase())
        const theirValues = Object.entries(body as object).flatMap(([field, value]: [string, unknown]) => {
          // It takes the type of the address for a field of its own.
          if (name === 'XenVif' && field === 'vif_index') return []
          const known = typeof value === 'string' ? WORDS[field]?.[value] : undefined
          return known === undefined ? valuesOf(value) : [known]
        })
        const mine = text(valuesOf(fields))
        assert.deepEqual(mine, text(theirValues), `${name}, record ${i}`)
        values += mine.length
      }
      t.diagnostic(`compared: ${theirs.length} records, ${values} values`)
    })
  }
})

describe('damaged captures', () => {
  it('never make a reader or the ingest fail, cut anywhere or with bytes changed', async (t) => {
    let tried = 0
    for (const file of FILES) {
      for (const payload of (await payloadsOf(file)).slice(0, 5)) {
        const batch = new FlowBatch(2048)
        const ingest = createSflowIngest({ seed: 1 }, { clock: { now: () => 0 } })
        const attempt = (bytes: Uint8Array): void => {
          tried++
          const samples = createSflowReader().read(bytes, '10.0.0.1', 0)
          assert.doesNotThrow(() => JSON.stringify(samples))
          batch.n = 0
          const sink: IngestSink = {
            flows: batch,
            metrics: new MetricBatch(),
            room: () => true,
            sighting: () => undefined,
            problem: (_, offset) => assert.ok(offset >= 0 && offset <= bytes.length),
          }
          ingest.datagram(
            {
              bytes,
              view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
              offset: 0,
              length: bytes.length,
              receivedAt: 0,
              source0: 0,
              source1: 0,
              source2: 0xffff0000,
              source3: 1,
              sourcePort: 1,
            },
            sink,
          )
        }
        for (let length = 0; length <= payload.length; length++) attempt(payload.slice(0, length))
        const flip = fc.tuple(fc.nat(payload.length - 1), fc.integer({ min: 0, max: 255 }))
        const flips = fc.array(flip, { minLength: 1, maxLength: 16 })
        fc.assert(
          fc.property(flips, (changes) => {
            const bytes = payload.slice()
            for (const [at, value] of changes) bytes[at] = value
            attempt(bytes)
          }),
          { numRuns: 200 },
        )
      }
    }
    t.diagnostic(`${tried} datagrams tried`)
  })
})
