// Every NetFlow and IPFIX capture of the corpus, held against tshark: the same records, every field in the same place, the same main values.

import { describe, test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { createReadStream, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ipText } from '../../src/base/address.ts'
import { readCapture } from '../../src/capture/pcap-file.ts'
import { createUdpExtractor } from '../../src/capture/udp-payloads.ts'
import { createNetflowIngest } from '../../src/collect/netflow.ts'
import type { NetflowObserver } from '../../src/collect/netflow-options.ts'
import type { Datagram, IngestSink } from '../../src/collect/ingest.ts'
import { FlowBatch } from '../../src/flow/flow-batch.ts'
import { MetricBatch } from '../../src/flow/metric-batch.ts'
import { rowAsJson, type RowJson } from '../../src/flow/row-json.ts'
import { locateFields } from '../../src/wire/ipfix/records.ts'
import { elementName } from '../../src/wire/ipfix/registry.ts'
import {
  dissect,
  dissectPayloads,
  type OracleDatagram,
  type OracleField,
  type OracleRecord,
  type Sent,
} from './cflow-oracle.ts'

const CAPTURES = process.env['VNETSCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../../shared/captures')

interface Input extends Sent {
  readonly name: string
}

interface Field {
  readonly name: string
  readonly enterprise: number
  readonly element: number
  readonly at: number
  readonly length: number
}

interface Record_ {
  readonly kind: 'data' | 'options'
  readonly at: number
  readonly end: number
  readonly fields: readonly Field[]
  readonly row: RowJson | undefined
  /** The row of the other direction, where the record tells of both. */
  readonly reverse: RowJson | undefined
}

interface Decoded {
  readonly records: readonly Record_[]
  readonly problems: readonly string[]
}

const table = (file: string): string[][] =>
  readFileSync(join(CAPTURES, file), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))

/** Every payload file once, in the order that its exporter sent it; each sequence and each other file is an exporter of its own. */
function payloads(): Input[] {
  const folders = ['netflow5/', 'netflow9/', 'ipfix/']
  const files = table('INDEX.tsv')
    .filter(([path, , , , , , kind]) => folders.some((f) => path?.startsWith(f)) && kind?.startsWith('payload'))
    .map((row) => row[0] as string)
  const inputs: Input[] = []
  let exporter = 0
  const feed = (list: readonly string[]): void => {
    exporter++
    for (const name of list)
      inputs.push({
        name,
        from: [10, 1, exporter >> 8, exporter & 255],
        port: 50_000,
        payload: new Uint8Array(readFileSync(join(CAPTURES, name))),
      })
  }
  const seen = new Set<string>()
  for (const row of table('SEQUENCES.tsv')) {
    const list = (row[1] as string).split(' ')
    if (!list.some((name) => folders.some((f) => name.startsWith(f))) || list.some((name) => name.endsWith('.pcap')))
      continue
    feed(list)
    for (const name of list) seen.add(name)
  }
  for (const name of files) if (!seen.has(name)) feed([name])
  return inputs
}

const pcaps = (): string[] =>
  table('INDEX.tsv')
    .filter(([path, , , , , , kind]) => (path?.startsWith('netflow') || path?.startsWith('ipfix')) && kind === 'pcap')
    .map((row) => row[0] as string)

