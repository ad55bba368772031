import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entriesFrom, found, looksLikeAddress } from './palette-entries.ts'

const inventory = {
  machines: [
    {
      name: 'my-web',
      kind: 'vm' as const,
      uuid: null,
      host: 'h1',
      macs: ['00:00:5e:00:53:01'],
      addresses: ['10.0.0.7'],
      vlans: [],
      slice: null,
      from: [],
      lastSeen: null,
    },
    {
      name: 'web-7',
      kind: 'vm' as const,
      uuid: null,
      host: 'h1',
      macs: [],
      addresses: [],
      vlans: [],
      slice: null,
      from: [],
      lastSeen: null,
    },
    {
      name: 'h1',
      kind: 'host' as const,
      uuid: null,
      host: null,
      macs: [],
      addresses: [],
      vlans: [],
      slice: null,
      from: [],
      lastSeen: null,
    },
  ],
  vlans: [{ id: 110, name: 'storage', lastSeen: null }],
  switches: [],
}
const entries = entriesFrom(inventory, undefined, undefined)

test('a name that begins so comes before one that holds it', () => {
  assert.deepEqual(
    found(entries, 'web')
      .slice(0, 2)
      .map((entry) => entry.text),
    ['web-7', 'my-web'],
  )
})

test('machines are found by their addresses and VLANs by their names', () => {
  assert.equal(found(entries, '10.0.0')[0]?.text, 'my-web')
  assert.equal(found(entries, 'storage')[0]?.to, '/vlans/110')
  assert.equal(found(entries, 'h1')[0]?.to, '/hosts/h1')
})

test('any address has a page, and any text can be tried as a filter', () => {
  assert.equal(found(entries, '2001:db8::1')[0]?.to, '/addresses/2001%3Adb8%3A%3A1')
  assert.deepEqual(found(entries, 'proto tcp').at(-1)?.search, { filter: 'proto tcp' })
  assert.ok(!looksLikeAddress('web'))
})

test('a saved view is found by a word of its name, and leads to its question', () => {
  const views = { views: [{ name: 'the nightly backup', url: '/explore?by=vlan&last=1d', updatedAt: 0 }] }
  const [first] = found(entriesFrom(undefined, undefined, views), 'backup')
  assert.equal(first?.group, 'view')
  assert.deepEqual([first?.to, first?.search?.['by'], first?.search?.['last']], ['/explore', 'vlan', '1d'])
})
