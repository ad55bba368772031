import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { hex, TCP_FRAME } from '../../test/fixtures/xdr.ts'
import { UserError } from '../base/errors.ts'
import { readCapture } from './pcap-file.ts'
import { pcapHeader, pcapPacket } from './pcap-writer.ts'

interface Read {
  readonly packets: { seconds: number; nanos: number; bytes: string; originalLength: number; linkType: number }[]
  readonly problems: string[]
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(bytes: Uint8Array, size = 1 << 16): Promise<Read> {
  const result: Read = { packets: [], problems: [] }
  for await (const packet of readCapture(pieces(bytes, size), (code, offset) =>
    result.problems.push(`${code}@${offset}`),
  )) {
    result.packets.push({ ...packet, bytes: Buffer.from(packet.bytes).toString('hex') })
  }
  return result
}

const TWO_PACKETS = Buffer.concat([
  pcapHeader(1),
  pcapPacket(1_700_000_000, 123_456_789, TCP_FRAME),
  pcapPacket(1_700_000_001, 5, TCP_FRAME.subarray(0, 20), 70),
])
const AS_READ = [
  {
    seconds: 1_700_000_000,
    nanos: 123_456_789,
    bytes: Buffer.from(TCP_FRAME).toString('hex'),
    originalLength: TCP_FRAME.length,
    linkType: 1,
  },
  {
    seconds: 1_700_000_001,
    nanos: 5,
    bytes: Buffer.from(TCP_FRAME.subarray(0, 20)).toString('hex'),
    originalLength: 70,
    linkType: 1,
  },
]

describe('captures', () => {
  const dir = mkdtempSync(join(tmpdir(), 'vnetscope-pcap-'))
  after(() => rmSync(dir, { recursive: true }))

  /** The capture as tshark writes it in another format. */
  function converted(format: string): Uint8Array {
    writeFileSync(join(dir, 'in.pcap'), TWO_PACKETS)
    execFileSync('tshark', ['-r', join(dir, 'in.pcap'), '-F', format, '-w', join(dir, 'out')], { stdio: 'ignore' })
    return readFileSync(join(dir, 'out'))
  }

  it('are read as they were written, in whatever pieces they come', async () => {
    for (const size of [1, 7, 16, 1000])
      assert.deepEqual(await read(TWO_PACKETS, size), { packets: AS_READ, problems: [] })
  })

  it('of Wireshark are read: pcap with micro- and nanoseconds, pcapng', async () => {
    assert.deepEqual(await read(converted('nsecpcap')), { packets: AS_READ, problems: [] })
    assert.deepEqual(await read(converted('pcapng')), { packets: AS_READ, problems: [] })
    const micro = AS_READ.map((packet) => ({ ...packet, nanos: packet.nanos - (packet.nanos % 1000) }))
    assert.deepEqual(await read(converted('pcap')), { packets: micro, problems: [] })
  })

  it('in big-endian order are read: pcap and pcapng', async () => {
    const pcap = hex(
      'a1b2c3d4 0002 0004 00000000 00000000 00040000 00000065 65535100 00000007 00000003 0000000a 010203',
    )
    assert.deepEqual((await read(pcap)).packets, [
      { seconds: 0x65535100, nanos: 7000, bytes: '010203', originalLength: 10, linkType: 101 },
    ])
    const section = '0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c'
    // Nanoseconds by if_tsresol 9, one second ahead by if_tsoffset
    const description =
      '00000001 0000002c 0001 0000 00040000 0009 0001 09000000 000e 0008 0000000000000001 0000 0000 0000002c'
    const packet = '00000006 00000024 00000000 00000000 3b9aca05 00000003 0000000a 01020300 00000024'
    const simple = '00000003 00000014 00000003 01020300 00000014'
    assert.deepEqual(await read(hex(section + description + packet + simple)), {
      packets: [
        { seconds: 2, nanos: 5, bytes: '010203', originalLength: 10, linkType: 1 },
        { seconds: 0, nanos: 0, bytes: '010203', originalLength: 3, linkType: 1 },
      ],
      problems: [],
    })
  })

  it('that end within a packet give what is there and say so', async () => {
    for (const capture of [TWO_PACKETS, converted('pcapng')]) {
      const whole = await read(capture)
      for (let length = 5; length < capture.length; length++) {
        const cut = await read(capture.subarray(0, length))
        assert.ok(cut.packets.length <= whole.packets.length)
        assert.ok(
          cut.problems.every((problem) => problem.startsWith('truncated@')),
          `${length}: ${cut.problems.join()}`,
        )
      }
      assert.equal((await read(capture.subarray(0, capture.length - 3))).problems.length, 1)
    }
  })

  it('with lengths that lie end with a problem, without taking the memory that they name', async () => {
    const lying = Uint8Array.from(TWO_PACKETS)
    new DataView(lying.buffer).setUint32(24 + 8, 0xfffffff0, true)
    assert.deepEqual(await read(lying), { packets: [], problems: ['bad_length@32'] })
  })

  it('that are none are refused in words', async () => {
    await assert.rejects(read(Buffer.from('no capture at all')), UserError)
    await assert.rejects(read(new Uint8Array(0)), UserError)
  })

  it('never make the reader fail otherwise', async () => {
    const originals = [TWO_PACKETS, converted('pcapng')]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, 1),
        fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 0, max: 255 })), { maxLength: 10 }),
        async (which, flips) => {
          const bytes = Uint8Array.from(originals[which] as Uint8Array)
          for (const [at, value] of flips) if (at >= 4 && at < bytes.length) bytes[at] = value
          await read(bytes)
        },
      ),
      { numRuns: 500 },
    )
  })
})
