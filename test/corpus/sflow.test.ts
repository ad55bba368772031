// Every sFlow capture against tshark, and against what other projects keep as the right reading of their own files.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
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

function same(what: string, ours: unknown, theirs: unknown, where: string): void {
  if (theirs === undefined) return
  compared[what] = (compared[what] ?? 0) + 1
  assert.deepEqual(ours, theirs, `${what} in ${where}`)
}

function port(sample: PdmlNode, side: 'input' | 'output'): number | undefined {
  const name = `sflow.flow_sample.${side}_interface`
  const value = number(sample, `${name}_value`)
  const format = number(sample, `${name}_format`) ?? number(sample, `${name}.format`)
  if (value === undefined || format === undefined) return number(sample, name)
  return format === 0 ? value : ((format << 30) | (value & 0x3fffffff)) >>> 0
}

const IF_COUNTERS: Readonly<Record<string, string>> = {
  if_index: 'sflow_245.ifindex',
  if_type: 'sflow_245.iftype',
  if_speed: 'sflow_245.ifspeed',
  if_direction: 'sflow_245.ifdirection',
  if_in_octets: 'sflow_245.ifinoct',
  if_in_ucast_pkts: 'sflow_245.ifinpkt',
  if_in_multicast_pkts: 'sflow_245.ifinmcast',
  if_in_broadcast_pkts: 'sflow_245.ifinbcast',
  if_in_discards: 'sflow_245.ifindisc',
  if_in_errors: 'sflow_245.ifinerr',
  if_in_unknown_protos: 'sflow_245.ifinunk',
  if_out_octets: 'sflow_245.ifoutoct',
  if_out_ucast_pkts: 'sflow_245.ifoutpkt',
  if_out_multicast_pkts: 'sflow_245.ifoutmcast',
  if_out_broadcast_pkts: 'sflow_245.ifoutbcast',
  if_out_discards: 'sflow_245.ifoutdisc',
  if_out_errors: 'sflow_245.ifouterr',
  if_promiscuous_mode: 'sflow_245.ifpromisc',
}
const VLAN_COUNTERS: Readonly<Record<string, string>> = {
  vlan_id: 'sflow_245.vlan_id',
  octets: 'sflow_245.octets',
  ucast_pkts: 'sflow_245.ucastPkts',
  multicast_pkts: 'sflow_245.multicastPkts',
  broadcast_pkts: 'sflow_245.broadcastPkts',
  discards: 'sflow_245.discards',
}
const PROCESSOR: Readonly<Record<string, string>> = {
  cpu_5s: 'sflow_5.cpu_5s',
  cpu_1m: 'sflow_5.cpu_1m',
  cpu_5m: 'sflow_5.cpu_5m',
}

/** Our field names of a counter structure with tshark's, by format. */
function counterNames(format: number, ours: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  if (format === 1) return IF_COUNTERS
  if (format === 5) return VLAN_COUNTERS
  if (format === 1001) return PROCESSOR
  if (format !== 2) return {}
  const camel = (name: string): string =>
    name
      .replace('dot3_stats_', 'dot3Stats_')
      .replaceAll(/_(fcs|sqe)_/g, (_, word: string) => `_${word.toUpperCase()}_`)
      .replaceAll(/_([a-zA-Z])/g, (_, c: string) => c.toUpperCase())
  return Object.fromEntries(
    Object.keys(ours)
      .filter((name) => name !== 'type')
      .map((name) => [name, `sflow_245.${camel(name)}`]),
  )
}

function compareCounters(ours: Sample, theirs: PdmlNode, where: string): void {
  const groups = theirs.children.filter((node) => node.children.some((child) => child.name === 'sflow.enterprise'))
  for (const [i, group] of groups.entries()) {
    if (/Unknown enterprise/.test(group.show)) continue
    // tshark does not step over the formats that it doesn't know: from there on it reads other bytes
    if (/Unknown/.test(group.show)) return
    const format = number(group, 'sflow_245.counters_record_format') as number
    if (![1, 2, 5, 1001].includes(format)) return
    const record = ours.records[i] as Readonly<Record<string, unknown>>
    for (const [our, their] of Object.entries(counterNames(format, record))) {
      const shown = text(group, their)
      same('counter', shown === undefined ? undefined : String(record[our]), shown, `${where}, record ${i}, ${our}`)
    }
  }
}

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

