// Rollups: CPU seconds a million flows, rows and bytes of each level; built as they are, and by materialized views.
//
//   npm run bench -- rollup [--rows 6000000] [--traffic 2000]

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/base/clock.ts'
import { createEmbeddedStore, type EmbeddedStore } from '../src/store/embedded.ts'
import { createRoller } from '../src/store/roller.ts'
import { sums } from '../src/store/roll-sql.ts'
import {
  BUCKET_COLUMN,
  ROLLUPS,
  ROLLUP_TABLES,
  SUM_COLUMNS,
  rollupTable,
  type RollupLevel,
} from '../src/store/rollups.ts'
import { createSpool } from '../src/store/spool.ts'
import { diverseRows } from './diverse-rows.ts'
import { machineLine } from './machine.ts'
import { simulateRows } from './simulated-rows.ts'

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '6000000' }, traffic: { type: 'string', default: '' } },
})
const ROWS = Number(values.rows)
const HOUR = 3_600_000
const START = Math.floor(Date.now() / (24 * HOUR)) * 24 * HOUR - 72 * HOUR
const FILES_AN_INSERT = 8
/** When the minutes are over but not the first hour; and when all is over. */
const MINUTES_OVER = START + 59 * 60_000
const ALL_OVER = START + 240 * HOUR

type Take = Parameters<typeof diverseRows>[2]

/** Flows an hour and more of quiet traffic come to the same number as minutes of busy traffic. */
const TRAFFIC: Readonly<Record<string, (take: Take) => Promise<void>>> = {
  'simulated, 2000 VMs, 20,000 flows/s': (take) =>
    simulateRows(ROWS, { startAt: START, pps: 8e6, vms: 2000, hosts: 60, protocol: 'mixed' }, take),
  'simulated, 90 VMs, 2,500 flows/s': (take) =>
    simulateRows(ROWS, { startAt: START, pps: 1e6, vms: 90, hosts: 12, protocol: 'sflow' }, take),
  'simulated, 90 VMs, over two days': (take) =>
    simulateRows(
      ROWS,
      { startAt: START, pps: (ROWS / (48 * 3600)) * 400, vms: 90, hosts: 12, protocol: 'sflow' },
      take,
    ),
  'diverse, 2000 VMs, 220,000 addresses, 20,000 flows/s': (take) => diverseRows(ROWS, START, take),
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** User and system time of a process with all the threads it ever had, seconds. */
async function cpuOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function fillSpool(dir: string, source: (take: Take) => Promise<void>): Promise<string[]> {
  const files: string[] = []
  const spool = createSpool(
    { dir, maxBytes: 1e12 },
    { clock: systemClock, written: (file) => files.push(join(dir, file)) },
  )
  await spool.start()
  await source((batch, names) => spool.write(batch, names))
  return files.sort()
}

/** Until no merge runs any more. */
async function settled(store: EmbeddedStore): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const { rows } = await store.query('SELECT count() FROM system.merges')
    if (rows[0]?.[0] === 0) return
  }
}

interface Measured {
  /** CPU seconds of the engine until all was inserted and merged, and of what came after, merged too. */
  readonly inserts: number
  readonly rolls: number
  /** Without the waiting for merges. */
  readonly seconds: number
}

/** Inserts all of it into a new store, prepared by `before`, and does `after` when its parts are merged, as they mostly are when five minutes are over. */
async function measured(
  dir: string,
  files: readonly string[],
  before: (store: EmbeddedStore) => Promise<void>,
  after: (store: EmbeddedStore) => Promise<void>,
): Promise<Measured> {
  const store = createEmbeddedStore({ dir, keepDays: 36_500 }, { clock: systemClock })
  await store.start()
  try {
    await before(store)
    const pid = store.status().pid as number
    const cpu = await cpuOf(pid)
    let began = performance.now()
    for (let i = 0; i < files.length; i += FILES_AN_INSERT)
      await store.insertFiles('flows', files.slice(i, i + FILES_AN_INSERT), `bench-${i}`)
    const inserted = performance.now() - began
    await settled(store)
    const inserts = (await cpuOf(pid)) - cpu
    began = performance.now()
    await after(store)
    const seconds = (inserted + performance.now() - began) / 1000
    await settled(store)
    return { inserts, rolls: (await cpuOf(pid)) - cpu - inserts, seconds }
  } finally {
    await store.stop()
  }
}

/** The six hours are of the hours, too. */
const VIEW_LEVELS = ['minute', 'hour', 'day'] as const satisfies readonly RollupLevel[]

