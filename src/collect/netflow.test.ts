import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  datagram, ip, ipfix, mac, netflow5, netflow9, optionsTemplate, optionsTemplate9, SECONDS, set, template, testSink, u16, u32, u64, u8, UPTIME, variable,
  type FieldSpec,
} from '../../test/fixtures/netflow-messages.ts'
import type { RowJson } from '../flow/row-json.ts'
import type { Ingest } from './ingest.ts'
import { createNetflowIngest } from './netflow.ts'
import type { NetflowOptions } from './netflow-options.ts'

const NOW = SECONDS * 1000 + 250
const create = (options: NetflowOptions = {}, now = NOW): Ingest => createNetflowIngest(options, { clock: { now: () => now } })
const iso = (ms: number): string => new Date(ms).toISOString()

const BASIC: readonly FieldSpec[] = [[8, 4], [12, 4], [1, 4], [2, 4]]
const basic = (source: string, octets: number): number[] => [...ip(source), ...ip('198.51.100.2'), ...u32(octets), ...u32(1)]

/** Gives messages to a fresh ingest; answers the rows. */
function decode(messages: readonly Uint8Array[], options: NetflowOptions = {}): { rows: RowJson[]; problems: string[]; ingest: Ingest } {
  const ingest = create(options)
  const sink = testSink()
  for (const message of messages) ingest.datagram(datagram(message), sink)
  return { rows: sink.rows(), problems: sink.problems, ingest }
}

/** The only row that one record of these fields makes. */
function row(fields: readonly FieldSpec[], record: number[]): RowJson {
  const { rows, problems } = decode([ipfix({}, set(2, template(256, fields)), set(256, record))])
  assert.deepEqual(problems, [])
  assert.equal(rows.length, 1)
  return rows[0] as RowJson
}

function pick(json: RowJson, ...names: string[]): unknown[] {
  return names.map((name) => json[name])
}

describe('NetFlow v5', () => {
  test('a datagram becomes rows with every field of the format', () => {
    const { rows, problems } = decode([netflow5({ sampling: 0x4000 | 100, engine: 0x0102 }, [{}, { protocol: 1, destinationPort: 0x0301, octets: 4_000_000_000 }])])
    assert.deepEqual(problems, [])
    const [tcp, icmp] = rows as [RowJson, RowJson]
    assert.deepEqual(
      pick(tcp, 'protocol', 'exporter', 'observation', 'src_addr', 'dst_addr', 'next_hop', 'in_if', 'out_if', 'packets', 'bytes', 'src_port', 'dst_port', 'tcp_flags', 'proto', 'tos', 'src_as', 'dst_as', 'src_mask', 'dst_mask', 'sampling_rate', 'counted', 'ethertype'),
      ['netflow5', '10.0.0.1', 0x0102, '192.0.2.1', '198.51.100.2', '203.0.113.254', 3, 4, 10, 1000, 1234, 80, 0x1b, 6, 16, 64_500, 64_501, 24, 16, 100, true, 0x0800])
    assert.deepEqual(pick(tcp, 'time_received', 'time_start', 'time_end'), [iso(NOW), iso(SECONDS * 1000 - 5000), iso(SECONDS * 1000 - 1000)])
    assert.deepEqual(pick(icmp, 'icmp_type', 'icmp_code', 'dst_port', 'bytes'), [3, 1, 0, 4_000_000_000])
  })

  test('uptimes that wrapped between flow and datagram are placed right, and so are those a little ahead', () => {
    const { rows } = decode([netflow5({ uptime: 2000 }, [{ first: 2 ** 32 - 3000, last: 1000 }, { first: 1500, last: 2500 }])])
    assert.deepEqual(pick(rows[0] as RowJson, 'time_start', 'time_end'), [iso(SECONDS * 1000 - 5000), iso(SECONDS * 1000 - 1000)])
    assert.deepEqual(pick(rows[1] as RowJson, 'time_start', 'time_end'), [iso(SECONDS * 1000 - 500), iso(SECONDS * 1000 + 500)])
  })

  test('the row times are exact over the whole range of uptimes', () => {
    fc.assert(fc.property(fc.nat(0xffff_ffff), fc.nat(2_000_000_000), fc.nat(1_000_000), fc.integer({ min: 1, max: 4_294_967 }), (uptime, age, shorter, seconds) => {
      const last = age - Math.min(age, shorter)
      const { rows } = decode([netflow5({ uptime, seconds: seconds * 999 }, [{ first: (uptime - age) >>> 0, last: (uptime - last) >>> 0 }])])
      const exported = seconds * 999_000
      if (exported < age) return
      assert.deepEqual(pick(rows[0] as RowJson, 'time_start', 'time_end'), [iso(exported - age), iso(exported - last)])
    }))
  })

  test('a count that lies is told of, and the records that are there are read', () => {
    const whole = netflow5({}, [{}, {}, {}])
    const lying = whole.slice()
    lying[3] = 200
    assert.deepEqual([decode([lying]).rows.length, decode([lying]).problems], [3, ['truncated']])
    for (let cut = 0; cut < whole.length; cut++) {
      const { rows, problems } = decode([whole.subarray(0, cut)])
      assert.equal(rows.length, cut < 24 ? 0 : Math.floor((cut - 24) / 48))
      assert.deepEqual(problems, [cut === 0 ? 'empty' : 'truncated'])
    }
  })

  test('v7 records are four bytes longer', () => {
    const five = netflow5({}, [{}, {}])
    const seven = Uint8Array.from([0, 7, ...five.subarray(2, 24), ...five.subarray(24, 72), ...ip('10.9.9.9'), ...five.subarray(72, 120), ...ip('10.9.9.9')])
    const { rows, problems } = decode([seven])
    assert.deepEqual(problems, [])
    assert.deepEqual(rows.map((r) => pick(r, 'protocol', 'src_addr', 'dst_mask')), [['netflow7', '192.0.2.1', 16], ['netflow7', '192.0.2.1', 16]])
  })
})

