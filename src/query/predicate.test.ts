import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { parseIp } from '../base/address.ts'
import { systemClock } from '../base/clock.ts'
import { COLUMNS } from '../flow/columns.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import type { EmbeddedStore } from '../store/embedded.ts'
import { createLoader } from '../store/loader.ts'
import { createSpool } from '../store/spool.ts'
import { createPlace, randomFrom, startStore, type Place } from '../store/store.fixture.ts'
import type { FilterNode, Side, Single, Test, Value } from './filter/ast.ts'
import { conditionOf, plainConditionOf, type ConditionOptions } from './filter/condition.ts'
import type { Condition } from './filter/condition-tree.ts'
import { formatFilter } from './filter/format.ts'
import { NOUNS, type Noun, type NounKind } from './filter/nouns.ts'
import { parsedFilter, parseFilter } from './filter/parse.ts'
import { filterSql, Params } from './filter/sql.ts'
import { createPredicate } from './predicate.ts'
import { NameVerdicts } from './name-verdicts.ts'
import { HELPERS, predicateCode } from './predicate-code.ts'

// Rows of few values each, so that filters made of the same values find some rows and not all. A row's number stands in `observation`.

const ROWS = 3000
const T = Math.floor(Date.now() / 1000) * 1000
const NAMES = [
  '',
  'web-1',
  'web-2',
  'Web_3%',
  'db-1',
  'a\\b"c',
  'ſtraße-1',
  'Ärger',
  'K-9',
  '*',
  'x y\nz',
  'host',
  '10.0.0.1',
  'CH',
  'DE',
]
const ADDRESSES = [
  '10.0.0.1',
  '10.0.0.2',
  '10.0.1.255',
  '192.168.1.1',
  '255.255.255.255',
  '0.0.0.0',
  '::',
  '::1',
  '2001:db8::1',
  '2001:db8:1::2',
  'fe80::1',
  'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
]
const MACS = [0, 0x0200_5e10_0001, 0x0200_5e10_0002, 0xffff_ffff_ffff, 0x0200_0000_0000]
/** For columns of 64 bits; what a filter can't name, beyond 2^53, is among them. */
const LARGE = [
  0n,
  1n,
  2n,
  40n,
  1500n,
  64_000n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 32n + 1n,
  2n ** 53n - 1n,
  2n ** 53n + 1n,
  2n ** 64n - 1n,
]
const TIMES = [T - 90_000, T - 1, T, T + 1, T + 5000, T + 2 ** 32]
const SMALL = [0, 1, 2, 6, 7, 17, 22, 53, 58, 80, 128, 132, 255]
const MIDDLE = [...SMALL, 443, 1024, 0x0800, 0x86dd, 4095, 65_535]
const WIDE = [...MIDDLE, 65_536, 5001, 64_512, 2 ** 24 - 1, 2 ** 31, 2 ** 32 - 1]

function filled(): FlowBatch {
  const random = randomFrom(17)
  const one = <T>(of: readonly T[]): T => of[random() % of.length] as T
  const batch = new FlowBatch(ROWS)
  batch.n = ROWS
  for (let i = 0; i < ROWS; i++) {
    for (const { name, storage, format, values } of COLUMNS) {
      const column = batch[name as 'src_addr']
      if (format === 'time') {
        const at = one(TIMES)
        column[2 * i] = at % 2 ** 32
        column[2 * i + 1] = Math.floor(at / 2 ** 32)
      } else if (storage === 'u64') {
        const value = one(LARGE)
        column[2 * i] = Number(value & 0xffff_ffffn)
        column[2 * i + 1] = Number(value >> 32n)
      } else if (storage === 'mac') {
        const value = one(MACS)
        column[2 * i] = value % 2 ** 32
        column[2 * i + 1] = Math.floor(value / 2 ** 32)
      } else if (storage === 'ip') {
        const bytes = parseIp(one(ADDRESSES)) as Uint8Array
        column.set(new Uint32Array(bytes.slice().buffer), 4 * i)
      } else if (storage === 'name') column[i] = random() % NAMES.length
      else if (values) column[i] = Number(one(Object.keys(values)))
      else if (format === 'boolean') column[i] = random() & 1
      else column[i] = one(storage === 'u8' ? SMALL : storage === 'u16' ? MIDDLE : WIDE)
    }
    batch.time_received.set([T % 2 ** 32, Math.floor(T / 2 ** 32)], 2 * i)
    batch.observation[i] = i
  }
  return batch
}

