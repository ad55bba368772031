import { statfs } from 'node:fs/promises'
import type { StorageAnswer } from '../api/contract/system.ts'
import type { Home } from '../store/home.ts'
import { KEPT_TABLES } from '../store/retention.ts'
import type { RollerStatus } from '../store/roller.ts'
import { ROLLUP_TABLES } from '../store/rollups.ts'
import type { Store } from '../store/store.ts'
import type { Config } from './config.ts'
import { keepOf } from './storage-config.ts'

export interface StorageReportDeps {
  readonly store: Pick<Store, 'query'>
  readonly home: Pick<Home, 'stored' | 'parts'>
  /** Undefined where there are no rollups. */
  readonly roller?: { status(): RollerStatus }
}

type Table = StorageAnswer['tables'][number]

const LEVEL_WORDS = { minute: 'minute', hour: 'hour', '6hours': 'six hours', day: 'day' } as const

const DESCRIBE: ReadonlyMap<string, string> = new Map([
  ['flows', 'every flow'],
  ['metrics', 'counters of interfaces, hosts and VMs'],
  ...ROLLUP_TABLES.map(
    ({ name, level, rollup, stepMs }) =>
      [name, `flows by ${stepMs === 300_000 ? 'five minutes' : LEVEL_WORDS[level]} and ${rollup.describe}`] as const,
  ),
])

/** What is stored, table by table; small tables that only keep account are one. */
export function createStorageReport(config: Config, deps: StorageReportDeps): () => Promise<StorageAnswer> {
  const { store, home, roller } = deps
  const keep = keepOf(config)
  const stored = new Map([...KEPT_TABLES.keys()].map((table) => [home.stored(table), table]))

  async function dropped(): Promise<Map<string, number>> {
    if (!roller) return new Map()
    const { rows } = await store.query('SELECT table, toUnixTimestamp(max(until)) FROM dropped GROUP BY table')
    return new Map(rows.map(([table, until]) => [table as string, Number(until) * 1000]))
  }

  function row(name: string, kind: Table['kind'], cells: readonly number[], droppedUntil: number | undefined): Table {
    const [rows = 0, bytes = 0, oldest = 0, newest = 0] = cells
    const kept = kind === 'other' ? undefined : keep[kind]
    return {
      name,
      describe: DESCRIBE.get(name) ?? 'what the store keeps of itself',
      kind,
      rows,
      bytes,
      oldest: rows > 0 && oldest > 0 ? oldest * 1000 : null,
      newest: rows > 0 && newest > 0 ? newest * 1000 : null,
      keepDays: kept?.days ?? null,
      keepBytes: kept?.maxBytes ?? null,
      droppedUntil: droppedUntil ?? null,
    }
  }

  return async () => {
    const [answer, until, disk] = await Promise.all([
      store.query(
        `SELECT table, sum(rows), sum(bytes_on_disk), toUnixTimestamp(min(min_time)), toUnixTimestamp(max(max_time)) FROM ${home.parts} WHERE active GROUP BY table`,
        { timeoutMs: 5_000 },
      ),
      dropped(),
      statfs(config.data).catch(() => undefined),
    ])
    const found = new Map(answer.rows.map(([table, ...cells]) => [stored.get(table as string), cells.map(Number)]))
    const others = answer.rows
      .filter(([table]) => !stored.has(table as string))
      .map((cells) => cells.slice(1).map(Number))
    const sum = (i: number): number => others.reduce((total, cells) => total + (cells[i] ?? 0), 0)
    const shown = [...KEPT_TABLES].filter(([, kind]) => roller || kind === 'flows' || kind === 'counters')
    return {
      tables: [
        ...shown.map(([table, kind]) => row(table, kind, found.get(table) ?? [], until.get(table))),
        row('other', 'other', [sum(0), sum(1)], undefined),
      ],
      keepBytes: config.storage.maxBytes,
      disk: disk ? { free: disk.bavail * disk.bsize, total: disk.blocks * disk.bsize } : null,
      rollups: roller ? { problem: null, ...roller.status() } : null,
    }
  }
}
