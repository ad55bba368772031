import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { FilterNode, Side, Single, Test, Value } from './ast.ts'
import { formatFilter } from './format.ts'
import { NOUNS, type Noun } from './nouns.ts'
import { parseFilter } from './parse.ts'

function canonical(text: string): string {
  const result = parseFilter(text)
  assert.ok(result.ok, `${text}: ${result.ok ? '' : result.problem.message}`)
  return formatFilter(result.ast)
}

function problemOf(text: string) {
  const result = parseFilter(text)
  assert.ok(!result.ok, `${text} is taken`)
  return result.problem
}

test('words of nfdump are understood, whatever their case', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'any'],
    ['ANY', 'any'],
    ['src ip 10.0.0.1', 'src ip 10.0.0.1'],
    ['Host 10.0.0.1', 'ip 10.0.0.1'],
    ['src host 2001:DB8:0:0::1', 'src ip 2001:db8::1'],
    ['host esx1', 'host esx1'],
    ['net 10.1.2.3/16', 'net 10.1.0.0/16'],
    ['dst net 10.0.0.0 255.0.0.0', 'dst net 10.0.0.0/8'],
    ['net 172.16/12', 'net 172.16.0.0/12'],
    ['net 2001:db8::/32', 'net 2001:db8::/32'],
    ['port > 1024', 'port > 1024'],
    ['dst port gt 0x400', 'dst port > 1024'],
    ['port in [80,443 8000-8080]', 'port in [80, 443, 8000-8080]'],
    ['ip in [10.0.0.1, 10.1.0.0/16, 10.2.0.1-10.2.0.9]', 'ip in [10.0.0.1, 10.1.0.0/16, 10.2.0.1-10.2.0.9]'],
    ['host in [10.0.0.1 10.0.0.2]', 'ip in [10.0.0.1, 10.0.0.2]'],
    ['proto 6 or proto UDP', 'proto tcp or proto udp'],
    ['flags S and not flags AF', 'flags S and not flags FA'],
    ['flags =SA', 'flags = SA'],
    ['flags X', 'flags FSRPAU'],
    ['bytes > 64k', 'bytes > 64000'],
    ['packets >= 1.5M', 'packets >= 1500000'],
    ['duration > 5s', 'duration > 5000'],
    ['in if 3 and out if 0x3fffffff', 'in if 3 and out if 1073741823'],
    ['src vlan 110', 'src vlan 110'],
    ['mac 02-00-5E-10-00-01', 'mac 02:00:5e:10:00:01'],
    ['in src mac 0200.5e10.0001', 'src mac 02:00:5e:10:00:01'],
    ['mac 02:00:5e:10:00:01/24', 'mac 02:00:5e:00:00:00/24'],
    ['icmp type 8 and icmp-code 0', 'icmp-type 8 and icmp-code 0'],
    ['router ip 192.0.2.1', 'exporter 192.0.2.1'],
    ['exporter sw-*', 'exporter like "sw-*"'],
    ['flowdir ingress', 'direction ingress'],
    ['locality intra-host', 'locality intra_host'],
    ['vm web*', 'vm like "web*"'],
    ['src vm "a \\" b"', 'src vm "a \\" b"'],
    ['vm in [web1, db*, "big one"]', 'vm in [web1, db*, "big one"]'],
    ['tun ip 10.0.0.1', 'tun ip 10.0.0.1'],
    ['service tcp/443', 'service 443/tcp'],
    ['counted', 'counted yes'],
    ['first seen > 2026-03-01T00:00', 'first seen > 1772323200000'],
    ['ipv6 and inet', 'ipv6 and ipv4'],
    ['in packets > 3', 'packets > 3'],
    ['tcp_flags 2', 'tcp_flags = S'],
    ['flags 0x12', 'flags = SA'],
    ['flags > 15', 'flags > FSRP'],
    ['flags in [S, A]', 'flags in [S, A]'],
    ['counted in [yes no]', 'counted in [yes, no]'],
    ['src and dst port 80', 'src port 80 and dst port 80'],
    ['dst or src net 10/8', 'dst net 10.0.0.0/8 or src net 10.0.0.0/8'],
    ['not in or out if 3 and any', 'not (in if 3 or out if 3) and any'],
    ['ingress if 3 or egress if 4', 'in if 3 or out if 4'],
    ['in dst mac 02:00:5e:10:00:01', 'dst mac 02:00:5e:10:00:01'],
    ['src port = dst port', 'src port = dst port'],
    ['in if != out if', 'in if != out if'],
    ['src vm == dst vm', 'src vm = dst vm'],
    ['src_vm != dst_vm', 'src_vm != dst_vm'],
    ['src ip eq next ip', 'src ip = next ip'],
    ['src geo ch or country in [de "AT"]', 'src country CH or country in [DE, AT]'],
    ['country IN or country NE and not geo lt', 'country "IN" or country "NE" and not country "LT"'],
    [
      'src geo in [in, ch] and country ne GT and country GE',
      'src country in ["IN", CH] and country != "GT" and country "GE"',
    ],
    ['country = IN', 'country "IN"'],
    ['src country != dst country and country ""', 'src country != dst country and country ""'],
    ['as Example or src as like "Ex*"', 'as Example or src as like "Ex*"'],
    ['as in [Example*, "3 Ltd", 3320-3330 7]', 'as in [Example*, "3 Ltd", 3320-3330, 7]'],
    ['bytes > 1000 * packets', 'bytes > 1000 * packets'],
    ['bytes > 1.5k*packets', 'bytes > 1500 * packets'],
    ['src port < dst port *2 and vm w*', 'src port < 2 * dst port and vm like "w*"'],
    ['@Web and not @db.x-1', '@Web and not @db.x-1'],
    ['tunip 10.0.0.1 or inner port 80 and inner proto tcp', 'tun ip 10.0.0.1 or inner port 80 and inner proto tcp'],
    ['bytes > packets', 'bytes > packets'],
    ['vm = src', 'vm src'],
    ['vm = host', 'vm "host"'],
    ['flowdir 0 or flowdir 1', 'direction ingress or direction egress'],
    ['fwdstat noroute', 'fwdstat 131'],
    ['fwdstat > 127', 'fwdstat > 127'],
    ['vswitch 192.0.2.1', 'exporter 192.0.2.1'],
    ['vswitch "br-int"', 'exporter br-int'],
    ['outer ip 10.0.0.1 and inner net 10/8', 'tun ip 10.0.0.1 and inner ip 10.0.0.0/8'],
    ['src tun net 10.0.0.0 255.0.0.0', 'src tun ip 10.0.0.0/8'],
    ['min ttl < 5 and src tos 8', 'ttl < 5 and src tos 8'],
    ['observation domain id 7', 'engine-id 7'],
    ['proto tcp&&port 80 || ipv6', 'proto tcp and port 80 or ipv6'],
    ['# first line\nproto tcp # and what\n# not\n', 'proto tcp'],
  ]
  for (const [text, wanted] of cases) assert.equal(canonical(text), wanted, text)
})

