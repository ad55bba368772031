// The flow meter against its peers: nfpcapd meters the same packets, nfcapd and tshark read what it exports.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createNetflowReader } from '../../src/collect/netflow-reader.ts'
import type { RowJson } from '../../src/flow/row-json.ts'
import { frameOf, ipLength, someFlows, writeFrames, writePcap, type KnownFlow } from './frames.ts'
import { parseNfdump, startNfcapd, startRelay, totalsBy, type NfdumpFlow } from './peers.ts'
import { run, start, until } from './processes.ts'
import { startServer, temporaryFolder, totalsOf } from './server.ts'

const METER = [join(import.meta.dirname, '../../src/cli/main.ts'), 'meter']

const folder = temporaryFolder()
const flows = someFlows(300, { ipv6: true, vlans: [20, 30, 40] })
const capture = join(folder.path, 'known.pcap')

before(() => writePcap(capture, flows, Date.UTC(2026, 0, 5, 12)))
after(() => folder.remove())

const withoutV6 = (list: readonly KnownFlow[]): KnownFlow[] => list.filter((flow) => !flow.src.includes(':'))
const known = (list: readonly KnownFlow[]): { key: string; packets: number; bytes: number }[] =>
  list.map((flow) => ({
    key: `${flow.src} ${flow.srcPort} ${flow.dst} ${flow.dstPort}`,
    packets: flow.packets,
    bytes: flow.packets * ipLength(flow),
  }))
const keyOf = (flow: NfdumpFlow): string => `${flow.src} ${flow.srcPort} ${flow.dst} ${flow.dstPort}`

/** Runs the meter over a file into nfcapd, and answers what it said. */
async function metered(
  args: readonly string[],
): Promise<{ flows: NfdumpFlow[]; said: string; tshark: { problems: string; packets: number } }> {
  await using nfcapd = await startNfcapd(folder.path)
  await using relay = await startRelay([nfcapd.port])
  const said = run(process.execPath, [...METER, ...args, '-n', `127.0.0.1:${relay.port}`])
  await relay.finish()
  const recording = join(folder.path, 'export.pcap')
  relay.record(recording, 4739)
  const problems = run('tshark', ['-r', recording, '-d', 'udp.port==4739,cflow', '-Y', '_ws.malformed or _ws.expert'])
  return { flows: await nfcapd.flows(), said, tshark: { problems, packets: relay.count() } }
}

/** Runs the meter over a file; what the collector makes of its datagrams. */
async function rowsOf(args: readonly string[]): Promise<{ rows: RowJson[]; said: string }> {
  await using relay = await startRelay([])
  const said = run(process.execPath, [...METER, ...args, '-n', `127.0.0.1:${relay.port}`])
  const datagrams = Number(/in (\d+) datagrams/.exec(said)?.[1])
  await until('the datagrams', () => (relay.count() >= datagrams ? true : undefined))
  const reader = createNetflowReader()
  const rows = relay
    .datagrams()
    .flatMap((datagram) => reader.read(datagram, '127.0.0.1'))
    .flatMap((record) => (record.kind === 'flow' && record.flow ? [record.flow] : []))
  return { rows, said }
}

