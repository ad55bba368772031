import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { COLUMNS, type ColumnDefinition } from '../flow/columns.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import { MetricBatch } from '../flow/metric-batch.ts'
import type { EmbeddedStore } from './embedded.ts'
import { createLoader } from './loader.ts'
import { createSpool } from './spool.ts'
import { createPlace, randomBatch, startStore, type Place } from './store.fixture.ts'

const NOW = Date.parse('2030-05-06T07:08:09.123Z')
const NAMES = [
  '',
  'web-1',
  "it's",
  'tab\there',
  'line\n\nbreak',
  'back\\slash',
  'späß ☃ 𝄞',
  'x'.repeat(300),
  '\u0000nul',
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

async function load(write: (spool: ReturnType<typeof createSpool>) => Promise<unknown>): Promise<void> {
  const spool = createSpool({ dir: place.spool, maxBytes: 1e9 }, { clock: systemClock })
  const loader = createLoader({ dir: place.spool }, { store, clock: systemClock })
  await spool.start()
  await loader.start()
  await write(spool)
  await loader.drained()
  await loader.stop()
}

/** What the engine is asked to show of a column, so that it can be compared without a loss. */
function shown(column: ColumnDefinition): string {
  if (column.format === 'time') return `toString(toUnixTimestamp64Milli(${column.name}))`
  if (column.storage === 'ip') return `lower(hex(reinterpretAsString(${column.name})))`
  if (column.format === 'boolean') return `toUInt8(${column.name})`
  return `toString(${column.name})`
}

function expected(batch: FlowBatch, column: ColumnDefinition, row: number): string | number {
  const words = batch[column.name as 'src_addr']
  if (column.storage === 'u64' || column.storage === 'mac') {
    const value = BigInt(words[2 * row] as number) | (BigInt(words[2 * row + 1] as number) << 32n)
    return String(value)
  }
  if (column.storage === 'ip') {
    const hex = Buffer.from(batch.columnBytes(column.name).subarray(row * 16, row * 16 + 16)).toString('hex')
    // reinterpretAsString leaves out the zero bytes at the end.
    return hex.replace(/(00)+$/, '')
  }
  const value = words[row] as number
  if (column.storage === 'name') return NAMES[value] ?? ''
  if (column.values) return column.values[value] as string
  return column.format === 'boolean' ? value : String(value)
}

test('a row of random values of every column comes back as it was', async () => {
  const batch = randomBatch(7, 3000, NOW, NAMES.length)
  await load((spool) => spool.write(batch, NAMES))
  const answer = await store.query(`SELECT ${COLUMNS.map(shown).join(', ')} FROM flows ORDER BY observation`)
  assert.equal(answer.rows.length, batch.n)
  for (const [c, column] of COLUMNS.entries()) {
    const got = answer.rows.map((row) => row[c])
    const want = Array.from({ length: batch.n }, (_, row) => expected(batch, column, row))
    assert.deepEqual(got, want, column.name)
  }
})

test('names wider than one and two bytes of index come back', async () => {
  await store.execute('TRUNCATE TABLE flows')
  for (const count of [256, 257, 65_536, 70_000]) {
    const names = ['', ...Array.from({ length: count - 1 }, (_, i) => `vm-${i + 1}`)]
    const batch = new FlowBatch(count)
    batch.n = count
    for (let i = 0; i < count; i++) {
      batch.src_vm[i] = count - 1 - i
      batch.observation[i] = i
      batch.time_received[2 * i] = NOW % 2 ** 32
      batch.time_received[2 * i + 1] = Math.floor(NOW / 2 ** 32)
      batch.vni[i] = count
    }
    await load((spool) => spool.write(batch, names))
    const answer = await store.query('SELECT src_vm FROM flows WHERE vni = {n:UInt32} ORDER BY observation', {
      params: { n: count },
    })
    assert.deepEqual(
      answer.rows.map((row) => row[0]),
      names.toReversed(),
    )
  }
})

test('a name id beyond the table is stored as no name, an unknown enum value as 0', async () => {
  await store.execute('TRUNCATE TABLE flows')
  const batch = randomBatch(3, 2, NOW, 1)
  batch.src_vm.set([1, 4_000_000_000])
  batch.tunnel.set([200, 1])
  batch.counted.set([77, 0])
  await load((spool) => spool.write(batch, ['', 'known']))
  const answer = await store.query('SELECT src_vm, tunnel, counted FROM flows ORDER BY observation')
  assert.deepEqual(answer.rows, [
    ['known', 'none', true],
    ['', 'vxlan', false],
  ])
})

test('counters come back, with an address or without', async () => {
  const batch = new MetricBatch()
  batch.add(NOW, '192.0.2.7', 5, 'if:3', 'if_counters.if_in_octets', 2 ** 53)
  batch.add(NOW + 1, '2001:db8::1', 0, 'vm:späß', 'virt_cpu.cpu_time', 0.1)
  batch.add(NOW + 2, 'no address', 0, 'host', 'load.one', -1e-300)
  await load((spool) => spool.writeMetrics(batch))
  const answer = await store.query(
    'SELECT toUnixTimestamp64Milli(time), source, observation, entity, metric, value FROM metrics ORDER BY time',
  )
  assert.deepEqual(answer.rows, [
    [NOW, '::ffff:192.0.2.7', 5, 'if:3', 'if_counters.if_in_octets', 2 ** 53],
    [NOW + 1, '2001:db8::1', 0, 'vm:späß', 'virt_cpu.cpu_time', 0.1],
    [NOW + 2, '::', 0, 'host', 'load.one', -1e-300],
  ])
})

test('64-bit integers are numbers up to 2^53 and strings above, inside of lists too', async () => {
  const answer = await store.query(
    `SELECT toUInt64(9007199254740991), toUInt64(18446744073709551615), toInt64(-9223372036854775808), [toUInt64(1), toUInt64(9007199254740993)],
     tuple('7', toUInt64(7)), toString(7), toNullable(toUInt64(3))`,
  )
  assert.deepEqual(answer.rows, [
    [9007199254740991, '18446744073709551615', '-9223372036854775808', [1, '9007199254740993'], ['7', 7], '7', 3],
  ])
})

test('a query answers in other formats as bytes', async () => {
  const csv = await store.queryBytes("SELECT 1 AS a, 'x,y' AS b", 'CSVWithNames')
  assert.equal(Buffer.from(csv).toString(), '"a","b"\n1,"x,y"\n')
  const parquet = Buffer.from(await store.queryBytes('SELECT number FROM numbers(1000)', 'Parquet'))
  assert.equal(parquet.subarray(0, 4).toString(), 'PAR1')
  assert.equal(parquet.subarray(-4).toString(), 'PAR1')
})
