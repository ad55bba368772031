// Growth: receiving, asking and memory at 1, 10 and 100 million rows, and at 10, 1,000 and 10,000 exporters; asking beside receiving.
//
//   npm run bench -- growth [--rows 1000000,10000000] [--exporters 10,1000,10000] [--beside-ingest 200000] [--beside-seconds 60]
//                           [--rate 400000] [--sflow-rate 250000] [--seconds 20] [--rounds 5] [--base 10000000] [--dir DIRECTORY] [--show]
//
// Rows: one store grows from size to size into the past, 100 million being a month; `base` of them come out of the
// simulator, what is more are copies of these at other times. At each size a real server starts on a copy of the store,
// is asked at rest and beside so many flows a second, and then takes as much as is sent. With --dir the store is found
// there, and left there for another time. Exporters: a new server hears so many addresses of loopback, each a socket of
// the sender. An empty list, as in --rows '', leaves a part out; --show prints each question.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/base/clock.ts'
import { createEmbeddedStore, type EmbeddedStore } from '../src/store/embedded.ts'
import { createRoller } from '../src/store/roller.ts'
import { percentile, QUESTION_SETS, SPANS, type ConsoleQuestion } from './console-questions.ts'
import { copyFlows, insertSimulated, mergesSettled, tableSizes } from './filled-store.ts'
import { cpuOfServer, measureIngest, type Ingested } from './ingest.ts'
import { cpuOf, machineLine, median, processTree, proportionalSetSize } from './machine.ts'
import { blast, startServer, type BenchServer } from './server.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000,10000000,100000000' },
    exporters: { type: 'string', default: '10,1000,10000' },
    'beside-ingest': { type: 'string', default: '200000' },
    'beside-seconds': { type: 'string', default: '60' },
    rate: { type: 'string', default: '400000' },
    'sflow-rate': { type: 'string', default: '250000' },
    seconds: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '5' },
    base: { type: 'string', default: '10000000' },
    dir: { type: 'string' },
    show: { type: 'boolean', default: false },
  },
})
const numbers = (list: string): number[] => list.split(',').filter(Boolean).map(Number)
const BASE = Number(values.base)
const SECONDS = Number(values.seconds)
const ROUNDS = Number(values.rounds)
const BESIDE = Number(values['beside-ingest'])
const DAY = 86_400_000
/** 100 million in 30 days. */
const MS_A_ROW = (30 * DAY) / 1e8
const V9 = { kind: 'v9', records: 24 }
const SFLOW = { kind: 'sflow', records: 6 }
/** Sending begins so long before asking. */
const BESIDE_LEAD_MS = 5000
/** What is asked up to now beside ingest: what an open console asks. */
const UP_TO_NOW = QUESTION_SETS.slice(0, 1).map((set) => ({ ...set, spans: ['24 h', '1 h'] as const }))

const began = performance.now()
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const progress = (line: string): void =>
  void process.stderr.write(`[${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s] ${line}\n`)

/** Lines of the two tables, printed when all is done. */
const tables: string[] = []

say(machineLine())
if (values.rows !== '') await growRows(numbers(values.rows))
if (values.exporters !== '') await growExporters(numbers(values.exporters))
say(`\n${tables.join('\n')}`)

// Rows

interface Filled {
  readonly end: number
  readonly rows: number
}

async function growRows(sizes: readonly number[]): Promise<void> {
  const dir = values.dir ?? mkdtempSync(join(tmpdir(), 'vnetscope-growth-'))
  mkdirSync(join(dir, 'data'), { recursive: true })
  tables.push(
    `rows | rollups, CPU s a million | on disk, bytes a flow, rollups % of raw | p95 at rest, ms: ${QUESTION_SETS.map(({ title }) => title).join(', ')} | p95 beside ${BESIDE} flows/s, times that at rest | stored flows/s, CPU s a million server + engine | memory MB at rest, after`,
  )
  try {
    for (const rows of sizes) {
      const line = await fillTo(dir, rows)
      tables.push(await serveRows(dir, line))
    }
  } finally {
    if (values.dir === undefined) rmSync(dir, { recursive: true, force: true })
  }
}

