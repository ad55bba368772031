import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { createPlace, startStore, type Place } from '../../store/store.fixture.ts'
import type { EmbeddedStore } from '../../store/embedded.ts'
import { insertRows, type FlowRow } from '../query.fixture.ts'
import { FilterError } from './problem.ts'
import { NOUNS, type NounKind } from './nouns.ts'
import { parsedFilter, parseFilter } from './parse.ts'
import { filterSql, Params } from './sql.ts'

// Each row has a number of its own in `observation`; a filter is right if it finds the numbers that it should.

const T = Date.now() - 60_000
const ROWS: readonly FlowRow[] = [
  {
    observation: 1,
    src_addr: '10.0.0.1',
    dst_addr: '10.0.0.2',
    proto: 6,
    src_port: 40_000,
    dst_port: 443,
    tcp_flags: 0x12,
    vlan_in: 110,
    src_vm: 'web-1',
    dst_vm: 'db-1',
    src_host: 'esx1',
    dst_host: 'esx2',
    locality: 'inter_host',
    in_if: 3,
    out_if: 4,
    src_mac: 0x0200_5e10_0001,
  },
  {
    observation: 2,
    src_addr: '10.0.0.2',
    dst_addr: '10.0.0.1',
    proto: 6,
    src_port: 443,
    dst_port: 40_000,
    tcp_flags: 2,
    vlan_out: 110,
    src_vm: 'db-1',
    dst_vm: 'web-1',
    src_host: 'esx2',
    dst_host: 'esx1',
    locality: 'inter_host',
    in_if: 4,
    out_if: 3,
    bytes: 9000,
    packets: 6,
  },
  {
    observation: 3,
    src_addr: '10.1.2.3',
    dst_addr: '192.168.1.1',
    proto: 17,
    src_port: 5353,
    dst_port: 53,
    s_vlan: 200,
    vlan_in: 7,
    src_vm: 'Web_2%',
    direction: 'egress',
    tos: 184,
    ttl: 63,
    sampling_rate: 400,
    exporter: '192.0.2.2',
  },
  {
    observation: 4,
    src_addr: '2001:db8::1',
    dst_addr: '2001:db8:1::2',
    ethertype: 0x86dd,
    proto: 58,
    icmp_type: 128,
    tunnel: 'vxlan',
    vni: 5001,
    tunnel_src: '10.9.0.1',
    tunnel_dst: '10.9.0.2',
    slice: 'blue',
  },
  {
    observation: 5,
    ethertype: 0x0806,
    src_mac: 0x0200_5e10_0002,
    dst_mac: 0xffff_ffff_ffff,
    counted: false,
    time_end: T + 5000,
    bytes: 640,
    packets: 10,
  },
  {
    observation: 6,
    src_addr: '10.0.0.9',
    dst_addr: '10.0.0.9',
    proto: 132,
    src_port: 7,
    dst_port: 9,
    src_vm: `o'ne \\ "two"\n{p0:String}`,
    dst_vm: '',
    src_as: 65_000,
    dst_as: 64_512,
  },
]

let place: Place
let store: EmbeddedStore

before(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  await insertRows(
    store,
    ROWS.map((row) => ({ time_received: T, time_start: T, ...row })),
  )
})
after(async () => {
  await store.stop()
  await place.remove()
})

const exporterAddresses = (name: string): string[] => (name === 'edge' ? ['192.0.2.2'] : [])

async function found(text: string): Promise<number[]> {
  const params = new Params()
  const condition = filterSql(parsedFilter(text), params, { exporterAddresses })
  const answer = await store.query(`SELECT observation FROM flows WHERE ${condition} ORDER BY observation`, {
    params: params.values,
  })
  return answer.rows.map(([number]) => Number(number))
}

