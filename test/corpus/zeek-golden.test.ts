// What Zeek logs of captures: connections with their packets each way, and tunnels. Every connection is there among our rows, with as many
// packets, as the innermost one or as what carries a tunnel; every tunnel is there with its ends and its kind.

import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { basename, join } from 'node:path'
import { ipText, parseIp } from '../../src/base/address.ts'
import { goldensOf } from './goldens.ts'
import { packetRows } from './packet-rows.ts'
import { CAPTURES } from './pdml.ts'

type Line = Readonly<Record<string, string>>

/** The lines of a log by the names of their columns; some logs are cut to a few columns, whose names stand alone. */
function linesOf(text: string): Line[] {
  let names: string[] | undefined
  const lines: Line[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('#fields')) names = line.split('\t').slice(1)
    else if (line === '' || line.startsWith('#')) continue
    else if (names === undefined) names = line.split('\t')
    else {
      const cells = line.split('\t')
      lines.push(Object.fromEntries(names.map((name, i) => [name, cells[i] ?? ''])))
    }
  }
  return lines
}

/** Our kinds of a tunnel that Zeek calls so. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  'Tunnel::GRE': ['gre', 'nvgre', 'erspan'],
  'Tunnel::IP': ['ipip', '6in4'],
  'Tunnel::TEREDO': ['teredo'],
  'Tunnel::GTPv1': ['gtp'],
  'Tunnel::VXLAN': ['vxlan'],
  'Tunnel::GENEVE': ['geneve'],
}

/** Where Zeek and we differ, and why that is right. */
const DIFFERENCES: readonly (readonly [difference: RegExp, reason: string])[] = [
  [/^zeek-empty\.pcap/, 'the log is that of another capture'],
  [/ayiya/, 'AYIYA has been out of use since SixXS ended'],
  [/aruba/, '802.11 frames within GRE are not read here'],
  [/radiotap/, '802.11 is a link type that is not read here'],
  [/socks/, 'SOCKS is a protocol of applications: no header says what is in it'],
  [/communityid-sctp/, 'Zeek does not know the ports of SCTP'],
  [
    /(vxlan-triple|gre-within-gre|gre-pptp|gtp8-teredo|geneve-vxlan).*(no tunnel|no connection|packets)/,
    'a tunnel within a tunnel: the row has the inner one, Zeek logs each',
  ],
  [
    /teredo-udp-in-udp|(Teredo|teredo-bubble).*(192\.168\.2\.16 83\.170\.1\.38|2001:4860:0:2001::68)/,
    'Zeek guesses Teredo on other ports than 3544; so does nobody else here',
  ],
  [
    /zeek-wikipedia.*:35634.*3 packets, Zeek 1/,
    'of a connection that began before the capture Zeek counts the first packet alone; tshark has three as we do',
  ],
  [/incl-fragmentation/, 'Zeek counts datagrams put together of fragments, rows are of packets'],
  [
    /tunnels-vxlan\.pcap.*10 packets, Zeek 8/,
    'Zeek lacks the first packet each way; Arkime and tshark have it as we do',
  ],
]

const normal = (address: string): string => {
  const bytes = parseIp(address)
  return bytes ? ipText(bytes) : address
}

/** The same for both directions. */
const pair = (a: string, b: string): string => [a, b].toSorted().join(' ')

interface Ours {
  /** Packets by their ends with ports, either way, and by the ends of their tunnel. */
  readonly ends: Map<string, number>
  readonly tunnels: Map<string, number>
  readonly kinds: Set<string>
  readonly tags: Set<string>
}

async function ours(file: string): Promise<Ours> {
  const seen: Ours = { ends: new Map(), tunnels: new Map(), kinds: new Set(), tags: new Set() }
  const add = (map: Map<string, number>, key: string): void => void map.set(key, (map.get(key) ?? 0) + 1)
  for await (const row of packetRows(file)) {
    const [from, to] = row.ports.split('→')
    add(seen.ends, pair(`${row.src}:${from}`, `${row.dst}:${to}`))
    seen.tags.add(row.tags.join())
    if (row.tunnel === 'none') continue
    add(seen.tunnels, pair(row.tunnel_src, row.tunnel_dst))
    seen.kinds.add(`${pair(row.tunnel_src, row.tunnel_dst)} ${row.tunnel}`)
  }
  return seen
}

