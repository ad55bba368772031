// What the meter tells, as its peers read it: both directions of a flow, flows sampled whole, sequence numbers, templates.

import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { readPacketBlocksOf } from '../../src/capture/pcap-file.ts'
import { createNetflowReader, type DecodedRecord } from '../../src/collect/netflow-reader.ts'
import type { RowJson } from '../../src/flow/row-json.ts'
import { createMeter, type MeterConfig } from '../../src/meter/meter.ts'
import { datagramFrame, frameOf, ipLength, someFlows, writeFrames, type KnownFlow } from './frames.ts'
import { intoNfcapd, parseNfdump, totalsBy } from './peers.ts'
import { run } from './processes.ts'
import { temporaryFolder } from './server.ts'

const folder = temporaryFolder()
after(() => folder.remove())

const START = Date.UTC(2026, 0, 5, 12)
const capture = join(folder.path, 'both.pcap')

/** Connections, every third of which nobody answers; ICMP has no ports to tell two of the same machines apart. */
const flows = someFlows(120, { ipv6: true, vlans: [20, 30] }).filter(({ proto }) => proto !== 1)
const isAnswered = (i: number): boolean => i % 3 !== 0
const answerOf = (flow: KnownFlow): KnownFlow => ({
  ...flow,
  src: flow.dst,
  dst: flow.src,
  srcPort: flow.dstPort,
  dstPort: flow.srcPort,
  payload: flow.payload + 40,
})

before(() => {
  const frames: Buffer[] = []
  for (let round = 0; round < 23; round++)
    for (const [i, flow] of flows.entries()) {
      if (round >= flow.packets) continue
      frames.push(frameOf(flow, round))
      if (isAnswered(i)) frames.push(frameOf(answerOf(flow), round))
    }
  writeFrames(capture, frames, START)
})

const CONFIG: MeterConfig = {
  version: 10,
  track: 'vlan',
  keyTos: true,
  maxFlows: 1000,
  reading: { tunnels: 'inner', fragments: 'together' },
  timeouts: { active: 300, tcp: 60, tcpFin: 5, tcpRst: 5, udp: 60, icmp: 60, general: 60 },
  samplingRate: 1,
  flowSampling: 1,
  kernelSampling: 1,
  biflow: false,
  domain: 7,
  templateEvery: 100,
  templateSeconds: 60,
  maxBytes: 1400,
}

/** @param isTap what goes one way comes by interface 5, what goes the other way by 6 */
async function metered(
  config: Partial<MeterConfig>,
  isTap = false,
): Promise<{ sent: Buffer[]; records: DecodedRecord[] }> {
  const sent: Buffer[] = []
  const meter = createMeter(
    { ...CONFIG, ...config },
    { send: (datagram) => sent.push(Buffer.from(datagram)), random: () => 0.37, startedAt: START - 1000 },
  )
  const file = await open(capture)
  for await (const block of readPacketBlocksOf(file, assert.fail)) {
    for (let i = 0; i < block.count; i++) {
      // Behind the tag the 14th byte is, in IPv4 and IPv6 alike, the number of the source's network here: all that comes from 10.2 and 2001:db8:2
      // is an answer
      const ip = (block.offset[i] as number) + 18
      const network = block.bytes[ip + 13]
      block.port[i] = isTap && network === 2 ? 6 : 5
    }
    meter.block(block)
  }
  await file.close()
  while (meter.end(100));
  const reader = createNetflowReader()
  return { sent, records: sent.flatMap((datagram) => reader.read(datagram, '192.0.2.9')) }
}

const rowsOf = (records: readonly DecodedRecord[]): RowJson[] =>
  records.flatMap((record) =>
    record.kind !== 'flow' ? [] : [record.flow, record.reverse].filter((row) => row !== undefined),
  )
const told = (row: RowJson): string =>
  [
    `${String(row['src_addr'])} ${String(row['src_port'])} ${String(row['dst_addr'])} ${String(row['dst_port'])}`,
    `in ${String(row['in_if'])} ${String(row['direction'])} vlan ${String(row['vlan_in'])} flags ${String(row['tcp_flags'])}`,
    `${String(row['packets'])} ${String(row['bytes'])}`,
  ].join('; ')

