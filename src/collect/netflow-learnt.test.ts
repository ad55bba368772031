import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import {
  datagram,
  ip,
  ipfix,
  optionsTemplate,
  set,
  template,
  testSink,
  u16,
  u32,
  u8,
  variable,
} from '../../test/fixtures/netflow-messages.ts'
import { create } from '../../test/fixtures/netflow-ingest.ts'
import { createNetflowReader, type DecodedRecord } from './netflow-reader.ts'

// RFC 5610 §3.9: scopes privateEnterpriseNumber and informationElementId; type, semantics, units, range, name, description.
const TYPE_INFORMATION = set(
  3,
  optionsTemplate(
    300,
    [
      [346, 4],
      [303, 2],
    ],
    [
      [339, 1],
      [344, 1],
      [345, 2],
      [341, 65535],
      [340, 65535],
    ],
  ),
)
const tells = (enterprise: number, id: number, type: number, name: string): number[] => [
  ...u32(enterprise),
  ...u16(id),
  ...u8(type),
  ...u8(0),
  ...u16(0),
  ...variable([...Buffer.from(name)]),
  ...variable([...Buffer.from('of a test')]),
]
const FLOW = set(
  2,
  template(256, [
    [8, 4],
    [7, 2, 50_000],
    [8, 65535, 50_000],
  ]),
)
const RECORD = set(256, [...ip('192.0.2.1'), ...u16(443), ...variable([...Buffer.from('web')])])

const flows = (records: DecodedRecord[]): unknown[] =>
  records.flatMap((record) => (record.kind === 'flow' ? [record.fields] : []))

describe('elements that an exporter tells of itself', () => {
  test('have the name and the type that it told, in its own stream alone', () => {
    const reader = createNetflowReader()
    const told = ipfix({}, TYPE_INFORMATION, set(300, tells(50_000, 7, 2, 'appPort'), tells(50_000, 8, 13, 'appName')))
    reader.read(told, '192.0.2.9')
    const named = flows(reader.read(ipfix({ sequence: 2 }, FLOW, RECORD), '192.0.2.9'))
    assert.deepEqual(named, [{ sourceIPv4Address: '192.0.2.1', appPort: 443, appName: 'web' }])
    const nameless = flows(reader.read(ipfix({}, FLOW, RECORD), '192.0.2.8'))
    assert.deepEqual(nameless, [{ sourceIPv4Address: '192.0.2.1', 'e50000.7': '01bb', 'e50000.8': '776562' }])
  })

  test('do not rename what a registry has, nor take names that are none', () => {
    const reader = createNetflowReader()
    const told = ipfix(
      {},
      TYPE_INFORMATION,
      set(300, tells(0, 8, 13, 'renamed'), tells(50_000, 7, 2, '__proto__'), tells(50_000, 8, 99, 'noSuchType')),
    )
    reader.read(told, '192.0.2.9')
    assert.deepEqual(flows(reader.read(ipfix({ sequence: 3 }, FLOW, RECORD), '192.0.2.9')), [
      { sourceIPv4Address: '192.0.2.1', 'e50000.7': '01bb', 'e50000.8': '776562' },
    ])
  })

  test('are shown by name in the templates of the stream', () => {
    const ingest = create()
    ingest.datagram(datagram(ipfix({}, TYPE_INFORMATION, set(300, tells(50_000, 7, 2, 'appPort')), FLOW)), testSink())
    const texts = ingest.streams(1)[0]?.templates.map(({ text }) => text)
    assert.equal(texts?.[1], 'sourceIPv4Address(4) appPort(2) e50000.8(variable)')
  })

  test('are known again after a restart, with the templates that name them', () => {
    const before = create()
    const revision = before.counts().revision
    before.datagram(datagram(ipfix({}, TYPE_INFORMATION, set(300, tells(50_000, 7, 2, 'appPort')), FLOW)), testSink())
    assert.ok(before.counts().revision > revision + 2)
    const again = before.counts().revision
    before.datagram(datagram(ipfix({ sequence: 1 }, set(300, tells(50_000, 7, 2, 'appPort')))), testSink())
    assert.equal(before.counts().revision, again)
    const state: unknown = JSON.parse(JSON.stringify(before.save()))
    const after = create()
    assert.deepEqual(after.restore(state), { restored: 1, refused: 0 })
    const texts = after.streams(1)[0]?.templates.map(({ text }) => text)
    assert.equal(texts?.[1], 'sourceIPv4Address(4) appPort(2) e50000.8(variable)')
    assert.deepEqual(JSON.parse(JSON.stringify(after.save())), state)
  })

  test('are taken from a saved state only where it holds together', () => {
    const before = create()
    before.datagram(datagram(ipfix({}, TYPE_INFORMATION, set(300, tells(50_000, 7, 2, 'appPort')))), testSink())
    const state = JSON.parse(JSON.stringify(before.save())) as { streams: { elements: unknown }[] }
    for (const elements of [7, [[50_000, 7, 2]], [[50_000, 70_000, 2, 'x']], [['50000', 7, 2, 'x']]]) {
      const [stream] = state.streams
      assert.ok(stream)
      stream.elements = elements
      assert.deepEqual(create().restore(state), { restored: 0, refused: 1 })
    }
  })

  test('are bounded: 4096 of a stream', () => {
    const reader = createNetflowReader()
    for (let n = 0; n < 5; n++) {
      const records = Array.from({ length: 1000 }, (_, i) => tells(50_000, 1000 * n + i + 1, 2, `x${n}.${i}`))
      reader.read(ipfix({ sequence: 1000 * n }, TYPE_INFORMATION, set(300, ...records)), '192.0.2.9')
    }
    const last = set(
      2,
      template(257, [
        [4096, 2, 50_000],
        [4097, 2, 50_000],
      ]),
    )
    const [fields] = flows(reader.read(ipfix({ sequence: 5000 }, last, set(257, [...u16(1), ...u16(2)])), '192.0.2.9'))
    assert.deepEqual(fields, { 'x4.95': 1, 'e50000.4097': '0002' })
  })
})

