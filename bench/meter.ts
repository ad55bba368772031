// The meter over a capture file: CPU of vnetscope, softflowd, nfpcapd and pmacctd for the same packets, and the flows that each found.
//
//   npm run bench -- meter [--packets 10000000] [--flows 1000000] [--rounds 1] [--without pmacctd]

import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { machineLine, median } from './machine.ts'

const { values } = parseArgs({
  options: {
    packets: { type: 'string', default: '10000000' },
    flows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '1' },
    without: { type: 'string', multiple: true, default: [] },
  },
})
const total = Number(values.packets)
const many = Number(values.flows)
const rounds = Number(values.rounds)
const folder = mkdtempSync(join(tmpdir(), 'vnetscope-meter-'))

/** A port where datagrams are taken and left unread, so that nobody is told that nobody listens. */
const sink = createSocket('udp4')
await new Promise<void>((resolve) => sink.bind(0, '127.0.0.1', resolve))
const to = `127.0.0.1:${sink.address().port}`

interface Program {
  readonly name: string
  command(file: string, maxFlows: string): readonly string[]
  /** How many flows it says to have found. */
  found(output: string): string
}

const PROGRAMS: readonly Program[] = [
  {
    name: 'vnetscope',
    command: (file, maxFlows) => [
      process.execPath,
      join(import.meta.dirname, '../src/cli/main.ts'),
      ...['meter', '-r', file, '-n', to, '-v', '9', '-m', maxFlows, '-t', 'maxlife=1h', '-t', 'tcp=1h', '-t', 'udp=1h'],
      ...['--export-rate', '1000000'],
    ],
    found: (output) => /exported: (\d+) records/.exec(output)?.[1] ?? '?',
  },
  {
    name: 'softflowd',
    command: (file, maxFlows) => ['softflowd', '-d', '-r', file, '-n', to, '-v', '9', '-T', 'vlan', '-m', maxFlows],
    found: (output) => /flushed =\s+(\d+)/.exec(output)?.[1] ?? '?',
  },
  {
    name: 'nfpcapd',
    command: (file, maxFlows) => {
      mkdirSync(join(folder, 'nfpcapd'), { recursive: true })
      return ['nfpcapd', '-r', file, '-l', join(folder, 'nfpcapd'), '-e', '3600,3600', '-B', maxFlows, '-o', 'fat']
    },
    found: () => {
      const { stdout } = spawnSync('nfdump', ['-R', join(folder, 'nfpcapd'), '-I'], { encoding: 'utf8' })
      rmSync(join(folder, 'nfpcapd'), { recursive: true })
      return /^Flows: (\d+)/m.exec(stdout)?.[1] ?? '?'
    },
  },
  {
    name: 'pmacctd',
    command: (file, maxFlows) => {
      const config = join(folder, 'pmacctd.conf')
      writeFileSync(
        config,
        `daemonize: false
pcap_savefile: ${file}
plugins: nfprobe
aggregate: src_host, dst_host, src_port, dst_port, proto, tos, vlan
nfprobe_receiver: ${to}
nfprobe_version: 9
nfprobe_maxflows: ${maxFlows}
plugin_buffer_size: 1024000
plugin_pipe_size: 102400000
`,
      )
      return ['pmacctd', '-f', config]
    },
    found: () => 'not told',
  },
]

process.stdout.write(`${machineLine()}\n`)
const alone = Math.ceil(total / 5)
for (const [title, length, packets, flows] of [
  [`${total} packets of ${many} flows in any order, 10 % tagged, 96 bytes kept of sizes up to 1296`, 96, total, many],
  [`the same of 64 bytes each`, 60, total, many],
  [`${alone} packets of 64 bytes, each of another flow`, 60, alone, alone],
] as const) {
  const file = join(folder, `${length}.pcap`)
  writeTrace(file, length, packets, flows)
  const maxFlows = String(Math.ceil(flows * 1.1))
  process.stdout.write(`\n${title}\n`)
  const cpu = new Map<string, number[]>()
  const found = new Map<string, string>()
  for (let round = 0; round < rounds; round++) {
    for (const program of PROGRAMS.filter(({ name }) => !values.without.includes(name))) {
      const { seconds, output } = timed(program.command(file, maxFlows))
      cpu.set(program.name, [...(cpu.get(program.name) ?? []), seconds])
      found.set(program.name, program.found(output))
    }
  }
  const ours = median(cpu.get('vnetscope') as number[])
  for (const [name, list] of cpu) {
    const seconds = median(list)
    process.stdout.write(
      `  ${name.padEnd(10)} ${seconds.toFixed(2).padStart(7)} CPU s, ${(packets / seconds / 1e6).toFixed(2).padStart(5)} M packets a CPU second, ${found.get(name)} flows, ${(seconds / ours).toFixed(1)} × vnetscope's\n`,
    )
  }
  rmSync(file)
}
sink.close()
rmSync(folder, { recursive: true })