const batch = filled()
const into = new Uint32Array(ROWS)
const SAVED: Readonly<Record<string, string>> = {
  web: 'proto tcp and port in [80, 443]',
  ours: 'net 10.0.0.0/8 or @web',
}
const options: ConditionOptions = {
  namedFilter: (name) => SAVED[name],
  exporterAddresses: (name) => (name.startsWith('sw') ? ['10.0.0.1', '2001:db8::1'] : []),
  asNumbers: (name) => (name.startsWith('Ex') ? [1, 64_512, 2 ** 32 - 1] : []),
}

let place: Place
let store: EmbeddedStore

before(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  const spool = createSpool({ dir: place.spool, maxBytes: 1e9 }, { clock: systemClock })
  const loader = createLoader({ dir: place.spool }, { store, clock: systemClock })
  await spool.start()
  await loader.start()
  try {
    assert.deepEqual(await spool.write(batch, NAMES), { accepted: ROWS, refused: 0 })
    await loader.drained()
  } finally {
    await loader.stop()
  }
})
after(async () => {
  await store.stop()
  await place.remove()
})

function onBatch(tree: FilterNode): number[] {
  const found = createPredicate(tree, options).select(batch, NAMES, into)
  return [...into.subarray(0, found)]
}

/** What each filter finds in the store, in one statement. */
async function inStore(trees: readonly FilterNode[]): Promise<number[][]> {
  const params = new Params()
  const lists = trees.map(
    (tree) =>
      `arraySort(groupArrayIf(observation, ${filterSql(tree, params, { ...options, unknownNames: 'nothing' })}))`,
  )
  const answer = await store.query(`SELECT ${lists.join(', ')} FROM flows`, { params: params.values })
  return (answer.rows[0] as readonly (readonly unknown[])[]).map((list) => list.map(Number))
}

const span = { from: 0, to: 0 }
const number = (of: readonly number[]): fc.Arbitrary<Single> =>
  fc.constantFrom(...of).map((value) => ({ type: 'number', value }))
const ip: fc.Arbitrary<Single> = fc.constantFrom(...ADDRESSES).map((value) => ({ type: 'ip', value }))
const NETS: readonly Value[] = [
  { type: 'net', value: '10.0.0.0', bits: 8 },
  { type: 'net', value: '10.0.0.0', bits: 31 },
  { type: 'net', value: '0.0.0.0', bits: 0 },
  { type: 'net', value: '128.0.0.0', bits: 1 },
  { type: 'net', value: '2001:db8::', bits: 33 },
  { type: 'net', value: '::', bits: 0 },
  { type: 'net', value: '::', bits: 64 },
  { type: 'net', value: '8000::', bits: 1 },
]
const name: fc.Arbitrary<Value> = fc
  .constantFrom(...NAMES, 'nobody', 'WEB-1')
  .map((value): Value => ({ type: 'name', value }))
const pattern: fc.Arbitrary<Value> = fc
  .constantFrom('web*', '*-1', '*', 'W*_*', '*s*', '*%', '', 'ä*', 'k-9', 'STRASSE*', 'ſ*', '*\\*', '*b*-*', 'web-1')
  .map((value): Value => ({ type: 'pattern', value }))

/** Single values of a kind, as they stand in the rows, and some that don't. */
function singles(noun: Noun): fc.Arbitrary<Single> {
  switch (noun.kind) {
    case 'ip':
      return ip
    case 'mac':
      return fc.constantFrom(...MACS, 5).map((value): Single => ({ type: 'mac', value }))
    case 'time':
      return fc.constantFrom(...TIMES, 0).map((value): Single => ({ type: 'time', value }))
    case 'duration':
      return number([0, 1, 2, 5000, 5001, 90_001, 2 ** 32 + 1])
    default: {
      const large = LARGE.filter((value) => value < 2n ** 53n).map(Number)
      return number([...WIDE, ...large, 15, 300, 8000, 12_000].filter((value) => value <= noun.max))
    }
  }
}

