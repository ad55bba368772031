import assert from 'node:assert/strict'
import { test } from 'node:test'
import { frameOf, someFlows, type KnownFlow } from '../../test/interop/frames.ts'
import { compileFilter, createPacketFilter, type BpfProgram } from './bpf.ts'
import { loadKoffi } from '../base/libc.ts'

const ETHERNET = 1

const EXPRESSIONS = [
  'tcp port 443',
  'udp portrange 5000-60000',
  'src net 10.1.0.0/16 and not dst host 10.2.0.1',
  'vlan 30 and udp',
  'vlan and vlan',
  'ip6 and tcp',
  'ip6 protochain 6',
  'ip protochain 17',
  'ip6 protochain 17',
  'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0',
  'tcp[((tcp[12] & 0xf0) >> 4) * 4 - 4] % 7 < 3',
  'ip[2:2] / 3 > 30 or ip[8] - 60 < 5',
  'icmp or icmp6',
  'less 100',
  'greater 300',
  'len - 14 != ip[2:2]',
  'ether[0] & 1 = 0 and ether host 02:54:00:01:00:01',
  'ip[2:2] * 70000000 >= 0x80000000',
  '(ip[12:4] ^ ip[16:4]) & 1 = 0',
  'ip[6:2] & 0x1fff = 0 and (ip[0] << 4) | ip[1] = 0x450',
  'ether[len - 1] = 0 or ether[ip[9]] > 50',
]

test('a filter lets pass what libpcap itself lets pass, of whole packets, cut ones and broken ones', () => {
  const passes = libpcapFilter()
  const frames = samples()
  for (const expression of EXPRESSIONS) {
    const program = compileFilter(expression, ETHERNET)
    const filter = createPacketFilter(program)
    let passed = 0
    for (const [i, frame] of frames.entries()) {
      // In the midst of other bytes, as in a file
      const bytes = Buffer.concat([Buffer.alloc(5, 0xff), frame, Buffer.alloc(64, 0xff)])
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      const length = frame.length + (i % 3)
      const ours = filter.passes(view, 5, frame.length, length)
      assert.equal(ours, passes(program, frame, length), `${expression} of ${frame.toString('hex')}`)
      if (ours) passed++
    }
    assert.ok(passed > 0 && passed < frames.length, `${expression}: ${passed} of ${frames.length}`)
  }
})

/** Frames of all kinds; each also with a byte changed, and cut. */
function samples(): Buffer[] {
  const whole = someFlows(40, { ipv6: true, vlans: [1, 30] }).flatMap((flow: KnownFlow) => {
    const tagged = Buffer.from(frameOf({ ...flow, packets: 9 }, 0))
    const start = flow.vlan === undefined ? 14 : 18
    const plain = Buffer.concat([tagged.subarray(0, 12), tagged.subarray(start - 2)])
    const qinq = Buffer.concat([tagged.subarray(0, 12), Buffer.from('8100001e', 'hex'), tagged.subarray(12)])
    return [tagged, plain, qinq, ...(flow.src.includes(':') ? [extended(plain)] : [])]
  })
  let state = 99
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
  return whole.flatMap((frame) => {
    const broken = Buffer.from(frame)
    broken[12 + random(frame.length - 12)] = random(256)
    return [frame, broken, frame.subarray(0, random(frame.length))]
  })
}

/** The same with hop-by-hop and destination options before the transport header. */
function extended(frame: Buffer): Buffer {
  const next = frame.readUInt8(20)
  const options = Buffer.from(`3c00000000000000${next.toString(16).padStart(2, '0')}01${'00'.repeat(14)}`, 'hex')
  const longer = Buffer.concat([frame.subarray(0, 54), options, frame.subarray(54)])
  longer[20] = 0
  longer.writeUInt16BE(longer.readUInt16BE(18) + options.length, 18)
  return longer
}

/** libpcap's own interpreter. */
function libpcapFilter(): (program: BpfProgram, packet: Buffer, length: number) => boolean {
  const koffi = loadKoffi('capture_unavailable', 'packet filters can’t be compiled')
  const call = koffi.load('libpcap.so.0.8').func('int pcap_offline_filter(uintptr_t, uintptr_t, uintptr_t)')
  return (program, packet, length) => {
    // struct bpf_program: length ·4, padding ·4, address ·8; struct pcap_pkthdr: time ·16, captured ·4, original ·4
    const whole = new DataView(new ArrayBuffer(16))
    whole.setUint32(0, program.length / 8, true)
    whole.setBigUint64(8, BigInt(koffi.address(program.buffer)), true)
    const header = new DataView(new ArrayBuffer(24))
    header.setUint32(16, packet.length, true)
    header.setUint32(20, length, true)
    const bytes = new Uint8Array(packet)
    const [one, two, three] = [whole.buffer, header.buffer, bytes.buffer].map((buffer) => koffi.address(buffer))
    return (call(one, two, three) as number) !== 0
  }
}