type Count = (what: string) => void

/** Connections of a log: those of the same ends together, as we can't tell when one ends and the next begins. */
function connections(lines: readonly Line[], seen: Ours, count: Count): string[] {
  const wrong: string[] = []
  const told = new Map<string, number>()
  const carried = new Map<string, number>()
  for (const line of lines) {
    const { 'id.orig_h': from, 'id.resp_h': to, 'id.orig_p': fromPort, 'id.resp_p': toPort } = line
    // It counts no packet whose checksum is wrong, and some logs don't tell.
    const packets = Number(line['orig_pkts'] ?? 0) + Number(line['resp_pkts'] ?? 0) || Number.NEGATIVE_INFINITY
    if (line['vlan'] !== undefined) {
      const tags = [line['vlan'], line['inner_vlan'] ?? '-'].map((tag) => Number(tag) || 0)
      const [outer, inner] = tags as [number, number]
      count('VLANs')
      if (!seen.tags.has(inner > 0 ? `${outer},${inner}` : `0,${outer}`))
        wrong.push(`VLANs ${tags.join()}, ours ${[...seen.tags].join(' or ')}`)
    }
    if (from === undefined || to === undefined) continue
    // Of ICMP the ports are its types, which stand in other columns.
    const ported = ['tcp', 'udp', undefined].includes(line['proto'])
    const ends = pair(
      `${normal(from)}:${ported ? (fromPort ?? '?') : 0}`,
      `${normal(to)}:${ported ? (toPort ?? '?') : 0}`,
    )
    const between = pair(normal(from), normal(to))
    if (seen.ends.has(ends)) told.set(ends, (told.get(ends) ?? 0) + packets)
    else if (seen.tunnels.has(between)) carried.set(between, (carried.get(between) ?? 0) + packets)
    else {
      count('connections')
      wrong.push(`no connection ${line['proto']} ${ends}`)
    }
  }
  for (const [kind, all, own] of [
    ['connections', told, seen.ends],
    ['connections that carry tunnels', carried, seen.tunnels],
  ] as const)
    for (const [ends, packets] of all) {
      count(kind)
      if (packets < 0) continue
      count(`packets of ${kind}`)
      if (own.get(ends) !== packets) wrong.push(`${ends}: ${own.get(ends)} packets, Zeek ${packets}`)
    }
  return wrong
}

function tunnels(lines: readonly Line[], seen: Ours, count: Count): string[] {
  const wrong: string[] = []
  for (const { 'id.orig_h': from = '', 'id.resp_h': to = '', tunnel_type: type = '', action } of lines) {
    if (action === 'Tunnel::CLOSE') continue
    count('tunnels')
    const between = pair(normal(from), normal(to))
    const kinds = KINDS[type] ?? []
    if (!kinds.some((kind) => seen.kinds.has(`${between} ${kind}`))) wrong.push(`no tunnel ${type} ${between}`)
  }
  return wrong
}

describe('packets read as Zeek logs them', () => {
  const used = new Set<RegExp>()
  for (const { golden, files, semantics, text } of goldensOf('zeek/zeek')) {
    test(basename(golden), async (t) => {
      const counts: Record<string, number> = {}
      const count: Count = (what) => void (counts[what] = (counts[what] ?? 0) + 1)
      const seen = await ours(join(CAPTURES, files[0] as string))
      const compare = /tunnel\.log/.test(semantics) ? tunnels : connections
      const wrong: string[] = []
      for (const one of compare(linesOf(text), seen, count)) {
        const line = `${basename(golden)}: ${one}`
        const known = DIFFERENCES.find(([difference]) => difference.test(line))
        if (known === undefined) wrong.push(line)
        else {
          used.add(known[0])
          t.diagnostic(`differs: ${one}: ${known[1]}`)
        }
      }
      t.diagnostic(
        Object.entries(counts)
          .map(([what, n]) => `${n} × ${what}`)
          .join(', '),
      )
      assert.deepEqual(wrong, [])
    })
  }

  test('no difference is listed that is none', () => {
    assert.deepEqual(DIFFERENCES.filter(([difference]) => !used.has(difference)).map(String), [])
  })
})
