// The store alone: rows a second and CPU of spool and inserts by insert size, bytes a flow, the top 20 sources.
//
//   npm run bench -- store [--rows 2000000] [--big 10000000]

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/base/clock.ts'
import { createEmbeddedStore, type EmbeddedStore } from '../src/store/embedded.ts'
import { createSpool } from '../src/store/spool.ts'
import { diverseRows } from './diverse-rows.ts'
import { machineLine, median } from './machine.ts'
import { simulateRows } from './simulated-rows.ts'

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '2000000' }, big: { type: 'string', default: '10000000' } },
})
const ROWS = Number(values.rows)
const BIG = Number(values.big)
const START = Date.now() - 6 * 3_600_000

/** User and system time of a process with all the threads it ever had, seconds. */
async function cpuOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function peakMegabytes(pid: number): Promise<number> {
  return Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

interface Spooled {
  readonly files: readonly string[]
  readonly bytes: number
  readonly cpuPerMillion: number
}

type Source = (take: Parameters<typeof diverseRows>[2]) => Promise<void>

async function fillSpool(dir: string, rows: number, source: Source): Promise<Spooled> {
  const files: string[] = []
  const spool = createSpool(
    { dir, maxBytes: 1e12 },
    { clock: systemClock, written: (file) => files.push(join(dir, file)) },
  )
  await spool.start()
  let cpu = 0
  await source(async (batch, names) => {
    const before = process.cpuUsage()
    await spool.write(batch, names)
    const used = process.cpuUsage(before)
    cpu += (used.user + used.system) / 1e6
  })
  return { files: files.sort(), bytes: spool.status().bytesWaiting, cpuPerMillion: (cpu / rows) * 1e6 }
}

async function withStore<T>(use: (store: EmbeddedStore, pid: number) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'vnetscope-bench-'))
  const store = createEmbeddedStore({ dir, keepDays: 3650 }, { clock: systemClock })
  await store.start()
  try {
    return await use(store, store.status().pid as number)
  } finally {
    await store.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

async function insertAll(store: EmbeddedStore, files: readonly string[], perInsert: number): Promise<void> {
  for (let i = 0; i < files.length; i += perInsert)
    await store.insertFiles('flows', files.slice(i, i + perInsert), `bench-${i}`)
}

async function bytesPerRow(store: EmbeddedStore): Promise<number> {
  const answer = await store.query(
    "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE table = 'flows' AND active",
  )
  return answer.rows[0]?.[0] as number
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const work = await mkdtemp(join(tmpdir(), 'vnetscope-bench-spool-'))
say(machineLine())
try {
  say(`\n${ROWS} diverse flows, spooled and inserted; CPU of the engine with its merges`)
  say('  rows an insert   rows/s   CPU s a million   engine peak MB   (spool CPU s a million)')
  for (const [batchRows, perInsert] of [
    [10_000, 1],
    [50_000, 2],
    [62_500, 8],
    [62_500, 16],
  ] as const) {
    const dir = join(work, `${batchRows}`)
    const spooled = await fillSpool(dir, ROWS, (take) => diverseRows(ROWS, START, take, batchRows))
    await withStore(async (store, pid) => {
      const cpu = await cpuOf(pid)
      const began = performance.now()
      await insertAll(store, spooled.files, perInsert)
      const took = (performance.now() - began) / 1000
      await new Promise((resolve) => setTimeout(resolve, 3000))
      const perMillion = (((await cpuOf(pid)) - cpu) / ROWS) * 1e6
      say(
        `  ${String(batchRows * perInsert).padStart(14)} ${(ROWS / took).toFixed(0).padStart(8)} ${perMillion.toFixed(2).padStart(17)} ${(await peakMegabytes(pid)).toFixed(0).padStart(16)}   (${spooled.cpuPerMillion.toFixed(2)})`,
      )
    })
    await rm(dir, { recursive: true })
  }
  say(`\nbytes a flow on disk, every column, merged`)
  for (const [name, source] of [
    ['diverse', (take) => diverseRows(ROWS, START, take)],
    [
      'simulated, sFlow, 90 VMs',
      (take) => simulateRows(ROWS, { startAt: START, pps: 1e6, vms: 90, hosts: 12, protocol: 'sflow' }, take),
    ],
    [
      'simulated, mixed, 2000 VMs',
      (take) => simulateRows(ROWS, { startAt: START, pps: 8e6, vms: 2000, hosts: 60, protocol: 'mixed' }, take),
    ],
  ] as [string, Source][]) {
    const dir = join(work, 'size')
    const { files, bytes } = await fillSpool(dir, ROWS, source)
    await withStore(async (store) => {
      await insertAll(store, files, 8)
      await store.execute('OPTIMIZE TABLE flows FINAL')
      say(
        `  ${name.padEnd(28)} ${(await bytesPerRow(store)).toFixed(1).padStart(5)}   (spool ${(bytes / ROWS).toFixed(0)})`,
      )
    })
    await rm(dir, { recursive: true })
  }
  say(`\ntop 20 sources by bytes over ${BIG} diverse flows`)
  const { files } = await fillSpool(join(work, 'big'), BIG, (take) => diverseRows(BIG, START, take))
  await withStore(async (store) => {
    await insertAll(store, files, 8)
    await new Promise((resolve) => setTimeout(resolve, 10_000))
    const times: number[] = []
    for (let round = 0; round < 8; round++) {
      const began = performance.now()
      await store.query(
        'SELECT src_addr, sum(bytes * sampling_rate) AS total, count() FROM flows WHERE counted GROUP BY src_addr ORDER BY total DESC LIMIT 20',
      )
      if (round > 0) times.push(performance.now() - began)
    }
    say(
      `  ${median(times).toFixed(0)} ms, best ${Math.min(...times).toFixed(0)}; ${(await readdir(join(work, 'big'))).length - 1} files, ${(await bytesPerRow(store)).toFixed(1)} bytes a flow as inserted`,
    )
  })
} finally {
  await rm(work, { recursive: true, force: true })
}