describe('both directions as one record (RFC 5103)', () => {
  test('are to the collector the same rows as two flows', async () => {
    const apart = rowsOf((await metered({})).records)
    const { records } = await metered({ biflow: true })
    assert.deepEqual(rowsOf(records).map(told).toSorted(), apart.map(told).toSorted())
    const flowRecords = records.filter(({ kind }) => kind === 'flow')
    assert.equal(flowRecords.length, flows.length)
    for (const record of flowRecords) {
      assert.ok(record.kind === 'flow')
      const i = flows.findIndex(
        ({ src, srcPort }) => record.flow?.['src_addr'] === src && record.flow['src_port'] === srcPort,
      )
      assert.equal(record.fields['biflowDirection'], 1)
      assert.equal(record.reverse !== undefined, isAnswered(i))
    }
  })

  test('of a tap are one record, though each came by a device of its own, and both devices are told', async () => {
    const rows = rowsOf((await metered({ biflow: true }, true)).records)
    assert.deepEqual(
      new Set(
        rows.map(
          (row) => `${/^(10\.|2001:db8:)1/.test(String(row['src_addr'])) ? 'there' : 'back'} ${String(row['in_if'])}`,
        ),
      ),
      new Set(['there 5', 'back 6']),
    )
    assert.equal(rows.length, rowsOf((await metered({ biflow: true })).records).length)
  })

  test('are read by nfcapd, which keeps the packets back beside the others, and without a complaint of tshark', async () => {
    const { sent } = await metered({ biflow: true })
    const recording = join(folder.path, 'both-ipfix.pcap')
    writeFrames(
      recording,
      sent.map((datagram) => datagramFrame(datagram, 5555, 4739)),
      START,
    )
    assert.equal(run('tshark', ['-r', recording, '-Y', '_ws.malformed or _ws.expert']), '')
    const lines = run('tshark', ['-r', recording, '-T', 'fields', '-e', 'cflow.biflow_direction']).trim()
    assert.deepEqual(lines.split(/[\n,]/).length, flows.length)
    const directory = temporaryFolder()
    try {
      await intoNfcapd(sent, directory.path)
      const text = run('nfdump', ['-N', '-6', '-R', directory.path, '-o', 'csv'], { env: { TZ: 'UTC' } })
      const seen = parseNfdump(text)
      assert.deepEqual(
        totalsBy(seen, (flow) => `${flow.src} ${flow.srcPort} ${flow.packetsBack} ${flow.bytesBack}`),
        totalsBy(
          flows.map((flow, i) => ({ ...flow, i, bytes: flow.packets * ipLength(flow) })),
          (flow) =>
            `${flow.src} ${flow.srcPort} ${isAnswered(flow.i) ? `${flow.packets} ${flow.packets * ipLength(answerOf(flow))}` : '0 0'}`,
        ),
      )
    } finally {
      directory.remove()
    }
  })

  test('are to libfixbuf elements of the other direction', async () => {
    const { sent } = await metered({ biflow: true })
    const file = join(folder.path, 'both.ipfix')
    writeFileSync(file, Buffer.concat(sent))
    const dumped = run('ipfixDump', ['--data', '--in', file])
    const sum = (name: string): number =>
      [...dumped.matchAll(new RegExp(`\\)\\s+${name} : (\\d+)`, 'g'))].reduce(
        (total, match) => total + Number(match[1]),
        0,
      )
    const packets = flows.reduce((total, flow) => total + flow.packets, 0)
    const back = flows.reduce((total, flow, i) => total + (isAnswered(i) ? flow.packets : 0), 0)
    assert.deepEqual([sum('packetDeltaCount'), sum('reversePacketDeltaCount')], [packets, back])
    const flags = new Set([...dumped.matchAll(/\)\s+reverseTcpControlBits : (\w+)/g)].map((match) => match[1]))
    assert.ok(flags.has('19'), 'a whole connection has SYN, ACK and FIN')
  })
})

