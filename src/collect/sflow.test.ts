import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  counterSample,
  type DatagramParts,
  flowSample,
  hex,
  join,
  sampledHeader,
  sflowDatagram,
  TCP_FRAME,
  tlv,
  viewOf,
  xdr,
} from '../../test/fixtures/xdr.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import { MetricBatch } from '../flow/metric-batch.ts'
import { rowAsJson, type RowJson } from '../flow/row-json.ts'
import type { Sighting } from '../flow/sighting.ts'
import type { Datagram, Ingest, IngestSink } from './ingest.ts'
import { createSflowIngest } from './sflow.ts'

interface Collected extends IngestSink {
  readonly rows: () => RowJson[]
  readonly sightings: Sighting[]
  readonly problems: string[]
}

function sinkOf(capacity = 256): Collected {
  const flows = new FlowBatch(capacity)
  const sightings: Sighting[] = []
  const problems: string[] = []
  return {
    flows,
    metrics: new MetricBatch(),
    sightings,
    problems,
    room: (rows) => flows.n + rows <= capacity,
    sighting: (sighting) => void sightings.push(sighting),
    problem: (code, offset) => void problems.push(`${code}@${offset}`),
    rows: () => Array.from({ length: flows.n }, (_, row) => rowAsJson(flows, row)),
  }
}

function ingestOf(maxStreams = 100): Ingest {
  return createSflowIngest({ maxStreams, seed: 7 }, { clock: { now: () => 0 } })
}

/** A payload as received from 192.0.2.9, with bytes around it that are none of it. */
function received(payload: Uint8Array, around = 0, receivedAt = 1_700_000_000_123): Datagram {
  const bytes = Buffer.concat([Buffer.alloc(8, around), payload, Buffer.alloc(64, around)])
  return {
    bytes,
    view: viewOf(bytes),
    offset: 8,
    length: payload.length,
    receivedAt,
    source0: 0,
    source1: 0,
    source2: 0xffff0000,
    source3: 0x090200c0,
    sourcePort: 50_000,
  }
}

function decode(payload: Uint8Array, around = 0): Collected {
  const sink = sinkOf()
  ingestOf().datagram(received(payload, around), sink)
  return sink
}

function onlyRow(payload: Uint8Array): RowJson {
  const rows = decode(payload).rows()
  assert.equal(rows.length, 1)
  return rows[0] as RowJson
}

function holds(row: RowJson, want: RowJson): void {
  for (const [name, value] of Object.entries(want)) assert.equal(row[name], value, name)
}

const ROUTER = tlv(1002, xdr(1, 0x0a090909, 24, 16))
const GATEWAY = tlv(1003, xdr(1, 0x0a090909, 64_512, 64_513, 64_514, 1, 2, 2, 65_001, 65_002, 0, 100))
const SWITCH = tlv(1001, xdr(100, 0, 200, 3))
const IF_COUNTERS = tlv(
  1,
  xdr(3, 6, 10_000_000_000n, 1, 3, 123_456_789_012n, 1, 2, 3, 4, 5, 0xffffffff, 99n, 6, 7, 8, 9, 10, 0),
)

