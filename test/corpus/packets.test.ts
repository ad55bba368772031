// Every packet of the corpus against tshark: addresses, ports, tags, tunnels. What differs is listed below, each with its reason.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createReadStream, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { ipText, parseIp } from '../../src/base/address.ts'
import { readCapture } from '../../src/capture/pcap-file.ts'
import { pcapHeader, pcapPacket } from '../../src/capture/pcap-writer.ts'
import { packetRows, type PacketRow } from './packet-rows.ts'
import { CAPTURES } from './pdml.ts'

const DIRECTORY = join(CAPTURES, 'packets')
const MOST_PACKETS = 500

/** Where we and tshark differ, and why that is right. In files that start so, for packets whose chain of protocols is such. */
const DIFFERENCES: readonly (readonly [file: string, protocols: RegExp, reason: string])[] = [
  ['', /^fr:/, 'frame relay is a link type that is not read here'],
  ['', /^(radiotap:|wlan)/, '802.11 is a link type that is not read here'],
  ['', /^fddi:/, 'FDDI is a link type that is not read here'],
  ['tcpdump-arista-ether', /:avsp:/, 'Arista puts timestamps of several lengths before the EtherType'],
  ['zeek-tunnels-ayiya', /:ayiya:/, 'AYIYA has been out of use since SixXS ended'],
  ['zeek-tunnels-gre-aruba', /:gre:wlan:/, '802.11 frames within GRE are not read here'],
  ['zeek-tunnels-gtp-', /:gtpprime:/, 'GTP version 0 of 1998 is not read here'],
  ['tcpdump-various-gre', /:gre:cmd:/, 'Cisco MetaData within GRE has an order of its own'],
  ['pcapplusplus-ipv6.pcapng', /:lisp:ip/, 'LISP control messages carry a packet for information, they are no tunnel'],
  [
    'pcapplusplus-ipv4-options',
    /:ip:icmp$/,
    'under source routing tshark shows the last hop as destination, the row has what the header says',
  ],
  ['tcpdump-bigtcp-', /:udp$/, 'tshark 4.0 reads no packets longer than 64 KiB, whose length field is 0'],
  ['zeek-arp-leak', /:arp$/, 'an ARP with addresses of 255 bytes, whose places can not be known'],
  ['zeek-erspan.pcap', /:gre:eth:/, 'GRE with a 24-bit VSID in its key is NVGRE (RFC 7637), tshark says GRE'],
]

const used = new Set<(typeof DIFFERENCES)[number]>()

const FIELDS = [
  'frame.protocols',
  'eth.src',
  'eth.dst',
  'vlan.id',
  'ieee8021ad.id',
  'ip.src',
  'ip.dst',
  'ip.proto',
  'ip.ttl',
  'ip.dsfield',
  'ip.frag_offset',
  'ipv6.src',
  'ipv6.dst',
  'ipv6.hlim',
  'ipv6.tclass',
  'tcp.srcport',
  'tcp.dstport',
  'tcp.flags',
  'udp.srcport',
  'udp.dstport',
  'sctp.srcport',
  'sctp.dstport',
  'dccp.srcport',
  'dccp.dstport',
  'icmp.type',
  'icmp.code',
  'icmpv6.type',
  'icmpv6.code',
  'arp.src.proto_ipv4',
  'arp.dst.proto_ipv4',
  'vxlan.vni',
  'geneve.vni',
  'ieee8021ah.isid',
  'ieee8021ah.cdst',
  'ieee8021ah.csrc',
  'mpls.label',
] as const

type Fields = Readonly<Record<(typeof FIELDS)[number], readonly string[]>>

const FILES = readdirSync(DIRECTORY)
  .filter((name) => /\.(pcap|pcapng)$/.test(name))
  .sort()

