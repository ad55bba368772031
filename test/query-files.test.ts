// `vnetscope query -r` beside nfdump: the same NetFlow in a capture and in nfcapd's file, the same questions to both.

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { parseIp } from '../src/base/address.ts'
import { askAndPrint, type Wanted } from '../src/cli/query-answers.ts'
import { openFiles, type OpenedFiles } from '../src/cli/query-files.ts'
import { pcapHeader, pcapPacket, udpPacket } from '../src/capture/pcap-writer.ts'
import { randomFrom } from '../src/store/store.fixture.ts'
import { Netflow9Encoder, type Netflow9Template } from '../src/wire/netflow9/encode.ts'
import { intoNfcapd } from './interop/peers.ts'
import { run } from './interop/processes.ts'
import { executable, temporaryFolder } from './interop/server.ts'

const FLOWS = 900
const NOON = Date.UTC(2026, 2, 1, 12)

const folder = temporaryFolder()
const exports = join(folder.path, 'exports.pcap')
const nfcapd = join(folder.path, 'nfcapd')
let theirs: string
/** The capture, and nfcapd’s file. */
let capture: OpenedFiles
let file: OpenedFiles

// Elements and their lengths (RFC 3954 §8), in the order in which `datagrams` writes them.
const AFTER_ADDRESSES = [
  [7, 2],
  [11, 2],
  [4, 1],
  [6, 1],
  [5, 1],
  [1, 8],
  [2, 8],
  [22, 4],
  [21, 4],
  [10, 4],
  [14, 4],
  [16, 4],
  [17, 4],
  [9, 1],
  [13, 1],
  [58, 2],
  [59, 2],
  [61, 1],
  [89, 1],
  [56, 6],
  [80, 6],
] as const
const templateOf = (id: number, addresses: readonly (readonly [number, number])[]): Netflow9Template => ({
  id,
  fields: [...addresses, ...AFTER_ADDRESSES].map(([type, length]) => ({ type, length })),
})
const V4 = templateOf(256, [
  [8, 4],
  [12, 4],
  [15, 4],
])
const V6 = templateOf(257, [
  [27, 16],
  [28, 16],
  [62, 16],
])

/** Requests and answers between few hosts, so that records of each kind meet again; times that are all different. */
function datagrams(): Buffer[] {
  const random = randomFrom(4)
  const below = (limit: number): number => random() % limit
  const of = <T>(...values: readonly T[]): T => values[below(values.length)] as T
  const sent: Buffer[] = []
  const encoder = new Netflow9Encoder({ sourceId: 7 }, (bytes) => sent.push(Buffer.from(bytes)))
  encoder.now = NOON
  encoder.uptime = 3_600_000
  encoder.template(V4)
  encoder.template(V6)
  for (let i = 0; i < FLOWS; i++) {
    const v6 = below(5) === 0
    const host = (n: number): Uint8Array =>
      v6 ? (parseIp(`2001:db8::${n}`) as Uint8Array) : (parseIp(`10.0.${n % 3}.${n}`) as Uint8Array).subarray(12)
    const proto = of(6, 6, 6, 17, 17, 47)
    const [client, server] = [
      of(1022, 1024, 2000, 32_767, 32_768, 49_151, 49_152, 60_000),
      of(22, 53, 443, 1023, 8080, 33_000),
    ]
    const isAnswer = below(2) === 1
    const [source, target] = [below(6), 6 + below(4)]
    encoder.beginRecord(v6 ? V6 : V4)
    encoder.octets(host(isAnswer ? target : source))
    encoder.octets(host(isAnswer ? source : target))
    encoder.octets(host(0))
    const ports = proto === 47 ? [0, 0] : isAnswer ? [server, client] : [client, server]
    for (const port of ports) encoder.u16(port)
    encoder.u8(proto)
    encoder.u8(proto === 6 ? of(0x02, 0x12, 0x18, 0x1b) : 0)
    encoder.u8(of(0, 8, 184))
    const packets = 1 + below(5000)
    encoder.u64(packets * (40 + below(1400)) + below(packets))
    encoder.u64(packets)
    // Each start is another one: in which direction the first flow went is never a matter of order.
    const first = 3_000_000 + 100 * i + below(100)
    encoder.u32(first)
    encoder.u32(first + below(90_000))
    for (const value of [of(1, 2, 3), of(1, 2), of(0, 64_500, 4_200_000_001), of(0, 64_512)]) encoder.u32(value)
    for (const value of [of(16, 24), of(0, 8)]) encoder.u8(value)
    for (const value of [of(0, 110, 120), of(0, 130)]) encoder.u16(value)
    encoder.u8(below(2))
    encoder.u8(of(64, 128))
    for (let m = 0; m < 2; m++) encoder.octets(Uint8Array.of(2, 0, 0x5e, 0x10, 0, 1 + below(3)))
    encoder.endRecord()
  }
  encoder.flush()
  return sent
}

