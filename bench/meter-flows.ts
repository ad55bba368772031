// A million flows held at once: memory of it, and how long the meter stands still while they end, bit by bit and all together.
//
//   npm run bench -- meter-flows [--flows 1000000] [--biflow]

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { createDatagramSender } from '../src/base/datagram-sender.ts'
import { loadLibc } from '../src/base/libc.ts'
import { createPacketBlock } from '../src/capture/packet-block.ts'
import { MOST_ENDED } from '../src/cli/meter-devices.ts'
import { createMeter } from '../src/meter/meter.ts'
import { machineLine } from './machine.ts'

const { values } = parseArgs({
  options: {
    flows: { type: 'string', default: '1000000' },
    biflow: { type: 'boolean', default: false },
  },
})
const flows = Number(values.flows)
const MEGABYTE = 1 << 20
const FRAME = 60
const BLOCK = 4096

// A port where datagrams are taken and left unread: reading them here would hold up what is measured
const { port, close } = openSink()
const sender = await createDatagramSender([{ host: '127.0.0.1', port }])

const rss = (): number => process.memoryUsage().rss
const before = rss()
let now = 1_700_000_000_000
const meter = createMeter(
  {
    version: 10,
    track: 'vlan',
    keyTos: true,
    maxFlows: flows + 1000,
    reading: { tunnels: 'inner', fragments: 'together' },
    timeouts: { active: 300, tcp: 60, tcpFin: 5, tcpRst: 5, udp: 60, icmp: 60, general: 60 },
    samplingRate: 1,
    flowSampling: 1,
    kernelSampling: 1,
    biflow: values.biflow,
    domain: 0,
    templateEvery: 100,
    templateSeconds: 60,
    maxBytes: 1400,
  },
  { send: (datagram) => sender.send(datagram), random: Math.random, startedAt: now },
)

const block = createPacketBlock(BLOCK)
block.bytes = new Uint8Array(BLOCK * FRAME)
block.view = new DataView(block.bytes.buffer)
for (let i = 0; i < BLOCK; i++) {
  const at = i * FRAME
  block.offset[i] = at
  block.captured[i] = FRAME
  block.original[i] = FRAME
  block.linkType[i] = 1
  block.view.setUint16(at + 12, 0x0800)
  block.view.setUint32(at + 14, 0x45000000 + FRAME - 14)
  block.view.setUint32(at + 22, 0x40060000)
  block.view.setUint16(at + 46, 0x5010)
}

/** Meters a packet of each of these flows. */
function meterFlows(from: number, to: number): void {
  for (let flow = from; flow < to;) {
    let i = 0
    for (; i < BLOCK && flow < to; i++, flow++) {
      const at = i * FRAME + 26
      block.view.setUint32(at, 0x0a000000 + (flow & 0xffff))
      block.view.setUint32(at + 4, 0x0b000000 + (Math.imul(flow, 0x9e3779b1) >>> 8))
      block.view.setUint32(at + 8, (10_000 + (flow >>> 6)) * 65_536 + 443)
      block.seconds[i] = Math.floor(now / 1000)
      block.nanos[i] = (now % 1000) * 1e6
    }
    block.count = i
    step(() => meter.block(block))
  }
}

/** Longest time that nothing else could be done, in milliseconds: by the clock, and by the processor, which other work does not delay. */
let longest = 0
let longestCpu = 0
function step<T>(work: () => T): T {
  const cpu = process.threadCpuUsage()
  const began = performance.now()
  const result = work()
  longest = Math.max(longest, performance.now() - began)
  const { user, system } = process.threadCpuUsage(cpu)
  longestCpu = Math.max(longestCpu, (user + system) / 1000)
  return result
}

const delay = monitorEventLoopDelay({ resolution: 1 })

async function measured(name: string, work: () => Promise<void>): Promise<void> {
  ;[longest, longestCpu] = [0, 0]
  delay.reset()
  delay.enable()
  const cpu = process.cpuUsage()
  await work()
  delay.disable()
  const { user, system } = process.cpuUsage(cpu)
  process.stdout.write(
    `${name.padEnd(46)} longest step ${longest.toFixed(1).padStart(5)} ms (${longestCpu.toFixed(1).padStart(4)} ms of CPU), event loop late by ${(delay.max / 1e6).toFixed(1).padStart(5)} ms at most, ${((user + system) / 1e6).toFixed(2)} CPU s\n`,
  )
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

process.stdout.write(`${machineLine()}\n${flows} flows${values.biflow ? ' of both directions' : ''}\n\n`)
await measured('the first packets, in code not yet compiled', async () => {
  for (let round = 0; round < 8; round++) {
    meterFlows(0, BLOCK)
    await turn()
  }
})
await measured('flows begin', async () => {
  for (let flow = 0; flow < flows; flow += BLOCK) {
    meterFlows(flow, Math.min(flow + BLOCK, flows))
    await turn()
  }
})
const held = meter.status().flows
process.stdout.write(
  `  ${held} flows held; RSS ${Math.round(rss() / MEGABYTE)} MB, ${Math.round((rss() - before) / held)} bytes a flow; the cache says ${Math.round(meter.status().memory.used / MEGABYTE)} MiB\n`,
)

// As a live device does it: what is due of a round of a second, in slices
async function sweeps(seconds: number, each: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed += each) {
    now += each * 1000
    let owed = Math.ceil(meter.slots() * Math.min(1, each))
    while (owed > 0) {
      owed = step(() => meter.tick(now, owed, MOST_ENDED))
      await turn()
    }
    await sender.below(128)
  }
}

await measured('all of them end together', () => sweeps(61, 61))
process.stdout.write(`  ${meter.status().flows} flows held, ${meter.status().ended.idle} ended at rest\n`)

await measured('begin again, spread over a minute', async () => {
  for (let second = 0; second < 60; second++) {
    meterFlows(Math.floor((second * flows) / 60), Math.floor(((second + 1) * flows) / 60))
    now += 1000
    await turn()
  }
})
await measured('end bit by bit, a sixtieth each second', () => sweeps(61, 0.1))
process.stdout.write(`  ${meter.status().flows} flows held, ${meter.status().ended.idle} ended at rest\n`)

await measured('begin once more', async () => {
  meterFlows(0, flows)
})
await measured('all are reported at the end', async () => {
  while (step(() => meter.end(4096))) {
    await sender.below(128)
    await turn()
  }
  await sender.below(1)
})
const [status] = sender.status()
process.stdout.write(`  ${meter.status().records} records in ${status?.sent} datagrams, ${status?.failed} failed\n`)
sender.close()
close()

function openSink(): { port: number; close: () => void } {
  const libc = loadLibc('bench', 'there is nowhere to send to')
  const fd = libc.socket(2, 2, 0)
  const name = new DataView(new ArrayBuffer(16))
  name.setUint16(0, 2, true)
  name.setUint32(4, 0x7f000001)
  const length = new Uint32Array(new ArrayBuffer(4))
  length[0] = 16
  libc.bind(fd, libc.address(name.buffer), 16)
  libc.getsockname(fd, libc.address(name.buffer), libc.address(length.buffer))
  return { port: name.getUint16(2), close: () => void libc.close(fd) }
}
