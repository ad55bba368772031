// Questions of the console over a month of simulated flows, from rollups and from the flows; beside nfdump on the same flows.
//
//   npm run bench -- query-rollup [--flows 10000000] [--base 10000000] [--days 30] [--rounds 7] [--protocol ipfix|mixed|sflow] [--nfdump]
//
// `base` flows come out of the simulator, which nfdump gets too with --nfdump; what is more is made of them by shifting
// their times. They are received evenly over the days, which end now.

import { createSocket } from 'node:dgram'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/base/clock.ts'
import { createAsk, type Ask } from '../src/query/ask.ts'
import type { Asked } from '../src/query/question.ts'
import { createEmbeddedStore, type EmbeddedStore } from '../src/store/embedded.ts'
import { createRoller } from '../src/store/roller.ts'
import { QUESTION_SETS, SPANS, percentile } from './console-questions.ts'
import { copyFlows, insertSimulated, mergesSettled, tableSizes } from './filled-store.ts'
import { cpuOf, machineLine, median } from './machine.ts'
import { startNfdumpCollector, type NfdumpCollector } from './nfdump-collector.ts'

const { values } = parseArgs({
  options: {
    flows: { type: 'string', default: '10000000' },
    base: { type: 'string', default: '10000000' },
    days: { type: 'string', default: '30' },
    rounds: { type: 'string', default: '7' },
    protocol: { type: 'string', default: 'ipfix' },
    nfdump: { type: 'boolean', default: false },
    vms: { type: 'string', default: '2000' },
  },
})
const FLOWS = Number(values.flows)
const BASE = Math.min(FLOWS, Number(values.base))
const DAY = 86_400_000
const ROUNDS = Number(values.rounds)
const END = Math.floor(Date.now() / 3_600_000) * 3_600_000
const START = END - Number(values.days) * DAY
/** The base lies in the first of so many equal spans. */
const COPIES = Math.ceil(FLOWS / BASE)
const SPAN = Math.floor((END - START) / COPIES)

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`

const work = await mkdtemp(join(tmpdir(), 'vnetscope-bench-'))
const store = createEmbeddedStore({ dir: join(work, 'store'), keepDays: 3650 }, { clock: systemClock })
await store.start()
const rival = values.nfdump ? await startNfdumpCollector('nfcapd') : undefined
try {
  say(machineLine())
  await fill(store, rival)
  const roller = createRoller({}, { store, clock: { now: () => Date.now() } })
  const before = cpuOfEngine()
  let began = performance.now()
  await roller.run()
  const cpu = cpuOfEngine() - before
  say(`rollups built in ${seconds(began)}: ${((cpu / FLOWS) * 1e6).toFixed(2)} CPU s a million flows`)
  began = performance.now()
  await mergesSettled(store)
  say(`merges settled after ${seconds(began)}`)
  await sizes(store)
  const ask = createAsk({ timeoutMs: 120_000 }, { store, clock: systemClock, rollups: roller })
  await asConsole(ask)
  const raw = createAsk({ timeoutMs: 120_000 }, { store, clock: systemClock })
  if (rival) await beside(rival, raw, ask)
} finally {
  await store.stop()
  rival?.remove()
  await rm(work, { recursive: true, force: true })
}

function cpuOfEngine(): number {
  return cpuOf(store.status().pid as number)
}

/** The simulator's rows, spread over the first span, then copies of them. */
async function fill(into: EmbeddedStore, peer: NfdumpCollector | undefined): Promise<void> {
  const began = performance.now()
  const first = { from: START, to: START + SPAN }
  const simulated = { ...first, rows: BASE, vms: Number(values.vms), protocol: values.protocol as 'ipfix' }
  const send = peer ? pacedSender(peer.port) : undefined
  await insertSimulated(into, join(work, 'spool'), 'bench', simulated, send)
  for (let copy = 1; copy < COPIES; copy++)
    await copyFlows(into, first, copy * SPAN, copy === COPIES - 1 && FLOWS % BASE > 0 ? FLOWS % BASE : undefined)
  await send?.close()
  if (peer) {
    await new Promise((resolve) => setTimeout(resolve, 2000))
    await peer.stop()
  }
  say(`${FLOWS} flows over ${values.days} days stored in ${seconds(began)}`)
}

/** Sends to a collector as fast as it reads: waits while its receive queue is long. */
function pacedSender(port: number) {
  const socket = createSocket({ type: 'udp4', sendBufferSize: 4 * 2 ** 20 })
  let waiting: Uint8Array[] = []
  return {
    send: (bytes: Uint8Array) => waiting.push(bytes.slice()),
    async flush() {
      const list = waiting
      waiting = []
      for (const [i, bytes] of list.entries()) {
        await new Promise<void>((resolve) => socket.send(bytes, port, '127.0.0.1', () => resolve()))
        if (i % 32 === 0) while (queued(port) > 2 ** 20) await new Promise((resolve) => setTimeout(resolve, 1))
      }
    },
    close: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  }
}

/** Bytes that wait in the receive queue of the port. */
function queued(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const line = readFileSync('/proc/net/udp', 'utf8')
    .split('\n')
    .find((text) => new RegExp(`^ *\\d+: \\w+:${hex} `).test(text))
  return Number.parseInt(line?.trim().split(/\s+/)[4]?.split(':')[1] ?? '0', 16)
}

async function sizes(of: EmbeddedStore): Promise<void> {
  for (const { table, rows, bytes } of await tableSizes(of))
    say(`  ${table.padEnd(24)} ${String(rows).padStart(12)} rows ${(bytes / 1e6).toFixed(1).padStart(9)} MB`)
}

/** What Overview and Explore ask, over a month, a week, a day and the last hour. */
async function asConsole(ask: Ask): Promise<void> {
  const now = END + 1234
  for (const { title, questions, spans } of QUESTION_SETS) {
    const times: number[] = []
    say(`\n${title}`)
    for (const { name, kind, body } of questions)
      for (const span of spans) {
        const took: number[] = []
        let source = ''
        let rowsRead = 0
        const cpu = cpuOfEngine()
        for (let round = 0; round <= ROUNDS; round++) {
          const range = { from: now - SPANS[span], to: now }
          const began = performance.now()
          const answer = await ask[kind]({ ...range, ...body })
          // The first warms the caches.
          if (round > 0) took.push(performance.now() - began)
          source = answer.source
          rowsRead = answer.rowsRead
        }
        times.push(...took)
        const each = ((cpuOfEngine() - cpu) / (ROUNDS + 1)) * 1000
        say(
          `  ${name.padEnd(26)} ${span.padStart(4)} ${median(took).toFixed(0).padStart(6)} ms ${each.toFixed(0).padStart(6)} CPU ms ${String(rowsRead).padStart(11)} rows of ${source}`,
        )
      }
    say(`  p95 ${percentile(times, 95).toFixed(0)} ms, median ${median(times).toFixed(0)} ms`)
  }
}

/** The same flows through nfdump: those of the first span. */
async function beside(peer: NfdumpCollector, raw: Ask, rolled: Ask): Promise<void> {
  const kept = peer.totals()
  const range = { from: START, to: START + SPAN, limit: 20, uncounted: true }
  const { flows } = await raw.totals({ from: range.from, to: range.to, uncounted: true })
  say(`\nbeside nfdump, warm, on the same ${flows.value} flows (nfcapd kept ${kept.flows})`)
  const questions: readonly (readonly [string, number, readonly string[], Ask, Partial<Asked>])[] = [
    [
      'filtered top 20',
      5,
      ['-s', 'srcip/bytes', 'proto tcp and dst port 443'],
      raw,
      { by: ['src_addr'], filter: 'proto tcp and dst port 443' },
    ],
    ['top 20 sources', 4, ['-s', 'srcip/bytes'], raw, { by: ['src_addr'] }],
    [
      'full 4-tuple',
      4,
      ['-A', 'proto,srcip,dstip,dstport', '-O', 'bytes'],
      raw,
      { by: ['proto', 'src_addr', 'dst_addr', 'dst_port'] },
    ],
    ['protocols, by rollup', 20, ['-s', 'proto/bytes'], rolled, { by: ['proto'] }],
    ['interfaces, by rollup', 20, ['-s', 'inif/bytes'], rolled, { by: ['in_if'] }],
  ]
  for (const [name, wanted, words, ask, more] of questions) {
    const ours: number[] = []
    const theirs: number[] = []
    let same = false
    let source = ''
    for (let round = 0; round <= ROUNDS; round++) {
      let began = performance.now()
      const answer = await ask.top({ ...range, ...more })
      const us = performance.now() - began
      began = performance.now()
      const out = execFileSync('nfdump', ['-R', peer.dir, '-n', '20', '-q', '-N', '-o', 'csv', ...words], {
        encoding: 'utf8',
        maxBuffer: 2 ** 28,
      })
      const them = performance.now() - began
      if (round === 0) {
        source = answer.source
        // Each of ours has as many bytes there; nfdump leaves the rate alone.
        const [rate = 1, ...others] = answer.samplingRates
        const theirs = new Set(out.split(/[\n,]/))
        same = others.length === 0 && answer.rows.every(({ bytes }) => theirs.has(String(bytes / rate)))
        continue
      }
      ours.push(us)
      theirs.push(them)
    }
    const ratio = median(theirs) / median(ours)
    say(
      `  ${name.padEnd(24)} ${median(ours).toFixed(0).padStart(6)} ms of ${source}, nfdump ${median(theirs).toFixed(0).padStart(6)} ms: ${ratio.toFixed(1)}× (wanted ${wanted}×)${same ? '' : '  THE ANSWERS DIFFER'}`,
    )
  }
}