describe('templates', () => {
  test('a v9 record is laid out as its template says', () => {
    const fields: readonly FieldSpec[] = [[8, 4], [12, 4], [22, 4], [21, 4], [1, 8], [2, 4], [58, 2], [59, 2], [56, 6], [80, 6], [61, 1], [89, 1], [4, 1], [32, 2]]
    const record = [
      ...ip('192.0.2.1'), ...ip('198.51.100.2'), ...u32(UPTIME - 9000), ...u32(UPTIME - 3000), ...u64(2n ** 40n), ...u32(7), ...u16(110), ...u16(120),
      ...mac('00:50:56:aa:bb:cc'), ...mac('02:00:00:00:00:01'), ...u8(1), ...u8(0x40), ...u8(1), ...u16(0x0800),
    ]
    const { rows, problems } = decode([netflow9({ domain: 77 }, set(0, template(300, fields)), set(300, record, [0, 0]))])
    assert.deepEqual(problems, [])
    assert.deepEqual(
      pick(rows[0] as RowJson, 'protocol', 'observation', 'time_start', 'time_end', 'bytes', 'packets', 'vlan_in', 'vlan_out', 'src_mac', 'dst_mac', 'direction', 'forwarding_status', 'icmp_type', 'icmp_code', 'sampling_rate'),
      ['netflow9', 77, iso(SECONDS * 1000 - 9000), iso(SECONDS * 1000 - 3000), 2 ** 40, 7, 110, 120, '00:50:56:aa:bb:cc', '02:00:00:00:00:01', 'egress', 64, 8, 0, 1])
  })

  test('data that comes before its template waits and is decoded with its own times', () => {
    const ingest = create()
    const sink = testSink()
    const sent = [10, 20, 30].map((octets, i) => datagram(ipfix({ sequence: i }, set(256, basic('192.0.2.1', octets))), { at: NOW + i * 1000 }))
    for (const one of sent) assert.equal(ingest.datagram(one, sink), 0)
    assert.deepEqual([ingest.counts().pending, sink.flows.n, sink.problems], [3, 0, []])
    assert.equal(ingest.datagram(datagram(ipfix({ sequence: 3 }, set(2, template(256, BASIC))), { at: NOW + 60_000 }), sink), 3)
    assert.deepEqual(sink.rows().map((r) => pick(r, 'bytes', 'time_received')), [[10, iso(NOW)], [20, iso(NOW + 1000)], [30, iso(NOW + 2000)]])
    assert.equal(ingest.counts().pending, 0)
  })

  test('what waits too long or is too much is counted and let go', () => {
    const ingest = create({ maxWaitingBytesOfStream: 1000 })
    const sink = testSink()
    for (let i = 0; i < 10; i++) ingest.datagram(datagram(ipfix({ sequence: i }, set(256, basic('192.0.2.1', 1)))), sink)
    const held = ingest.counts().pending
    assert.equal(sink.problems.filter((code) => code === 'pending_dropped').length, 10 - held)
    assert.ok(held > 0 && held < 10)
    ingest.tick(NOW + 601_000, sink)
    assert.equal(ingest.counts().pending, 0)
    assert.equal(sink.problems.filter((code) => code === 'no_template').length, held)
    assert.equal(ingest.streams(1)[0]?.problems['no_template'], held)
  })

  test('a template announced anew with another layout holds from then on', () => {
    const { rows, problems } = decode([
      ipfix({}, set(2, template(256, BASIC)), set(256, basic('192.0.2.1', 10))),
      ipfix({ sequence: 1 }, set(2, template(256, [[1, 8], [12, 4], [8, 4]]))),
      ipfix({ sequence: 1 }, set(256, [...u64(5), ...ip('203.0.113.2'), ...ip('203.0.113.1')])),
    ])
    assert.deepEqual(problems, [])
    assert.deepEqual(rows.map((r) => pick(r, 'src_addr', 'bytes')), [['192.0.2.1', 10], ['203.0.113.1', 5]])
  })

  test('withdrawals take away one template or all of a kind (RFC 7011 section 8.1)', () => {
    const announce = ipfix({}, set(2, template(256, BASIC), template(257, BASIC)), set(3, optionsTemplate(258, [[149, 4]], [[34, 4]])))
    const ids = (...messages: Uint8Array[]): number[] => decode([announce, ...messages]).ingest.streams(1)[0]?.templates.map((t) => t.id) ?? []
    assert.deepEqual(ids(), [256, 257, 258])
    assert.deepEqual(ids(ipfix({}, set(2, [...u16(256), ...u16(0)]))), [257, 258])
    assert.deepEqual(ids(ipfix({}, set(2, [...u16(2), ...u16(0)]))), [258])
    assert.deepEqual(ids(ipfix({}, set(3, [...u16(3), ...u16(0)]))), [256, 257])
  })

  test('domains of one exporter, and exporters, have templates of their own', () => {
    const ingest = create()
    const sink = testSink()
    ingest.datagram(datagram(ipfix({ domain: 1 }, set(2, template(256, BASIC)))), sink)
    ingest.datagram(datagram(ipfix({ domain: 2 }, set(256, basic('192.0.2.1', 10)))), sink)
    ingest.datagram(datagram(ipfix({ domain: 1 }, set(256, basic('192.0.2.1', 10))), { address: '10.0.0.2' }), sink)
    assert.equal(sink.flows.n, 0)
    assert.deepEqual(ingest.counts(), { streams: 3, evicted: 0, templates: 1, pending: 2 })
  })

  test('an exporter that changes its port goes on with its templates', () => {
    const ingest = create()
    const sink = testSink()
    ingest.datagram(datagram(ipfix({ sequence: 0 }, set(2, template(256, BASIC))), { port: 1000 }), sink)
    for (let i = 0; i < 50; i++) {
      assert.equal(ingest.datagram(datagram(ipfix({ sequence: i }, set(256, basic('192.0.2.1', 10))), { port: 2000 + i }), sink), 1)
    }
    // Started anew: the sequence too begins anew, on a port never heard.
    assert.equal(ingest.datagram(datagram(ipfix({ sequence: 0 }, set(256, basic('192.0.2.1', 10))), { port: 9 }), sink), 1)
    const [stream] = ingest.streams(1)
    assert.deepEqual([stream?.lost, stream?.reordered, stream?.pending], [0, 0, 0])
  })

  test('two exporters behind one address that give one id two meanings are told apart by their port', () => {
    const ingest = create()
    const sink = testSink()
    const other: readonly FieldSpec[] = [[12, 4], [8, 4], [2, 4], [1, 4]]
    const send = (port: number, sequence: number, ...sets: number[][]): number => ingest.datagram(datagram(ipfix({ sequence }, ...sets), { port }), sink)
    send(1000, 0, set(2, template(256, BASIC)))
    send(2000, 700_000_000, set(256, [...ip('198.51.100.2'), ...ip('192.0.2.7'), ...u32(1)]))
    send(1000, 0, set(256, basic('192.0.2.1', 10)))
    send(2000, 700_000_001, set(2, template(256, other)))
    send(1000, 1, set(256, basic('192.0.2.1', 20)))
    send(2000, 700_000_001, set(256, [...ip('198.51.100.2'), ...ip('192.0.2.7'), ...u32(1), ...u32(30)]))
    // A third one must not be read by the layout of either.
    assert.equal(send(3000, 5, set(256, basic('192.0.2.9', 40))), 0)
    assert.deepEqual(sink.rows().map((r) => pick(r, 'src_addr', 'bytes')), [['192.0.2.1', 10], ['192.0.2.1', 20], ['192.0.2.7', 30]])
  })

  test('two exporters behind one address whose numbers happen to go on from each other are told apart once they take turns', () => {
    const ingest = create()
    const sink = testSink()
    const fields = [BASIC, [[12, 4], [8, 4], [1, 4], [2, 4]]] as const
    for (let i = 0; i < 40; i++) {
      for (const port of [1000, 2000]) {
        const layout = template(256, fields[port === 1000 ? 0 : 1] as readonly FieldSpec[])
        ingest.datagram(datagram(ipfix({ sequence: i }, ...(i % 10 === 0 ? [set(2, layout)] : []), set(256, [...ip(port === 1000 ? '192.0.2.1' : '198.51.100.2'), ...ip(port === 1000 ? '198.51.100.2' : '192.0.2.1'), ...u32(i), ...u32(1)])), { port }), sink)
      }
    }
    assert.equal(sink.flows.n, 80)
    assert.deepEqual([...new Set(sink.rows().slice(22).map((r) => r['src_addr']))], ['192.0.2.1'])
    assert.equal(ingest.streams(1)[0]?.lost, 0)
    ingest.tick(NOW + 400_000, sink)
    ingest.datagram(datagram(ipfix({ sequence: 40 }, set(256, basic('192.0.2.1', 1))), { port: 3000, at: NOW + 400_000 }), sink)
    assert.equal(sink.flows.n, 81, 'later, when both are silent, a new port may use what is known')
  })

  test('a reserved set id, a set too short and a set too long are told of', () => {
    const announce = set(2, template(256, BASIC))
    assert.deepEqual(decode([ipfix({}, announce, set(7, [1, 2, 3, 4]))]).problems, ['unsupported'])
    assert.deepEqual(decode([ipfix({}, announce, [...u16(256), ...u16(3)])]).problems, ['bad_length'])
    const long = decode([ipfix({}, announce, [...u16(256), ...u16(200), ...basic('192.0.2.1', 9)])])
    assert.deepEqual([long.rows.length, long.problems], [1, ['truncated']])
    assert.deepEqual(decode([ipfix({}, announce, set(256, basic('192.0.2.1', 9), [9, 9, 9, 9, 9]))]).problems, ['bad_record'])
  })

  test('a datagram filled up with zeroes is not wrong', () => {
    const { rows, problems } = decode([netflow9({}, set(0, template(256, BASIC)), set(256, basic('192.0.2.1', 9)), Array.from({ length: 500 }, () => 0))])
    assert.deepEqual([rows.length, problems], [1, []])
  })
})