/** The first packets of every capture as tshark reads them: put together by link type, as each start of tshark takes longer than most captures. */
async function tsharkAll(): Promise<Map<string, Fields[]>> {
  const groups = new Map<number, { parts: Uint8Array[]; from: string[] }>()
  for (const file of FILES) {
    let n = 0
    for await (const packet of readCapture(createReadStream(join(DIRECTORY, file)), () => undefined)) {
      if (++n > MOST_PACKETS) break
      const group = groups.get(packet.linkType) ?? { parts: [pcapHeader(packet.linkType)], from: [] }
      groups.set(packet.linkType, group)
      group.parts.push(pcapPacket(packet.seconds, packet.nanos, packet.bytes, packet.originalLength))
      group.from.push(file)
    }
  }
  const read = new Map<string, Fields[]>(FILES.map((file) => [file, []]))
  const folder = mkdtempSync(join(tmpdir(), 'vnetscope-corpus-'))
  try {
    for (const [linkType, { parts, from }] of groups) {
      const file = join(folder, `${linkType}.pcap`)
      writeFileSync(file, Buffer.concat(parts))
      const packets = await tshark(file)
      assert.equal(packets.length, from.length, `packets of link type ${linkType}`)
      for (const [i, fields] of packets.entries()) read.get(from[i] as string)?.push(fields)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  return read
}

async function tshark(file: string): Promise<Fields[]> {
  const options = ['ip.defragment:FALSE', 'ipv6.defragment:FALSE'].flatMap((option) => ['-o', option])
  const form = ['separator=/t', 'occurrence=a', 'aggregator=;'].flatMap((option) => ['-E', option])
  const args = ['-n', '-r', file, ...options, '-d', 'udp.port==8472,vxlan', '-T', 'fields', ...form]
  for (const field of FIELDS) args.push('-e', field)
  const { stdout } = await promisify(execFile)('tshark', args, { maxBuffer: 1 << 28 })
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const cells = line.split('\t')
      return Object.fromEntries(
        FIELDS.map((field, i) => [field, (cells[i] ?? '') === '' ? [] : (cells[i] as string).split(';')]),
      ) as unknown as Fields
    })
}

/** What a row should say; only what tshark tells is there. */
interface Expected {
  src_mac?: string
  dst_mac?: string
  tags?: number[]
  src?: string
  dst?: string
  proto?: number
  ttl?: number
  tos?: number
  ports?: string
  flags?: number
  icmp?: string
  tunnel?: string
  tunnel_src?: string
  tunnel_dst?: string
  vni?: number
  label?: number
}

/** Walks tshark's chain of protocols inwards and keeps the innermost packet, as a row does. */
function expected(f: Fields): Expected {
  const row: Expected = {}
  const used: Record<string, number> = {}
  const take = (field: (typeof FIELDS)[number]): string | undefined =>
    f[field][(used[field] = (used[field] ?? 0) + 1) - 1]
  const numeric = (value: string | undefined): number | undefined => (value === undefined ? undefined : Number(value))
  let wrapped = ''
  // What was read so far is the tunnel around what follows
  const wrap = (): void => {
    if (row.src === undefined) return
    row.tunnel_src = row.src
    row.tunnel_dst = row.dst as string
    row.tunnel = wrapped === '' ? 'other' : wrapped
    for (const field of ['src', 'dst', 'ports', 'flags', 'proto', 'ttl', 'tos'] as const) delete row[field]
  }
  const network = (src: string | undefined, dst: string | undefined): void => {
    wrap()
    if (src !== undefined) row.src = normal(src)
    if (dst !== undefined) row.dst = normal(dst)
  }
  let version = 0
  for (const protocol of (f['frame.protocols'][0] ?? '').split(':')) {
    switch (protocol) {
      case 'eth': {
        const dst = take('eth.dst')
        const src = take('eth.src')
        if (dst !== undefined) row.dst_mac = dst
        if (src !== undefined) row.src_mac = src
        if (version !== 0 && src === undefined) return row
        // Tags of the outer frame stay, if the inner one has none
        if (version !== 0) used['tags'] = 1
        wrap()
        break
      }
      case 'vlan':
      case 'ieee8021ad': {
        const tag = numeric(take(protocol === 'vlan' ? 'vlan.id' : 'ieee8021ad.id'))
        if (used['tags'] === 1) row.tags = []
        used['tags'] = 0
        if (tag !== undefined) row.tags = [...(row.tags ?? []), tag]
        break
      }
      case 'mpls':
        row.label ??= Number(take('mpls.label'))
        if (version !== 0 && wrapped === '') wrapped = 'other'
        break
      case 'ieee8021ah': {
        const dst = take('ieee8021ah.cdst')
        const src = take('ieee8021ah.csrc')
        if (dst !== undefined) row.dst_mac = dst
        if (src !== undefined) row.src_mac = src
        row.vni = Number(take('ieee8021ah.isid'))
        break
      }
      case 'nsh':
      case 'lisp-data':
        wrapped = 'other'
        break
      case 'arp':
        network(take('arp.src.proto_ipv4'), take('arp.dst.proto_ipv4'))
        return row
      case 'ip':
      case 'ipv6': {
        const inner = protocol === 'ip' ? 4 : 6
        // What tshark calls bogus has no addresses, and we don't step into it
        if (f[`${protocol}.src`][used[`${protocol}.src`] ?? 0] === undefined) return row
        if (wrapped === '' && version !== 0) wrapped = version === 4 && inner === 6 ? '6in4' : 'ipip'
        network(take(`${protocol}.src`), take(`${protocol}.dst`))
        wrapped = ''
        version = inner
        if (protocol === 'ip') {
          const proto = numeric(take('ip.proto'))
          if (proto !== undefined && proto !== 51) row.proto = proto
        }
        row.ttl = numeric(take(protocol === 'ip' ? 'ip.ttl' : 'ipv6.hlim')) as number
        row.tos = numeric(take(protocol === 'ip' ? 'ip.dsfield' : 'ipv6.tclass')) as number
        break
      }
      case 'tcp':
      case 'udp':
      case 'sctp':
      case 'dccp': {
        row.ports = `${take(`${protocol}.srcport`)}→${take(`${protocol}.dstport`)}`
        if (protocol === 'tcp') {
          const flags = numeric(take('tcp.flags'))
          if (flags !== undefined) row.flags = flags
        }
        break
      }
      case 'icmp':
      case 'icmpv6':
        row.icmp = `${take(`${protocol}.type`)}/${take(`${protocol}.code`)}`
        return row
      case 'vxlan':
      case 'geneve':
        wrapped = protocol
        row.vni = Number(take(protocol === 'vxlan' ? 'vxlan.vni' : 'geneve.vni'))
        break
      case 'gre':
      case 'erspan':
      case 'teredo':
      case 'gtp':
        wrapped = protocol
        break
      default:
        break
    }
  }
  return row
}