describe('the meter', () => {
  for (const [version, name] of [
    ['5', 'NetFlow v5'],
    ['9', 'NetFlow v9'],
    ['10', 'IPFIX'],
  ] as const) {
    test(`exports as ${name} what the packets were, read by nfcapd and without a complaint of tshark`, async () => {
      const carried = version === '5' ? withoutV6(flows) : flows
      const { flows: seen, said, tshark } = await metered(['-r', capture, '-v', version])
      assert.deepEqual(
        totalsBy(seen, keyOf),
        totalsBy(known(carried), (flow) => flow.key),
      )
      assert.equal(tshark.problems, '')
      const packets = flows.reduce((sum, flow) => sum + flow.packets, 0)
      assert.match(said, new RegExp(`^${packets} packets, `))
      if (version === '5') assert.match(said, /75 flows that NetFlow v5 can’t carry/)
      else
        assert.deepEqual(
          totalsBy(seen, (flow) => flow.vlan),
          totalsBy(
            carried.map((flow) => ({ ...flow, bytes: flow.packets * ipLength(flow) })),
            (flow) => String(flow.vlan),
          ),
        )
    })
  }

  for (const version of ['9', '10'])
    test(`finds the flows that nfpcapd finds, and tells them and their times in version ${version}`, async () => {
      const directory = join(folder.path, `nfpcapd-${version}`)
      mkdirSync(directory)
      run('nfpcapd', ['-r', capture, '-l', directory, '-e', '300,60'])
      const theirs = parseNfdump(run('nfdump', ['-N', '-6', '-R', directory, '-o', 'csv'], { env: { TZ: 'UTC' } }))
      const { flows: ours } = await metered(['-r', capture, '-v', version, '-T', 'full'])
      const whole = (flow: NfdumpFlow): string =>
        [keyOf(flow), flow.proto, flow.flags, flow.first, flow.last, flow.packets, flow.bytes].join(' ')
      // nfpcapd ends a flow with each packet of ICMP and of DNS: there only the totals can agree
      const isPiecemeal = (flow: NfdumpFlow): boolean =>
        flow.proto === 'icmp' || (flow.proto === 'udp' && flow.dstPort === '53')
      const lasting = (list: readonly NfdumpFlow[]): string[] =>
        list
          .filter((flow) => !isPiecemeal(flow))
          .map(whole)
          .toSorted()
      assert.deepEqual(lasting(ours), lasting(theirs))
      const sums = (list: readonly NfdumpFlow[]): Record<string, string> =>
        Object.fromEntries(
          Object.entries(totalsBy(list.filter(isPiecemeal), keyOf)).map(([key, sum]) => [
            key,
            `${sum.packets} ${sum.bytes}`,
          ]),
        )
      assert.deepEqual(sums(ours), sums(theirs))
    })

  test('tells the collector what it was: VLANs, MACs, TTLs, lengths, flags and sampling', async () => {
    await using server = await startServer(join(folder.path, 'data'))
    run(process.execPath, [...METER, '-r', capture, '-T', 'ether', '-n', `127.0.0.1:${server.port}`])
    await server.stored(flows.length)
    assert.deepEqual(
      totalsOf(await server.top(['vlan_in', 'src_mac'])),
      totalsOf2(flows, (flow) => `${flow.vlan} 02:54:00:01:00:${hexByte(flow.src)}`),
    )
    assert.deepEqual(Object.keys(totalsOf(await server.top(['ttl'], 'proto tcp or proto udp'))), ['64'])
  })

  for (const version of ['5', '9', '10']) {
    test(`meters one of so many packets at random, and version ${version} says so`, async () => {
      const metered = version === '5' ? withoutV6(flows) : flows
      const file = join(folder.path, `metered-${version}.pcap`)
      writePcap(file, metered, Date.UTC(2026, 0, 5, 12))
      const packets = metered.reduce((sum, flow) => sum + flow.packets, 0)
      const { rows, said } = await rowsOf(['-r', file, '-v', version, '-s', '4'])
      const sampled = Number(/(\d+) of them sampled/.exec(said)?.[1])
      assert.ok(sampled === Math.floor(packets / 4) || sampled === Math.ceil(packets / 4), said)
      assert.deepEqual(new Set(rows.map((row) => row['sampling_rate'])), new Set([4]))
      assert.equal(
        rows.reduce((sum, row) => sum + Number(row['packets']), 0),
        sampled,
      )
    })
  }

  test('keeps tunnels, service tags, fragments and options apart as the dissector does', async () => {
    const base: KnownFlow = {
      src: '10.1.0.1',
      dst: '10.2.0.2',
      proto: 17,
      srcPort: 7777,
      dstPort: 4789,
      packets: 1,
      payload: 66,
    }
    const inner: KnownFlow = {
      src: '192.168.0.1',
      dst: '192.168.0.2',
      proto: 6,
      srcPort: 40_000,
      dstPort: 443,
      packets: 2,
      payload: 4,
    }
    const vxlan = frameOf(base, 0)
    const innerFrame = frameOf(inner, 1)
    const at = vxlan.length - base.payload
    vxlan.set([0x08, 0, 0, 0, 0, 0x13, 0x88, 0], at)
    vxlan.set(innerFrame.subarray(0, base.payload - 8), at + 8)
    const fragment = frameOf({ ...inner, proto: 17 }, 0)
    fragment.writeUInt16BE(0x2000, 20)
    const later = frameOf({ ...inner, proto: 17 }, 0)
    later.writeUInt16BE(185, 20)
    const tagged = frameOf({ ...inner, vlan: 30 }, 0)
    const qinq = Buffer.concat([tagged.subarray(0, 12), Buffer.from('88a80064', 'hex'), tagged.subarray(12)])
    const file = join(folder.path, 'odd.pcap')
    writeFrames(file, [vxlan, fragment, later, qinq], Date.UTC(2026, 0, 5, 12))
    const { rows } = await rowsOf(['-r', file, '-v', '10'])
    const told = (row: RowJson): string =>
      ['src_addr', 'proto', 'src_port', 'vni', 's_vlan', 'vlan_in', 'bytes'].map((name) => String(row[name])).join(' ')
    assert.deepEqual(
      rows.map(told).toSorted(),
      [
        `192.168.0.1 6 40000 0 100 30 ${ipLength(inner)}`,
        `192.168.0.1 6 40000 5000 0 0 ${ipLength(inner)}`,
        `192.168.0.1 17 40000 0 0 0 ${2 * ipLength({ ...inner, proto: 17 })}`,
      ].toSorted(),
    )
    // The same, each by its outermost headers and each fragment by itself
    await using nfcapd = await startNfcapd(folder.path)
    const to = `127.0.0.1:${nfcapd.port}`
    run(process.execPath, [...METER, '-r', file, '-v', '9', '-n', to, '--tunnels', 'outer', '--fragments', 'apart'])
    const apart = (await nfcapd.flows()).map((flow) => `${flow.src} ${flow.proto} ${flow.srcPort} ${flow.bytes}`)
    assert.deepEqual(apart.toSorted(), [
      `10.1.0.1 udp 7777 ${ipLength(base)}`,
      `192.168.0.1 tcp 40000 ${ipLength(inner)}`,
      `192.168.0.1 udp 0 ${ipLength({ ...inner, proto: 17 })}`,
      `192.168.0.1 udp 40000 ${ipLength({ ...inner, proto: 17 })}`,
    ])
  })

  test('meters a live device, strips nothing that the kernel stripped, and ends cleanly', async () => {
    const tag = process.pid.toString(36)
    const [inside, near, far] = [`vm-${tag}`, `vma${tag}`, `vmb${tag}`]
    try {
      run('ip', ['netns', 'add', inside])
      run('ip', ['link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', inside])
      run('ip', ['link', 'set', near, 'up', 'mtu', '1600'])
      run('ip', ['netns', 'exec', inside, 'ip', 'link', 'set', far, 'up', 'mtu', '1600'])
      await using nfcapd = await startNfcapd(folder.path)
      await using meter = start(process.execPath, [
        ...METER,
        '-i',
        `77:${near}`,
        '-v',
        '9',
        '-n',
        `127.0.0.1:${nfcapd.port}`,
        'vlan',
      ])
      await meter.said('metering')
      run('ip', ['netns', 'exec', inside, 'tcpreplay', '-q', '-M', '20', '-i', far, capture])
      // Who ends a whole group of processes, as timeout(1) does, may tell it more than once
      const again = setInterval(() => meter.child.kill('SIGTERM'), 8)
      setTimeout(() => clearInterval(again), 30)
      assert.equal(await meter.stop(), 0)
      assert.match(meter.output(), /, 0 dropped by the kernel/)
      const seen = await nfcapd.flows()
      assert.deepEqual(
        totalsBy(seen, keyOf),
        totalsBy(known(flows), (flow) => flow.key),
      )
      assert.deepEqual(new Set(seen.map((flow) => flow.input)), new Set(['77']))
    } finally {
      run('ip', ['netns', 'del', inside])
    }
  })

  test('waits for a device that is down or gone, says so once, and goes on with its flows', async () => {
    const tag = process.pid.toString(36)
    const [inside, near, far] = [`vg-${tag}`, `vga${tag}`, `vgb${tag}`]
    const plug = (): void => {
      run('ip', ['link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', inside])
      run('ip', ['netns', 'exec', inside, 'ip', 'link', 'set', far, 'up', 'mtu', '1600'])
      run('ip', ['link', 'set', near, 'up', 'mtu', '1600'])
    }
    const replay = (): string => run('ip', ['netns', 'exec', inside, 'tcpreplay', '-q', '-M', '20', '-i', far, capture])
    try {
      run('ip', ['netns', 'add', inside])
      plug()
      await using nfcapd = await startNfcapd(folder.path)
      const to = `127.0.0.1:${nfcapd.port}`
      const watched = ['-i', `77:${near}`, '--status', '1', '--user', 'nobody', '-n', to, 'vlan']
      await using meter = start(process.execPath, [...METER, ...watched])
      const count = (text: string): number => meter.output().split(text).length - 1
      const awaited = (what: string, times: number): Promise<true> =>
        until(`“${what}” ${times} times`, () => (count(what) >= times ? true : undefined))
      await awaited('metering', 1)
      const status = readFileSync(`/proc/${meter.child.pid}/status`, 'utf8')
      assert.doesNotMatch(status, /^Uid:\s+0/m, 'it is still root')
      replay()
      run('ip', ['link', 'set', near, 'down'])
      await awaited('dropped by the kernel, away', 3)
      assert.match(meter.output(), /^1\.\d s: \d+ packets\/s, \d+ bit\/s of IP, \d+ records\/s$/m)
      run('ip', ['link', 'set', near, 'up'])
      await awaited('is back', 1)
      replay()
      run('ip', ['link', 'del', near])
      await awaited('is away', 2)
      plug()
      await awaited('is back', 2)
      replay()
      assert.equal(await meter.stop(), 0)
      assert.deepEqual([count('is away (ENETDOWN)'), count('is away'), count('is back')], [2, 2, 2])
      const sums = (list: readonly { key: string; packets: number; bytes: number }[], times: number): object =>
        Object.fromEntries(
          Object.entries(totalsBy(list, ({ key }) => key)).map(([key, { packets, bytes }]) => [
            key,
            `${times * packets} ${times * bytes}`,
          ]),
        )
      const seen = await nfcapd.flows()
      assert.deepEqual(
        sums(
          seen.map((flow) => ({ ...flow, key: keyOf(flow) })),
          1,
        ),
        sums(known(flows), 3),
      )
    } finally {
      run('ip', ['netns', 'del', inside])
    }
  })

  test('tells several collectors the same', async () => {
    await using one = await startRelay([])
    await using other = await startRelay([])
    const said = run(process.execPath, [...METER, '-r', capture, '-n', `127.0.0.1:${one.port},127.0.0.1:${other.port}`])
    const datagrams = Number(/in (\d+) datagrams/.exec(said)?.[1])
    await until('both to have them', () => (one.count() + other.count() >= 2 * datagrams ? true : undefined))
    assert.deepEqual(one.datagrams(), other.datagrams())
  })

  test('meters what is mirrored in a tunnel as if it stood where the mirror was taken', async () => {
    const inside = flows.slice(0, 20)
    const outer: KnownFlow = {
      src: '10.9.0.1',
      dst: '10.9.0.2',
      proto: 17,
      srcPort: 50_000,
      dstPort: 4789,
      packets: 1,
      payload: 0,
    }
    const wrapped = (frame: Buffer, vni: number): Buffer => {
      const vxlan = Buffer.alloc(8)
      vxlan.writeUInt8(8, 0)
      vxlan.writeUInt32BE(vni << 8, 4)
      const payload = Buffer.concat([vxlan, frame])
      const carrier = frameOf({ ...outer, payload: payload.length }, 0)
      carrier.set(payload, carrier.length - payload.length)
      return carrier
    }
    const file = join(folder.path, 'mirrored.pcap')
    const frames = inside.flatMap((flow) => [
      wrapped(frameOf(flow, 0), 7),
      wrapped(frameOf(flow, 1), 8),
      frameOf(flow, 2),
    ])
    writeFrames(file, frames, Date.UTC(2026, 0, 5, 12))
    const { rows, said } = await rowsOf(['-r', file, '--unwrap', 'vxlan 7'])
    assert.match(said, /mirrors: 20 frames unwrapped, 40 packets of others/)
    assert.deepEqual(
      rows
        .map(
          (row) => `${String(row['src_addr'])} ${String(row['vlan_in'])} ${String(row['vni'])} ${String(row['bytes'])}`,
        )
        .toSorted(),
      inside.map((flow) => `${flow.src} ${flow.vlan} 0 ${ipLength(flow)}`).toSorted(),
    )
  })

  test('says what is wrong: no collector, no source, a filter, a device', () => {
    const failing = (args: readonly string[]): string => {
      try {
        run(process.execPath, [...METER, ...args])
      } catch (error) {
        return (error as Error).message
      }
      throw new Error('it did not fail')
    }
    const to = ['-n', '127.0.0.1:9']
    assert.match(failing(['-r', capture]), /ended with 1: vnetscope: no collector is named/)
    assert.match(failing(to), /ended with 1: vnetscope: name either a device/)
    assert.match(failing(['-r', capture, ...to, 'tcp', 'prt', '80']), /the packet filter “tcp prt 80” is wrong/)
    assert.match(failing(['-i', 'no-such-dev', ...to]), /there is no network device “no-such-dev”/)
    assert.match(failing(['-r', join(folder.path, 'none.pcap'), ...to]), /none\.pcap can’t be read \(ENOENT\)/)
    assert.match(failing(['-r', capture, ...to, '-v', '9', '--biflow']), /NetFlow v9 has no record of both directions/)
    assert.match(
      failing(['-r', capture, ...to, '-s', '2', '--sample-flows', '2']),
      /sampled can’t be sampled once more/,
    )
    assert.match(failing(['-r', capture, ...to, '--unwrap', 'erspam']), /ended with 2: .*Expected erspan, gre/s)
    assert.match(failing(['-r', capture, ...to, '-t', 'tcp=soon']), /ended with 2: .*Expected NAME=TIME/s)
  })

  test('meters only what the filter lets pass', async () => {
    const { flows: seen } = await metered(['-r', capture, '-v', '9', 'vlan 30 and port 443'])
    assert.deepEqual(
      totalsBy(seen, keyOf),
      totalsBy(known(flows.filter((flow) => flow.vlan === 30 && flow.dstPort === 443)), (flow) => flow.key),
    )
  })
})

function hexByte(address: string): string {
  const last = /[.:]([0-9a-f]+)$/.exec(address)?.[1] ?? ''
  return Number.parseInt(last, address.includes(':') ? 16 : 10)
    .toString(16)
    .padStart(2, '0')
}

function totalsOf2(list: readonly KnownFlow[], key: (flow: KnownFlow) => string): ReturnType<typeof totalsOf> {
  const totals = totalsBy(
    list.map((flow) => ({ ...flow, bytes: flow.packets * ipLength(flow) })),
    key,
  )
  return Object.fromEntries(
    Object.entries(totals).map(([name, { bytes, packets }]) => [name, { bytes, packets }]),
  ) as ReturnType<typeof totalsOf>
}
