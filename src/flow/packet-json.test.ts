import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { packetAsJson } from './packet-json.ts'

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s+/g, ''), 'hex'))

const MACS = '525400000002 525400000001'
const OUTER = '0800 45000066 00000000 40110000 c6336401 c6336402 c35012b5 00520000'
const VXLAN = '08000000 00007b00'
const INNER = '525400000004 525400000003 8100 0078 86dd 60000000 00083a40'
const V6 = '20010db8000000000000000000000001 20010db8000000000000000000000002'

test('a packet is told from its innermost headers, its tunnel beside them', () => {
  assert.deepEqual(packetAsJson(hex(`${MACS} ${OUTER} ${VXLAN} ${INNER} ${V6} 80000000 00010001`)), {
    src_mac: '52:54:00:00:00:03',
    dst_mac: '52:54:00:00:00:04',
    vlan_in: 120,
    ethertype: 0x86dd,
    tunnel: 'vxlan',
    vni: 123,
    tunnel_src: '198.51.100.1',
    tunnel_dst: '198.51.100.2',
    src_addr: '2001:db8::1',
    dst_addr: '2001:db8::2',
    proto: 58,
    icmp_type: 128,
    icmp_code: 0,
    tos: 0,
    ttl: 64,
  })
})

test('what no header tells of is absent, and a cut is told', () => {
  assert.deepEqual(packetAsJson(hex(`${MACS} 88cc 0207`)), {
    src_mac: '52:54:00:00:00:01',
    dst_mac: '52:54:00:00:00:02',
    ethertype: 0x88cc,
  })
  assert.deepEqual(packetAsJson(hex(`${MACS} 0800 4500`)).cut, true)
  assert.deepEqual(packetAsJson(new Uint8Array(0)), { cut: true })
})

test('an address or a port behind the cut is absent', () => {
  const packet = hex(`${MACS} ${OUTER} ${VXLAN} ${INNER} ${V6} 80000000 00010001`)
  const behind = packetAsJson(packet.subarray(0, packet.length - 20))
  assert.deepEqual([behind.src_addr, behind.cut], ['2001:db8::1', true])
  for (const name of ['dst_addr', 'icmp_type', 'icmp_code']) assert.ok(!(name in behind), name)
})

test('a raw IP packet has no MACs', () => {
  const packet = packetAsJson(
    hex('45000028 00000000 40060000 c0000201 c6336401 d43101bb 00000001 00000000 5002ffff 00000000'),
    101,
  )
  assert.equal(packet.src_mac, undefined)
  assert.deepEqual([packet.src_port, packet.dst_port, packet.tcp_flags], [54_321, 443, 2])
})

test('any bytes under any link type give an object that JSON takes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 300 }), (bytes, linkType) => {
      const packet = packetAsJson(bytes, linkType)
      assert.deepEqual(JSON.parse(JSON.stringify(packet)), packet)
    }),
  )
})
