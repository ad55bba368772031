// The meter and the probe on a live device: what a sender can send over veth, how much of it each sees, and the CPU of it,
// beside softflowd and pmacctd.
//
//   npm run bench -- live [--packets 2000000] [--rate 200000] [--rounds 1]

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { frameOf, someFlows, writeFrames } from '../test/interop/frames.ts'
import { cpuSeconds, machineLine, median, processTree } from './machine.ts'

const { values } = parseArgs({
  options: {
    packets: { type: 'string', default: '2000000' },
    rate: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '1' },
  },
})
const packets = Number(values.packets)
const folder = mkdtempSync(join(tmpdir(), 'vnetscope-live-'))
const tag = process.pid.toString(36)
const [inside, near, far] = [`bl-${tag}`, `bla${tag}`, `blb${tag}`]
const MAIN = join(import.meta.dirname, '../src/cli/main.ts')

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
  return stdout + stderr
}

const sink = createSocket('udp4')
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
  seen(output: string): string
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
  { name: 'pmacctd', command: ['pmacctd', '-f', pmacctdConfig], seen: () => 'not told' },
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
  for (const program of PROGRAMS) {
    const cpu: number[] = []
    let line = ''
    for (let round = 0; round < Number(values.rounds); round++) {
      const child = spawn(program.command[0] as string, program.command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
      let output = ''
      child.stdout.on('data', (data: Buffer) => (output += data.toString()))
      child.stderr.on('data', (data: Buffer) => (output += data.toString()))
      await new Promise((resolve) => setTimeout(resolve, 3000))
      const before = cpuOf(child)
      const sent = run(
        ...([
          'ip',
          'netns',
          'exec',
          inside,
          'tcpreplay',
          '-q',
          '-K',
          '--loop',
          String(Math.ceil(packets / FLOWS.length)),
          '-p',
          values.rate,
          '-i',
          far,
          trace,
        ] as const),
      )
      await new Promise((resolve) => setTimeout(resolve, 500))
      cpu.push(cpuOf(child) - before)
      if (program.asked) output += run(...(program.asked as [string, ...string[]]))
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 5000))])
      child.kill('SIGKILL')
      line = `${/Rated: .*?([\d.]+) pps/s.exec(sent)?.[1] ?? '?'} packets/s sent, seen ${program.seen(output)}${/\d+ dropped by the kernel/.exec(output)?.[0]?.replace(/^/, ', ') ?? ''}`
    }
    process.stdout.write(
      `${program.name.padEnd(16)} ${((median(cpu) / packets) * 1e6).toFixed(3)} CPU s a million packets; ${line}\n`,
    )
  }
} finally {
  spawnSync('ip', ['netns', 'del', inside])
  sink.close()
  rmSync(folder, { recursive: true, force: true })
}

function cpuOf({ pid }: ChildProcess): number {
  return processTree(pid as number).reduce((sum, each) => sum + cpuSeconds(each), 0)
}
