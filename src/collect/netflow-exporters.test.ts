import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { BASIC, basic, create, decode, pick } from '../../test/fixtures/netflow-ingest.ts'
import {
  datagram,
  ip,
  ipfix,
  netflow5,
  netflow9,
  optionsTemplate,
  set,
  template,
  testSink,
  u16,
  u32,
  u8,
} from '../../test/fixtures/netflow-messages.ts'

const EXPORTER = '10.0.0.1'
const options = { exporters: [{ address: EXPORTER, defaultSamplingRate: 1000 }] }
const rates = (messages: readonly Uint8Array[], given: Parameters<typeof decode>[1] = options): unknown[] =>
  decode(messages, given).rows.map((row) => row['sampling_rate'])

describe('the default sampling rate of an exporter', () => {
  const flow = [set(2, template(256, BASIC)), set(256, basic('192.0.2.1', 100))]

  test('counts where it tells none, whatever it speaks', () => {
    assert.deepEqual(rates([netflow5({}, [{}])]), [1000])
    assert.deepEqual(rates([netflow9({}, set(0, template(256, BASIC)), set(256, basic('192.0.2.1', 100)))]), [1000])
    assert.deepEqual(rates([ipfix({}, ...flow)]), [1000])
  })

  test('counts for a record that names sampler 0 while none has been told of', () => {
    const sampled = [
      set(
        2,
        template(256, [
          [8, 4],
          [48, 1],
        ]),
      ),
      set(256, [...ip('192.0.2.1'), 0]),
    ]
    assert.deepEqual(rates([ipfix({}, ...sampled)]), [1000])
  })

  test('gives way to a rate that the exporter tells, even 1', () => {
    assert.deepEqual(rates([netflow5({ sampling: 0x4000 + 64 }, [{}])]), [64])
    assert.deepEqual(rates([netflow5({ sampling: 0x4000 + 1 }, [{}])]), [1])
    const told = [set(3, optionsTemplate(257, [[149, 4]], [[34, 4]])), set(257, [...u32(1), ...u32(1)])]
    assert.deepEqual(rates([ipfix({}, ...told, ...flow)]), [1])
  })

  test('is of that exporter alone', () => {
    const given = { exporters: [{ address: '10.0.0.2', defaultSamplingRate: 1000 }] }
    assert.deepEqual(rates([ipfix({}, ...flow)], given), [1])
  })

  test('is shown with its origin, until the exporter tells its own', () => {
    const ingest = create(options)
    const sink = testSink()
    ingest.datagram(datagram(ipfix({}, ...flow)), sink)
    assert.deepEqual(ingest.streams(1)[0]?.sampling, [{ rate: 1000, from: 'configuration' }])
    const told = [set(3, optionsTemplate(257, [[149, 4]], [[34, 4]])), set(257, [...u32(1), ...u32(50)])]
    ingest.datagram(datagram(ipfix({ sequence: 1 }, ...told)), sink)
    assert.deepEqual(ingest.streams(1)[0]?.sampling, [{ rate: 50, from: 'options' }])
  })

  test('also counts for a stream that was restored', () => {
    const before = create()
    before.datagram(datagram(ipfix({}, flow[0] as number[])), testSink())
    const after = create(options)
    after.restore(JSON.parse(JSON.stringify(before.save())))
    const sink = testSink()
    after.datagram(datagram(ipfix({}, flow[1] as number[])), sink)
    assert.equal(sink.rows()[0]?.['sampling_rate'], 1000)
  })
})

describe('the VLAN in the destination AS', () => {
  const vlans = { exporters: [{ address: EXPORTER, vlanInDstAs: true }] }

  test('becomes the VLAN of the flow, and the AS is unknown', () => {
    const fields = [
      [8, 4],
      [16, 2],
      [17, 2],
    ] as const
    const message = netflow9(
      {},
      set(0, template(256, fields)),
      set(256, [...ip('192.0.2.1'), ...u16(64_500), ...u16(205)]),
    )
    assert.deepEqual(pick(decode([message], vlans).rows[0] as never, 'vlan_in', 'src_as', 'dst_as'), [205, 64_500, 0])
    assert.deepEqual(pick(decode([message]).rows[0] as never, 'vlan_in', 'src_as', 'dst_as'), [0, 64_500, 205])
  })

  test('does not go before a VLAN that stands where it should', () => {
    const fields = [
      [8, 4],
      [58, 2],
      [17, 2],
    ] as const
    const message = netflow9({}, set(0, template(256, fields)), set(256, [...ip('192.0.2.1'), ...u16(7), ...u16(205)]))
    assert.deepEqual(pick(decode([message], vlans).rows[0] as never, 'vlan_in', 'dst_as'), [7, 0])
  })

  test('is read in NetFlow v5 too', () => {
    assert.deepEqual(pick(decode([netflow5({}, [{}])], vlans).rows[0] as never, 'vlan_in', 'dst_as'), [
      64_501 & 0xfff,
      0,
    ])
  })
})

describe('a record that tells of both directions', () => {
  const fields = [
    [8, 4],
    [12, 4],
    [1, 4],
    [2, 4],
    [6, 1],
    [1, 4, 29_305],
    [2, 4, 29_305],
    [6, 1, 29_305],
  ] as const
  const record = (there: number, back: number): number[] => [
    ...ip('192.0.2.1'),
    ...ip('198.51.100.2'),
    ...u32(there),
    ...u32(3),
    ...u8(0x02),
    ...u32(back),
    ...u32(4),
    ...u8(0x10),
  ]
  const message = ipfix({}, set(2, template(256, fields)), set(256, record(1000, 0xffff_ffff), record(10, 20)))
  const shown = (biflow: 'split' | 'forward' | 'merge'): unknown[] =>
    decode([message], { biflow }).rows.map((row) => pick(row, 'src_addr', 'bytes', 'packets', 'tcp_flags'))

  test('makes a row each way', () => {
    assert.deepEqual(shown('split'), [
      ['192.0.2.1', 1000, 3, 0x02],
      ['192.0.2.1', 10, 3, 0x02],
      ['198.51.100.2', 0xffff_ffff, 4, 0x10],
      ['198.51.100.2', 20, 4, 0x10],
    ])
  })

  test('makes one row of the way forward, if asked', () => {
    assert.deepEqual(shown('forward'), [
      ['192.0.2.1', 1000, 3, 0x02],
      ['192.0.2.1', 10, 3, 0x02],
    ])
  })

  test('makes one row of both, if asked, with sums beyond 32 bits', () => {
    assert.deepEqual(shown('merge'), [
      ['192.0.2.1', 0xffff_ffff + 1000, 7, 0x12],
      ['192.0.2.1', 30, 7, 0x12],
    ])
  })

  test('leaves nothing behind for the next record without a way back', () => {
    const oneWay = ipfix(
      { sequence: 2 },
      set(2, template(257, fields.slice(0, 5))),
      set(257, record(5, 0).slice(0, 17)),
    )
    const { rows } = decode([message, oneWay, message], { biflow: 'merge' })
    assert.deepEqual(
      rows.map((row) => row['packets']),
      [7, 7, 3, 7, 7],
    )
  })
})