function valueOf(noun: Noun): fc.Arbitrary<Value> {
  const range = fc.tuple(singles(noun), singles(noun)).map(([low, high]): Value => ({ type: 'range', low, high }))
  const kinds: Partial<Record<NounKind, fc.Arbitrary<Value>>> = {
    ip: fc.oneof(ip, fc.constantFrom(...NETS), range),
    mac: fc.oneof(
      singles(noun),
      fc.constantFrom<Value>(
        { type: 'mac-net', value: 0x0200_0000_0000, bits: 24 },
        { type: 'mac-net', value: 0x0200_5e00_0000, bits: 24 },
        { type: 'mac-net', value: 0, bits: 0 },
      ),
    ),
    name: fc.oneof(name, pattern),
    enum: fc.constantFrom(...Object.values(noun.values ?? { 0: '' })).map((value): Value => ({ type: 'name', value })),
    country: fc.constantFrom('', 'CH', 'DE', 'US').map((value): Value => ({ type: 'name', value })),
    flags: fc.constantFrom(1, 2, 3, 6, 16, 18, 255).map((value): Value => ({ type: 'flags', value })),
    boolean: fc.boolean().map((value): Value => ({ type: 'boolean', value })),
    service: fc.constantFrom<Value>(
      { type: 'service', proto: 6, port: 80 },
      { type: 'service', proto: 17, port: 53 },
      { type: 'service', proto: 132, port: 0 },
      { type: 'service', proto: 1 },
    ),
  }
  return kinds[noun.kind] ?? fc.oneof(singles(noun), range)
}

const NUMERIC = new Set<NounKind>(['number', 'as', 'duration'])
const ORDERED = new Set<NounKind>(['number', 'as', 'duration', 'time', 'proto', 'ethertype', 'flags'])
const ANY_OP = ['=', '!=', '<', '>', '<=', '>='] as const

function besideOf(noun: Noun): fc.Arbitrary<Value> {
  const like = NOUNS.filter((other) => (NUMERIC.has(noun.kind) ? NUMERIC.has(other.kind) : other.kind === noun.kind))
  return fc.constantFrom(...like).chain((other) => {
    const sides = (Object.keys(other.columns) as (Side | 'any')[]).filter((side) => side !== 'any')
    const times = NUMERIC.has(noun.kind) ? fc.option(fc.constantFrom(1, 2, 1000, 1.5, 0)) : fc.constant(null)
    return fc
      .tuple(fc.option(fc.constantFrom<Side>(...(sides.length > 0 ? sides : (['src'] as const)))), times)
      .map(([side, factor]): Value => ({
        type: 'column',
        noun: other.name,
        ...(side === null || sides.length === 0 ? {} : { side }),
        ...(factor === null ? {} : { times: factor }),
      }))
  })
}

const testNode: fc.Arbitrary<FilterNode> = fc.constantFrom(...NOUNS).chain((noun): fc.Arbitrary<FilterNode> => {
  const sides = (Object.keys(noun.columns) as (Side | 'any')[]).map((side) => (side === 'any' ? {} : { side }))
  return fc.constantFrom(...sides).chain((side) => {
    const make = (op: Test['op'], values: readonly Value[]): FilterNode => ({
      kind: 'test',
      noun: noun.name,
      ...side,
      op,
      values,
      span,
    })
    if (noun.kind === 'bare') return fc.constant(make('=', []))
    const options_ = [
      fc
        .tuple(fc.constantFrom(...(ORDERED.has(noun.kind) ? ANY_OP : (['=', '!='] as const))), valueOf(noun))
        .map(([op, value]) => make(op, [value])),
      fc.array(valueOf(noun), { minLength: 1, maxLength: 12 }).map((values) => make('in', values)),
    ]
    if (noun.kind === 'flags') options_.push(valueOf(noun).map((value) => make('has', [value])))
    if (noun.kind === 'name') options_.push(pattern.map((value) => make('like', [value])))
    if (!['flags', 'enum', 'boolean', 'service'].includes(noun.kind))
      options_.push(
        fc
          .tuple(fc.constantFrom(...(ORDERED.has(noun.kind) ? ANY_OP : (['=', '!='] as const))), besideOf(noun))
          .map(([op, value]) => make(op, [value])),
      )
    return fc.oneof(...options_)
  })
})

const SPOKEN = [
  '@web',
  'not @ours',
  'exporter sw1',
  'exporter like "sw*"',
  'not exporter nobody',
  'src as Example',
  'as in [Ex*, 7]',
  'host 10.0.0.1',
  'vlan 0',
  'vlan in [0, 7]',
  'ip in [10.0.0.0/31, 10.0.0.2/31, 10.0.0.4/31, 192.168.1.0/31, 10.0.1.254/31, 2001:db8::1]',
  'not src ip in [2001:db8::/127, 2001:db8:1::2/127, fe80::/127, ::/127, 2001:db8:2::/127, 10.0.0.1/32]',
  'port 22 or port 53 or port 80 or port 443 or port 1024 or dst port 58',
  'not proto tcp and not proto udp and not proto 58 and not src vm web-1',
]

