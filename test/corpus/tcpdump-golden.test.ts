// What tcpdump prints of captures: in the text of each packet stand its headers from the outermost on. The innermost addresses, ports, tags
// and flags are those of our row, and what stands around them is its tunnel.

import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { basename, join } from 'node:path'
import { ipText, parseIp } from '../../src/base/address.ts'
import { goldensOf } from './goldens.ts'
import { packetRows, type CapturedRow } from './packet-rows.ts'
import { CAPTURES } from './pdml.ts'

/** Where tcpdump and we differ, and why that is right. */
const DIFFERENCES: readonly (readonly [difference: RegExp, reason: string])[] = [
  [/^tcpdump-erspan-/, 'tcpdump reads no packet within ERSPAN; tshark does, and as we do'],
  [/^tcpdump-arista-ether/, 'Arista puts timestamps of several lengths before the EtherType: not read here'],
  [/^tcpdump-vrrp-vrrp-print-oobr/, 'frame relay is a link type that is not read here'],
  [/^tcpdump-ppp-ip-udp-dns/, 'tcpdump guesses an IP packet behind a PPP protocol that does not exist (0x7e08)'],
]

const MAC = '(?:[0-9a-f]{2}:){5}[0-9a-f]{2}'
const IP4 = String.raw`\d+\.\d+\.\d+\.\d+`
const IP6 = String.raw`(?=[0-9a-f]*:[0-9a-f]*:)[0-9a-f:]+(?::\d+\.\d+\.\d+\.\d+)?`
const END = String.raw`(${IP4}|${IP6})(?:\.(\d+))?`
const PAIR = new RegExp(String.raw`(?<![\w:.])${END} > ${END}(?=[:, ]|$)`, 'gm')
const MACS = new RegExp(`(${MAC}) > (${MAC})`, 'g')
const FLAGS: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, '.': 16, U: 32, E: 64, W: 128 }
const ICMP: readonly (readonly [words: RegExp, four: number, six: number])[] = [
  [/echo request/, 8, 128],
  [/echo reply/, 0, 129],
  [/unreachable/, 3, 1],
  [/time exceeded/, 11, 3],
  [/router solicitation/, 10, 133],
  [/router advertisement/, 9, 134],
  [/neighbor solicitation/, -1, 135],
  [/neighbor advertisement/, -1, 136],
]

interface Printed {
  readonly number: number
  readonly time: number
  readonly text: string
}

function printed(text: string): Printed[] {
  const packets: { number: number; time: number; text: string }[] = []
  for (const line of text.split('\n')) {
    const [, number, day, time, micros, rest] =
      /^ *(\d+) {2}(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\.(\d{6}) (.*)$/.exec(line) ?? []
    if (number === undefined) {
      const last = packets.at(-1)
      if (last) last.text += `\n${line}`
    } else
      packets.push({
        number: Number(number),
        time: Date.parse(`${day}T${time}Z`) * 1000 + Number(micros),
        text: rest as string,
      })
  }
  return packets
}

interface Pair {
  readonly src: string
  readonly dst: string
  readonly ports: string | undefined
  /** Where the text of its packet begins, behind both addresses. */
  readonly end: number
}

const normal = (address: string): string => {
  const bytes = parseIp(address)
  return bytes ? ipText(bytes) : address
}

/** The ends of the packet and of what is in it, up to what an error message or a routing protocol quotes. */
function pairs(text: string): Pair[] {
  const found: Pair[] = []
  for (const match of text.matchAll(PAIR)) {
    const [whole, src = '', fromPort, dst = '', toPort] = match
    if (new RegExp(`^${MAC}$`).test(src) || parseIp(src) === undefined || parseIp(dst) === undefined) continue
    const before = found.at(-1)
    if (before && /ICMP6?,? [a-z\d]|PIMv2/.test(text.slice(before.end, match.index))) break
    found.push({
      src: normal(src),
      dst: normal(dst),
      ports: fromPort === undefined || toPort === undefined ? undefined : `${fromPort}→${toPort}`,
      end: match.index + whole.length,
    })
  }
  const arp = /(?:Request who-has (\S+?)(?: \([^)]*\))? tell (\S+?)|Reply (\S+) is-at \S+), length/.exec(text)
  if (arp) {
    const [whole, asked, asking, answered] = arp
    const [src, dst] = [asking ?? answered ?? '', asked ?? '']
    found.push({ src: normal(src), dst: normal(dst), ports: undefined, end: arp.index + whole.length })
  }
  return found
}

const last = (text: string, pattern: RegExp): RegExpMatchArray | undefined => [...text.matchAll(pattern)].at(-1)

