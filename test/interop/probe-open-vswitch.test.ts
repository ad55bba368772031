// The probe beside Open vSwitch: it mirrors two machines to a distant monitor in each way that it knows, and tells the ports of
// its bridge to a probe on the same machine. What is counted is what the kernel counted at the machines' ports.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startOpenVswitch, type OpenVswitch } from './open-vswitch.ts'
import { samplesIn, startRelay } from './peers.ts'
import { run, start, until } from './processes.ts'
import { temporaryFolder } from './server.ts'

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')
const tag = process.pid.toString(36)
const VLAN = 20
/** The bridge over which mirrors leave, and what stands for the way to the monitor. */
const transport = `mt${tag}`
const [near, far] = [`mn${tag}`, `mf${tag}`]
const PINGS = 20

/** How Open vSwitch is told to mirror, and what the frame is then behind. */
const TUNNELS: readonly (readonly [what: string, options: readonly string[], protocols: RegExp])[] = [
  ['erspan', ['type=erspan', 'options:erspan_ver=1', 'options:erspan_idx=7', 'options:key=5'], /:gre:erspan:eth:/],
  [
    'erspan',
    ['type=erspan', 'options:erspan_ver=2', 'options:erspan_dir=1', 'options:erspan_hwid=3', 'options:key=6'],
    /:gre:erspan:eth:/,
  ],
  ['gre', ['type=gre', 'options:key=9'], /:gre:eth:/],
  ['vxlan', ['type=vxlan', 'options:key=5000'], /:vxlan:eth:/],
  ['geneve', ['type=geneve', 'options:key=77'], /:geneve:eth:/],
]

const folder = temporaryFolder()
let ovs: OpenVswitch
const portOf = (i: number): string => `vp${i + 1}${tag}`

before(async () => {
  ovs = await startOpenVswitch(VLAN)
  run('ip', ['link', 'add', near, 'type', 'veth', 'peer', 'name', far])
  for (const device of [near, far]) {
    run('sysctl', ['-qw', `net.ipv6.conf.${device}.disable_ipv6=1`])
    run('ethtool', ['-K', device, 'tx', 'off', 'gro', 'off', 'txvlan', 'off', 'rxvlan', 'off'])
    run('ip', ['link', 'set', device, 'mtu', '1700', 'up'])
  }
  for (const [i, { namespace }] of ovs.ends.entries()) {
    for (const [where, device] of [
      [['ip', 'netns', 'exec', namespace], 'eth0'],
      [[], portOf(i)],
    ] as const)
      run(...command([...where, 'sysctl', '-qw', `net.ipv6.conf.${device}.disable_ipv6=1`]))
  }
  // Neither end is to ask for the other while nothing is mirrored
  for (const [i, { namespace }] of ovs.ends.entries()) {
    const other = ovs.ends[1 - i] as OpenVswitch['ends'][0]
    const neighbour = [other.address, 'lladdr', macOf(other.namespace), 'dev', 'eth0', 'nud', 'permanent']
    run('ip', ['-n', namespace, 'neigh', 'replace', ...neighbour])
  }
  ovs.vsctl('add-br', transport, '--', 'set', 'bridge', transport, 'datapath_type=netdev')
  ovs.vsctl('add-port', transport, near)
  run('sysctl', ['-qw', `net.ipv6.conf.${transport}.disable_ipv6=1`])
  run('ip', ['addr', 'add', '198.51.100.1/24', 'dev', transport])
  run('ip', ['link', 'set', transport, 'up'])
  ovs.appctl('tnl/arp/set', transport, '198.51.100.2', '02:00:00:00:00:99')
})
after(async () => {
  // The device of a bridge outlives the switch that made it
  ovs?.vsctl('--if-exists', 'del-br', transport)
  await ovs?.stop()
  run('ip', ['link', 'del', near])
  folder.remove()
})

const command = (words: readonly string[]): [string, string[]] => [words[0] as string, words.slice(1)]

function kernel(port: string): { inOctets: number; outOctets: number; inPackets: number; outPackets: number } {
  const read = (name: string): number => Number(readFileSync(`/sys/class/net/${port}/statistics/${name}`, 'utf8'))
  return {
    inOctets: read('rx_bytes'),
    outOctets: read('tx_bytes'),
    inPackets: read('rx_packets'),
    outPackets: read('tx_packets'),
  }
}

/** Mirrors all as told, while something is done. */
function mirrored(create: readonly string[], columns: readonly string[], work: () => void): void {
  const mirror = ['--id=@m', 'create', 'mirror', `name=m${tag}`, 'select_all=true', 'output_port=@p', ...columns]
  ovs.vsctl(...create, '--', ...mirror, '--', 'set', 'bridge', ovs.bridge, 'mirrors=@m')
  takeEffect()
  try {
    work()
  } finally {
    ovs.vsctl('clear', 'bridge', ovs.bridge, 'mirrors')
  }
}

