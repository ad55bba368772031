import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { SimulatorConfig } from './config.ts'
import type { Port } from './data-center.ts'
import type { SimulatedExporter } from './simulation.ts'
import { createSimulator, simulateMinutes } from './simulator.ts'
import { truthLine, type TruthRow } from './truth.ts'

const SMALL: Partial<SimulatorConfig> = { hosts: 6, vms: 40, pps: 20_000, sampling: 100 }
const NOON = Date.UTC(2026, 0, 15, 12)

function fingerprint(config: Partial<SimulatorConfig>): { datagrams: string; truth: string } {
  const datagrams = createHash('sha256')
  const truth = createHash('sha256')
  simulateMinutes(
    { ...SMALL, ...config },
    1,
    (bytes, sentAt, exporter) => datagrams.update(`${sentAt} ${exporter.loopback} `).update(bytes),
    { truth: (row) => truth.update(truthLine(row)) },
  )
  return { datagrams: datagrams.digest('hex'), truth: truth.digest('hex') }
}

for (const protocol of ['sflow', 'netflow5', 'netflow9', 'ipfix', 'mixed'] as const) {
  test(`the same seed makes the same ${protocol} datagrams and totals, another seed others`, () => {
    const first = fingerprint({ protocol, seed: 5 })
    assert.deepEqual(fingerprint({ protocol, seed: 5 }), first)
    const other = fingerprint({ protocol, seed: 6 })
    assert.notEqual(other.datagrams, first.datagrams)
    assert.notEqual(other.truth, first.truth)
  })
}

test('how packets are sampled and exported changes nothing of the traffic', () => {
  const { truth } = fingerprint({})
  assert.equal(fingerprint({ sampling: 1000 }).truth, truth)
  assert.equal(fingerprint({ protocol: 'ipfix', sampling: 1 }).truth, truth)
  assert.equal(fingerprint({ sample: 'all-ports', polling: 7 }).truth, truth)
})

function sumOf(
  rows: readonly TruthRow[],
  kind: TruthRow['kind'],
  direction?: TruthRow['direction'],
  name?: string,
): { packets: number; bytes: number } {
  let packets = 0
  let bytes = 0
  for (const row of rows) {
    if (row.kind !== kind || (direction && row.direction !== direction) || (name && row.name !== name)) continue
    packets += row.packets
    bytes += row.bytes
  }
  return { packets, bytes }
}

test('the totals by VM, VLAN and interface agree with each other and with the ports', () => {
  const rows: TruthRow[] = []
  const { center, counts } = simulateMinutes(SMALL, 3, () => {}, { truth: (row) => rows.push(row) })
  const total = sumOf(rows, 'total')
  assert.ok(total.packets > 2_000_000)
  assert.equal(total.packets, counts.packets)
  assert.deepEqual(sumOf(rows, 'vlan'), total)

  const ports = center.hosts.flatMap((host) => host.ports)
  const access = ports.filter((port) => !port.uplink)
  const sum = (list: readonly Port[], field: 'inPackets' | 'inBytes' | 'outPackets' | 'outBytes'): number =>
    list.reduce((s, port) => s + port[field], 0)
  // What VMs send comes in by their ports, untagged, as it is counted.
  assert.deepEqual(sumOf(rows, 'vm', 'out'), { packets: sum(access, 'inPackets'), bytes: sum(access, 'inBytes') })
  // What they receive goes out by their ports; what came from outside was counted with its tag.
  assert.equal(sumOf(rows, 'vm', 'in').packets, sum(access, 'outPackets'))
  const fromOutside = total.packets - sum(access, 'inPackets')
  assert.ok(fromOutside > 0)
  assert.equal(sumOf(rows, 'vm', 'in').bytes - sum(access, 'outBytes'), 4 * fromOutside)
  // No packet is lost in a switch.
  for (const host of center.hosts) assert.equal(sum(host.ports, 'inPackets'), sum(host.ports, 'outPackets'), host.name)
  // What goes out by an uplink comes in by another one, or has left; what comes in was sent so, or is from outside.
  const uplinks = center.hosts.map((host) => host.uplink)
  const between = sum(uplinks, 'inPackets') - fromOutside
  assert.ok(between > 0 && between < sum(uplinks, 'outPackets'))

  assert.deepEqual(sumOf(rows, 'interface', 'in'), { packets: sum(ports, 'inPackets'), bytes: sum(ports, 'inBytes') })
  assert.deepEqual(sumOf(rows, 'interface', 'out'), {
    packets: sum(ports, 'outPackets'),
    bytes: sum(ports, 'outBytes'),
  })
})

