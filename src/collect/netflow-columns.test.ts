import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { NOW, create, iso, decode, row, pick } from '../../test/fixtures/netflow-ingest.ts'
import {
  datagram,
  ip,
  ipfix,
  netflow9,
  mac,
  optionsTemplate,
  SECONDS,
  set,
  template,
  testSink,
  u16,
  u32,
  u64,
  variable,
  type FieldSpec,
} from '../../test/fixtures/netflow-messages.ts'
import type { RowJson } from '../flow/row-json.ts'

describe('what the columns are made of', () => {
  test('times come from whichever elements there are', () => {
    const at = SECONDS * 1000
    const ntp = (ms: number): number[] => [
      ...u32(Math.floor(ms / 1000) + 2_208_988_800),
      ...u32(Math.round(((ms % 1000) / 1000) * 2 ** 32)),
    ]
    const times = (fields: readonly FieldSpec[], record: number[]): unknown[] =>
      pick(row([[8, 4], ...fields], [...ip('192.0.2.1'), ...record]), 'time_start', 'time_end')
    const expected = [iso(at - 4500), iso(at - 1500)]
    assert.deepEqual(
      times(
        [
          [150, 4],
          [151, 4],
        ],
        [...u32(SECONDS - 4), ...u32(SECONDS - 1)],
      ),
      [iso(at - 4000), iso(at - 1000)],
    )
    assert.deepEqual(
      times(
        [
          [152, 8],
          [153, 8],
        ],
        [...u64(at - 4500), ...u64(at - 1500)],
      ),
      expected,
    )
    assert.deepEqual(
      times(
        [
          [154, 8],
          [155, 8],
        ],
        [...ntp(at - 4500), ...ntp(at - 1500)],
      ),
      expected,
    )
    assert.deepEqual(
      times(
        [
          [156, 8],
          [157, 8],
        ],
        [...ntp(at - 4500), ...ntp(at - 1500)],
      ),
      expected,
    )
    assert.deepEqual(
      times(
        [
          [154, 8],
          [155, 8],
        ],
        [...u64((at - 4500) * 1000), ...u64((at - 1500) * 1000)],
      ),
      expected,
      'microseconds since 1970, as some send',
    )
    assert.deepEqual(
      times(
        [
          [158, 4],
          [159, 4],
        ],
        [...u32(4_500_000), ...u32(1_500_000)],
      ),
      expected,
    )
    assert.deepEqual(
      times(
        [
          [160, 8],
          [22, 4],
          [21, 4],
        ],
        [...u64(at - 10_000), ...u32(5500), ...u32(8500)],
      ),
      expected,
    )
    assert.deepEqual(
      times(
        [
          [160, 8],
          [22, 4],
          [21, 4],
        ],
        [...u64(at - 2 ** 32 - 5000), ...u32(500), ...u32(3500)],
      ),
      expected,
      'an uptime that has wrapped',
    )
    assert.deepEqual(
      times(
        [
          [160, 8],
          [22, 4],
          [21, 4],
        ],
        [...u64(at), ...u32(2 ** 32 - 4500), ...u32(2 ** 32 - 1500)],
      ),
      expected,
      'a flow from before the exporter started',
    )
    assert.deepEqual(
      times(
        [
          [22, 4],
          [21, 4],
        ],
        [...u32(5500), ...u32(8500)],
      ),
      [iso(at - 3000), iso(at)],
      'without the start of the exporter the end is the export',
    )
    assert.deepEqual(
      times(
        [
          [153, 8],
          [161, 4],
        ],
        [...u64(at - 1500), ...u32(3000)],
      ),
      expected,
    )
    assert.deepEqual(
      times(
        [
          [152, 8],
          [162, 4],
        ],
        [...u64(at - 4500), ...u32(3_000_000)],
      ),
      expected,
    )
    assert.deepEqual(times([[323, 8]], [...u64(at - 1500)]), [iso(at - 1500), iso(at - 1500)])
    const zeroes = (start: number, end: number): unknown[] =>
      times(
        [
          [152, 8],
          [153, 8],
        ],
        [...u64(start), ...u64(end)],
      )
    assert.deepEqual(zeroes(0, at), [iso(at), iso(at)], 'zero is no time')
    assert.deepEqual(zeroes(at, 0), [iso(at), iso(at)])
    assert.deepEqual(zeroes(0, 0), [iso(NOW), iso(NOW)])
    assert.deepEqual(times([], []), [iso(NOW), iso(NOW)])
  })

  test('the start of an exporter from options places the uptimes of IPFIX', () => {
    const { rows } = decode([
      ipfix(
        {},
        set(3, optionsTemplate(257, [[143, 4]], [[160, 8]])),
        set(257, [...u32(1), ...u64(SECONDS * 1000 - 10_000)]),
      ),
      ipfix(
        { sequence: 1 },
        set(
          2,
          template(256, [
            [8, 4],
            [22, 4],
            [21, 4],
          ]),
        ),
        set(256, [...ip('192.0.2.1'), ...u32(5500), ...u32(8500)]),
      ),
    ])
    assert.deepEqual(pick(rows[0] as RowJson, 'time_start', 'time_end'), [
      iso(SECONDS * 1000 - 4500),
      iso(SECONDS * 1000 - 1500),
    ])
  })

  test('IPv6, and a template that has both families', () => {
    const v6 = row(
      [
        [27, 16],
        [28, 16],
        [139, 2],
        [4, 1],
      ],
      [...ip('2001:db8::1'), ...ip('2001:db8::2'), ...u16(0x8000), 58],
    )
    assert.deepEqual(pick(v6, 'src_addr', 'dst_addr', 'icmp_type', 'icmp_code', 'ethertype'), [
      '2001:db8::1',
      '2001:db8::2',
      128,
      0,
      0x86dd,
    ])
    const both: readonly FieldSpec[] = [
      [8, 4],
      [12, 4],
      [27, 16],
      [28, 16],
    ]
    const zero = ip('::')
    assert.deepEqual(
      pick(row(both, [...ip('192.0.2.1'), ...ip('192.0.2.2'), ...zero, ...zero]), 'src_addr', 'dst_addr', 'ethertype'),
      ['192.0.2.1', '192.0.2.2', 0x0800],
    )
    assert.deepEqual(
      pick(
        row(both, [0, 0, 0, 0, 0, 0, 0, 0, ...ip('2001:db8::1'), ...ip('2001:db8::2')]),
        'src_addr',
        'dst_addr',
        'ethertype',
      ),
      ['2001:db8::1', '2001:db8::2', 0x86dd],
    )
  })

  test('under QinQ the inner tag is the VLAN and the outer one the service VLAN', () => {
    assert.deepEqual(
      pick(
        row(
          [
            [243, 2],
            [245, 2],
          ],
          [...u16(500), ...u16(110)],
        ),
        'vlan_in',
        's_vlan',
      ),
      [110, 500],
    )
    assert.deepEqual(
      pick(
        row(
          [
            [243, 2],
            [245, 2],
          ],
          [...u16(110), ...u16(0)],
        ),
        'vlan_in',
        's_vlan',
      ),
      [110, 0],
    )
    assert.deepEqual(
      pick(
        row(
          [
            [58, 2],
            [243, 2],
            [254, 2],
            [255, 2],
          ],
          [...u16(7), ...u16(110), ...u16(600), ...u16(120)],
        ),
        'vlan_in',
        'vlan_out',
        's_vlan',
      ),
      [110, 120, 0],
    )
  })

  test('a tenant packet of a virtual distributed switch has its tunnel beside it', () => {
    const fields: readonly FieldSpec[] = [
      [8, 4],
      [12, 4],
      [7, 2],
      [11, 2],
      [4, 1],
      [351, 8],
      [881, 4, 6876],
      [882, 4, 6876],
      [886, 2, 6876],
      [887, 2, 6876],
      [880, 1, 6876],
    ]
    const json = row(fields, [
      ...ip('10.0.0.1'),
      ...ip('10.0.0.2'),
      ...u16(50_000),
      ...u16(8472),
      17,
      1,
      0,
      0,
      0,
      0,
      0x00,
      0x13,
      0x88,
      ...ip('192.168.1.1'),
      ...ip('192.168.1.2'),
      ...u16(33_000),
      ...u16(443),
      6,
    ])
    assert.deepEqual(
      pick(json, 'src_addr', 'dst_addr', 'src_port', 'dst_port', 'proto', 'tunnel', 'tunnel_src', 'tunnel_dst', 'vni'),
      ['192.168.1.1', '192.168.1.2', 33_000, 443, 6, 'vxlan', '10.0.0.1', '10.0.0.2', 5000],
    )
  })

  test('a tunnel of Open vSwitch has its key, kind and ends', () => {
    const json = row(
      [
        [8, 4],
        [12, 4],
        [891, 1, 6876],
        [892, 65535, 6876],
        [893, 4, 6876],
        [894, 4, 6876],
      ],
      [
        ...ip('192.168.1.1'),
        ...ip('192.168.1.2'),
        7,
        ...variable([0, 0x13, 0x88]),
        ...ip('10.0.0.1'),
        ...ip('10.0.0.2'),
      ],
    )
    assert.deepEqual(pick(json, 'src_addr', 'tunnel', 'vni', 'tunnel_src', 'tunnel_dst'), [
      '192.168.1.1',
      'geneve',
      5000,
      '10.0.0.1',
      '10.0.0.2',
    ])
  })

  test('of repeated headers the first are the outer and the last the inner ones', () => {
    const fields: readonly FieldSpec[] = [
      [27, 16],
      [28, 16],
      [4, 1],
      [7, 2],
      [11, 2],
      [8, 4],
      [12, 4],
      [4, 1],
      [7, 2],
      [11, 2],
    ]
    const outer = [...ip('2001:db8::1'), ...ip('2001:db8::2')]
    assert.deepEqual(
      pick(
        row(fields, [...outer, 4, 0, 0, 0, 0, ...ip('192.0.2.1'), ...ip('192.0.2.2'), 17, ...u16(53), ...u16(5353)]),
        'src_addr',
        'dst_addr',
        'proto',
        'src_port',
        'dst_port',
        'tunnel',
        'tunnel_src',
        'tunnel_dst',
      ),
      ['192.0.2.1', '192.0.2.2', 17, 53, 5353, 'ipip', '2001:db8::1', '2001:db8::2'],
    )
    assert.deepEqual(
      pick(
        row(fields, [...outer, 6, ...u16(80), ...u16(81), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        'src_addr',
        'dst_addr',
        'proto',
        'src_port',
        'dst_port',
        'tunnel',
        'tunnel_src',
      ),
      ['2001:db8::1', '2001:db8::2', 6, 80, 81, 'none', '::'],
    )
  })

  test('both directions of a biflow are rows, the other one turned around (RFC 5103)', () => {
    const fields: readonly FieldSpec[] = [
      [8, 4],
      [12, 4],
      [7, 2],
      [11, 2],
      [1, 4],
      [1, 4, 29305],
      [2, 4],
      [2, 4, 29305],
      [6, 1],
      [6, 1, 29305],
      [10, 4],
      [14, 4],
      [58, 2],
      [59, 2],
      [61, 1],
    ]
    const record = (back: number): number[] => [
      ...ip('192.0.2.1'),
      ...ip('198.51.100.2'),
      ...u16(1234),
      ...u16(80),
      ...u32(100),
      ...u32(back),
      ...u32(2),
      ...u32(back === 0 ? 0 : 3),
      2,
      0x12,
      ...u32(7),
      ...u32(8),
      ...u16(10),
      ...u16(20),
      0,
    ]
    const { rows } = decode([ipfix({}, set(2, template(256, fields)), set(256, record(5000), record(0), record(6000)))])
    const columns = [
      'src_addr',
      'dst_addr',
      'src_port',
      'dst_port',
      'bytes',
      'packets',
      'tcp_flags',
      'in_if',
      'out_if',
      'vlan_in',
      'vlan_out',
      'direction',
      'sampling_rate',
      'counted',
      'exporter',
    ] as const
    assert.deepEqual(
      rows.map((r) => r['bytes']),
      [100, 100, 100, 5000, 6000],
    )
    assert.deepEqual(pick(rows[3] as RowJson, ...columns), [
      '198.51.100.2',
      '192.0.2.1',
      80,
      1234,
      5000,
      3,
      0x12,
      8,
      7,
      20,
      10,
      'egress',
      1,
      true,
      '10.0.0.1',
    ])
  })

  test('a packet section is dissected (PSAMP)', () => {
    const udp = [
      0x45,
      0,
      0,
      100,
      0,
      0,
      0,
      0,
      64,
      17,
      0,
      0,
      ...ip('192.0.2.1'),
      ...ip('192.0.2.2'),
      ...u16(53),
      ...u16(5353),
      0,
      0,
      0,
      0,
    ]
    const frame = [...mac('02:00:00:00:00:02'), ...mac('02:00:00:00:00:01'), 0x81, 0, 0, 110, 8, 0, ...udp]
    const columns = ['src_addr', 'dst_addr', 'proto', 'src_port', 'dst_port', 'bytes', 'packets', 'ttl'] as const
    assert.deepEqual(
      pick(
        row(
          [
            [312, 2],
            [315, 65535],
          ],
          [...u16(118), ...variable(frame)],
        ),
        ...columns,
        'vlan_in',
        'src_mac',
      ),
      ['192.0.2.1', '192.0.2.2', 17, 53, 5353, 118, 1, 64, 110, '02:00:00:00:00:01'],
    )
    assert.deepEqual(pick(row([[313, 28]], udp), ...columns), ['192.0.2.1', '192.0.2.2', 17, 53, 5353, 100, 1, 64])
    assert.deepEqual(
      pick(
        row(
          [
            [313, 65535],
            [10, 4],
          ],
          [...variable([0x45]), ...u32(9)],
        ),
        'in_if',
        'src_addr',
        'bytes',
      ),
      [9, '::', 0],
    )
  })

  test('names of interfaces in flow records are told once', () => {
    const ingest = create()
    const sink = testSink()
    const record = (octets: number): number[] => [
      ...u32(3),
      ...variable([...Buffer.from('vnet0')]),
      ...u32(4),
      ...variable([...Buffer.from('eth1')]),
      ...u32(octets),
    ]
    for (let i = 0; i < 3; i++)
      ingest.datagram(
        datagram(
          ipfix(
            { sequence: 2 * i },
            set(
              2,
              template(256, [
                [10, 4],
                [82, 65535],
                [14, 4],
                [82, 65535],
                [1, 4],
              ]),
            ),
            set(256, record(1), record(2)),
          ),
        ),
        sink,
      )
    assert.deepEqual(sink.sightings, [
      { kind: 'interface', agent: '10.0.0.1', ifIndex: 3, name: 'vnet0' },
      { kind: 'interface', agent: '10.0.0.1', ifIndex: 4, name: 'eth1' },
    ])
    assert.equal(sink.flows.n, 6)
  })

  test('client and server of application visibility are the ends, and what each sent is a row', () => {
    const fields: readonly FieldSpec[] = [
      [45004, 4],
      [45005, 4],
      [45008, 2],
      [45009, 2],
      [231, 4],
      [232, 4],
      [298, 4],
      [299, 4],
    ]
    const record = [
      ...ip('192.0.2.1'),
      ...ip('192.0.2.2'),
      ...u16(49_000),
      ...u16(80),
      ...u32(600),
      ...u32(9000),
      ...u32(6),
      ...u32(9),
    ]
    const { rows } = decode([netflow9({}, set(0, template(256, fields)), set(256, record))])
    const columns = ['src_addr', 'dst_addr', 'src_port', 'dst_port', 'bytes', 'packets'] as const
    assert.deepEqual(
      rows.map((json) => pick(json, ...columns)),
      [
        ['192.0.2.1', '192.0.2.2', 49_000, 80, 600, 6],
        ['192.0.2.2', '192.0.2.1', 80, 49_000, 9000, 9],
      ],
    )
  })

  test('a firewall event without counters is a row', () => {
    assert.deepEqual(
      pick(
        row(
          [
            [8, 4],
            [12, 4],
            [4, 1],
            [233, 1],
          ],
          [...ip('192.0.2.1'), ...ip('192.0.2.2'), 6, 3],
        ),
        'src_addr',
        'bytes',
        'packets',
      ),
      ['192.0.2.1', 0, 0],
    )
  })

  test('a difference goes before a total, IP before layer 2, physical interfaces stand in', () => {
    assert.deepEqual(
      pick(
        row(
          [
            [85, 4],
            [1, 4],
            [352, 4],
          ],
          [...u32(9), ...u32(0), ...u32(7)],
        ),
        'bytes',
      ),
      [0],
    )
    assert.deepEqual(
      pick(
        row(
          [
            [352, 4],
            [353, 4],
            [86, 4],
          ],
          [...u32(9), ...u32(8), ...u32(7)],
        ),
        'bytes',
        'packets',
      ),
      [9, 7],
    )
    assert.deepEqual(
      pick(
        row(
          [
            [10, 4],
            [252, 4],
            [253, 4],
          ],
          [...u32(0), ...u32(5), ...u32(6)],
        ),
        'in_if',
        'out_if',
      ),
      [5, 6],
    )
  })

  test('MPLS labels, next hops and prefixes', () => {
    const json = row(
      [
        [70, 3],
        [15, 4],
        [18, 4],
        [9, 1],
        [30, 1],
      ],
      [0x05, 0xdc, 0xc1, 0, 0, 0, 0, ...ip('203.0.113.1'), 24, 64],
    )
    assert.deepEqual(pick(json, 'mpls_label', 'next_hop', 'src_mask', 'dst_mask'), [24_012, '203.0.113.1', 24, 64])
    assert.deepEqual(pick(row([[15, 4]], [0, 0, 0, 0]), 'next_hop'), ['::'])
  })
})