function normal(address: string): string {
  const bytes = parseIp(address)
  return bytes ? ipText(bytes) : address
}

function compare(row: PacketRow, want: Expected, count: (field: string) => void): string[] {
  const wrong: string[] = []
  for (const [field, value] of Object.entries(want)) {
    const mine = row[field as keyof PacketRow]
    if (value === undefined || (typeof value === 'string' && value.includes('undefined'))) continue
    count(field)
    // The outermost and the innermost tag of a stack
    const wanted =
      field === 'tags'
        ? [(value as number[]).length > 1 ? (value as number[])[0] : 0, (value as number[]).at(-1)]
        : value
    if (JSON.stringify(mine) !== JSON.stringify(wanted))
      wrong.push(`${field}: ${JSON.stringify(mine)}, tshark ${JSON.stringify(wanted)}`)
  }
  return wrong
}

describe('packets dissected as tshark dissects them', () => {
  let read: Map<string, Fields[]>
  before(async () => {
    read = await tsharkAll()
  })
  for (const file of FILES) {
    it(file, async (t) => {
      const packets = read.get(file) ?? []
      const counts: Record<string, number> = {}
      const wrong: string[] = []
      const reasons = new Map<string, number>()
      let n = 0
      for await (const row of packetRows(join(DIRECTORY, file))) {
        if (n === MOST_PACKETS) break
        const fields = packets[n++]
        assert.ok(fields, `packet ${n}`)
        const differences = compare(row, expected(fields), (field) => (counts[field] = (counts[field] ?? 0) + 1))
        if (differences.length === 0) continue
        const chain = fields['frame.protocols'].join()
        const known = DIFFERENCES.find(([start, protocols]) => file.startsWith(start) && protocols.test(chain))
        if (known) {
          reasons.set(known[2], (reasons.get(known[2]) ?? 0) + 1)
          used.add(known)
        } else wrong.push(`packet ${n} (${chain}): ${differences.join('; ')}`)
      }
      assert.equal(n, packets.length)
      const compared = Object.entries(counts).map(([what, k]) => `${k} × ${what}`)
      t.diagnostic(`${n} packets; compared: ${compared.join(', ')}`)
      for (const [reason, k] of reasons) t.diagnostic(`${k} packets differ: ${reason}`)
      assert.deepEqual(wrong, [], file)
    })
  }

  it('with no difference listed that is none', () => {
    assert.deepEqual(
      DIFFERENCES.filter((one) => !used.has(one)).map(([file, protocols]) => `${file} ${protocols}`),
      [],
    )
  })
})
