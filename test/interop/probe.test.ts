// The probe beside a bridge with six machines, two VLANs and an uplink: its counters are the kernel's own, port by port, to
// the byte; its samples are read by sfcapd and tshark.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { frameOf, writeFrames } from './frames.ts'
import { startNfcapd, startRelay } from './peers.ts'
import { run, start, until, type Program } from './processes.ts'
import { temporaryFolder } from './server.ts'

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')
const tag = process.pid.toString(36)
const bridge = `pb${tag}`
const uplink = `pu${tag}`
const outside = `po-${tag}`
const RATE = 10
const FCS = 4

interface Machine {
  readonly name: string
  readonly port: string
  readonly mac: string
  readonly vlan: number
  readonly address: string
  readonly address6: string
}

const OUTSIDE = '10.88.1.254'
const HOST = '10.88.1.253'

const machines = [1, 2, 3, 4, 5, 6].map((n): Machine => ({
  name: `pv${n}-${tag}`,
  port: `pp${n}${tag}`,
  mac: `52:54:00:00:00:0${n}`,
  vlan: n <= 3 ? 10 : 20,
  address: `10.88.1.${n}`,
  address6: `fd00:88::${n}`,
}))

const folder = temporaryFolder()
const inside = (namespace: string, ...command: string[]): string => run('ip', ['netns', 'exec', namespace, ...command])
const quiet = (device: string, namespace?: string): void => {
  const command = ['sysctl', '-qw', `net.ipv6.conf.${device}.disable_ipv6=1`]
  if (namespace === undefined) run(command[0] as string, command.slice(1))
  else inside(namespace, ...command)
}

/** Neighbours are believed for long: nobody asks again, seconds later, between two looks at the counters. */
const neighboursOf = (device: string): string[] =>
  ['ipv4', 'ipv6'].flatMap((family) => [
    `net.${family}.neigh.${device}.base_reachable_time_ms=3600000`,
    `net.${family}.neigh.${device}.delay_first_probe_time=3600`,
  ])