before(async () => {
  mkdirSync(nfcapd, { recursive: true })
  const sent = datagrams()
  const packets = sent.map((payload, i) =>
    pcapPacket(
      NOON / 1000 + i,
      0,
      udpPacket({ from: [127, 0, 0, 1], to: [127, 0, 0, 1], fromPort: 40_000, toPort: 2055 }, payload),
    ),
  )
  writeFileSync(exports, Buffer.concat([pcapHeader(101), ...packets]))
  await intoNfcapd(sent, nfcapd)
  theirs = join(nfcapd, readdirSync(nfcapd).find((name) => /^nfcapd\.\d+$/.test(name)) as string)
  capture = await openFiles([exports], {})
  file = await openFiles([theirs], {})
})
after(async () => {
  await capture.source.close()
  await file.source.close()
  folder.remove()
})

const ask = promisify(execFile)

/** What the command prints of opened files. */
async function told({ source, from, to, first, last }: OpenedFiles, flags: Partial<Wanted>): Promise<string> {
  let text = ''
  const wanted = { from, to, filter: 'any', window: { first, last }, most: 10_000, N: true, ...flags }
  await askAndPrint(source, { ...wanted, out: (more) => void (text += String(more)) })
  return text
}

function nfdump(...args: readonly string[]): string {
  return run('nfdump', ['-r', theirs, '-6', '-N', ...args], { env: { TZ: 'UTC' } })
}

/** Lines as their words, so that only widths may differ; of IPv6 without the shortening of zeros. */
const words = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim().split(/\s+/).join(' '))
    .filter((line) => line !== '')

const FLOW =
  'fmt:%ts|%te|%td|%pr|%sa|%sp|%da|%dp|%flg|%tos|%pkt|%byt|%bps|%pps|%bpp|%in|%out|%sas|%das|%smk|%dmk|%svln|%dvln|%nh|%fwd|%ismc|%idmc'
const RECORD = 'fmt:%ts|%td|%pr|%sap|%dap|%pkt|%byt|%bps|%bpp|%fl'
const BOTH = 'fmt:%ts|%td|%pr|%sap|%dap|%ipkt|%ibyt|%opkt|%obyt|%fl'
/** Without a summary, in any order, cells without padding. */
const cells = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.includes('|'))
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .join('|'),
    )
    .toSorted()

/** The same lines, or the first that only one side has: all of them are too many to read. */
function same(ours: readonly string[], others: readonly string[], what: string): void {
  const only = (a: readonly string[], b: readonly string[]): string[] => {
    const counts = new Map<string, number>()
    for (const line of b) counts.set(line, (counts.get(line) ?? 0) + 1)
    return a.filter((line) => {
      const left = counts.get(line) ?? 0
      counts.set(line, left - 1)
      return left <= 0
    })
  }
  const [more, missing] = [only(ours, others), only(others, ours)]
  const text = `${what}: ${more.length} lines that the other doesn't have\n${more.slice(0, 4).join('\n')}\n${missing.length} that it alone has\n${missing.slice(0, 4).join('\n')}`
  assert.equal(more.length + missing.length, 0, text)
}

test('a capture and nfcapd’s file of the same exports hold the same flows, field by field', async () => {
  const args = { q: true, n: 0, o: FLOW }
  const [ours, read] = [cells(await told(capture, args)), cells(await told(file, args))]
  assert.equal(read.length, FLOWS)
  same(ours, read, 'capture and file')
  same(read, cells(nfdump('-q', '-o', FLOW)), 'file and nfdump')
})