const node: fc.Arbitrary<FilterNode> = fc.letrec<{ node: FilterNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    { weight: 8, arbitrary: testNode },
    { weight: 1, arbitrary: fc.constantFrom(...SPOKEN).map(parsedFilter) },
    { weight: 1, arbitrary: tie('node').map((of): FilterNode => ({ kind: 'not', of, span })) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(fc.constantFrom('and' as const, 'or' as const), fc.array(tie('node'), { minLength: 2, maxLength: 4 }))
        .map(([kind, of]): FilterNode => ({ kind, of, span })),
    },
  ),
})).node

/** As they would be given: what the language has no text for is no filter. */
function asGiven(trees: fc.Arbitrary<FilterNode>): fc.Arbitrary<FilterNode> {
  return trees
    .map((tree) => parseFilter(formatFilter(tree)))
    .filter((result) => result.ok)
    .map((result) => (result as { ast: FilterNode }).ast)
}

const filter = asGiven(node)

/** VNETSCOPE_PREDICATE_RUNS asks for more, of random seeds. */
const MORE = process.env['VNETSCOPE_PREDICATE_RUNS']

/** Each finds the same rows in the batch as in the store. Answers how many find some and not all. */
async function assertSame(trees: readonly FilterNode[]): Promise<number> {
  const stored = await inStore(trees)
  let telling = 0
  for (const [i, tree] of trees.entries()) {
    const rows = onBatch(tree)
    assert.deepEqual(rows, stored[i], formatFilter(tree).slice(0, 2000))
    if (rows.length > 0 && rows.length < ROWS) telling++
  }
  return telling
}

test('a filter finds the same rows in a batch as in the store', async (t) => {
  let filters = 0
  let telling = 0
  await fc.assert(
    fc.asyncProperty(fc.array(filter, { minLength: 40, maxLength: 40, size: 'max' }), async (trees) => {
      telling += await assertSame(trees)
      filters += trees.length
    }),
    MORE === undefined ? { numRuns: 30, seed: 23 } : { numRuns: Number(MORE) },
  )
  t.diagnostic(`${filters} filters, of which ${telling} find some rows and not all`)
  assert.ok(telling > filters / 2)
})

/** Parts that differ in their values alone, so many that the store is asked for all of them together. */
const alike = asGiven(
  fc
    .array(
      fc.constantFrom(...NOUNS.filter((noun) => noun.kind !== 'bare')).chain((noun) => {
        const sides = (Object.keys(noun.columns) as (Side | 'any')[]).map((side) => (side === 'any' ? {} : { side }))
        const ops = ORDERED.has(noun.kind) ? ANY_OP : (['=', '!='] as const)
        return fc.record({ noun: fc.constant(noun), side: fc.constantFrom(...sides), op: fc.constantFrom(...ops) })
      }),
      { minLength: 1, maxLength: 3 },
    )
    .chain((asked) => {
      const tests = asked.map(({ noun, side, op }) =>
        valueOf(noun).map((value): FilterNode => {
          const isSingle = op === '=' || op === '!=' || value.type === 'number'
          return { kind: 'test', noun: noun.name, ...side, op: isSingle ? op : '=', values: [value], span }
        }),
      )
      const isAll = fc.boolean()
      return isAll.chain((all) => {
        const part = fc.tuple(...tests).map((of): FilterNode => {
          const [first, ...others] = of as [FilterNode, ...FilterNode[]]
          if (others.length === 0) return first
          const rest = others.map((one): FilterNode => (all ? { kind: 'not', of: one, span } : one))
          const both: FilterNode = { kind: 'and', of: [first, ...rest], span }
          return all ? { kind: 'not', of: both, span } : both
        })
        return fc
          .array(part, { minLength: 20, maxLength: 300, size: 'max' })
          .map((of): FilterNode => ({ kind: all ? 'and' : 'or', of, span }))
      })
    }),
)