/** A namespace behind a port of the bridge, silent unless it is told to speak. */
function plug(namespace: string, port: string, mac: string): void {
  run('ip', ['netns', 'add', namespace])
  inside(
    namespace,
    'sysctl',
    '-qw',
    'net.ipv6.conf.default.router_solicitations=0',
    'net.ipv6.conf.default.accept_dad=0',
  )
  run('ip', ['link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'address', mac, 'netns', namespace])
  quiet(port)
  inside(namespace, 'sysctl', '-qw', ...neighboursOf('eth0'))
  // What the kernel counts is to be what was on the wire: no frames larger than it, no tags beside them
  const offloads = ['tso', 'gso', 'gro', 'txvlan'].flatMap((name) => [name, 'off'])
  run('ethtool', ['-K', port, ...offloads])
  inside(namespace, 'ethtool', '-K', 'eth0', ...offloads)
  run('ip', ['link', 'set', port, 'master', bridge, 'up'])
  inside(namespace, 'ip', 'link', 'set', 'lo', 'up')
  inside(namespace, 'ip', 'link', 'set', 'eth0', 'up')
  inside(namespace, 'ip', 'route', 'add', '224.0.0.0/4', 'dev', 'eth0')
}

before(() => {
  run('ip', ['link', 'add', bridge, 'type', 'bridge'])
  writeFileSync(`/sys/class/net/${bridge}/bridge/multicast_snooping`, '0')
  quiet(bridge)
  run('sysctl', ['-qw', ...neighboursOf(bridge)])
  run('ip', ['link', 'set', bridge, 'up'])
  for (const { name, port, mac, address, address6 } of machines) {
    plug(name, port, mac)
    inside(name, 'ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    inside(name, 'ip', 'addr', 'add', `${address6}/64`, 'dev', 'eth0', 'nodad')
  }
  plug(outside, uplink, '00:14:22:59:22:77')
  inside(outside, 'ip', 'addr', 'add', `${OUTSIDE}/24`, 'dev', 'eth0')
})
after(() => {
  for (const namespace of [...machines.map(({ name }) => name), outside]) run('ip', ['netns', 'del', namespace])
  run('ip', ['link', 'del', bridge])
  folder.remove()
})

interface Counters {
  inOctets: number
  inPackets: number
  outOctets: number
  outPackets: number
}

function kernel(port: string): Counters {
  const read = (name: string): number => Number(readFileSync(`/sys/class/net/${port}/statistics/${name}`, 'utf8'))
  return {
    inOctets: read('rx_bytes'),
    inPackets: read('rx_packets'),
    outOctets: read('tx_bytes'),
    outPackets: read('tx_packets'),
  }
}

function difference(now: Counters, then: Counters): Counters {
  return {
    inOctets: now.inOctets - then.inOctets,
    inPackets: now.inPackets - then.inPackets,
    outOctets: now.outOctets - then.outOctets,
    outPackets: now.outPackets - then.outPackets,
  }
}

const portNames = [uplink, ...machines.map(({ port }) => port)]

/** Until no port has counted anything for a while. */
async function silence(): Promise<Map<string, Counters>> {
  let before = ''
  let same = 0
  return await until('the bridge to be silent', () => {
    const now = new Map(portNames.map((port) => [port, kernel(port)]))
    const text = JSON.stringify([...now])
    same = text === before ? same + 1 : 0
    before = text
    return same >= 20 ? now : undefined
  })
}

function configured(port: number, more = ''): string {
  return `sflow {
  agentip = 192.0.2.7
  packetsamplingrate = ${RATE}
  counterpollinginterval = 1
  collector { ip = 127.0.0.1 udpport = ${port} }
  virtualswitch {
    pcap { device = ${bridge} }
    uplink { mac = 00:14:22:59:22:77 ifspeed = 1G }
${machines.map(({ mac, name }) => `    virtualinterface { mac = ${mac} tagged = 1 name = "${name}" }`).join('\n')}
${more}  }
}
`
}

async function probing(config: string, ...options: readonly string[]): Promise<Program> {
  const probe = start(process.execPath, [MAIN, 'probe', '--config', config, ...options])
  await until('the probe to begin', () => {
    if (probe.child.exitCode !== null) throw new Error(probe.output())
    return probe.output().includes('monitoring') ? true : undefined
  })
  return probe
}

interface Sample {
  readonly kind: string
  readonly subAgent: number
  readonly sequence: number
  readonly source: string
  readonly samplingRate?: number
  readonly samplePool?: number
  readonly input?: unknown
  readonly output?: unknown
  readonly records: readonly Readonly<Record<string, unknown>>[]
  readonly flow?: Readonly<Record<string, unknown>>
}

function decoded(file: string): Sample[] {
  return run(process.execPath, [MAIN, 'decode', file])
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Sample)
}

function lastCounters(samples: readonly Sample[], index: number): Counters & { speed: number } {
  const own = samples.filter(({ kind, source }) => kind === 'counter_sample' && source === `0:${index}`)
  const record = own[own.length - 1]?.records.find(({ type }) => type === 'if_counters') ?? {}
  const value = (name: string): number => Number(record[name])
  return {
    inOctets: value('if_in_octets'),
    inPackets: value('if_in_ucast_pkts') + value('if_in_multicast_pkts') + value('if_in_broadcast_pkts'),
    outOctets: value('if_out_octets'),
    outPackets: value('if_out_ucast_pkts') + value('if_out_multicast_pkts') + value('if_out_broadcast_pkts'),
    speed: value('if_speed'),
  }
}

/** Frames with VLAN tags, as machines write them that tag by themselves: to a neighbour, to a group, and to all. */
function taggedFrames(from: Machine, to: Machine): Buffer[] {
  return [to.mac, '01:00:5e:00:00:fb', 'ff:ff:ff:ff:ff:ff'].flatMap((mac) =>
    Array.from({ length: 40 }, (_, n) => {
      const frame = frameOf(
        {
          src: from.address,
          dst: to.address,
          proto: 17,
          srcPort: 5000,
          dstPort: 6000,
          vlan: from.vlan,
          packets: 1,
          payload: 10 + n,
        },
        0,
      )
      frame.set(Buffer.from(mac.replaceAll(':', ''), 'hex'), 0)
      frame.set(Buffer.from(from.mac.replaceAll(':', ''), 'hex'), 6)
      return frame
    }),
  )
}

/** Traffic within and across the switch: TCP, IPv6, multicast, broadcast, and two VLANs. */
async function traffic(): Promise<void> {
  const [one, two, three, four, five, six] = machines as [Machine, Machine, Machine, Machine, Machine, Machine]
  for (const machine of machines) inside(machine.name, 'ping', '-q', '-c', '2', '-i', '0.05', OUTSIDE)
  for (const [from, to] of [
    [one, two],
    [four, five],
  ] as const) {
    await using server = start('ip', ['netns', 'exec', to.name, 'iperf3', '-s', '-1', '--forceflush'])
    await server.said('listening')
    inside(from.name, 'iperf3', '-c', to.address, '-n', '3M', '-M', '1200')
    await server.ended
    inside(from.name, 'ping', '-q', '-c', '3', '-i', '0.05', to.address6)
  }
  for (const [from, to] of [
    [two, three],
    [five, six],
  ] as const) {
    const file = join(folder.path, `tagged-${from.name}.pcap`)
    writeFrames(file, taggedFrames(from, to), Date.UTC(2026, 0, 5))
    inside(from.name, 'tcpreplay', '-q', '-p', '2000', '-i', 'eth0', file)
  }
}

describe('the probe beside a bridge', () => {
  test('counts on each port what the kernel counts, and samples what sfcapd and tshark read', async () => {
    await using sfcapd = await startNfcapd(folder.path, 'sfcapd')
    await using relay = await startRelay([sfcapd.port])
    const config = join(folder.path, 'vsprobed.conf')
    writeFileSync(config, configured(relay.port))
    const then = await silence()
    await using probe = await probing(config)
    await traffic()
    const now = await silence()
    assert.equal(await probe.stop(), 0)
    await relay.finish()
    const recording = join(folder.path, 'probe.pcap')
    relay.record(recording, 6343)
    const samples = decoded(recording)

    for (const [i, port] of portNames.entries()) {
      const { speed, ...counted } = lastCounters(samples, i + 1)
      assert.deepEqual(counted, difference(now.get(port) as Counters, then.get(port) as Counters), port)
      assert.equal(speed, i === 0 ? 1e9 : 0)
      assert.ok(counted.inPackets > 0 && counted.outPackets > 0, port)
      const own = samples.filter(({ kind, source }) => kind === 'flow_sample' && source === `0:${i + 1}`)
      assert.deepEqual(
        own.map(({ sequence }) => sequence),
        own.map((_, n) => n + 1),
        'sequence numbers',
      )
      // The pool is every packet that could have been sampled, up to and with the last that was
      const pool = own[own.length - 1]?.samplePool ?? 0
      assert.ok(pool <= counted.inPackets && counted.inPackets - pool < 2 * RATE)
      assert.ok(own.every(({ samplingRate }) => samplingRate === RATE))
      // Skips are uniform in [1, 2N − 1]: five standard deviations of their sum
      const spread = 5 * RATE * Math.sqrt(own.length / 3) + 2 * RATE
      assert.ok(
        Math.abs(own.length * RATE - counted.inPackets) <= spread,
        `${own.length} samples of ${counted.inPackets}`,
      )
    }
    const flows = samples.filter(({ kind }) => kind === 'flow_sample')
    assert.deepEqual(new Set(flows.map(({ flow }) => flow?.['vlan_in'])), new Set([0, 10, 20]))
    // What the samples say of the octets of each port lies within five of its standard deviations of what the kernel counted
    for (const [i, port] of portNames.entries()) {
      const lengths = flows
        .filter(({ source }) => source === `0:${i + 1}`)
        .map(({ records }) => Number(records.find(({ type }) => type === 'sampled_header')?.['frame_length']) - FCS)
      const estimate = RATE * lengths.reduce((sum, length) => sum + length, 0)
      const deviation = Math.sqrt(RATE * (RATE - 1) * lengths.reduce((sum, length) => sum + length * length, 0))
      const counted = difference(now.get(port) as Counters, then.get(port) as Counters).inOctets
      assert.ok(Math.abs(estimate - counted) < 5 * deviation + RATE * 1518, `${port}: ${estimate} of ${counted}`)
    }
    const between = flows.filter(({ source, flow }) => source === '0:2' && flow?.['dst_mac'] === machines[1]?.mac)
    assert.ok(between.length > 10)
    assert.deepEqual(new Set(between.map(({ output }) => JSON.stringify(output))), new Set([JSON.stringify(3)]))
    assert.equal(run('tshark', ['-r', recording, '-Y', '_ws.malformed']), '')
    const theirs = await sfcapd.flows()
    assert.equal(theirs.length, flows.length)
  })

  test('takes another file over at SIGHUP without losing a count, and says what is wrong with a wrong one', async () => {
    await using relay = await startRelay([])
    const config = join(folder.path, 'changing.conf')
    writeFileSync(config, configured(relay.port))
    const then = await silence()
    await using probe = await probing(config)
    inside(machines[0]!.name, 'ping', '-q', '-c', '5', '-i', '0.05', machines[1]!.address)
    await until('counters', () => (relay.count() > 0 ? true : undefined))
    writeFileSync(config, `${configured(relay.port)}\nnonsense = 3\n`)
    probe.child.kill('SIGHUP')
    await probe.said('is not taken over')
    assert.match(probe.output(), /changing\.conf:\d+:1: “nonsense” is no setting of “”: expected none/)
    writeFileSync(
      config,
      configured(relay.port, '    virtualinterface { mac = 52:54:00:00:00:99 }\n').replace(
        'sflow {',
        'sflow {\n  firstifindex = 100',
      ),
    )
    probe.child.kill('SIGHUP')
    await probe.said('ports 100 to 107')
    inside(machines[0]!.name, 'ping', '-q', '-c', '5', '-i', '0.05', machines[1]!.address)
    const now = await silence()
    assert.equal(await probe.stop(), 0)
    await relay.finish()
    const recording = join(folder.path, 'changing.pcap')
    relay.record(recording, 6343)
    const samples = decoded(recording)
    const { speed: _, ...counted } = lastCounters(samples, 101)
    const port = machines[0]!.port
    assert.deepEqual(counted, difference(now.get(port) as Counters, then.get(port) as Counters))
    const sequences = samples
      .filter(({ kind, source }) => kind === 'counter_sample' && (source === '0:2' || source === '0:101'))
      .map(({ sequence }) => sequence)
    assert.deepEqual(
      sequences,
      sequences.map((_s, n) => n + 1),
    )
  })

  test('runs in the background with a PID file, and ends there at SIGTERM', async () => {
    await using relay = await startRelay([])
    const config = join(folder.path, 'daemon.conf')
    const pidFile = join(folder.path, 'probe.pid')
    writeFileSync(config, configured(relay.port))
    run(process.execPath, [MAIN, 'probe', '--config', config, '--daemon', '--pid-file', pidFile])
    const pid = Number(readFileSync(pidFile, 'utf8'))
    const isAlive = (): boolean => {
      try {
        return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
      } catch {
        return false
      }
    }
    await until('counters', () => (relay.count() > 0 ? true : undefined))
    assert.ok(isAlive())
    // What it has to say goes to syslog
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
    const commands = children.map((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').replaceAll('\0', ' '))
    assert.ok(
      commands.some((command) => command.startsWith('logger -t vnetscope-probe')),
      commands.join(),
    )
    process.kill(pid, 'SIGTERM')
    await until('its end', () => (isAlive() ? undefined : true))
    assert.equal(existsSync(pidFile), false)
  })

  test('finds the ports of a bridge by itself where it is told to learn, also as another user', async () => {
    await using relay = await startRelay([])
    const config = join(folder.path, 'learning.conf')
    writeFileSync(
      config,
      `sflow {
  agentip = 192.0.2.7
  counterpollinginterval = 1
  collector { ip = 127.0.0.1 udpport = ${relay.port} }
  virtualswitch {
    learn = on
    pcap { device = ${bridge} }
  }
}
`,
    )
    for (const { name } of machines) inside(name, 'ping', '-q', '-c', '1', OUTSIDE)
    inside(outside, 'ping', '-q', '-c', '1', machines[0]!.address)
    // The host itself is behind a port of its bridge, too
    run('ip', ['addr', 'add', `${HOST}/24`, 'dev', bridge])
    inside(machines[0]!.name, 'ping', '-q', '-c', '1', HOST)
    const first = await silence()
    await using probe = await probing(config, '--user', 'nobody')
    const uid = run('id', ['-u', 'nobody']).trim()
    await until('another user', () =>
      new RegExp(`^Uid:\\s+${uid}\\s+${uid}\\s`, 'm').test(readFileSync(`/proc/${probe.child.pid}/status`, 'utf8'))
        ? true
        : undefined,
    )
    await until('eight ports', () =>
      [...portNames, bridge].every((name) => probe.output().includes(` is ${name}`)) ? true : undefined,
    )
    const then = await silence()
    inside(machines[3]!.name, 'ping', '-q', '-c', '20', '-i', '0.02', machines[4]!.address)
    inside(machines[0]!.name, 'ping', '-q', '-c', '7', '-i', '0.02', HOST)
    const now = await silence()
    assert.equal(await probe.stop(), 0)
    run('ip', ['addr', 'del', `${HOST}/24`, 'dev', bridge])
    await relay.finish()
    const recording = join(folder.path, 'learning.pcap')
    relay.record(recording, 6343)
    const samples = decoded(recording)
    const indexOf = (name: string): number => Number(new RegExp(`port (\\d+) is ${name}`).exec(probe.output())?.[1])
    for (const name of portNames) {
      const { speed: _, ...all } = lastCounters(samples, indexOf(name))
      assert.deepEqual(all, difference(now.get(name) as Counters, first.get(name) as Counters), name)
    }
    const { inPackets, outPackets } = lastCounters(samples, indexOf(bridge))
    // Beside the answers to its pings the host gets what is sent to all
    assert.ok(inPackets === 7 && outPackets >= 7, `${inPackets} and ${outPackets} packets of the host`)
    const port = machines[3]!.port
    const index = Number(new RegExp(`port (\\d+) is ${port}`).exec(probe.output())?.[1])
    const counted = lastCounters(samples, index)
    const truth = difference(now.get(port) as Counters, then.get(port) as Counters)
    assert.ok(counted.inPackets >= truth.inPackets && truth.inPackets >= 20)
    const names = samples.flatMap(({ source, records }) =>
      source === `0:${index}` ? records.filter(({ type }) => type === 'port_name').map(({ name }) => name) : [],
    )
    assert.deepEqual(new Set(names), new Set([port]))
  })

  test('on the hypervisor lets the kernel sample and count, and forgets a port that the bridge no longer has', async () => {
    await using relay = await startRelay([])
    const config = join(folder.path, 'hypervisor.conf')
    writeFileSync(
      config,
      `sflow {
  agentip = 192.0.2.7
  packetsamplingrate = ${RATE}
  counterpollinginterval = 1
  collector { ip = 127.0.0.1 udpport = ${relay.port} }
  virtualswitch {
    learn = on
    sampling = kernel
    counters = kernel
    ifindex = kernel
    pcap { device = ${bridge} }
  }
}
`,
    )
    const guest = `pg-${tag}`
    const guestPort = `pg${tag}`
    plug(guest, guestPort, '52:54:00:00:00:0a')
    try {
      for (const { name } of machines) inside(name, 'ping', '-q', '-c', '1', OUTSIDE)
      await using probe = await probing(config)
      const [one, two] = machines as [Machine, Machine]
      const ifIndexOf = (port: string): number => Number(readFileSync(`/sys/class/net/${port}/ifindex`, 'utf8'))
      const indexes = new Map([...portNames, guestPort].map((port) => [port, ifIndexOf(port)]))
      await until('eight ports', () =>
        [...indexes].every(([port, index]) => probe.output().includes(`port ${index} is ${port}`)) ? true : undefined,
      )
      const then = await silence()
      await using server = start('ip', ['netns', 'exec', two.name, 'iperf3', '-s', '-1', '--forceflush'])
      await server.said('listening')
      inside(one.name, 'iperf3', '-c', two.address, '-n', '3M', '-M', '1200')
      await server.ended
      const now = await silence()
      run('ip', ['link', 'set', guestPort, 'nomaster'])
      await until('the guest to be gone', () =>
        probe.output().includes(`port ${indexes.get(guestPort)}, ${guestPort}, is gone`) ? true : undefined,
      )
      const atLeast = new Map(portNames.map((port) => [port, kernel(port)]))
      assert.equal(await probe.stop(), 0)
      const atMost = new Map(portNames.map((port) => [port, kernel(port)]))
      await relay.finish()
      const recording = join(folder.path, 'hypervisor.pcap')
      relay.record(recording, 6343)
      const samples = decoded(recording)
      for (const port of portNames) {
        const index = indexes.get(port) as number
        const own = samples.filter(({ source }) => source === `0:${index}`)
        const record = own
          .filter(({ kind }) => kind === 'counter_sample')
          .at(-1)
          ?.records.find(({ type }) => type === 'if_counters')
        // The kernel's own counters since the device exists, as they were at the end; what it does not keep is told as unknown
        const told: Counters = {
          inOctets: Number(record?.['if_in_octets']),
          inPackets: Number(record?.['if_in_ucast_pkts']) + Number(record?.['if_in_multicast_pkts']),
          outOctets: Number(record?.['if_out_octets']),
          outPackets: Number(record?.['if_out_ucast_pkts']),
        }
        for (const key of ['inOctets', 'inPackets', 'outOctets', 'outPackets'] as const) {
          const [least, most] = [atLeast, atMost].map((counters) => (counters.get(port) as Counters)[key])
          assert.ok((least as number) <= told[key] && told[key] <= (most as number), `${port} ${key}: ${told[key]}`)
        }
        assert.equal(record?.['if_in_broadcast_pkts'], 0xffffffff)
      }
      const flows = samples.filter(
        ({ kind, source }) => kind === 'flow_sample' && source === `0:${indexes.get(one.port)}`,
      )
      assert.deepEqual(
        flows.map(({ sequence }) => sequence),
        flows.map((_, n) => n + 1),
      )
      const sent = (now.get(one.port) as Counters).inPackets - (then.get(one.port) as Counters).inPackets
      const spread = 6 * Math.sqrt(sent * RATE)
      assert.ok(Math.abs(flows.length * RATE - sent) < spread, `${flows.length} samples of ${sent} packets`)
      // The pool is what the kernel counted, and what samples since the last look say
      const pools = flows.map(({ samplePool }) => samplePool ?? 0)
      assert.ok(pools.every((pool, n) => n === 0 || pool >= (pools[n - 1] as number) + RATE))
      const before = (then.get(one.port) as Counters).inPackets
      assert.ok(Math.abs((pools.at(-1) ?? 0) - sent) < spread + before, `a pool of ${pools.at(-1)} for ${sent} packets`)
      assert.ok(flows.every(({ samplingRate, output }) => samplingRate === RATE && typeof output === 'number'))
    } finally {
      run('ip', ['netns', 'del', guest])
    }
  })
})
