import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createNetflowReader } from '../../src/collect/netflow-reader.ts'
import { startOpenVswitch } from './open-vswitch.ts'
import type { OpenVswitch } from './open-vswitch.ts'
import { samplesIn, startNfcapd, startRelay, totalsBy } from './peers.ts'
import type { Relay } from './peers.ts'
import { run, start, until } from './processes.ts'
import { startServer, temporaryFolder, totalsOf } from './server.ts'
import type { Server, Totals } from './server.ts'

// Real traffic through a real switch. What it exports goes to the server and to another collector at once, datagram by
// datagram; what the API answers must be what the other counts, and what the two ends sent.

const PINGS = 200
/** Of the IP packet. */
const PING_BYTES = 20 + 8 + 400
const SAMPLING = 8
const ENDS = 'src net 10.88.0.0/24 and dst net 10.88.0.0/24'
const folder = temporaryFolder()
let ovs: OpenVswitch

before(async () => {
  ovs = await startOpenVswitch(20)
})
after(async () => {
  await ovs?.stop()
  folder.remove()
})

test('NetFlow v5 of Open vSwitch: the totals are those of nfdump, and the pings are those that were sent', async () => {
  await withServer(async (server) => {
    await using nfcapd = await startNfcapd(folder.path)
    await using relay = await startRelay([server.port, nfcapd.port])
    await exporting('netflow', [`targets="127.0.0.1:${relay.port}"`, 'active-timeout=1'], async () => {
      await traffic()
      // The switch looks at what its datapath has counted in its own time: a pause in its exports may be in the middle.
      await until('the switch to export every ping', () => (pingsIn(relay) >= 2 * PINGS ? true : undefined))
      await relay.finish()
    })
    const all = await nfcapd.flows()
    const seen = all.filter((flow) => flow.src.startsWith('10.88.0.') && flow.dst.startsWith('10.88.0.'))
    await server.stored(all.length)

    const answer = totalsOf(await server.top(['src_addr', 'dst_addr', 'proto'], ENDS), { flows: true })
    assert.deepEqual(
      answer,
      totalsBy(seen, (flow) => `${flow.src} ${flow.dst} ${flow.proto}`),
    )
    // In NetFlow, this switch counts whole frames.
    assertPings(answer, 14 + PING_BYTES)
  })
})

test('IPFIX of Open vSwitch: the totals are those of tshark, and the pings are those that were sent', async () => {
  await withServer(async (server) => {
    await using relay = await startRelay([server.port])
    const settings = [
      'obs_domain_id=7',
      'obs_point_id=2',
      'sampling=1',
      'cache_active_timeout=1',
      'cache_max_flows=1000',
    ]
    await exporting('ipfix', [`targets="127.0.0.1:${relay.port}"`, ...settings], async () => {
      await traffic()
      await until('the switch to export every ping where it came in and where it went out', () =>
        ipfixPings(relay) >= 4 * PINGS ? true : undefined,
      )
      await relay.finish()
    })
    const records = ipfixRecords(relay)
    await server.stored(records.length)

    // Each packet is exported where it comes in and where it goes out. (nfdump adds up the running totals that stand
    // in these records beside the deltas, so it can't be asked.)
    const seen = records.filter((record) => record.key.includes(' 10.88.0.'))
    const answer = totalsOf(await server.top(['direction', 'src_addr', 'dst_addr', 'proto'], ENDS), { flows: true })
    assert.deepEqual(
      answer,
      totalsBy(seen, (record) => record.key),
    )
    for (const direction of ['ingress', 'egress']) assertPings(ofDirection(answer, direction), PING_BYTES)
  })
})

test('sFlow of Open vSwitch: the totals are those of sfcapd and of tshark, scaled once', async () => {
  await withServer(async (server) => {
    await using sfcapd = await startNfcapd(folder.path, 'sfcapd')
    await using relay = await startRelay([server.port, sfcapd.port])
    await exporting(
      'sflow',
      ['agent=lo', `target="127.0.0.1:${relay.port}"`, 'header=128', `sampling=${SAMPLING}`, 'polling=1'],
      async () => {
        await traffic()
        await until('samples', () => (samplesIn(relay) >= (2 * PINGS) / SAMPLING / 2 ? true : undefined))
        await relay.finish()
      },
    )
    const seen = await sfcapd.flows()
    const frames = sflowFrames(relay)
    await server.stored(frames.length)

    const { total } = await server.top(['src_addr'])
    assert.deepEqual(
      { samples: total.flows, packets: total.packets, bytes: total.bytes },
      {
        samples: frames.length,
        packets: frames.length * SAMPLING,
        bytes: frames.reduce((sum, bytes) => sum + bytes, 0) * SAMPLING,
      },
    )
    assert.ok(total.low <= total.bytes && total.bytes <= total.high && total.low < total.high)
    const ends = seen.filter((flow) => flow.src.startsWith('10.88.0.') && flow.dst.startsWith('10.88.0.'))
    const answer = await server.top(['src_addr', 'dst_addr', 'proto', 'dst_port'], `${ENDS} and proto tcp`)
    const tcp = ends.filter((flow) => flow.proto === 'tcp')
    assert.deepEqual(
      totalsOf(answer, { flows: true }),
      totalsBy(tcp, (flow) => `${flow.src} ${flow.dst} ${flow.proto} ${flow.dstPort}`),
    )
  })
})

