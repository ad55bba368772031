import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createNetflowReader } from '../../src/collect/netflow-reader.ts'
import { ipLength, someFlows, writePcap } from './frames.ts'
import { startNfcapd, startRelay, totalsBy, type Relay } from './peers.ts'
import { until } from './processes.ts'
import { startServer, temporaryFolder, totalsOf } from './server.ts'

const folder = temporaryFolder()
const flows = someFlows(300, { ipv6: true, vlans: [20, 30] })
const capture = join(folder.path, 'known.pcap')

before(() => writePcap(capture, flows, Date.now() - 60_000))
after(() => folder.remove())

for (const [version, name] of [
  ['5', 'NetFlow v5'],
  ['9', 'NetFlow v9'],
  ['10', 'IPFIX'],
] as const) {
  test(`${name} of pmacct's nfprobe: the API's totals are those of nfdump and of the packets`, async () => {
    const exported = version === '5' ? flows.filter((flow) => !flow.src.includes(':')) : flows
    await using server = await startServer(join(folder.path, `data-${version}`))
    await using nfcapd = await startNfcapd(folder.path)
    await using relay = await startRelay([server.port, nfcapd.port])
    const config = join(folder.path, `pmacctd-${version}.conf`)
    writeFileSync(
      config,
      `daemonize: false
pcap_savefile: ${capture}
pcap_savefile_wait: 1
plugins: nfprobe[x]
aggregate[x]: src_host, dst_host, src_port, dst_port, proto, tos, vlan
nfprobe_receiver[x]: 127.0.0.1:${relay.port}
nfprobe_version[x]: ${version}
nfprobe_timeouts[x]: tcp=1:tcp.rst=1:tcp.fin=1:udp=1:icmp=1:general=1:maxlife=3600:expint=1
`,
    )
    // Its plugin exports in a process of its own: which of the two is the first to end is chance, and its status tells.
    const { status, stderr, stdout } = spawnSync('pmacctd', ['-f', config], { encoding: 'utf8', timeout: 60_000 })
    assert.ok(status === 0 || /no more plugins active/.test(stderr + stdout), stderr + stdout)
    const packets = exported.reduce((sum, flow) => sum + flow.packets, 0)
    await until('every packet to be told of', () => (packetsIn(relay) >= packets ? true : undefined))
    await relay.finish()
    const seen = await nfcapd.flows()
    await server.stored(seen.length)

    const byPair = totalsOf(await server.top(['src_addr', 'dst_addr', 'proto']))
    assert.deepEqual(byPair, withoutFlows(totalsBy(seen, (flow) => `${flow.src} ${flow.dst} ${flow.proto}`)))
    const known = exported.map((flow) => ({ ...flow, bytes: flow.packets * ipLength(flow) }))
    assert.deepEqual(totalsOf(await server.top(['src_addr'])), withoutFlows(totalsBy(known, (flow) => flow.src)))
    const { ledger } = await server.health()
    assert.equal(ledger.flows.stored, seen.length)
    assert.equal(ledger.datagrams.rejected, 0)
    assert.equal(await server.stop(), 0)
  })
}

function packetsIn(relay: Relay): number {
  const reader = createNetflowReader()
  const records = relay.datagrams().flatMap((datagram) => reader.read(datagram, '127.0.0.1'))
  return records.reduce((sum, record) => sum + (record.kind === 'flow' ? Number(record.flow?.['packets'] ?? 0) : 0), 0)
}

/** nfprobe may export a long flow in parts, so flows are not compared with what was sent. */
function withoutFlows(totals: ReturnType<typeof totalsBy>): ReturnType<typeof totalsBy> {
  return Object.fromEntries(Object.entries(totals).map(([key, { bytes, packets }]) => [key, { bytes, packets }]))
}
