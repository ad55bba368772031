// The meter and the probe on a live device: what a sender can send over veth, how much of it each sees, and the CPU of it,
// beside softflowd, pmacctd and fprobe (apt-get install fprobe, which also starts it as a service). With a rate of 0 as fast as can be sent.
//
//   npm run bench -- live [--packets 2000000] [--rate 200000] [--rounds 1] [--without pmacctd]

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createNetflowReader } from '../src/collect/netflow-reader.ts'
import { frameOf, someFlows, writeFrames } from '../test/interop/frames.ts'
import { cpuSeconds, machineLine, median, processTree } from './machine.ts'

const { values } = parseArgs({
  options: {
    packets: { type: 'string', default: '2000000' },
    rate: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '1' },
    without: { type: 'string', multiple: true, default: [] },
  },
})
const packets = Number(values.packets)
const WARM_UP = 300_000
const folder = mkdtempSync(join(tmpdir(), 'vnetscope-live-'))
const tag = process.pid.toString(36)
const [inside, near, far] = [`bl-${tag}`, `bla${tag}`, `blb${tag}`]
const MAIN = join(import.meta.dirname, '../src/cli/main.ts')

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
  return stdout + stderr
}

const sink = createSocket({ type: 'udp4', recvBufferSize: 8 << 20 })
let exported: Buffer[] = []
sink.on('message', (message) => exported.push(message))
sink.bind(0, '127.0.0.1')
await once(sink, 'listening')
const port = sink.address().port

// 10,000 flows of 32 machines, 200 bytes a frame
const FLOWS = someFlows(10_000, { vlans: [10, 20] }).map((flow) => ({ ...flow, payload: 140, packets: 1 }))
const trace = join(folder, 'trace.pcap')
writeFrames(
  trace,
  FLOWS.map((flow) => frameOf(flow, 0)),
  Date.UTC(2026, 0, 5),
)

const macs = Array.from({ length: 32 }, (_, i) => `02:54:00:01:00:${(i + 1).toString(16).padStart(2, '0')}`)
const probeConfig = join(folder, 'probe.conf')
writeFileSync(
  probeConfig,
  `sflow { agentip = 192.0.2.1 collector { ip = 127.0.0.1 udpport = ${port} }
  virtualswitch { pcap { device = ${near} } uplink { mac = 00:14:22:59:22:77 }
${macs.map((mac) => `    virtualinterface { mac = ${mac} tagged = 1 }`).join('\n')} } }`,
)
const pmacctdConfig = join(folder, 'pmacctd.conf')
writeFileSync(
  pmacctdConfig,
  `daemonize: false
pcap_interface: ${near}
plugins: nfprobe
aggregate: src_host, dst_host, src_port, dst_port, proto, tos, vlan
nfprobe_receiver: 127.0.0.1:${port}
nfprobe_version: 9
nfprobe_maxflows: 200000
plugin_buffer_size: 1024000
plugin_pipe_size: 102400000
`,
)

interface Live {
  readonly name: string
  readonly command: readonly string[]
  /** Asks it how it goes. */
  readonly asked?: readonly string[]
  /** Packets that it says to have seen. */
  seen(output: string, exported: readonly Buffer[]): string
}

/** Packets of the flows that were exported. */
function packetsOf(datagrams: readonly Buffer[]): string {
  const reader = createNetflowReader()
  let sum = 0
  for (const datagram of datagrams)
    for (const record of reader.read(datagram, '127.0.0.1'))
      if (record.kind === 'flow') sum += Number(record.flow?.['packets'] ?? 0)
  return String(sum)
}

const PROGRAMS: readonly Live[] = [
  {
    name: 'vnetscope meter',
    command: [process.execPath, MAIN, 'meter', '-i', near, '-v', '9', '-n', `127.0.0.1:${port}`],
    seen: (output) => /^(\d+) packets/m.exec(output)?.[1] ?? '?',
  },
  {
    name: 'vnetscope probe',
    command: [process.execPath, MAIN, 'probe', '--config', probeConfig],
    seen: (output) => /(\d+) frames/.exec(output)?.[1] ?? '?',
  },
  {
    name: 'softflowd',
    command: [
      'softflowd',
      '-d',
      '-i',
      near,
      '-v',
      '9',
      '-T',
      'vlan',
      '-m',
      '200000',
      '-n',
      `127.0.0.1:${port}`,
      '-c',
      join(folder, 'ctl'),
    ],
    asked: ['softflowctl', '-c', join(folder, 'ctl'), 'statistics'],
    seen: (output) => /Packets processed: (\d+)/.exec(output)?.[1] ?? '?',
  },
  { name: 'pmacctd', command: ['pmacctd', '-f', pmacctdConfig], seen: (_output, datagrams) => packetsOf(datagrams) },
  {
    name: 'fprobe',
    // It knows no VLANs, but takes any length of the header before IP
    command: ['fprobe', '-i', near, '-f', 'vlan', '-K', '18', '-l', '2', `127.0.0.1:${port}`],
    seen: (_output, datagrams) => packetsOf(datagrams),
  },
]