function compare(row: CapturedRow, text: string, count: (what: string) => void): string[] {
  const wrong: string[] = []
  const hold = (what: string, ours: unknown, theirs: unknown): void => {
    count(what)
    if (ours !== theirs) wrong.push(`${what} ${String(ours)}, tcpdump ${String(theirs)}`)
  }
  const all = pairs(text)
  const inner = all.at(-1)
  const macs = last(inner ? text.slice(0, inner.end) : text, MACS)
  if (macs) hold('MACs', `${row.src_mac} ${row.dst_mac}`, `${macs[1]} ${macs[2]}`)
  if (inner === undefined) return wrong
  const head = text.slice(0, inner.end)
  const rest = text.slice(inner.end)
  // The answer of an ARP is printed without whom it is for.
  hold('addresses', inner.dst === '' ? row.src : `${row.src} ${row.dst}`, `${inner.src} ${inner.dst}`.trim())
  if (inner.ports !== undefined) hold('ports', row.ports, inner.ports)
  const outer = all.at(-2)
  // NSH stands behind Ethernet too: a tunnel without ends.
  hold(
    'tunnel',
    row.tunnel === 'none' || row.tunnel_src === '::' ? '' : `${row.tunnel_src} ${row.tunnel_dst}`,
    outer ? `${outer.src} ${outer.dst}` : '',
  )
  const four = last(head, /\(tos (0x[\da-f]+)[^()]*?, ttl (\d+)[^\n]*?proto [^(\n]*\((\d+)\)/g)
  const six = last(
    head,
    /\((?:class (0x[\da-f]+), )?(?:flowlabel 0x[\da-f]+, )?hlim (\d+), next-header [^(\n]*\((\d+)\)/g,
  )
  const ip = inner.src.includes(':') ? six : four
  if (ip) {
    hold('ToS', row.tos, Number(ip[1] ?? 0))
    hold('TTL', row.ttl, Number(ip[2]))
    // Extension headers stand before the protocol of the row.
    if (![0, 43, 44, 51, 60].includes(Number(ip[3]))) hold('protocol', row.proto, Number(ip[3]))
  }
  const vni = last(head, /vni (0x[\da-f]+|\d+)/g)
  if (vni) hold('VNI', row.vni, Number(vni[1]))
  const tags = [...head.matchAll(/vlan (\d+)/g)].map(([, tag]) => Number(tag))
  if (tags.length > 0) hold('VLAN', row.tags.join(), [tags.length > 1 ? tags[0] : 0, tags.at(-1)].join())
  const label = /label (\d+)/.exec(head)
  if (label) hold('MPLS label', row.label, Number(label[1]))
  const flags = /^[^\n]*?: Flags \[([^\]]*)\]/.exec(rest)?.[1]
  if (flags !== undefined && row.proto === 6)
    hold(
      'TCP flags',
      row.flags & 255,
      flags === 'none' ? 0 : flags.split('').reduce((sum, flag) => sum | (FLAGS[flag] ?? 0), 0),
    )
  const message = /ICMP6?,? ?([^\n]*)/.exec(rest)?.[1]
  const type = message === undefined ? undefined : ICMP.find(([words]) => words.test(message))
  if (type && (row.proto === 1 || row.proto === 58))
    hold('ICMP type', Number(row.icmp.split('/')[0]), row.proto === 1 ? type[1] : type[2])
  return wrong
}

describe('packets read as tcpdump prints them', () => {
  const used = new Set<RegExp>()
  for (const { golden, files, semantics, text } of goldensOf('the-tcpdump-group/tcpdump').filter(({ golden }) =>
    golden.startsWith('packets/'),
  )) {
    test(`${basename(golden)} (${semantics})`, async (t) => {
      const rows: CapturedRow[] = []
      for await (const row of packetRows(join(CAPTURES, files[0] as string))) rows.push(row)
      // A filter prints some packets, and counts only those.
      const filtered = /-- /.test(semantics)
      const counts: Record<string, number> = {}
      const wrong: string[] = []
      const count = (what: string): void => void (counts[what] = (counts[what] ?? 0) + 1)
      const packets = printed(text)
      assert.ok(packets.length > 0, 'packets')
      for (const packet of packets) {
        const row = filtered ? rows.find(({ micros }) => micros === packet.time) : rows[packet.number - 1]
        assert.ok(row, `packet ${packet.number}`)
        count('packets')
        for (const one of compare(row, packet.text, count)) {
          const line = `${basename(golden)}, ${packet.number}: ${one}`
          const known = DIFFERENCES.find(([difference]) => difference.test(line))
          if (known === undefined) wrong.push(line)
          else {
            used.add(known[0])
            count(`× differ: ${known[1]}`)
          }
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