function decode(inputs: readonly { from: Uint8Array; port: number; payload: Uint8Array }[]): Decoded[] {
  const flows = new FlowBatch(8192)
  let records: Record_[] = []
  let problems: string[] = []
  let current: DataView
  const observer: NetflowObserver = {
    template() {},
    record(_stream, _id, template, view, at, end, rows) {
      // What had waited for its template is of an earlier datagram.
      if (view !== current) return
      const offsets = new Uint32Array(template.elements.length)
      const lengths = new Uint32Array(template.elements.length)
      locateFields(template, view, at, end, offsets, lengths)
      const fields = Array.from(template.elements, (element, i): Field => {
        const enterprise = template.enterprises[i] as number
        return {
          name: elementName(enterprise, element),
          enterprise,
          element,
          at: offsets[i] as number,
          length: lengths[i] as number,
        }
      })
      records.push({
        kind: template.kind,
        at,
        end,
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
    ingest.datagram(datagram, sink)
    return { records, problems }
  })
}

/** What tshark calls the main values, and the column they have to be in. */
const VALUES: Readonly<Record<string, (row: RowJson, show: string, reverse: RowJson | undefined) => boolean>> = {
  'cflow.srcaddr': (row, show) => row['src_addr'] === show || row['tunnel_src'] === show || show === '0.0.0.0',
  'cflow.dstaddr': (row, show) => row['dst_addr'] === show || row['tunnel_dst'] === show || show === '0.0.0.0',
  'cflow.srcaddrv6': (row, show) => row['src_addr'] === show || row['tunnel_src'] === show,
  'cflow.dstaddrv6': (row, show) => row['dst_addr'] === show || row['tunnel_dst'] === show,
  'cflow.srcport': (row, show) => row['src_port'] === Number(show),
  'cflow.dstport': (row, show) =>
    row['dst_port'] === Number(show) ||
    (isIcmp(row) && Number(row['icmp_type']) * 256 + Number(row['icmp_code']) === Number(show)),
  'cflow.protocol': (row, show) => row['proto'] === Number(show),
  'cflow.octets': (row, show) => Number(row['bytes']) === Number(show),
  'cflow.packets': (row, show) => Number(row['packets']) === Number(show),
  'cflow.initiator_octets': (row, show) => Number(row['bytes']) === Number(show),
  'cflow.initiator_packets': (row, show) => Number(row['packets']) === Number(show),
  'cflow.responder_octets': (_row, show, reverse) => Number(reverse?.['bytes'] ?? 0) === Number(show),
  'cflow.responder_packets': (_row, show, reverse) => Number(reverse?.['packets'] ?? 0) === Number(show),
  'cflow.permanent_octets': (row, show) => Number(row['bytes']) === Number(show),
  'cflow.permanent_packets': (row, show) => Number(row['packets']) === Number(show),
  'cflow.inputint': (row, show) => row['in_if'] === Number(show),
  'cflow.outputint': (row, show) => row['out_if'] === Number(show),
  'cflow.tcpflags': (row, show) => row['tcp_flags'] === Number(show),
  'cflow.tcpflags16': (row, show) => row['tcp_flags'] === Number(show),
  'cflow.tos': (row, show) => row['tos'] === Number(show),
  'cflow.srcas': (row, show) => row['src_as'] === Number(show),
  'cflow.dstas': (row, show) => row['dst_as'] === Number(show),
  'cflow.srcmask': (row, show) => row['src_mask'] === Number(show),
  'cflow.dstmask': (row, show) => row['dst_mask'] === Number(show),
  'cflow.srcmaskv6': (row, show) => row['src_mask'] === Number(show),
  'cflow.dstmaskv6': (row, show) => row['dst_mask'] === Number(show),
  'cflow.nexthop': (row, show) => row['next_hop'] === show || (show === '0.0.0.0' && row['next_hop'] === '::'),
  'cflow.nexthopv6': (row, show) => row['next_hop'] === show,
  'cflow.vlanid': (row, show) => row['vlan_in'] === Number(show) || row['s_vlan'] === Number(show),
  'cflow.dot1q_vlan_id': (row, show) => row['vlan_in'] === Number(show) || row['s_vlan'] === Number(show),
  'cflow.postvlanid': (row, show) => row['vlan_out'] === Number(show),
  'cflow.post_dot1q_vlan_id': (row, show) => row['vlan_out'] === Number(show),
  'cflow.srcmac': (row, show) => row['src_mac'] === show,
  'cflow.dstmac': (row, show) => row['dst_mac'] === show,
  'cflow.ttl_minimum': (row, show) => row['ttl'] === Number(show) || row['ttl'] !== 0,
  'cflow.direction': (row, show) =>
    row['direction'] === (show === '0' ? 'ingress' : show === '1' ? 'egress' : 'unknown'),
  'cflow.icmp_ipv4_type': (row, show) => row['icmp_type'] === Number(show),
  'cflow.icmp_ipv4_code': (row, show) => row['icmp_code'] === Number(show),
  'cflow.abstimestart': (row, show) => Date.parse(row['time_start'] as string) === millis(show),
  'cflow.abstimeend': (row, show) => Date.parse(row['time_end'] as string) === millis(show),
}

const isIcmp = (row: RowJson): boolean => row['proto'] === 1 || row['proto'] === 58

/** `Dec 22, 2016 12:17:37.000000000 UTC` → milliseconds. */
function millis(show: string): number {
  const [whole, fraction] = show.replace(' UTC', '').split('.') as [string, string | undefined]
  return Date.parse(`${whole} UTC`) + Number((fraction ?? '000').slice(0, 3))
}

interface Tally {
  datagrams: number
  records: number
  fields: number
  values: number
  readonly differences: Map<string, string[]>
}

const newTally = (): Tally => ({ datagrams: 0, records: 0, fields: 0, values: 0, differences: new Map() })

function differ(tally: Tally, kind: string, where: string): void {
  const list = tally.differences.get(kind) ?? []
  list.push(where)
  tally.differences.set(kind, list)
}

function compare(tally: Tally, name: string, payload: Uint8Array, ours: Decoded, theirs: OracleDatagram): void {
  tally.datagrams++
  const starts = new Map(ours.records.map((record) => [record.at, record]))
  if (ours.records.length !== theirs.records.length) {
    differ(
      tally,
      `${name}: ${ours.records.length} records, tshark ${theirs.records.length}${theirs.malformed ? ' (malformed to it)' : ''} [${ours.problems.join(' ')}]`,
      name,
    )
  }
  for (const record of theirs.records) {
    const own = starts.get(record.at)
    if (own === undefined) {
      if (ours.records.length === theirs.records.length)
        differ(tally, 'no record where tshark has one', `${name}@${record.at}`)
      continue
    }
    tally.records++
    compareRecord(tally, name, payload, own, record)
  }
}

/** Elements whose place tshark tells wrongly (it shows them under a duration, with the offset doubled or of the other one): their bytes are compared instead. */
const TIMES = new Set([21, 22, 150, 151, 152, 153, 154, 155, 156, 157])

function compareRecord(tally: Tally, name: string, payload: Uint8Array, own: Record_, theirs: OracleRecord): void {
  for (const field of own.fields) {
    if (field.length === 0) continue
    const bytes = Buffer.from(payload.subarray(field.at, field.at + field.length)).toString('hex')
    const same =
      covers(theirs.fields, field.at, field.length) ||
      // Of a field of variable length tshark also counts the byte that tells the length.
      covers(theirs.fields, field.at - 1, field.length + 1) ||
      (field.enterprise === 0 &&
        TIMES.has(field.element) &&
        theirs.fields.some(({ hex }) => hex !== '' && bytes.startsWith(hex)))
    if (same) tally.fields++
    else
      differ(
        tally,
        `field ${field.name} (${field.enterprise}:${field.element}, ${field.length} bytes)`,
        `${name}@${field.at}`,
      )
  }
  const { row } = own
  if (row === undefined) return
  const shown = new Map<string, string[]>()
  for (const field of theirs.fields) shown.set(field.name, [...(shown.get(field.name) ?? []), field.show])
  for (const [value, shows] of shown) {
    const same = VALUES[value]
    if (same === undefined) continue
    // An element that stands more than once is of outer and inner headers: the row has one of them.
    if (shows.some((show) => same(row, show, own.reverse))) tally.values++
    else differ(tally, `value ${value}`, `${name}@${own.at}: ${shows.join(' ')}`)
  }
}

/** True if the fields, one or several side by side, fill exactly this place. */
function covers(fields: readonly OracleField[], at: number, length: number): boolean {
  if (length === 0) return true
  return fields.some(
    (field) =>
      field.at === at &&
      field.length > 0 &&
      field.length <= length &&
      (field.length === length || covers(fields, at + field.length, length - field.length)),
  )
}

/** Differences with tshark (4.0) that are understood, and why. */
const KNOWN: readonly (readonly [difference: RegExp, reason: string])[] = [
  [/^h3c-data3281\.dat: 16 records, tshark 1 /, 'tshark takes the 2-byte element 43 for an address and gives up'],
  [
    /^(field (ipv4RouterSc|samplingAlgorithm|e0\.0|samplingInterval|dstTrafficIndex|srcTrafficIndex|VRFname) .* \(h3c)/,
    'behind that element tshark shows nothing',
  ],
  [/^logstash-invalid01\.dat: 3 records, tshark 0/, 'the header counts 2 of 5 sets; tshark stops there'],
  [/^mikemiles-nf-12\.bin: 1 records, tshark 2/, 'sets 0 and 1 mean nothing in IPFIX; tshark reads them as of v9'],
  [
    /^vflow-ipfix-03-init\.bin: 2 records, tshark 0/,
    'message and set say that they are longer than they are; whole records are read',
  ],
  [/^netgauze-nf9-10-good-template-wire\.bin: 0 records/, 'an options template without fields can have no records'],
  [/^field appHTTP(UriStatistics|Host) .*mikemiles-nf-02/, 'tshark splits these strings'],
  [/^value cflow\.abstimestart .*: Jan  1, 1970 00:00:00/, 'tshark does not know when the exporter started'],
  [
    /^value cflow\.permanent_(octets|packets) \(barracuda-data256/,
    'beside the total stands the difference since the last event, 0: that is in the row',
  ],
  [
    /^value cflow\.(srcport|dstport|protocol) \(netgauze-ipfix-12/,
    'the tenant packet is in the row, the outer one in tunnel_*',
  ],
]

/** Prints what was compared and what differs; answers the differences that nobody has understood yet. */
function report(t: TestContext, title: string, tally: Tally): string[] {
  t.diagnostic(
    `${title}: ${tally.datagrams} datagrams, ${tally.records} records, ${tally.fields} fields in the same place, ${tally.values} values equal`,
  )
  const unknown: string[] = []
  for (const [kind, where] of tally.differences) {
    for (const one of where) {
      const text = one === where[0] && kind.startsWith(one) ? kind : `${kind} (${one})`
      const reason = KNOWN.find(([difference]) => difference.test(text))?.[1]
      if (reason === undefined) unknown.push(text)
      else t.diagnostic(`  differs: ${text}: ${reason}`)
    }
  }
  return unknown
}

describe('NetFlow and IPFIX captures', () => {
  test('payload files decode to what tshark sees', (t) => {
    const inputs = payloads()
    const ours = decode(
      inputs.map(({ from, port, payload }) => ({
        from: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...from),
        port,
        payload,
      })),
    )
    const theirs = dissectPayloads(inputs)
    const tally = newTally()
    for (const [i, input] of inputs.entries())
      compare(tally, basename(input.name), input.payload, ours[i] as Decoded, theirs[i] as OracleDatagram)
    assert.deepEqual(report(t, 'payload files', tally), [])
  })

  for (const name of pcaps()) {
    test(`${basename(name)} decodes to what tshark sees`, async (t) => {
      const file = join(CAPTURES, name)
      const inputs: { from: Uint8Array; port: number; payload: Uint8Array }[] = []
      const ports = new Set<number>()
      const extractor = createUdpExtractor()
      for await (const packet of readCapture(createReadStream(file), () => undefined)) {
        const payload = extractor.packet(packet.linkType, packet.bytes)
        if (typeof payload === 'string' || payload.bytes.length < 2) continue
        const version = payload.bytes[0] === 0 ? payload.bytes[1] : 0
        if (version !== 5 && version !== 9 && version !== 10) continue
        ports.add(payload.toPort)
        inputs.push({ from: payload.from, port: payload.fromPort, payload: payload.bytes })
      }
      assert.ok(inputs.length > 0)
      const ours = decode(inputs)
      const theirs = dissect(
        file,
        [...ports].map((port) => `udp.port==${port}`),
      )
      const tally = newTally()
      assert.equal(theirs.length, inputs.length, 'as many datagrams')
      for (const [i, input] of inputs.entries())
        compare(
          tally,
          `${i + 1} of ${ipText(input.from)}`,
          input.payload,
          ours[i] as Decoded,
          theirs[i] as OracleDatagram,
        )
      assert.deepEqual(report(t, basename(name), tally), [])
    })
  }
})