async function withServer(use: (server: Server) => Promise<void>): Promise<void> {
  const { path, remove } = temporaryFolder()
  await using server = await startServer(join(path, 'data'))
  await use(server)
  const { ledger } = await server.health()
  assert.equal(ledger.datagrams.rejected, 0)
  assert.equal(ledger.datagrams.kernelDropped, 0)
  assert.equal(ledger.flows.stored, ledger.flows.decoded)
  assert.equal(await server.stop(), 0)
  remove()
}

async function exporting(
  table: 'netflow' | 'ipfix' | 'sflow',
  settings: readonly string[],
  work: () => Promise<void>,
): Promise<void> {
  ovs.vsctl('--', '--id=@x', 'create', table, ...settings, '--', 'set', 'bridge', ovs.bridge, `${table}=@x`)
  try {
    await work()
  } finally {
    ovs.vsctl('clear', 'bridge', ovs.bridge, table)
  }
}

/** Pings, and a TCP stream of one megabyte, from the first end to the second. */
async function traffic(): Promise<void> {
  const [from, to] = ovs.ends as [OpenVswitch['ends'][0], OpenVswitch['ends'][0]]
  await using listener = start('ip', ['netns', 'exec', to.namespace, 'iperf3', '-s', '-1', '-p', '5201'])
  run('ip', [
    'netns',
    'exec',
    from.namespace,
    'ping',
    '-q',
    '-i',
    '0.002',
    '-s',
    '400',
    '-c',
    String(PINGS),
    to.address,
  ])
  await until('iperf3 to listen', () =>
    run('ip', ['netns', 'exec', to.namespace, 'ss', '-Hltn']).includes(':5201') ? true : undefined,
  )
  run('ip', ['netns', 'exec', from.namespace, 'iperf3', '-c', to.address, '-p', '5201', '-n', '1M'])
  assert.equal(await listener.ended, 0)
}

/** Packets of ICMP in NetFlow v5: records of 48 bytes after 24; packets at 16, protocol at 38. */
function pingsIn(relay: Relay): number {
  let packets = 0
  for (const datagram of relay.datagrams())
    for (let at = 24; at + 48 <= datagram.length; at += 48)
      if (datagram[at + 38] === 1) packets += datagram.readUInt32BE(at + 16)
  return packets
}

/** Packets of ICMP in IPFIX. */
function ipfixPings(relay: Relay): number {
  const reader = createNetflowReader()
  let packets = 0
  for (const datagram of relay.datagrams())
    for (const record of reader.read(datagram, '127.0.0.1'))
      if (record.kind === 'flow' && record.flow?.['proto'] === 1) packets += Number(record.flow['packets'])
  return packets
}

function assertPings(totals: Totals, bytesEach: number): void {
  for (const key of ['10.88.0.1 10.88.0.2 icmp', '10.88.0.2 10.88.0.1 icmp']) {
    const { packets, bytes } = totals[key] ?? { packets: 0, bytes: 0 }
    assert.deepEqual({ key, packets, bytes }, { key, packets: PINGS, bytes: PINGS * bytesEach })
  }
}

function ofDirection(totals: Totals, direction: string): Totals {
  const entries = Object.entries(totals).filter(([key]) => key.startsWith(`${direction} `))
  return Object.fromEntries(entries.map(([key, value]) => [key.slice(direction.length + 1), value]))
}

/** What tshark reads in the datagrams; each message of Open vSwitch holds one record. */
function ipfixRecords(relay: Relay): { key: string; bytes: number; packets: number }[] {
  const names = ['direction', 'srcaddr', 'dstaddr', 'srcaddrv6', 'dstaddrv6', 'protocol', 'packets', 'octets']
  return tshark(
    relay,
    'ipfix',
    4739,
    'cflow',
    'cflow.octets',
    names.map((name) => `cflow.${name}`),
  ).map((cells) => {
    const [direction, src, dst, src6, dst6, proto, packets, bytes] = cells as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ]
    for (const cell of cells) assert.ok(!cell.includes(';'), `one record a message: ${cells.join(' ')}`)
    const protocol = { '1': 'icmp', '6': 'tcp' }[proto] ?? proto
    const key = [direction === '0' ? 'ingress' : 'egress', src || src6, dst || dst6, protocol].join(' ')
    return { key, packets: Number(packets), bytes: Number(bytes) }
  })
}

/** Frame length of each flow sample, as tshark reads it. */
function sflowFrames(relay: Relay): number[] {
  const rows = tshark(relay, 'sflow', 6343, 'sflow', 'sflow_245.header.frame_length', ['sflow_245.header.frame_length'])
  return rows.flatMap(([lengths]) => (lengths as string).split(';').map(Number))
}

function tshark(
  relay: Relay,
  name: string,
  port: number,
  dissector: string,
  filter: string,
  fields: readonly string[],
): string[][] {
  const file = join(folder.path, `${name}.pcap`)
  relay.record(file, port)
  const wanted = fields.flatMap((field) => ['-e', field])
  const text = run('tshark', [
    '-r',
    file,
    '-d',
    `udp.port==${port},${dissector}`,
    '-Y',
    filter,
    '-T',
    'fields',
    '-E',
    'aggregator=;',
    '-E',
    'separator=/t',
    ...wanted,
  ])
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'))
}