/** The same sums by views: minute from flows, hour from minute, day from hour. The greatest addresses can't be had so. */
async function makeViews(store: EmbeddedStore): Promise<void> {
  for (const rollup of ROLLUPS.filter(({ exact }) => exact)) {
    const names = rollup.keys.map((key) => key.name)
    for (const [i, level] of VIEW_LEVELS.entries()) {
      const columns = [BUCKET_COLUMN, ...rollup.keys, ...SUM_COLUMNS].map(({ name, type, codec }) =>
        name === 'packet_bytes' ? `${name} SimpleAggregateFunction(max, ${type}) ${codec}` : `${name} ${type} ${codec}`,
      )
      const to = `view_${rollupTable(rollup, level)}`
      const from = i === 0 ? 'flows' : `view_${rollupTable(rollup, VIEW_LEVELS[i - 1] as 'minute')}`
      const start = { minute: 'toStartOfMinute', hour: 'toStartOfHour', day: 'toStartOfDay' }[level]
      await store.execute(
        `CREATE TABLE ${to} (${columns.join(', ')}) ENGINE = SummingMergeTree PARTITION BY toYYYYMMDD(time_received)
         PRIMARY KEY time_received ORDER BY (time_received, ${names.join(', ')})
         SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1`,
      )
      const keys = rollup.keys.map((key) =>
        i === 0 && key.expression !== key.name ? `${key.expression} AS ${key.name}` : key.name,
      )
      const list = SUM_COLUMNS.map(({ name }, s) => `s${s} AS ${name}`).join(', ')
      await store.execute(
        `CREATE MATERIALIZED VIEW of_${to} TO ${to} AS SELECT bucket AS time_received, ${names.join(', ')}, ${list}
         FROM (SELECT toDateTime64(${start}(time_received), 3, 'UTC') AS bucket, ${keys.join(', ')}, ${sums(i === 0 ? 'flows' : 'minute')} FROM ${from} GROUP BY bucket, ${names.join(', ')})`,
      )
    }
  }
}

async function tableSizes(store: EmbeddedStore): Promise<Map<string, readonly [rows: number, bytes: number]>> {
  const { rows } = await store.query(
    'SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active GROUP BY table',
  )
  return new Map(rows.map(([table, count, bytes]) => [table as string, [Number(count), Number(bytes)]]))
}

function sayTables(sizes: Map<string, readonly [number, number]>): void {
  const [flows = 0, bytes = 0] = sizes.get('flows') ?? []
  let all = 0
  let below = flows
  for (const { name, level } of ROLLUP_TABLES) {
    const [rows = 0, size = 0] = sizes.get(name) ?? []
    all += size
    if (level === 'minute') below = flows
    const fewer = rows === 0 ? 'left out' : `${(below / rows).toFixed(1)} times fewer`
    // A day is made of hours.
    if (rows > 0 && level !== '6hours') below = rows
    say(
      `    ${name.padEnd(24)} ${String(rows).padStart(9)} rows  ${fewer.padStart(20)}  ${((size / bytes) * 100).toFixed(1).padStart(5)} % of raw`,
    )
  }
  say(
    `    all together ${((all / bytes) * 100).toFixed(1)} % of the ${(bytes / flows).toFixed(1)} bytes a flow of the raw table`,
  )
}

say(machineLine())
const work = await mkdtemp(join(tmpdir(), 'vnetscope-bench-rollup-'))
try {
  for (const [name, source] of Object.entries(TRAFFIC)) {
    if (!name.includes(values.traffic)) continue
    const files = await fillSpool(join(work, 'spool'), source)
    const nothing = async (): Promise<void> => undefined
    const perMillion = (cpu: number): string => ((cpu / ROWS) * 1e6).toFixed(2)
    say(`\n${name}; ${ROWS} flows`)
    let sizes = new Map<string, readonly [number, number]>()
    let minutes = 0
    const rolled = await measured(join(work, 'rolled'), files, nothing, async (store) => {
      const pid = store.status().pid as number
      const at = await cpuOf(pid)
      await createRoller({}, { store, clock: { now: () => MINUTES_OVER } }).run()
      minutes = (await cpuOf(pid)) - at
      await createRoller({}, { store, clock: { now: () => ALL_OVER } }).run()
      sizes = await tableSizes(store)
    })
    say(`    inserts alone      ${perMillion(rolled.inserts)} CPU s a million, with merges`)
    say(
      `    all rollups        ${perMillion(rolled.rolls)} beside that, with merges, of which ${perMillion(minutes)} the minutes of the first hour; ${(ROWS / rolled.seconds).toFixed(0)} flows/s, inserted and then rolled up`,
    )
    const viewed = await measured(join(work, 'viewed'), files, makeViews, nothing)
    say(
      `    by views           ${perMillion(viewed.inserts - rolled.inserts)} instead, without addresses; ${(ROWS / viewed.seconds).toFixed(0)} flows/s`,
    )
    sayTables(sizes)
    for (const dir of ['spool', 'rolled', 'viewed']) await rm(join(work, dir), { recursive: true })
  }
} finally {
  await rm(work, { recursive: true, force: true })
}
