// `vnetscope capture` beside dumpcap on a veth, read by tshark; its bounds, its rings, a disk that is full, and captures that a
// probe makes for others.

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { readCaptureFile } from '../../src/capture/capture-file.ts'
import { createPacketBlock } from '../../src/capture/packet-block.ts'
import { openPacketSource } from '../../src/capture/packet-source.ts'
import { createProgram } from '../../src/cli/main.ts'
import { readCapture } from '../../src/capture/pcap-file.ts'
import { openRemoteSource } from '../../src/recording/capture-client.ts'
import type { CaptureRequest } from '../../src/recording/capture-frames.ts'
import { readCaptureKey } from '../../src/recording/capture-secret.ts'
import { createCaptureServer } from '../../src/recording/capture-server.ts'
import { createFileOutput } from '../../src/recording/file-output.ts'
import { recordLive } from '../../src/recording/record-live.ts'
import { createRecorder, type SourceCounts } from '../../src/recording/recorder.ts'
import { frameOf, writeFrames, type KnownFlow } from './frames.ts'
import { run, start, until, type Program } from './processes.ts'
import { temporaryFolder } from './server.ts'

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')
const tag = process.pid.toString(36)
const device = `tk${tag}`
const namespace = `take-${tag}`
const folder = temporaryFolder()
const inside = (...command: string[]): string => run('ip', ['netns', 'exec', namespace, ...command])
const path = (name: string): string => join(folder.path, name)