/** The store with so many rows and their rollups. Answers what that says of it. */
async function fillTo(dir: string, rows: number): Promise<string> {
  const state = join(dir, 'growth.json')
  const found = existsSync(state) ? (JSON.parse(readFileSync(state, 'utf8')) as Filled) : undefined
  const end = found?.end ?? Math.floor((Date.now() - 1_800_000) / DAY) * DAY
  const have = found?.rows ?? 0
  if (have > rows) throw new Error(`${dir} has ${have} rows already: fewer than that cannot be measured there`)
  const store = createEmbeddedStore({ dir: join(dir, 'data/store'), keepDays: 3650 }, { clock: systemClock })
  await store.start()
  try {
    const roller = createRoller({}, { store, clock: systemClock })
    for (let at = have; at < rows;) {
      at += await addRows(store, join(dir, 'spool'), at, rows, end)
      progress(`${at} rows inserted`)
    }
    const before = cpuOf(store.status().pid as number)
    await roller.run()
    const cpu = cpuOf(store.status().pid as number) - before
    const rolled = rows > have ? ((cpu / (rows - have)) * 1e6).toFixed(2) : '-'
    progress(`rollups built: ${rolled} CPU s a million flows`)
    await mergesSettled(store)
    writeFileSync(state, JSON.stringify({ end, rows } satisfies Filled))
    const sizes = await tableSizes(store)
    const raw = sizes.find(({ table }) => table === 'flows')?.bytes ?? 0
    const rollups = sizes.filter(({ table }) => /_(minute|5minutes|hour|6hours|day)$/.test(table))
    const share = rollups.reduce((sum, { bytes }) => sum + bytes, 0) / raw
    return `${rows} | ${rolled} | ${(raw / rows).toFixed(1)}, ${(share * 100).toFixed(1)} %`
  } finally {
    await store.stop()
  }
}

/** Adds some of the rows that are missing, before those that are there. Answers how many. */
async function addRows(store: EmbeddedStore, spool: string, have: number, rows: number, end: number): Promise<number> {
  const to = end - Math.round(have * MS_A_ROW)
  if (have < BASE) {
    const more = Math.min(BASE, rows) - have
    const from = end - Math.round((have + more) * MS_A_ROW)
    await insertSimulated(store, spool, `growth-${have}`, { from, to, rows: more, vms: 2000, protocol: 'mixed' })
    return more
  }
  const more = Math.min(BASE, rows - have)
  await copyFlows(store, { from: end - Math.round(more * MS_A_ROW), to: end }, to - end)
  return more
}

async function serveRows(dir: string, line: string): Promise<string> {
  const { end } = JSON.parse(readFileSync(join(dir, 'growth.json'), 'utf8')) as Filled
  const copy = join(dir, 'served')
  rmSync(copy, { recursive: true, force: true })
  cpSync(join(dir, 'data'), copy, { recursive: true })
  const server = await startServer([], { data: copy })
  try {
    const rest: Took = new Map()
    for (let round = 0; round <= ROUNDS; round++) {
      // The first warms the caches.
      await askAll(
        server,
        () => end,
        rest,
        () => round > 0,
      )
      progress(`asked at rest, ${round} times`)
    }
    sayTook('at rest', rest)
    const memory = memoryOf(server)
    let beside = '-'
    if (BESIDE > 0) {
      const { same, upToNow } = await askBesideIngest(server, end)
      sayDifferences(rest, same)
      beside = `${timesSlower(rest, same)}; up to now ${timesSlower(rest, upToNow)}`
    }
    const ingested = await measureIngest(server, streamOf(V9, Number(values.rate)))
    progress(ingestText(ingested))
    const p95 = QUESTION_SETS.map(({ title }) => percentile(timesOf(rest, title), 95).toFixed(0))
    return `${line} | ${p95.join(', ')} | ${beside} | ${ingestText(ingested)} | ${memory}, ${memoryOf(server)}`
  } finally {
    await server.stop()
    rmSync(copy, { recursive: true, force: true })
  }
}