test('each noun finds the rows that it names', async () => {
  const cases: readonly (readonly [string, number[]])[] = [
    ['any', [1, 2, 3, 4, 5, 6]],
    ['not any', []],
    ['ipv4', [1, 2, 3, 6]],
    ['ipv6', [4]],
    ['ip 10.0.0.1', [1, 2]],
    ['src ip 10.0.0.1', [1]],
    ['ip != 10.0.0.1', [3, 4, 5, 6]],
    ['ip in [10.0.0.9, 10.1.0.0/16, 2001:db8::/33]', [3, 4, 6]],
    ['src ip 10.0.0.2-10.0.0.9', [2, 6]],
    ['dst net 192.168/16', [3]],
    ['net 0.0.0.0/0', [1, 2, 3, 6]],
    ['net 2001:db8:1::/48', [4]],
    ['port 443', [1, 2]],
    ['dst port < 100', [3, 4, 5, 6]],
    ['src port in [7, 5000-6000]', [3, 6]],
    ['proto tcp', [1, 2]],
    ['proto > 100', [6]],
    ['proto in [udp, icmp6]', [3, 4]],
    ['flags S', [1, 2]],
    ['flags A', [1]],
    ['flags =S', [2]],
    ['flags != S', [1]],
    ['vlan 110', [1, 2]],
    ['src vlan 110', [1]],
    ['dst vlan 110', [2]],
    ['vlan 200', [3]],
    ['vlan 0', [4, 5, 6]],
    ['vlan in [0, 7]', [3, 4, 5, 6]],
    ['mac 02:00:5e:10:00:01', [1]],
    ['mac 02:00:5e:10:00:00/40', [1, 5]],
    ['dst mac ff:ff:ff:ff:ff:ff', [5]],
    ['in if 3', [1]],
    ['if 3', [1, 2]],
    ['as 65000', [6]],
    ['src as in [64512-65534]', [6]],
    ['vm web-1', [1, 2]],
    ['src vm web*', [1, 3]],
    ['vm like "web_2%"', [3]],
    ['vm like "web_*"', [3]],
    ['vm ""', [3, 4, 5, 6]],
    [`src vm 'o\\'ne \\\\ "two"\n{p0:String}'`, [6]],
    ['src host esx1', [1]],
    ['host in [esx1, esx9]', [1, 2]],
    ['slice blue', [4]],
    ['locality inter_host', [1, 2]],
    ['locality != inter_host', [3, 4, 5, 6]],
    ['direction egress', [3]],
    ['exporter 192.0.2.2', [3]],
    ['exporter edge', [3]],
    ['not exporter 192.0.2.0/24', []],
    ['tunnel vxlan', [4]],
    ['tun proto udp', [4]],
    ['tun proto in [gre, ipip]', []],
    ['inner ip 2001:db8::/32 and inner proto icmp6', [4]],
    ['inner proto != icmp6', []],
    ['vm in ["web-1", x1, x2, x3, x4, "db-1"]', [1, 2]],
    ['exporter in [10.0.0.0/24, 192.0.2.2, edge]', [3]],
    ['src ip in [10.0.0.0/32, 10.0.0.9/32, 10.0.0.3/32, 10.0.0.4/32, 10.0.0.5/32, 2001:db8::/64]', [4, 6]],
    [
      'src net 10.0.0.0/31 and src net 10.0.0.2/31 and src net 10.0.0.8/31 and src net 10.1.2.2/31 and src net 10.9.9.0/31',
      [],
    ],
    [
      'src net 10.0.0.0/31 or src net 10.0.0.2/31 or src net 10.0.0.8/31 or src net 10.1.2.2/31 or src net 10.9.9.0/31',
      [1, 2, 3, 6],
    ],
    ['port 7 or port 9 or port 53 or port 54 or port 55', [3, 6]],
    ['tun ip 10.9.0.2', [4]],
    ['src tun ip 10.9.0.2', []],
    ['vni > 5000', [4]],
    ['ethertype arp', [5]],
    ['icmp-type 128', [4]],
    ['tos >= 100 and ttl < 64', [3]],
    ['bytes > 1k', [2]],
    ['packets in [6, 10]', [2, 5]],
    ['bpp < 100', [5]],
    ['duration >= 5s', [5]],
    ['bps 1024', [5]],
    ['bps > 8000000', []],
    ['bpp > 1499', [2]],
    ['flags in [A, S]', [1, 2]],
    ['flags in [A]', [1]],
    ['flags > 2', [1]],
    ['flags 2', [2]],
    ['flags 0', []],
    ['counted in [no]', [5]],
    ['locality in [inter_host, external]', [1, 2]],
    ['mac in [02:00:5e:10:00:01, ff:ff:ff:00:00:00/24]', [1, 5]],
    ['ethertype in [arp, 0x86dd]', [4, 5]],
    ['in if in [3-4]', [1, 2]],
    ['duration in [1s-10s]', [5]],
    [`last seen in [${T + 1}-${T + 5000}]`, [5]],
    ['exporter in [edge, 192.0.2.9]', [3]],
    ['tun ip in [10.9.0.0/31]', [4]],
    ['src and dst ip 10.0.0.9', [6]],
    ['src and dst ip 10.0.0.1', []],
    ['src or dst ip 10.0.0.1', [1, 2]],
    ['in or out if 4', [1, 2]],
    ['ingress if 4', [2]],
    ['exporter = next ip', []],
    ['exporter != src ip', [1, 2, 3, 4, 5, 6]],
    ['src ip = dst ip', [5, 6]],
    ['src ip != dst ip', [1, 2, 3, 4]],
    ['src port < dst port', [2, 6]],
    ['port > dst port', [1, 3]],
    ['in if < out if', [1]],
    ['src vm = dst vm', []],
    ['src_host = dst_host', []],
    ['src host != dst host and src host like "esx*"', [1, 2]],
    ['src mac = dst mac', [2, 3, 4, 6]],
    ['bytes > duration', [1, 2, 3, 4, 6]],
    ['first seen < last seen', [5]],
    ['inner ip 2001:db8::/32', [4]],
    ['inner ip 10.0.0.1', []],
    ['outer ip 10.9.0.1', [4]],
    ['icmp-type 0', []],
    ['icmp-type != 128', []],
    ['icmp-type < 129', [4]],
    ['flowdir egress', [3]],
    ['flowdir 1', [3]],
    ['flowdir 0', []],
    ['fwdstat ukwn', [1, 2, 3, 4, 5, 6]],
    ['fwdstat in [drop, 129-143]', []],
    ['min ttl 63', [3]],
    ['vswitch edge', [3]],
    ['mpls 0', [1, 2, 3, 4, 5, 6]],
    ['next ip 10.0.0.0/8', []],
    ['src mask 0', [1, 2, 3, 4, 5, 6]],
    ['engine-id in [1-2]', [1, 2]],
    ['pps 2', [5]],
    ['pps > 2', []],
    ['counted no', [5]],
    ['service 443/tcp', [1, 2]],
    ['service icmp6', [4]],
    ['service in [53/udp, 7/sctp]', [3, 6]],
    ['sampling_rate 400', [3]],
    ['observation in [1-2, 6]', [1, 2, 6]],
    ['protocol sflow and not ipv4', [4, 5]],
    [`time_received >= ${T} and last seen > ${T}`, [5]],
    ['time_received < 2020-01-01', []],
    ['proto tcp and (src vm web-1 or dst vm web-1) and not src port 443', [1]],
  ]
  for (const [text, wanted] of cases) assert.deepEqual(await found(text), wanted, text)
})