test('flows are put together as by nfdump, in one way and in both', async () => {
  for (const [flags, theirFlags, format] of [
    [{ a: true }, ['-a'], RECORD],
    [{ b: true }, ['-b'], BOTH],
    [{ B: true }, ['-B'], BOTH],
    [{ b: true, filter: 'proto tcp and port 443' }, ['-b', 'proto tcp and port 443'], BOTH],
    [
      { A: 'srcip4/23,proto', filter: 'ipv4' },
      ['-A', 'srcip4/23,proto', 'ipv4'],
      'fmt:%ts|%td|%pr|%sa|%pkt|%byt|%bps|%bpp|%fl',
    ],
    [{ A: 'srcip,dstport' }, ['-A', 'srcip,dstport'], 'fmt:%ts|%td|%sa|%dp|%pkt|%byt|%bps|%bpp|%fl'],
  ] as const) {
    const ours = cells(await told(capture, { q: true, n: 0, o: format, ...flags })).map((line) =>
      // nfdump doesn't say by which mask.
      line.replace('/23|', '|'),
    )
    assert.ok(ours.length > 4)
    same(ours, cells(nfdump('-q', '-o', format, ...theirFlags)), theirFlags.join(' '))
  }
})

test('records come in nfdump’s order, and as many as asked for', async () => {
  for (const [order, column] of Object.entries({ tstart: 0, tend: -1, duration: 1, packets: 2, bytes: 3 })) {
    const format = 'fmt:%ts|%td|%pkt|%byt|%bps|%pps|%bpp'
    const ours = await told(capture, { a: true, O: order, n: 15, q: true, o: format })
    const others = nfdump('-a', '-O', order, '-n', '15', '-q', '-o', format)
    // Which of equal ones comes first is nobody's promise: the figures that decide are compared.
    const figures = (text: string): string[] =>
      text
        .split('\n')
        .filter(Boolean)
        .map((line) => line.split('|').map((cell) => cell.trim()))
        .map((row) =>
          column < 0 ? String(Date.parse(`${row[0]}Z`) + Math.round(Number(row[1]) * 1000)) : (row[column] as string),
        )
    assert.equal(figures(ours).length, 15)
    assert.deepEqual(figures(ours), figures(others), order)
  }
  // Version 1.7.1 of nfdump prints records in no order at all where these are asked of -a; here they are.
  for (const [order, tag] of Object.entries({ bps: '%bps', pps: '%pps', bpp: '%bpp' })) {
    const figures = (await told(capture, { a: true, O: order, n: 0, q: true, o: `fmt:${tag}` }))
      .split('\n')
      .filter(Boolean)
      .map(Number)
    assert.ok(figures.length > 100)
    assert.deepEqual(
      figures,
      figures.toSorted((a, b) => b - a),
    )
  }
})

test('statistics have nfdump’s figures, titles and summary', async () => {
  // Of a flow with the same port at both ends, nfdump counts the one twice.
  const filter = 'proto tcp or proto udp'
  for (const stat of [
    'srcip/bytes',
    'dstip/packets',
    'ip/flows',
    'port:p/bytes',
    'proto/bps',
    'srcas/bytes',
    'inif/packets',
    'srcvlan/flows',
    'dstport/bpp',
  ]) {
    const ours = words(await told(capture, { s: [stat], n: 50, o: 'line', filter }))
    const others = words(nfdump('-s', stat, '-n', '50', filter))
    const rows = (lines: readonly string[]): string[] =>
      lines.filter((line) => /^\d{4}-/.test(line)).map((line) => line.replaceAll('( ', '('))
    assert.ok(rows(ours).length > 1, stat)
    same(rows(ours), rows(others), stat)
    const around = (lines: readonly string[]): string[] =>
      lines.filter((line) => /^(Top|Summary:|Time window:)/.test(line))
    assert.deepEqual(around(ours), around(others), stat)
  }
})

test('several statistics come one below the other, and totals by themselves', async () => {
  const text = await told(capture, { s: ['srcip/bytes/packets', 'dstport'], o: 'line', n: 3 })
  assert.deepEqual(text.match(/^Top .*$/gm), [
    'Top 3 Src IP Addr ordered by bytes:',
    'Top 3 Src IP Addr ordered by packets:',
    'Top 3 Dst Port ordered by flows:',
  ])
  assert.equal(text.match(/^Summary: /gm)?.length, 1)
  const info = (lines: string): string[] =>
    words(lines).filter((line) => /^(Flows|Packets|Bytes|First|Last|msec)/.test(line))
  assert.deepEqual(info(await told(file, { I: true })), info(run('nfdump', ['-r', theirs, '-I'])))
})

