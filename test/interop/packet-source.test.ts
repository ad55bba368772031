// Packet sources in network namespaces: what one way of reading shows, the others show, and the kernel counts the same.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { loadKoffi } from '../../src/base/libc.ts'
import { createPacketBlock } from '../../src/capture/packet-block.ts'
import { openPacketSource, type PacketSource, type PacketSourceOptions } from '../../src/capture/packet-source.ts'
import { dropPrivileges } from '../../src/capture/privileges.ts'
import { createPacketReader } from '../../src/meter/packet-reader.ts'
import { FIELDS } from '../../src/meter/flow-key.ts'
import { frameOf, someFlows, writeFrames, type KnownFlow } from './frames.ts'
import type { ReaderResult, ReaderTask } from './packet-reader.ts'
import { run, start, until, type Program } from './processes.ts'
import { seenPackets, type SeenPacket } from './seen-packets.ts'
import { temporaryFolder } from './server.ts'

const READER = join(import.meta.dirname, 'packet-reader.ts')
const tag = process.pid.toString(36)
const [inside, near, far] = [`ps-${tag}`, `psa${tag}`, `psb${tag}`]
const folder = temporaryFolder()
const capture = join(folder.path, 'frames.pcap')

const FROM = '025400aa0001'
const ours = `ether src 02:54:00:aa:00:01`
const FRAMES = 4000
/** Each one of its kind: half of them to UDP port 9, of 64 to 1500 bytes; with no tag, one, or a service tag before it. */
const frames = Array.from({ length: FRAMES }, (_, n) => frame(n))

function frame(n: number): Buffer {
  const tags = ['', `8100${vlan(1 + (n % 4000))}`, `88a80064`.concat(`8100${vlan(1 + (n % 4000))}`)][n % 3] as string
  const payload = Buffer.alloc(18 + ((n * 37) % 1430))
  payload.writeUInt32BE(n)
  const udp = Buffer.alloc(8)
  udp.writeUInt16BE(1024 + (n % 1000), 0)
  udp.writeUInt16BE(n % 2 === 0 ? 9 : 53, 2)
  udp.writeUInt16BE(8 + payload.length, 4)
  const ip = Buffer.from(`45000000000040004011000${0}0a630002ac10${vlan(n % 250)}`, 'hex')
  ip.writeUInt16BE(28 + payload.length, 2)
  const link = Buffer.from(`025400bb0001${FROM}${tags}0800`, 'hex')
  return Buffer.concat([link, ip, udp, payload])
}

function vlan(n: number): string {
  return n.toString(16).padStart(4, '0')
}

/** Short enough to be read where a test fails; in no order, since rings that share packets have none. */
function digest(hexes: readonly string[]): string {
  return `${hexes.length} ${createHash('sha256').update(hexes.toSorted().join(' ')).digest('hex').slice(0, 16)}`
}

const sent = digest(frames.map((bytes) => bytes.toString('hex')))
const hexesOf = (packets: readonly SeenPacket[]): string[] => packets.map((packet) => packet.hex)

function plug(): void {
  run('ip', ['link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', inside])
  run('ip', ['netns', 'exec', inside, 'ip', 'link', 'set', far, 'up', 'mtu', '1600'])
  run('ip', ['link', 'set', near, 'up', 'mtu', '1600'])
}

function replay(...options: string[]): void {
  run('ip', ['netns', 'exec', inside, 'tcpreplay', '-q', '-M', '400', ...options, '-i', far, capture])
}

before(() => {
  writeFrames(capture, frames, Date.UTC(2026, 0, 5, 12))
  run('ip', ['netns', 'add', inside])
  run('ip', ['netns', 'exec', inside, 'ip', 'link', 'set', 'lo', 'up'])
  plug()
})
after(() => {
  run('ip', ['netns', 'del', inside])
  folder.remove()
})

const block = createPacketBlock()