describe('sFlow flow samples', () => {
  it('become rows with who saw what, where and how often', () => {
    const row = onlyRow(
      sflowDatagram([flowSample([sampledHeader(TCP_FRAME), SWITCH, ROUTER, GATEWAY])], { subAgent: 5 }),
    )
    holds(row, {
      time_received: '2023-11-14T22:13:20.123Z',
      time_start: '2023-11-14T22:13:20.123Z',
      exporter: '10.0.0.1',
      protocol: 'sflow',
      observation: 5,
      source_if: 3,
      in_if: 3,
      out_if: 7,
      direction: 'ingress',
      sampling_rate: 400,
      bytes: 1518,
      packets: 1,
      counted: true,
      src_mac: '52:54:00:00:00:01',
      dst_mac: '52:54:00:00:00:02',
      vlan_in: 100,
      vlan_out: 200,
      s_vlan: 0,
      ethertype: 0x0800,
      src_addr: '10.1.2.3',
      dst_addr: '10.4.5.6',
      proto: 6,
      src_port: 40_000,
      dst_port: 443,
      tcp_flags: 0x18,
      ttl: 64,
      next_hop: '10.9.9.9',
      src_mask: 24,
      dst_mask: 16,
      src_as: 64_513,
      dst_as: 65_002,
      tunnel: 'none',
      forwarding_status: 0,
    })
  })

  it('tell egress sampling by the data source, and keep codes of ports as words', () => {
    holds(onlyRow(sflowDatagram([flowSample([sampledHeader(TCP_FRAME)], 7, 7)])), { direction: 'egress', in_if: 3 })
    holds(onlyRow(sflowDatagram([flowSample([sampledHeader(TCP_FRAME)], 3, 0x80000002)])), {
      out_if: 0x80000002,
      forwarding_status: 0,
    })
    holds(onlyRow(sflowDatagram([flowSample([sampledHeader(TCP_FRAME)], 3, 0x40000102)])), {
      out_if: 0x40000102,
      discard_reason: 258,
      forwarding_status: 128,
    })
  })

  it('are read in the expanded form too, with 32-bit interface numbers', () => {
    const body = join(
      xdr(9, 0, 1_200_000_000, 1000, 5000, 0, 0, 1_200_000_000, 0, 0x3fffffff, 1),
      sampledHeader(TCP_FRAME),
    )
    holds(onlyRow(sflowDatagram([tlv(3, body)])), {
      source_if: 1_200_000_000,
      in_if: 1_200_000_000,
      out_if: 0x3fffffff,
      sampling_rate: 1000,
      direction: 'ingress',
    })
    const many = join(xdr(9, 0, 3, 1000, 5000, 0, 0, 3, 2, 4, 1), sampledHeader(TCP_FRAME))
    holds(onlyRow(sflowDatagram([tlv(3, many)])), { out_if: 0x80000004 })
  })

  it('come from sampled_ethernet, sampled_ipv4 and sampled_ipv6 where there is no header', () => {
    const ethernet = tlv(2, join(xdr(64), hex('525400000001 0000 525400000002 0000'), xdr(0x0800)))
    const ipv4 = tlv(3, xdr(60, 6, 0x0a010203, 0x0a040506, 40_000, 443, 0x12, 0x20))
    holds(onlyRow(sflowDatagram([flowSample([ethernet, ipv4])])), {
      bytes: 64,
      src_mac: '52:54:00:00:00:01',
      dst_mac: '52:54:00:00:00:02',
      src_addr: '10.1.2.3',
      dst_addr: '10.4.5.6',
      src_port: 40_000,
      dst_port: 443,
      tcp_flags: 0x12,
      tos: 0x20,
    })
    const ipv6 = tlv(
      4,
      join(xdr(80, 17), hex('20010db8000000000000000000000001 20010db8000000000000000000000002'), xdr(53, 5353, 0, 0)),
    )
    holds(onlyRow(sflowDatagram([flowSample([ipv6])])), {
      bytes: 80,
      ethertype: 0x86dd,
      src_addr: '2001:db8::1',
      proto: 17,
      dst_port: 5353,
    })
  })

  it('take tunnel, VNI, outer VLAN and MPLS label from records, where the header does not tell', () => {
    const outer = tlv(1024, xdr(150, 17, 0xac100001, 0xac100002, 50_000, 4789, 0, 0))
    const row = onlyRow(
      sflowDatagram([
        flowSample([
          tlv(1030, xdr(5000)),
          outer,
          tlv(1012, xdr(1, 0x88a80000 + 300)),
          tlv(1006, xdr(1, 0, 1, (77 << 12) | 0x140, 0)),
          sampledHeader(TCP_FRAME),
        ]),
      ]),
    )
    holds(row, {
      vni: 5000,
      tunnel: 'vxlan',
      tunnel_src: '172.16.0.1',
      tunnel_dst: '172.16.0.2',
      s_vlan: 300,
      vlan_in: 100,
      mpls_label: 77,
    })
  })

  it('name the inner VLAN under QinQ, although the switch names the outer one', () => {
    const frame = hex(
      '525400000002 525400000001 88a8 0064 8100 0014 0800 4500003400000000401100000a0102030a040506 003500350020 0000',
    )
    holds(onlyRow(sflowDatagram([flowSample([sampledHeader(frame), SWITCH])])), {
      s_vlan: 100,
      vlan_in: 20,
      vlan_out: 200,
    })
  })

  it('take the tags in and out from their stacks', () => {
    const header = sampledHeader(TCP_FRAME)
    const tags = tlv(1034, xdr(2, 0x88a8000a, 0x81000014))
    holds(onlyRow(sflowDatagram([flowSample([header, tags, tlv(1035, xdr(1, 0x8100001e))])])), {
      s_vlan: 10,
      vlan_in: 20,
      vlan_out: 30,
    })
    holds(onlyRow(sflowDatagram([flowSample([header, tlv(1034, xdr(0xffffffff, 1)), tlv(1035, xdr(0, 0))])])), {
      vlan_in: 100,
      vlan_out: 0,
    })
  })

  it('of an application make no row', () => {
    const sink = decode(
      sflowDatagram([
        flowSample(
          [tlv(2100, xdr(6, 1, 2, 80, 4000)), tlv(2202, xdr('shop', 'buy', '', 'OK', 1n, 2n, 3, 0))],
          0x03000050,
        ),
      ]),
    )
    assert.equal(sink.flows.n, 0)
    assert.deepEqual(sink.problems, [])
  })

  it('without a sampling rate count as every packet', () => {
    holds(onlyRow(sflowDatagram([tlv(1, join(xdr(1, 3, 0, 0, 0, 3, 7, 1), sampledHeader(TCP_FRAME)))])), {
      sampling_rate: 1,
    })
  })

  it('keep hsflowd’s unknown next hop of 4 zero bytes apart from the masks behind it', () => {
    holds(onlyRow(sflowDatagram([flowSample([sampledHeader(TCP_FRAME), tlv(1002, xdr(0, 0, 24, 16))])])), {
      next_hop: '::',
      src_mask: 24,
      dst_mask: 16,
    })
    holds(onlyRow(sflowDatagram([flowSample([sampledHeader(TCP_FRAME), tlv(1002, xdr(0, 24, 16))])])), {
      next_hop: '::',
      src_mask: 24,
      dst_mask: 16,
    })
  })

  it('that hold unknown records keep what is known, and the unknown is counted', () => {
    const unknown = [tlv((9999 << 12) | 1, xdr(1, 2, 3)), tlv(3999, hex('0102'))] as const
    const sink = decode(sflowDatagram([flowSample([unknown[0], sampledHeader(TCP_FRAME), unknown[1]])]))
    holds(sink.rows()[0] as RowJson, { dst_port: 443 })
    assert.deepEqual(sink.problems, ['unsupported@36'])
  })
})

