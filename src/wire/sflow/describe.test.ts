import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { hex, join, tlv, viewOf, xdr } from '../../../test/fixtures/xdr.ts'
import { describeRecord } from './describe.ts'
import { discardReasonName } from './discard-reasons.ts'
import { COUNTER_STRUCTURES, FLOW_STRUCTURES } from './structures.ts'

function flow(tag: number, body: Uint8Array): object {
  return describeRecord('flow', tag, viewOf(body), 0, body.length)
}

function counter(tag: number, body: Uint8Array): object {
  return describeRecord('counter', tag, viewOf(body), 0, body.length)
}

describe('records as objects', () => {
  it('hold strings, lists, addresses and 64-bit numbers as people write them', () => {
    assert.deepEqual(
      flow(
        1003,
        join(
          xdr(2),
          hex('20010db8000000000000000000000001'),
          xdr(64_512, 1, 2, 1, 2, 2, 65_001, 65_002, 1, 0xfde80064, 100),
        ),
      ),
      {
        type: 'extended_gateway',
        nexthop: '2001:db8::1',
        as: 64_512,
        src_as: 1,
        src_peer_as: 2,
        dst_as_path: [{ type: 2, as: [65_001, 65_002] }],
        communities: [0xfde80064],
        localpref: 100,
      },
    )
    assert.deepEqual(flow(1004, xdr(106, 'ann', 106, 'bob')), {
      type: 'extended_user',
      src_charset: 106,
      src_user: 'ann',
      dst_charset: 106,
      dst_user: 'bob',
    })
    assert.deepEqual(flow(1043, xdr(1_700_000_000_123_456_789n)), {
      type: 'extended_timestamp',
      timestamp: '1700000000123456789',
    })
    assert.deepEqual(flow(2206, xdr(2, 1001, '/a', 'h', '', 'curl', '', '', 'text/html', 10n, 2000n, 55, 200)), {
      type: 'http_request',
      method: 2,
      protocol: 1001,
      uri: '/a',
      host: 'h',
      referer: '',
      useragent: 'curl',
      xff: '',
      authuser: '',
      mime_type: 'text/html',
      req_bytes: 10,
      resp_bytes: 2000,
      us: 55,
      status: 200,
    })
    assert.deepEqual(flow(1019, xdr(3, 80)), { type: 'extended_queue_length', queue_index: 3, queue_length: 80 })
    assert.deepEqual(flow(1037, xdr(7, 'edge-in', 1)), {
      type: 'extended_acl',
      number: 7,
      name: 'edge-in',
      direction: 1,
    })
    assert.deepEqual(flow(1035, xdr(2, 0x88a8000a, 0x81000014)), {
      type: 'extended_vlanout',
      stack: [0x88a8000a, 0x81000014],
    })
    assert.deepEqual(counter((4413 << 12) | 2, xdr(1, 2, 3, 4, 2, 50, 60, 1, 70)), {
      type: 'bst_port_buffers',
      ingress_uc_pc: 1,
      ingress_mc_pc: 2,
      egress_uc_pc: 3,
      egress_mc_pc: 4,
      egress_queue_uc: [50, 60],
      egress_queue_mc: [70],
    })
  })

  it('hold the frames of an 802.11 aggregate as records of their own, within each other only so deep', () => {
    const addresses = tlv(3, xdr(60, 17, 0x0a010203, 0x0a040506, 53, 5353, 0, 0))
    const vlan = tlv(1001, xdr(100, 0, 200, 0))
    const described = flow(1016, join(xdr(2, 2), addresses, vlan, xdr(1), tlv(1001, xdr(1, 2, 3, 4)))) as {
      pdus: Record<string, unknown>[][]
    }
    assert.deepEqual(
      described.pdus.map((records) => records.map((record) => record['type'])),
      [['sampled_ipv4', 'extended_switch'], ['extended_switch']],
    )
    assert.equal(described.pdus[0]?.[0]?.['dst_ip'], '10.4.5.6')
    let nested = join(xdr(1, 1), vlan)
    for (let i = 0; i < 10; i++) nested = join(xdr(1, 1), tlv(1016, nested))
    const text = JSON.stringify(flow(1016, nested))
    assert.equal(text.match(/extended_80211_aggregation/g)?.length, 4)
  })

  it('hold optics lane by lane, and LACP states byte by byte', () => {
    assert.deepEqual(counter(10, xdr(7, 1, 3300, 40_000, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)), {
      type: 'sfp',
      module_id: 7,
      module_num_lanes: 1,
      module_supply_voltage: 3300,
      module_temperature: 40_000,
      lanes: [
        {
          index: 1,
          tx_bias_current: 2,
          tx_power: 3,
          tx_power_min: 4,
          tx_power_max: 5,
          tx_wavelength: 6,
          rx_power: 7,
          rx_power_min: 8,
          rx_power_max: 9,
          rx_wavelength: 10,
        },
      ],
    })
    const lag = counter(
      7,
      join(hex('525400000001 0000 525400000002 0000'), xdr(5), hex('3d3d3f3f'), xdr(1, 2, 3, 4, 5, 6, 7, 8)),
    ) as Record<string, unknown>
    assert.deepEqual(
      [
        lag['actor_admin_port_state'],
        lag['partner_oper_port_state'],
        lag['dot3ad_agg_port_stats_marker_response_pdus_tx'],
      ],
      [0x3d, 0x3f, 8],
    )
  })

  it('have the sizes that the structure texts give', () => {
    const sizes: Record<string, number> = { u32: 4, i32: 4, u64: 8, f32: 4, u8: 1, mac: 8, ip4: 4, ip6: 16, uuid: 16 }
    const sizeOf = (table: typeof FLOW_STRUCTURES, tag: number): number =>
      (table.get(tag)?.fields ?? []).reduce((sum, field) => sum + (sizes[field.type] ?? Number.NaN), 0)
    for (const [tag, size] of [
      [2, 24],
      [3, 32],
      [4, 56],
      [1001, 16],
      [2100, 20],
      [2101, 44],
      [2209, 48],
      [2210, 16],
      [1031, 40],
      [1032, 48],
      [2208, 92],
    ] as const) {
      assert.equal(sizeOf(FLOW_STRUCTURES, tag), size, `flow ${tag}`)
    }
    for (const [tag, size] of [
      [1, 88],
      [2, 52],
      [3, 72],
      [4, 80],
      [5, 28],
      [6, 80],
      [7, 56],
      [8, 24],
      [9, 64],
      [11, 20],
      [1001, 28],
      [1003, 52],
      [1002, 12],
      [1004, 12],
      [2002, 8],
      [2003, 80],
      [2004, 72],
      [2005, 52],
      [2006, 40],
      [2007, 76],
      [2008, 100],
      [2009, 60],
      [2010, 28],
      [2100, 28],
      [2101, 12],
      [2102, 16],
      [2103, 52],
      [2104, 40],
      [2106, 108],
      [2201, 60],
      [2203, 40],
      [2205, 92],
      [2206, 20],
      [2207, 24],
      [3000, 24],
      [3001, 12],
      [3002, 4],
      [3003, 12],
      [(4413 << 12) | 3, 144],
      [(5703 << 12) | 1, 48],
    ] as const)
      assert.equal(sizeOf(COUNTER_STRUCTURES, tag), size, `counter ${tag}`)
  })

  it('that end early keep the fields that are there, and say so if one is cut through', () => {
    assert.deepEqual(counter(2101, xdr(1, 5000)), { type: 'virt_cpu', state: 1, cpu_time: 5000 })
    assert.deepEqual(counter(2101, join(xdr(1), hex('0000'))), { type: 'virt_cpu', state: 1, truncated: 1 })
    assert.deepEqual(counter(1005, xdr(1000, 1)), { type: 'port_name', truncated: 1 })
  })

  it('of unknown structures keep their bytes', () => {
    assert.deepEqual(flow((9999 << 12) | 7, hex('010203')), { type: 'unknown', format: '9999:7', data: '010203' })
  })

  it('never fail, whatever the bytes are', () => {
    const tags = [...FLOW_STRUCTURES.keys()]
      .map((tag) => ['flow', tag] as const)
      .concat([...COUNTER_STRUCTURES.keys()].map((tag) => ['counter', tag] as never))
    fc.assert(
      fc.property(fc.constantFrom(...tags), fc.uint8Array({ maxLength: 120 }), ([kind, tag], bytes) => {
        JSON.stringify(describeRecord(kind, tag, viewOf(bytes), 0, bytes.length))
      }),
      { numRuns: 3000 },
    )
  })
})

describe('the table of structures', () => {
  it('has no field that would hide the name of its record', () => {
    for (const { name, fields } of [...FLOW_STRUCTURES.values(), ...COUNTER_STRUCTURES.values()])
      assert.ok(!fields.some((field) => field.name === 'type' || field.name === 'format'), name)
  })
})

describe('discard reasons', () => {
  it('have the names of their codes, also of the two that the reference header misspells', () => {
    for (const [code, name] of [
      [0, 'net_unreachable'],
      [15, 'precedence_cutoff'],
      [258, 'acl'],
      [262, 'pkt_too_big'],
      [283, 'overlay_smac_is_mc'],
      [289, 'unknown_l4'],
      [306, 'blackhole_nexthop'],
      [323, 'unknown_parsing'],
      [332, 'dev_hdr'],
      [33, 'dev_hdr'],
      [336, 'icmp_parsing'],
      [356, 'tcp_minttl'],
      [362, 'ipv6_ndisc_ns_otherhost'],
      [366, 'tc_egress'],
      [36, 'tc_egress'],
      [372, 'bgp_flowspec'],
    ] as const)
      assert.equal(discardReasonName(code), name)
    assert.equal(discardReasonName(9999), undefined)
  })
})