/** What a source shows until it has shown so many, and what comes after, if anything does. */
async function shown(source: PacketSource, count: number): Promise<SeenPacket[]> {
  const packets: SeenPacket[] = []
  const read = (): void => {
    while (source.next(block)) {
      seenPackets(block, packets)
      source.release()
    }
  }
  await until(`${count} packets`, () => (read(), packets.length >= count ? true : undefined))
  await wait(50)
  source.end()
  read()
  return packets
}

function opened(options: PacketSourceOptions = {}, name = near): PacketSource {
  return openPacketSource(name, { filter: ours, ...options })
}

/** Behind these ports the dissector looks for a tunnel. */
const TUNNEL_PORTS = [2152, 3544, 4341, 4754, 4789, 4790, 6081, 6635, 8472]

/** Plain frames of both versions, tagged and not; tunnels, options, fragments, and frames that end early. */
function framesOfAllKinds(): Buffer[] {
  const plain = someFlows(90, { ipv6: true, vlans: [7] }).flatMap((flow, n) => {
    const { vlan, ...untagged } = flow
    return [frameOf(flow, n), frameOf({ ...untagged, payload: vlan === undefined ? 0 : n }, n)]
  })
  const inner: KnownFlow = { ...(someFlows(1)[0] as KnownFlow), payload: 600 }
  const others = ['10.9.0.1', '2001:db8:9::1'].flatMap((src) => {
    const v6 = src.includes(':')
    const udp = (srcPort: number, dstPort: number): Buffer => {
      const frame = frameOf({ ...inner, src, dst: v6 ? '2001:db8:9::2' : '10.9.0.2', proto: 17, srcPort, dstPort }, 0)
      const at = v6 ? 62 : 42
      // VXLAN and much like it; behind other ports it is read as something else, or as nothing
      frame.set([0x08, 0, 0, 0, 0, 0x13, 0x88, 0], at)
      frame.set(frameOf({ ...inner, payload: 400 }, 0), at + 8)
      return frame
    }
    const changed = (from: Buffer, ...changes: readonly (readonly [at: number, byte: number])[]): Buffer => {
      const frame = Buffer.from(from)
      for (const [at, byte] of changes) frame[at] = byte
      return frame
    }
    const tcp = frameOf({ ...inner, src, dst: v6 ? '2001:db8:9::2' : '10.9.0.2' }, 0)
    return [
      ...TUNNEL_PORTS.flatMap((port) => [udp(port, 50_000), udp(50_000, port)]),
      ...[2151, 8473].flatMap((port) => [udp(port, 53), udp(53, port)]),
      ...(v6
        ? // With a hop-by-hop header; as a later fragment; as a tunnel of IPv4
          [changed(tcp, [20, 0], [54, 6], [55, 0]), changed(tcp, [20, 44], [54, 17]), changed(tcp, [20, 4])]
        : // With options; a first and a later fragment; GRE; a length of 0
          [
            changed(tcp, [14, 0x47]),
            changed(udp(50_000, 53), [20, 0x20]),
            changed(udp(50_000, 53), [20, 0], [21, 10]),
            changed(tcp, [23, 47]),
            changed(tcp, [16, 0], [17, 0]),
          ]),
      ...[15, 33, 34, 36, 38, 41, 50, 54, 57, 58, 59, 60, 61, 62, 63, 70, 77, 78, 79].flatMap((length) => [
        tcp.subarray(0, length),
        udp(50_000, 53).subarray(0, length),
      ]),
    ]
  })
  return [...plain, ...others]
}

