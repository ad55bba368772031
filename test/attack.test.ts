import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  flood,
  HONEST_FIELDS,
  ipfix,
  longs,
  MEGABYTE,
  netflow9,
  receiver,
  set,
  sflow,
  templateSet,
  words,
  type Field,
} from './fixtures/flood.ts'

// What somebody would send who wants to fill the memory: see flood.test.ts for what merely is much. In the midst of each attack two
// exporters that behave are decoded to the last record, with their sampling rates; the floods' helpers see to that.

const SOURCES = 1_000_000

test('a million made-up sources of NetFlow v9 and sFlow are forgotten again, and counted', () => {
  const target = receiver()
  // Built once, patched for each source: a million arrays would take longer than the decoding.
  const nine = netflow9(target.seconds(), 0, 0, [...templateSet(256, HONEST_FIELDS), ...set(256, longs(1, 2, 3, 4))], 2)
  const counters = sflow(0, 1)
  const domain = new DataView(nine.buffer)
  const agent = new DataView(counters.buffer)
  const grown = flood(target, SOURCES, (i) => {
    if (i % 2 === 0) {
      domain.setUint32(16, i)
      target.send(nine, i)
    } else {
      agent.setUint32(8, i + 1)
      target.send(counters, i)
    }
  })
  assert.ok(grown < 200 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  const { status } = target.seen
  assert.ok(status !== undefined)
  assert.ok(status.streams <= 65_536 + 10_000, `${status.streams} streams`)
  assert.equal(status.streams + status.streamsEvicted, SOURCES + 2, 'each is either known or counted as evicted')
  assert.equal(status.decodeFailures, 0)
})

test('templates of 64 kB that nobody uses are not remembered for long', () => {
  const target = receiver()
  const big = ipfix(
    target.seconds(),
    0,
    1,
    templateSet(
      256,
      Array.from({ length: 16_000 }, () => [500, 4] as const),
      2,
    ),
  )
  const fields = new DataView(big.buffer)
  const grown = flood(target, 1_500, (i) => {
    fields.setUint16(24 + 4 * (i % 16_000), 600 + i)
    target.send(big, 0x0b000000 + (i % 50))
  })
  assert.ok(grown < 120 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
})

test('decoders of ever new templates take bounded room', () => {
  const target = receiver()
  const grown = flood(target, 3_000, (i) => {
    const fields = Array.from({ length: 340 }, (_, k): Field => [(k * 7 + i) % 480, k % 2 === 0 ? 65535 : 1])
    const id = 256 + (i % 2_000)
    const data = Array.from({ length: 340 }, () => 0)
    target.send(ipfix(target.seconds(), 0, 1, [...templateSet(id, fields, 2), ...set(id, data)]), 0x0b000000)
  })
  assert.ok(grown < 150 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
})

/** Options template 300 of these fields behind a scope of one byte, and data of it. */
function options(seconds: number, sequence: number, fields: readonly number[], data: readonly number[]): Uint8Array {
  const template = set(1, words(300, 4, fields.length * 2, 1, 1, ...fields))
  return netflow9(seconds, sequence, 1, [...template, ...set(300, data)], 2)
}

test('sampling rates of 8,000 sources with 300 samplers each are forgotten with their sources', () => {
  const target = receiver()
  const data = Array.from({ length: 300 }, (_, k) => [1, ...words(k), 7]).flat()
  const message = options(target.seconds(), 0, [48, 2, 34, 1], data)
  const grown = flood(target, 8_000, (i) => target.send(message, 0x0b000000 + i))
  assert.ok(grown < 150 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  assert.ok((target.seen.status?.streamsEvicted ?? 0) > 4_000)
})

test('of one source no more samplers are remembered than a device can have, and the rest is counted', () => {
  const target = receiver()
  const grown = flood(target, 500, (i) => {
    const data = Array.from({ length: 200 }, (_, k) => [1, ...longs(i * 200 + k), 7]).flat()
    target.send(options(target.seconds(), i, [48, 4, 34, 1], data), 0x0b000000)
  })
  assert.ok(grown < 50 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  assert.equal(target.seen.status?.problems.template_limit, 500 * 200 - 4_096)
})

test('names of interfaces out of a flood of flow records are forgotten with their sources', () => {
  const target = receiver()
  const fields: Field[] = [
    [10, 4],
    [82, 1],
    [2, 1],
  ]
  // Names are looked for in a few records of each set: so a hundred sets of one record, each of another interface.
  const sets = Array.from({ length: 100 }, () => set(256, [...longs(1), 65, 1])).flat()
  const message = netflow9(target.seconds(), 0, 1, [...templateSet(256, fields), ...sets])
  const view = new DataView(message.buffer)
  const grown = flood(target, 14_000, (i) => {
    for (let k = 0; k < 100; k++) view.setUint32(44 + 10 * k, 1 + (i % 4) * 100 + k)
    target.send(message, 0x0b000000 + (i >> 2))
  })
  assert.ok(grown < 150 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  assert.ok((target.seen.status?.streamsEvicted ?? 0) > 500)
})

test('small sets without a template, from as many streams as there can be, wait within bounds', () => {
  const target = receiver()
  const message = netflow9(target.seconds(), 0, 1, Array.from({ length: 200 }, () => set(999, [1, 2, 3, 4])).flat())
  const grown = flood(target, 5_000, (i) => target.send(message, 0x0b000000 + i))
  assert.ok(grown < 150 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  assert.ok((target.seen.status?.problems.pending_dropped ?? 0) > 0)
})
