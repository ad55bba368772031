import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressText, countryText, kindOfName, serviceKey } from './name-text.ts'

test('an address has its name, else its country and whose it is', () => {
  assert.deepEqual(addressText({ name: 'a.example', country: 'CH', as: 559, asName: 'SWITCH' }), {
    text: 'a.example',
    title: 'a.example, Switzerland, AS 559 SWITCH',
  })
  assert.equal(addressText({ country: 'CH', asName: 'SWITCH' }).text, 'CH · SWITCH')
  assert.deepEqual(addressText({}), { text: '', title: '' })
})

test('a code that is no country stays as it is', () => {
  assert.equal(countryText('DE'), 'Germany')
  assert.equal(countryText('?'), '?')
})

test('ports that clients take as they come are not asked for', () => {
  assert.equal(serviceKey('dst_port', 443, 'udp'), '443/udp')
  assert.equal(serviceKey('port', 53), '53/tcp')
  assert.equal(serviceKey('src_port', 51_000), undefined)
  assert.equal(serviceKey('service', 'icmp'), undefined)
  assert.equal(serviceKey('service', '22/tcp'), '22/tcp')
})

test('dimensions of which names are known', () => {
  assert.deepEqual(
    ['src_addr', 'exporter', 'dst_mac', 'as', 'src_as', 'dst_country', 'service', 'dst_port', 'vlan', 'bytes'].map(
      kindOfName,
    ),
    ['addresses', undefined, 'macs', 'as', 'as', 'country', 'services', 'services', undefined, undefined],
  )
})
