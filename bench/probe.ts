// The probe on a bridge with an uplink and 32 machines: what it costs, and what the kernel has to do for it, with frames counted
// by itself and with sampling and counters left to the kernel.
//
//   npm run bench -- probe [--packets 1500000] [--rate 300000] [--rounds 1] [--only kernel]

import { spawn, spawnSync } from 'node:child_process'
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
    packets: { type: 'string', default: '1500000' },
    rate: { type: 'string', default: '300000' },
    rounds: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
  },
})
const MACHINES = 32
const folder = mkdtempSync(join(tmpdir(), 'vnetscope-bench-probe-'))
const tag = process.pid.toString(36)
const [outside, guests, bridge, near, far] = [`bpo-${tag}`, `bpg-${tag}`, `bpb${tag}`, `bpn${tag}`, `bpf${tag}`]
const portOf = (i: number): string => `bp${i}-${tag}`
const macOf = (i: number): string => `02:54:00:00:00:${(i + 1).toString(16).padStart(2, '0')}`
const MAIN = join(import.meta.dirname, '../src/cli/main.ts')

function run(...command: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command[0] as string, command.slice(1), { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  return stdout + stderr
}

const sink = createSocket('udp4')
sink.bind(0, '127.0.0.1')
await once(sink, 'listening')

// 10,000 flows from the uplink to 32 machines, 200 bytes a frame
const FRAMES = someFlows(10_000).map((flow, i) => {
  const frame = frameOf({ ...flow, payload: 140, packets: 1 }, 0)
  frame.set(Buffer.from(macOf(i % MACHINES).replaceAll(':', ''), 'hex'), 0)
  frame.set(Buffer.from('001422592277', 'hex'), 6)
  return frame
})
const loops = Math.ceil(Number(values.packets) / FRAMES.length)
const packets = loops * FRAMES.length
const trace = join(folder, 'trace.pcap')
writeFrames(trace, FRAMES, Date.UTC(2026, 0, 5))

const configured = (inSwitch: string): string =>
  `sflow { agentip = 192.0.2.1 collector { ip = 127.0.0.1 udpport = ${sink.address().port} }
  virtualswitch { ${inSwitch} pcap { device = ${bridge} } uplink { mac = 00:14:22:59:22:77 device = ${near} }
${Array.from({ length: MACHINES }, (_, i) => `    virtualinterface { mac = ${macOf(i)} device = ${portOf(i)} }`).join('\n')} } }`

/** What runs beside the traffic, by its configuration; '' for nothing. */
const WAYS: readonly (readonly [name: string, config: string])[] = [
  ['no probe', ''],
  ['frames counted by the probe', configured('')],
  ['kernel samples and counts', configured('sampling = kernel counters = kernel')],
]

interface Measured {
  /** CPU seconds. */
  readonly probe: number
  readonly sender: number
  readonly seconds: number
  readonly said: string
}

async function measure(config: string): Promise<Measured> {
  const file = join(folder, 'probe.conf')
  writeFileSync(file, config)
  const child = config === '' ? undefined : spawn(process.execPath, [MAIN, 'probe', '--config', file])
  let output = ''
  child?.stderr.on('data', (data: Buffer) => (output += data.toString()))
  if (child) await new Promise((resolve) => setTimeout(resolve, 2500))
  const used = (): number =>
    child ? processTree(child.pid as number).reduce((sum, pid) => sum + cpuSeconds(pid), 0) : 0
  const before = used()
  const replay = ['tcpreplay', '-q', '-K', '--loop', String(loops), '-p', values.rate, '-i', far, trace]
  // What the kernel does for a frame that is sent here it does in the sender's time
  const sending = spawn('ip', [
    'netns',
    'exec',
    outside,
    'bash',
    '-c',
    `TIMEFORMAT='cpu %U %S'; time ${replay.join(' ')}`,
  ])
  let sent = ''
  sending.stdout.on('data', (data: Buffer) => (sent += data.toString()))
  sending.stderr.on('data', (data: Buffer) => (sent += data.toString()))
  const began = performance.now()
  await once(sending, 'close')
  const seconds = (performance.now() - began) / 1000
  if (child) {
    await new Promise((resolve) => setTimeout(resolve, 200))
    const probe = used() - before
    child.kill('SIGTERM')
    await once(child, 'exit')
    return { probe, sender: senderSeconds(sent), seconds, said: /ended: (.*)/.exec(output)?.[1] ?? output }
  }
  return { probe: 0, sender: senderSeconds(sent), seconds, said: '' }
}

function senderSeconds(text: string): number {
  const match = /cpu ([\d.]+) ([\d.]+)/.exec(text)
  return Number(match?.[1]) + Number(match?.[2])
}

try {
  for (const namespace of [outside, guests]) run('ip', 'netns', 'add', namespace)
  run('ip', 'link', 'add', bridge, 'type', 'bridge')
  run('ip', 'link', 'set', bridge, 'up')
  run('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', outside)
  run('ip', 'netns', 'exec', outside, 'ip', 'link', 'set', far, 'up')
  run('ip', 'link', 'set', near, 'master', bridge, 'up')
  for (let i = 0; i < MACHINES; i++) {
    run('ip', 'link', 'add', portOf(i), 'type', 'veth', 'peer', 'name', `eth${i}`, 'netns', guests)
    run('ip', 'netns', 'exec', guests, 'ip', 'link', 'set', `eth${i}`, 'up')
    run('ip', 'link', 'set', portOf(i), 'master', bridge, 'up')
    run('bridge', 'fdb', 'replace', macOf(i), 'dev', portOf(i), 'master', 'static')
  }
  process.stdout.write(
    `${machineLine()}\n${packets} packets of 200 bytes through a bridge to ${MACHINES} machines, asked for ${values.rate} a second, 1 in 400 sampled\n\n`,
  )
  let bare = Number.NaN
  for (const [name, config] of WAYS.filter(([each]) => each.includes(values.only))) {
    const rounds: Measured[] = []
    for (let n = 0; n < Number(values.rounds); n++) rounds.push(await measure(config))
    const of = (value: (round: Measured) => number): number => median(rounds.map(value))
    const sender = (of((round) => round.sender) / packets) * 1e6
    if (config === '') bare = sender
    const rate = packets / of((round) => round.seconds)
    const probe = of((round) => round.probe)
    process.stdout.write(
      `${name.padEnd(28)} ${Math.round(rate)} packets/s; probe ${((probe / packets) * 1e6).toFixed(3)} CPU s a million packets, ` +
        `${((probe / of((round) => round.seconds)) * 100).toFixed(1)} % of a core; kernel ${sender.toFixed(3)} CPU s a million` +
        `, sending included${config === '' || Number.isNaN(bare) ? '' : `, ${(sender - bare).toFixed(3)} of them for the probe`}\n` +
        (config === '' ? '' : `${' '.repeat(29)}${rounds.at(-1)?.said}\n`),
    )
  }
} finally {
  for (const namespace of [outside, guests]) spawnSync('ip', ['netns', 'del', namespace])
  spawnSync('ip', ['link', 'del', bridge])
  sink.close()
  rmSync(folder, { recursive: true, force: true })
}