before(() => {
  run('ip', ['netns', 'add', namespace])
  run('ip', ['link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace])
  // Nothing but what is sent here
  run('sysctl', ['-qw', `net.ipv6.conf.${device}.disable_ipv6=1`])
  inside('sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=1')
  inside('ethtool', '-K', 'eth0', 'txvlan', 'off')
  run('ip', ['link', 'set', device, 'up'])
  inside('ip', 'link', 'set', 'eth0', 'up')
})
after(() => {
  run('ip', ['link', 'del', device])
  run('ip', ['netns', 'del', namespace])
  folder.remove()
})

const flow = (n: number, more: Partial<KnownFlow> = {}): KnownFlow => ({
  src: '10.77.0.2',
  dst: '10.77.0.1',
  proto: 17,
  srcPort: 5000 + n,
  dstPort: 6000,
  packets: 1,
  payload: 100,
  ...more,
})

/** A tag before that which there is. */
function outerTag(frame: Buffer, vlan: number): Buffer {
  const tagBytes = Buffer.from([0x88, 0xa8, vlan >> 8, vlan & 255])
  return Buffer.concat([frame.subarray(0, 12), tagBytes, frame.subarray(12)])
}

/** Writes the frames into a file that can be sent again and again. */
function prepared(name: string, frames: readonly Buffer[]): string {
  writeFrames(path(name), frames, Date.UTC(2026, 0, 5))
  return path(name)
}

/** From the namespace to the device, or with `from` the device itself the other way. */
function send(file: string, options: { out?: boolean; rate?: number } = {}): void {
  const args = ['-q', '-p', String(options.rate ?? 5000)]
  if (options.out === true) run('tcpreplay', [...args, '-i', device, file])
  else inside('tcpreplay', ...args, '-i', 'eth0', file)
}

async function capturing(...args: string[]): Promise<Program> {
  const program = start(process.execPath, [MAIN, 'capture', ...args])
  await until('the capture to begin', () => {
    if (program.child.exitCode !== null) throw new Error(program.output())
    return program.output().includes('capturing on') ? true : undefined
  })
  return program
}

async function capture(...args: string[]): Promise<{ status: number | null; said: string }> {
  await using program = start(process.execPath, [MAIN, 'capture', ...args])
  const status = await program.ended
  return { status, said: program.output() }
}

/** Runs the command here; it fails with such a sentence. */
async function fails(args: readonly string[], sentence: RegExp): Promise<void> {
  const program = await createProgram(['capture'])
  program.commands.find((command) => command.name() === 'capture')?.configureOutput({ writeErr: () => undefined })
  await assert.rejects(program.parseAsync(['capture', ...args], { from: 'user' }), sentence)
}

async function framesOf(file: string): Promise<string[]> {
  const frames: string[] = []
  async function* source(): AsyncGenerator<Uint8Array> {
    yield readFileSync(file)
  }
  for await (const packet of readCapture(source(), (code) => assert.fail(code)))
    frames.push(Buffer.from(packet.bytes).toString('hex'))
  return frames
}

/** What tshark finds in a file: values of the fields, a line for each packet. */
function fields(file: string, ...names: string[]): string[] {
  const lines = run('tshark', ['-r', file, '-T', 'fields', ...names.flatMap((name) => ['-e', name])])
  return lines === '' ? [] : lines.trimEnd().split('\n')
}

/** Source ports of frames without a tag. */
const portsOf = async (file: string): Promise<number[]> =>
  (await framesOf(file)).map((frame) => Number.parseInt(frame.slice(68, 72), 16))

const sizeOf = (file: string): number => statSync(file).size

describe('vnetscope capture', () => {
  test('takes the packets that dumpcap takes, byte for byte, with names, directions and tags', async () => {
    const inward = prepared('in.pcap', [
      frameOf(flow(1), 0),
      frameOf(flow(2, { vlan: 0x6123 }), 0),
      outerTag(frameOf(flow(3, { vlan: 7 }), 0), 200),
      frameOf(flow(4, { payload: 1400 }), 0),
      frameOf(flow(5, { proto: 6 }), 0),
    ])
    const outward = prepared('out.pcap', [frameOf(flow(6), 0), frameOf(flow(7, { vlan: 5 }), 0)])
    const [ours, theirs] = [path('ours.pcapng'), path('theirs.pcapng')]
    await using dumpcap = start('dumpcap', ['-q', '-c', '6', '-i', device, '-f', 'udp or vlan', '-w', theirs])
    await dumpcap.said('File:')
    await using program = await capturing(device, 'udp', 'or', 'vlan', '-w', ours, '--comment', 'of a test')
    send(inward)
    send(outward, { out: true })
    assert.equal(await program.stop('SIGINT'), 0, program.output())
    await dumpcap.ended

    const sent = [...(await framesOf(inward)).slice(0, 4), ...(await framesOf(outward))]
    assert.deepEqual(await framesOf(ours), sent)
    assert.deepEqual(await framesOf(theirs), sent)
    const seen = ['frame.len', 'frame.protocols', 'vlan.id', 'ieee8021ad.id', 'udp.srcport']
    assert.deepEqual(fields(ours, ...seen), fields(theirs, ...seen))
    const [inbound, outbound] = ['0x00000001', '0x00000002']
    assert.deepEqual(
      fields(ours, 'frame.interface_name', 'frame.packet_flags_direction'),
      [inbound, inbound, inbound, inbound, outbound, outbound].map((way) => `${device}\t${way}`),
    )
    assert.match(
      program.output(),
      /6 packets captured, 0 dropped by the kernel, 6 written .*; ended when it was told to/,
    )
    const info = run('capinfos', [ours])
    assert.match(info, /Capture application: vnetscope /)
    assert.match(info, /Capture comment: +of a test/)
    assert.match(info, /Filter string = udp or vlan/)
    assert.match(info, /Time precision = nanoseconds/)
    assert.match(info, /Number of stat entries = 1/)
  })

  test('gives tshark in a pipe the packets as they come, and ends with it', async () => {
    const file = prepared(
      'few.pcap',
      Array.from({ length: 8 }, (_, n) => frameOf(flow(n), 0)),
    )
    const command = `"$0" "$1" capture ${device} -w - udp | tshark -l -r - -c 5 -T fields -e udp.srcport`
    await using pipe = start('sh', ['-c', command, process.execPath, MAIN])
    await pipe.said('capturing on')
    send(file)
    await pipe.said('5004')
    send(file)
    assert.equal(await pipe.ended, 0)
    assert.match(pipe.output(), /ended because who read the packets has gone/)
    assert.doesNotMatch(pipe.output(), /EPIPE|Error/)
  })

  test('ends after so many packets, and keeps a ring of files within its bounds over runs', async () => {
    const frames = Array.from({ length: 600 }, (_, n) => frameOf(flow(n, { payload: 200 }), 0))
    const file = prepared('ring.pcap', frames)
    const ring = path('ring')
    mkdirSync(ring)
    const names = (): string[] => readdirSync(ring).toSorted()
    for (const numbers of [
      [4, 5, 6],
      [10, 11, 12],
    ]) {
      await using program = await capturing(
        device,
        'udp',
        '-w',
        join(ring, 'r.pcapng'),
        '-C',
        '30k',
        '-W',
        '3',
        '-c',
        '600',
      )
      send(file)
      assert.equal(await program.ended, 0)
      assert.match(program.output(), /files of 30 kB of which the newest 3 are kept/)
      assert.match(program.output(), /600 packets captured, .* in 3 files, .*; ended after 600 packets/)
      assert.deepEqual(
        names().map((name) => Number(/^r_(\d{5})_\d{14}\.pcapng$/.exec(name)?.[1])),
        numbers,
      )
    }
    const files = names().map((name) => join(ring, name))
    assert.ok(files.every((name) => sizeOf(name) <= 30_000))
    const kept = (await Promise.all(files.map(framesOf))).flat()
    assert.deepEqual(
      kept,
      frames.slice(-kept.length).map((frame) => frame.toString('hex')),
    )
    assert.ok(kept.length > 200)
  })

  test('carries on where the disk is full, says it once, and writes whole packets again when there is room', async () => {
    const disk = path('disk')
    mkdirSync(disk)
    run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk])
    try {
      const file = join(disk, 'full.pcapng')
      const ballast = join(disk, 'ballast')
      writeFileSync(ballast, Buffer.alloc(600_000))
      const frames = Array.from({ length: 700 }, (_, n) => frameOf(flow(n, { payload: 1000 }), 0))
      await using program = await capturing(device, 'udp', '-w', file, '--status', '1')
      send(prepared('much.pcap', frames), { rate: 20_000 })
      await program.said('the disk is full')
      await program.said(' 700 packets, ')
      rmSync(ballast)
      send(prepared('late.pcap', [frameOf(flow(9999), 0)]))
      await program.said('there is room again')
      assert.equal(await program.stop(), 0, program.output())
      const said = program.output()
      assert.equal(said.split('the disk is full: packets').length, 2, said)
      assert.equal(said.split('there is room again:').length, 2, said)
      const [, written, missing] =
        /701 packets captured, .*, (\d+) written .*, (\d+) not, because the disk was full/.exec(said) ?? []
      assert.equal(Number(written) + Number(missing), 701)
      const ports = fields(file, 'udp.srcport').map(Number)
      assert.equal(ports.length, Number(written))
      assert.deepEqual(ports, [...Array.from({ length: ports.length - 1 }, (_, n) => (5000 + n) & 0xffff), 5000 + 9999])
      assert.match(run('capinfos', [file]), /Number of stat entries = 1/)
    } finally {
      run('umount', ['--lazy', disk])
    }
  })

  test('keeps fewer files of a ring where the disk is full, and the newest packets whole', async () => {
    const disk = path('ring-disk')
    mkdirSync(disk)
    run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk])
    try {
      const said: string[] = []
      const output = createFileOutput(
        { path: join(disk, 'r.pcapng'), isNumbered: true, most: 20 },
        { clock: systemClock, say: (sentence) => void said.push(sentence) },
      )
      const recorder = createRecorder(
        {
          section: { application: 'a test', system: '', hardware: '', comment: '' },
          snapshotLength: 262_144,
          knowsInbound: false,
          bounds: { packets: Infinity, bytes: Infinity, fileBytes: 40_000, fileSeconds: Infinity },
        },
        {
          output,
          clock: systemClock,
          counts: () => undefined,
          interfaceOf: (_port, linkType) => ({
            linkType,
            snapshotLength: 262_144,
            name: '',
            filter: '',
            speed: 0,
            system: '',
            description: '',
          }),
        },
      )
      const frames = Array.from({ length: 2500 }, (_, n) => frameOf(flow(n, { payload: 200 }), 0))
      for await (const block of readCaptureFile(prepared('ring-full.pcap', frames), (code) => assert.fail(code)))
        for (let at = 0; at < block.count; await recorder.ready()) at = recorder.take(block, at, 0)
      await recorder.end('')
      await output.close()
      assert.deepEqual(said, [
        `the disk is full: the ring of ${join(disk, 'r.pcapng')} keeps fewer files than it might`,
      ])
      assert.equal(output.unwritten, 0)
      const files = readdirSync(disk)
        .toSorted()
        .map((name) => join(disk, name))
      assert.deepEqual(output.names, files)
      assert.ok(files.length > 4 && files.length < 7, String(files.length))
      const kept = (await Promise.all(files.map(framesOf))).flat()
      assert.deepEqual(
        kept,
        frames.slice(-kept.length).map((frame) => frame.toString('hex')),
      )
    } finally {
      run('umount', ['--lazy', disk])
    }
  })

  test('goes on as another user, begins another file at SIGHUP, and ends them whole', async () => {
    const owned = path('owned')
    mkdirSync(owned)
    chmodSync(folder.path, 0o755)
    run('chown', ['nobody', owned])
    const file = prepared(
      'three.pcap',
      Array.from({ length: 3 }, (_, n) => frameOf(flow(n), 0)),
    )
    await using program = await capturing(device, 'udp', '-w', join(owned, 'h.pcapng'), '-G', '1h', '--user', 'nobody')
    const count = (): number => readdirSync(owned).length
    const lengths = (): number[] =>
      readdirSync(owned)
        .toSorted()
        .map((name) => sizeOf(join(owned, name)))
    const head = lengths()[0] as number
    send(file)
    await until('packets in the first file', () => ((lengths()[0] as number) > head ? true : undefined))
    program.child.kill('SIGHUP')
    await until('a second file', () => (count() === 2 ? true : undefined))
    send(file)
    assert.equal(await program.stop(), 0, program.output())
    const names = readdirSync(owned)
      .toSorted()
      .map((name) => join(owned, name))
    const nobody = Number(run('id', ['-u', 'nobody']))
    for (const name of names) {
      assert.equal(statSync(name).uid, nobody)
      assert.deepEqual(await portsOf(name), [5000, 5001, 5002])
    }
  })

  test('filters, cuts and bounds what a file has', async () => {
    const file = prepared(
      'known.pcap',
      Array.from({ length: 9 }, (_, n) => frameOf(flow(n), 0)),
    )
    const cut = path('cut.pcapng')
    const { status, said } = await capture(
      file,
      'src',
      'port',
      '5002',
      'or',
      'dst',
      'port',
      '6000',
      '-c',
      '4',
      '-s',
      '64',
      '-w',
      cut,
    )
    assert.equal(status, 0, said)
    assert.deepEqual(fields(cut, 'frame.time_epoch', 'frame.len', 'frame.cap_len', 'udp.srcport'), [
      '1767571200.000000000\t142\t64\t5000',
      '1767571200.000020000\t142\t64\t5001',
      '1767571200.000040000\t142\t64\t5002',
      '1767571200.000060000\t142\t64\t5003',
    ])
  })

  test('writes to standard output where that is a file, and into a pipe with a name', async () => {
    const file = prepared('two.pcap', [frameOf(flow(1), 0), frameOf(flow(2), 0)])
    const [out, pipe, piped] = [path('stdout.pcapng'), path('pipe'), path('piped.pcapng')]
    run('mkfifo', [pipe])
    const command = `"$0" "$1" capture ${file} -w - > ${out}; cat ${pipe} > ${piped} & "$0" "$1" capture ${file} -w ${pipe}; wait`
    run('sh', ['-c', command, process.execPath, MAIN])
    for (const name of [out, piped]) assert.deepEqual(await portsOf(name), [5001, 5002])
  })

  test('says in one sentence what is wrong', async () => {
    const file = prepared('one.pcap', [frameOf(flow(0), 0)])
    const cases: readonly (readonly [args: readonly string[], said: RegExp])[] = [
      [['tk-nowhere', '-w', path('x')], /no network device “tk-nowhere”/],
      [['./nowhere.pcap', '-w', path('x')], /there is no capture file \.\/nowhere\.pcap/],
      [
        [device, 'udp', 'prot', '53', '-w', path('x')],
        /“udp prot 53” is wrong: .*syntax error\n {2}udp prot 53\n {6}\^{4}$/,
      ],
      [[device, '-w', '/nowhere/at/all.pcapng'], /\/nowhere\/at\/all\.pcapng can’t be written \(ENOENT\)/],
      [[device, '-w', '-', '-W', '3'], /standard output can’t be cut into files/],
      [[file, '-w', path('x'), '--duration', '5'], /--duration is for what comes live/],
      [[file, '-w', file], /can’t be read and written at the same time/],
      [['probe://nowhere', '-w', path('x')], /names no probe/],
      [['probe://127.0.0.1:9', '-w', path('x')], /needs the secret that it shares/],
      [[device, '-w', path('x'), '--duration', 'soon'], /Expected a time such as 90, 10m or 1h/],
    ]
    for (const [args, expected] of cases) await fails(args, expected)
  })
})