describe('what the columns are made of', () => {
  test('times come from whichever elements there are', () => {
    const at = SECONDS * 1000
    const ntp = (ms: number): number[] => [...u32(Math.floor(ms / 1000) + 2_208_988_800), ...u32(Math.round(((ms % 1000) / 1000) * 2 ** 32))]
    const times = (fields: readonly FieldSpec[], record: number[]): unknown[] => pick(row([[8, 4], ...fields], [...ip('192.0.2.1'), ...record]), 'time_start', 'time_end')
    const expected = [iso(at - 4500), iso(at - 1500)]
    assert.deepEqual(times([[150, 4], [151, 4]], [...u32(SECONDS - 4), ...u32(SECONDS - 1)]), [iso(at - 4000), iso(at - 1000)])
    assert.deepEqual(times([[152, 8], [153, 8]], [...u64(at - 4500), ...u64(at - 1500)]), expected)
    assert.deepEqual(times([[154, 8], [155, 8]], [...ntp(at - 4500), ...ntp(at - 1500)]), expected)
    assert.deepEqual(times([[156, 8], [157, 8]], [...ntp(at - 4500), ...ntp(at - 1500)]), expected)
    assert.deepEqual(times([[154, 8], [155, 8]], [...u64((at - 4500) * 1000), ...u64((at - 1500) * 1000)]), expected, 'microseconds since 1970, as some send')
    assert.deepEqual(times([[158, 4], [159, 4]], [...u32(4_500_000), ...u32(1_500_000)]), expected)
    assert.deepEqual(times([[160, 8], [22, 4], [21, 4]], [...u64(at - 10_000), ...u32(5500), ...u32(8500)]), expected)
    assert.deepEqual(times([[160, 8], [22, 4], [21, 4]], [...u64(at - 2 ** 32 - 5000), ...u32(500), ...u32(3500)]), expected, 'an uptime that has wrapped')
    assert.deepEqual(times([[160, 8], [22, 4], [21, 4]], [...u64(at), ...u32(2 ** 32 - 4500), ...u32(2 ** 32 - 1500)]), expected, 'a flow from before the exporter started')
    assert.deepEqual(times([[22, 4], [21, 4]], [...u32(5500), ...u32(8500)]), [iso(at - 3000), iso(at)], 'without the start of the exporter the end is the export')
    assert.deepEqual(times([[153, 8], [161, 4]], [...u64(at - 1500), ...u32(3000)]), expected)
    assert.deepEqual(times([[152, 8], [162, 4]], [...u64(at - 4500), ...u32(3_000_000)]), expected)
    assert.deepEqual(times([[323, 8]], [...u64(at - 1500)]), [iso(at - 1500), iso(at - 1500)])
    assert.deepEqual(times([], []), [iso(NOW), iso(NOW)])
  })

  test('the start of an exporter from options places the uptimes of IPFIX', () => {
    const { rows } = decode([
      ipfix({}, set(3, optionsTemplate(257, [[143, 4]], [[160, 8]])), set(257, [...u32(1), ...u64(SECONDS * 1000 - 10_000)])),
      ipfix({ sequence: 1 }, set(2, template(256, [[8, 4], [22, 4], [21, 4]])), set(256, [...ip('192.0.2.1'), ...u32(5500), ...u32(8500)])),
    ])
    assert.deepEqual(pick(rows[0] as RowJson, 'time_start', 'time_end'), [iso(SECONDS * 1000 - 4500), iso(SECONDS * 1000 - 1500)])
  })

  test('IPv6, and a template that has both families', () => {
    const v6 = row([[27, 16], [28, 16], [139, 2], [4, 1]], [...ip('2001:db8::1'), ...ip('2001:db8::2'), ...u16(0x8000), 58])
    assert.deepEqual(pick(v6, 'src_addr', 'dst_addr', 'icmp_type', 'icmp_code', 'ethertype'), ['2001:db8::1', '2001:db8::2', 128, 0, 0x86dd])
    const both: readonly FieldSpec[] = [[8, 4], [12, 4], [27, 16], [28, 16]]
    const zero = ip('::')
    assert.deepEqual(pick(row(both, [...ip('192.0.2.1'), ...ip('192.0.2.2'), ...zero, ...zero]), 'src_addr', 'dst_addr', 'ethertype'), ['192.0.2.1', '192.0.2.2', 0x0800])
    assert.deepEqual(pick(row(both, [0, 0, 0, 0, 0, 0, 0, 0, ...ip('2001:db8::1'), ...ip('2001:db8::2')]), 'src_addr', 'dst_addr', 'ethertype'), ['2001:db8::1', '2001:db8::2', 0x86dd])
  })

  test('under QinQ the inner tag is the VLAN and the outer one the service VLAN', () => {
    assert.deepEqual(pick(row([[243, 2], [245, 2]], [...u16(500), ...u16(110)]), 'vlan_in', 's_vlan'), [110, 500])
    assert.deepEqual(pick(row([[243, 2], [245, 2]], [...u16(110), ...u16(0)]), 'vlan_in', 's_vlan'), [110, 0])
    assert.deepEqual(pick(row([[58, 2], [243, 2], [254, 2], [255, 2]], [...u16(7), ...u16(110), ...u16(600), ...u16(120)]), 'vlan_in', 'vlan_out', 's_vlan'), [110, 120, 0])
  })

  test('a tenant packet of a virtual distributed switch has its tunnel beside it', () => {
    const fields: readonly FieldSpec[] = [
      [8, 4], [12, 4], [7, 2], [11, 2], [4, 1], [351, 8], [881, 4, 6876], [882, 4, 6876], [886, 2, 6876], [887, 2, 6876], [880, 1, 6876],
    ]
    const json = row(fields, [
      ...ip('10.0.0.1'), ...ip('10.0.0.2'), ...u16(50_000), ...u16(8472), 17, 1, 0, 0, 0, 0, 0x00, 0x13, 0x88, ...ip('192.168.1.1'), ...ip('192.168.1.2'), ...u16(33_000), ...u16(443), 6,
    ])
    assert.deepEqual(pick(json, 'src_addr', 'dst_addr', 'src_port', 'dst_port', 'proto', 'tunnel', 'tunnel_src', 'tunnel_dst', 'vni'),
      ['192.168.1.1', '192.168.1.2', 33_000, 443, 6, 'vxlan', '10.0.0.1', '10.0.0.2', 5000])
  })

  test('a tunnel of Open vSwitch has its key, kind and ends', () => {
    const json = row([[8, 4], [12, 4], [891, 1, 6876], [892, 65535, 6876], [893, 4, 6876], [894, 4, 6876]], [
      ...ip('192.168.1.1'), ...ip('192.168.1.2'), 7, ...variable([0, 0x13, 0x88]), ...ip('10.0.0.1'), ...ip('10.0.0.2'),
    ])
    assert.deepEqual(pick(json, 'src_addr', 'tunnel', 'vni', 'tunnel_src', 'tunnel_dst'), ['192.168.1.1', 'geneve', 5000, '10.0.0.1', '10.0.0.2'])
  })

  test('of repeated headers the first are the outer and the last the inner ones', () => {
    const fields: readonly FieldSpec[] = [[27, 16], [28, 16], [4, 1], [7, 2], [11, 2], [8, 4], [12, 4], [4, 1], [7, 2], [11, 2]]
    const outer = [...ip('2001:db8::1'), ...ip('2001:db8::2')]
    assert.deepEqual(
      pick(row(fields, [...outer, 4, 0, 0, 0, 0, ...ip('192.0.2.1'), ...ip('192.0.2.2'), 17, ...u16(53), ...u16(5353)]), 'src_addr', 'dst_addr', 'proto', 'src_port', 'dst_port', 'tunnel', 'tunnel_src', 'tunnel_dst'),
      ['192.0.2.1', '192.0.2.2', 17, 53, 5353, 'ipip', '2001:db8::1', '2001:db8::2'])
    assert.deepEqual(
      pick(row(fields, [...outer, 6, ...u16(80), ...u16(81), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 'src_addr', 'dst_addr', 'proto', 'src_port', 'dst_port', 'tunnel', 'tunnel_src'),
      ['2001:db8::1', '2001:db8::2', 6, 80, 81, 'none', '::'])
  })

  test('both directions of a biflow are rows, the other one turned around (RFC 5103)', () => {
    const fields: readonly FieldSpec[] = [[8, 4], [12, 4], [7, 2], [11, 2], [1, 4], [1, 4, 29305], [2, 4], [2, 4, 29305], [6, 1], [6, 1, 29305], [10, 4], [14, 4], [58, 2], [59, 2], [61, 1]]
    const record = (back: number): number[] => [
      ...ip('192.0.2.1'), ...ip('198.51.100.2'), ...u16(1234), ...u16(80), ...u32(100), ...u32(back), ...u32(2), ...u32(back === 0 ? 0 : 3), 2, 0x12, ...u32(7), ...u32(8), ...u16(10), ...u16(20), 0,
    ]
    const { rows } = decode([ipfix({}, set(2, template(256, fields)), set(256, record(5000), record(0), record(6000)))])
    const columns = ['src_addr', 'dst_addr', 'src_port', 'dst_port', 'bytes', 'packets', 'tcp_flags', 'in_if', 'out_if', 'vlan_in', 'vlan_out', 'direction', 'sampling_rate', 'counted', 'exporter'] as const
    assert.deepEqual(rows.map((r) => r['bytes']), [100, 100, 100, 5000, 6000])
    assert.deepEqual(pick(rows[3] as RowJson, ...columns), ['198.51.100.2', '192.0.2.1', 80, 1234, 5000, 3, 0x12, 8, 7, 20, 10, 'egress', 1, true, '10.0.0.1'])
  })

  test('a packet section is dissected (PSAMP)', () => {
    const udp = [0x45, 0, 0, 100, 0, 0, 0, 0, 64, 17, 0, 0, ...ip('192.0.2.1'), ...ip('192.0.2.2'), ...u16(53), ...u16(5353), 0, 0, 0, 0]
    const frame = [...mac('02:00:00:00:00:02'), ...mac('02:00:00:00:00:01'), 0x81, 0, 0, 110, 8, 0, ...udp]
    const columns = ['src_addr', 'dst_addr', 'proto', 'src_port', 'dst_port', 'bytes', 'packets', 'ttl'] as const
    assert.deepEqual(pick(row([[312, 2], [315, 65535]], [...u16(118), ...variable(frame)]), ...columns, 'vlan_in', 'src_mac'), ['192.0.2.1', '192.0.2.2', 17, 53, 5353, 118, 1, 64, 110, '02:00:00:00:00:01'])
    assert.deepEqual(pick(row([[313, 28]], udp), ...columns), ['192.0.2.1', '192.0.2.2', 17, 53, 5353, 100, 1, 64])
    assert.deepEqual(pick(row([[313, 65535], [10, 4]], [...variable([0x45]), ...u32(9)]), 'in_if', 'src_addr', 'bytes'), [9, '::', 0])
  })

  test('names of interfaces in flow records are told once', () => {
    const ingest = create()
    const sink = testSink()
    const record = (octets: number): number[] => [...u32(3), ...variable([...Buffer.from('vnet0')]), ...u32(4), ...variable([...Buffer.from('eth1')]), ...u32(octets)]
    for (let i = 0; i < 3; i++) ingest.datagram(datagram(ipfix({ sequence: 2 * i }, set(2, template(256, [[10, 4], [82, 65535], [14, 4], [82, 65535], [1, 4]])), set(256, record(1), record(2)))), sink)
    assert.deepEqual(sink.sightings, [{ kind: 'interface', agent: '10.0.0.1', ifIndex: 3, name: 'vnet0' }, { kind: 'interface', agent: '10.0.0.1', ifIndex: 4, name: 'eth1' }])
    assert.equal(sink.flows.n, 6)
  })

  test('a firewall event without counters is a row', () => {
    assert.deepEqual(pick(row([[8, 4], [12, 4], [4, 1], [233, 1]], [...ip('192.0.2.1'), ...ip('192.0.2.2'), 6, 3]), 'src_addr', 'bytes', 'packets'), ['192.0.2.1', 0, 0])
  })

  test('a difference goes before a total, IP before layer 2, physical interfaces stand in', () => {
    assert.deepEqual(pick(row([[85, 4], [1, 4], [352, 4]], [...u32(9), ...u32(0), ...u32(7)]), 'bytes'), [0])
    assert.deepEqual(pick(row([[352, 4], [353, 4], [86, 4]], [...u32(9), ...u32(8), ...u32(7)]), 'bytes', 'packets'), [9, 7])
    assert.deepEqual(pick(row([[10, 4], [252, 4], [253, 4]], [...u32(0), ...u32(5), ...u32(6)]), 'in_if', 'out_if'), [5, 6])
  })

  test('MPLS labels, next hops and prefixes', () => {
    const json = row([[70, 3], [15, 4], [18, 4], [9, 1], [30, 1]], [0x05, 0xdc, 0xc1, 0, 0, 0, 0, ...ip('203.0.113.1'), 24, 64])
    assert.deepEqual(pick(json, 'mpls_label', 'next_hop', 'src_mask', 'dst_mask'), [24_012, '203.0.113.1', 24, 64])
    assert.deepEqual(pick(row([[15, 4]], [0, 0, 0, 0]), 'next_hop'), ['::'])
  })
})

describe('sampling', () => {
  const flow = (...more: FieldSpec[]): number[] => set(2, template(256, [[8, 4], ...more]))
  const rates = (...messages: Uint8Array[]): unknown[] => decode(messages).rows.map((r) => r['sampling_rate'])

  test('a rate told in options holds, even if it stands behind the data in the same datagram', () => {
    const options = [set(3, optionsTemplate(257, [[149, 4]], [[34, 4], [35, 1]])), set(257, [...u32(1), ...u32(512), 2])]
    const data = set(256, ip('192.0.2.1'))
    assert.deepEqual(rates(ipfix({}, flow(), ...options, data)), [512])
    assert.deepEqual(rates(ipfix({}, flow(), data, ...options)), [512])
  })

  test('a record finds the rate of its sampler', () => {
    const sampler = (id: number, rate: number): number[] => [...u32(0), id, 2, ...u32(rate)]
    assert.deepEqual(rates(
      netflow9({}, set(1, optionsTemplate9(257, [[1, 4]], [[48, 1], [49, 1], [50, 4]])), set(257, sampler(1, 100), sampler(2, 2000))),
      netflow9({ sequence: 1 }, set(0, template(256, [[8, 4], [48, 1]])), set(256, [...ip('192.0.2.1'), 1], [...ip('192.0.2.1'), 2], [...ip('192.0.2.1'), 1], [...ip('192.0.2.1'), 9])),
    ), [100, 2000, 100, 2000])
  })

  test('a record finds the rate of its selector: interval and space, size of population, probability', () => {
    const probability = new DataView(new ArrayBuffer(8))
    probability.setFloat64(0, 1 / 4096)
    assert.deepEqual(rates(
      ipfix({},
        set(3, optionsTemplate(257, [[302, 8]], [[304, 2], [305, 4], [306, 4]]), optionsTemplate(258, [[302, 8]], [[304, 2], [309, 4], [310, 4]]), optionsTemplate(259, [[302, 8]], [[304, 2], [311, 8]])),
        set(257, [...u64(1), ...u16(1), ...u32(1), ...u32(99)]), set(258, [...u64(2), ...u16(3), ...u32(2), ...u32(2048)]), set(259, [...u64(3), ...u16(4), ...new Uint8Array(probability.buffer)])),
      ipfix({ sequence: 3 }, flow([302, 4]), set(256, ...[1, 2, 3].map((id) => [...ip('192.0.2.1'), ...u32(id)]))),
    ), [100, 1024, 4096])
  })

  test('a record finds the rate of the interface it came in by', () => {
    assert.deepEqual(rates(
      netflow9({}, set(1, optionsTemplate9(257, [[2, 4]], [[34, 4]])), set(257, [...u32(3), ...u32(100)], [...u32(4), ...u32(400)])),
      netflow9({ sequence: 1 }, set(0, template(256, [[8, 4], [10, 4]])), set(256, ...[3, 4, 3].map((id) => [...ip('192.0.2.1'), ...u32(id)]))),
    ), [100, 400, 100])
  })

  test('a record that has its own rate needs no options', () => {
    assert.deepEqual(rates(ipfix({}, flow([34, 4]), set(256, [...ip('192.0.2.1'), ...u32(64)], [...ip('192.0.2.1'), ...u32(0)]))), [64, 1])
    assert.deepEqual(rates(ipfix({}, flow([305, 4], [306, 4]), set(256, [...ip('192.0.2.1'), ...u32(10), ...u32(90)]))), [10])
  })

  test('names of interfaces in options are sightings', () => {
    const ingest = create()
    const sink = testSink()
    ingest.datagram(datagram(netflow9({}, set(1, optionsTemplate9(257, [[2, 4]], [[82, 8]])), set(257, [...u32(3), ...Buffer.from('eth0\0\0\0\0')]))), sink)
    assert.deepEqual(sink.sightings, [{ kind: 'interface', agent: '10.0.0.1', ifIndex: 3, name: 'eth0' }])
  })
})

describe('what is kept', () => {
  test('templates and sampling outlive a restart', () => {
    const before = create()
    const sink = testSink()
    before.datagram(datagram(ipfix({}, set(2, template(256, [...BASIC, [48, 1]])), set(3, optionsTemplate(257, [[149, 4]], [[48, 1], [50, 4]])), set(257, [...u32(1), 3, ...u32(1000)])), { port: 4000 }), sink)
    const state: unknown = JSON.parse(JSON.stringify(before.save()))
    const after = create()
    assert.deepEqual(after.restore(state), { restored: 1, refused: 0 })
    assert.equal(after.datagram(datagram(ipfix({ sequence: 9 }, set(256, [...basic('192.0.2.1', 10), 3])), { port: 4000 }), sink), 1)
    assert.deepEqual(pick(sink.rows()[0] as RowJson, 'bytes', 'sampling_rate'), [10, 1000])
  })

  test('a state that is none, old or damaged is refused without a word of complaint', () => {
    for (const state of [undefined, null, 7, 'x', [], {}, { version: 99 }, { version: 1, streams: 3 }]) assert.deepEqual(create().restore(state), { restored: 0, refused: 1 })
    const source = create()
    source.datagram(datagram(ipfix({}, set(2, template(256, BASIC)))), testSink())
    const text = JSON.stringify(source.save())
    fc.assert(fc.property(fc.nat(text.length - 1), fc.constantFrom('0', '9', '"', '-', 'e', ']', 'null', ''), (at, put) => {
      let state: unknown
      try {
        state = JSON.parse(text.slice(0, at) + put + text.slice(at + 1))
      } catch {
        return
      }
      const ingest = create()
      ingest.restore(state)
      ingest.datagram(datagram(ipfix({}, set(256, basic('192.0.2.1', 1)))), testSink())
    }))
    const late = create({}, NOW + 30 * 86_400_000)
    late.restore(JSON.parse(text))
    assert.equal(late.counts().templates, 0)
  })

  test('a flood of sources pushes out its like and not the exporter that delivers', () => {
    const ingest = create({ maxStreams: 100 })
    const sink = testSink()
    const honest = (i: number, at: number): number => ingest.datagram(datagram(ipfix({ sequence: i }, ...(i === 0 ? [set(2, template(256, BASIC))] : []), set(256, basic('192.0.2.1', 1))), { address: '10.1.1.1', at }), sink)
    for (let i = 0; i < 10; i++) assert.equal(honest(i, NOW + i * 1000), 1)
    for (let i = 0; i < 5000; i++) {
      ingest.datagram(datagram(ipfix({}, set(2, template(256, BASIC)), set(256, basic('192.0.2.1', 1))), { address: `172.16.${i >> 8}.${i & 255}`, at: NOW + 20_000 }), sink)
      sink.flows.n = 0
    }
    assert.equal(honest(10, NOW + 30_000), 1)
    assert.deepEqual([ingest.counts().streams, ingest.counts().evicted], [100, 4901])
    assert.equal(ingest.counts().templates, 100)
  })

  test('an exporter that announces ever new templates gives up its own', () => {
    const ingest = create({ maxTemplates: 1000, maxTemplatesOfStream: 200 })
    const sink = testSink()
    ingest.datagram(datagram(ipfix({}, set(2, template(300, BASIC))), { address: '10.1.1.1' }), sink)
    for (let i = 0; i < 3000; i++) ingest.datagram(datagram(ipfix({}, set(2, template(256 + i, [[8, 4], [(i % 300) + 1, 4]])))), sink)
    assert.equal(ingest.counts().templates, 201)
    assert.equal(sink.problems.filter((code) => code === 'template_limit').length, 2800)
    assert.equal(ingest.datagram(datagram(ipfix({}, set(300, basic('192.0.2.1', 1))), { address: '10.1.1.1' }), sink), 1)
  })

  test('50,000 exporters and 100,000 templates leave memory bounded', () => {
    const ingest = create()
    const sink = testSink()
    globalThis.gc?.()
    const before = process.memoryUsage().heapUsed
    const layout = template(256, Array.from({ length: 24 }, (_, i) => [i + 1, 4] as const))
    for (let i = 0; i < 70_000; i++) {
      const message = ipfix({}, set(2, layout, template(257, [[8, 4], [(i & 0x3fff) + 1, 4]])))
      ingest.datagram(datagram(message, { address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, port: 1024 + (i & 0x3fff) }), sink)
    }
    for (let i = 0; i < 120_000; i++) ingest.datagram(datagram(ipfix({ domain: i >> 13 }, set(2, template(256 + (i & 0x1fff), [[8, 4], [i & 0x7fff, 8]]))), { address: '10.255.0.1' }), sink)
    const { streams, templates } = ingest.counts()
    assert.ok(streams <= 65_536 && templates <= 131_072, `${streams} ${templates}`)
    assert.ok(process.memoryUsage().heapUsed - before < 600e6)
  })

  test('templates neither announced nor used for a day are forgotten', () => {
    const ingest = create()
    const sink = testSink()
    ingest.datagram(datagram(ipfix({}, set(2, template(256, BASIC), template(257, BASIC)))), sink)
    ingest.datagram(datagram(ipfix({}, set(257, basic('192.0.2.1', 1))), { at: NOW + 80_000_000 }), sink)
    ingest.tick(NOW + 90_000_000, sink)
    assert.deepEqual(ingest.streams(1)[0]?.templates.map((t) => t.id), [257])
  })

  test('the status of a stream says what it is about', () => {
    const ingest = create()
    const sink = testSink()
    ingest.datagram(datagram(netflow5({ sampling: 100 }, [{}, {}])), sink)
    ingest.datagram(datagram(netflow5({ sampling: 100, sequence: 12 }, [{}])), sink)
    const [status] = ingest.streams(5)
    assert.deepEqual(status, {
      exporter: '10.0.0.1', sourcePort: 50_000, protocol: 'netflow5', observation: 0, firstHeard: NOW, lastHeard: NOW, datagrams: 2, flows: 3, others: 0,
      templates: [], sampling: [{ rate: 100, from: 'header' }], lost: 10, reordered: 0, restarts: 0, pending: 0, problems: {},
    })
  })

  test('without room for rows nothing is written and nothing breaks', () => {
    const ingest = create()
    const sink = testSink(64, true)
    assert.equal(ingest.datagram(datagram(netflow5({}, [{}, {}])), sink), 0)
    ingest.datagram(datagram(ipfix({}, set(2, template(256, [[8, 4], [82, 65535]])), set(256, [...ip('192.0.2.1'), ...variable([1])]))), sink)
    assert.deepEqual([sink.flows.n, sink.problems], [0, []])
  })
})

describe('bad input', () => {
  const fields: readonly FieldSpec[] = [...BASIC, [82, 65535], [56, 6], [152, 8], [153, 8]]
  const record = [...basic('192.0.2.1', 10), ...variable([101, 116, 104]), ...mac('02:00:00:00:00:01'), ...u64(SECONDS * 1000), ...u64(SECONDS * 1000)]
  const messages = [
    ipfix({}, set(2, template(256, fields)), set(256, record, record), set(3, optionsTemplate(257, [[149, 4]], [[34, 4], [82, 65535]])), set(257, [...u32(1), ...u32(9), ...variable([1])])),
    netflow9({}, set(0, template(256, BASIC)), set(1, optionsTemplate9(257, [[2, 4]], [[34, 4], [82, 4]])), set(256, basic('192.0.2.1', 9)), set(257, [...u32(1), ...u32(9), 65, 66, 67, 68])),
    netflow5({}, [{}, {}]),
  ]

  test('a message cut at any byte makes no row that the whole does not make', () => {
    for (const message of messages) {
      const whole = decode([message]).rows.map((r) => JSON.stringify(r))
      for (let cut = 0; cut < message.length; cut++) {
        const { rows, problems } = decode([message.subarray(0, cut)])
        for (const [i, json] of rows.entries()) assert.equal(JSON.stringify({ ...json, sampling_rate: 0 }), JSON.stringify({ ...JSON.parse(whole[i] as string), sampling_rate: 0 }))
        if (rows.length < whole.length && message[1] !== 9) assert.ok(problems.length > 0, `cut at ${cut}`)
      }
    }
  })

  test('nothing outside its own bytes is read, wherever in the buffer a datagram lies', () => {
    for (const message of messages) {
      const buffer = new Uint8Array(message.length + 2000)
      buffer.set(message, 1000)
      for (let cut = 0; cut <= message.length; cut++) {
        const sink = testSink()
        create().datagram({ ...datagram(buffer), offset: 1000, length: cut }, sink)
        const alone = decode([message.subarray(0, cut)])
        assert.deepEqual([sink.rows(), sink.problems], [alone.rows, alone.problems], `cut at ${cut}`)
      }
    }
  })

  test('flipped bytes and random bytes never throw, and rows never exceed what was sent', () => {
    const ingest = create()
    const sink = testSink(65_536)
    fc.assert(fc.property(fc.constantFrom(...messages), fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 8 }), (message, flips) => {
      const bytes = message.slice()
      for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value
      sink.flows.clear()
      ingest.datagram(datagram(bytes), sink)
      assert.ok(sink.flows.n <= 2 * bytes.length)
    }), { numRuns: 3000 })
    fc.assert(fc.property(fc.constantFrom(5, 7, 9, 10), fc.uint8Array({ maxLength: 300 }), (version, rest) => {
      sink.flows.clear()
      ingest.datagram(datagram(Uint8Array.from([0, version, ...rest])), sink)
    }), { numRuns: 3000 })
    ingest.tick(NOW + 1e9, sink)
    JSON.stringify(ingest.save())
  })

  test('a version that is none of ours, and nothing at all, are told of', () => {
    assert.deepEqual(decode([Uint8Array.of(0, 8, 0, 0)]).problems, ['bad_version'])
    assert.deepEqual(decode([new Uint8Array(0)]).problems, ['empty'])
    assert.deepEqual(decode([Uint8Array.of(0)]).problems, ['truncated'])
  })
})
