import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { template as templateBytes, variable, type FieldSpec } from '../../../test/fixtures/netflow-messages.ts'
import { compileDecoder, type Arrays, type Binding, type Conversion } from './compile.ts'
import { TemplateCursor, type Template } from './template.ts'

function build(fields: readonly FieldSpec[]): Template {
  const bytes = Uint8Array.from(templateBytes(256, fields))
  const view = new DataView(bytes.buffer)
  const cursor = new TemplateCursor()
  assert.equal(cursor.next(view, 0, bytes.length, 'ipfix', false), true)
  return cursor.build(view, 'ipfix')
}

const bind = (
  field: number,
  column: string,
  conversion: Conversion,
  mode: Binding['mode'] = 'set',
  into: Binding['into'] = 'row',
): Binding => ({ field, into, column, conversion, mode })

function run(
  template: Template,
  bindings: Binding[],
  rows: Arrays,
  bytes: number[],
  count = 1,
  notes: Arrays = {},
): { decoded: number; at: number } {
  const stop = { at: -1 }
  const view = new DataView(Uint8Array.from(bytes).buffer)
  const decoded = compileDecoder(template, bindings)(view, 0, bytes.length, count, rows, 0, notes, stop)
  return { decoded, at: stop.at }
}

/** The integer as it stands there, the plain way. */
function integer(bytes: readonly number[]): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}

const bytesOf = (length: number): fc.Arbitrary<number[]> =>
  fc.array(fc.nat(255), { minLength: length, maxLength: length })

