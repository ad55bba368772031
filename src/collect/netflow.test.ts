import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { NOW, iso, decode, pick } from '../../test/fixtures/netflow-ingest.ts'
import { ip, netflow5, SECONDS } from '../../test/fixtures/netflow-messages.ts'
import type { RowJson } from '../flow/row-json.ts'

describe('NetFlow v5', () => {
  test('a datagram becomes rows with every field of the format', () => {
    const { rows, problems } = decode([
      netflow5({ sampling: 0x4000 | 100, engine: 0x0102 }, [
        {},
        { protocol: 1, destinationPort: 0x0301, octets: 4_000_000_000 },
      ]),
    ])
    assert.deepEqual(problems, [])
    const [tcp, icmp] = rows as [RowJson, RowJson]
    assert.deepEqual(
      pick(
        tcp,
        'protocol',
        'exporter',
        'observation',
        'src_addr',
        'dst_addr',
        'next_hop',
        'in_if',
        'out_if',
        'packets',
        'bytes',
        'src_port',
        'dst_port',
        'tcp_flags',
        'proto',
        'tos',
        'src_as',
        'dst_as',
        'src_mask',
        'dst_mask',
        'sampling_rate',
        'counted',
        'ethertype',
      ),
      [
        'netflow5',
        '10.0.0.1',
        0x0102,
        '192.0.2.1',
        '198.51.100.2',
        '203.0.113.254',
        3,
        4,
        10,
        1000,
        1234,
        80,
        0x1b,
        6,
        16,
        64_500,
        64_501,
        24,
        16,
        100,
        true,
        0x0800,
      ],
    )
    assert.deepEqual(pick(tcp, 'time_received', 'time_start', 'time_end'), [
      iso(NOW),
      iso(SECONDS * 1000 - 5000),
      iso(SECONDS * 1000 - 1000),
    ])
    assert.deepEqual(pick(icmp, 'icmp_type', 'icmp_code', 'dst_port', 'bytes'), [3, 1, 0, 4_000_000_000])
  })

  test('uptimes that wrapped between flow and datagram are placed right, and so are those a little ahead', () => {
    const { rows } = decode([
      netflow5({ uptime: 2000 }, [
        { first: 2 ** 32 - 3000, last: 1000 },
        { first: 1500, last: 2500 },
      ]),
    ])
    assert.deepEqual(pick(rows[0] as RowJson, 'time_start', 'time_end'), [
      iso(SECONDS * 1000 - 5000),
      iso(SECONDS * 1000 - 1000),
    ])
    assert.deepEqual(pick(rows[1] as RowJson, 'time_start', 'time_end'), [
      iso(SECONDS * 1000 - 500),
      iso(SECONDS * 1000 + 500),
    ])
  })

  test('the row times are exact over the whole range of uptimes', () => {
    fc.assert(
      fc.property(
        fc.nat(0xffff_ffff),
        fc.nat(2_000_000_000),
        fc.nat(1_000_000),
        fc.integer({ min: 1, max: 4_294_967 }),
        (uptime, age, shorter, seconds) => {
          const last = age - Math.min(age, shorter)
          const { rows } = decode([
            netflow5({ uptime, seconds: seconds * 999 }, [
              { first: (uptime - age) >>> 0, last: (uptime - last) >>> 0 },
            ]),
          ])
          const exported = seconds * 999_000
          if (exported < age) return
          assert.deepEqual(pick(rows[0] as RowJson, 'time_start', 'time_end'), [
            iso(exported - age),
            iso(exported - last),
          ])
        },
      ),
    )
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
    const seven = Uint8Array.from([
      0,
      7,
      ...five.subarray(2, 24),
      ...five.subarray(24, 72),
      ...ip('10.9.9.9'),
      ...five.subarray(72, 120),
      ...ip('10.9.9.9'),
    ])
    const { rows, problems } = decode([seven])
    assert.deepEqual(problems, [])
    assert.deepEqual(
      rows.map((r) => pick(r, 'protocol', 'src_addr', 'dst_mask')),
      [
        ['netflow7', '192.0.2.1', 16],
        ['netflow7', '192.0.2.1', 16],
      ],
    )
  })
})