test('the store takes every word with every comparator, and beside every word like it', async () => {
  const values: Readonly<Record<NounKind, readonly string[]>> = {
    ip: ['10.0.0.1', '2001:db8::/32', '10.0.0.1-10.0.0.9'],
    number: ['0', '7', '3-9'],
    as: ['0', '7', '3-9', 'Example*'],
    proto: ['tcp', '3-9'],
    mac: ['02:00:5e:10:00:01', '02:00:5e:00:00:00/24'],
    name: ['web', 'w*'],
    country: ['CH', '""'],
    enum: ['unknown', 'none', 'ingress'],
    flags: ['SA', '2'],
    ethertype: ['arp', '0x86dd'],
    duration: ['5s', '1s-2s'],
    time: [String(T), '2026-01-01'],
    boolean: ['yes', 'no'],
    service: ['443/tcp', 'icmp'],
    bare: [],
  }
  const NUMBERS = new Set<NounKind>(['number', 'as', 'duration'])
  let taken = 0
  for (const [i, noun] of NOUNS.entries()) {
    const sides = ['', ...Object.keys(noun.columns).filter((side) => side !== 'any')]
    const tests = sides.flatMap((side) =>
      ['', '=', '!=', '<', '>', '<=', '>='].flatMap((op) =>
        values[noun.kind].map((value) => `${side} ${noun.name} ${op} ${value}`),
      ),
    )
    // Of numbers, which are many, a few each.
    const like = NOUNS.filter((other, j) =>
      NUMBERS.has(noun.kind) ? NUMBERS.has(other.kind) && (i + j) % 9 === 0 : other.kind === noun.kind,
    )
    for (const other of like)
      tests.push(`${noun.name} = ${other.name}`, `${noun.name} < ${other.name}`, `${noun.name} != src ${other.name}`)
    tests.push(...values[noun.kind].map((value) => `${noun.name} in [${value}]`))
    const params = new Params()
    const conditions = tests.flatMap((text) => {
      const result = parseFilter(text)
      return result.ok
        ? [filterSql(result.ast, params, { exporterAddresses: () => ['10.0.0.1'], asNumbers: () => [1, 2] })]
        : []
    })
    if (noun.kind === 'bare') conditions.push(filterSql(parsedFilter(noun.name), params))
    assert.ok(conditions.length > 0, noun.name)
    taken += conditions.length
    const list = conditions.map((condition) => `countIf(${condition})`).join(', ')
    const answer = await store.query(`SELECT ${list} FROM flows`, { params: params.values })
    assert.equal((answer.rows[0] as readonly unknown[]).length, conditions.length)
  }
  assert.ok(taken > 1000, String(taken))
})