describe('elements of a user', () => {
  test('name and type the fields of every stream', () => {
    const reader = createNetflowReader({ elements: [{ enterprise: 50_000, id: 7, name: 'mine', type: 'unsigned16' }] })
    assert.deepEqual(flows(reader.read(ipfix({}, FLOW, RECORD), '192.0.2.9')), [
      { sourceIPv4Address: '192.0.2.1', mine: 443, 'e50000.8': '776562' },
    ])
  })
})

describe('common properties (RFC 5473)', () => {
  const PROPERTIES = set(
    3,
    optionsTemplate(
      258,
      [[137, 8]],
      [
        [8, 4],
        [7, 2],
        [4, 1],
      ],
    ),
  )
  const told = (id: number, address: string, port: number): number[] => [
    ...u32(0),
    ...u32(id),
    ...ip(address),
    ...u16(port),
    6,
  ]
  const FLOW_OF = set(
    2,
    template(259, [
      [137, 8],
      [12, 4],
      [1, 4],
    ]),
  )
  const flowOf = (id: number, bytes: number): number[] => [...u32(0), ...u32(id), ...ip('198.51.100.2'), ...u32(bytes)]

  test('are options, and fill the rows of the flows that name them', () => {
    const reader = createNetflowReader()
    const records = reader.read(
      ipfix(
        {},
        PROPERTIES,
        set(258, told(101, '192.0.2.105', 80), told(102, '192.0.2.106', 443)),
        FLOW_OF,
        set(259, flowOf(102, 500), flowOf(101, 600), flowOf(103, 700)),
      ),
      '192.0.2.9',
    )
    assert.deepEqual(
      records
        .flatMap((record) => (record.kind === 'options' || record.kind === 'flow' ? [record.fields] : []))
        .slice(0, 3),
      [
        { commonPropertiesId: 101, sourceIPv4Address: '192.0.2.105', sourceTransportPort: 80, protocolIdentifier: 6 },
        { commonPropertiesId: 102, sourceIPv4Address: '192.0.2.106', sourceTransportPort: 443, protocolIdentifier: 6 },
        { commonPropertiesId: 102, destinationIPv4Address: '198.51.100.2', octetDeltaCount: 500 },
      ],
    )
    const rows = records.flatMap((record) => (record.kind === 'flow' && record.flow ? [record.flow] : []))
    assert.deepEqual(
      rows.map((row) => [row['src_addr'], row['src_port'], row['proto'], row['dst_addr'], row['bytes']]),
      [
        ['192.0.2.106', 443, 6, '198.51.100.2', 500],
        ['192.0.2.105', 80, 6, '198.51.100.2', 600],
        ['::', 0, 0, '198.51.100.2', 700],
      ],
    )
  })

  test('are told anew, and are those of one stream alone', () => {
    const ingest = create()
    const sink = testSink()
    ingest.datagram(datagram(ipfix({}, PROPERTIES, set(258, told(101, '192.0.2.105', 80)), FLOW_OF)), sink)
    ingest.datagram(datagram(ipfix({ sequence: 1 }, set(258, told(101, '192.0.2.107', 81)))), sink)
    ingest.datagram(datagram(ipfix({ sequence: 2 }, set(259, flowOf(101, 500)))), sink)
    ingest.datagram(datagram(ipfix({ domain: 77 }, FLOW_OF, set(259, flowOf(101, 500)))), sink)
    assert.deepEqual(
      [0, 1].map((row) => sink.flows.src_port[row]),
      [81, 0],
    )
  })

  test('are bounded: 4096 of a stream, the first told give way', () => {
    const ingest = create()
    const sink = testSink()
    for (let n = 0; n < 5; n++) {
      const records = Array.from({ length: 1000 }, (_, i) => told(1000 * n + i, '192.0.2.105', 80))
      ingest.datagram(datagram(ipfix({ sequence: 1000 * n }, PROPERTIES, set(258, ...records), FLOW_OF)), sink)
    }
    ingest.datagram(datagram(ipfix({ sequence: 5000 }, set(259, flowOf(3, 1), flowOf(4999, 1)))), sink)
    assert.deepEqual(
      [0, 1].map((row) => sink.flows.src_port[row]),
      [0, 80],
    )
  })
})
