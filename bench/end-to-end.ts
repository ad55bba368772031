// From an independent sender on loopback into rows that a query sees: flows a second sustained, CPU of each stage, the
// ledger, and nfcapd (or sfcapd) on the same stream in the same run.
//
//   npm run bench -- end-to-end [--kind v9|sflow] [--rate DATAGRAMS_PER_S] [--seconds 60]

import { readdirSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { cpuSeconds, machineLine, processTree } from './machine.ts'
import { startNfdumpCollector } from './nfdump-collector.ts'
import { blast, startServer, until } from './server.ts'

const { values } = parseArgs({
  options: {
    kind: { type: 'string', default: 'v9' },
    rate: { type: 'string' },
    seconds: { type: 'string', default: '60' },
  },
})
const kind = values.kind === 'sflow' ? 'sflow' : 'v9'
const rate = Number(values.rate ?? (kind === 'v9' ? 18_000 : 55_000))
const seconds = Number(values.seconds)
const unit = kind === 'v9' ? 'flows' : 'samples'

process.stdout.write(`${machineLine()}\n${kind}, ${rate} datagrams a second for ${seconds} s\n\n`)

const server = await startServer()
const before = new Map(processTree(server.pid).map((pid) => [pid, cpuSeconds(pid)]))
const threadsBefore = threadSeconds(server.pid)
const began = Date.now()
const sent = await blast({ to: `127.0.0.1:${server.port}`, kind, rate, seconds })
const sentAt = performance.now()
const settled = async (): Promise<boolean> => {
  const { ledger } = await server.health()
  const { received, kernelDropped } = ledger.datagrams
  const { decoded, stored, queueDropped, spoolRefused } = ledger.flows
  return (
    received + kernelDropped >= sent.datagrams + sent.templates &&
    stored + queueDropped + spoolRefused >= decoded &&
    decoded > 0
  )
}
await until(settled, 120, 'everything in the store')
const delay = (performance.now() - sentAt) / 1000
const health = await server.health()
const cpu = { server: 0, engine: 0 }
for (const pid of processTree(server.pid)) {
  const used = cpuSeconds(pid) - (before.get(pid) ?? 0)
  if (pid === server.pid) cpu.server += used
  else cpu.engine += used
}
const top = await server.ask('top', { from: began - 60_000, to: Date.now() + 60_000, by: ['src_addr'], limit: 1 })
const total = top['total'] as { flows: number; bytes: number; packets: number }
const million = sent.records / 1e6
const { ledger } = health
const scale = kind === 'v9' ? 1 : total.packets / sent.packets

print({
  [`${unit} sent`]: sent.records,
  [`${unit} a second`]: sent.recordsPerSecond,
  [`${unit} seen by a query`]: total.flows,
  'bytes seen / sent': (total.bytes / sent.bytes / scale).toFixed(6),
  'datagrams lost in the kernel': ledger.datagrams.kernelDropped,
  'flows dropped or refused': ledger.flows.queueDropped + ledger.flows.spoolRefused,
  ledger: `${ledger.flows.decoded} decoded = ${ledger.flows.stored} stored + ${ledger.flows.queueDropped} + ${ledger.flows.spoolRefused}`,
  'last flow visible after': `${delay.toFixed(1)} s`,
  'bytes a flow on disk': (health.store.bytesOnDisk / health.store.flows).toFixed(1),
  'CPU s / million, server': (cpu.server / million).toFixed(3),
  'CPU s / million, engine': (cpu.engine / million).toFixed(3),
})
process.stdout.write('\nby thread, CPU s a million:\n')
for (const [name, used] of threadSeconds(server.pid)) {
  const more = used - (threadsBefore.get(name) ?? 0)
  if (more > 0.2) process.stdout.write(`  ${name.padEnd(22)} ${(more / million).toFixed(3)}\n`)
}
await server.stop()

const rival = await startNfdumpCollector(kind === 'v9' ? 'nfcapd' : 'sfcapd')
const rivalSent = await blast({ to: `127.0.0.1:${rival.port}`, kind, rate, seconds })
await new Promise((resolve) => setTimeout(resolve, 1000))
const rivalCpu = rival.cpuSeconds()
await rival.stop()
const rivalTotals = rival.totals()
process.stdout.write(`\n${kind === 'v9' ? 'nfcapd' : 'sfcapd'} on the same stream\n`)
print({
  [`${unit} sent`]: rivalSent.records,
  [`${unit} kept`]: rivalTotals.flows,
  'CPU s / million': (rivalCpu / (rivalSent.records / 1e6)).toFixed(3),
  'bytes a flow on disk': (rival.bytesOnDisk() / Math.max(1, rivalTotals.flows)).toFixed(1),
})
rival.remove()
process.exit(total.flows === sent.records ? 0 : 1)

function print(figures: Record<string, string | number>): void {
  for (const [name, value] of Object.entries(figures)) process.stdout.write(`  ${name.padEnd(32)} ${value}\n`)
}

/** CPU seconds of each thread, by its name and number. */
function threadSeconds(pid: number): Map<string, number> {
  const threads = new Map<string, number>()
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      const name = readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8').trim()
      threads.set(
        `${name} ${task}`,
        Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e9,
      )
    } catch {
      // It ended meanwhile.
    }
  }
  return threads
}
