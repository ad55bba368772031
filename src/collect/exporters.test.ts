import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createExporters, type HeardExporter } from './exporters.ts'
import type { StreamStatus } from './ingest.ts'
import { problemText } from './problem-texts.ts'

const NONE = { streams: 0, evicted: 0, refused: [] }

function stream(change: Partial<StreamStatus>): StreamStatus {
  return {
    exporter: '192.0.2.1',
    sourcePort: 5000,
    protocol: 'netflow9',
    observation: 1,
    firstHeard: 0,
    lastHeard: 0,
    datagrams: 0,
    flows: 0,
    others: 0,
    templates: [],
    sampling: [],
    lost: 0,
    reordered: 0,
    restarts: 0,
    pending: 0,
    problems: {},
    ...change,
  }
}

function only(list: readonly HeardExporter[]): HeardExporter {
  assert.equal(list.length, 1)
  return list[0] as HeardExporter
}

test('the streams of one exporter become one line with their sums', () => {
  const exporters = createExporters({ limit: 10 }, { nameOf: (address) => (address === '192.0.2.1' ? 'core-1' : null) })
  exporters.heard(
    0,
    [
      stream({
        datagrams: 10,
        flows: 100,
        lost: 2,
        lastHeard: 5_000,
        problems: { no_template: 3, empty: 0 },
        sampling: [{ rate: 400, from: 'options' }],
      }),
      stream({
        observation: 2,
        datagrams: 5,
        flows: 50,
        lost: 1,
        lastHeard: 4_000,
        problems: { no_template: 1 },
        sampling: [{ rate: 400, from: 'options' }],
      }),
    ],
    5_000,
  )
  exporters.heard(1, [stream({ protocol: 'sflow', datagrams: 1, lastHeard: 3_000 })], 5_000)
  const one = only(exporters.answer(5_000, NONE).exporters)
  assert.equal(one.name, 'core-1')
  assert.deepEqual(new Set(one.protocols), new Set(['netflow9', 'sflow']))
  assert.equal(one.datagrams, 16)
  assert.equal(one.flows, 150)
  assert.equal(one.lost, 3)
  assert.equal(one.lastHeard, 5_000)
  assert.deepEqual(one.sampling, [{ rate: 400, from: 'options' }])
  assert.equal(one.problems['no_template']?.count, 4)
  assert.match(one.problems['no_template']?.text ?? '', /template did not come/)
  assert.equal(one.problems['empty'], undefined)
  assert.equal(one.streams.length, 3)
})

test('the rate follows a steady stream and fades when it stops', () => {
  const exporters = createExporters({ limit: 10 }, { nameOf: () => null })
  for (let s = 1; s <= 60; s++)
    exporters.heard(0, [stream({ datagrams: s * 100, flows: s * 2_400, lastHeard: s * 1000 })], s * 1000)
  const busy = only(exporters.answer(60_000, NONE).exporters)
  assert.ok(Math.abs(busy.datagramsPerSecond - 100) < 1)
  assert.ok(Math.abs(busy.flowsPerSecond - 2_400) < 24)
  const quiet = only(exporters.answer(120_000, NONE).exporters)
  assert.ok(quiet.datagramsPerSecond < 1)
})

test('an exporter is silent after 90 s, or three of its usual pauses if they are longer', () => {
  const exporters = createExporters({ limit: 10 }, { nameOf: () => null })
  exporters.heard(0, [stream({ datagrams: 1, lastHeard: 0 })], 0)
  exporters.heard(0, [stream({ exporter: '192.0.2.2', datagrams: 1, lastHeard: 0 })], 0)
  exporters.heard(0, [stream({ datagrams: 2, lastHeard: 60_000 })], 60_000)
  exporters.heard(0, [stream({ exporter: '192.0.2.2', datagrams: 61, lastHeard: 60_000 })], 60_000)
  const state = (now: number): Record<string, string> =>
    Object.fromEntries(exporters.answer(now, NONE).exporters.map((one) => [one.address, one.state]))
  assert.deepEqual(state(149_000), { '192.0.2.1': 'heard', '192.0.2.2': 'heard' })
  assert.deepEqual(state(160_000), { '192.0.2.1': 'heard', '192.0.2.2': 'silent' })
  assert.deepEqual(state(241_000), { '192.0.2.1': 'silent', '192.0.2.2': 'silent' })
})

