// Each setting of vsprobed.conf and what it does: two switches, known frames, and what two collectors are told of them.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { frameOf, writeFrames } from './frames.ts'
import { startRelay, type Relay } from './peers.ts'
import { run, start, until } from './processes.ts'
import { temporaryFolder } from './server.ts'

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')
const tag = process.pid.toString(36)
/** Devices that are watched, and the ends at which frames are sent. */
const [one, two] = [`sa${tag}`, `sb${tag}`]
const ends = [`se${tag}`, `sf${tag}`]
const folder = temporaryFolder()
const UPLINK = '00:14:22:59:22:77'
const [VM, TAGGED, OTHER_UPLINK] = ['52:54:00:00:00:01', '52:54:00:00:00:02', '00:14:22:59:22:78']

before(() => {
  for (const [i, device] of [one, two].entries()) {
    const end = ends[i] as string
    run('ip', ['link', 'add', device, 'type', 'veth', 'peer', 'name', end])
    for (const each of [device, end]) {
      run('sysctl', ['-qw', `net.ipv6.conf.${each}.disable_ipv6=1`])
      run('ethtool', ['-K', each, 'gro', 'off', 'txvlan', 'off'])
      run('ip', ['link', 'set', each, 'arp', 'off', 'up'])
    }
  }
})
after(() => {
  for (const device of [one, two]) run('ip', ['link', 'del', device])
  folder.remove()
})

function frame(from: string, to: string, proto: 6 | 17, vlan?: number): Buffer {
  const flow = { src: '10.0.0.1', dst: '10.0.0.2', proto, srcPort: 4000, dstPort: 5000, packets: 1, payload: 400 }
  const bytes = frameOf(vlan === undefined ? flow : { ...flow, vlan }, 0)
  bytes.set(Buffer.from(to.replaceAll(':', ''), 'hex'), 0)
  bytes.set(Buffer.from(from.replaceAll(':', ''), 'hex'), 6)
  return bytes
}

function send(end: string, frames: readonly Buffer[]): void {
  const file = join(folder.path, `${end}.pcap`)
  writeFrames(file, frames, Date.UTC(2026, 0, 5))
  run('tcpreplay', ['-q', '-p', '2000', '-i', end, file])
}

const promiscuity = (device: string): number =>
  (JSON.parse(run('ip', ['-d', '-j', 'link', 'show', device])) as { promiscuity: number }[])[0]?.promiscuity ?? -1

interface Sample {
  readonly kind: string
  readonly agent: string
  readonly subAgent: number
  readonly source: string
  readonly input?: unknown
  readonly output?: unknown
  readonly samplingRate?: number
  readonly records: readonly Readonly<Record<string, unknown>>[]
}

function decoded(relay: Relay, name: string): Sample[] {
  const recording = join(folder.path, name)
  relay.record(recording, 6343)
  return run(process.execPath, [MAIN, 'decode', recording])
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Sample)
}

