import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  flood,
  HONEST_FIELDS,
  ipfix,
  longs,
  MEGABYTE,
  netflow5,
  netflow9,
  receiver,
  set,
  sflow,
  templateSet,
  type Field,
} from './fixtures/flood.ts'

// Floods that anybody can send, against the real ingests: memory stays bounded, what was wrong is counted, and an exporter
// that behaves is not disturbed.

const EXPORTERS = 50_000
const TEMPLATES = 100_000

test('50,000 exporters of every protocol are counted within bounds, and an honest one is not disturbed', () => {
  const target = receiver()
  const grown = flood(target, EXPORTERS, (i) => {
    const source = 0x0b000000 + i
    const seconds = target.seconds()
    target.send(netflow5(seconds), source)
    target.send(
      netflow9(seconds, 0, i, [...templateSet(256, HONEST_FIELDS), ...set(256, longs(1, 2, 3, 4))], 2),
      source,
    )
    target.send(ipfix(seconds, 0, i, [...templateSet(256, HONEST_FIELDS, 2), ...set(256, longs(1, 2, 3, 4))]), source)
    target.send(sflow(source, 1), source)
  })
  assert.ok(grown < 250 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  const { status } = target.seen
  assert.equal(status?.flowsDecoded, 3 * EXPORTERS + 2 * 511)
  assert.equal(status?.flowsDropped, 0)
  assert.equal(status?.decodeFailures, 0)
  assert.ok((status?.metricsDecoded ?? 0) > EXPORTERS)
  assert.ok(target.seen.biggest <= 20_000, 'the list for the Exporters page is bounded')
})

test('100,000 templates of one exporter are refused beyond a bound, and an honest one is not disturbed', () => {
  const target = receiver()
  const grown = flood(target, TEMPLATES, (i) => {
    const fields: Field[] = [
      [8, 4],
      [12, 4],
      [1 + (i % 80), 1 + (i % 7)],
      [2, 4],
      [1, 4],
    ]
    for (let extra = 0; extra < i % 16; extra++) fields.push([200 + extra, 4])
    const set = templateSet(256 + (i % 60_000), fields, i % 2 === 0 ? 2 : 0)
    const domain = Math.floor(i / 60_000)
    target.send(
      i % 2 === 0 ? ipfix(target.seconds(), 0, domain, set) : netflow9(target.seconds(), i, domain, set),
      0x0b000001,
    )
  })
  assert.ok(grown < 150 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  assert.ok((target.seen.status?.problems.template_limit ?? 0) > 0)
  assert.ok((target.seen.status?.templates ?? Infinity) < TEMPLATES)
})

test('100,000 templates spread over 50,000 exporters stay within bounds, and an honest one is not disturbed', () => {
  const target = receiver()
  const grown = flood(target, TEMPLATES, (i) => {
    const fields: Field[] = [
      [8, 4],
      [12, 4],
      [2, 4],
      [1, 4],
    ]
    for (let extra = 0; extra < 30 + (i % 30); extra++) fields.push([400 + ((i * 31 + extra * 17) % 10_000), 4])
    target.send(netflow9(target.seconds(), 0, 1, templateSet(256 + (i % 7), fields)), 0x0b000000 + (i >> 1))
  })
  assert.ok(grown < 300 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  assert.equal(target.seen.status?.decodeFailures, 0)
})

test('data without a template from 50,000 domains waits within bounds, and an honest exporter is not disturbed', () => {
  const target = receiver()
  const payload = Array.from({ length: 1_200 }, () => 1)
  const grown = flood(target, EXPORTERS, (i) =>
    target.send(ipfix(target.seconds(), 0, i, set(999, payload)), 0x0b000000 + (i % 100)),
  )
  assert.ok(grown < 200 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  assert.ok((target.seen.status?.pending ?? 0) > 0)
  assert.ok((target.seen.status?.problems.pending_dropped ?? 0) > 0)
})

test('random bytes, with and without a right version, are counted and nothing else', () => {
  const target = receiver()
  let state = 1
  const random = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 16
  const versions = [[0, 5], [0, 7], [0, 9], [0, 10], [0, 0, 0, 5], []]
  const grown = flood(target, 100_000, (i) => {
    const bytes = Uint8Array.from({ length: random() % 300 }, random)
    bytes.set((versions[i % versions.length] as number[]).slice(0, bytes.length))
    target.send(bytes, 0x0b000000 + (random() % 1_000))
  })
  assert.ok(grown < 200 * MEGABYTE, `grew by ${Math.round(grown / MEGABYTE)} MB`)
  assert.equal(target.seen.status?.decodeFailures, 0, target.seen.status?.lastDecodeFailure ?? '')
  assert.ok((target.seen.status?.rejected ?? 0) > 0)
})
