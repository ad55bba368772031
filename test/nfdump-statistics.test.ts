// The same flows in nfdump's files and in the store, and the same statistics and aggregations asked of both, in nfdump's words as
// `vnetscope query` reads them: groups, sums, times and order have to be the same.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { readKeys, readRecordOrder, readStat } from '../src/cli/query-words.ts'
import { createAsk, type Ask } from '../src/query/ask.ts'
import type { KeyValue } from '../src/query/dimensions.ts'
import { protocolNumber } from '../src/query/filter/names.ts'
import { run } from './interop/processes.ts'
import { NOON, startPeers, type Peers } from './nfdump.fixture.ts'

let peers: Peers
let ask: Ask
const range = { from: NOON - 60_000, to: NOON + 60_000 }

before(async () => {
  peers = await startPeers()
  ask = createAsk({}, { store: peers.store, clock: { now: () => NOON } })
})
after(() => peers.stop())

interface Group {
  /** The values that it is of, as nfdump writes them. */
  readonly key: string
  readonly flows: number
  readonly packets: number
  readonly bytes: number
  /** Seconds from first to last packet, and of the first since 1970, where both tell. */
  readonly first?: number
  readonly duration?: number
}

type Measure = 'flows' | 'packets' | 'bytes' | 'pps' | 'bps' | 'bpp' | 'tstart' | 'tend' | 'duration'

function nfdump(...given: readonly string[]): string {
  return run('nfdump', ['-N', '-6', '-q', '-R', peers.folder, ...given], { env: { TZ: 'UTC' } })
}

/** Of `-s`. With times to the second nfdump's CSV tells only durations exactly. */
function statOfNfdump(words: string, filter: string, count: number): Group[] {
  const text = nfdump('-s', words, '-n', String(count), '-o', 'csv', filter)
  const split = /:p(\/|$)/.test(words)
  return text
    .split('\n')
    .filter((line) => /^\d{4}-/.test(line))
    .map((line) => {
      const [, , duration, proto = '', value = '', flows, , packets, , bytes] = line.split(',')
      return {
        key: [...(split ? [proto.trim()] : []), value.trim()].join(' '),
        flows: Number(flows),
        packets: Number(packets),
        bytes: Number(bytes),
        duration: Number(duration),
      }
    })
}

/** nfdump's tags of what can be aggregated by. */
const TAGS: Readonly<Record<string, string>> = {
  proto: '%pr',
  srcip: '%sa',
  dstip: '%da',
  'srcip4/24': '%sa',
  'dstip4/24': '%da',
  'srcip6/48': '%sa',
  'dstip6/48': '%da',
  srcport: '%sp',
  dstport: '%dp',
  srcmask: '%smk',
  dstmask: '%dmk',
  srcvlan: '%svln',
  dstvlan: '%dvln',
  srcas: '%sas',
  dstas: '%das',
  inif: '%in',
  outif: '%out',
  next: '%nh',
  router: '%ra',
  insrcmac: '%ismc',
  indstmac: '%idmc',
  tos: '%tos',
  srctos: '%stos',
}

/** Of `-A`, or of `-a` where there are no keys. */
function aggregateOfNfdump(keys: string, order: string, filter: string, count: number): Group[] {
  const words = keys === '' ? ['proto', 'srcip', 'srcport', 'dstip', 'dstport'] : keys.split(',')
  const format = `fmt:%tsr %td %fl %pkt %byt ${words.map((word) => TAGS[word]).join(' ')}`
  const how = keys === '' ? ['-a'] : ['-A', keys]
  const text = nfdump(...how, '-O', order, '-n', String(count), '-o', format, filter)
  return text
    .split('\n')
    .filter((line) => /^\s*\d+\.\d/.test(line))
    .map((line) => {
      const [first, duration, flows, packets, bytes, ...values] = line.trim().split(/\s+/)
      return {
        key: values.join(' '),
        flows: Number(flows),
        packets: Number(packets),
        bytes: Number(bytes),
        first: Number(first),
        duration: Number(duration),
      }
    })
}

/** A value as nfdump writes it. */
function written(column: string, value: KeyValue): string {
  if (column === 'proto') return String(protocolNumber(String(value)) ?? value)
  if (column === 'direction') return value === 'egress' ? '1' : '0'
  if (column.endsWith('_net')) return String(value).replace(/\/\d+$/, '')
  // An aggregate that has the protocol writes type and code.
  return String(value)
}

