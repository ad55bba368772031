import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ipLength, someFlows, writePcap } from './frames.ts'
import { totalsBy } from './peers.ts'
import { run } from './processes.ts'
import { startServer, temporaryFolder, totalsOf } from './server.ts'

// softflowd exports over TCP, and in the first of all versions: what the API answers must be what the packets were.

const folder = temporaryFolder()
const flows = someFlows(400, { ipv6: true, vlans: [20, 30, 40] })
const capture = join(folder.path, 'known.pcap')

before(() => writePcap(capture, flows, Date.now() - 60_000))
after(() => folder.remove())

for (const [name, options] of [
  ['IPFIX over TCP', ['-v', '10', '-P', 'tcp']],
  ['IPFIX of both directions over TCP', ['-v', '10', '-b', '-P', 'tcp']],
  ['NetFlow v1', ['-v', '1']],
] as const) {
  test(`${name} of softflowd: the API's totals are those of the packets`, async () => {
    const overTcp = options.some((option) => option === 'tcp')
    const exported = overTcp ? flows : flows.filter((flow) => !flow.src.includes(':'))
    await using server = await startServer(join(folder.path, name), { tcp: 0 })
    const tcp = (await server.health()).listeners.find(({ receiver }) => receiver === 'tcp')
    const port = overTcp ? tcp?.port : server.port
    run('softflowd', ['-r', capture, '-n', `127.0.0.1:${port}`, ...options, '-T', 'vlan', '-d'])
    await server.stored(exported.length)
    const known = exported.map((flow) => ({ ...flow, bytes: flow.packets * ipLength(flow) }))
    assert.deepEqual(
      totalsOf(await server.top(['src_addr']), { flows: true }),
      totalsBy(known, (flow) => flow.src),
    )
    const { ledger, listeners } = await server.health()
    assert.deepEqual([ledger.flows.stored, ledger.datagrams.rejected], [exported.length, 0])
    const used = listeners
      .filter((listener) => listener.datagrams > 0)
      .map((listener) => [listener.port, listener.receiver === 'tcp'])
    assert.deepEqual(used, [[port, overTcp]])
    assert.equal(await server.stop(), 0)
  })
}
