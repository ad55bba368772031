import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ipLength, someFlows, writePcap } from './frames.ts'
import { startNfcapd, startRelay, totalsBy } from './peers.ts'
import { run } from './processes.ts'
import { startServer, temporaryFolder, totalsOf } from './server.ts'

// softflowd meters a capture of known packets; one stream of datagrams goes to the server and to nfcapd. What the API
// answers must be what nfdump counts, and both what the packets were.

const folder = temporaryFolder()
const flows = someFlows(400, { ipv6: true, vlans: [20, 30, 40] })
const capture = join(folder.path, 'known.pcap')

before(() => writePcap(capture, flows, Date.now() - 60_000))
after(() => folder.remove())

for (const [version, name] of [
  ['5', 'NetFlow v5'],
  ['9', 'NetFlow v9'],
  ['10', 'IPFIX'],
] as const) {
  test(`${name} of softflowd: the API's totals are those of nfdump and of the packets`, async () => {
    // NetFlow v5 knows neither IPv6 nor VLANs.
    const exported = version === '5' ? flows.filter((flow) => !flow.src.includes(':')) : flows
    await using server = await startServer(join(folder.path, `data-${version}`))
    await using nfcapd = await startNfcapd(folder.path)
    await using relay = await startRelay([server.port, nfcapd.port])
    run('softflowd', ['-r', capture, '-n', `127.0.0.1:${relay.port}`, '-v', version, '-T', 'vlan', '-d'])
    await relay.finish()
    const seen = await nfcapd.flows()
    assert.equal(seen.length, exported.length)
    await server.stored(exported.length)

    const bySource = totalsOf(await server.top(['src_addr']), { flows: true })
    assert.deepEqual(
      bySource,
      totalsBy(seen, (flow) => flow.src),
    )
    const known = exported.map((flow) => ({ ...flow, bytes: flow.packets * ipLength(flow) }))
    assert.deepEqual(
      bySource,
      totalsBy(known, (flow) => flow.src),
    )

    const byPair = totalsOf(await server.top(['src_addr', 'dst_addr', 'dst_port'], 'proto tcp'), { flows: true })
    assert.deepEqual(
      byPair,
      totalsBy(
        seen.filter((flow) => flow.proto === 'tcp'),
        (flow) => `${flow.src} ${flow.dst} ${flow.dstPort}`,
      ),
    )

    if (version !== '5') {
      const byVlan = totalsOf(await server.top(['vlan_in']), { flows: true })
      assert.deepEqual(
        byVlan,
        totalsBy(known, (flow) => String(flow.vlan)),
      )
    }
    const { ledger } = await server.health()
    assert.equal(ledger.flows.stored, exported.length)
    assert.equal(ledger.datagrams.rejected, 0)
    assert.equal(ledger.datagrams.received, relay.count())
    assert.equal(await server.stop(), 0)
  })
}