function ofRow(columns: readonly string[], key: Readonly<Record<string, KeyValue>>): string {
  const isIcmp = key['proto'] === 'icmp' || key['proto'] === 'icmp6'
  return columns
    .map((column) => {
      const value = key[column] as KeyValue
      if (isIcmp && column === 'dst_port') return `${Math.floor(Number(value) / 256)}.${Number(value) % 256}`
      return written(column, value)
    })
    .join(' ')
}

async function recordsOf(by: readonly string[], order: Measure, filter: string, limit: number): Promise<Group[]> {
  const answer = await ask.records({ ...range, by: [...by], order, filter, limit })
  return answer.rows.map(({ key, first, last, bytes, packets, flows }) => ({
    key: ofRow(by, key),
    flows,
    packets,
    bytes,
    first: first / 1000,
    duration: (last - first) / 1000,
  }))
}

/** As `vnetscope query -s` asks: the greatest groups, or records where the order is a rate. */
async function statOf(words: string, filter: string, limit: number): Promise<[Group[], Measure]> {
  const { by, orders } = readStat(words)
  const order = orders[0] as Measure
  if (order === 'pps' || order === 'bps' || order === 'bpp') return [await recordsOf(by, order, filter, limit), order]
  const metric = order as 'flows' | 'packets' | 'bytes'
  const answer = await ask.top({ ...range, by: [...by], metric, filter, limit })
  const rows = answer.rows.map(({ key, flows, packets, bytes }) => ({
    key: by.map((column) => written(column, key[column] as KeyValue)).join(' '),
    flows,
    packets,
    bytes,
  }))
  return [rows, order]
}

/** What a group is ordered by, as nfdump has it: whole numbers. */
function measured(group: Group, order: Measure): number {
  const { bytes, packets, duration = 0, first = 0 } = group
  if (order === 'pps') return duration > 0 ? Math.floor(packets / duration) : 0
  if (order === 'bps') return duration > 0 ? Math.floor((bytes * 8) / duration) : 0
  if (order === 'bpp') return packets > 0 ? Math.floor(bytes / packets) : 0
  if (order === 'duration') return duration
  if (order === 'tstart') return first
  if (order === 'tend') return Math.round((first + duration) * 1000)
  return group[order]
}

function assertSame(ours: readonly Group[], theirs: readonly Group[], order: Measure | undefined, what: string): void {
  assert.ok(theirs.length > 1, `${what} finds ${theirs.length} groups`)
  const common = ours.map(({ first, duration, ...rest }, i) => ({
    ...rest,
    ...(theirs[i]?.first === undefined || first === undefined ? {} : { first: first.toFixed(3) }),
    ...(theirs[i]?.duration === undefined || duration === undefined ? {} : { duration: duration.toFixed(3) }),
  }))
  const wanted = theirs.map(({ first, duration, ...rest }, i) => ({
    ...rest,
    ...(first === undefined || ours[i]?.first === undefined ? {} : { first: first.toFixed(3) }),
    ...(duration === undefined || ours[i]?.duration === undefined ? {} : { duration: duration.toFixed(3) }),
  }))
  const byKey = (a: { key: string }, b: { key: string }): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
  assert.deepEqual(common.toSorted(byKey), wanted.toSorted(byKey), what)
  if (order === undefined) return
  // Equals stand in any order.
  const sequence = (groups: readonly Group[]): number[] => groups.map((group) => measured(group, order))
  assert.deepEqual(sequence(ours), sequence(theirs), `order of ${what}`)
}

const ALL = 10_000

