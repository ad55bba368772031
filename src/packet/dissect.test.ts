import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { hex, TCP_FRAME, viewOf } from '../../test/fixtures/xdr.ts'
import { ipText, macText } from '../base/address.ts'
import { createPacketColumns, type PacketColumns } from './columns.ts'
import { dissect, networkOffset, SEEN, START, TUNNEL } from './dissect.ts'

const ETHERNET = '525400000002 525400000001'
const IP4 = (protocol: string, length = '0064', fragment = '0000'): string =>
  `4500 ${length} 0001 ${fragment} 40 ${protocol} 0000 0a010203 0a040506`
const IP6 = (next: string): string =>
  `60a00000 0040 ${next} 3f 20010db8000000000000000000000001 20010db8000000000000000000000002`
const TCP = '9c40 01bb 00000001 00000002 5012 0200 0000 0000'
const UDP = (port: string): string => `c000 ${port} 0050 0000`
const INNER = `02000000000b 02000000000a 0800 ${IP4('06')} ${TCP}`

const FRAMES: Readonly<Record<string, string>> = {
  tcp: `${ETHERNET} 0800 ${IP4('06')} ${TCP}`,
  tagged: Buffer.from(TCP_FRAME).toString('hex'),
  qinq: `${ETHERNET} 88a8 00c8 8100 0064 0800 ${IP4('06')} ${TCP}`,
  threeTags: `${ETHERNET} 9100 012c 9200 00c8 8100 0064 0800 ${IP4('06')} ${TCP}`,
  backbone: `${ETHERNET} 88a8 000a 88e7 00 001234 02000000000b 02000000000a 8100 0064 0800 ${IP4('06')} ${TCP}`,
  snap: `${ETHERNET} 0030 aaaa03 000000 0800 ${IP4('06', '0028')} ${TCP}`,
  options: `${ETHERNET} 0800 4700 0064 0001 0000 40 06 0000 0a010203 0a040506 01010101 01010100 ${TCP}`,
  laterFragment: `${ETHERNET} 0800 ${IP4('11', '0064', '00b9')} ${TCP}`,
  ipv6: `${ETHERNET} 86dd ${IP6('06')} ${TCP}`,
  ipv6Extended: `${ETHERNET} 86dd ${IP6('00')} 2b00000000000000 3c00000000000000 2c00000000000000 0600 0001 00000007 ${TCP}`,
  ipv6LaterFragment: `${ETHERNET} 86dd ${IP6('2c')} 1100 00b9 00000007 ${TCP}`,
  icmp: `${ETHERNET} 0800 ${IP4('01')} 030a0000`,
  icmp6: `${ETHERNET} 86dd ${IP6('3a')} 87000000`,
  sctp: `${ETHERNET} 0800 ${IP4('84')} 9c40 0bb8 00000000`,
  arp: `${ETHERNET} 0806 0001 0800 06 04 0001 525400000001 0a010203 000000000000 0a040506`,
  mpls: `${ETHERNET} 8847 00064 0 40 00065 1 40 ${IP4('06')} ${TCP}`,
  pseudowire: `${ETHERNET} 8847 00064 1 40 00000000 ${INNER}`,
  pppoe: `${ETHERNET} 8864 1100 0001 0042 0021 ${IP4('06')} ${TCP}`,
  gre: `${ETHERNET} 0800 ${IP4('2f')} 0000 0800 ${IP4('06')} ${TCP}`,
  greKeySequence: `${ETHERNET} 0800 ${IP4('2f')} 3000 86dd 00000005 00000001 ${IP6('06')} ${TCP}`,
  nvgre: `${ETHERNET} 0800 ${IP4('2f')} 2000 6558 001770 01 ${INNER}`,
  greBridge: `${ETHERNET} 0800 ${IP4('2f')} 2000 6558 00000064 ${INNER}`,
  erspan1: `${ETHERNET} 0800 ${IP4('2f')} 0000 88be ${INNER}`,
  erspan2: `${ETHERNET} 0800 ${IP4('2f')} 1000 88be 00000001 1065 0002 00000000 ${INNER}`,
  erspan3: `${ETHERNET} 0800 ${IP4('2f')} 1000 22eb 00000001 2065 0002 00000000 0000 0001 0000000000000000 ${INNER}`,
  vxlan: `${ETHERNET} 0800 ${IP4('11')} ${UDP('12b5')} 08000000 00138800 ${INNER}`,
  vxlanOnIpv6: `${ETHERNET} 86dd ${IP6('11')} ${UDP('2118')} 08000000 00138800 ${INNER}`,
  vxlanGpe: `${ETHERNET} 0800 ${IP4('11')} ${UDP('12b6')} 0c000001 00138800 ${IP4('06')} ${TCP}`,
  geneve: `${ETHERNET} 0800 ${IP4('11')} ${UDP('17c1')} 0200 6558 00138800 0102800100000000 ${INNER}`,
  ipip: `${ETHERNET} 0800 ${IP4('04')} ${IP4('06')} ${TCP}`,
  sixInFour: `${ETHERNET} 0800 ${IP4('29')} ${IP6('06')} ${TCP}`,
  teredo: `${ETHERNET} 0800 ${IP4('11')} ${UDP('0dd8')} 0000 0001 02030405 ${IP6('06')} ${TCP}`,
  gtp: `${ETHERNET} 0800 ${IP4('11')} ${UDP('0868')} 34ff 0040 00000001 0000 00 85 01100900 ${IP4('06')} ${TCP}`,
  pseudowireBare: `${ETHERNET} 8847 00064 1 40 ${INNER}`,
  ipip6: `${ETHERNET} 86dd ${IP6('29')} ${IP6('06')} ${TCP}`,
  greChecksum: `${ETHERNET} 0800 ${IP4('2f')} 8000 0800 abcd0000 ${IP4('06')} ${TCP}`,
  pptp: `${ETHERNET} 0800 ${IP4('2f')} 3081 880b 00400001 00000001 00000000 ff03 0021 ${IP4('06')} ${TCP}`,
  wccp: `${ETHERNET} 0800 ${IP4('2f')} 0000 883e 00000000 ${IP4('06')} ${TCP}`,
  vxlanGpeNsh: `${ETHERNET} 0800 ${IP4('11')} ${UDP('12b6')} 0c000004 00138800 0fc2 0201 00000001 ${IP4('06')} ${TCP}`,
  vxlanGpeEthernet: `${ETHERNET} 0800 ${IP4('11')} ${UDP('12b6')} 0c000003 00138800 ${INNER}`,
  nsh: `${ETHERNET} 894f 0fc2 0203 00000001 ${INNER}`,
  geneveIp: `${ETHERNET} 0800 ${IP4('11')} ${UDP('17c1')} 0000 0800 00138800 ${IP4('06')} ${TCP}`,
  teredoAuthenticated: `${ETHERNET} 0800 ${IP4('11')} ${UDP('0dd8')} 0001 00 00 0102030405060708 00 0000 0001 02030405 ${IP6('06')} ${TCP}`,
  gtpPlain: `${ETHERNET} 0800 ${IP4('11')} ${UDP('0868')} 30ff 0040 00000001 ${IP4('06')} ${TCP}`,
  erspan3Ip: `${ETHERNET} 0800 ${IP4('2f')} 1000 22eb 00000001 2065 0002 00000000 0000 0800 ${IP4('06')} ${TCP}`,
  mplsInUdp: `${ETHERNET} 0800 ${IP4('11')} ${UDP('19eb')} 00064 1 40 ${IP4('06')} ${TCP}`,
  greInUdp: `${ETHERNET} 0800 ${IP4('11')} ${UDP('1292')} 0000 0800 ${IP4('06')} ${TCP}`,
  lisp: `${ETHERNET} 0800 ${IP4('11')} ${UDP('10f5')} 8000000000000001 ${IP4('06')} ${TCP}`,
  mplsInIp: `${ETHERNET} 0800 ${IP4('89')} 00064 1 40 ${IP4('06')} ${TCP}`,
  etherIp: `${ETHERNET} 0800 ${IP4('61')} 3000 ${INNER}`,
  ethernetInIpv6: `${ETHERNET} 86dd ${IP6('8f')} ${INNER}`,
  snapTagged: `${ETHERNET} 8100 0064 0030 aaaa03 000000 0800 ${IP4('06', '0028')} ${TCP}`,
  pppoe6: `${ETHERNET} 8864 1100 0001 0042 0057 ${IP6('06')} ${TCP}`,
  spanningTree: `${ETHERNET} 0026 424203 0000 00 00 00 8000525400000001 00000000`,
  metadata: `${ETHERNET} 8909 0101 0001 0064 0800 ${IP4('06')} ${TCP}`,
  dccp: `${ETHERNET} 0800 ${IP4('21')} 9c40 01bb 00000000`,
  udpLite: `${ETHERNET} 0800 ${IP4('88')} 9c40 01bb 0008 0000`,
  rarp: `${ETHERNET} 8035 0001 0800 06 04 0003 525400000001 0a010203 525400000001 0a040506`,
  macsec: `${ETHERNET} 88e5 2000 00000001 0000000000000001 0800 ${IP4('06')} ${TCP}`,
  vnTag: `${ETHERNET} 8926 00000001 8100 0064 0800 ${IP4('06')} ${TCP}`,
  authenticated: `${ETHERNET} 0800 ${IP4('33')} 0604 0000 00000001 00000001 000000000000000000000000 ${TCP}`,
}

