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
  test('are options, and flows name the one that is theirs', () => {
    const reader = createNetflowReader()
    const properties = set(
      3,
      optionsTemplate(
        258,
        [[137, 8]],
        [
          [8, 4],
          [7, 2],
        ],
      ),
    )
    const told = set(258, [...u32(0), ...u32(101), ...ip('192.0.2.105'), ...u16(80)])
    const flow = set(
      2,
      template(259, [
        [137, 8],
        [12, 4],
        [1, 4],
      ]),
    )
    const data = set(259, [...u32(0), ...u32(101), ...ip('198.51.100.2'), ...u32(500)])
    const records = reader.read(ipfix({}, properties, told, flow, data), '192.0.2.9')
    assert.deepEqual(
      records.flatMap((record) => (record.kind === 'options' || record.kind === 'flow' ? [record.fields] : [])),
      [
        { commonPropertiesId: 101, sourceIPv4Address: '192.0.2.105', sourceTransportPort: 80 },
        { commonPropertiesId: 101, destinationIPv4Address: '198.51.100.2', octetDeltaCount: 500 },
      ],
    )
  })
})