/** Statistics and their filters; those of either side are asked where no flow has the same on both: nfdump counts it twice. */
const STATS: readonly (readonly [words: string, filter?: string])[] = [
  ['srcip'],
  ['srcip/flows'],
  ['srcip/packets'],
  ['srcip/bytes'],
  ['srcip/pps'],
  ['srcip/bps'],
  ['srcip/bpp'],
  ['srcip:p/bytes'],
  ['srcip/bytes', 'proto tcp and dst port 443'],
  ['srcip/ibyte', 'ipv6'],
  ['srcip/ipkg', 'bytes > 1k'],
  ['dstip/bytes'],
  ['dstip:p/packets', 'ipv4'],
  ['dstip/bps', 'packets > 10'],
  ['dstip/flows', 'not proto tcp'],
  ['ip/bytes', 'src net 10.0.0.0/16 and not dst net 10.0.0.0/16'],
  ['ip:p/flows', 'src ip 2001:db8::1 and not dst ip 2001:db8::1'],
  ['ip/packets', 'src ip 10.0.0.1 and not dst ip 10.0.0.1'],
  ['nhip/bytes'],
  ['nhip:p/flows', 'in if 1'],
  ['srcport/bytes'],
  ['srcport:p/flows'],
  ['srcport/packets', 'proto udp'],
  ['srcport/pps', 'proto tcp or proto udp'],
  ['dstport/bytes', 'not proto icmp and not proto icmp6'],
  ['dstport:p/flows', 'proto tcp or proto udp or proto sctp'],
  ['dstport/bpp', 'proto tcp'],
  ['dstport/flows', 'src net 10.0.0.0/8 and proto tcp'],
  ['port/bytes', 'dst port 22'],
  ['port:p/flows', 'dst port 22 and packets > 1'],
  ['tos/bytes'],
  ['tos:p/flows'],
  ['srctos/packets'],
  ['dir/flows'],
  ['dir:p/bytes'],
  ['srcas/bytes'],
  ['srcas:p/flows', 'proto tcp'],
  ['dstas/flows'],
  ['dstas/bps'],
  ['inif/bytes'],
  ['inif:p/packets'],
  ['outif/flows'],
  ['outif/bpp', 'proto udp'],
  ['if/bytes', 'in if 70000'],
  ['if:p/flows', 'in if 70000 and ipv4'],
  ['srcmask/bytes'],
  ['dstmask/flows'],
  ['mask/packets', 'src mask 8'],
  ['srcvlan/bytes'],
  ['srcvlan:p/flows', 'ipv6'],
  ['dstvlan/packets'],
  ['dstvlan/pps'],
  ['insrcmac/bytes'],
  ['indstmac/flows', 'vlan 110'],
  ['insrcmac:p/packets'],
  ['proto/flows'],
  ['proto/bytes', 'ipv6'],
  ['proto/pps'],
]

test('a statistic of nfdump has the same groups with the same sums in the same order', async (t) => {
  for (const [words, filter = 'any'] of STATS) {
    const [ours, order] = await statOf(words, filter, ALL)
    assertSame(ours, statOfNfdump(words, filter, 0), order, `-s ${words} ${filter}`)
  }
  t.diagnostic(`${STATS.length} statistics`)
})

const AGGREGATES: readonly (readonly [keys: string, order: string, filter?: string])[] = [
  ['srcip', 'flows'],
  ['srcip', 'bytes'],
  ['dstip', 'packets', 'proto tcp'],
  ['srcip,dstip', 'bytes'],
  ['srcip,dstport', 'flows', 'not proto icmp and not proto icmp6'],
  ['proto', 'packets'],
  ['proto,srcip', 'bpp'],
  ['proto,dstip', 'bps', 'packets > 10'],
  ['proto,srcport', 'pps'],
  ['proto,dstport', 'bytes', 'not proto icmp and not proto icmp6'],
  ['proto,srcip,dstip', 'tstart'],
  ['proto,srcip,dstip', 'tend', 'ipv6'],
  ['srcip,dstip', 'duration'],
  ['srcip4/24', 'bytes', 'ipv4'],
  ['dstip4/24', 'flows', 'ipv4 and proto udp'],
  ['srcip6/48', 'packets', 'ipv6'],
  ['dstip6/48', 'bytes', 'ipv6'],
  ['srcip4/24,dstip4/24', 'bytes', 'ipv4'],
  ['srcip4/24,proto', 'flows', 'ipv4'],
  ['srcmask', 'flows'],
  ['srcmask,dstmask', 'bytes'],
  ['srcvlan', 'bytes'],
  ['srcvlan,dstvlan', 'packets'],
  ['srcvlan,srcip', 'bytes', 'ipv4'],
  ['srcas', 'bytes'],
  ['srcas,dstas', 'flows'],
  ['inif,outif', 'bytes'],
  ['inif,proto', 'packets'],
  ['next', 'bytes'],
  ['next,outif', 'flows'],
  ['insrcmac,indstmac', 'bytes'],
  ['indstmac,srcvlan', 'packets'],
  ['tos', 'flows'],
  ['srctos,proto', 'bytes'],
  ['router,proto', 'bytes'],
  ['', 'bytes'],
  ['', 'tstart', 'proto tcp'],
  ['', 'packets', 'proto icmp or proto icmp6'],
]

