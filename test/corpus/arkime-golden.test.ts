// What Arkime keeps of captures: sessions, each with the places of its packets in the file. Every packet of a session has the addresses,
// ports, tags and tunnel that the session tells; what a session tells in sum is the sum over its packets.

import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseIp, ipText } from '../../src/base/address.ts'
import { goldensOf } from './goldens.ts'
import { packetRows, type CapturedRow } from './packet-rows.ts'
import { CAPTURES } from './pdml.ts'

interface End {
  readonly ip?: string
  readonly port?: number
  readonly bytes: number
  readonly packets: number
  readonly mac?: readonly string[]
}

interface Session {
  readonly source: End
  readonly destination: End
  readonly ipProtocol: number
  readonly packetPos: readonly number[]
  readonly protocol: readonly string[]
  readonly network: { readonly vlan?: { readonly id: readonly (number | string)[] } }
  /** Arkime writes lists of several as text. */
  readonly vni?: readonly (number | string)[]
  readonly srcOuterIp?: readonly string[]
  readonly dstOuterIp?: readonly string[]
  readonly srcTTL?: readonly (number | string)[]
  readonly dstTTL?: readonly (number | string)[]
  readonly srcDscp?: readonly (number | string)[]
  readonly dstDscp?: readonly (number | string)[]
  readonly icmp?: { readonly type: readonly (number | string)[] }
  readonly tcpflags?: Readonly<Record<string, number>>
}