test('many parts that ask the same of other values find the same rows in a batch as in the store', async (t) => {
  let together = 0
  let telling = 0
  await fc.assert(
    fc.asyncProperty(fc.array(alike, { minLength: 20, maxLength: 20, size: 'max' }), async (trees) => {
      telling += await assertSame(trees)
      for (const tree of trees)
        if (filterSql(tree, new Params(), { ...options, unknownNames: 'nothing' }).includes('UInt256')) together++
    }),
    MORE === undefined ? { numRuns: 3, seed: 5, endOnFailure: true } : { numRuns: Number(MORE), endOnFailure: true },
  )
  t.diagnostic(`${together} filters put together, ${telling} that find some rows and not all`)
  assert.ok(together > 10 && telling > 10)
})

test('a condition that is made simpler finds the same rows', () => {
  const rowsOf = (condition: Condition): number[] => {
    const { source, tables } = predicateCode(condition)
    // oxlint-disable-next-line no-implied-eval, no-new-func
    const loop = new Function('batch', 'into', 'tables', 'helpers', source) as (...given: unknown[]) => number
    const looked = tables.map((table) => (table instanceof NameVerdicts ? table.over(NAMES) : table))
    return [...into.subarray(0, loop(batch, into, looked, HELPERS))]
  }
  let simpler = 0
  fc.assert(
    fc.property(filter, (tree) => {
      const given = { ...options, unknownNames: 'nothing' as const }
      const [plain, simple] = [plainConditionOf(tree, given), conditionOf(tree, given)]
      assert.deepEqual(rowsOf(simple), rowsOf(plain), formatFilter(tree))
      if (JSON.stringify(simple).length < JSON.stringify(plain).length) simpler++
    }),
    { numRuns: 300, seed: 31 },
  )
  assert.ok(simpler > 30, String(simpler))
})

test('no text of a user gets into the code, which is the same for whatever name', () => {
  const codeOf = (text: string): string => predicateCode(conditionOf(parsedFilter(text), options)).source
  const forms = ['src vm %', 'vm in [%, %]', 'not slice like %', 'dst host != %', 'exporter in [%, 10.0.0.1]', 'as %']
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('*/process.exit()/*', '`${1}`', "'", '\u2028', '});//', 'i', 'batch'),
      ),
      (name) => {
        for (const form of forms) {
          const quoted = (given: string): string => `"${given.replaceAll(/[\\"]/g, (sign) => `\\${sign}`)}"`
          const known = (given: string): string =>
            form.replaceAll('%', () =>
              quoted(form.includes('exporter') ? `sw${given}` : form.startsWith('as') ? `Ex${given}` : given),
            )
          assert.equal(codeOf(known(name)), codeOf(known('x')))
        }
      },
    ),
    { numRuns: 100, seed: 29 },
  )
})

test('names that come into the table later are looked at, and another table is another', () => {
  const flows = new FlowBatch(8)
  flows.n = 3
  flows.src_vm.set([0, 1, 2])
  const predicate = createPredicate(parsedFilter('src vm like "web*"'))
  const names = ['', 'web-1', 'db-1']
  const rows = new Uint32Array(8)
  const found = (table: readonly string[]): number[] => [...rows.subarray(0, predicate.select(flows, table, rows))]
  assert.deepEqual(found(names), [1])
  for (let i = 3; i < 200; i++) names.push(`web-${i}`)
  flows.n = 4
  flows.src_vm[3] = 199
  assert.deepEqual(found(names), [1, 3])
  assert.deepEqual(found(['', 'x', 'WEB', 'y']), [2])
  flows.n = 1
  assert.deepEqual(found(['']), [])
})

test('what a name stands for is looked up anew when it is told to', () => {
  const flows = new FlowBatch(2)
  flows.n = 2
  flows.dst_port.set([80, 443])
  flows.exporter.set(new Uint32Array((parseIp('192.0.2.1') as Uint8Array).slice().buffer), 4)
  let addresses: string[] = []
  let web = 'port 80'
  const predicate = createPredicate(parsedFilter('@web and not exporter edge'), {
    namedFilter: () => web,
    exporterAddresses: () => addresses,
  })
  const rows = new Uint32Array(2)
  const found = (): number[] => [...rows.subarray(0, predicate.select(flows, [''], rows))]
  assert.deepEqual(found(), [0])
  web = 'port in [80, 443]'
  assert.deepEqual(found(), [0])
  predicate.refresh()
  assert.deepEqual(found(), [0, 1])
  addresses = ['192.0.2.1']
  predicate.refresh()
  assert.deepEqual(found(), [0])
  assert.throws(() => predicate.select(flows, [''], new Uint32Array(1)), /don't fit/)
})