describe('discarded packets', () => {
  it('become rows of one packet with the reason', () => {
    const row = onlyRow(sflowDatagram([tlv(5, join(xdr(4, 0, 3, 0, 3, 0, 258, 1), sampledHeader(TCP_FRAME)))]))
    holds(row, {
      discard_reason: 258,
      forwarding_status: 128,
      sampling_rate: 1,
      packets: 1,
      in_if: 3,
      source_if: 3,
      dst_port: 443,
    })
  })
})

describe('counter samples', () => {
  const metricsOf = (sink: Collected): Record<string, number> =>
    Object.fromEntries(
      sink.metrics.metric.map((metric, i) => [`${sink.metrics.entity[i]} ${metric}`, sink.metrics.value[i] as number]),
    )

  it('become metrics of their interface, without what the agent does not support', () => {
    const sink = decode(sflowDatagram([counterSample([IF_COUNTERS, tlv(1005, xdr('eth3'))])]))
    const metrics = metricsOf(sink)
    assert.equal(metrics['if:3 if_counters.if_in_octets'], 123_456_789_012)
    assert.equal(metrics['if:3 if_counters.if_out_errors'], 10)
    assert.equal('if:3 if_counters.if_in_unknown_protos' in metrics, false)
    assert.deepEqual(
      [sink.metrics.source[0], sink.metrics.time[0], sink.metrics.observation[0]],
      ['10.0.0.1', 1_700_000_000_123, 0],
    )
    assert.deepEqual(sink.sightings, [
      { kind: 'interface', agent: '10.0.0.1', ifIndex: 3, speed: 10_000_000_000, status: 3, name: 'eth3' },
    ])
  })

  it('of a host tell the machine and its load', () => {
    const cpu = (extra: number[]): Uint8Array =>
      tlv(
        2003,
        join(hex('3f000000 3f800000 40000000'), xdr(2, 200, 4, 2400, 1000, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...extra)),
      )
    const descr = tlv(2000, join(xdr('alpha'), hex('00112233445566778899aabbccddeeff'), xdr(3, 2, '6.1.0')))
    const adapters = tlv(2001, join(xdr(1, 2, 2), hex('525400000001 0000 525400000002 0000')))
    const sink = decode(sflowDatagram([counterSample([descr, adapters, cpu([])], 0x02000001)]))
    assert.deepEqual(sink.sightings, [
      {
        kind: 'machine',
        agent: '10.0.0.1',
        subAgent: 0,
        source: '2:1',
        hostname: 'alpha',
        uuid: '00112233-4455-6677-8899-aabbccddeeff',
        machineType: 'x86_64',
        osName: 'linux',
        osRelease: '6.1.0',
        adapters: [{ ifIndex: 2, macs: [0x525400000001, 0x525400000002] }],
      },
    ])
    const old = metricsOf(sink)
    assert.deepEqual(
      [old['host host_cpu.load_one'], old['host host_cpu.load_fifteen'], old['host host_cpu.contexts']],
      [0.5, 2, 9],
    )
    assert.equal('host host_cpu.cpu_steal' in old, false)
    assert.equal(
      metricsOf(decode(sflowDatagram([counterSample([cpu([10, 11, 12])], 0x02000001)])))[
        'host host_cpu.cpu_guest_nice'
      ],
      12,
    )
  })

  it('tell names of bounded length', () => {
    const descr = tlv(2000, join(xdr('x'.repeat(20_000)), hex('00112233445566778899aabbccddeeff'), xdr(3, 2, '6')))
    const [sighting] = decode(sflowDatagram([counterSample([descr], 0x02000001)])).sightings
    assert.equal(sighting?.kind === 'machine' && sighting.hostname?.length, 255)
  })

  it('of a virtual machine name its host', () => {
    const sink = decode(sflowDatagram([counterSample([tlv(2002, xdr(2, 1)), tlv(2101, xdr(1, 5000, 2))], 0x03000011)]))
    assert.deepEqual(sink.sightings, [
      { kind: 'machine', agent: '10.0.0.1', subAgent: 0, source: '3:17', parent: '2:1' },
    ])
    assert.equal(metricsOf(sink)['entity:3:17 virt_cpu.cpu_time'], 5000)
  })

  it('of a VLAN count for the VLAN', () => {
    assert.equal(
      metricsOf(decode(sflowDatagram([counterSample([tlv(5, xdr(110, 1000n, 1, 2, 3, 4))], 3)])))[
        'vlan:110 vlan_counters.octets'
      ],
      1000,
    )
  })

  it('take all ones for unsupported in either width', () => {
    const counters = tlv(5, xdr(110, 0xffff_ffff_ffff_ffffn, 1, 0xffffffff, 3, 4))
    assert.deepEqual(metricsOf(decode(sflowDatagram([counterSample([counters], 3)]))), {
      'vlan:110 vlan_counters.ucast_pkts': 1,
      'vlan:110 vlan_counters.broadcast_pkts': 3,
      'vlan:110 vlan_counters.discards': 4,
    })
  })

  it('of a JVM may leave out the open files', () => {
    const heap = [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]
    const old = metricsOf(
      decode(sflowDatagram([counterSample([tlv(2106, xdr(...heap, 1, 2, 3, 4, 5, 6, 7, 8, 9))], 3)])),
    )
    assert.equal(old['if:3 jvm_statistics.thread_num_started'], 9)
    assert.equal('if:3 jvm_statistics.fd_open_count' in old, false)
  })

  it('of power and temperature keep their sign, and are left out where nothing is known', () => {
    const energy = (factor: number): Uint8Array => tlv(3000, xdr(230_000, 0xffffffff, 400_000, factor, 5, 0))
    const read = (factor: number): Record<string, number> =>
      metricsOf(decode(sflowDatagram([counterSample([energy(factor), tlv(3001, xdr(-5, 41, 0))], 3)])))
    const known = read(-9500)
    assert.deepEqual(
      [known['if:3 energy.voltage'], known['if:3 energy.power_factor'], known['if:3 temperature.minimum']],
      [230_000, -9500, -5],
    )
    assert.equal('if:3 energy.current' in known, false)
    for (const none of [0x7fffffff, -0x7fffffff]) assert.equal('if:3 energy.power_factor' in read(none), false)
  })

  it('of unknown structures are counted, and the known ones beside them read', () => {
    const sink = decode(sflowDatagram([counterSample([tlv((9999 << 12) | 7, xdr(1)), IF_COUNTERS])]))
    assert.equal(sink.problems[0]?.startsWith('unsupported@'), true)
    assert.ok(sink.metrics.n > 10)
  })
})