describe('captures at a probe', () => {
  const secret = (name: string, text: string): string => {
    writeFileSync(path(name), `${text}\n`, { mode: 0o600 })
    return path(name)
  }
  const right = secret('right', 'a secret that both of them have')
  const configured = (name: string, more: string): string => {
    const file = path(name)
    writeFileSync(
      file,
      `sflow {
  agentip = 192.0.2.7
  collector { ip = 127.0.0.1 udpport = 9 }
  virtualswitch {
    pcap { device = ${device} }
    uplink { mac = 00:14:22:59:22:77 }
  }
}
${more}`,
    )
    return file
  }

  test('are refused unless its configuration allows them, and to those with another secret; all is said', async () => {
    const config = configured('probe.conf', '')
    await using probe = start(process.execPath, [MAIN, 'probe', '--config', config])
    await probe.said('monitoring')
    const listening = (): string =>
      run('ss', ['-Hlntp'])
        .split('\n')
        .filter((line) => line.includes(`pid=${probe.child.pid}`))
        .join()
    assert.equal(listening(), '')

    configured('probe.conf', `capture { listen = 127.0.0.1:0 secretfile = ${right} maxbytes = 20k maxseconds = 30 }`)
    probe.child.kill('SIGHUP')
    const port = await until('captures to be served', () => /served at 127\.0\.0\.1:(\d+)/.exec(probe.output())?.[1])
    const at = `probe://127.0.0.1:${port}`

    const other = secret('other', 'a secret of somebody else')
    const no = path('no.pcapng')
    await fails([at, '-w', no, '--secret-file', other], /has another secret/)
    await fails([`${at}/lo`, '-w', no, '--secret-file', right], /refuses: captures on lo are not allowed here$/)
    const marked = /refuses: the packet filter “udp prot 53” is wrong.*\n {2}udp prot 53\n {6}\^{4}$/
    await fails([at, 'udp', 'prot', '53', '-w', no, '--secret-file', right], marked)
    assert.equal(existsSync(no), false)

    const frames = Array.from({ length: 200 }, (_, n) => frameOf(flow(n), 0))
    const file = path('remote.pcapng')
    await using program = await capturing(at, 'udp', '-w', file, '--secret-file', right)
    send(prepared('remote.pcap', frames))
    assert.equal(await program.ended, 0, program.output())
    assert.match(program.output(), /ended by the probe, before more than 20000 bytes/)
    const taken = await framesOf(file)
    assert.ok(taken.length > 90 && sizeOf(file) < 21_000, `${taken.length} ${sizeOf(file)}`)
    assert.deepEqual(
      taken,
      frames.slice(0, taken.length).map((frame) => frame.toString('hex')),
    )
    assert.deepEqual(
      new Set(fields(file, 'frame.interface_name', 'frame.packet_flags_direction')),
      new Set([`${device}\t0x00000001`]),
    )
    configured('probe.conf', '')
    probe.child.kill('SIGHUP')
    await probe.said('no longer served')
    assert.equal(listening(), '')
    assert.equal(await probe.stop(), 0)
    const who = '\\S+@\\S+ at 127\\.0\\.0\\.1'
    for (const line of [
      `capture refused to ${who}: it has another secret`,
      `capture refused to ${who}: captures on lo are not allowed here`,
      `capture refused to ${who}: the packet filter “udp prot 53” is wrong`,
      `capture for ${who}: ${device} \\(udp\\), at most 20000 bytes or 30 s`,
      `capture for ${who} ended before more than 20000 bytes: ${taken.length} packets, \\d+ bytes sent, 0 packets dropped`,
    ])
      assert.match(probe.output(), new RegExp(line))
  })

  test('leave their own connection out, on the device over which they go', async () => {
    const key = readCaptureKey(right)
    const most = { bytes: 1e6, seconds: 30, snapshotLength: 262_144, captures: 1 }
    const server = createCaptureServer(
      { host: '::1', port: 0, key, devices: ['lo'], most },
      { clock: systemClock, openSource: openPacketSource, program: 'a probe', say: () => undefined },
    )
    await server.start()
    await using _stopped = { [Symbol.asyncDispose]: () => server.stop() }
    const request = { version: 1, device: 'lo', filter: 'ip6', snapshotLength: 200, promiscuous: false } as const
    const bounds = { packets: 1e6, bytes: 1e6, seconds: 30 }
    const target = { host: '::1', port: server.port, key, who: 'a test' }
    const source = await openRemoteSource(target, { ...request, ...bounds })
    using _closed = { [Symbol.dispose]: () => source.close() }
    const socket = createSocket('udp6')
    const block = createPacketBlock()
    const frames: Buffer[] = []
    const mine = Buffer.from(`one of ${tag}`)
    // Each of its packets would make another
    await until('twenty packets', () => {
      socket.send(mine, 9, '::1')
      while (source.next(block)) {
        for (let i = 0; i < block.count; i++) {
          const at = block.offset[i] as number
          frames.push(Buffer.from(block.bytes.subarray(at, at + (block.captured[i] as number))))
        }
        source.release()
      }
      return frames.filter((frame) => frame.includes(mine)).length >= 20 ? true : undefined
    })
    socket.close()
    // TCP behind Ethernet and IPv6, from or to the server
    const own = frames.filter(
      (frame) => frame[20] === 6 && [frame.readUInt16BE(54), frame.readUInt16BE(56)].includes(server.port),
    )
    assert.equal(own.length, 0)
  })

  test('are made by a meter, too, if it is told so', async () => {
    const args = ['meter', '-i', device, '-n', '127.0.0.1:9', '--captures', '127.0.0.1:0', '--capture-secret', right]
    await using meter = start(process.execPath, [MAIN, ...args])
    const port = await until('captures to be served', () => /served at 127\.0\.0\.1:(\d+)/.exec(meter.output())?.[1])
    const file = path('metered.pcapng')
    await using program = await capturing(
      `probe://127.0.0.1:${port}`,
      'udp',
      '-w',
      file,
      '-c',
      '2',
      '--secret-file',
      right,
    )
    send(prepared('metered.pcap', [frameOf(flow(1), 0), frameOf(flow(2), 0)]))
    assert.equal(await program.ended, 0, program.output())
    assert.deepEqual(await portsOf(file), [5001, 5002])
    assert.equal(await meter.stop(), 0)
    assert.match(meter.output(), /^2 packets, /m)
  })

  test('wait for who reads slowly, in bounded memory; what was dropped meanwhile is counted and told in the file', async () => {
    const say = (): void => undefined
    const key = readCaptureKey(right)
    const server = createCaptureServer(
      {
        host: '127.0.0.1',
        port: 0,
        key,
        devices: [device],
        most: { bytes: 1e9, seconds: 60, snapshotLength: 262_144, captures: 1 },
      },
      { clock: systemClock, openSource: openPacketSource, program: 'a probe', say },
    )
    await server.start()
    await using _stopped = { [Symbol.asyncDispose]: () => server.stop() }
    const request: CaptureRequest = {
      version: 1,
      device: '',
      filter: 'udp',
      snapshotLength: 262_144,
      promiscuous: true,
      packets: 1e9,
      bytes: 1e9,
      seconds: 60,
    }
    const target = { host: '127.0.0.1', port: server.port, key, who: 'a test' }
    const source = await openRemoteSource(target, request)
    using _closed = { [Symbol.dispose]: () => source.close() }
    await assert.rejects(openRemoteSource(target, request), /as many captures run already as this probe allows: 1/)

    // More than all buffers on the way hold
    const received = (): number => Number(readFileSync(`/sys/class/net/${device}/statistics/rx_packets`, 'utf8'))
    const before = received()
    const file = prepared(
      'bulk.pcap',
      Array.from({ length: 2000 }, (_, n) => frameOf(flow(n, { payload: 1400 }), 0)),
    )
    const sent = 40_000
    const replay = ['tcpreplay', '-q', '-t', '-K', '-l', String(sent / 2000), '-i', 'eth0', file]
    await using sender = start('ip', ['netns', 'exec', namespace, ...replay])
    assert.equal(await sender.ended, 0, sender.output())
    assert.equal(received() - before, sent)

    const asked = new AbortController()
    const path1 = path('slow.pcapng')
    const output = createFileOutput({ path: path1, isNumbered: false, most: Infinity }, { clock: systemClock, say })
    const counts = (): SourceCounts => {
      const { packets, drops } = source.counts()
      return { port: 0, received: packets, dropped: drops }
    }
    const recorder = createRecorder(
      {
        section: { application: 'a test', system: '', hardware: '', comment: '' },
        snapshotLength: 262_144,
        knowsInbound: true,
        bounds: { packets: 1e9, bytes: 1e9, fileBytes: Infinity, fileSeconds: Infinity },
      },
      { output, clock: systemClock, counts, interfaceOf: (port) => source.interfaceOf(port) },
    )
    let seen = -1
    const end = await recordLive(source, recorder, {
      seconds: 60,
      signal: asked.signal,
      // Ends when all that was kept has come
      turn() {
        const { packets } = recorder.status()
        const { received: told, dropped } = counts()
        if (packets === seen && packets > 0 && told > 0 && packets >= told - dropped) asked.abort()
        seen = packets
      },
    })
    await recorder.end('')
    await output.close()
    assert.equal(end, 'asked')
    const counted = counts()
    const { packets } = recorder.status()
    assert.equal(counted.received, sent)
    assert.equal(packets + counted.dropped, sent)
    // The kernel’s ring holds five thousand of them; the server went on until what lies behind it was full, too
    assert.ok(packets > 6000 && packets < sent, String(packets))
    const blocks = run('capinfos', ['-c', '-M', path1])
    assert.match(blocks, new RegExp(`Number of packets: +${packets}\\b`))
  })
})