describe('compiled decoders', () => {
  test('integers of every length land in every kind of column', () => {
    const value = fc.integer({ min: 1, max: 20 }).chain((length) => fc.tuple(bytesOf(length), bytesOf(length)))
    fc.assert(
      fc.property(value, fc.boolean(), ([a, b], isVariable) => {
        const template = build([
          [200, 3],
          [1, isVariable ? 65535 : a.length],
          [201, 2],
        ])
        const body = [a, b].flatMap((part) => [1, 2, 3, ...(isVariable ? variable(part) : part), 4, 5])
        const rows = {
          small: new Uint16Array(2),
          word: new Uint32Array(2),
          long: new Uint32Array(4),
          octet: new Uint8Array(2),
        }
        const { decoded, at } = run(
          template,
          [bind(1, 'small', 'uint'), bind(1, 'word', 'uint'), bind(1, 'long', 'u64'), bind(1, 'octet', 'byte1')],
          rows,
          body,
          2,
        )
        assert.deepEqual([decoded, at], [2, body.length])
        for (const [i, part] of [a, b].entries()) {
          const whole = integer(part)
          assert.equal(rows.small[i], Number(whole & 0xffffn))
          assert.equal(rows.word[i], Number(whole & 0xffff_ffffn))
          assert.equal(rows.octet[i], Number((whole >> 8n) & 0xffn))
          assert.equal(
            (BigInt(rows.long[2 * i + 1] as number) << 32n) | BigInt(rows.long[2 * i] as number),
            whole & 0xffff_ffff_ffff_ffffn,
          )
        }
      }),
    )
  })

  test('records of random templates are read where they stand', () => {
    const fieldArb = fc.record({ length: fc.integer({ min: 0, max: 9 }), variable: fc.boolean() })
    const templateArb = fc
      .array(fieldArb, { minLength: 1, maxLength: 12 })
      .filter((fields) => fields.some((f) => f.variable || f.length > 0))
    fc.assert(
      fc.property(
        templateArb,
        fc.infiniteStream(fc.nat(255)),
        fc.integer({ min: 1, max: 5 }),
        (fields, stream, count) => {
          const template = build(fields.map((f, i) => [300 + i, f.variable ? 65535 : f.length]))
          const records = Array.from({ length: count }, () =>
            fields.map((f) => Array.from({ length: f.length }, () => stream.next().value as number)),
          )
          const body = records.flatMap((record) =>
            record.flatMap((bytes, i) => (fields[i]?.variable ? variable(bytes) : bytes)),
          )
          const rows = Object.fromEntries(fields.map((_, i) => [`f${i}`, new Uint32Array(2 * count)]))
          const { decoded, at } = run(
            template,
            fields.map((_, i) => bind(i, `f${i}`, 'u64')),
            rows,
            body,
            count,
          )
          assert.deepEqual([decoded, at], [count, body.length])
          for (const [r, record] of records.entries()) {
            for (const [i, bytes] of record.entries()) {
              const column = rows[`f${i}`] as Uint32Array
              assert.equal(
                (BigInt(column[2 * r + 1] as number) << 32n) | BigInt(column[2 * r] as number),
                integer(bytes) & 0xffff_ffff_ffff_ffffn,
              )
            }
          }
        },
      ),
    )
  })

  test('a record of variable length that is cut at any byte is not decoded and writes nothing', () => {
    const template = build([
      [8, 4],
      [82, 65535],
      [10, 4],
      [83, 65535],
    ])
    const whole = [1, 2, 3, 4, ...variable([5, 6]), 7, 8, 9, 10, ...variable(Array.from({ length: 300 }, () => 11))]
    for (let cut = 0; cut < whole.length; cut++) {
      const rows = { a: new Uint32Array(4), n: new Uint32Array(1) }
      const { decoded, at } = run(template, [bind(0, 'a', 'ipv4'), bind(2, 'n', 'uint')], rows, whole.slice(0, cut), 5)
      assert.deepEqual([decoded, at], [0, 0])
      assert.deepEqual([...rows.a, ...rows.n], [0, 0, 0, 0, 0])
    }
  })

  test('many unwanted fields in a row are stepped over, whole or not at all', () => {
    const skipped = Array.from({ length: 60 }, (_, i): FieldSpec => [300 + i, i % 3 === 0 ? 2 : 65535])
    const template = build([[1, 4], ...skipped, [2, 4], ...skipped])
    const middle = skipped.flatMap(([, length], i) =>
      length === 2 ? [9, 9] : variable(Array(i === 31 ? 300 : i).fill(7)),
    )
    const record = [0, 0, 0, 5, ...middle, 0, 0, 0, 6, ...middle]
    const rows = { first: new Uint32Array(2), last: new Uint32Array(2) }
    const bindings = [bind(0, 'first', 'uint'), bind(61, 'last', 'uint')]
    assert.deepEqual(run(template, bindings, rows, [...record, ...record], 2), { decoded: 2, at: 2 * record.length })
    assert.deepEqual([...rows.first, ...rows.last], [5, 5, 6, 6])
    for (let cut = 0; cut < record.length; cut++)
      assert.deepEqual(run(template, bindings, rows, record.slice(0, cut)), { decoded: 0, at: 0 })
  })

  test('addresses are the 16 bytes in memory order, IPv4 mapped', () => {
    const template = build([
      [8, 4],
      [27, 16],
      [56, 6],
    ])
    const rows = { four: new Uint32Array(4), six: new Uint32Array(4), mac: new Uint32Array(2) }
    const v6 = Array.from({ length: 16 }, (_, i) => i + 1)
    run(template, [bind(0, 'four', 'ipv4'), bind(1, 'six', 'ipv6'), bind(2, 'mac', 'mac')], rows, [
      192,
      0,
      2,
      1,
      ...v6,
      1,
      2,
      3,
      4,
      5,
      6,
    ])
    assert.deepEqual([...new Uint8Array(rows.four.buffer)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1])
    assert.deepEqual([...new Uint8Array(rows.six.buffer)], v6)
    assert.equal((rows.mac[1] as number) * 2 ** 32 + (rows.mac[0] as number), 0x010203040506)
  })

  test('a later binding of the same column overrules where it is not zero', () => {
    const template = build([
      [8, 4],
      [27, 16],
    ])
    const bindings = [bind(0, 'a', 'ipv4'), bind(1, 'a', 'ipv6', 'nonzero')]
    const zero = Array.from({ length: 16 }, () => 0)
    const four = { a: new Uint32Array(4) }
    run(template, bindings, four, [192, 0, 2, 1, ...zero])
    assert.deepEqual([...new Uint8Array(four.a.buffer)].slice(10), [255, 255, 192, 0, 2, 1])
    const six = { a: new Uint32Array(4) }
    run(template, bindings, six, [0, 0, 0, 0, 0x20, ...zero.slice(1)])
    assert.deepEqual([...new Uint8Array(six.a.buffer)], [0x20, ...zero.slice(1)])
  })

  test('an address of a length that no address has is left out', () => {
    const template = build([
      [8, 3],
      [27, 65535],
    ])
    const rows = { a: new Uint32Array(4), b: new Uint32Array(4) }
    run(template, [bind(0, 'a', 'ipv4'), bind(1, 'b', 'ipv6')], rows, [1, 2, 3, ...variable([1, 2, 3])])
    assert.deepEqual([...rows.a, ...rows.b], [0, 0, 0, 0, 0, 0, 0, 0])
  })

  test('bits, labels, directions and times are converted', () => {
    const template = build([
      [6, 2],
      [70, 3],
      [61, 1],
      [150, 4],
      [154, 8],
      [156, 8],
      [311, 8],
      [351, 8],
      [195, 1],
      [58, 2],
    ])
    const float = new DataView(new ArrayBuffer(8))
    float.setFloat64(0, 0.01)
    const bytes = [
      0x01,
      0x12,
      0x05,
      0xdc,
      0xc1,
      1,
      ...[0x68, 0xe7, 0x78, 0],
      ...[0xdb, 0xd0, 0x33, 0x6f, 0x80, 0, 0, 0],
      ...[0xdb, 0xd0, 0x33, 0x6f, 0x40, 0, 0, 0],
      ...new Uint8Array(float.buffer),
      1,
      0,
      0,
      0,
      0,
      0x12,
      0x34,
      0x56,
      46,
      0xe0,
      0x6e,
    ]
    const rows = {
      flags: Uint16Array.of(0x20),
      label: new Uint32Array(1),
      direction: new Uint8Array(1),
      vni: new Uint32Array(1),
      tos: new Uint8Array(1),
      vlan: new Uint16Array(1),
    }
    const notes = {
      s: new Float64Array(1),
      us: new Float64Array(1),
      ns: new Float64Array(1),
      p: new Float64Array(1),
      kind: new Uint8Array(1),
    }
    run(
      template,
      [
        bind(0, 'flags', 'uint', 'or'),
        bind(1, 'label', 'label'),
        bind(2, 'direction', 'direction'),
        bind(7, 'vni', 'low24'),
        bind(8, 'tos', 'dscp'),
        bind(9, 'vlan', 'vlan'),
        bind(3, 's', 'seconds', 'set', 'note'),
        bind(4, 'us', 'ntpMicros', 'set', 'note'),
        bind(5, 'ns', 'ntpNanos', 'set', 'note'),
        bind(6, 'p', 'float', 'set', 'note'),
        bind(7, 'kind', 'top', 'set', 'note'),
      ],
      rows,
      bytes,
      1,
      notes,
    )
    assert.deepEqual(
      [rows.flags[0], rows.label[0], rows.direction[0], rows.vni[0], rows.tos[0], rows.vlan[0]],
      [0x132, 24_012, 2, 0x123456, 184, 110],
    )
    assert.deepEqual(
      [notes.s[0], notes.us[0], notes.ns[0], notes.p[0], notes.kind[0]],
      [1_760_000_000_000, 1_478_866_159_500, 1_478_866_159_250, 0.01, 1],
    )
  })
})
