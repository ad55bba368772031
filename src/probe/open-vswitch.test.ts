import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { askJsonRpc } from './json-rpc.ts'
import { readOpenVswitch } from './open-vswitch.ts'

const folder = mkdtempSync(join(tmpdir(), 'vnetscope-rpc-'))
const servers: Server[] = []
after(() => {
  for (const server of servers) server.close()
  rmSync(folder, { recursive: true })
})

/** A socket that answers each question with these pieces. */
async function answering(name: string, ...pieces: readonly string[]): Promise<string> {
  const path = join(folder, name)
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      for (const piece of pieces) socket.write(piece)
      socket.end()
    })
  })
  servers.push(server)
  await new Promise<void>((done) => void server.listen(path, done))
  return path
}

const uuid = (name: string): readonly string[] => ['uuid', name]
const rows = (...found: readonly object[]): object => ({ rows: found })
/** As ovsdb-server answers: a bond, two machines, the host, a tunnel, and what is mirrored to. */
const DATABASE = [
  rows({ name: 'br0', ports: ['set', ['a', 'b', 'c', 'd', 'e', 'f'].map(uuid)], mirrors: uuid('m') }),
  rows(
    ...['a bond0', 'b vnet0', 'c br0', 'd tun0', 'e mon0', 'f vnet1'].map((text) => {
      const [id, name] = text.split(' ') as [string, string]
      return { _uuid: uuid(id), name, interfaces: id === 'a' ? ['set', [uuid('a1'), uuid('a2')]] : uuid(`${id}1`) }
    }),
  ),
  rows(
    ...['a1 eth0', 'a2 eth1', 'b1 vnet0', 'c1 br0 internal', 'd1 tun0 vxlan', 'e1 mon0 internal', 'f1 vnet1'].map(
      (text, i) => {
        const [id, name, type = ''] = text.split(' ') as [string, string, string?]
        return {
          _uuid: uuid(id),
          name,
          type,
          ofport: i + 1,
          mac_in_use: '02:00:00:00:00:01',
          link_speed: id.startsWith('a') ? 10_000_000_000 : ['set', []],
          external_ids: ['map', id === 'b1' ? [['attached-mac', '52:54:00:00:00:01']] : []],
        }
      },
    ),
  ),
  rows({ _uuid: uuid('m'), output_port: uuid('e') }),
]

describe('Open vSwitch', () => {
  test('tells the ports of the bridge that has the device, without those to which it mirrors', async () => {
    const answer = JSON.stringify({ id: 1, error: null, result: DATABASE })
    const path = await answering('db.sock', answer.slice(0, 300), answer.slice(300))
    const table =
      ' port  VLAN  MAC                Age\n    7     5  52:54:00:00:00:02    3\nLOCAL     0  02:00:00:00:00:01    1\n'
    await answering('ovs-vswitchd.7.ctl', JSON.stringify({ id: 1, error: null, result: table }))
    const found = await readOpenVswitch('mon0', path, (device) => device.startsWith('eth'))
    const none = { device: '', isInside: false, isUplink: true, speed: 0, macs: [] }
    assert.deepEqual(found, [
      { ...none, name: 'bond0', speed: 20e9 },
      { ...none, name: 'br0', device: 'br0', isInside: true, isUplink: false, macs: [0x020000000001] },
      { ...none, name: 'tun0' },
      { ...none, name: 'vnet0', device: 'vnet0', isUplink: false, macs: [0x525400000001] },
      { ...none, name: 'vnet1', device: 'vnet1', isUplink: false, macs: [0x525400000002] },
    ])
    assert.equal(await readOpenVswitch('eth9', path), undefined)
  })

  test('that is not there, refuses, or answers with something else tells nothing', async () => {
    assert.equal(await askJsonRpc(join(folder, 'nobody'), 'list_dbs', []), undefined)
    const refusing = await answering('refusing', JSON.stringify({ id: 1, error: 'unknown database', result: null }))
    const other = await answering('other', JSON.stringify({ id: 1, error: null, result: [{ rows: 7 }] }))
    const half = await answering('half', '{"id":1,"result":{"rows":{}')
    const garbage = await answering('garbage', '}}}}\n')
    assert.equal(await readOpenVswitch('mon0', join(folder, 'nobody')), undefined)
    for (const path of [refusing, other, half, garbage])
      assert.equal(await readOpenVswitch('mon0', path), 'silent', path)
  })
})