try {
  run('ip', 'netns', 'add', inside)
  run('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', inside)
  run('sysctl', '-qw', `net.ipv6.conf.${near}.disable_ipv6=1`)
  run('ip', 'link', 'set', near, 'up')
  run('ip', 'netns', 'exec', inside, 'sysctl', '-qw', `net.ipv6.conf.${far}.disable_ipv6=1`)
  run('ip', 'netns', 'exec', inside, 'ip', 'link', 'set', far, 'up')
  process.stdout.write(
    `${machineLine()}\n${packets} packets of ${FLOWS.length} flows, 200 bytes, asked for ${values.rate} a second\n\n`,
  )
  const programs = PROGRAMS.filter(({ name, command }) => {
    if (values.without.includes(name)) return false
    const isThere = spawnSync('which', [command[0] as string]).status === 0
    if (!isThere) process.stdout.write(`${name} is not installed\n`)
    return isThere
  })
  const cpu = new Map<string, number[]>(programs.map(({ name }) => [name, []]))
  const lines = new Map<string, string>()
  // In turns, so that a busy hour of the machine is one for all of them
  for (let round = 0; round < Number(values.rounds); round++)
    for (const program of programs) {
      const { seconds, line } = await measured(program)
      cpu.get(program.name)?.push(seconds)
      lines.set(program.name, line)
    }
  const rival = median(cpu.get('softflowd') ?? [])
  for (const [name, list] of cpu) {
    const seconds = median(list)
    const part = rival > 0 ? `, ${(seconds / rival).toFixed(2)} × softflowd's` : ''
    const all = list.length > 1 ? ` (${list.map((each) => perMillion(each)).join(', ')})` : ''
    process.stdout.write(
      `${name.padEnd(16)} ${perMillion(seconds)} CPU s a million packets${all}${part}; ${lines.get(name)}\n`,
    )
  }
} finally {
  spawnSync('ip', ['netns', 'del', inside])
  sink.close()
  rmSync(folder, { recursive: true, force: true })
}

function perMillion(seconds: number): string {
  return ((seconds / packets) * 1e6).toFixed(3)
}

async function measured(program: Live): Promise<{ seconds: number; line: string }> {
  const child = spawn(program.command[0] as string, program.command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  exported = []
  child.stdout.on('data', (data: Buffer) => (output += data.toString()))
  child.stderr.on('data', (data: Buffer) => (output += data.toString()))
  await new Promise((resolve) => setTimeout(resolve, 3000))
  // What is compiled and filled once is not what is measured
  replay(WARM_UP)
  await new Promise((resolve) => setTimeout(resolve, 500))
  const before = cpuOf(child)
  const sent = replay(packets)
  await new Promise((resolve) => setTimeout(resolve, 500))
  const seconds = cpuOf(child) - before
  if (program.asked) output += run(...(program.asked as [string, ...string[]]))
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 5000))])
  child.kill('SIGKILL')
  await new Promise((resolve) => setTimeout(resolve, 500))
  const rate = /Rated: .*?([\d.]+) pps/s.exec(sent)?.[1] ?? '?'
  const drops = /\d+ dropped by the kernel/.exec(output)?.[0]?.replace(/^/, ', ') ?? ''
  return { seconds, line: `${rate} packets/s sent, seen ${program.seen(output, exported)}${drops}` }
}

/** Sends so many packets, and answers what the sender says. */
function replay(count: number): string {
  const loops = String(Math.ceil(count / FLOWS.length))
  // Twenty at a time and a sleep: by its own clock it would keep one core busy all the while. As fast as it can for no rate.
  const pace = values.rate === '0' ? ['-t'] : ['-T', 'nano', '--pps-multi=20', '-p', values.rate]
  const command = ['tcpreplay', '-q', '-K', ...pace, '--loop', loops, '-i', far, trace]
  return run('ip', 'netns', 'exec', inside, ...command)
}

function cpuOf({ pid }: ChildProcess): number {
  return processTree(pid as number).reduce((sum, each) => sum + cpuSeconds(each), 0)
}