/** Captures whose sessions are of something else than we read, and why we are right. */
const DIFFERENCES: readonly (readonly [difference: RegExp, reason: string])[] = [
  [/\((pim|igmp)\): addresses and ports/, 'Arkime puts PIM, and IGMP, of all senders and groups into one session'],
  [
    /wireshark-dhcp(v6)?\.pcap.*\(dhcp/,
    'Arkime puts a transaction into one session by its id, though server and client have other addresses',
  ],
  [/icmp-frame-relay/, 'frame relay is a link type that is not read here'],
  [/\(arp/, 'Arkime shows who carries the ARP, or no addresses; the row has those that the ARP tells of'],
  [
    /tcpdump-geneve\.pcap.*DSCP: 4/,
    'Arkime has the DSCP of outer headers alone; tcpdump reads the ToS 0x10 of the inner ones as we do',
  ],
  [/ah-esp\.pcap/, 'Arkime stops at the authentication header (51); behind it stands ESP (50)'],
  [
    /y2038-bgp\.pcap.*(TCP flags|MAC)/,
    'two sessions of one connection, 28 years apart: Arkime counts flags and MAC of a packet with the other one; tshark has them as we do',
  ],
  [/single-packets\.pcap/, 'of a connection with an answer alone Arkime takes the receiver for the source'],
  [
    /gre-erspan\.pcap.*\(corrupt-ip,gre\)/,
    'GRE without a packet in it: the row has no addresses where Arkime has the outer ones',
  ],
]

/** What sessions tell that is not in the headers of packets: payload, names, places, and Arkime's own bookkeeping. */
const NOT_OF_HEADERS = new Set(
  `@timestamp client server fileId firstPacket lastPacket length node packetLen packetRange protocol totDataBytes
   initRTT segmentCnt rootId tags tcpSynAckValidated tcpSynValidated tcpseq ethertype zeekintel test http dns cert tls
   ssh smb email user ntp nbns arp ospf tftp sctp radius dhcp quic asset oracle mysql ldap snmp modbus sip krb5 isis bgp
   rtp stun socks postgresql dtls protocols bittorrent
   srcPayload8 dstPayload8 srcOui dstOui srcRIR dstRIR srcOuterASN dstOuterASN srcOuterGEO dstOuterGEO srcOuterRIR
   dstOuterRIR srcOuterOui dstOuterOui srcOuterMac dstOuterMac srcISNCnt dstISNCnt dot1q dot1ad`
    .trim()
    .split(/\s+/),
)
const CHECKED = new Set(
  `source destination ipProtocol packetPos network vni srcOuterIp dstOuterIp srcTTL dstTTL srcDscp dstDscp icmp tcpflags`.split(
    ' ',
  ),
)

/** Rows by where their packet's header stands in the file. */
async function byPlace(file: string): Promise<Map<number, CapturedRow>> {
  const bytes = readFileSync(file)
  const big = bytes.readUInt32BE(0) === 0xa1b2c3d4 || bytes.readUInt32BE(0) === 0xa1b23c4d
  const rows = new Map<number, CapturedRow>()
  let at = 24
  for await (const row of packetRows(file)) {
    rows.set(at, row)
    at += 16 + (big ? bytes.readUInt32BE(at + 8) : bytes.readUInt32LE(at + 8))
  }
  return rows
}

const has = (list: readonly (number | string)[], n: number): boolean => list.some((one) => Number(one) === n)
const normal = (address: string): string => ipText(parseIp(address) as Uint8Array)

function compare(
  session: Session,
  rows: ReadonlyMap<number, CapturedRow>,
  count: (what: string, n?: number) => void,
): string[] {
  const wrong: string[] = []
  const hold = (what: string, same: boolean, shown: string): void => {
    count(what)
    if (!same) wrong.push(`${what}: ${shown}`)
  }
  const { source, destination, protocol } = session
  const [from, to] = [normal(source.ip ?? '::'), normal(destination.ip ?? '::')]
  const ports = `${source.port ?? 0}→${destination.port ?? 0}`
  const back = `${destination.port ?? 0}→${source.port ?? 0}`
  const sum = { source: { packets: 0, bytes: 0 }, destination: { packets: 0, bytes: 0 } }
  const flags: Record<string, number> = { syn: 0, 'syn-ack': 0, fin: 0, rst: 0, psh: 0, urg: 0 }
  const types = new Set<number>()
  const isOf = (row: CapturedRow): boolean =>
    row.proto === session.ipProtocol &&
    ((row.src === from && row.dst === to && row.ports === ports) ||
      (row.src === to && row.dst === from && row.ports === back))
  // Of some sessions it keeps the place of the first packet alone.
  const places =
    session.packetPos.length === source.packets + destination.packets
      ? session.packetPos
      : [...rows].filter(([, row]) => isOf(row)).map(([place]) => place)
  for (const place of places) {
    const row = rows.get(place)
    if (row === undefined) {
      wrong.push(`no packet at ${place}`)
      continue
    }
    count('packets')
    const forth = row.src === from && row.dst === to && row.ports === ports
    const reverse = row.src === to && row.dst === from && row.ports === back
    hold('addresses and ports', forth || reverse, `${row.src} ${row.dst} ${row.ports}, Arkime ${from} ${to} ${ports}`)
    const side = forth || !reverse ? 'source' : 'destination'
    sum[side].packets++
    sum[side].bytes += row.length
    hold('protocol', row.proto === session.ipProtocol, `${row.proto}, Arkime ${session.ipProtocol}`)
    const { mac } = session[side]
    if (mac && row.src_mac !== '00:00:00:00:00:00')
      hold('MAC', mac.includes(row.src_mac), `${row.src_mac}, Arkime ${mac.join()}`)
    const ttl = side === 'source' ? session.srcTTL : session.dstTTL
    if (ttl) hold('TTL', has(ttl, row.ttl), `${row.ttl}, Arkime ${ttl.join()}`)
    const dscp = (side === 'source' ? session.srcDscp : session.dstDscp) ?? []
    if (row.tos >> 2 !== 0) hold('DSCP', has(dscp, row.tos >> 2), `${row.tos >> 2}, Arkime ${dscp.join()}`)
    const vlans = session.network.vlan?.id ?? []
    const tags = row.tags.filter((tag) => tag !== 0)
    if (tags.length > 0 || vlans.length > 0)
      hold('VLAN', tags.length > 0 && tags.every((tag) => has(vlans, tag)), `${tags.join()}, Arkime ${vlans.join()}`)
    if (session.vni) hold('VNI', has(session.vni, row.vni), `${row.vni}, Arkime ${session.vni.join()}`)
    if (session.srcOuterIp) {
      const outer = [...session.srcOuterIp, ...(session.dstOuterIp ?? [])].map(normal)
      hold(
        'tunnel',
        outer.includes(row.tunnel_src) && outer.includes(row.tunnel_dst),
        `${row.tunnel_src} ${row.tunnel_dst}, Arkime ${outer.join()}`,
      )
    }
    if (session.icmp) types.add(Number(row.icmp.split('/')[0]))
    const syn = (row.flags & 2) !== 0
    if (syn) flags[(row.flags & 16) === 0 ? 'syn' : 'syn-ack']!++
    for (const [name, bit] of [
      ['fin', 1],
      ['rst', 4],
      ['psh', 8],
      ['urg', 32],
    ] as const)
      if ((row.flags & bit) !== 0) flags[name]!++
  }
  for (const side of ['source', 'destination'] as const)
    for (const what of ['packets', 'bytes'] as const)
      hold(
        `${what} in sum`,
        sum[side][what] === session[side][what],
        `${side} ${sum[side][what]}, Arkime ${session[side][what]}`,
      )
  if (session.icmp)
    hold(
      'ICMP types',
      [...types].every((type) => has(session.icmp?.type ?? [], type)),
      `${[...types].join()}, Arkime ${session.icmp.type.join()}`,
    )
  if (session.tcpflags && protocol.includes('tcp'))
    for (const [name, n] of Object.entries(flags))
      hold('TCP flags', session.tcpflags[name] === n, `${n} ${name}, Arkime ${session.tcpflags[name]}`)
  return wrong
}

describe("packets read as Arkime's sessions tell", () => {
  const used = new Set<RegExp>()
  for (const { golden, files, text } of goldensOf('arkime/arkime')) {
    test(basename(golden), async (t) => {
      const rows = await byPlace(join(CAPTURES, files[0] as string))
      const counts: Record<string, number> = {}
      const wrong: string[] = []
      const reasons = new Map<string, number>()
      for (const { body } of (JSON.parse(text) as { sessions3: { body: Session }[] }).sessions3) {
        for (const name of Object.keys(body)) {
          if (/-?[cC]nt$/.test(name)) continue
          assert.ok(CHECKED.has(name) || NOT_OF_HEADERS.has(name), `${name} is held against nothing`)
        }
        const count = (what: string, n = 1): void => void (counts[what] = (counts[what] ?? 0) + n)
        count('sessions')
        for (const one of compare(body, rows, count)) {
          const line = `${basename(golden)} (${body.protocol.join()}): ${one}`
          const known = DIFFERENCES.find(([difference]) => difference.test(line))
          if (known) {
            used.add(known[0])
            reasons.set(known[1], (reasons.get(known[1]) ?? 0) + 1)
          } else wrong.push(line)
        }
      }
      t.diagnostic(
        Object.entries(counts)
          .map(([what, n]) => `${n} × ${what}`)
          .join(', '),
      )
      for (const [reason, n] of reasons) t.diagnostic(`${n} differ: ${reason}`)
      assert.deepEqual(wrong, [])
    })
  }

  test('no difference is listed that is none', () => {
    assert.deepEqual(DIFFERENCES.filter(([difference]) => !used.has(difference)).map(String), [])
  })
})
