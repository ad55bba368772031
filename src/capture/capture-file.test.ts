import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createGzip, gzipSync, zstdCompressSync } from 'node:zlib'
import { frameOf, someFlows } from '../../test/interop/frames.ts'
import { readCaptureFile, type CaptureFileOptions } from './capture-file.ts'
import { pcapHeader, pcapPacket } from './pcap-writer.ts'

const folder = mkdtempSync(join(tmpdir(), 'capture-file-'))
after(() => rmSync(folder, { recursive: true }))

const frames = someFlows(60, { ipv6: true, vlans: [7, 8] }).flatMap((flow) => [frameOf(flow, 0), frameOf(flow, 1)])
const pcap = Buffer.concat([pcapHeader(1), ...frames.map((frame, i) => pcapPacket(1_760_000_000 + i, 5, frame))])

interface Read {
  readonly packets: { readonly hex: string; readonly linkType: number; readonly port: number; readonly sent: number }[]
  readonly originals: number[]
  readonly tags: number[]
  readonly problems: string[]
}

async function read(bytes: Uint8Array, options: CaptureFileOptions = {}, name = 'file'): Promise<Read> {
  const file = join(folder, name)
  writeFileSync(file, bytes)
  const result: Read = { packets: [], originals: [], tags: [], problems: [] }
  const problem = (code: string, offset: number): void => void result.problems.push(`${code} ${offset}`)
  for await (const block of readCaptureFile(file, problem, options)) {
    for (let i = 0; i < block.count; i++) {
      const at = block.offset[i] as number
      result.packets.push({
        hex: Buffer.from(block.bytes.subarray(at, at + (block.captured[i] as number))).toString('hex'),
        linkType: block.linkType[i] as number,
        port: block.port[i] as number,
        sent: block.direction[i] as number,
      })
      result.originals.push(block.original[i] as number)
      result.tags.push(block.tag[i] as number)
    }
  }
  return result
}

const hexes = (result: Read): string[] => result.packets.map((packet) => packet.hex)
const expected = frames.map((frame) => frame.toString('hex'))
/** Short enough to be read where a test fails. */
const digest = (list: readonly string[]): string =>
  `${list.length} ${createHash('sha256').update(list.join(' ')).digest('hex')}`

test('a capture is the same, packed by gzip, by zstd, in several pieces of gzip, or not packed', async () => {
  const half = pcap.length >> 1
  const pieces = Buffer.concat([gzipSync(pcap.subarray(0, half)), gzipSync(pcap.subarray(half))])
  for (const bytes of [pcap, gzipSync(pcap), zstdCompressSync(pcap), pieces]) {
    const result = await read(bytes)
    assert.equal(digest(hexes(result)), digest(expected))
    assert.deepEqual(result.problems, [])
  }
})

test('a packed capture that is cut or damaged gives what is whole before, and says where it ends', async () => {
  // Bytes that can't be packed, so that there is much before the damage
  const noise = createHash('shake256', { outputLength: 1 << 19 })
    .update('noise')
    .digest()
  const packets = Array.from({ length: 350 }, (_, i) => noise.subarray(1400 * i, 1400 * i + 1400))
  const whole = Buffer.concat([pcapHeader(1), ...packets.map((packet) => pcapPacket(1, 0, packet))])
  const expected = packets.map((packet) => packet.toString('hex'))
  for (const packed of [gzipSync(whole), zstdCompressSync(whole)]) {
    const result = await read(packed.subarray(0, packed.length - 20_000))
    const last = result.packets.length - 1
    assert.ok(last > 200, `${last} packets`)
    assert.equal(digest(hexes(result).slice(0, last)), digest(expected.slice(0, last)))
    assert.ok(expected[last]?.startsWith(result.packets[last]?.hex ?? ''))
    assert.match(result.problems[0] as string, /^truncated \d+$/)
    const damaged = Buffer.from(packed)
    damaged.fill(0xff, packed.length >> 1, (packed.length >> 1) + 64)
    const broken = await read(damaged)
    assert.match(broken.problems[0] as string, /^bad_length \d+$/)
    assert.ok(broken.packets.length < packets.length)
  }
})

test('a file that unpacks to a multiple of what is read at once is walked through in little of it', async () => {
  const file = join(folder, 'bomb.gz')
  const gzip = createGzip({ level: 1 })
  const written: Buffer[] = []
  gzip.on('data', (piece: Buffer) => written.push(piece))
  gzip.write(pcapHeader(1))
  const packets = Buffer.concat(Array.from({ length: 1000 }, () => pcapPacket(1, 0, Buffer.alloc(1484))))
  const times = 60
  for (let i = 0; i < times; i++) if (!gzip.write(packets)) await once(gzip, 'drain')
  gzip.end()
  await once(gzip, 'end')
  writeFileSync(file, Buffer.concat(written))
  let count = 0
  let most = 0
  for await (const block of readCaptureFile(file, assert.fail)) {
    count += block.count
    most = Math.max(most, block.bytes.length)
  }
  assert.equal(count, 1000 * times)
  assert.ok(most < 4 << 20, `${most} bytes at once`)
})

test('only the packets that the filter lets pass are shown', async () => {
  const result = await read(gzipSync(pcap), { filter: 'vlan 8 and ip6' })
  const passing = expected.filter((hex) => hex.slice(24, 36) === '8100000886dd')
  assert.ok(passing.length > 0 && passing.length < expected.length)
  assert.equal(digest(hexes(result)), digest(passing))
  await assert.rejects(read(pcap, { filter: 'tcp prt 80' }), /the packet filter “tcp prt 80” is wrong/)
})

