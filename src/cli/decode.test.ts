import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import {
  counterSample,
  flowSample,
  sampledHeader,
  sflowDatagram,
  TCP_FRAME,
  tlv,
  xdr,
} from '../../test/fixtures/xdr.ts'
import { ip, ipfix, set, template } from '../../test/fixtures/netflow-messages.ts'
import { pcapHeader, pcapPacket, udpPacket } from '../capture/pcap-writer.ts'

const MAIN = new URL('./main.ts', import.meta.url).pathname
const ENDS = { from: [192, 0, 2, 1], to: [192, 0, 2, 2], fromPort: 40_000, toPort: 9999 } as const
const SFLOW = sflowDatagram([flowSample([sampledHeader(TCP_FRAME)]), counterSample([tlv(1005, xdr('eth3'))])], {
  subAgent: 5,
})
// NetFlow v5: one record 10.0.0.1:1234 → 10.0.0.2:80
const NETFLOW5 = Buffer.from(
  '00050001000003e86553510000000000000000010000000a' +
    '0a0000010a00000200000000000100020000000a000003e8000001f4000003e704d200500018060000000000181800000',
  'hex',
)
const V5 = Buffer.concat([NETFLOW5, Buffer.alloc(Math.max(0, 72 - NETFLOW5.length))])

const dir = mkdtempSync(join(tmpdir(), 'vnetscope-decode-'))
after(() => rmSync(dir, { recursive: true }))

function file(name: string, bytes: Uint8Array): string {
  const path = join(dir, name)
  writeFileSync(path, bytes)
  return path
}

function capture(...payloads: Uint8Array[]): Uint8Array {
  return Buffer.concat([
    pcapHeader(101),
    ...payloads.map((payload, i) => pcapPacket(1_700_000_000 + i, 0, udpPacket(ENDS, payload))),
  ])
}

function run(
  args: readonly string[],
  input?: Uint8Array,
): { status: number | null; lines: Record<string, unknown>[]; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    input: input ?? '',
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  const lines = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  return { status, lines, stdout, stderr }
}