test('an exporter of an unknown name is pointed at', () => {
  assert.throws(
    () => filterSql(parsedFilter('any and exporter nowhere'), new Params()),
    (error: unknown) => error instanceof FilterError && error.position === 8,
  )
})

test('no text of a user reaches the statement, and hostile names are only names', async () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      "' OR 1=1 --",
      "'; DROP TABLE flows; --",
      '{p0:String}',
      '{p1:Identifier}',
      '\\',
      "\\'",
      '`',
      '/*',
      '*/',
      '--',
      '%',
      '_',
      '\0',
      "\x00' OR '1",
      '\n\nDROP TABLE flows',
      '${x}',
      '$$',
      '?',
      ':a',
      '\u2028',
      '\ud800',
    ),
  )
  const noun = fc.constantFrom('vm', 'src vm', 'slice', 'dst host', 'src_vm', 'vm like', 'not vm')
  await fc.assert(
    fc.asyncProperty(noun, fc.array(hostile, { minLength: 1, maxLength: 4 }), async (word, parts) => {
      const name = parts.join('')
      const text = `${word} "${name.replaceAll(/[\\"]/g, (sign) => `\\${sign}`)}"`
      const params = new Params()
      const sql = filterSql(parsedFilter(text), params)
      assert.match(sql, /^[A-Za-z0-9_ (){}:=!]*$/)
      const answer = await store.query(`SELECT observation FROM flows WHERE ${sql}`, { params: params.values })
      const numbers = answer.rows.map(([number]) => Number(number))
      const names = ROWS.flatMap((row) => [row['src_vm'], row['dst_vm'], row['slice'], row['dst_host']])
      if (!word.startsWith('not') && word !== 'vm like' && !names.includes(name) && name !== '')
        assert.deepEqual(numbers, [])
    }),
    { numRuns: 300, seed: 5 },
  )
  // Long lists are one parameter.
  await fc.assert(
    fc.asyncProperty(fc.array(hostile, { minLength: 6, maxLength: 9 }), async (names) => {
      const written = names.map((name) => `"${name.replaceAll(/[\\"]/g, (sign) => `\\${sign}`)}"`)
      const params = new Params()
      const sql = filterSql(parsedFilter(`src vm in [${[...written, 'web-1', '"1"', '"2"'].join(', ')}]`), params)
      assert.match(sql, /^[A-Za-z0-9_ (){}:=!]*$/)
      const answer = await store.query(`SELECT observation FROM flows WHERE ${sql}`, { params: params.values })
      const wanted = ROWS.filter((row) => ['web-1', ...names].includes(String(row['src_vm'] ?? '')))
      assert.deepEqual(
        answer.rows.map(([number]) => Number(number)).toSorted(),
        wanted.map((row) => row['observation']),
      )
    }),
    { numRuns: 60, seed: 6 },
  )
  assert.equal((await found('any')).length, ROWS.length)
})

test('a filter as long as it may be, and saved ones as large as they may be, are answered', async () => {
  const list = (count: number, text: (i: number) => string, joint: string): string =>
    Array.from({ length: count }, (_, i) => text(i)).join(joint)
  const texts = [
    list(1200, () => 'ipv4', ' or '),
    list(600, (i) => `port>${60_000 - i}`, ' or '),
    `not (${list(400, (i) => `dst port ${i + 9}`, ') and not (')})`,
    `ip in [${list(700, (i) => `10.${i >> 8}.${i & 255}.9`, ' ')} 10.0.0.9]`,
    `ip in [${list(300, (i) => `2001:db8:0:${i.toString(16)}::/64`, ',')}]`,
    `${'not '.repeat(90)}ipv4`,
    '@large',
    `${list(999, (i) => `ip 10.9.${i >> 8}.${i & 255} and not port ${i + 1}`, ' or ')} or ip 10.0.0.1 and not port 9`,
    list(1000, (i) => `not (src port > ${50_000 - i} and dst ip 10.1.${i >> 8}.${i & 255})`, ' and '),
  ]
  const half = list(400, (i) => `bytes<${i} and ttl>${i & 127}`, ' or ')
  const namedFilter = (name: string): string => (name === 'large' ? '@half or not @half' : half)
  const counts = []
  for (const text of texts) {
    const params = new Params()
    const sql = filterSql(parsedFilter(text), params, { namedFilter })
    const answer = await store.query(`SELECT count() FROM flows WHERE ${sql}`, { params: params.values })
    counts.push(Number(answer.rows[0]?.[0]))
    // What the plan of a statement costs.
    assert.ok(params.comparisons < 50, `${params.comparisons} comparisons`)
  }
  assert.deepEqual(counts, [4, 0, 4, 1, 1, 4, 6, 2, 6])
})
