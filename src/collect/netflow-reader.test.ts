import { test } from 'node:test'
import assert from 'node:assert/strict'
import { ip, ipfix, netflow5, optionsTemplate, set, template, u32 } from '../../test/fixtures/netflow-messages.ts'
import { createNetflowReader } from './netflow-reader.ts'

test('a reader gives templates, options, flows with their row, and problems, and keeps templates from one datagram to the next', () => {
  const reader = createNetflowReader()
  const announced = reader.read(
    ipfix(
      { domain: 5 },
      set(
        2,
        template(256, [
          [8, 4],
          [1, 4],
          [678, 2, 12345],
        ]),
      ),
      set(3, optionsTemplate(257, [[149, 4]], [[34, 4]])),
      set(257, [...u32(5), ...u32(100)]),
    ),
    '192.0.2.9',
  )
  assert.deepEqual(
    announced.map((record) => record.kind),
    ['template', 'template', 'options'],
  )
  assert.deepEqual(announced[2], {
    kind: 'options',
    protocol: 'ipfix',
    exporter: '192.0.2.9',
    observationDomain: 5,
    templateId: 257,
    fields: { observationDomainId: 5, samplingInterval: 100 },
  })
  const [flow] = reader.read(
    ipfix({ domain: 5, sequence: 1 }, set(256, [...ip('198.51.100.7'), ...u32(1500), 0xab, 0xcd])),
    '192.0.2.9',
  )
  assert.ok(flow?.kind === 'flow' && flow.flow)
  assert.deepEqual(flow.fields, { sourceIPv4Address: '198.51.100.7', octetDeltaCount: 1500, 'e12345.678': 'abcd' })
  assert.deepEqual(
    [flow.flow['src_addr'], flow.flow['bytes'], flow.flow['sampling_rate'], flow.flow['exporter']],
    ['198.51.100.7', 1500, 100, '192.0.2.9'],
  )
})

test('data that waits is read with its template; data whose template never comes is a problem at the end', () => {
  const reader = createNetflowReader()
  assert.deepEqual(reader.read(ipfix({}, set(256, ip('198.51.100.7'))), '2001:db8::9'), [])
  assert.deepEqual(reader.read(ipfix({}, set(256, ip('198.51.100.7'))), '2001:db8::a'), [])
  const records = reader.read(ipfix({ sequence: 1 }, set(2, template(256, [[8, 4]]))), '2001:db8::9')
  assert.deepEqual(
    records.map((record) => [record.kind, record.exporter]),
    [
      ['template', '2001:db8::9'],
      ['flow', '2001:db8::9'],
    ],
  )
  assert.deepEqual(reader.end(), [{ kind: 'problem', code: 'no_template', offset: 0, exporter: '' }])
})

test('a biflow record has a row for each direction', () => {
  const reader = createNetflowReader()
  const records = reader.read(
    ipfix(
      {},
      set(
        2,
        template(256, [
          [8, 4],
          [1, 4],
          [1, 4, 29305],
        ]),
      ),
      set(256, [...ip('198.51.100.7'), ...u32(10), ...u32(20)]),
    ),
    '192.0.2.9',
  )
  const flow = records[1]
  assert.ok(flow?.kind === 'flow')
  assert.deepEqual(
    [flow.fields['reverseOctetDeltaCount'], flow.flow?.['bytes'], flow.reverse?.['bytes'], flow.reverse?.['dst_addr']],
    [20, 10, 20, '198.51.100.7'],
  )
})

test('more records than its batch holds, and wrong ones, are all given', () => {
  const reader = createNetflowReader()
  const many = Array.from({ length: 400 }, (_, i) => ip(`10.0.${i >> 8}.${i & 255}`))
  const records = reader.read(ipfix({}, set(2, template(256, [[8, 4]])), set(256, ...many)), '192.0.2.9')
  assert.equal(
    records.filter(
      (record) => record.kind === 'flow' && record.flow?.['src_addr'] === record.fields['sourceIPv4Address'],
    ).length,
    400,
  )
  const five = netflow5({}, [{}, {}])
  assert.deepEqual(
    reader.read(five.subarray(0, 100), '192.0.2.9').map((record) => record.kind),
    ['problem', 'flow'],
  )
})