test('flows aggregated as by nfdump are the same records', async (t) => {
  for (const [keys, order, filter = 'any'] of AGGREGATES) {
    const by = keys === '' ? ['proto', 'src_addr', 'src_port', 'dst_addr', 'dst_port'] : readKeys(keys)
    const measure = readRecordOrder(order) as Measure
    const what = `-A ${keys} -O ${order} ${filter}`
    const ours = await recordsOf(by, measure, filter, ALL)
    // By bits a second nfdump 1.7.1 doesn't order them by what it prints: 0 stands before 3,849,952,000.
    const checked = measure === 'bps' ? undefined : measure
    assertSame(ours, aggregateOfNfdump(keys, order, filter, 0), checked, what)
  }
  t.diagnostic(`${AGGREGATES.length} aggregations`)
})

/** The first few of many, whose order by the measure is the same; equals may be cut off otherwise. */
const TOPS: readonly (readonly [words: string, count: number, filter?: string])[] = [
  ['srcip/bytes', 5],
  ['srcip/flows', 3, 'proto udp'],
  ['dstip/packets', 10],
  ['dstip:p/bytes', 7, 'ipv4'],
  ['srcport/bytes', 4],
  ['inif/packets', 2],
  ['srcip/bpp', 6],
  ['proto/bytes', 3, 'src net 172.16.0.0/12'],
]

test('the first of a statistic are those of nfdump', async () => {
  for (const [words, count, filter = 'any'] of TOPS) {
    const [ours, order] = await statOf(words, filter, count)
    const theirs = statOfNfdump(words, filter, count)
    assert.equal(theirs.length, count)
    const sequence = (groups: readonly Group[]): number[] => groups.map((group) => measured(group, order))
    assert.deepEqual(sequence(ours), sequence(theirs), `-s ${words} -n ${count} ${filter}`)
  }
})

/** Both directions of a connection as one. */
const TOGETHER: readonly (readonly [how: '-b' | '-B', filter: string])[] = [
  ['-b', 'proto gre or proto esp'],
  ['-b', 'any'],
  ['-b', 'ipv6'],
  ['-b', 'bytes > 1k and not proto udp'],
  ['-B', 'proto gre or proto esp'],
  ['-B', 'proto tcp and packets > 2'],
  ['-B', 'proto tcp and src port < 1024 and dst port > 1024'],
  ['-B', 'proto udp and dst port < 1024 and src port > 1024'],
]

/** One connection with what went each way. */
interface Connection {
  readonly rest: string
  readonly packets: readonly [string, string]
  readonly bytes: readonly [string, string]
  readonly ends: readonly [string, string]
}

/** Without its direction: nfdump takes that of the flow that it read first, here it is that of the one that began first. */
function undirected({ rest, packets, bytes, ends }: Connection): string {
  const order = ends[0] < ends[1] ? ([0, 1] as const) : ([1, 0] as const)
  return [rest, ...order.flatMap((i) => [ends[i], packets[i], bytes[i]])].join(' ')
}

function directed({ rest, packets, bytes, ends }: Connection): string {
  return [rest, ...ends, ...packets, ...bytes].join(' ')
}