/** Rows that the meter reads of what a source shows, and how much it kept of those packets that it cut. */
async function readRows(
  source: PacketSource,
  count: number,
  tunnels: 'inner' | 'outer',
): Promise<{ rows: string[]; cutAt: Set<number> }> {
  const reader = createPacketReader({ tunnels, fragments: 'together' })
  const rows: string[] = []
  const cutAt = new Set<number>()
  const read = (): void => {
    while (source.next(block)) {
      for (let i = 0; i < block.count; i++) {
        reader.count = 0
        reader.read(block, i, i + 1)
        const onDevice = (block.original[i] as number) - (block.tag[i] === 0 ? 0 : 4)
        if ((block.captured[i] as number) < onDevice) cutAt.add(block.captured[i] as number)
        const { fields, ipLength, tcpFlags, ttl } = reader
        rows.push(
          reader.count === 0 ? 'no IP' : [...fields.subarray(0, FIELDS), ipLength[0], tcpFlags[0], ttl[0]].join(),
        )
      }
      source.release()
    }
  }
  await until(`${count} packets`, () => (read(), rows.length >= count ? true : undefined))
  return { rows, cutAt }
}

describe('a packet source', () => {
  test('shows the same frames from the ring, through libpcap, and from four rings among which they are spread, and among all devices', async () => {
    const alone = opened()
    const pcap = opened({}, `pcap:${near}`)
    const cut = opened({ snapshotLength: 100 }, `pcap:${near}`)
    const spread = opened({ rings: 4 })
    const all = opened({}, 'any')
    replay()
    const index = Number(readFileSync(`/sys/class/net/${near}/ifindex`, 'utf8'))
    for (const source of [alone, pcap, spread, all]) {
      const packets = await shown(source, FRAMES)
      assert.equal(digest(hexesOf(packets)), sent)
      assert.ok(packets.every((packet) => packet.original === packet.hex.length / 2 && packet.port === index))
      assert.ok(packets.every((packet) => Math.abs(packet.time - Date.now()) < 60_000 && packet.linkType === 1))
      assert.deepEqual(source.counts(), { packets: FRAMES, drops: 0 })
      source.close()
    }
    const short = await shown(cut, FRAMES)
    assert.ok(short.every((packet) => packet.hex.length === 2 * Math.min(100, packet.original)))
    assert.equal(
      short.reduce((sum, packet) => sum + packet.original, 0),
      frames.reduce((sum, { length }) => sum + length, 0),
    )
    cut.close()
  })

  test('keeps of most packets the headers alone, and of none less than the meter reads', async () => {
    const headers = join(folder.path, 'headers.pcap')
    const kinds = framesOfAllKinds()
    writeFrames(headers, kinds, Date.UTC(2026, 0, 5, 12))
    for (const [filter, tunnels] of [
      ['ether[6:4] = 0x02540001', 'inner'],
      ['ether[6:4] = 0x02540001 or (vlan and ether[6:4] = 0x02540001)', 'outer'],
    ] as const) {
      const short = opened({ filter, headersOnly: true, snapshotLength: 256 })
      const whole = opened({ filter })
      run('ip', ['netns', 'exec', inside, 'tcpreplay', '-q', '-M', '400', '-i', far, headers])
      const cut = await readRows(short, kinds.length, tunnels)
      const uncut = await readRows(whole, kinds.length, tunnels)
      assert.deepEqual(cut.rows, uncut.rows)
      assert.deepEqual(cut.cutAt, new Set([62, 78, 256]))
      assert.deepEqual(uncut.cutAt, new Set())
      short.close()
      whole.close()
    }
  })

  test('shares its packets with one in another thread: each packet is seen by one of them, and each flow by the same', async () => {
    const mine = opened({ fanoutGroup: 'new' })
    assert.ok(mine.fanoutGroup > 0)
    const task: ReaderTask = { name: near, options: { filter: ours, fanoutGroup: mine.fanoutGroup } }
    const worker = new Worker(READER, { workerData: task })
    let theirs = 0
    worker.on('message', (said: { counted?: number }) => (theirs = said.counted ?? theirs))
    await once(worker, 'message')
    worker.postMessage('read')
    replay()
    await until('both to have counted all', () => (mine.counts().packets + theirs >= FRAMES ? true : undefined))
    const here = await shown(mine, mine.counts().packets)
    mine.close()
    worker.postMessage('end')
    const result = once(worker, 'exit')
    let there: ReaderResult = { packets: [], counts: { packets: 0, drops: 0 }, said: [] }
    worker.on('message', (said: ReaderResult) => (there = said))
    await result
    assert.equal(digest([...hexesOf(here), ...hexesOf(there.packets)]), sent)
    assert.ok(here.length > FRAMES / 10 && there.packets.length > FRAMES / 10, `${here.length} here`)
    const mineAlone = new Set(here.map(flowOf))
    assert.ok(there.packets.every((packet) => !mineAlone.has(flowOf(packet))))
  })

  test('lets the kernel take one of so many at random, at the rate that it tells, among what a filter lets pass', async () => {
    // 2^32 / 10 is no whole number: the nearest is taken, and told
    const all = opened({ sampleRate: 10 })
    const some = opened({ sampleRate: 3.5, filter: `${ours} and (udp dst port 9 or vlan and udp dst port 9)` })
    assert.equal(all.sampleRate, 2 ** 32 / 429_496_730)
    assert.equal(some.sampleRate, 2 ** 32 / 1_227_133_513)
    const times = 5
    replay('--loop', String(times))
    await until('the device to have them', () => (hasReceived() ? true : undefined))
    const ofAll = await shown(all, 1)
    const ofSome = await shown(some, 1)
    within(ofAll.length, FRAMES * times, 1 / all.sampleRate)
    // One tag alone is looked through: of three kinds of frames, and half of the ports
    const passing = frames.filter((_, n) => n % 2 === 0 && n % 3 < 2).length * times
    within(ofSome.length, passing, 1 / some.sampleRate)
    assert.ok(ofSome.every((packet) => /0a630002ac10.{8}0009/.test(packet.hex)))
    assert.equal(all.counts().packets, ofAll.length)
    all.close()
    some.close()
  })

  test('shows bare packets of devices without a link header, by the same filters', async () => {
    const tun = createTun(`pst${tag}`)
    const filter = 'ip src 10.99.0.2 and udp dst port 9'
    const alone = opened({ filter }, tun.name)
    const all = opened({ filter }, 'any')
    const none = opened({ filter: `${filter} and ether src 02:54:00:aa:00:01` }, 'any')
    const bare = frames.filter((_, n) => n % 3 === 0).map((bytes) => bytes.subarray(14))
    for (const bytes of bare) writeSync(tun.fd, bytes)
    const passing = bare.filter((bytes) => bytes.readUInt16BE(22) === 9).map((bytes) => bytes.toString('hex'))
    for (const source of [alone, all]) {
      const packets = await shown(source, passing.length)
      assert.equal(digest(hexesOf(packets)), digest(passing))
      assert.ok(packets.every((packet) => packet.linkType === 101 && packet.port === alone.index))
      source.close()
    }
    assert.deepEqual(none.counts(), { packets: 0, drops: 0 })
    none.close()
    closeSync(tun.fd)
  })

  test('counts what the kernel had no room for', async () => {
    const source = opened({ bufferBytes: 512 * 1024 })
    replay()
    await until('all to have come', () => (source.counts().packets === FRAMES ? true : undefined))
    const packets = await shown(source, 1)
    const { drops } = source.counts()
    assert.ok(drops > 0)
    assert.equal(packets.length + drops, FRAMES)
    // The ring is no more: a look into what it showed last is to find nothing
    source.close()
    assert.deepEqual([block.count, block.bytes.length, block.view.byteLength], [0, 0, 0])
  })

  for (const [name, options] of [
    [near, { rings: 2 }],
    [`pcap:${near}`, {}],
  ] as const)
    test(`waits for a device that is gone, says so once, and counts on when it is back (${name.replace(near, 'DEVICE')})`, async () => {
      const said: string[] = []
      const source = opened({ ...options, say: (sentence) => void said.push(sentence) }, name)
      const first = source.index
      replay()
      await until('the packets to lie there', () => (source.counts().packets === FRAMES ? true : undefined))
      run('ip', ['link', 'del', near])
      const packets: SeenPacket[] = []
      await until('the source to be away', () => {
        source.lookAfter()
        // What came before is shown still
        while (source.next(block)) {
          seenPackets(block, packets)
          source.release()
        }
        return source.isAway && packets.length === FRAMES ? true : undefined
      })
      source.lookAfter()
      source.lookAfter()
      plug()
      await until('the source to be back', () => (source.lookAfter(), source.isAway ? undefined : true))
      assert.notEqual(source.index, first)
      replay()
      packets.push(...(await shown(source, FRAMES)))
      assert.equal(digest(hexesOf(packets)), digest([...frames, ...frames].map((bytes) => bytes.toString('hex'))))
      assert.deepEqual(source.counts(), { packets: 2 * FRAMES, drops: 0 })
      assert.match(said[0] as string, /^\S+ is away \(.+\); waiting for it$/)
      assert.deepEqual(said.slice(1), [`${name} is back`])
      source.close()
    })

  test('waits for a device that is down from the start, and for one that goes down and up', async () => {
    run('ip', ['link', 'set', near, 'down'])
    const said: string[] = []
    const sources = [
      opened({ rings: 2, say: (line) => void said.push(line) }),
      opened({ filter: '' }),
      opened({}, `pcap:${near}`),
    ]
    const all = (isAway: boolean): Promise<true> =>
      until(`the sources to be ${isAway ? 'away' : 'there'}`, () => {
        for (const source of sources) {
          source.lookAfter()
          while (source.next(block)) source.release()
        }
        return sources.every((source) => source.isAway === isAway) ? true : undefined
      })
    await all(true)
    assert.throws(() => opened({ filter: 'tcp prt 80' }), /the packet filter “tcp prt 80” is wrong/)
    run('ip', ['link', 'set', near, 'up'])
    await all(false)
    // libpcap itself waits for a device that it has open
    sources.pop()?.close()
    run('ip', ['link', 'set', near, 'down'])
    await all(true)
    run('ip', ['link', 'set', near, 'up'])
    await all(false)
    assert.deepEqual(
      said,
      Array(2)
        .fill([`${near} is away (ENETDOWN); waiting for it`, `${near} is back`])
        .flat(),
    )
    for (const source of sources) source.close()
  })

  test('says why it can’t be opened', () => {
    const opening =
      (name: string, options: PacketSourceOptions = {}) =>
      (): void =>
        openPacketSource(name, options).close()
    assert.throws(opening('no-such-dev'), /there is no network device “no-such-dev”/)
    assert.throws(opening('no-such-dev', { filter: '' }), /there is no network device “no-such-dev”/)
    assert.throws(opening('pcap:no-such-dev'), /libpcap can’t open no-such-dev: .*No such device/)
    assert.throws(opening('nflog:x'), /nflog:x names no group/)
    assert.throws(opening('nflog:70000'), /nflog:70000 names no group/)
    assert.throws(opening('nflog:5', { sampleRate: 10 }), /only the packets of an interface can be sampled/)
    assert.throws(opening('pcap:any', { rings: 2 }), /only the packets of an interface/)
    for (const name of [near, `pcap:${near}`, 'nflog:5'])
      assert.throws(opening(name, { filter: 'tcp prt 80' }), /the packet filter “tcp prt 80” is wrong/)
  })
})

