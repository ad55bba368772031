import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MirrorReader } from './mirror.ts'
import { parseMirrors, type MirrorChoice } from './mirror-choice.ts'
import { createPacketBlock, type PacketBlock } from './packet-block.ts'

// An IPv4 packet of 28 bytes in a frame of 42, as it crossed the mirrored switch
const MACS = '525400000002' + '525400000001'
const IP = '4500001c000100004011' + '0000' + '0a580101' + '0a580102' + '1388' + '1770' + '0008' + '0000'
const FRAME = `${MACS}0800${IP}`

const OUTER = '020000000001' + '020000000002'
const hex = (number: number, bytes: number): string => number.toString(16).padStart(2 * bytes, '0')
const ipv4 = (protocol: number, payload: string): string =>
  `45000000`.replace(/0000$/, hex(20 + payload.length / 2, 2)) +
  `0000000040${hex(protocol, 1)}0000c0000201c0000202${payload}`
const ipv6 = (next: number, payload: string): string =>
  `60000000${hex(payload.length / 2, 2)}${hex(next, 1)}40${'fd'.repeat(16)}${'fe'.repeat(16)}${payload}`
const udp = (port: number, payload: string): string =>
  `c000${hex(port, 2)}${hex(8 + payload.length / 2, 2)}0000${payload}`
const over4 = (protocol: number, payload: string): string => `${OUTER}0800${ipv4(protocol, payload)}`
const over6 = (next: number, payload: string): string => `${OUTER}86dd${ipv6(next, payload)}`

/** The same frame in everything that carries it, by what has to be chosen. */
const CARRIED: readonly (readonly [choice: string, what: string, bytes: string])[] = [
  ['erspan', 'type I', over4(47, `000088be${FRAME}`)],
  // Session 5, no VLAN
  ['erspan 5', 'type II', over4(47, `100088be00000007${'1000000500000000'}${FRAME}`)],
  ['erspan 5', 'type III', over4(47, `100022eb00000007${'20000005'}${'00000001'}${'00000000'}${FRAME}`)],
  [
    'erspan',
    'type III with 8 bytes of the platform',
    over4(47, `100022eb00000007200000050000000100000001${'00'.repeat(8)}${FRAME}`),
  ],
  ['gre', 'bare', over4(47, `00006558${FRAME}`)],
  ['gre 9', 'with checksum, key and number', over4(47, `b0006558${'00000000'}${'00000009'}${'00000001'}${FRAME}`)],
  ['gre', 'in IPv6 behind an encapsulation limit', over6(60, `2f00040104010000${'00006558'}${FRAME}`)],
  ['vxlan 5000', 'VXLAN', over4(17, udp(4789, `0800000000138800${FRAME}`))],
  ['vxlan', 'in IPv6', over6(17, udp(4789, `0800000000138800${FRAME}`))],
  ['geneve 77', 'with an option of 8 bytes', over4(17, udp(6081, `0200655800004d00${'0102030100000000'}${FRAME}`))],
  ['vlan 200', 'tag in the frame', `${MACS}810000c80800${IP}`],
]

function blockOf(...frames: readonly string[]): PacketBlock {
  const block = createPacketBlock(frames.length)
  const bytes = Buffer.from(frames.join(''), 'hex')
  let at = 0
  for (const [i, frame] of frames.entries()) {
    block.offset[i] = at
    block.captured[i] = frame.length / 2
    block.original[i] = frame.length / 2
    block.linkType[i] = 1
    at += frame.length / 2
  }
  block.bytes = bytes
  block.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  block.count = frames.length
  return block
}

function unwrapped(
  choice: string,
  block: PacketBlock,
): { bytes: string; original: number; tag: number; linkType: number }[] {
  const reader = new MirrorReader(parseMirrors(choice) as MirrorChoice[])
  reader.unwrap(block)
  return Array.from({ length: block.count }, (_, i) => {
    const at = block.offset[i] as number
    return {
      bytes: Buffer.from(block.bytes.subarray(at, at + (block.captured[i] as number))).toString('hex'),
      original: block.original[i] as number,
      tag: block.tag[i] as number,
      linkType: block.linkType[i] as number,
    }
  })
}

const AS_IT_WAS = { bytes: FRAME, original: 42, tag: 0, linkType: 1 }