test('both directions put together are the same records', async () => {
  for (const [how, filter] of TOGETHER) {
    const format = 'fmt:%tsr %td %fl %ipkt %opkt %ibyt %obyt %pr %sa %sp %da %dp'
    const theirs = nfdump(how, '-O', 'bytes', '-o', format, filter)
      .split('\n')
      .filter((line) => /^\s*\d+\.\d/.test(line))
      .map((line): Connection => {
        const [first, lasts, flows, p1 = '', p2 = '', b1 = '', b2 = '', proto, sa, sp, da, dp] = line
          .trim()
          .split(/\s+/)
        const rest = [first, lasts, flows, proto].join(' ')
        return { rest, packets: [p1, p2], bytes: [b1, b2], ends: [`${sa} ${sp}`, `${da} ${dp}`] }
      })
    const by = ['proto', 'src_addr', 'src_port', 'dst_addr', 'dst_port']
    const ways = how === '-b' ? 'together' : 'clients'
    const answer = await ask.records({ ...range, by, order: 'bytes', ways, filter, limit: ALL })
    const ours = answer.rows.map((row): Connection => {
      const [proto, sa, sp, da, dp] = ofRow(by, row.key).split(' ')
      return {
        rest: [(row.first / 1000).toFixed(3), ((row.last - row.first) / 1000).toFixed(3), row.flows, proto].join(' '),
        packets: [String(row.packets), String(row.packetsBack)],
        bytes: [String(row.bytes), String(row.bytesBack)],
        ends: [`${sa} ${sp}`, `${da} ${dp}`],
      }
    })
    assert.ok(theirs.length > 10, filter)
    // From a port below 1024 to one above, -B knows who the client is.
    const text = filter.includes('port') ? directed : undirected
    assert.deepEqual(ours.map(text).toSorted(), theirs.map(text).toSorted(), `${how} ${filter}`)
  }
})

test('connections come in the order of both directions, or of the one that is named', async () => {
  const measures = {
    bytes: ['bytes', 'bytesBack'],
    ibyte: ['bytes'],
    obyte: ['bytesBack'],
    packets: ['packets', 'packetsBack'],
    ipkg: ['packets'],
    opkg: ['packetsBack'],
  } as const
  // From where the direction is beyond doubt.
  const filter = 'proto tcp and ((src port < 1024 and dst port > 1024) or (src port > 1024 and dst port < 1024))'
  for (const [word, columns] of Object.entries(measures)) {
    const theirs = nfdump('-B', '-O', word, '-n', '20', '-o', 'fmt:%ipkt %opkt %ibyt %obyt', filter)
      .split('\n')
      .filter((line) => /^\s*\d+\s+\d+\s+\d+\s+\d+\s*$/.test(line))
      .map((line) => {
        const [packets, packetsBack, bytes, bytesBack] = line.trim().split(/\s+/).map(Number) as [
          number,
          number,
          number,
          number,
        ]
        return columns.reduce((sum, name) => sum + { packets, packetsBack, bytes, bytesBack }[name], 0)
      })
    const by = ['proto', 'src_addr', 'src_port', 'dst_addr', 'dst_port']
    const order = readRecordOrder(word)
    const { rows } = await ask.records({ ...range, by, order, ways: 'clients', filter, limit: 20 })
    assert.equal(rows.length, 20)
    assert.deepEqual(
      rows.map((row) => columns.reduce((sum, name) => sum + row[name], 0)),
      theirs,
      `-B -O ${word}`,
    )
  }
})

/** Statistics that find other groups or sums, and why. */
const OTHERWISE: readonly (readonly [words: string, reason: string])[] = [
  [
    'ip/flows',
    'nfdump counts a flow twice for an address, port or interface that is on both of its sides; here it counts once',
  ],
  ['port/flows', 'the same'],
  ['if/bytes', 'the same'],
  ['as/flows', 'the same'],
  ['mask/flows', 'the same'],
  ['vlan/flows', 'here it is the VLAN in or else the VLAN out; nfdump counts both'],
  ['dstport/flows', 'nfdump keeps type and code of ICMP as the destination port; here they have columns of their own'],
  ['mpls1/flows', 'nfdump 1.7.1 counts by the low 12 bits of a label: 500000 is 288 to it'],
  ['odid/flows', 'nfdump 1.7.1 has no observation domain for the source ID of NetFlow version 9'],
  ['srcmac/flows', 'nfdump counts the address after the router too, 00:00:00:00:00:00 where none is told'],
  ['dstmac/flows', 'the same'],
  ['inmac/flows', 'nfdump 1.7.1 counts the source’s alone; here it is either'],
]

for (const [words, reason] of OTHERWISE) {
  test(`“-s ${words}” finds otherwise: ${reason}`, async () => {
    const plain = (groups: readonly Group[]): unknown[] =>
      groups.map(({ key, flows, packets, bytes }) => [key, flows, packets, bytes].join(' ')).toSorted()
    const [ours] = await statOf(words, 'any', ALL)
    assert.notDeepEqual(plain(ours), plain(statOfNfdump(words, 'any', 0)))
  })
}