test('beyond the limit the stream heard longest ago leaves the list, and the total still tells of it', () => {
  const exporters = createExporters({ limit: 100 }, { nameOf: () => null })
  exporters.heard(0, [stream({ exporter: 'honest', datagrams: 1 })], 0)
  for (let i = 0; i < 1_000; i++) {
    exporters.heard(0, [stream({ exporter: `10.0.0.${i}`, datagrams: 1, lastHeard: i })], i)
    exporters.heard(0, [stream({ exporter: 'honest', datagrams: 2 + i, lastHeard: i })], i)
  }
  const answer = exporters.answer(1_000, { ...NONE, streams: 1_001 })
  assert.equal(answer.exporters.length, 100)
  assert.equal(answer.total, 1_001)
  assert.ok(answer.exporters.some(({ address }) => address === 'honest'))
})

test('interfaces that an exporter names are counted once each', () => {
  const exporters = createExporters({ limit: 10 }, { nameOf: () => null })
  exporters.heard(0, [stream({ datagrams: 1 })], 0)
  for (const ifIndex of [1, 2, 2, 3]) exporters.sighted({ kind: 'interface', agent: '192.0.2.1', ifIndex })
  assert.equal(only(exporters.answer(0, NONE).exporters).interfaces, 3)
})

test('a refused source is told with its address and what it sent', () => {
  const exporters = createExporters({ limit: 10 }, { nameOf: () => null })
  const refused = [{ source: '192.0.2.9', code: 'bad_version' as const, count: 7, firstBytes: 4, lastHeard: 1 }]
  const [line] = exporters.answer(0, { ...NONE, refused }).refused
  assert.equal(line?.count, 7)
  assert.match(line?.text ?? '', /^From 192\.0\.2\.9: datagrams begin with sFlow version 4, which is no version of/)
})

test('a clock that is set back does not freeze what is shown', () => {
  const exporters = createExporters({ limit: 10 }, { nameOf: () => null })
  const hour = 3_600_000
  exporters.heard(0, [stream({ datagrams: 10, firstHeard: hour, lastHeard: hour })], hour)
  exporters.heard(0, [stream({ datagrams: 20, firstHeard: hour, lastHeard: 1_000 })], 1_000)
  assert.equal(only(exporters.answer(1_000, NONE).exporters).datagrams, 20)
  exporters.heard(0, [stream({ datagrams: 120, firstHeard: hour, lastHeard: 11_000 })], 11_000)
  const { datagrams, lastHeard } = only(exporters.answer(11_000, NONE).exporters)
  assert.deepEqual([datagrams, lastHeard], [120, 11_000])
})

test('interfaces that are made up without end are bounded', () => {
  const exporters = createExporters({ limit: 1000 }, { nameOf: () => null })
  for (let i = 0; i < 300_000; i++)
    exporters.sighted({ kind: 'interface', agent: `10.0.0.${i % 100}`, ifIndex: Math.floor(i / 100) })
  for (let i = 0; i < 100; i++) exporters.heard(0, [stream({ exporter: `10.0.0.${i}` })], 0)
  const kept = exporters.answer(0, NONE).exporters.reduce((sum, one) => sum + one.interfaces, 0)
  assert.equal(kept, 200_000)
})

test('a structure that nobody knows is named with its number', () => {
  assert.match(problemText('unknown_structure flow 9999:7'), /not known \(flow 9999:7/)
  assert.match(problemText('unknown_structure others'), /more kinds/)
  assert.match(problemText('no_template'), /template did not come/)
  assert.equal(problemText('new_code'), 'new_code')
})
