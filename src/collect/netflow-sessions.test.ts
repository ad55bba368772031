import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { NOW, create, iso, BASIC, basic, decode, pick } from '../../test/fixtures/netflow-ingest.ts'
import {
  datagram,
  ip,
  ipfix,
  mac,
  netflow9,
  optionsTemplate,
  SECONDS,
  set,
  template,
  testSink,
  u16,
  u32,
  u64,
  u8,
  UPTIME,
  type FieldSpec,
} from '../../test/fixtures/netflow-messages.ts'
import type { RowJson } from '../flow/row-json.ts'

describe('templates', () => {
  test('a v9 record is laid out as its template says', () => {
    const fields: readonly FieldSpec[] = [
      [8, 4],
      [12, 4],
      [22, 4],
      [21, 4],
      [1, 8],
      [2, 4],
      [58, 2],
      [59, 2],
      [56, 6],
      [80, 6],
      [61, 1],
      [89, 1],
      [4, 1],
      [32, 2],
    ]
    const record = [
      ...ip('192.0.2.1'),
      ...ip('198.51.100.2'),
      ...u32(UPTIME - 9000),
      ...u32(UPTIME - 3000),
      ...u64(2n ** 40n),
      ...u32(7),
      ...u16(110),
      ...u16(120),
      ...mac('00:50:56:aa:bb:cc'),
      ...mac('02:00:00:00:00:01'),
      ...u8(1),
      ...u8(0x40),
      ...u8(1),
      ...u16(0x0800),
    ]
    const { rows, problems } = decode([
      netflow9({ domain: 77 }, set(0, template(300, fields)), set(300, record, [0, 0])),
    ])
    assert.deepEqual(problems, [])
    assert.deepEqual(
      pick(
        rows[0] as RowJson,
        'protocol',
        'observation',
        'time_start',
        'time_end',
        'bytes',
        'packets',
        'vlan_in',
        'vlan_out',
        'src_mac',
        'dst_mac',
        'direction',
        'forwarding_status',
        'icmp_type',
        'icmp_code',
        'sampling_rate',
      ),
      [
        'netflow9',
        77,
        iso(SECONDS * 1000 - 9000),
        iso(SECONDS * 1000 - 3000),
        2 ** 40,
        7,
        110,
        120,
        '00:50:56:aa:bb:cc',
        '02:00:00:00:00:01',
        'egress',
        64,
        8,
        0,
        1,
      ],
    )
  })

  test('data that comes before its template waits and is decoded with its own times', () => {
    const ingest = create()
    const sink = testSink()
    const sent = [10, 20, 30].map((octets, i) =>
      datagram(ipfix({ sequence: i }, set(256, basic('192.0.2.1', octets))), { at: NOW + i * 1000 }),
    )
    for (const one of sent) assert.equal(ingest.datagram(one, sink), 0)
    assert.deepEqual([ingest.counts().pending, sink.flows.n, sink.problems], [3, 0, []])
    assert.equal(
      ingest.datagram(datagram(ipfix({ sequence: 3 }, set(2, template(256, BASIC))), { at: NOW + 60_000 }), sink),
      3,
    )
    assert.deepEqual(
      sink.rows().map((r) => pick(r, 'bytes', 'time_received')),
      [
        [10, iso(NOW)],
        [20, iso(NOW + 1000)],
        [30, iso(NOW + 2000)],
      ],
    )
    assert.equal(ingest.counts().pending, 0)
  })

  test('what waits too long or is too much is counted and let go', () => {
    const ingest = create({ maxWaitingBytesOfStream: 1000 })
    const sink = testSink()
    for (let i = 0; i < 10; i++)
      ingest.datagram(datagram(ipfix({ sequence: i }, set(256, basic('192.0.2.1', 1)))), sink)
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
      ipfix(
        { sequence: 1 },
        set(
          2,
          template(256, [
            [1, 8],
            [12, 4],
            [8, 4],
          ]),
        ),
      ),
      ipfix({ sequence: 1 }, set(256, [...u64(5), ...ip('203.0.113.2'), ...ip('203.0.113.1')])),
    ])
    assert.deepEqual(problems, [])
    assert.deepEqual(
      rows.map((r) => pick(r, 'src_addr', 'bytes')),
      [
        ['192.0.2.1', 10],
        ['203.0.113.1', 5],
      ],
    )
  })

  test('a template announced anew is something new to save, the same one again is not', () => {
    const ingest = create()
    const sink = testSink()
    const layouts: FieldSpec[][] = [
      [
        [8, 4],
        [12, 4],
      ],
      [
        [8, 4],
        [12, 4],
      ],
      [
        [12, 4],
        [8, 4],
      ],
    ]
    const revisions = layouts.map((fields) => {
      ingest.datagram(datagram(ipfix({}, set(2, template(256, fields)))), sink)
      return ingest.counts().revision
    })
    assert.ok(revisions[0] === revisions[1], 'the same template again')
    assert.ok((revisions[2] as number) > (revisions[1] as number), 'another layout under the same id')
    assert.equal(ingest.counts().templates, 1)
  })

  test('withdrawals take away one template or all of a kind (RFC 7011 section 8.1)', () => {
    const announce = ipfix(
      {},
      set(2, template(256, BASIC), template(257, BASIC)),
      set(3, optionsTemplate(258, [[149, 4]], [[34, 4]])),
    )
    const ids = (...messages: Uint8Array[]): number[] =>
      decode([announce, ...messages])
        .ingest.streams(1)[0]
        ?.templates.map((t) => t.id) ?? []
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
    assert.deepEqual(
      { ...ingest.counts(), revision: 0 },
      { streams: 3, evicted: 0, templates: 1, pending: 2, revision: 0 },
    )
  })

  test('an exporter that changes its port goes on with its templates', () => {
    const ingest = create()
    const sink = testSink()
    ingest.datagram(datagram(ipfix({ sequence: 0 }, set(2, template(256, BASIC))), { port: 1000 }), sink)
    for (let i = 0; i < 50; i++) {
      assert.equal(
        ingest.datagram(datagram(ipfix({ sequence: i }, set(256, basic('192.0.2.1', 10))), { port: 2000 + i }), sink),
        1,
      )
    }
    // Started anew: the sequence too begins anew, on a port never heard.
    assert.equal(
      ingest.datagram(datagram(ipfix({ sequence: 0 }, set(256, basic('192.0.2.1', 10))), { port: 9 }), sink),
      1,
    )
    const [stream] = ingest.streams(1)
    assert.deepEqual([stream?.lost, stream?.reordered, stream?.pending], [0, 0, 0])
  })

  test('two exporters behind one address that give one id two meanings are told apart by their port', () => {
    const ingest = create()
    const sink = testSink()
    const other: readonly FieldSpec[] = [
      [12, 4],
      [8, 4],
      [2, 4],
      [1, 4],
    ]
    const send = (port: number, sequence: number, ...sets: number[][]): number =>
      ingest.datagram(datagram(ipfix({ sequence }, ...sets), { port }), sink)
    send(1000, 0, set(2, template(256, BASIC)))
    send(2000, 700_000_000, set(256, [...ip('198.51.100.2'), ...ip('192.0.2.7'), ...u32(1)]))
    send(1000, 0, set(256, basic('192.0.2.1', 10)))
    send(2000, 700_000_001, set(2, template(256, other)))
    send(1000, 1, set(256, basic('192.0.2.1', 20)))
    send(2000, 700_000_001, set(256, [...ip('198.51.100.2'), ...ip('192.0.2.7'), ...u32(1), ...u32(30)]))
    // A third one must not be read by the layout of either.
    assert.equal(send(3000, 5, set(256, basic('192.0.2.9', 40))), 0)
    assert.deepEqual(
      sink.rows().map((r) => pick(r, 'src_addr', 'bytes')),
      [
        ['192.0.2.1', 10],
        ['192.0.2.1', 20],
        ['192.0.2.7', 30],
      ],
    )
  })

  test('two exporters behind one address whose numbers happen to go on from each other are told apart once they take turns', () => {
    const ingest = create()
    const sink = testSink()
    const fields = [
      BASIC,
      [
        [12, 4],
        [8, 4],
        [1, 4],
        [2, 4],
      ],
    ] as const
    for (let i = 0; i < 40; i++) {
      for (const port of [1000, 2000]) {
        const layout = template(256, fields[port === 1000 ? 0 : 1] as readonly FieldSpec[])
        ingest.datagram(
          datagram(
            ipfix(
              { sequence: i },
              ...(i % 10 === 0 ? [set(2, layout)] : []),
              set(256, [
                ...ip(port === 1000 ? '192.0.2.1' : '198.51.100.2'),
                ...ip(port === 1000 ? '198.51.100.2' : '192.0.2.1'),
                ...u32(i),
                ...u32(1),
              ]),
            ),
            { port },
          ),
          sink,
        )
      }
    }
    assert.equal(sink.flows.n, 80)
    assert.deepEqual(
      [
        ...new Set(
          sink
            .rows()
            .slice(22)
            .map((r) => r['src_addr']),
        ),
      ],
      ['192.0.2.1'],
    )
    assert.equal(ingest.streams(1)[0]?.lost, 0)
    ingest.tick(NOW + 400_000, sink)
    ingest.datagram(
      datagram(ipfix({ sequence: 40 }, set(256, basic('192.0.2.1', 1))), { port: 3000, at: NOW + 400_000 }),
      sink,
    )
    assert.equal(sink.flows.n, 81, 'later, when both are silent, a new port may use what is known')
  })

  test('a reserved set id, a set too short and a set too long are told of', () => {
    const announce = set(2, template(256, BASIC))
    assert.deepEqual(decode([ipfix({}, announce, set(7, [1, 2, 3, 4]))]).problems, ['unsupported'])
    assert.deepEqual(decode([ipfix({}, announce, [...u16(256), ...u16(3)])]).problems, ['bad_length'])
    const long = decode([ipfix({}, announce, [...u16(256), ...u16(200), ...basic('192.0.2.1', 9)])])
    assert.deepEqual([long.rows.length, long.problems], [1, ['truncated']])
    assert.deepEqual(decode([ipfix({}, announce, set(256, basic('192.0.2.1', 9), [9, 9, 9, 9, 9]))]).problems, [
      'bad_record',
    ])
  })

  test('a datagram filled up with zeroes is not wrong', () => {
    const { rows, problems } = decode([
      netflow9(
        {},
        set(0, template(256, BASIC)),
        set(256, basic('192.0.2.1', 9)),
        Array.from({ length: 500 }, () => 0),
      ),
    ])
    assert.deepEqual([rows.length, problems], [1, []])
  })
})
