import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hex, join } from '../../test/fixtures/xdr.ts'
import { ipText } from '../base/address.ts'
import { udpPacket } from './pcap-writer.ts'
import { createUdpExtractor, type UdpExtractor } from './udp-payloads.ts'

const ENDS = { from: [10, 0, 0, 1], to: [10, 0, 0, 2], fromPort: 5000, toPort: 6343 } as const
const RAW = 101
const PAYLOAD = Uint8Array.from({ length: 3000 }, (_, i) => i & 0xff)

/** An IPv4 packet cut into fragments of so many bytes, a multiple of 8. */
function fragments(packet: Uint8Array, size: number, id: number): Uint8Array[] {
  const parts: Uint8Array[] = []
  for (let at = 0; at < packet.length - 20; at += size) {
    const body = packet.subarray(20 + at, 20 + at + size)
    const part = Buffer.from(join(packet.subarray(0, 20), body))
    part.writeUInt16BE(part.length, 2)
    part.writeUInt16BE(id, 4)
    part.writeUInt16BE((at >> 3) | (at + size < packet.length - 20 ? 0x2000 : 0), 6)
    parts.push(part)
  }
  return parts
}

function feed(extractor: UdpExtractor, packets: readonly Uint8Array[]): string[] {
  return packets.map((packet) => {
    const payload = extractor.packet(RAW, packet)
    return typeof payload === 'string'
      ? payload
      : `${ipText(payload.from)}:${payload.fromPort} ${payload.bytes.length}${payload.cut ? ' cut' : ''}`
  })
}

describe('UDP payloads', () => {
  it('come out of Ethernet with tags, cooked captures, raw IP and loopback alike', () => {
    const packet = udpPacket(ENDS, hex('0102030405'))
    const ethernet = join(hex('525400000002 525400000001 88a8 0001 8100 0002 0800'), packet, hex('00000000'))
    for (const [linkType, bytes] of [
      [1, ethernet],
      [101, packet],
      [0, join(hex('02000000'), packet)],
      [108, join(hex('00000002'), packet)],
      [113, join(hex('0000 0001 0006 5254000000010000 0800'), packet)],
      [276, join(hex('0800 0000 00000002 0001 00 06 5254000000010000'), packet)],
    ] as const) {
      const payload = createUdpExtractor().packet(linkType, bytes)
      assert.ok(typeof payload !== 'string', `link type ${linkType}`)
      assert.deepEqual(
        [ipText(payload.from), payload.fromPort, payload.toPort, Buffer.from(payload.bytes).toString('hex')],
        ['10.0.0.1', 5000, 6343, '0102030405'],
      )
    }
  })

  it('with a fragment behind the one that says it is the last do no harm', () => {
    const head = (length: string, fragment: string): string =>
      `4500 ${length} 0007 ${fragment} 40 11 0000 0a000001 0a000002`
    const behind = hex(`${head('001c', '20b9')} 0000000000000000`)
    const last = hex(`${head('0024', '0001')} 1388 18c7 0018 0000 0000000000000000`)
    assert.equal(feed(createUdpExtractor(), [behind, last])[0], 'fragment')
    assert.doesNotThrow(() => feed(createUdpExtractor(), [behind, last, last]))
  })

  it('are put together from fragments in any order', () => {
    const packets = fragments(udpPacket(ENDS, PAYLOAD), 1480, 7)
    assert.equal(packets.length, 3)
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
      [0, 0, 2, 2, 1],
    ]) {
      const results = feed(
        createUdpExtractor(),
        order.map((i) => packets[i] as Uint8Array),
      )
      assert.deepEqual(results.at(-1), '10.0.0.1:5000 3000')
      assert.ok(results.slice(0, -1).every((result) => result === 'fragment'))
    }
  })

  it('of IPv6 are put together too', () => {
    const udp = Buffer.from(udpPacket(ENDS, PAYLOAD.subarray(0, 100))).subarray(20)
    const head = (payload: number, next: string): Uint8Array => {
      const bytes = Buffer.from(
        hex(`60000000 0000 ${next} 40 20010db8000000000000000000000001 20010db8000000000000000000000002`),
      )
      bytes.writeUInt16BE(payload, 4)
      return bytes
    }
    const first = join(head(8 + 48, '2c'), hex('1100 0001 00000009'), udp.subarray(0, 48))
    const last = join(head(8 + 60, '2c'), hex('1100 0030 00000009'), udp.subarray(48))
    assert.deepEqual(feed(createUdpExtractor(), [first, last]), ['fragment', '2001:db8::1:5000 100'])
    assert.deepEqual(feed(createUdpExtractor(), [join(head(108, '11'), udp)]), ['2001:db8::1:5000 100'])
  })

  it('of fragments that never all come are counted and take bounded room', () => {
    const extractor = createUdpExtractor()
    const first = fragments(udpPacket(ENDS, PAYLOAD), 1480, 1)[0] as Uint8Array
    for (let id = 0; id < 5000; id++) {
      const part = Buffer.from(first)
      part.writeUInt16BE(id, 4)
      assert.equal(extractor.packet(RAW, part), 'fragment')
    }
    assert.equal(extractor.incomplete(), 5000)
  })

  it('that the capture cut short say so', () => {
    const packet = udpPacket(ENDS, PAYLOAD.subarray(0, 500))
    assert.deepEqual(feed(createUdpExtractor(), [packet.subarray(0, 128)]), ['10.0.0.1:5000 100 cut'])
  })

  it('are none where there is no UDP, and nothing is read behind the end', () => {
    const packet = udpPacket(ENDS, PAYLOAD.subarray(0, 40))
    for (let length = 0; length < packet.length; length++) createUdpExtractor().packet(RAW, packet.slice(0, length))
    assert.equal(createUdpExtractor().packet(RAW, hex('4500001400000000400600000a0000010a000002')), 'other')
    assert.equal(createUdpExtractor().packet(RAW, new Uint8Array(0)), 'other')
  })
})
