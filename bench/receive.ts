// Receiving and decoding alone, beside nfcapd and sfcapd on the same streams in the same run: datagrams a second without
// loss, goodput under overload, and CPU seconds per million datagrams. Needs Linux with two processors or more, taskset, nfdump (nfcapd, sfcapd).
//
//   node bench/receive.ts [--kind v9|sflow] [--seconds 1.5]

import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    kind: { type: 'string', multiple: true, default: ['v9', 'sflow'] },
    seconds: { type: 'string', default: '1.5' },
  },
})
const SECONDS = Number(values.seconds)
const PORT = 21_055
/** The highest rate counts as without loss if fewer than one datagram in a thousand is lost. */
const LOSS = 0.001
const STEP = 1.2
const CPU_TICKS = 100

interface Sent {
  datagrams: number
  templates: number
  records: number
  datagramsPerSecond: number
}

interface Rival {
  readonly name: string
  start(): Promise<ChildProcess>
}

function here(file: string): string {
  return new URL(file, import.meta.url).pathname
}

function vnetscope(): Rival {
  return {
    name: 'vnetscope',
    async start() {
      const child = spawn('taskset', ['-c', '1', process.execPath, here('./receive-sink.ts'), String(PORT)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(child.stdout, 'data')
      return child
    },
  }
}

function nfdump(program: 'nfcapd' | 'sfcapd', directory: string): Rival {
  return {
    name: program,
    async start() {
      const child = spawn(
        'taskset',
        ['-c', '1', program, '-w', directory, '-p', String(PORT), '-b', '127.0.0.1', '-B', '4194304', '-t', '3600'],
        { stdio: 'ignore' },
      )
      for (let i = 0; i < 100 && drops() === undefined; i++) await pause(50)
      return child
    },
  }
}

/** Datagrams that the kernel dropped at the port; undefined while nobody listens. */
function drops(): number | undefined {
  const port = PORT.toString(16).toUpperCase().padStart(4, '0')
  for (const file of ['/proc/net/udp', '/proc/net/udp6']) {
    for (const line of readFileSync(file, 'latin1').split('\n')) {
      const fields = line.trim().split(/\s+/)
      if (fields[1]?.endsWith(`:${port}`)) return Number(fields[12])
    }
  }
  return undefined
}

/** CPU seconds of a process so far. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / CPU_TICKS
}

interface Run {
  readonly sent: number
  readonly lost: number
  readonly perSecond: number
  readonly cpu: number
}

async function blast(pid: number, kind: string, rate: number, seconds = SECONDS): Promise<Run> {
  const before = drops() ?? 0
  const cpuBefore = cpuSeconds(pid)
  const args = [
    '-c',
    '0',
    process.execPath,
    here('./udp-blast.ts'),
    '--to',
    `127.0.0.1:${PORT}`,
    '--kind',
    kind,
    '--rate',
    String(rate),
    '--seconds',
    String(seconds),
  ]
  const sender = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  sender.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await once(sender, 'exit')
  // What lies in the receive buffer is still read.
  await pause(500)
  const sent = JSON.parse(output) as Sent
  const total = sent.datagrams + sent.templates
  const lost = (drops() ?? before) - before
  return { sent: total, lost, perSecond: sent.datagramsPerSecond, cpu: cpuSeconds(pid) - cpuBefore }
}

interface Result {
  readonly name: string
  readonly noLoss: number
  readonly goodput: number
  readonly cpuPerMillion: number
  readonly cpuPerMillionOverload: number
}

async function measure(rival: Rival, kind: string): Promise<Result> {
  const child = await rival.start()
  const pid = child.pid as number
  try {
    await blast(pid, kind, 50_000, 3)
    const steady = await blast(pid, kind, 50_000, 4)
    let noLoss = 0
    for (let rate = 20_000; rate < 3_000_000; rate *= STEP) {
      let best = 1
      let reached = 0
      for (let attempt = 0; attempt < 2 && best > LOSS; attempt++) {
        const run = await blast(pid, kind, rate)
        best = Math.min(best, run.lost / run.sent)
        reached = Math.max(reached, run.perSecond)
      }
      if (best > LOSS || reached < rate * 0.9) break
      noLoss = reached
    }
    const overload = await blast(pid, kind, 0)
    const received = overload.sent - overload.lost
    return {
      name: rival.name,
      noLoss,
      goodput: Math.round((received / overload.sent) * overload.perSecond),
      cpuPerMillion: (steady.cpu / (steady.sent - steady.lost)) * 1e6,
      cpuPerMillionOverload: (overload.cpu / received) * 1e6,
    }
  } finally {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
}

const version = execFileSync('nfdump', ['-V'], { encoding: 'utf8' }).trim()
process.stdout.write(`${cpus()[0]?.model}, ${cpus().length} processors, Node ${process.version}; ${version}\n`)
for (const kind of values.kind) {
  const directory = mkdtempSync(join(tmpdir(), 'vnetscope-receive-'))
  const what = kind === 'v9' ? 'NetFlow v9, 24 records a datagram' : 'sFlow, 6 samples a datagram'
  process.stdout.write(
    `\n${what}\n| receiver | datagrams/s without loss | under overload | CPU s per M at 50,000/s | CPU s per M under overload |\n| --- | --- | --- | --- | --- |\n`,
  )
  try {
    const results: Result[] = []
    for (const rival of [nfdump(kind === 'v9' ? 'nfcapd' : 'sfcapd', directory), vnetscope()]) {
      const result = await measure(rival, kind)
      results.push(result)
      process.stdout.write(
        `| ${result.name} | ${result.noLoss} | ${result.goodput} | ${result.cpuPerMillion.toFixed(2)} | ${result.cpuPerMillionOverload.toFixed(2)} |\n`,
      )
    }
    const [theirs, ours] = results
    if (theirs && ours) {
      const ratio = (a: number, b: number): string => (b > 0 ? (a / b).toFixed(2) : 'n/a')
      process.stdout.write(
        `vnetscope / ${theirs.name}: without loss ${ratio(ours.noLoss, theirs.noLoss)}, under overload ${ratio(ours.goodput, theirs.goodput)}; ` +
          `CPU ${theirs.name} / vnetscope: at 50,000/s ${ratio(theirs.cpuPerMillion, ours.cpuPerMillion)}, under overload ${ratio(theirs.cpuPerMillionOverload, ours.cpuPerMillionOverload)}\n`,
      )
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