/** Milliseconds of each time that a question was asked, and what it was answered. */
type Took = Map<string, { title: string; times: number[]; answer: string }>

/** The questions asked at rest, and by turns with them those of an open console, up to now. */
async function askBesideIngest(server: BenchServer, end: number): Promise<{ same: Took; upToNow: Took }> {
  const before = (await server.health()).ledger.flows
  const same: Took = new Map()
  const upToNow: Took = new Map()
  let sending = true
  const stream = { ...streamOf(V9, BESIDE), seconds: Number(values['beside-seconds']) }
  const sent = blast({ ...stream, to: `127.0.0.1:${server.port}` }).finally(() => (sending = false))
  sent.catch(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, BESIDE_LEAD_MS))
  const counts = (): boolean => sending
  for (let round = 1; sending; round++) {
    await askAll(server, () => end, same, counts)
    await askAll(server, Date.now, upToNow, counts, UP_TO_NOW)
    progress(`asked beside ingest, ${round} times`)
  }
  sayTook(`beside ${BESIDE} flows/s`, same)
  sayTook(`beside ${BESIDE} flows/s, up to now`, upToNow)
  const { recordsPerSecond } = await sent
  const { flows, datagrams } = (await server.health()).ledger
  progress(
    `beside ${recordsPerSecond} flows/s; ${flows.queueDropped - before.queueDropped} dropped, ${datagrams.kernelDropped} datagrams lost`,
  )
  return { same, upToNow }
}

/** Asks everything once, and keeps the times of what counts. */
async function askAll(
  server: BenchServer,
  now: () => number,
  into: Took,
  counts: () => boolean,
  sets = QUESTION_SETS,
): Promise<void> {
  for (const { title, questions, spans } of sets)
    for (const { name, kind, body } of questions)
      for (const span of spans) {
        // Not at the boundary of a bucket: the edges of a range are read from finer tables.
        const to = now() - 1234
        const [ms, answer] = await timed(server, kind, { ...body, from: to - SPANS[span], to })
        const of = into.get(`${name}, ${span}`) ?? { title, times: [], answer: '' }
        if (counts()) of.times.push(ms)
        const { flows, bytes } = answer['total'] as { flows: number; bytes: number }
        of.answer = `${flows} flows, ${bytes} bytes from ${String(answer['source'])}`
        into.set(`${name}, ${span}`, of)
      }
}

function sayTook(when: string, took: Took): void {
  for (const { title } of QUESTION_SETS) {
    const times = timesOf(took, title)
    if (times.length === 0) continue
    say(
      `  ${when}: ${title}: p95 ${percentile(times, 95).toFixed(0)} ms, median ${median(times).toFixed(0)} ms of ${times.length}`,
    )
  }
  if (!values.show) return
  for (const [name, { times, answer }] of took)
    say(`    ${name.padEnd(34)} ${median(times).toFixed(0).padStart(6)} ms  ${answer.split(' from ')[1]}`)
}

async function timed(
  server: BenchServer,
  kind: ConsoleQuestion['kind'],
  body: object,
): Promise<[ms: number, answer: Record<string, unknown>]> {
  const start = performance.now()
  const answer = await server.ask(kind, { ...body, timeoutMs: 120_000 })
  return [performance.now() - start, answer]
}

function timesOf(took: Took, title: string): number[] {
  return [...took.values()].filter((of) => of.title === title).flatMap(({ times }) => times)
}

function sayDifferences(one: Took, other: Took): void {
  // From which table it is may differ: more is built by then.
  const sums = (answer: string | undefined): string | undefined => answer?.split(' from ')[0]
  for (const [name, { answer }] of other)
    if (sums(one.get(name)?.answer) !== sums(answer))
      say(`  THE ANSWERS DIFFER: ${name}: ${one.get(name)?.answer}; ${answer}`)
}

