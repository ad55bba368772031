import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFilter } from '../../../src/query/filter/parse.ts'
import { DIMENSIONS } from '../../../src/query/dimensions.ts'
import { excluding, narrowed, termFor } from './narrow.ts'

test('a value becomes the words that keep only it', () => {
  assert.equal(
    narrowed('', ['src_vm', 'dst_port'], { src_vm: 'web-7', dst_port: 443 }),
    'src vm web-7 and dst port 443',
  )
  assert.equal(narrowed('proto tcp', ['vlan'], { vlan: 110 }), 'proto tcp and vlan 110')
})

test('an or stays together', () => {
  assert.equal(narrowed('vlan 1 or vlan 2', ['src_vm'], { src_vm: 'a b' }), '(vlan 1 or vlan 2) and src vm "a b"')
})

test('what is already said is not said twice', () => {
  assert.equal(narrowed('vlan 110 and proto tcp', ['vlan'], { vlan: 110 }), 'vlan 110 and proto tcp')
})

test('an or inside brackets or quotes needs no brackets more', () => {
  assert.equal(narrowed('(vlan 1 or vlan 2)', ['proto'], { proto: 'tcp' }), '(vlan 1 or vlan 2) and proto tcp')
  assert.equal(narrowed('vm "a or b"', ['proto'], { proto: 'tcp' }), 'vm "a or b" and proto tcp')
})

test('a value can be left out, and a pair of values as a pair', () => {
  assert.equal(excluding('proto tcp', ['src_vm'], { src_vm: 'web-7' }), 'proto tcp and not src vm web-7')
  assert.equal(
    excluding('', ['src_vm', 'dst_vm'], { src_vm: 'web-7', dst_vm: 'db-1' }),
    'not (src vm web-7 and dst vm db-1)',
  )
  assert.equal(excluding('not vlan 7', ['vlan'], { vlan: 7 }), 'not vlan 7')
})

test('every dimension can be narrowed by a value of it', () => {
  const samples: Readonly<Record<string, string | number | boolean>> = {
    ip: '10.0.0.1',
    mac: '00:00:5e:00:53:01',
    flags: 'SA',
    proto: 'tcp',
    ethertype: 'ipv6',
    boolean: true,
    name: 'web 7',
  }
  for (const { name, format, values } of DIMENSIONS) {
    const value =
      name === 'service'
        ? '443/tcp'
        : name.endsWith('_net')
          ? '10.0.0.0/24'
          : format === 'enum'
            ? (Object.values(values ?? {})[1] ?? '')
            : name.includes('country')
              ? 'DE'
              : (samples[format] ?? 7)
    const term = termFor(name, value)
    const read = parseFilter(term)
    assert.ok(read.ok, `${name}: ${term}`)
  }
})

test('a machine that is not known can be asked for', () => {
  assert.ok(parseFilter(termFor('src_vm', '')).ok)
})
