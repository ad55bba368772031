import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { BugError, UserError } from '../base/errors.ts'
import type { EmbeddedStore } from './embedded.ts'
import { bindParams, quoted } from './literal.ts'
import { createPlace, randomFrom, startStore, type Place } from './store.fixture.ts'

const HOSTILE = [
  '',
  "'",
  "''",
  '\\',
  "\\'",
  '\\x27',
  "'; DROP TABLE flows; --",
  '\n\nDROP TABLE flows',
  '\0',
  'a\0b',
  '%',
  '_',
  '{a:String}',
  '{',
  '}',
  '/*',
  '*/',
  '--',
  '#',
  '`',
  '"',
  '$$',
  '𝄞',
  '\u2028',
  '\ufeff',
  '\t\r\n\b\f',
  "\\\\'",
  'x'.repeat(100_000),
  "' UNION ALL SELECT 1 --",
  '\\N',
  'NULL',
]

let place: Place
let store: EmbeddedStore

before(async () => {
  place = await createPlace()
  store = await startStore(place.data)
})
after(async () => {
  await store.stop()
  await place.remove()
})

test('hostile text reaches the engine as a value, letter for letter', async () => {
  for (const text of HOSTILE) {
    const answer = await store.query('SELECT {text:String}, length({text:String})', { params: { text } })
    assert.deepEqual(answer.rows, [[text, Buffer.byteLength(text)]])
  }
  const list = await store.query('SELECT {list:Array(String)}', { params: { list: HOSTILE } })
  assert.deepEqual(list.rows, [[HOSTILE]])
  const tables = await store.query("SELECT count() FROM system.tables WHERE name = 'flows'")
  assert.deepEqual(tables.rows, [[1]])
})

test('random text reaches the engine as a value', async () => {
  const random = randomFrom(11)
  const texts = Array.from({ length: 500 }, () => {
    const points = Array.from({ length: random() % 12 }, () =>
      random() % 4 === 0 ? random() % 0xd800 : random() % 128,
    )
    return String.fromCodePoint(...points)
  })
  const answer = await store.query('SELECT {texts:Array(String)}', { params: { texts } })
  assert.deepEqual(answer.rows, [[texts]])
})

test('a literal has no byte outside of letters, digits, spaces and escapes', () => {
  for (const text of HOSTILE) assert.match(quoted(text), /^'(?:[A-Za-z0-9 ]|\\x[0-9a-f]{2})*'$/)
})

test('values of each type come back', async () => {
  const answer = await store.query(
    `SELECT {a:UInt64}, {b:Int64}, {c:IPv6}, {d:Array(IPv6)}, {e:Bool}, {f:Float64}, {g:Array(UInt16)}, {h:Array(UInt16)},
       toUnixTimestamp64Milli({i:DateTime64(3, 'UTC')}), {j:UInt8} + 1, {k:IPv4}, {l:Array(LowCardinality(String))}`,
    {
      params: {
        a: '18446744073709551615',
        b: -5,
        c: '10.1.2.3',
        d: ['::1', '192.0.2.1'],
        e: true,
        f: 0.1,
        g: [1, 65535],
        h: [],
        i: '2030-01-02 03:04:05.678',
        j: 255,
        k: '192.0.2.1',
        l: ['a'],
      },
    },
  )
  assert.deepEqual(answer.rows, [
    [
      '18446744073709551615',
      -5,
      '::ffff:10.1.2.3',
      ['::1', '::ffff:192.0.2.1'],
      true,
      0.1,
      [1, 65535],
      [],
      Date.parse('2030-01-02T03:04:05.678Z'),
      256,
      '192.0.2.1',
      ['a'],
    ],
  ])
})

test('a number outside of its type is an error and not wrapped around', () => {
  for (const [type, value] of [
    ['UInt8', 256],
    ['UInt16', 70_000],
    ['UInt64', '18446744073709551616'],
    ['Int8', -129],
    ['UInt32', -1],
    ['UInt32', 1.5],
    ['Int64', '1e3'],
    ['UInt16', '1 OR 1'],
    ['Float64', NaN],
  ] as const) {
    assert.throws(() => bindParams(`{x:${type}}`, { x: value }), UserError, `${type} ${value}`)
  }
  assert.throws(() => bindParams('{x:Array(UInt16)}', { x: 5 }), UserError)
  assert.throws(() => bindParams('{x:UInt16}', { x: [5] }), UserError)
})

test('a name can be a parameter if it is one', () => {
  assert.equal(bindParams('SELECT {column:Identifier}', { column: 'src_addr' }), 'SELECT `src_addr`')
  assert.throws(() => bindParams('SELECT {column:Identifier}', { column: 'a` FROM x --' }), UserError)
})

test('a parameter without a value is our mistake, also where an object would inherit one', () => {
  assert.throws(() => bindParams('{constructor:String}', {}), BugError)
  assert.throws(() => bindParams('{x:String}', {}), BugError)
})

test('text that looks like a parameter inside of a value is left alone', () => {
  assert.equal(
    bindParams('{a:String} {b:String}', { a: '{b:String}', b: 'z' }),
    `CAST('\\x7bb\\x3aString\\x7d', 'String') CAST('z', 'String')`,
  )
})

test('a value that is no address fails the query alone', async () => {
  await assert.rejects(store.query('SELECT {a:IPv6}', { params: { a: "1.2.3.4' OR 1" } }), { code: 'query_failed' })
  assert.deepEqual((await store.query('SELECT 1')).rows, [[1]])
})
