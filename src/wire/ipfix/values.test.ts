import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  ip,
  mac,
  template as templateBytes,
  u16,
  u32,
  u64,
  variable,
  type FieldSpec,
} from '../../../test/fixtures/netflow-messages.ts'
import { elementName, elementOf, REGISTERED } from './registry.ts'
import { TemplateCursor, type Template } from './template.ts'
import { fieldValue, recordValues, type FieldValue } from './values.ts'

const viewOf = (bytes: number[]): DataView => new DataView(Uint8Array.from(bytes).buffer)
const none = { templateOf: (): undefined => undefined, elements: REGISTERED }
const value = (element: number, bytes: number[], enterprise = 0): FieldValue =>
  fieldValue(enterprise, element, viewOf(bytes), 0, bytes.length, none)

function build(fields: readonly FieldSpec[]): Template {
  const view = viewOf(templateBytes(256, fields))
  const cursor = new TemplateCursor()
  cursor.next(view, 0, view.byteLength, 'ipfix', false)
  return cursor.build(view, 'ipfix')
}

describe('element names', () => {
  test('elements have the names of their registries, and those of the other direction begin with reverse', () => {
    assert.equal(elementName(0, 8), 'sourceIPv4Address')
    assert.equal(elementName(0, 243), 'dot1qVlanId')
    assert.equal(elementName(6876, 881), 'tenantSourceIPv4')
    assert.equal(elementName(6876, 892), 'tunnelKey')
    assert.equal(elementName(29305, 1), 'reverseOctetDeltaCount')
    assert.equal(elementName(6871, 14 | 0x4000), 'reverseInitialTCPFlags')
    assert.equal(elementName(9, 12236), 'clientIPv4Address')
    assert.equal(elementName(0, 45004), 'clientIPv4Address', 'as v9 numbers it')
    assert.equal(elementName(12345, 678), 'e12345.678')
    assert.equal(elementOf(0, 27)?.type, 'ipv6Address')
  })
})

describe('field values', () => {
  test('integers of any length are numbers, above 2^53 strings', () => {
    assert.equal(value(1, [1, 2, 3]), 0x010203)
    assert.equal(value(1, u64(2n ** 53n - 1n)), 2 ** 53 - 1)
    assert.equal(value(1, u64(2n ** 64n - 1n)), '18446744073709551615')
    assert.equal(value(434, [0xff, 0xfe]), -2, 'mibObjectValueInteger is signed')
    assert.equal(value(1, []), null)
  })

  test('addresses, MACs, text, truth and fractions', () => {
    assert.equal(value(8, ip('192.0.2.1')), '192.0.2.1')
    assert.equal(value(27, ip('2001:db8::1')), '2001:db8::1')
    assert.equal(value(27, ip('::ffff:c000:201')), '::ffff:192.0.2.1')
    assert.equal(value(56, mac('00:50:56:AA:bb:cc')), '00:50:56:aa:bb:cc')
    assert.equal(value(82, [...Buffer.from('eth0'), 0, 0, 0]), 'eth0')
    assert.equal(value(82, [0xff, 0xfe, 0x01]), 'fffe01')
    assert.equal(value(276, [1]), true)
    assert.equal(value(276, [2]), false)
    assert.equal(value(311, [0x3f, 0xd0, 0, 0, 0, 0, 0, 0]), 0.25)
  })

  test('times count their unit since 1970', () => {
    assert.equal(value(150, u32(1_760_000_000)), 1_760_000_000)
    assert.equal(value(152, u64(1_760_000_000_123n)), 1_760_000_000_123)
    assert.equal(value(154, [...u32(1_760_000_000 + 2_208_988_800), 0x80, 0, 0, 0]), 1_760_000_000_500_000)
    assert.equal(value(156, [...u32(1_760_000_000 + 2_208_988_800), 0x80, 0, 0, 0]), '1760000000500000000')
  })

  test('what is not known, or can not be of its type, is hex', () => {
    assert.equal(value(678, [1, 0xab], 12345), '01ab')
    assert.equal(value(8, [1, 2, 3]), '010203')
    assert.equal(value(276, [7]), '07')
  })

  test('lists are lists (RFC 6313)', () => {
    const inner = build([
      [8, 4],
      [82, 65535],
    ])
    const record = [...ip('192.0.2.1'), ...variable([97, 98])]
    const known = (id: number): Template | undefined => (id === 300 ? inner : undefined)
    const records = [{ sourceIPv4Address: '192.0.2.1', interfaceName: 'ab' }]
    const list = (element: number, bytes: number[]): FieldValue =>
      fieldValue(0, element, viewOf(bytes), 0, bytes.length, { templateOf: known, elements: REGISTERED })
    assert.deepEqual(list(291, [3, ...u16(7), ...u16(2), ...u16(80), ...u16(443)]), {
      semantic: 3,
      element: 'sourceTransportPort',
      values: [80, 443],
    })
    assert.deepEqual(
      list(291, [3, ...u16(0x8000 | 5), ...u16(65535), ...u32(9), ...variable([1]), ...variable([2, 3])]),
      { semantic: 3, element: 'e9.5', values: ['01', '0203'] },
    )
    assert.deepEqual(list(292, [3, ...u16(300), ...record]), { semantic: 3, templateId: 300, records })
    assert.deepEqual(list(293, [3, ...u16(300), ...u16(4 + record.length), ...record]), {
      semantic: 3,
      lists: [{ templateId: 300, records }],
    })
    assert.equal(list(292, [3, ...u16(301), 1, 2]), '03012d0102')
  })

  test('a repeated element gives a list of its values, and padding none', () => {
    const template = build([
      [4, 1],
      [210, 2],
      [4, 1],
      [4, 1],
    ])
    assert.deepEqual(recordValues(template, viewOf([4, 0, 0, 41, 17]), 0, 5, none), {
      fields: { protocolIdentifier: [4, 41, 17] },
      end: 5,
    })
    assert.equal(recordValues(template, viewOf([4, 0, 0, 41]), 0, 4, none), undefined)
  })

  test('any bytes of any element give a value that JSON can hold', () => {
    const template = build([
      [8, 4],
      [292, 65535],
    ])
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 500 }),
        fc.constantFrom(0, 6871, 6876, 29305, 77),
        fc.uint8Array({ maxLength: 60 }),
        (element, enterprise, bytes) => {
          const result = fieldValue(enterprise, element, viewOf([...bytes]), 0, bytes.length, {
            templateOf: () => template,
            elements: REGISTERED,
          })
          assert.deepEqual(JSON.parse(JSON.stringify(result)), result)
        },
      ),
      { numRuns: 3000 },
    )
  })
})
