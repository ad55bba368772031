// Every mirrored frame of the corpus, unwrapped: tshark sees in it what it sees behind the mirror's headers in the original.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createReadStream, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { MirrorReader } from '../../src/capture/mirror.ts'
import { parseMirrors, type MirrorChoice } from '../../src/capture/mirror-choice.ts'
import { createPacketBlock } from '../../src/capture/packet-block.ts'
import { readCapture } from '../../src/capture/pcap-file.ts'
import { pcapHeader, pcapPacket } from '../../src/capture/pcap-writer.ts'
import { CAPTURES } from './pdml.ts'

const DIRECTORY = join(CAPTURES, 'packets')
const ETHERNET = 1
const MIRRORED = 'erspan || gre.proto == 0x6558 || vxlan || geneve.proto_type == 0x6558'
/** Of a packet with several headers of a kind each has all of them, from the outermost on. */
const FIELDS = [
  'erspan.vlan',
  'eth.src',
  'eth.dst',
  'vlan.id',
  'ip.src',
  'ip.dst',
  'ip.len',
  'ipv6.src',
  'ipv6.dst',
  'udp.dstport',
  'tcp.srcport',
]

/** Where one takes for a mirrored frame what the other does not, with the reason. */
const DIFFERENCES: readonly (readonly [file: string, protocols: RegExp, reason: string])[] = [
  ['tcpdump-erspan-type-iii-ft-7', /:erspan:data$/, 'frame type 7 is none that a frame is in'],
  ['tcpdump-bigtcp-', /:udp$/, 'tshark 4.0 reads no packets longer than 64 KiB, whose length field is 0'],
  ['tcpdump-nsh-over-vxlan-gpe', /:nsh:/, 'VXLAN-GPE carries no mirror'],
  ['zeek-tunnels-geneve-truncated', /:geneve:eth$/, 'the packet ends within the addresses of the inner frame'],
  [
    'zeek-tunnels-geneve-vxlan',
    /:geneve:ip:udp:vxlan:/,
    'the outer tunnel carries bare IP: what is in there was not mirrored',
  ],
]

interface Seen {
  readonly file: string
  readonly bytes: Uint8Array
  readonly original: number
  inner?: { readonly bytes: Uint8Array; readonly original: number; readonly tag: number }
}

test('frames behind ERSPAN, GRE, VXLAN and Geneve are those that tshark finds there', async () => {
  const seen: Seen[] = []
  for (const file of readdirSync(DIRECTORY).filter((name) => /\.(?:pcap|pcapng|cap|trace)$/.test(name)))
    seen.push(...(await packetsOf(file)))
  const outer = tshark(seen.map(({ bytes, original }) => ({ bytes, original })))
  const expected = tsharkMirrored(seen)
  const inner = tshark(seen.flatMap((each) => each.inner ?? []))
  let at = 0
  const used = new Set<string>()
  for (const [i, each] of seen.entries()) {
    const theirs = outer[i] as Readonly<Record<string, string>>
    const protocols = theirs['frame.protocols'] as string
    const what = `${each.file} ${protocols}`
    const ours = each.inner ? inner[at++] : undefined
    if (expected.has(i) !== (ours !== undefined)) {
      const reason = DIFFERENCES.find(([start, pattern]) => each.file.startsWith(start) && pattern.test(protocols))
      assert.ok(reason, `${ours ? 'unwrapped' : 'left out'}: ${what}`)
      used.add(reason[0])
    } else if (each.inner && ours) {
      for (const field of [...FIELDS.slice(1), 'frame.protocols'])
        assert.ok(
          isBehind(theirs[field] as string, ours[field] as string),
          `${what} ${field}: ${theirs[field]} | ${ours[field]}`,
        )
      const outside = (theirs['eth.src'] as string).split(',').length
      assert.equal((ours['eth.src'] as string).split(',').length, outside - 1, what)
      const { tag } = each.inner
      if (tag !== 0) assert.equal(theirs['erspan.vlan'], String(tag & 0xfff), what)
    }
  }
  assert.ok(at > 600, `${at} frames`)
  assert.deepEqual([...used].sort(), DIFFERENCES.map(([file]) => file).sort(), 'a difference that no longer is')
})

/** The packets of a file that are mirrors, and all of the files that are named after one. */
async function packetsOf(file: string): Promise<Seen[]> {
  const isNamed = /erspan|gre|vxlan|geneve/i.test(file)
  const mirrors = new MirrorReader(parseMirrors('erspan, gre, vxlan, geneve') as MirrorChoice[])
  const block = createPacketBlock(1)
  const found: Seen[] = []
  const source = createReadStream(join(DIRECTORY, file))
  for await (const packet of readCapture(source, () => undefined)) {
    if (packet.linkType !== ETHERNET) continue
    const bytes = Uint8Array.from(packet.bytes)
    block.bytes = bytes
    block.view = new DataView(bytes.buffer)
    block.count = 1
    block.offset[0] = 0
    block.captured[0] = bytes.length
    block.original[0] = packet.originalLength
    block.linkType[0] = ETHERNET
    block.tag[0] = 0
    mirrors.unwrap(block)
    const each: Seen = { file, bytes, original: packet.originalLength }
    if (block.count === 1) {
      const from = block.offset[0] as number
      each.inner = {
        bytes: bytes.subarray(from, from + (block.captured[0] as number)),
        original: block.original[0] as number,
        tag: block.tag[0] as number,
      }
    }
    if (isNamed || each.inner) found.push(each)
  }
  return found
}

/** Whether the last of many values, or protocols, are these. */
function isBehind(whole: string, inner: string): boolean {
  return whole === inner || inner === '' || whole.endsWith(`,${inner}`) || whole.endsWith(`:${inner}`)
}

const fieldArguments = (fields: readonly string[]): string[] => fields.flatMap((field) => ['-e', field])
/** Each packet by itself: those of other files must not be put together with it. */
const ALONE = ['ip.defragment:FALSE', 'ipv6.defragment:FALSE', 'tcp.desegment_tcp_streams:FALSE'].flatMap((setting) => [
  '-o',
  setting,
])

function tsharkLines(packets: readonly { bytes: Uint8Array; original: number }[], args: readonly string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'vnetscope-mirrors-'))
  try {
    const file = join(folder, 'packets.pcap')
    writeFileSync(
      file,
      Buffer.concat([
        pcapHeader(ETHERNET),
        ...packets.map(({ bytes, original }) => pcapPacket(1, 0, bytes, Math.max(original, bytes.length))),
      ]),
    )
    const text = execFileSync(
      'tshark',
      ['-n', '-r', file, '-d', 'udp.port==8472,vxlan', ...ALONE, '-T', 'fields', ...args],
      {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    )
    return text.split('\n').slice(0, -1)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function tshark(packets: readonly { bytes: Uint8Array; original: number }[]): Record<string, string>[] {
  const fields = ['frame.protocols', ...FIELDS]
  return tsharkLines(packets, fieldArguments(fields)).map((line) => {
    const cells = line.split('\t')
    return Object.fromEntries(fields.map((field, i) => [field, cells[i] ?? '']))
  })
}

/** Places of those that tshark takes for mirrors. */
function tsharkMirrored(packets: readonly Seen[]): Set<number> {
  return new Set(tsharkLines(packets, ['-Y', MIRRORED, '-e', 'frame.number']).map((number) => Number(number) - 1))
}