describe('custom metrics and flows', () => {
  const metric = (source: string, ...fields: Uint8Array[]): Uint8Array =>
    tlv((4300 << 12) | 1002, join(xdr(source, fields.length), ...fields))

  it('become metrics of their data source, whatever their type, but for text', () => {
    const sink = decode(
      sflowDatagram([
        metric(
          'shop',
          xdr('orders', 1, 12),
          xdr('bytes', 2, 5_000_000_000n),
          xdr('version', 0, '1.2'),
          xdr('users', 3, 7),
          join(xdr('load', 5), hex('3f000000')),
          join(xdr('ratio', 6), hex('3fd0000000000000')),
        ),
      ]),
    )
    assert.deepEqual(sink.problems, [])
    assert.deepEqual(
      sink.metrics.metric.map((name, i) => [sink.metrics.entity[i], name, sink.metrics.value[i]]),
      [
        ['rt:shop', 'rtmetric.orders', 12],
        ['rt:shop', 'rtmetric.bytes', 5_000_000_000],
        ['rt:shop', 'rtmetric.users', 7],
        ['rt:shop', 'rtmetric.load', 0.5],
        ['rt:shop', 'rtmetric.ratio', 0.25],
      ],
    )
  })

  it('are refused where a type is not known, and a flow makes no row', () => {
    const wrong = decode(sflowDatagram([metric('shop', xdr('orders', 1, 12), xdr('what', 99, 1))]))
    assert.deepEqual([wrong.metrics.n, wrong.problems], [1, ['bad_sample@36']])
    const flow = decode(sflowDatagram([tlv((4300 << 12) | 1003, xdr('shop', 10, 1000, 1, 'client', 2, 0x0a000001))]))
    assert.deepEqual([flow.flows.n, flow.metrics.n, flow.problems], [0, 0, []])
  })

  it('bring no more names than are kept', () => {
    const ingest = ingestOf()
    const sink = sinkOf()
    for (let k = 0; k < 50; k++) {
      const fields = Array.from({ length: 100 }, (_, i) => xdr(`m${k}-${i}`, 1, 1))
      ingest.datagram(received(sflowDatagram([metric('shop', ...fields)])), sink)
    }
    assert.deepEqual([sink.metrics.n, ingest.streams(1)[0]?.problems['metrics_dropped']], [4095, 905])
  })

  it('under names that nobody has sent for an hour give way to new ones, those in use stay', () => {
    const ingest = ingestOf()
    const start = 1_700_000_000_000
    const named = (prefix: string, count: number): Uint8Array[] =>
      Array.from({ length: count }, (_, i) => xdr(`${prefix}${i}`, 1, 1))
    const send = (at: number, fields: readonly Uint8Array[]): number => {
      const sink = sinkOf()
      for (let k = 0; k < fields.length; k += 100)
        ingest.datagram(received(sflowDatagram([metric('shop', ...fields.slice(k, k + 100))]), 0, at), sink)
      return sink.metrics.n
    }
    assert.equal(send(start, named('old', 3_000)), 3_000)
    assert.equal(send(start, named('used', 1_000)), 1_000)
    assert.equal(send(start + 1_800_000, named('used', 1_000)), 1_000)
    assert.equal(send(start + 1_800_001, named('more', 200)), 95)
    // Half an hour later the old ones are unused for an hour, and so is nothing else.
    assert.equal(send(start + 3_600_001, named('new', 4_000)), 3_000)
    assert.equal(send(start + 3_600_002, named('used', 1_000)), 1_000)
    assert.equal(send(start + 3_600_003, named('old', 1)), 0)
  })
})