test('each setting does what it says', async () => {
  await using first = await startRelay([])
  await using second = await startRelay([])
  const config = join(folder.path, 'settings.conf')
  writeFileSync(
    config,
    `sflow {
  agentip = 2001:db8::7
  packetsamplingrate = 1
  counterpollinginterval = 300
  startifindex = 70
  startsubagentid = 9
  collector { ip = 127.0.0.1 udpport = ${first.port} }
  collector { ip = 127.0.0.1 udpport = ${second.port} }
  virtualswitch {
    pcap { device = ${one} headerbytes = 64 filter = "udp or (vlan and udp)" promiscuousmode = 0 }
    uplink { mac = ${UPLINK} ifspeed = 10G iftype = 117 name = "up" }
    virtualinterface { mac = ${VM} ifspeed = 100M }
    virtualinterface { mac = ${TAGGED} tagged = 1 }
  }
  virtualswitch {
    pcap { device = ${two} }
    uplink { mac = ${OTHER_UPLINK} }
  }
}
`,
  )
  const before = promiscuity(two)
  await using probe = start(process.execPath, [MAIN, 'probe', '--config', config])
  await probe.said('monitoring')
  assert.deepEqual([promiscuity(one), promiscuity(two)], [before, before + 1])
  const untagged = frame(VM, UPLINK, 17)
  const tagged = frame(TAGGED, UPLINK, 17, 10)
  send(ends[0] as string, [untagged, frame(VM, UPLINK, 6), tagged, frame(UPLINK, VM, 17, 10), frame(VM, TAGGED, 17)])
  send(ends[1] as string, [frame(OTHER_UPLINK, VM, 6)])
  assert.match(probe.output(), /sub-agent 9, ports 70 to 72\).*sub-agent 10, ports 73 to 73\)/)
  assert.equal(await probe.stop(), 0)
  await Promise.all([first.finish(), second.finish()])
  const samples = decoded(first, 'first.pcap')
  assert.deepEqual(second.datagrams(), first.datagrams())

  assert.ok(samples.every(({ agent }) => agent === '2001:db8::7'))
  const flows = samples.filter(({ kind }) => kind === 'flow_sample')
  // The filter has left the two frames of TCP of the first switch out; ports go on in number through both switches
  assert.deepEqual(
    flows.map(({ subAgent, source, input, output, samplingRate }) => [subAgent, source, input, output, samplingRate]),
    [
      [9, '0:71', 71, 70, 1],
      [9, '0:72', 72, 70, 1],
      [9, '0:70', 70, 71, 1],
      [9, '0:71', 71, 72, 1],
      [10, '0:73', 73, 0, 1],
    ],
  )
  const headers = flows.map(({ records }) => records.find(({ type }) => type === 'sampled_header') ?? {})
  assert.deepEqual(
    headers.map((header) => [header['frame_length'], String(header['header']).length / 2]),
    [
      [untagged.length + 4, 64],
      [tagged.length + 4, 64],
      [tagged.length + 4, 64],
      [untagged.length + 4, 64],
      [frame(OTHER_UPLINK, VM, 6).length + 4, 128],
    ],
  )
  const counters = samples.filter(({ kind }) => kind === 'counter_sample')
  assert.deepEqual(
    counters.map(({ source, records }) => {
      const record = records.find(({ type }) => type === 'if_counters') ?? {}
      const names = records.filter(({ type }) => type === 'port_name').map(({ name }) => name)
      const octets = [record['if_in_octets'], record['if_out_octets']].map(Number)
      return [source, Number(record['if_speed']), record['if_type'], ...octets, ...names]
    }),
    [
      ['0:70', 10e9, 117, tagged.length, untagged.length + tagged.length, 'up'],
      // An access port, whose frames have no tag there
      ['0:71', 100e6, 6, 2 * untagged.length, tagged.length - 4],
      ['0:72', 0, 6, tagged.length, untagged.length],
      ['0:73', 0, 6, frame(OTHER_UPLINK, VM, 6).length, 0],
    ],
  )
})

test('a device that is not there, or a filter that is none, is said at the start', () => {
  const config = join(folder.path, 'wrong.conf')
  const refused = (inSwitch: string): string => {
    writeFileSync(
      config,
      `sflow { agentip = 192.0.2.7 collector { ip = 127.0.0.1 } virtualswitch { ${inSwitch} uplink { mac = ${UPLINK} } } }`,
    )
    try {
      run(process.execPath, [MAIN, 'probe', '--config', config])
    } catch (error) {
      return String(error)
    }
    return 'no error'
  }
  assert.match(refused('pcap { device = nothing0 }'), /there is no network device “nothing0”/)
  assert.match(refused(`pcap { device = ${one} filter = "and and" }`), /the packet filter “and and” is wrong/)
})

test('a collector that can’t be reached is said once, and the others go on', async () => {
  await using relay = await startRelay([])
  const away = '203.0.113.43'
  const config = join(folder.path, 'away.conf')
  writeFileSync(
    config,
    `sflow { agentip = 192.0.2.7 counterpollinginterval = 1 collector { ip = ${away} udpport = ${relay.port} }
  collector { ip = 127.0.0.1 udpport = ${relay.port} } virtualswitch { pcap { device = ${one} } uplink { mac = ${UPLINK} } } }`,
  )
  run('ip', ['route', 'add', 'unreachable', `${away}/32`])
  try {
    await using probe = start(process.execPath, [MAIN, 'probe', '--config', config])
    await until('counters', () => (relay.count() > 2 ? true : undefined))
    const sentence = `${away}:${relay.port} can’t be reached (EHOSTUNREACH)`
    await probe.said(sentence)
    run('ip', ['route', 'del', 'unreachable', `${away}/32`])
    run('ip', ['route', 'add', 'local', `${away}/32`, 'dev', 'lo'])
    await probe.said('is reached again')
    assert.equal(probe.output().split(sentence).length, 2)
    assert.equal(await probe.stop(), 0)
  } finally {
    for (const kind of ['unreachable', 'local']) {
      try {
        run('ip', ['route', 'del', kind, `${away}/32`, ...(kind === 'local' ? ['dev', 'lo'] : [])])
      } catch {
        // It is gone already
      }
    }
  }
})
