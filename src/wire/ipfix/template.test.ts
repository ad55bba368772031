import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { optionsTemplate, optionsTemplate9, template, u16 } from '../../../test/fixtures/netflow-messages.ts'
import { NETFLOW9_SCOPE, TemplateCursor, type Flavour } from './template.ts'

const viewOf = (bytes: number[]): DataView => new DataView(Uint8Array.from(bytes).buffer)

function first(bytes: number[], flavour: Flavour, options = false): TemplateCursor {
  const cursor = new TemplateCursor()
  cursor.next(viewOf(bytes), 0, bytes.length, flavour, options)
  return cursor
}

describe('template records', () => {
  test('an IPFIX template has elements, lengths and enterprises (RFC 7011 figure P)', () => {
    const bytes = template(256, [
      [8, 4],
      [12, 4],
      [1, 4],
      [82, 65535],
      [44, 4, 32473],
    ])
    const cursor = first(bytes, 'ipfix')
    const built = cursor.build(viewOf(bytes), 'ipfix')
    assert.equal(cursor.id, 256)
    assert.equal(cursor.end, bytes.length)
    assert.deepEqual([...built.elements], [8, 12, 1, 82, 44])
    assert.deepEqual([...built.lengths], [4, 4, 4, 65535, 4])
    assert.deepEqual([...built.enterprises], [0, 0, 0, 0, 32473])
    assert.equal(built.minLength, 17)
    assert.equal(built.variable, true)
    assert.equal(cursor.matches(viewOf(bytes), built), true)
  })

  test('in v9 the top bit of a type is no enterprise bit', () => {
    const bytes = [...u16(260), ...u16(1), ...u16(40005), ...u16(1)]
    const built = first(bytes, 'netflow9').build(viewOf(bytes), 'netflow9')
    assert.deepEqual([...built.elements], [40005])
    assert.equal(built.minLength, 1)
  })

  test('options templates tell their scopes in fields (IPFIX) and in bytes (v9)', () => {
    const ten = optionsTemplate(
      257,
      [[149, 4]],
      [
        [34, 4],
        [35, 1],
      ],
    )
    const nine = optionsTemplate9(
      257,
      [[1, 4]],
      [
        [34, 4],
        [35, 1],
      ],
    )
    const builtTen = first(ten, 'ipfix', true).build(viewOf(ten), 'ipfix')
    const builtNine = first(nine, 'netflow9', true).build(viewOf(nine), 'netflow9')
    assert.deepEqual([builtTen.kind, builtTen.scopes, builtTen.minLength], ['options', 1, 9])
    assert.deepEqual([builtNine.kind, builtNine.scopes, builtNine.minLength], ['options', 1, 9])
    assert.deepEqual([...builtNine.enterprises], [NETFLOW9_SCOPE, 0, 0])
  })

  test('a record without fields withdraws in IPFIX and is wrong in v9', () => {
    const bytes = [...u16(256), ...u16(0)]
    assert.equal(first(bytes, 'ipfix').withdrawal, true)
    assert.equal(first(bytes, 'ipfix', true).withdrawal, true)
    assert.equal(first(bytes, 'netflow9').problem, 'bad_template')
  })

  test('records of no bytes, too many bytes or a reserved id are wrong, and the next record is found all the same', () => {
    for (const fields of [
      [[8, 0]],
      [
        [8, 40_000],
        [12, 40_000],
      ],
      // One byte a record, and a hundred fields to look at in each.
      [[42, 1], ...Array.from({ length: 100 }, () => [41, 0] as const)],
    ] as const) {
      const bytes = [...template(256, fields), ...template(257, [[8, 4]])]
      const cursor = first(bytes, 'ipfix')
      assert.equal(cursor.problem, 'bad_template')
      assert.equal(cursor.next(viewOf(bytes), cursor.end, bytes.length, 'ipfix', false), true)
      assert.deepEqual([cursor.id, cursor.problem], [257, undefined])
    }
    assert.equal(first(template(255, [[8, 4]]), 'ipfix').problem, 'bad_template')
  })

  test('scope and option bytes that are no whole fields are wrong', () => {
    assert.equal(
      first([...u16(256), ...u16(3), ...u16(4), ...u16(1), ...u16(4)], 'netflow9', true).problem,
      'bad_template',
    )
  })

  test('a record cut at any byte is truncated and ends the set', () => {
    for (const [flavour, options, bytes] of [
      [
        'ipfix',
        false,
        template(256, [
          [8, 4],
          [44, 4, 9],
        ]),
      ],
      ['ipfix', true, optionsTemplate(257, [[149, 4]], [[34, 4, 9]])],
      [
        'netflow9',
        false,
        template(256, [
          [8, 4],
          [12, 4],
        ]),
      ],
      ['netflow9', true, optionsTemplate9(257, [[1, 4]], [[34, 4]])],
    ] as const) {
      for (let cut = 4; cut < bytes.length; cut++) {
        const cursor = new TemplateCursor()
        assert.equal(cursor.next(viewOf(bytes), 0, cut, flavour, options), false, `${flavour} ${cut}`)
        assert.equal(cursor.problem, 'truncated')
      }
    }
  })

  test('padding ends a set', () => {
    const cursor = new TemplateCursor()
    assert.equal(cursor.next(viewOf([0, 0, 0, 0, 0, 0]), 0, 6, 'netflow9', false), false)
    assert.equal(cursor.problem, undefined)
  })
})