function compareSample(ours: Sample, theirs: PdmlNode, where: string): void {
  const counters = number(theirs, 'sflow.counters_sample.sequence_number')
  if (ours.kind === 'counter_sample') {
    same('sample sequence', ours.sequence, counters, where)
    const index = number(theirs, 'sflow.counters_sample.source_id_index')
    same(
      'data source',
      ours.source,
      index === undefined ? undefined : `${number(theirs, 'sflow.counters_sample.source_id_type')}:${index}`,
      where,
    )
    compareCounters(ours, theirs, where)
    return
  }
  same('sample sequence', ours.sequence, number(theirs, 'sflow.flow_sample.sequence_number'), where)
  const index = number(theirs, 'sflow.flow_sample.index') ?? number(theirs, 'sflow.flow_sample.source_id_index')
  const kind = number(theirs, 'sflow.flow_sample.source_id_class') ?? number(theirs, 'sflow.flow_sample.source_id_type')
  if (kind !== undefined && index !== undefined) same('data source', ours.source, `${kind}:${index}`, where)
  same('interface', ours.input, port(theirs, 'input'), where)
  same('interface', ours.output, port(theirs, 'output'), where)
  same('drops', ours.drops, number(theirs, 'sflow.flow_sample.dropped_packets'), where)
  if (ours.kind === 'flow_sample') {
    same('sampling rate', ours.samplingRate, number(theirs, 'sflow.flow_sample.sampling_rate'), where)
    same('sample pool', ours.samplePool, number(theirs, 'sflow.flow_sample.sample_pool'), where)
  }
  compareFlow(ours, theirs, where)
}

describe('sFlow captures read as tshark reads them', () => {
  for (const file of FILES) {
    it(file, async (t) => {
      compared = {}
      const payloads = await payloadsOf(file)
      const packets = tsharkOf(payloads)
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
        const ours = decoded.filter(
          (d): d is Sample => d.kind === 'flow_sample' || d.kind === 'counter_sample' || d.kind === 'discarded_packet',
        )
        const agent = normal(text(packet, 'sflow_245.agent') ?? text(packet, 'sflow_245.agent.v6'))
        const first = ours[0]
        if (first && agent !== undefined) same('agent', first.agent, agent, where)
        if (first) same('sub-agent', first.subAgent, number(packet, 'sflow_245.sub_agent_id'), where)
        const theirs = samplesOf(packet)
        // tshark stops at what it calls malformed: until there the samples are the same ones
        const malformed =
          field(packet, '_ws.malformed') !== undefined || field(packet, '_ws.malformed.expert') !== undefined
        if (malformed) assert.ok(ours.length >= theirs.length || decoded.some((d) => d.kind === 'problem'), where)
        else
          same('samples', ours.length, theirs.filter((s) => (number(s, 'sflow.enterprise') ?? 0) === 0).length, where)
        for (const [n, sample] of theirs.entries()) {
          const our = ours[n]
          if (our && !(malformed && n === theirs.length - 1)) compareSample(our, sample, `${where}, sample ${n}`)
        }
      }
      t.diagnostic(
        `${payloads.length} datagrams; compared: ${
          Object.entries(compared)
            .map(([what, n]) => `${n} × ${what}`)
            .join(', ') || 'nothing'
        }`,
      )
    })
  }
})

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
        if (name === 'XenVif') continue
        assert.equal(our['type'], STRUCTURES[name], `record ${i}`)
        const { type: _, ...fields } = our
        // Enumerations are words there and numbers here
        const plain = (list: unknown[]): string[] => list.map((v) => String(v).toLowerCase())
        const skip = name === 'HostDescr' ? ['machine_type', 'os_name'] : name === 'VirtCpu' ? ['state'] : []
        const mine = plain(valuesOf(Object.fromEntries(Object.entries(fields).filter(([key]) => !skip.includes(key)))))
        assert.deepEqual(
          mine,
          plain(valuesOf(Object.fromEntries(Object.entries(body as object).filter(([key]) => !skip.includes(key))))),
          `${name}, record ${i}`,
        )
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