describe('what is wrong in a datagram', () => {
  it('is shown by the number of each structure that is not known', () => {
    const ingest = ingestOf()
    const unknown = tlv((9999 << 12) | 1, xdr(1))
    const datagram = sflowDatagram([
      flowSample([unknown, unknown, sampledHeader(TCP_FRAME)]),
      counterSample([tlv(999, xdr(1))]),
      tlv((4300 << 12) | 1004, xdr(1)),
    ])
    ingest.datagram(received(datagram), sinkOf())
    assert.deepEqual(ingest.streams(1)[0]?.problems, {
      'unknown_structure flow 9999:1': 2,
      'unknown_structure counter 0:999': 1,
      'unknown_structure sample 4300:1004': 1,
      unsupported: 3,
    })
    for (let i = 0; i < 100; i++)
      ingest.datagram(received(sflowDatagram([tlv((8888 << 12) | i, xdr(1))], { sequence: 2 + i })), sinkOf())
    const problems = ingest.streams(1)[0]?.problems ?? {}
    assert.equal(Object.keys(problems).length, 18)
    assert.equal(problems['unknown_structure others'], 87)
  })

  it('leaves what can be read of a sample that the datagram cuts off', () => {
    const whole = sflowDatagram([flowSample([SWITCH, sampledHeader(TCP_FRAME), ROUTER])])
    const cut = decode(whole.subarray(0, whole.length - ROUTER.length - 20))
    holds(cut.rows()[0] as RowJson, { vlan_in: 100, bytes: 1518, dst_port: 443, next_hop: '::' })
    assert.deepEqual(cut.problems, [`truncated@${whole.length - ROUTER.length - 20}`])
    // Before its packet there is nothing to count
    assert.equal(decode(whole.subarray(0, 28 + 40 + SWITCH.length)).flows.n, 0)
    const counters = sflowDatagram([counterSample([IF_COUNTERS])])
    assert.ok(decode(counters.subarray(0, counters.length - 20)).metrics.n > 5)
  })

  it('is told with its place, and the rest is read', () => {
    const good = flowSample([sampledHeader(TCP_FRAME)])
    const shortHead = tlv(1, xdr(1, 2, 3))
    const longRecord = flowSample([sampledHeader(TCP_FRAME), xdr(1001, 4000, 1, 1)])
    const sink = decode(sflowDatagram([shortHead, longRecord, good]))
    assert.deepEqual(
      sink.problems.map((p) => p.split('@')[0]),
      ['bad_sample', 'bad_record'],
    )
    assert.equal(sink.flows.n, 2)
  })

  it('is counted where samples are missing, lie about their length or are of an unknown kind', () => {
    const datagram = sflowDatagram([flowSample([sampledHeader(TCP_FRAME)])])
    new DataView(datagram.buffer, datagram.byteOffset).setUint32(24, 1000)
    const sink = decode(datagram)
    assert.deepEqual([sink.flows.n, sink.problems], [1, [`truncated@${datagram.length}`]])
    assert.deepEqual(decode(sflowDatagram([xdr(1, 0xfffffff0, 1, 2)])).problems.length, 1)
    assert.deepEqual(decode(sflowDatagram([tlv((4300 << 12) | 1001, xdr('m', 0))])).problems, ['unsupported@36'])
  })

  it('is refused if the version or the address type is wrong, or the header is cut', () => {
    assert.deepEqual(decode(xdr(4, 1, 2, 3, 4, 5, 6)).problems, ['bad_version@0'])
    assert.deepEqual(decode(xdr(5, 9, 2, 3, 4, 5, 6)).problems, ['bad_length@4'])
    assert.deepEqual(decode(xdr(5, 1, 2)).problems, ['truncated@12'])
  })

  const whole = sflowDatagram([
    flowSample([sampledHeader(TCP_FRAME), SWITCH, ROUTER, GATEWAY, tlv(1006, xdr(1, 0, 1, 5, 0))]),
    counterSample([IF_COUNTERS, tlv(1005, xdr('eth3')), tlv(2001, join(xdr(1, 2, 1), hex('525400000001 0000')))]),
    tlv(5, join(xdr(4, 0, 3, 0, 3, 0, 258, 1), sampledHeader(TCP_FRAME))),
  ])

  it('never makes a byte behind the end count, wherever the datagram is cut', () => {
    for (let length = 0; length <= whole.length; length++) {
      const zeros = decode(whole.subarray(0, length), 0)
      const ones = decode(whole.subarray(0, length), 0xff)
      assert.deepEqual(ones.rows(), zeros.rows(), `cut to ${length}`)
      assert.deepEqual(ones.metrics, zeros.metrics, `cut to ${length}`)
      assert.deepEqual(ones.sightings, zeros.sightings, `cut to ${length}`)
      assert.deepEqual(ones.problems, zeros.problems, `cut to ${length}`)
      assert.ok(length === whole.length || zeros.problems.length > 0, `cut to ${length}: no problem was told`)
    }
  })

  it('never throws, whatever the bytes are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 12 }),
        (flips) => {
          const bytes = Uint8Array.from(whole)
          for (const [at, value] of flips) bytes[at] = value
          decode(bytes)
        },
      ),
      { numRuns: 3000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void decode(join(xdr(5, 1), bytes))),
      { numRuns: 1000 },
    )
  })
})