/** Where the standards put it; how far it goes on with a message; and how many records a message has, templates aside. */
describe('an export', () => {
  const sent = async (config: Partial<MeterConfig>): Promise<Buffer[]> =>
    (await metered({ maxBytes: 500, ...config })).sent
  const isRow = (record: DecodedRecord): boolean => record.kind === 'flow' || record.kind === 'options'

  for (const [version, at, each, counts] of [
    [5, 16, 'flow', (datagram: Buffer) => datagram.readUInt16BE(2)],
    [9, 12, 'datagram', () => 1],
    [10, 8, 'data record, those of options among them', undefined],
  ] as const)
    test(`of version ${version} has a sequence number that counts every ${each}`, async () => {
      const datagrams = await sent({ version, samplingRate: 2 })
      assert.ok(datagrams.length > 1)
      const reader = createNetflowReader()
      let expected = datagrams[0]?.readUInt32BE(at) ?? -1
      assert.equal(expected, 0)
      for (const datagram of datagrams) {
        assert.equal(datagram.readUInt32BE(at), expected)
        expected += counts?.(datagram) ?? reader.read(datagram, '192.0.2.9').filter(isRow).length
      }
    })

  test('tells its templates again after so many datagrams, and after so many seconds of the packets', async () => {
    const templates = async (config: Partial<MeterConfig>): Promise<number[]> => {
      const reader = createNetflowReader()
      return (await sent({ version: 9, ...config })).map(
        (datagram) => reader.read(datagram, '192.0.2.9').filter(({ kind }) => kind === 'template').length,
      )
    }
    const first = await templates({})
    assert.ok(first[0] === 1 || first[0] === 2, `${first[0]} templates in the first datagram`)
    assert.ok(first.slice(10).every((told) => told === 0))
    const often = await templates({ templateEvery: 4 })
    for (let n = 4; n + 4 < often.length; n += 4)
      assert.ok(
        often.slice(n, n + 5).some((told) => told > 0),
        `none in datagrams ${n} to ${n + 4}`,
      )
    // Flows that end while packets still come: seconds go by between their datagrams
    const soon = { active: 0.01, tcp: 60, tcpFin: 0.01, tcpRst: 0.01, udp: 0.001, icmp: 60, general: 60 }
    const timed = await templates({ timeouts: soon, templateSeconds: 0.005 })
    assert.ok(timed.filter((told) => told > 0).length > 3, `${timed.join(' ')}`)
  })
})

describe('flows of which one in so many is metered', () => {
  for (const [version, said] of [
    [
      10,
      {
        flowSelectorAlgorithm: 6,
        samplingProbability: 0.25,
        hashOutputRangeMax: 2 ** 32 - 1,
        hashSelectedRangeMax: 2 ** 30 - 1,
      },
    ],
    [9, { samplerMode: 2, samplerRandomInterval: 4 }],
    [5, undefined],
  ] as const)
    test(`are told whole in version ${version}, with the rate by which to count them`, async () => {
      const whole = rowsOf((await metered({ version })).records)
      const { records } = await metered({ version, flowSampling: 4 })
      const options = records.filter(({ kind }) => kind === 'options')
      if (said) {
        const fields = options[0]?.kind === 'options' ? options[0].fields : {}
        assert.deepEqual(
          Object.entries(said).map(([name]) => [name, fields[name]]),
          Object.entries(said),
        )
      }
      const rows = rowsOf(records)
      assert.ok(rows.length > whole.length / 10 && rows.length < whole.length / 2, `${rows.length} of ${whole.length}`)
      assert.deepEqual(new Set(rows.map((row) => row['sampling_rate'])), new Set([4]))
      const all = new Set(whole.map(told))
      assert.deepEqual(
        rows.map(told).filter((row) => !all.has(row)),
        [],
      )
    })
})

test('packets that the kernel sampled are told with the rate by which to count them', async () => {
  for (const version of [5, 9, 10] as const) {
    const { records } = await metered({ version, kernelSampling: 8 })
    assert.deepEqual(new Set(rowsOf(records).map((row) => row['sampling_rate'])), new Set([8]))
    const options = records.find(({ kind }) => kind === 'options')
    if (version !== 10) continue
    assert.ok(options?.kind === 'options')
    assert.deepEqual([options.fields['selectorAlgorithm'], options.fields['samplingProbability']], [4, 0.125])
  }
})