describe('decode', () => {
  it('prints each sample of a capture as one JSON object a line, whatever its port', () => {
    const { status, lines, stderr } = run(['decode', file('a.pcap', capture(SFLOW))])
    assert.deepEqual([status, stderr, lines.length], [0, '', 2])
    const { flow, ...sample } = lines[0] as { flow: Record<string, unknown> }
    assert.deepEqual(sample, {
      kind: 'flow_sample',
      agent: '10.0.0.1',
      subAgent: 5,
      sequence: 1,
      source: '0:3',
      samplingRate: 400,
      samplePool: 40_000,
      drops: 0,
      input: 3,
      output: 7,
      records: [
        {
          type: 'sampled_header',
          header_protocol: 1,
          frame_length: 1518,
          stripped: 4,
          header: Buffer.from(TCP_FRAME).toString('hex'),
        },
      ],
    })
    assert.deepEqual(
      [flow['src_addr'], flow['dst_port'], flow['bytes'], flow['time_received']],
      ['10.1.2.3', 443, 1518, '2023-11-14T22:13:20.000Z'],
    )
    assert.deepEqual(lines[1], {
      kind: 'counter_sample',
      agent: '10.0.0.1',
      subAgent: 5,
      sequence: 1,
      source: '0:3',
      records: [{ type: 'port_name', name: 'eth3' }],
    })
  })

  it('tells protocols apart by content, and counts what is no flow export', () => {
    const { status, lines, stderr } = run([
      'decode',
      '--json',
      file('b.pcap', capture(SFLOW, V5, Buffer.from('GET / HTTP/1.1'))),
    ])
    assert.equal(status, 0)
    assert.deepEqual(
      lines.map((line) => line['kind']),
      ['flow_sample', 'counter_sample', 'flow'],
    )
    assert.equal(lines[2]?.['protocol'], 'netflow5')
    assert.match(stderr, /skipped 1 UDP datagrams that are no flow export/)
  })

  it('reads one datagram from standard input or a file with --raw, and captures from standard input and gzip', () => {
    assert.equal(run(['decode', '--raw', '-'], SFLOW).lines.length, 2)
    assert.equal(run(['decode', '--raw', file('one.bin', SFLOW)]).lines.length, 2)
    assert.equal(run(['decode', '-'], capture(SFLOW)).lines.length, 2)
    assert.equal(run(['decode', file('c.pcap.gz', gzipSync(capture(SFLOW)))]).lines.length, 2)
  })

  it('prints a problem for a wrong datagram and goes on with the next', () => {
    const { status, lines } = run(['decode', file('d.pcap', capture(SFLOW.subarray(0, 60), SFLOW))])
    assert.equal(status, 0)
    assert.deepEqual(
      lines.map((line) => line['kind']),
      ['problem', 'flow_sample', 'counter_sample'],
    )
    assert.deepEqual(lines[0], { kind: 'problem', code: 'truncated', offset: 60, exporter: '192.0.2.1' })
    assert.deepEqual(run(['decode', '--raw', '-'], Buffer.alloc(40, 0xee)).lines, [
      { kind: 'problem', code: 'bad_version', offset: 0, exporter: '0.0.0.0' },
    ])
  })

  it('reads IPFIX files, and names elements as a file of the user does', () => {
    const fields = [
      [8, 4],
      [7, 2, 50_000],
    ] as const
    const record = [...ip('192.0.2.1'), 1, 187]
    const filed = file(
      'a.ipfix',
      Buffer.concat([ipfix({}, set(2, template(256, fields))), ipfix({}, set(256, record))]),
    )
    const named = run(['decode', '--elements', file('own.tsv', Buffer.from('50000 7 appPort unsigned16\n')), filed])
    assert.deepEqual([named.status, named.stderr, named.lines.length], [0, '', 1])
    assert.deepEqual(named.lines[0]?.['fields'], { sourceIPv4Address: '192.0.2.1', appPort: 443 })
    const wrong = run(['decode', '--elements', file('wrong.tsv', Buffer.from('# mine\n50000 7 appPort\n')), filed])
    assert.equal(wrong.status, 1)
    assert.match(wrong.stderr, /wrong\.tsv:2: expected enterprise, id, name and type, found 3 words/)
  })

  it('sums up with --summary', () => {
    assert.deepEqual(run(['decode', '--summary', file('e.pcap', capture(SFLOW, SFLOW, V5))]).lines, [
      {
        datagrams: 3,
        records: { 'netflow5 flow': 1, 'sflow counter_sample': 2, 'sflow flow_sample': 2 },
        exporters: { '10.0.0.1 sflow 5': 4, '192.0.2.1 netflow5 0': 1 },
        structures: { 'counter port_name': 2, 'flow sampled_header': 2 },
        skipped: 0,
      },
    ])
  })

  it('sums up templates, unknown structures and problems too', () => {
    const unknown = sflowDatagram([flowSample([tlv((9999 << 12) | 7, xdr(1))]), tlv((9999 << 12) | 8, xdr(1))])
    // NetFlow v9: template 300 of one field, then two records of it
    const netflow9 = Buffer.from(
      '000900020000000065535100000000010000002a' + '0000000c012c000100080004' + '012c000c0a0000010a000002',
      'hex',
    )
    const [summary] = run([
      'decode',
      '--summary',
      file('f.pcap', capture(unknown, netflow9, SFLOW.subarray(0, SFLOW.length - 4))),
    ]).lines
    assert.deepEqual(summary?.['templates'], { '192.0.2.1 netflow9 42 300': 2 })
    assert.deepEqual(summary?.['structures'], {
      'counter port_name': 1,
      'flow sampled_header': 1,
      'unknown flow 9999:7': 1,
      'unknown sample 9999:8': 1,
    })
    assert.deepEqual(summary?.['problems'], { truncated: 1 })
  })

  it('ends with 1 and a sentence if a file is missing, is no capture or is damaged, with 2 on wrong usage', () => {
    const missing = run(['decode', join(dir, 'nothing')])
    assert.deepEqual([missing.status, /there is no such file/.test(missing.stderr)], [1, true])
    const none = run(['decode', file('text', Buffer.from('hello, world'))])
    assert.deepEqual(
      [none.status, /neither a pcap nor a pcapng/.test(none.stderr), /--raw/.test(none.stderr)],
      [1, true, true],
    )
    const damaged = run(['decode', file('cut.pcap', capture(SFLOW, SFLOW).subarray(0, -10))])
    assert.deepEqual(
      [damaged.status, damaged.lines.length > 0, /ends within a packet/.test(damaged.stderr)],
      [1, true, true],
    )
    assert.equal(run(['decode']).status, 2)
    assert.equal(run(['decode', '--nonsense', 'x']).status, 2)
  })

  it('ends quietly if nobody reads on', async () => {
    const big = file('big.pcap', capture(...Array.from({ length: 4000 }, () => SFLOW)))
    const child = spawn(process.execPath, [MAIN, 'decode', big], { stdio: ['ignore', 'pipe', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()))
    child.stdout.once('data', () => child.stdout.destroy())
    const [status] = (await once(child, 'exit')) as [number | null]
    assert.deepEqual([status, stderr], [0, ''])
  })
})

describe('replay', () => {
  async function replayed(count: number, ...args: string[]): Promise<{ payloads: string[]; stdout: string }> {
    const socket = createSocket('udp4')
    const payloads: string[] = []
    const all = new Promise<void>((resolve) => {
      socket.on('message', (message) => {
        payloads.push(message.toString('hex'))
        if (payloads.length === count) resolve()
      })
    })
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const child = spawn(process.execPath, [MAIN, 'replay', ...args, '--to', `127.0.0.1:${socket.address().port}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let stdout = ''
    child.stdout.on('data', (piece: Buffer) => (stdout += piece.toString()))
    const [status] = (await once(child, 'close')) as [number | null]
    assert.equal(status, 0)
    await all
    socket.close()
    return { payloads, stdout }
  }

  it('sends the payloads again, as they were and in their order', async () => {
    const wanted = [SFLOW, V5, SFLOW].map((payload) => Buffer.from(payload).toString('hex'))
    for (const how of [['--max'], ['--rate', '500'], ['--speed', '100']]) {
      const { payloads, stdout } = await replayed(3, file('f.pcap', capture(SFLOW, V5, SFLOW)), ...how)
      assert.deepEqual(payloads, wanted)
      assert.match(stdout, /^3 datagrams, \d+ bytes to 127\.0\.0\.1:\d+ in /)
    }
  })

  it('says what is wrong with its arguments', () => {
    assert.equal(run(['replay', 'x.pcap']).status, 2)
    assert.equal(run(['replay', 'x.pcap', '--to', 'nowhere']).status, 2)
    assert.equal(run(['replay', 'x.pcap', '--to', '127.0.0.1:9', '--rate', '-1']).status, 2)
    assert.equal(run(['replay', join(dir, 'nothing'), '--to', '127.0.0.1:9']).status, 1)
  })
})