/** What the switch has decided of flows before stands until it has looked at each of them again. */
function takeEffect(): void {
  ovs.appctl('revalidator/wait')
}

function ping(count: number): void {
  const [one, two] = ovs.ends as [OpenVswitch['ends'][0], OpenVswitch['ends'][0]]
  const flags = ['-q', '-c', String(count), '-i', '0.01', '-s', '1400']
  run('ip', ['netns', 'exec', one.namespace, 'ping', ...flags, two.address])
}

const macOf = (namespace: string): string =>
  run('ip', ['netns', 'exec', namespace, 'cat', '/sys/class/net/eth0/address']).trim()

test('a probe counts in the mirrors of Open vSwitch what the kernel counted where they began', async () => {
  await using relay = await startRelay([])
  const config = join(folder.path, 'mirror.conf')
  const machines = ovs.ends.map(({ namespace }) => `virtualinterface { mac = ${macOf(namespace)} }`)
  writeFileSync(
    config,
    `sflow {
  agentip = 192.0.2.7
  packetsamplingrate = 1
  counterpollinginterval = 300
  collector { ip = 127.0.0.1 udpport = ${relay.port} }
  virtualswitch {
    pcap { device = ${far} unwrap = "erspan 5, erspan 6, gre 9, vxlan 5000, geneve 77, vlan ${VLAN}" }
    ${machines.join('\n    ')}
  }
}
`,
  )
  const recording = join(folder.path, 'mirrored.pcap')
  await using dumpcap = start('dumpcap', ['-q', '-P', '-i', far, '-w', recording])
  await dumpcap.said('File:')
  await using probe = start(process.execPath, [MAIN, 'probe', '--config', config])
  await probe.said('monitoring')
  const then = ovs.ends.map((_, i) => kernel(portOf(i)))
  for (const [n, [, options]] of TUNNELS.entries()) {
    const port = `tun${n}-${tag}`
    const settings = ['options:remote_ip=198.51.100.2', ...options]
    // Some switches cut what they mirror: of ERSPAN III and of VXLAN
    const cut = n === 1 || n === 3 ? ['snaplen=120'] : []
    const created = ['add-port', ovs.bridge, port, '--', 'set', 'interface', port, ...settings]
    mirrored([...created, '--', '--id=@p', 'get', 'port', port], cut, () => ping(PINGS))
    ovs.vsctl('del-port', ovs.bridge, port)
  }
  // Not in a tunnel, but in the VLAN of the mirrored ports
  ovs.vsctl('del-port', transport, near)
  mirrored(['add-port', ovs.bridge, near, '--', '--id=@p', 'get', 'port', near], [], () => ping(PINGS))
  const now = ovs.ends.map((_, i) => kernel(portOf(i)))
  // Every frame is a sample
  const frames = 2 * PINGS * (TUNNELS.length + 1)
  await until('all to have been seen', () => (samplesIn(relay) >= frames ? true : undefined))
  assert.equal(await probe.stop(), 0)
  await relay.finish()
  await dumpcap.stop('SIGINT')
  const samplesFile = join(folder.path, 'samples.pcap')
  relay.record(samplesFile, 6343)
  const samples = decoded(samplesFile)

  for (const [i] of ovs.ends.entries()) {
    const counters = samples.filter(({ kind, source }) => kind === 'counter_sample' && source === `0:${i + 1}`).at(-1)
    const record = counters?.records.find(({ type }) => type === 'if_counters') ?? {}
    const value = (name: string): number => Number(record[name])
    const [before, afterwards] = [then[i], now[i]] as [ReturnType<typeof kernel>, ReturnType<typeof kernel>]
    assert.deepEqual(
      {
        inOctets: value('if_in_octets'),
        outOctets: value('if_out_octets'),
        inPackets: value('if_in_ucast_pkts') + value('if_in_broadcast_pkts'),
        outPackets: value('if_out_ucast_pkts') + value('if_out_broadcast_pkts'),
      },
      {
        inOctets: afterwards.inOctets - before.inOctets,
        outOctets: afterwards.outOctets - before.outOctets,
        inPackets: afterwards.inPackets - before.inPackets,
        outPackets: afterwards.outPackets - before.outPackets,
      },
      `port ${i + 1}`,
    )
  }
  // Each way of mirroring was really taken. In tunnels the frames have the VLAN of the mirrored ports as their own
  const fields = ['frame.protocols', 'erspan.version', 'frame.len'].flatMap((field) => ['-e', field])
  const carriers = run('tshark', ['-n', '-r', recording, '-T', 'fields', ...fields])
  for (const [what, , pattern] of TUNNELS) assert.match(carriers, pattern, what)
  for (const version of ['1', '2']) assert.ok(carriers.includes(`\t${version}\t`), `ERSPAN version ${version}`)
  const short = carriers.split('\n').filter((line) => Number(line.split('\t')[2] ?? 2000) < 250)
  assert.equal(short.length, 2 * 2 * PINGS, 'mirrors that were cut')
  const pings = samples.filter(({ flow }) => flow?.['icmp_type'] === 8)
  assert.equal(pings.length, PINGS * (TUNNELS.length + 1))
  assert.deepEqual(
    pings.map(({ flow }) => flow?.['vlan_in']),
    [...Array<number>(PINGS * TUNNELS.length).fill(VLAN), ...Array<number>(PINGS).fill(0)],
  )
})