function bytesOf(name: string): Uint8Array {
  return hex(FRAMES[name] as string)
}

function row(
  bytes: Uint8Array,
  length = bytes.length,
  start: number = START.ethernet,
): PacketColumns & { seen: number } {
  const out = createPacketColumns()
  const seen = dissect(viewOf(bytes), 0, length, start, out, 0)
  return { ...out, seen }
}

const address = (column: Uint32Array): string => ipText(new Uint8Array(column.buffer))
const mac = (column: Uint32Array): string => macText((column[1] as number) * 0x1_0000_0000 + (column[0] as number))

describe('dissect', () => {
  it('reads Ethernet, IPv4 and TCP', () => {
    const out = row(bytesOf('tcp'))
    assert.equal(mac(out.src_mac), '52:54:00:00:00:01')
    assert.equal(mac(out.dst_mac), '52:54:00:00:00:02')
    assert.equal(out.ethertype[0], 0x0800)
    assert.equal(address(out.src_addr), '10.1.2.3')
    assert.equal(address(out.dst_addr), '10.4.5.6')
    assert.deepEqual(
      [out.proto[0], out.ttl[0], out.src_port[0], out.dst_port[0], out.tcp_flags[0]],
      [6, 64, 40_000, 443, 0x12],
    )
    assert.equal(out.seen & 0xff, SEEN.link | SEEN.network | SEEN.transport)
  })

  it('tells where the IP header that the row describes begins, wherever the packet lies', () => {
    let headers = 0
    for (const name of Object.keys(FRAMES)) {
      const frame = bytesOf(name)
      const out = row(frame)
      const at = networkOffset(out.seen)
      const shifted = new Uint8Array(frame.length + 300)
      shifted.set(frame, 300)
      const again = dissect(viewOf(shifted), 300, frame.length, START.ethernet, createPacketColumns(), 0)
      assert.equal(again, out.seen, name)
      if (at === 0) continue
      headers++
      const isV6 = (frame[at] as number) >> 4 === 6
      const source = frame.subarray(at + (isV6 ? 8 : 12), at + (isV6 ? 24 : 16))
      assert.deepEqual(new Uint8Array(out.src_addr.buffer).subarray(isV6 ? 0 : 12), source, name)
    }
    assert.ok(headers > 30)
  })

  it('keeps both tags under QinQ, and the outermost and innermost of three', () => {
    assert.deepEqual([row(bytesOf('tagged')).s_vlan[0], row(bytesOf('tagged')).vlan_in[0]], [0, 100])
    assert.deepEqual([row(bytesOf('qinq')).s_vlan[0], row(bytesOf('qinq')).vlan_in[0]], [200, 100])
    assert.deepEqual([row(bytesOf('threeTags')).s_vlan[0], row(bytesOf('threeTags')).vlan_in[0]], [300, 100])
    assert.equal(row(bytesOf('vnTag')).vlan_in[0], 100)
    assert.equal(row(bytesOf('qinq')).src_port[0], 40_000)
  })

  it('takes the customer of a provider backbone frame for the row', () => {
    const out = row(bytesOf('backbone'))
    assert.equal(mac(out.src_mac), '02:00:00:00:00:0a')
    assert.deepEqual(
      [out.vni[0], out.tunnel[0], out.s_vlan[0], out.vlan_in[0], out.dst_port[0]],
      [0x1234, TUNNEL.other, 10, 100, 443],
    )
  })

  it('reads through SNAP, IPv4 options, PPPoE, MPLS, MACsec without encryption and authentication headers', () => {
    for (const name of ['snap', 'options', 'pppoe', 'mpls', 'macsec', 'authenticated']) {
      const out = row(bytesOf(name))
      assert.deepEqual([address(out.src_addr), out.proto[0], out.dst_port[0]], ['10.1.2.3', 6, 443], name)
    }
    assert.equal(row(bytesOf('mpls')).mpls_label[0], 100)
  })

  it('reads through tags before SNAP, IPv6 in PPPoE and Cisco MetaData', () => {
    for (const name of ['snapTagged', 'pppoe6', 'metadata']) assert.equal(row(bytesOf(name)).dst_port[0], 443, name)
    assert.equal(row(bytesOf('snapTagged')).vlan_in[0], 100)
  })

  it('leaves LLC without SNAP at its addresses', () => {
    const out = row(bytesOf('spanningTree'))
    assert.deepEqual([mac(out.src_mac), out.ethertype[0], out.seen], ['52:54:00:00:00:01', 0, SEEN.link])
  })

  it('gives no ports to later fragments', () => {
    for (const name of ['laterFragment', 'ipv6LaterFragment']) {
      const out = row(bytesOf(name))
      assert.deepEqual([out.proto[0], out.src_port[0], out.dst_port[0]], [17, 0, 0], name)
      assert.ok(out.seen & SEEN.fragment)
    }
  })

  it('walks IPv6 extension headers to the transport', () => {
    const out = row(bytesOf('ipv6Extended'))
    assert.deepEqual(
      [address(out.src_addr), out.proto[0], out.dst_port[0], out.tos[0], out.ttl[0]],
      ['2001:db8::1', 6, 443, 0x0a, 63],
    )
  })

  it('reads ICMP, ICMPv6, SCTP and ARP', () => {
    assert.deepEqual([row(bytesOf('icmp')).icmp_type[0], row(bytesOf('icmp')).icmp_code[0]], [3, 10])
    assert.equal(row(bytesOf('icmp6')).icmp_type[0], 135)
    assert.equal(row(bytesOf('sctp')).dst_port[0], 3000)
    for (const name of ['dccp', 'udpLite']) assert.equal(row(bytesOf(name)).dst_port[0], 443, name)
    assert.equal(address(row(bytesOf('rarp')).dst_addr), '10.4.5.6')
    const arp = row(bytesOf('arp'))
    assert.deepEqual([address(arp.src_addr), address(arp.dst_addr), arp.proto[0]], ['10.1.2.3', '10.4.5.6', 0])
  })

  for (const [name, kind, vni, outer, inner] of [
    ['gre', TUNNEL.gre, 0, '10.1.2.3', '10.1.2.3'],
    ['greKeySequence', TUNNEL.gre, 0, '10.1.2.3', '2001:db8::1'],
    ['nvgre', TUNNEL.nvgre, 6000, '10.1.2.3', '10.1.2.3'],
    ['greBridge', TUNNEL.gre, 100, '10.1.2.3', '10.1.2.3'],
    ['erspan1', TUNNEL.erspan, 0, '10.1.2.3', '10.1.2.3'],
    ['erspan2', TUNNEL.erspan, 0, '10.1.2.3', '10.1.2.3'],
    ['erspan3', TUNNEL.erspan, 0, '10.1.2.3', '10.1.2.3'],
    ['vxlan', TUNNEL.vxlan, 5000, '10.1.2.3', '10.1.2.3'],
    ['vxlanOnIpv6', TUNNEL.vxlan, 5000, '2001:db8::1', '10.1.2.3'],
    ['vxlanGpe', TUNNEL.vxlan, 5000, '10.1.2.3', '10.1.2.3'],
    ['geneve', TUNNEL.geneve, 5000, '10.1.2.3', '10.1.2.3'],
    ['ipip', TUNNEL.ipip, 0, '10.1.2.3', '10.1.2.3'],
    ['sixInFour', TUNNEL.sixInFour, 0, '10.1.2.3', '2001:db8::1'],
    ['teredo', TUNNEL.teredo, 0, '10.1.2.3', '2001:db8::1'],
    ['gtp', TUNNEL.gtp, 0, '10.1.2.3', '10.1.2.3'],
    ['pseudowire', TUNNEL.other, 0, '::', '10.1.2.3'],
    ['pseudowireBare', TUNNEL.other, 0, '::', '10.1.2.3'],
    ['ipip6', TUNNEL.ipip, 0, '2001:db8::1', '2001:db8::1'],
    ['greChecksum', TUNNEL.gre, 0, '10.1.2.3', '10.1.2.3'],
    ['pptp', TUNNEL.gre, 0, '10.1.2.3', '10.1.2.3'],
    ['wccp', TUNNEL.gre, 0, '10.1.2.3', '10.1.2.3'],
    ['vxlanGpeEthernet', TUNNEL.vxlan, 5000, '10.1.2.3', '10.1.2.3'],
    ['vxlanGpeNsh', TUNNEL.other, 5000, '10.1.2.3', '10.1.2.3'],
    ['nsh', TUNNEL.other, 0, '::', '10.1.2.3'],
    ['geneveIp', TUNNEL.geneve, 5000, '10.1.2.3', '10.1.2.3'],
    ['teredoAuthenticated', TUNNEL.teredo, 0, '10.1.2.3', '2001:db8::1'],
    ['gtpPlain', TUNNEL.gtp, 0, '10.1.2.3', '10.1.2.3'],
    ['erspan3Ip', TUNNEL.erspan, 0, '10.1.2.3', '10.1.2.3'],
    ['mplsInUdp', TUNNEL.other, 0, '10.1.2.3', '10.1.2.3'],
    ['greInUdp', TUNNEL.gre, 0, '10.1.2.3', '10.1.2.3'],
    ['lisp', TUNNEL.other, 0, '10.1.2.3', '10.1.2.3'],
    ['mplsInIp', TUNNEL.other, 0, '10.1.2.3', '10.1.2.3'],
    ['etherIp', TUNNEL.other, 0, '10.1.2.3', '10.1.2.3'],
    ['ethernetInIpv6', TUNNEL.other, 0, '2001:db8::1', '10.1.2.3'],
  ] as const) {
    it(`describes the packet inside a tunnel, with the tunnel around it: ${name}`, () => {
      const out = row(bytesOf(name))
      assert.deepEqual(
        [
          out.tunnel[0],
          out.vni[0],
          address(out.tunnel_src),
          address(out.src_addr),
          out.proto[0],
          out.src_port[0],
          out.dst_port[0],
        ],
        [kind, vni, outer, inner, 6, 40_000, 443],
      )
    })
  }

  it('takes the VLAN of a mirrored frame from ERSPAN, where the frame has lost its tag', () => {
    assert.equal(row(bytesOf('erspan2')).vlan_in[0], 0x65)
    assert.equal(row(bytesOf('erspan3')).vlan_in[0], 0x65)
  })

  it('stays outside a tunnel whose inner packet is cut off or is not what it says', () => {
    const whole = bytesOf('vxlan')
    const cut = row(whole, 14 + 20 + 8 + 8 + 13)
    assert.deepEqual([cut.tunnel[0], cut.vni[0], cut.dst_port[0], address(cut.src_addr)], [0, 0, 4789, '10.1.2.3'])
    assert.ok(cut.seen & SEEN.cut)
    const wrong = row(hex(`${ETHERNET} 0800 ${IP4('29')} ${IP4('06')} ${TCP}`))
    assert.deepEqual([wrong.tunnel[0], wrong.proto[0]], [0, 41])
  })

  it('reads sampled headers that start with IPv4, IPv6, MPLS or PPP', () => {
    for (const [start, bytes] of [
      [START.ipv4, `${IP4('06')} ${TCP}`],
      [START.ipv6, `${IP6('06')} ${TCP}`],
      [START.mpls, `00064 1 40 ${IP4('06')} ${TCP}`],
      [START.ppp, `ff03 0021 ${IP4('06')} ${TCP}`],
    ] as const)
      assert.equal(row(hex(bytes), hex(bytes).length, start).dst_port[0], 443)
    assert.equal(row(bytesOf('tcp'), 54, 99).seen, 0)
  })

  it('leaves Ethernet padding behind an IP packet unread', () => {
    const out = row(hex(`${ETHERNET} 0800 ${IP4('11', '0014')} ${UDP('12b5')}`))
    assert.deepEqual([out.proto[0], out.dst_port[0]], [17, 0])
  })

  it('reads no byte behind the end, wherever a packet is cut', () => {
    for (const name of Object.keys(FRAMES)) {
      const whole = bytesOf(name)
      for (let length = 0; length <= whole.length; length++) {
        const exact = row(whole.slice(0, length), length)
        const beforeOnes = row(Buffer.concat([whole.subarray(0, length), Buffer.alloc(64, 0xff)]), length)
        const beforeZeros = row(Buffer.concat([whole.subarray(0, length), Buffer.alloc(64)]), length)
        assert.deepEqual(beforeOnes, exact, `${name} cut to ${length}`)
        assert.deepEqual(beforeZeros, exact, `${name} cut to ${length}`)
      }
    }
  })

  it('never throws, whatever the bytes are', () => {
    const names = Object.keys(FRAMES)
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 0, max: 255 })), { maxLength: 8 }),
        fc.constantFrom(1, 7, 11, 12, 13),
        (name, flips, start) => {
          const bytes = bytesOf(name)
          for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value
          row(bytes, bytes.length, start)
        },
      ),
      { numRuns: 3000 },
    )
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom(1, 7, 11, 12, 13),
        (bytes, start) => void row(bytes, bytes.length, start),
      ),
      { numRuns: 2000 },
    )
  })

  it('goes no deeper than a few tunnels, however many there are', () => {
    const out = row(hex(`${ETHERNET} 0800 ${IP4('04', '0000').repeat(12)} ${IP4('06')} ${TCP}`))
    assert.deepEqual([out.tunnel[0], out.proto[0]], [TUNNEL.ipip, 4])
  })
})