// Recorded with libpcap from `nft … log group 6`: a UDP datagram that came in by veth 2 (with its Ethernet header), and one sent by 2
const RECORDED = [
  '0200000608000100080001000500 0a00 00000000 08000400 00000002 1000 0b00 0006 0000 0a1b2c3d4e5f 0000 0600 0f00 0001 0000 0600 1100 000e 0000 1200 1000 020000000001 0a1b2c3d4e5f 0800 0000 2600 0900 4500 0022 0001 0000 4011 0000 0a000002 0a000001 0bb8 0035 000e 0000 616263646566 0000',
  '0200000608000100080003000500 0a00 00000000 08000500 00000002 2600 0900 4500 0022 0002 0000 4011 0000 0a000001 0a000002 0035 0bb8 000e 0000 616263646566 0000',
].map((hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex'))

test('what a packet filter logged is shown as the packets that it was, with interface, direction and addresses', async () => {
  const [came, sent] = RECORDED as [Buffer, Buffer]
  const ip = (of: Buffer): string => of.subarray(of.length - 36, of.length - 2).toString('hex')
  const file = Buffer.concat([pcapHeader(239), ...RECORDED.map((bytes) => pcapPacket(1, 0, bytes))])
  const result = await read(file)
  assert.deepEqual(result.packets, [
    { hex: `0200000000010a1b2c3d4e5f0800${ip(came)}`, linkType: 1, port: 2, sent: 0 },
    { hex: ip(sent), linkType: 101, port: 2, sent: 1 },
  ])
  assert.deepEqual(result.originals, [48, 34])
  // A filter sees them so, too
  assert.equal((await read(file, { filter: 'udp dst port 3000' })).packets.length, 1)
  // Cut anywhere, a packet is shown as it lies there, or as IP
  for (let length = 0; length < came.length - 2; length++) {
    const cut = await read(Buffer.concat([pcapHeader(239), pcapPacket(1, 0, came.subarray(0, length))]))
    assert.deepEqual(
      cut.packets.map((packet) => packet.linkType),
      [239],
      `cut at ${length}`,
    )
  }
})

test('of what a packet filter logged, IPv6 and tags that were taken off are told, and what is no IP is left as it is', async () => {
  const frame = '020000000001 0a1b2c3d4e5f 86dd'
  const link = `0600 0f00 0001 0000 1200 1000 ${frame} 0000`
  // struct nfulnl_msg_packet_hdr; the tag is nested: TPID and TCI
  const head = (type: string): string => `0700 0006 0800 0100 ${type} 00 00 0800 0400 00000007`
  const tag = '1400 1480 0600 0100 8100 0000 0600 0200 0064 0000'
  const v6 = `6000 0000 0004 1140 ${'20010db8000000000000000000000001'.repeat(2)} 01020304`
  const packets = [
    `${head('86dd')} ${link} ${tag} 3000 0900 ${v6}`,
    `${head('0806')} ${link} 2000 0900 ${'0001080006040001'.padEnd(56, '0')}`,
  ].map((hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  const file = Buffer.concat([pcapHeader(239), ...packets.map((bytes) => pcapPacket(1, 0, bytes))])
  const result = await read(file)
  assert.deepEqual(
    result.packets.map(({ linkType, port }) => `${linkType} ${port}`),
    ['1 7', '239 0'],
  )
  assert.equal(result.packets[0]?.hex, `${frame}${v6}`.replaceAll(' ', ''))
  // With the tag, as on the wire
  assert.equal(result.originals[0], 14 + 4 + 44)
  assert.deepEqual(result.tags, [0x8100_0064, 0])
})

test('pcapng tells its interfaces’ names, and which packets were sent', async () => {
  // Little-endian: a section, interfaces “eth0” and “”, packets of 3 bytes: sent by eth0, received, of unknown direction by the other
  const block = (type: number, body: string): Buffer => {
    const bytes = Buffer.from(body.replaceAll(' ', ''), 'hex')
    const head = Buffer.alloc(8)
    head.writeUInt32LE(type, 0)
    head.writeUInt32LE(bytes.length + 12, 4)
    return Buffer.concat([head, bytes, head.subarray(4)])
  }
  const packet = (port: string, options: string): Buffer =>
    block(6, `${port}000000 00000000 05000000 03000000 03000000 01020300 ${options}`)
  const file = Buffer.concat([
    block(0x0a0d0d0a, '4d3c2b1a 0100 0000 ffffffffffffffff'),
    block(1, '0100 0000 00000400 0200 0400 65746830 0000 0000'),
    block(1, '6500 0000 00000400'),
    packet('00', '0100 0300 61626300 0200 0400 02000000 0000 0000'),
    packet('00', '0200 0400 01000000 0000 0000'),
    packet('01', ''),
  ])
  const interfaces: string[] = []
  const result = await read(file, {
    interfaceFound: (port, name, linkType) => void interfaces.push(`${port} ${name} ${linkType}`),
  })
  assert.deepEqual(interfaces, ['0 eth0 1', '1  101'])
  assert.deepEqual(
    result.packets.map(({ port, sent }) => `${port} ${sent}`),
    ['0 1', '0 0', '1 0'],
  )
  assert.deepEqual(result.problems, [])
})

test('what can’t be read, or is no capture, says why', async () => {
  await assert.rejects(read(Buffer.from('no capture at all, is it?')), /neither a pcap nor a pcapng/)
  const missing = readCaptureFile(join(folder, 'none'), assert.fail)
  await assert.rejects(async () => await missing.next(), /none can’t be read \(ENOENT\)/)
  const directory = readCaptureFile(folder, assert.fail)
  await assert.rejects(async () => await directory.next(), /can’t be read \(EISDIR\)/)
})