test('the command takes files, ranges, windows of time and standard input', async () => {
  const windowed = ['-t', '2026/03/01.11:50:00-2026/03/01.11:51:20', '-a', '-q', '-N', '-o', RECORD]
  const { stdout } = await ask(executable, ['query', '-r', exports, '-n', '0', ...windowed])
  assert.ok(cells(stdout).length > 10)
  same(cells(stdout), cells(nfdump(...windowed)), '-t')
  // This version of nfdump takes +20 and reads everything: what its manual says is worked out from its times.
  const { stdout: range } = await ask(executable, ['query', '-R', nfcapd, '-t', '+20', '-I'])
  const times = cells(nfdump('-q', '-o', 'fmt:%ts|%te')).map((line) =>
    line.split('|').map((time) => Date.parse(`${time}Z`)),
  ) as [number, number][]
  const until20 = Math.min(...times.map(([first]) => first)) + 20_000
  const inside = times.filter(([, last]) => last <= until20).length
  assert.ok(inside > 10)
  assert.match(range, new RegExp(`^Flows: ${inside}\n`))
  const piped = spawnSync(executable, ['query', '-r', '-', '-I'], { input: readFileSync(exports), encoding: 'utf8' })
  assert.match(piped.stdout, new RegExp(`^Flows: ${FLOWS}\n`))
})

test('what cannot be read is said', async () => {
  const wrong = spawnSync(executable, ['query', '-r', theirs, exports], { encoding: 'utf8' })
  assert.deepEqual(
    [wrong.status, wrong.stderr.split('\n').at(-2)],
    [1, '  of several files, each needs an -r before it; -r also takes a directory'],
  )
  await assert.rejects(openFiles([join(folder.path, 'none')], {}), /can't be read/)
  const cut = join(folder.path, 'cut')
  writeFileSync(cut, readFileSync(theirs).subarray(0, 400))
  await assert.rejects(openFiles([cut], {}), /nfdump can't read/)
  const text = join(folder.path, 'text')
  writeFileSync(text, 'this is no capture')
  await assert.rejects(openFiles([text], {}), /neither a pcap nor a pcapng/)
})

test('a capture of packets is put together to flows, frame for frame', async () => {
  const path = join(folder.path, 'packets.pcap')
  const packets: Uint8Array[] = []
  for (let i = 0; i < 300; i++) {
    const payload = new Uint8Array(i)
    const packet = udpPacket(
      { from: [10, 1, 0, 1 + (i % 3)], to: [10, 1, 1, 1 + (i % 2)], fromPort: 1000 + (i % 4), toPort: 9 },
      payload,
    )
    packets.push(pcapPacket(NOON / 1000 + i / 100, 0, packet))
  }
  writeFileSync(path, Buffer.concat([pcapHeader(101), ...packets]))
  const opened = await openFiles([path], {})
  const ours = (await told(opened, { q: true, n: 0, a: true, o: 'fmt:%sap|%dap|%pkt|%byt' }))
    .split('\n')
    .filter(Boolean)
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .join(' '),
    )
    .toSorted()
  await opened.source.close()
  assert.match(opened.notes.join(), /no flow exports in it; its 300 packets were put together to flows/)
  // tshark: A <-> B, frames and bytes from B, from A, together; all of it goes one way.
  const conversations = run('tshark', ['-r', path, '-q', '-z', 'conv,udp'])
    .split('\n')
    .flatMap((line) => {
      const match = /^(\S+:\d+) +<-> (\S+:\d+) +(\d+) ([\d,]+ \S+) +(\d+) ([\d,]+ \S+) /.exec(line)
      if (!match) return []
      const [a, b, back, backBytes, forth, forthBytes] = match.slice(1) as [
        string,
        string,
        string,
        string,
        string,
        string,
      ]
      return [back === '0' ? `${a} ${b} ${forth} ${forthBytes}` : `${b} ${a} ${back} ${backBytes}`]
    })
    .map((line) => line.replaceAll(',', '').replace(/ bytes$/, ''))
    .toSorted()
  assert.equal(conversations.length, 12)
  assert.deepEqual(ours, conversations)
})