/** Sampled packets and the last sample pool of each data source, read off the datagrams (sFlow v5 expanded samples). */
function poolsOf(config: Partial<SimulatorConfig>): { samples: number; pools: Map<string, number>; packets: number } {
  const pools = new Map<string, number>()
  let samples = 0
  const { counts } = simulateMinutes({ ...SMALL, ...config }, 2, (bytes, _sentAt, exporter) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let i = 0, at = 28; i < view.getUint32(24); i++, at += 8 + view.getUint32(at + 4)) {
      if (view.getUint32(at) !== 3) continue
      samples++
      pools.set(`${exporter.name}:${view.getUint32(at + 16)}`, view.getUint32(at + 24))
    }
  })
  return { samples, pools, packets: counts.packets }
}

test('by default each packet is in the sample pool of one port, so that scaled samples are the whole once', () => {
  const { samples, pools, packets } = poolsOf({ sampling: 20 })
  const pool = [...pools.values()].reduce((sum, value) => sum + value, 0)
  // Behind the last sample of each port, up to 39 packets were not yet told.
  assert.ok(pool <= packets && pool > packets - 39 * pools.size, `${pool} of ${packets}`)
  assert.ok(Math.abs(samples * 20 - packets) < 4 * 20 * Math.sqrt(samples), `${samples * 20} of ${packets}`)
})

test('with sampling on all ports, packets between hosts are in two pools', () => {
  const one = poolsOf({ sampling: 20 })
  const two = poolsOf({ sampling: 20, sample: 'all-ports' })
  assert.equal(one.packets, two.packets)
  const sum = (pools: Map<string, number>): number => [...pools.values()].reduce((total, value) => total + value, 0)
  assert.ok(sum(two.pools) > 1.1 * sum(one.pools))
})

test('the past goes on into the present: history at its own rate, then the live one', async () => {
  const live: SimulatedExporter[] = []
  const simulator = createSimulator(
    { ...SMALL, sampling: 100 },
    { clock: { now: () => NOON + 7650 }, send: (_bytes, exporter) => live.push(exporter) },
    { startAt: NOON - 10 * 60_000 },
  )
  const times: number[] = []
  const rates = new Set<number>()
  await simulator.backfill({ sampling: 500 }, (bytes, sentAt) => {
    times.push(sentAt)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    if (view.getUint32(28) === 3) rates.add(view.getUint32(28 + 20))
  })
  assert.equal(live.length, 0)
  assert.deepEqual([...rates], [500])
  assert.ok(
    times.every(
      (time, i) => time > NOON - 10 * 60_000 && time <= NOON + 7000 && (i === 0 || time >= (times[i - 1] as number)),
    ),
  )
  assert.equal(simulator.now(), NOON + 7000)
  const packets = simulator.counts.packets
  for (let i = 0; i < 10; i++) simulator.step()
  assert.equal(simulator.now(), NOON + 8000)
  assert.ok(simulator.counts.packets > packets + 5000)
  assert.ok(live.length > 0)
})

test('history ends when it is told to', async () => {
  const stop = new AbortController()
  const simulator = createSimulator(
    SMALL,
    { clock: { now: () => NOON }, send: () => {} },
    { startAt: NOON - 86_400_000 },
  )
  await simulator.backfill({ signal: stop.signal }, () => stop.abort())
  assert.ok(simulator.now() < NOON - 43_200_000)
})

test('a configuration that can not be is refused with a sentence', () => {
  assert.throws(() => simulateMinutes({ hosts: 0 }, 1, () => {}), /hosts must be a whole number from 1 to 10000, not 0/)
  assert.throws(() => simulateMinutes({ pps: -1 }, 1, () => {}), /pps must be above 0/)
})

test('one host with one machine is a data center too, and so are many of them', () => {
  for (const [hosts, vms] of [
    [1, 1],
    [2, 3],
    [40, 700],
  ] as const) {
    for (const protocol of ['mixed', 'ipfix'] as const) {
      const { counts } = simulateMinutes({ ...SMALL, protocol, hosts, vms }, 1, () => {})
      assert.ok(counts.packets > 300_000 && counts.datagrams > 0, `${hosts} ${vms} ${protocol}`)
    }
  }
})
