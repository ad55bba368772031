// What the simulator exports, read by other people's collectors: tshark finds nothing wrong, and nfdump's totals are the truth.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { SimulatorConfig } from '../src/simulate/config.ts'
import type { SimulatedExporter } from '../src/simulate/simulation.ts'
import { simulateMinutes } from '../src/simulate/simulator.ts'
import type { TruthRow } from '../src/simulate/truth.ts'
import { createUdpSender } from '../src/simulate/udp.ts'
import { datagramFrame, writeFrames } from './interop/frames.ts'
import { startNfcapd, untilRoom } from './interop/peers.ts'
import { run } from './interop/processes.ts'

const CONFIG: Partial<SimulatorConfig> = { hosts: 5, vms: 40, pps: 1500, seed: 4 }

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'vnetscope-simulate-'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

interface Simulated {
  readonly datagrams: { readonly bytes: Buffer; readonly exporter: SimulatedExporter }[]
  readonly exporters: readonly SimulatedExporter[]
  /** Packets, bytes of frames, bytes of IP packets. */
  readonly total: { packets: number; bytes: number; ipBytes: number }
}

function simulated(config: Partial<SimulatorConfig>): Simulated {
  const datagrams: Simulated['datagrams'] = []
  const total = { packets: 0, bytes: 0, ipBytes: 0 }
  const { exporters } = simulateMinutes(
    { ...CONFIG, ...config },
    1,
    (bytes, _sentAt, exporter) => datagrams.push({ bytes: Buffer.from(bytes), exporter }),
    {
      truth: (row: TruthRow) => {
        if (row.kind !== 'total') return
        total.packets += row.packets
        total.bytes += row.bytes
        total.ipBytes += row.ipBytes
      },
    },
  )
  return { datagrams, exporters, total }
}

/** What nfdump makes of the datagrams, sent to it over UDP. */
async function nfdumpTotals(
  { datagrams, exporters }: Simulated,
  program: 'nfcapd' | 'sfcapd',
): Promise<{ packets: number; bytes: number; flows: number; vlans: Set<string> }> {
  const collector = await startNfcapd(folder, program)
  const sender = createUdpSender({ host: '127.0.0.1', port: collector.port }, exporters)
  await sender.start()
  for (const [i, { bytes, exporter }] of datagrams.entries()) {
    if (i % 16 === 0) await untilRoom(collector.port)
    sender.send(bytes, exporter)
    await sender.drained(0)
  }
  await sender.stop()
  assert.deepEqual(sender.sent(), { datagrams: datagrams.length, failed: 0 })
  const flows = await collector.flows()
  const totals = { packets: 0, bytes: 0, flows: flows.length, vlans: new Set(flows.map((flow) => flow.vlan)) }
  for (const flow of flows) {
    totals.packets += flow.packets
    totals.bytes += flow.bytes
  }
  return totals
}

test('sfcapd reads from unsampled sFlow every packet and byte that was sent', async () => {
  const simulation = simulated({ sampling: 1, pps: 500 })
  const { packets, bytes } = await nfdumpTotals(simulation, 'sfcapd')
  assert.equal(packets, simulation.total.packets)
  assert.equal(bytes, simulation.total.bytes)
})

test('sfcapd scales samples to what the rate says', async () => {
  const simulation = simulated({ sampling: 50, pps: 40_000 })
  const { packets, flows } = await nfdumpTotals(simulation, 'sfcapd')
  assert.equal(packets, flows * 50)
  assert.ok(Math.abs(packets - simulation.total.packets) < 4 * 50 * Math.sqrt(flows))
})

for (const protocol of ['netflow9', 'ipfix'] as const) {
  test(`nfcapd reads from unsampled ${protocol} every byte that was sent in IP packets, with its VLAN`, async () => {
    const simulation = simulated({ protocol, sampling: 1 })
    const { bytes, vlans } = await nfdumpTotals(simulation, 'nfcapd')
    assert.equal(bytes, simulation.total.ipBytes)
    for (const vlan of ['110', '120', '140', '202'])
      assert.ok(vlans.has(vlan), `VLAN ${vlan} of ${[...vlans].join(' ')}`)
  })
}