describe('streams', () => {
  const send = (ingest: Ingest, parts: DatagramParts, at = 1_700_000_000_000): void => {
    ingest.datagram(received(sflowDatagram([flowSample([sampledHeader(TCP_FRAME)])], parts), 0, at), sinkOf())
  }

  it('are told apart by agent and sub-agent, and an agent without an address by who sent it', () => {
    const ingest = ingestOf()
    send(ingest, {})
    send(ingest, { subAgent: 1 })
    send(ingest, { agent: hex('20010db8000000000000000000000001') })
    send(ingest, { agent: hex('00000000') })
    send(ingest, { agent: hex('') })
    assert.deepEqual(
      ingest
        .streams(10)
        .map((s) => `${s.exporter} ${s.observation} ${s.datagrams}`)
        .sort(),
      ['10.0.0.1 0 1', '10.0.0.1 1 1', '192.0.2.9 0 2', '2001:db8::1 0 1'],
    )
  })

  it('count what is lost, out of order, doubled, and each new start of the agent', () => {
    const ingest = ingestOf()
    const status = (): object => {
      const { lost, reordered, restarts, problems } = ingest.streams(1)[0] as ReturnType<Ingest['streams']>[number]
      return { lost, reordered, restarts, duplicates: problems['duplicate'] ?? 0 }
    }
    for (const sequence of [10, 11, 14]) send(ingest, { sequence, uptime: 100_000 + sequence })
    assert.deepEqual(status(), { lost: 2, reordered: 0, restarts: 0, duplicates: 0 })
    send(ingest, { sequence: 12, uptime: 100_012 })
    send(ingest, { sequence: 12, uptime: 100_012 })
    assert.deepEqual(status(), { lost: 1, reordered: 1, restarts: 0, duplicates: 1 })
    send(ingest, { sequence: 1, uptime: 50 })
    send(ingest, { sequence: 2, uptime: 1050 })
    assert.deepEqual(status(), { lost: 1, reordered: 1, restarts: 1, duplicates: 1 })
  })

  it('go on over the end of the sequence numbers', () => {
    const ingest = ingestOf()
    for (const sequence of [0xfffffffe, 0xffffffff, 0, 1]) send(ingest, { sequence })
    const stream = ingest.streams(1)[0]
    assert.deepEqual([stream?.lost, stream?.restarts, stream?.datagrams], [0, 0, 4])
  })

  it('tell the sampling rates in force and where', () => {
    const ingest = ingestOf()
    ingest.datagram(
      received(sflowDatagram([flowSample([sampledHeader(TCP_FRAME)], 3), flowSample([sampledHeader(TCP_FRAME)], 4)])),
      sinkOf(),
    )
    assert.deepEqual(ingest.streams(1)[0]?.sampling, [{ rate: 400, from: 'data source 0:3, 0:4' }])
  })

  it('stay bounded under a flood of invented agents, which pushes out none that has been heard for a while', () => {
    const ingest = ingestOf(1000)
    let now = 1_700_000_000_000
    for (let round = 1; round <= 6; round++) {
      for (let good = 0; good < 50; good++) send(ingest, { agent: xdr(0x0a0a0000 + good), sequence: round }, now)
      now += 1000
    }
    const sink = sinkOf(50_000)
    for (let i = 0; i < 50_000; i++)
      ingest.datagram(received(sflowDatagram([], { agent: xdr(0x0b000000 + i) }), 0, now), sink)
    assert.deepEqual([ingest.counts().streams, ingest.counts().evicted], [1000, 49_050])
    const kept = ingest.streams(1000).filter((stream) => stream.exporter.startsWith('10.10.0.'))
    assert.deepEqual([kept.length, kept.every((stream) => stream.datagrams === 6)], [50, true])
  })

  it('fill a batch to its last row, and each row is whole when the batch is handed on', () => {
    const handedOn: RowJson[] = []
    const flows = new FlowBatch(4)
    const sink: IngestSink = {
      flows,
      metrics: new MetricBatch(),
      room: () => {
        if (flows.n < 4) return true
        for (let row = 0; row < 4; row++) handedOn.push(rowAsJson(flows, row))
        flows.clear()
        return true
      },
      sighting: () => undefined,
      problem: () => undefined,
    }
    const ingest = ingestOf()
    for (let k = 0; k < 3; k++) {
      const samples = Array.from({ length: 3 }, () => flowSample([sampledHeader(TCP_FRAME)]))
      ingest.datagram(received(sflowDatagram(samples, { sequence: k, subAgent: k }), 0, 1_700_000_000_000 + k), sink)
    }
    assert.deepEqual(
      [...handedOn, rowAsJson(flows, 0)].map((row) => [row['observation'], row['exporter'], row['counted']]),
      [0, 0, 0, 1, 1, 1, 2, 2, 2].map((subAgent) => [subAgent, '10.0.0.1', true]),
    )
    assert.equal(handedOn[7]?.['time_received'], '2023-11-14T22:13:20.002Z')
  })

  it('make no row when the pipeline is full', () => {
    const sink: Collected = { ...sinkOf(), room: () => false }
    assert.equal(ingestOf().datagram(received(sflowDatagram([flowSample([sampledHeader(TCP_FRAME)])])), sink), 0)
    assert.equal(sink.flows.n, 0)
  })
})