/** A device that delivers the IP packets that are written to it; gone when it is closed. */
function createTun(name: string): { readonly fd: number; readonly name: string } {
  const koffi = loadKoffi('tun', 'there is no tun')
  const ioctl = koffi.load(null).func('int ioctl(int, ulong, uintptr_t)') as (...args: number[]) => number
  const fd = openSync('/dev/net/tun', 'r+')
  // struct ifreq: name ·16 flags ·2: IFF_TUN, IFF_NO_PI
  const request = Buffer.alloc(40)
  request.write(name)
  request.writeUInt16LE(0x1001, 16)
  const bytes = new Uint8Array(request).buffer
  const TUNSETIFF = 0x400454ca
  assert.equal(ioctl(fd, TUNSETIFF, Number(koffi.address(bytes))), 0)
  run('ip', ['link', 'set', name, 'up'])
  return { fd, name }
}

/** Whether the device has received all that was sent. */
function hasReceived(): boolean {
  const statistic = (name: string): number => Number(readFileSync(`/sys/class/net/${near}/statistics/${name}`, 'utf8'))
  const theirs = Number(run('ip', ['netns', 'exec', inside, 'cat', `/sys/class/net/${far}/statistics/tx_packets`]))
  return statistic('rx_packets') + statistic('rx_dropped') >= theirs
}