test('a probe on the hypervisor has the ports of a bridge from Open vSwitch, and their counters from the kernel', async () => {
  await using relay = await startRelay([])
  const config = join(folder.path, 'hypervisor.conf')
  const monitor = `mm${tag}`
  const [one] = ovs.ends as [OpenVswitch['ends'][0]]
  writeFileSync(
    config,
    `sflow {
  agentip = 192.0.2.7
  packetsamplingrate = 4
  counterpollinginterval = 1
  collector { ip = 127.0.0.1 udpport = ${relay.port} }
  virtualswitch {
    learn = on
    sampling = kernel
    counters = kernel
    ifindex = kernel
    ovsdb = ${ovs.database}
    pcap { device = ${monitor} }
  }
}
`,
  )
  // Of the first machine the manager of the hypervisor has written the address; that of the other the switch has learnt
  ovs.vsctl('set', 'interface', portOf(0), `external_ids:attached-mac="${macOf(one.namespace)}"`)
  ovs.vsctl('add-port', ovs.bridge, monitor, '--', 'set', 'interface', monitor, 'type=internal')
  run('ip', ['link', 'set', monitor, 'up'])
  // Stays until the bridge goes: a switch that is told of a mirror forgets which addresses it has learnt
  const mirror = ['--id=@m', 'create', 'mirror', 'name=all', 'select_all=true', 'output_port=@p']
  ovs.vsctl('--id=@p', 'get', 'port', monitor, '--', ...mirror, '--', 'set', 'bridge', ovs.bridge, 'mirrors=@m')
  ping(PINGS)
  await using probe = start(process.execPath, [MAIN, 'probe', '--config', config])
  const ifIndex = (i: number): number => Number(readFileSync(`/sys/class/net/${portOf(i)}/ifindex`, 'utf8'))
  await until('both ports', () =>
    [0, 1].every((i) => probe.output().includes(`port ${ifIndex(i)} is ${portOf(i)}`)) ? true : undefined,
  )
  ping(10 * PINGS)
  const now = ovs.ends.map((_, i) => kernel(portOf(i)))
  const count = relay.count()
  await until('the counters after that', () => (relay.count() > count + 2 ? true : undefined))
  assert.equal(await probe.stop(), 0)
  await relay.finish()
  // Neither the port that is mirrored to nor a port of another bridge is one of the switch
  assert.ok(!probe.output().includes(`is ${monitor}`) && !probe.output().includes(`is ${transport}`), probe.output())
  const recording = join(folder.path, 'hypervisor.pcap')
  relay.record(recording, 6343)
  const samples = decoded(recording)
  for (const [i, name] of [0, 1].map((i) => [i, portOf(i)] as const)) {
    const source = `0:${ifIndex(i)}`
    const told = samples.filter((sample) => sample.kind === 'counter_sample' && sample.source === source).at(-1)
    assert.deepEqual(
      told?.records.filter(({ type }) => type === 'port_name').map((record) => record['name']),
      [name],
    )
    const record = told?.records.find(({ type }) => type === 'if_counters') ?? {}
    const { inOctets, outOctets, inPackets, outPackets } = now[i] as ReturnType<typeof kernel>
    const packets = ['if_in_ucast_pkts', 'if_in_multicast_pkts'].reduce((sum, key) => sum + Number(record[key]), 0)
    assert.deepEqual(
      [record['if_in_octets'], packets, record['if_out_octets'], record['if_out_ucast_pkts']].map(Number),
      [inOctets, inPackets, outOctets, outPackets],
    )
    const flows = samples.filter((sample) => sample.kind === 'flow_sample' && sample.source === source)
    assert.deepEqual(
      flows.map(({ sequence }) => sequence),
      flows.map((_, n) => n + 1),
    )
    // Of 200 pings each way one in four, within six standard deviations
    assert.ok(Math.abs(flows.length - 50) < 6 * Math.sqrt(37.5), `${flows.length} samples`)
    assert.ok(flows.every(({ samplingRate, output: to }) => samplingRate === 4 && to === ifIndex(1 - i)))
  }
})

function decoded(recording: string): Sample[] {
  return run(process.execPath, [MAIN, 'decode', recording])
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Sample)
}

interface Sample {
  readonly kind: string
  readonly source: string
  readonly sequence: number
  readonly samplingRate?: number
  readonly output?: unknown
  readonly records: readonly Readonly<Record<string, unknown>>[]
  readonly flow?: Readonly<Record<string, unknown>>
}