/** User and system seconds of a program and its children. */
function timed(command: readonly string[]): { seconds: number; output: string } {
  const { stdout, stderr, status } = spawnSync(
    'bash',
    ['-c', 'TIMEFORMAT="cpu %U %S"; time timeout 600 "$@"', 'bash', ...command],
    { encoding: 'utf8', maxBuffer: 1 << 26 },
  )
  const match = /cpu ([\d.]+) ([\d.]+)\s*$/.exec(stderr)
  if (!match) throw new Error(`${command[0]} ended with ${status}: ${stderr.slice(-400)}`)
  return { seconds: Number(match[1]) + Number(match[2]), output: stdout + stderr }
}

/** Packets of flows drawn at random, each flow at least once. */
function writeTrace(file: string, length: number, packets: number, flows: number): void {
  const record = 16 + length
  const chunk = Buffer.alloc(record * 8192)
  const fd = openSync(file, 'w')
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(65_535, 16)
  header.writeUInt32LE(1, 20)
  writeSync(fd, header)
  let state = 12_345
  let at = 0
  for (let i = 0; i < packets; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const flow = i < flows ? i : (state >>> 0) % flows
    putPacket(chunk, at, i, flow, length)
    at += record
    if (at === chunk.length) {
      writeSync(fd, chunk)
      at = 0
    }
  }
  writeSync(fd, chunk, 0, at)
  closeSync(fd)
}

function putPacket(into: Buffer, at: number, i: number, flow: number, length: number): void {
  const micros = 1_700_000_000e6 + i * 30
  const wire = length === 60 ? 60 : length + (flow % 1200)
  into.writeUInt32LE(Math.floor(micros / 1e6), at)
  into.writeUInt32LE(micros % 1e6, at + 4)
  into.writeUInt32LE(length, at + 8)
  into.writeUInt32LE(wire, at + 12)
  const frame = at + 16
  into.fill(0, frame, frame + length)
  const mixed = Math.imul(flow, 0x9e3779b1) >>> 0
  into.writeUInt32BE(0x02000000, frame)
  into.writeUInt16BE(mixed & 0xff, frame + 4)
  into.writeUInt32BE(0x02000001, frame + 6)
  into.writeUInt16BE(mixed >>> 24, frame + 10)
  let type = frame + 12
  if (flow % 10 === 0) {
    into.writeUInt32BE(0x81000064 + (flow % 7), type)
    type += 4
  }
  into.writeUInt16BE(0x0800, type)
  const ip = type + 2
  const protocol = flow % 3 === 0 ? 17 : 6
  into.writeUInt8(0x45, ip)
  into.writeUInt16BE(wire - (ip - frame), ip + 2)
  into.writeUInt8(64, ip + 8)
  into.writeUInt8(protocol, ip + 9)
  into.writeUInt32BE(0x0a000000 + (flow & 0xffff), ip + 12)
  into.writeUInt32BE(0x0b000000 + (mixed >>> 8), ip + 16)
  into.writeUInt16BE(10_000 + ((flow >>> 6) % 50_000), ip + 20)
  into.writeUInt16BE(flow % 2 === 0 ? 443 : 80, ip + 22)
  if (protocol === 6) into.writeUInt16BE(0x5010, ip + 32)
  else into.writeUInt16BE(wire - (ip - frame) - 20, ip + 24)
}