test('nfcapd reads from NetFlow version 5 what was written, and scales it by the rate in the header', async () => {
  const simulation = simulated({ protocol: 'netflow5', sampling: 10, pps: 20_000 })
  let packets = 0
  let octets = 0
  for (const { bytes } of simulation.datagrams) {
    for (let at = 24; at < bytes.length; at += 48) {
      packets += bytes.readUInt32BE(at + 16)
      octets += bytes.readUInt32BE(at + 20)
    }
  }
  const totals = await nfdumpTotals(simulation, 'nfcapd')
  assert.equal(totals.packets, packets * 10)
  assert.equal(totals.bytes, octets * 10)
})

/** A capture of the datagrams in which each exporter has a port of its own, since tshark keeps templates by it. */
function capture(name: string, datagrams: Simulated['datagrams'], port: number): string {
  const file = join(folder, `${name}.pcap`)
  writeFrames(
    file,
    datagrams.map(({ bytes, exporter }) => datagramFrame(bytes, 40_000 + exporter.index, port)),
    Date.UTC(2026, 0, 15, 12),
  )
  return file
}

/** Numbers of the frames that match a display filter. */
function framesOf(file: string, filter: string, ...options: string[]): string[] {
  return run('tshark', ['-r', file, ...options, '-Y', filter, '-T', 'fields', '-e', 'frame.number'])
    .split('\n')
    .filter(Boolean)
}

for (const [protocol, port] of [
  ['netflow5', 2055],
  ['netflow9', 2055],
  ['ipfix', 4739],
] as const) {
  test(`tshark has nothing to say against the ${protocol}`, () => {
    const { datagrams } = simulated({ protocol, sampling: 4, pps: 20_000 })
    const file = capture(protocol, datagrams, port)
    assert.ok(datagrams.length > 30)
    assert.equal(framesOf(file, 'cflow').length, datagrams.length)
    assert.deepEqual(framesOf(file, '_ws.expert'), [])
  })
}

test('tshark reads from the options of NetFlow v9 and IPFIX the rate of sampling', () => {
  const v9 = capture('rate9', simulated({ protocol: 'netflow9', sampling: 250 }).datagrams, 2055)
  assert.match(run('tshark', ['-r', v9, '-V', '-c', '1']), /SamplerMode: Random \(2\)\n\s+SamplerRandomInterval: 250\n/)
  const v10 = capture('rate10', simulated({ protocol: 'ipfix', sampling: 250 }).datagrams, 4739)
  assert.match(
    run('tshark', ['-r', v10, '-V', '-c', '1']),
    /Sampling Packet Interval: 1\n\s+Sampling Packet Space: 249\n/,
  )
})

test('tshark takes the packets in sFlow samples for what they are, checksums of IPv4 included', () => {
  // Datagrams of host counters are left out: this tshark does not skip structures that it does not know.
  const samples = simulated({ sampling: 20 }).datagrams.filter(({ bytes }) => onlyFlowSamples(bytes))
  const file = capture('sflow', samples, 6343)
  assert.deepEqual(framesOf(file, '_ws.malformed or ip.checksum.status == "Bad"', '-o', 'ip.check_checksum:TRUE'), [])
  const protocols = run('tshark', ['-r', file, '-T', 'fields', '-e', 'frame.protocols'])
  assert.equal(protocols.trimEnd().split('\n').length, samples.length)
  for (const protocol of ['vlan', 'ipv6', 'tcp', 'udp', 'icmp', 'dns'])
    assert.ok(protocols.includes(`:${protocol}`), protocol)
})

function onlyFlowSamples(bytes: Buffer): boolean {
  for (let at = 28; at < bytes.length; at += 8 + bytes.readUInt32BE(at + 4))
    if (bytes.readUInt32BE(at) !== 3) return false
  return true
}