/** p95 of each set of questions, and how many times that at rest it is. */
function timesSlower(rest: Took, beside: Took): string {
  const asked = QUESTION_SETS.filter(({ title }) => timesOf(beside, title).length > 0)
  if (asked.length === 0) return 'not asked before the sending ended'
  return asked
    .map(({ title }) => {
      const p95 = percentile(timesOf(beside, title), 95)
      return `${p95.toFixed(0)} (${(p95 / percentile(timesOf(rest, title), 95)).toFixed(1)}×)`
    })
    .join(', ')
}

// Exporters

async function growExporters(counts: readonly number[]): Promise<void> {
  tables.push(
    '',
    'exporters | kind | stored flows/s, CPU s a million server + engine | memory MB before, after | heard, evicted | at rest, CPU ms a second server + engine | ms: exporters page, health, metrics | p95 of questions by exporter, ms',
  )
  for (const count of counts) for (const kind of [V9, SFLOW]) tables.push(await serveExporters(count, kind))
}

async function serveExporters(count: number, kind: typeof V9): Promise<string> {
  const server = await startServer()
  try {
    const memory = memoryOf(server)
    const from = Date.now() - 60_000
    const rate = Number(kind === V9 ? values.rate : values['sflow-rate'])
    // One datagram a call: an exporter of many is not heard sixteen times in a row.
    const many = { exporters: count, segments: 1, 'template-seconds': 20 }
    const ingested = await measureIngest(server, { ...streamOf(kind, rate), ...many })
    const after = memoryOf(server)
    progress(`${count} exporters, ${kind.kind}: ${ingestText(ingested)}`)
    const cpu = cpuOfServer(server)
    await new Promise((resolve) => setTimeout(resolve, 10_000))
    const later = cpuOfServer(server)
    const idle = [later.server - cpu.server, later.engine - cpu.engine].map((used) => (used * 100).toFixed(0))
    const heard = await pageOf<{ total: number; evicted: number }>(server, '/api/v1/exporters')
    const pages = [heard.ms]
    for (const path of ['/api/v1/health', '/metrics']) pages.push((await pageOf(server, path)).ms)
    const range = { from, to: Date.now() }
    const times: number[] = []
    for (let round = 0; round <= ROUNDS; round++)
      for (const [kindOf, by] of [
        ['top', ['exporter']],
        ['top', ['exporter', 'in_if']],
        ['series', ['exporter']],
      ] as const) {
        const [ms] = await timed(server, kindOf, { ...range, by, uncounted: true })
        if (round > 0) times.push(ms)
      }
    return `${count} | ${kind.kind} | ${ingestText(ingested)} | ${memory}, ${after} | ${heard.value.total}, ${heard.value.evicted} | ${idle.join(' + ')} | ${pages.map((ms) => ms.toFixed(0)).join(', ')} | ${percentile(times, 95).toFixed(0)}`
  } finally {
    await server.stop()
  }
}

async function pageOf<T>(server: BenchServer, path: string): Promise<{ ms: number; value: T }> {
  const start = performance.now()
  const text = await (await fetch(`${server.url}${path}`)).text()
  return { ms: performance.now() - start, value: (path === '/metrics' ? undefined : JSON.parse(text)) as T }
}

// Both

/** Flags of the sender for so many records a second. */
function streamOf(kind: typeof V9, recordsPerSecond: number) {
  return { kind: kind.kind, rate: Math.round(recordsPerSecond / kind.records), seconds: SECONDS }
}

function ingestText({ sent, stored, kernelDropped, lost, settledAfter, cpu }: Ingested): string {
  const million = stored / 1e6
  const rate = stored / (sent.seconds + settledAfter)
  const losses = kernelDropped + lost > 0 ? `, LOST ${kernelDropped} datagrams in the kernel, ${lost} flows` : ''
  return `${Math.round(rate)} of ${sent.recordsPerSecond} sent, ${(cpu.server / million).toFixed(2)} + ${(cpu.engine / million).toFixed(2)}${losses}`
}

/** Of the server and its engine together. */
function memoryOf(server: BenchServer): string {
  return (processTree(server.pid).reduce((sum, pid) => sum + proportionalSetSize(pid), 0) / 1e6).toFixed(0)
}