describe('a mirrored frame', () => {
  for (const [choice, what, bytes] of CARRIED)
    test(`is what it was before ${choice.replace(/ \d+/, '')} carried it: ${what}`, () => {
      assert.deepEqual(unwrapped(choice, blockOf(bytes)), [AS_IT_WAS])
      // Among the others, and behind a tag of the way
      const tagged = bytes.slice(0, 24) + '8100000a' + bytes.slice(24)
      const others = blockOf(FRAME, choice.startsWith('vlan') ? bytes : tagged, FRAME, bytes)
      assert.deepEqual(unwrapped(choice, others), [AS_IT_WAS, AS_IT_WAS])
    })

  test('of another session, key, network or VLAN, or of a kind that was not chosen, is left out', () => {
    for (const [choice, , bytes] of CARRIED) {
      const [kind] = choice.split(' ') as [string]
      assert.deepEqual(unwrapped(`${kind} 1`, blockOf(bytes)), [], choice)
      const other = kind === 'gre' ? 'erspan' : 'gre'
      assert.deepEqual(unwrapped(other, blockOf(bytes)), [], choice)
    }
  })

  test('whose tag the switch took off and told has it again, and one that kept it does not get a second', () => {
    // CoS 5, encapsulation 2 (802.1Q), VLAN 100
    const told = over4(47, `100088be000000071064${hex((5 << 13) | (2 << 11) | 5, 2)}00000000${FRAME}`)
    assert.deepEqual(unwrapped('erspan', blockOf(told)), [{ ...AS_IT_WAS, original: 46, tag: 0x8100a064 }])
    const inside = `${MACS}81000064${FRAME.slice(24)}`
    const kept = over4(47, `100088be000000071064${hex((3 << 11) | 5, 2)}00000000${inside}`)
    assert.deepEqual(unwrapped('erspan', blockOf(kept)), [{ ...AS_IT_WAS, bytes: inside, original: 46 }])
    const third = over4(47, `100022eb000000072064${hex(5, 2)}0000000100000000${inside}`)
    assert.deepEqual(unwrapped('erspan', blockOf(third)), [{ ...AS_IT_WAS, bytes: inside, original: 46 }])
  })

  test('in an encapsulation VLAN that the kernel took off keeps its own tag', () => {
    const inside = `${MACS}81000064${FRAME.slice(24)}`
    const block = blockOf(inside, inside)
    block.tag[0] = 0x810000c8
    block.original[0] = 50
    assert.deepEqual(unwrapped('vlan 200', block), [{ ...AS_IT_WAS, bytes: inside, original: 46 }])
  })

  test('that was cut before it was sent has the length that its IP header tells', () => {
    const cut = FRAME.replace('4500001c', '450005dc')
    assert.equal(unwrapped('erspan', blockOf(over4(47, `000088be${cut}`)))[0]?.original, 1514)
    assert.equal(unwrapped('vlan 200', blockOf(`${MACS}810000c8${cut.slice(24)}`))[0]?.original, 1514)
    const six = `${MACS}86dd${ipv6(17, '').replace('60000000' + '0000', '60000000' + '0400')}`
    assert.equal(unwrapped('gre', blockOf(over4(47, `00006558${six}`)))[0]?.original, 14 + 40 + 1024)
  })

  test('without Ethernet, as type III may carry it, is a bare IP packet', () => {
    const bare = over4(47, `100022eb00000007${'20000005'}${'00000001'}${hex(2 << 10, 4)}${IP}`)
    assert.deepEqual(unwrapped('erspan', blockOf(bare)), [{ bytes: IP, original: 28, tag: 0, linkType: 101 }])
  })

  test('of which a later fragment comes, or that is bound for another port of UDP, is no frame', () => {
    const [, , vxlan] = CARRIED.find(([choice]) => choice === 'vxlan 5000') as (typeof CARRIED)[number]
    assert.deepEqual(unwrapped('vxlan', blockOf(vxlan.replace('00000000401100', '00000001401100'))), [])
    assert.deepEqual(unwrapped('vxlan', blockOf(over4(17, udp(4790, `0800000000138800${FRAME}`)))), [])
    assert.deepEqual(unwrapped('vxlan', blockOf(over4(17, udp(4789, `0000000000138800${FRAME}`)))), [])
  })

  test('cut anywhere, or with any byte changed, never yields bytes beyond what was captured', () => {
    const all = 'erspan, gre, vxlan, geneve, vlan 200'
    const padding = 'ee'.repeat(64)
    const check = (bytes: string, captured: number): void => {
      const block = blockOf(bytes + padding)
      block.captured[0] = captured
      block.original[0] = bytes.length / 2
      new MirrorReader(parseMirrors(all) as MirrorChoice[]).unwrap(block)
      if (block.count === 0) return
      const at = block.offset[0] as number
      const length = block.captured[0] as number
      assert.ok(at >= 0 && length > 0 && at + length <= captured, bytes)
      assert.ok((block.original[0] as number) < 0x10000 + 64 && (block.original[0] as number) > 0)
    }
    for (const [, , bytes] of CARRIED) {
      const length = bytes.length / 2
      for (let captured = 0; captured <= length; captured++) check(bytes, captured)
      for (let i = 0; i < length; i++)
        for (const value of [0x00, 0x01, 0x45, 0x4f, 0x7f, 0x80, 0xff])
          check(bytes.slice(0, 2 * i) + hex(value, 1) + bytes.slice(2 * i + 2), length)
    }
  })
})

describe('the words for mirrors', () => {
  test('name kinds, with a number where one is meant', () => {
    assert.deepEqual(parseMirrors('ERSPAN, vxlan 5000,vlan 200'), [
      { kind: 'erspan', id: -1 },
      { kind: 'vxlan', id: 5000 },
      { kind: 'vlan', id: 200 },
    ])
  })

  test('are refused where they are none', () => {
    for (const text of [
      '',
      'erspan,',
      'span',
      'vlan',
      'vlan 0',
      'vlan 4095',
      'erspan 1024',
      'vxlan 16777216',
      'gre x',
      'constructor',
    ])
      assert.equal(parseMirrors(text), undefined, text)
    assert.equal(parseMirrors(Array(65).fill('gre').join()), undefined)
  })
})