test('not binds closer than and, and closer than or; brackets and comments are kept apart', () => {
  assert.equal(canonical('not proto tcp and port 80 or ipv6'), canonical('((not (proto tcp)) and port 80) or ipv6'))
  assert.equal(canonical('any # all of it\n and ! (ipv4 or ipv6)'), 'any and not (ipv4 or ipv6)')
  const result = parseFilter('ipv4 or ipv6 and any')
  assert.ok(result.ok && result.ast.kind === 'or' && result.ast.of[1]?.kind === 'and')
})

test('each node says in which characters it stands', () => {
  const result = parseFilter('any and  src ip 10.0.0.1')
  assert.ok(result.ok && result.ast.kind === 'and')
  assert.deepEqual(result.ast.of[1]?.span, { from: 9, to: 24 })
})

test('a mistake is pointed at, with what would be right', () => {
  const cases: readonly (readonly [string, number, number, RegExp, RegExp])[] = [
    ['protl tcp', 0, 5, /not a word/, /“proto”/],
    ['proto tpc', 6, 3, /protocol/, /“tcp”/],
    ['src vni 3', 4, 3, /no “src” side/, /without “src”/],
    ['port 99999', 5, 5, /from 0 to 65535/, /^$/],
    ['proto tcp port 80', 10, 4, /missing before “port”/, /and port/],
    ['any & any', 4, 1, /no meaning/, /“and”/],
    ['tcp', 0, 3, /a protocol, and no test/, /write “proto tcp”/],
    ['udp and port 53', 0, 3, /a protocol, and no test/, /write “proto udp”/],
    ['(any', 0, 1, /not closed/, /\)/],
    ['any)', 3, 1, /closes nothing/, /open one/],
    ['any and', 7, 0, /more must follow/, /^$/],
    ['src', 3, 0, /more must follow/, /^$/],
    ['vm "a', 3, 2, /quote/, /"/],
    ['port in 80', 8, 2, /list/, /in \[/],
    ['port in [80', 8, 1, /not closed/, /\]/],
    ['ip > 10.0.0.1', 3, 1, /compared/, /^$/],
    ['net 10.0.0.0/8 or port > 5-9', 25, 3, /range/, /^$/],
    ['vm and', 3, 3, /stands where/, /quotes/],
    ['host in [10.0.0.1, esx1]', 0, 4, /mixed/, /host in/],
    ['ip 10.0.0.256', 3, 10, /address/, /^$/],
    ['port 9-5', 5, 3, /number/, /^$/],
    ['locality intra_hots', 9, 10, /intra_host/, /“intra_host”/],
    ['any and @include web.filter', 8, 8, /one text/, /in its place/],
    ['any and @', 8, 1, /must follow “@”/, /^$/],
    ['@1', 0, 2, /can't be the name/, /a letter/],
    ['bytes > 1000 *', 14, 0, /more must follow/, /^$/],
    ['bytes > 1000 * packts', 15, 6, /can't be compared/, /“packets”/],
    ['bytes > packets * x', 18, 1, /to multiply by/, /^$/],
    ['bytes > 1000 * src ip', 19, 2, /can't be compared/, /^$/],
    ['as > Example', 5, 7, /name can't be compared/, /^$/],
    ['src nip 10.0.0.1', 4, 3, /NAT/, /^$/],
    ['ip www.example.com', 3, 15, /address/, /DNS/],
    ['src geo Switzerland', 8, 11, /two letters/, /“CH”/],
    ['country in [CH, DEU]', 16, 3, /two letters/, /^$/],
    ['src nat ip 10.0.0.1', 4, 3, /NAT/, /^$/],
    ['payload content "x"', 0, 7, /payload/, /^$/],
    ['client latency > 5', 0, 14, /latency/, /^$/],
    ['any or ingress vrf 7', 7, 11, /VRF/, /^$/],
    ['out bytes > 5', 0, 9, /other direction/, /swapping/],
    ['prev as 7', 0, 7, /AS/, /src as/],
    ['bgp next ip 10.0.0.1', 0, 11, /BGP/, /next ip/],
    ['mpls label3 > 5', 0, 11, /top label/, /mpls 3001/],
    ['asa event deny', 0, 3, /NSEL/, /^$/],
    ['ident eth0', 0, 5, /ident/, /exporter/],
    ['count > 5', 0, 5, /running number/, /^$/],
    ['ttl equal', 0, 9, /one TTL/, /ttl 64/],
    ['dst tos 3', 0, 7, /ToS/, /tos 184/],
    ['exporter id 3', 0, 11, /number/, /exporter 192/],
    ['port < src vm', 11, 2, /can't be compared with “port”/, /^$/],
    ['src port = dst prt', 15, 3, /can't be compared with “port”/, /“port”/],
    ['any and client ip 10.0.0.1', 8, 6, /client/, /src/],
    ['flags > dst port', 8, 3, /flags/, /^$/],
  ]
  for (const [text, position, length, message, hint] of cases) {
    const problem = problemOf(text)
    assert.deepEqual([problem.position, problem.length], [position, length], `${text}: ${problem.message}`)
    assert.match(problem.message, message, text)
    assert.match(problem.hint ?? '', hint, text)
    assert.ok(problem.expected.length > 0, text)
  }
})

test('too long and too deep filters are refused, not overflowed', () => {
  assert.match(problemOf(`any ${'x'.repeat(200_000)}`).message, /longer/)
  assert.match(problemOf(Array.from({ length: 2001 }, () => 'ipv4').join(' or ')).message, /more than 2000 tests/)
  const addresses = Array.from({ length: 10_000 }, (_, i) => `10.${i >> 8}.${i & 255}.1`)
  assert.ok(parseFilter(`ip in [${addresses.join(' ')}]`).ok, 'one test')
  assert.match(problemOf(`${'('.repeat(4000)}any${')'.repeat(4000)}`).message, /levels/)
  assert.match(problemOf(`${'not '.repeat(2400)}any`).message, /levels/)
  assert.ok(parseFilter(Array.from({ length: 1200 }, () => 'ipv4').join(' or ')).ok)
})

test('any text at all is answered by a tree or by a problem inside it', () => {
  const words = fc.constantFrom(
    'any',
    'and',
    'or',
    'not',
    '!',
    '(',
    ')',
    '[',
    ']',
    ',',
    'in',
    'src',
    'dst',
    'ip',
    'vm',
    'port',
    'like',
    '=',
    '"',
    "'",
    '10.0.0.1',
    '80',
    'tcp',
    'flags',
    'S',
    'counted',
    '#',
    'net',
    '10/8',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(words, { maxLength: 12 }).map((list) => list.join(' ')),
  )
  fc.assert(
    fc.property(text, (given) => {
      const result = parseFilter(given)
      if (result.ok) assert.ok(parseFilter(formatFilter(result.ast)).ok)
      else assert.ok(result.problem.position >= 0 && result.problem.position + result.problem.length <= given.length)
    }),
    { numRuns: 3000, seed: 7 },
  )
})

const span = { from: 0, to: 0 }

/** Values as the parser can make them. */
function valueOf(noun: Noun): fc.Arbitrary<Value> {
  const number = (max: number): fc.Arbitrary<Single> =>
    fc.nat({ max: Math.min(max, 2 ** 31 - 1) }).map((value) => ({ type: 'number', value }))
  const range = (of: fc.Arbitrary<Single>): fc.Arbitrary<Value> =>
    fc
      .tuple(of, of)
      .map(([a, b]) => (a.value <= b.value ? { type: 'range', low: a, high: b } : { type: 'range', low: b, high: a }))
  const name: fc.Arbitrary<Value> = fc
    .oneof(fc.string(), fc.constantFrom('and', 'web-1', 'like', '', 'ä b', 'in', '*', 'x"y\\', '#1', '80'))
    .map((value) => ({ type: 'name', value }))
  switch (noun.kind) {
    case 'country':
      return fc.constantFrom('CH', '', 'US', 'IN').map((value): Value => ({ type: 'name', value }))
    case 'as':
      return fc.oneof(name, number(noun.max), range(number(noun.max)))
    case 'ip': {
      const v4 = fc.ipV4()
      const v6 = fc.constantFrom('2001:db8::1', '::', 'fe80::1:2', '::1')
      const ip = fc.oneof(v4, v6).map((value): Single => ({ type: 'ip', value }))
      const net: fc.Arbitrary<Value> = fc.oneof(
        fc.nat(255).map((a): Value => ({ type: 'net', value: `${a}.0.0.0`, bits: 8 })),
        fc.constant<Value>({ type: 'net', value: '2001:db8::', bits: 32 }),
      )
      return fc.oneof(
        ip,
        net,
        fc.constant<Value>({
          type: 'range',
          low: { type: 'ip', value: '10.0.0.1' },
          high: { type: 'ip', value: '10.0.0.9' },
        }),
      )
    }
    case 'mac':
      return fc.oneof(
        fc.nat({ max: 2 ** 31 }).map((value): Value => ({ type: 'mac', value })),
        fc.constant<Value>({ type: 'mac-net', value: 0x0200_5e00_0000, bits: 24 }),
      )
    case 'name':
      // A name that is an address would be one of addresses behind `host`.
      return name.filter(
        (value) => !(noun.name === 'host' && value.type === 'name' && /^[\d.:a-f]+$/i.test(value.value)),
      )
    case 'enum':
      return fc.constantFrom(...Object.values(noun.values ?? {})).map((value): Value => ({ type: 'name', value }))
    case 'flags':
      return fc.integer({ min: 1, max: 255 }).map((value): Value => ({ type: 'flags', value }))
    case 'boolean':
      return fc.boolean().map((value): Value => ({ type: 'boolean', value }))
    case 'time':
      return fc.nat().map((value): Value => ({ type: 'time', value }))
    case 'service':
      return fc.oneof(
        fc.tuple(fc.nat(65_535), fc.nat(255)).map(([port, proto]): Value => ({ type: 'service', port, proto })),
        fc.constant<Value>({ type: 'service', proto: 1 }),
      )
    default:
      return fc.oneof(number(noun.max), range(number(noun.max)))
  }
}

const testNode: fc.Arbitrary<FilterNode> = fc.constantFrom(...NOUNS).chain((noun): fc.Arbitrary<FilterNode> => {
  if (noun.kind === 'bare') return fc.constant<FilterNode>({ kind: 'test', noun: noun.name, op: '=', values: [], span })
  const side = fc.option(
    fc.constantFrom(...(Object.keys(noun.columns).filter((s) => s !== 'any') as Side[]), ...(['any'] as never[])),
  )
  const pattern: fc.Arbitrary<Value> = fc.string().map((value) => ({ type: 'pattern', value }))
  return side.chain((given) => {
    const base = {
      kind: 'test' as const,
      noun: noun.name,
      ...(given === null || (given as string) === 'any' ? {} : { side: given }),
      span,
    }
    const single = (op: Test['op']) => valueOf(noun).map((value): FilterNode => ({ ...base, op, values: [value] }))
    const list = fc
      .array(valueOf(noun), { minLength: 1, maxLength: 4 })
      .map((values): FilterNode => ({ ...base, op: 'in', values }))
    if (noun.kind === 'flags') return fc.oneof(single('has'), single('='), single('>='), single('!='), list)
    const options = [single('='), single('!='), list]
    if (noun.kind === 'ip') {
      const values: Value[] = [{ type: 'column', noun: 'ip', side: 'dst' }]
      options.push(fc.constantFrom<Test['op']>('=', '!=').map((op): FilterNode => ({ ...base, op, values })))
    }
    if (noun.kind === 'number')
      options.push(
        fc
          .constantFrom<Test['op']>('=', '!=', '<', '>=')
          .chain((op) =>
            fc
              .constantFrom<Value>(
                { type: 'column', noun: 'packets', times: 1000 },
                { type: 'column', noun: 'port', side: 'dst' },
                { type: 'column', noun: 'port', side: 'src', times: 1.5 },
              )
              .map((value): FilterNode => ({ ...base, op, values: [value] })),
          ),
      )
    if (noun.kind === 'name' || noun.kind === 'as')
      options.push(pattern.map((value): FilterNode => ({ ...base, op: 'like', values: [value] })))
    if (['number', 'proto', 'duration'].includes(noun.kind)) {
      options.push(
        valueOf(noun)
          .filter((v) => v.type === 'number')
          .map((value): FilterNode => ({ ...base, op: '>=', values: [value] })),
      )
    }
    return fc.oneof(...options)
  })
})

const node: fc.Arbitrary<FilterNode> = fc.letrec<{ node: FilterNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    testNode,
    fc.constant<FilterNode>({ kind: 'any', span }),
    fc.constantFrom('web', 'Db.x-1', 'a_').map((name): FilterNode => ({ kind: 'named', name, span })),
    tie('node').map((of): FilterNode => ({ kind: 'not', of, span })),
    fc
      .tuple(fc.constantFrom('and' as const, 'or' as const), fc.array(tie('node'), { minLength: 2, maxLength: 4 }))
      .map(([kind, of]): FilterNode => ({ kind, of, span })),
  ),
})).node

function withoutSpans(tree: FilterNode): unknown {
  return JSON.parse(JSON.stringify(tree, (key, value: unknown) => (key === 'span' ? undefined : value)))
}

test('a tree written as text and read again is the same tree', () => {
  fc.assert(
    fc.property(node, (tree) => {
      const text = formatFilter(tree)
      const result = parseFilter(text)
      assert.ok(result.ok, `${text}: ${result.ok ? '' : `${result.problem.message} at ${result.problem.position}`}`)
      assert.deepEqual(withoutSpans(result.ast), withoutSpans(tree), text)
    }),
    { numRuns: 5000, seed: 11 },
  )
})
