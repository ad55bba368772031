import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMac } from '../base/address.ts'
import { createServices } from './services.ts'
import { createVendors } from './vendors.ts'

test('the vendor of a MAC address is who was given the smallest block around it', () => {
  const vendors = createVendors()
  const of = (mac: string): string | undefined => vendors.vendorOf(parseMac(mac) as number)
  assert.equal(of('00:00:0c:12:34:56'), 'Cisco Systems, Inc')
  assert.equal(of('00:50:56:12:34:56'), 'VMware, Inc.')
  // Of 70:B3:D5 (MA-S) and 74:1A:E0 (MA-M), parts were given to many.
  assert.match(of('70:b3:d5:71:9a:bc') as string, /^2M Technology/)
  assert.notEqual(of('70:b3:d5:f2:f0:00'), of('70:b3:d5:71:9a:bc'))
  assert.equal(of('52:54:00:12:34:56'), 'QEMU/KVM')
  assert.equal(of('02:42:ac:11:00:02'), 'Docker')
  assert.equal(of('fe:ed:fa:ce:00:01'), undefined)
})

test('services are named as IANA names them', () => {
  const services = createServices()
  assert.deepEqual(services.serviceOf('443/tcp'), { name: 'https', describe: 'http protocol over TLS/SSL' })
  assert.equal(services.serviceOf('4739/UDP')?.name, 'ipfix')
  assert.equal(services.serviceOf('80/sctp')?.name, 'http')
  assert.equal(services.serviceOf('65535/tcp'), undefined)
  assert.equal(services.serviceOf('443/icmp'), undefined)
})