/** Addresses and ports: what the kernel spreads by. */
function flowOf({ hex }: SeenPacket): string {
  return /0a630002ac10.{12}/.exec(hex)?.[0] ?? ''
}

/** A draw of `trials` lies farther off than six standard deviations once in 500 million times. */
function within(count: number, trials: number, probability: number): void {
  const expected = trials * probability
  const most = 6 * Math.sqrt(trials * probability * (1 - probability))
  assert.ok(Math.abs(count - expected) <= most, `${count}, not ${Math.round(expected)} ± ${Math.round(most)}`)
}

/** A reader in the namespace, and its packets at its end. */
async function reader(task: ReaderTask): Promise<Program & { finish(): Promise<ReaderResult> }> {
  const program = start('ip', ['netns', 'exec', inside, process.execPath, READER, JSON.stringify(task)])
  await until('the reader to be open', () => {
    if (program.child.exitCode !== null) throw new Error(program.output())
    return program.output().includes('open ') ? true : undefined
  })
  return {
    ...program,
    finish: async () => {
      assert.equal(await program.stop(), 0, program.output())
      return JSON.parse(program.output().trim().split('\n').at(-1) as string) as ReaderResult
    },
  }
}

describe('what the kernel’s packet filter logs', () => {
  // Both ends in namespaces, so that no address of this machine is taken
  const outside = `po-${tag}`
  const exec = (namespace: string, ...command: string[]): string =>
    run('ip', ['netns', 'exec', namespace, ...command]).trim()
  const ping = (count: number, ...more: string[]): void => {
    exec(outside, 'ping', '-q', '-c', String(count), '-i', '0.002', ...more, '10.77.0.2')
  }
  const detail = (namespace: string, device: string, name: string): string =>
    exec(namespace, 'cat', `/sys/class/net/${device}/${name}`)

  after(() => run('ip', ['netns', 'del', outside]))
  before(() => {
    run('ip', ['netns', 'add', outside])
    run('ip', ['link', 'add', 'eth9', 'netns', inside, 'type', 'veth', 'peer', 'name', 'eth8', 'netns', outside])
    for (const [namespace, device, address] of [
      [inside, 'eth9', '10.77.0.2/24'],
      [outside, 'eth8', '10.77.0.1/24'],
    ] as const) {
      exec(namespace, 'ip', 'addr', 'add', address, 'dev', device)
      exec(namespace, 'ip', 'link', 'set', device, 'up')
    }
    const rules = `table inet rules {
      chain i { type filter hook input priority 0;
        icmp type echo-request log group 5
        icmp type echo-request log group 6
      }
      chain o { type filter hook output priority 0;
        icmp type echo-reply log group 5 snaplen 40
        icmp type echo-reply log group 6
      }
    }`
    exec(inside, 'nft', rules)
    // Both know where the other is
    ping(1)
  })

  test('comes with interface, direction and addresses, as libpcap reads it', async () => {
    await using log = await reader({ name: 'nflog:5', options: {} })
    await using pcap = await reader({ name: 'pcap:nflog:6', options: {} })
    for (const { child } of [log, pcap]) child.kill('SIGUSR1')
    ping(50)
    for (const { output } of [log, pcap])
      await until('it to have read all', () => (output().includes('counted 100\n') ? true : undefined))
    const [mine, theirs] = [await log.finish(), await pcap.finish()]
    assert.deepEqual(mine.counts, { packets: 100, drops: 0 })
    const index = Number(detail(inside, 'eth9', 'ifindex'))
    const macs = `${detail(inside, 'eth9', 'address')}${detail(outside, 'eth8', 'address')}`.replaceAll(':', '')
    const came = mine.packets.filter((packet) => packet.sent === 0)
    const went = mine.packets.filter((packet) => packet.sent === 1)
    assert.deepEqual([came.length, went.length], [50, 50])
    assert.ok(came.every((packet) => packet.linkType === 1 && packet.hex.startsWith(`${macs}0800`)))
    assert.ok(went.every((packet) => packet.linkType === 101 && packet.hex.length === 80))
    assert.ok(mine.packets.every((packet) => packet.port === index))
    assert.deepEqual(new Set(came.map((packet) => packet.original)), new Set([14 + 84]))
    assert.deepEqual(new Set(went.map((packet) => packet.original)), new Set([84]))
    // The rule cut what group 5 has of the replies
    const cut = (packets: readonly SeenPacket[]): string[] =>
      packets.map((packet) => (packet.sent === 1 ? packet.hex.slice(0, 80) : packet.hex))
    assert.equal(digest(cut(mine.packets)), digest(cut(theirs.packets)))
  })

  test('is filtered here, and counted where there was no room for it', async () => {
    await using log = await reader({ name: 'nflog:5', options: { bufferBytes: 4096, filter: 'icmp[icmptype] = 0' } })
    ping(600, '-s', '1400')
    log.child.kill('SIGUSR1')
    // What is lost is known when something comes behind it
    let logged = 1200
    await until('all to be counted', () => {
      if (log.output().includes(`counted ${logged}\n`)) return true
      ping(1, '-s', '1400')
      logged += 2
      return undefined
    })
    const { packets, counts } = await log.finish()
    assert.ok(counts.packets >= logged, `${counts.packets} of ${logged}`)
    assert.ok(counts.drops > 0)
    assert.ok(packets.length > 0 && packets.length <= counts.packets - counts.drops)
    assert.ok(packets.every((packet) => packet.sent === 1))
  })
})

describe('privileges', () => {
  test('are dropped but for the one that opens a device again', async () => {
    await using program = await reader({ name: far, options: { filter: ours }, user: 'nobody' })
    program.child.kill('SIGUSR1')
    const status = readFileSync(`/proc/${program.child.pid}/status`, 'utf8')
    const field = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? ''
    assert.match(field('Uid'), /^65534\s+65534\s+65534\s+65534$/)
    assert.match(field('Gid'), /^65534\s+65534\s+65534\s+65534$/)
    assert.equal(field('Groups').trim(), '65534')
    for (const set of ['CapPrm', 'CapEff', 'CapBnd']) assert.equal(field(set), '0000000000002000', set)
    for (const set of ['CapInh', 'CapAmb']) assert.equal(field(set), '0000000000000000', set)
    assert.equal(field('NoNewPrivs'), '1')
    run('ip', ['link', 'del', near])
    await program.said('is away')
    plug()
    await program.said('is back')
    assert.equal((await program.finish()).said.length, 2)
  })

  test('are not dropped for a user that there is not, or for root', () => {
    assert.throws(() => dropPrivileges('no-such-user'), /there is no user “no-such-user”/)
    assert.throws(() => dropPrivileges('root'), /root is root itself/)
  })
})
