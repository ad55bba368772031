import type { Home } from './home.ts'
import { FIRST_TO_GO, KEPT_TABLES, type Keep, type KeptKind } from './retention.ts'
import type { StoreLog } from './store-log.ts'
import type { Store } from './store.ts'

// Size of what the cluster keeps: above it the oldest day goes, or the oldest month of hours and days, on every shard. The
// age is followed by the servers themselves, by the tables' TTL. Every collector does this; dropping a day twice is dropping
// it once. What is dropped is noted before, so that a question never takes what remains of a time for all of it.

export interface ClusterRetentionConfig {
  readonly keep?: Readonly<Partial<Record<KeptKind, Keep>>>
  /** Of all tables together. */
  readonly maxBytes?: number
}

export interface ClusterRetentionDeps {
  readonly store: Pick<Store, 'query' | 'execute' | 'status'> & { readonly home: Home }
  readonly log?: StoreLog
}

export interface ClusterRetention {
  start(): void
  stop(): void
  run(): Promise<void>
}

const EVERY_MS = 60_000

interface Partition {
  readonly kind: KeptKind
  readonly table: string
  readonly id: string
  readonly bytes: number
  /** Seconds since 1970, of its newest row. */
  readonly newest: number
  /** True of the one that is being written: it stays, whatever the size. */
  readonly isLast: boolean
}

export function createClusterRetention(
  config: ClusterRetentionConfig,
  { store, log }: ClusterRetentionDeps,
): ClusterRetention {
  const isBounded = config.maxBytes !== undefined || Object.values(config.keep ?? {}).some((keep) => keep.maxBytes)
  let timer: NodeJS.Timeout | undefined

  /** The oldest first. */
  async function partitions(): Promise<Partition[]> {
    const names = new Map([...KEPT_TABLES.keys()].map((table) => [store.home.stored(table), table]))
    const { rows } = await store.query(
      `SELECT table, partition_id, sum(bytes_on_disk), toUnixTimestamp(max(max_time)) AS newest, partition_id = max(partition_id) OVER (PARTITION BY table) FROM ${store.home.parts}
       WHERE active AND table IN {tables:Array(String)}
       GROUP BY table, partition_id ORDER BY newest, table`,
      { params: { tables: [...names.keys()] } },
    )
    return rows.map(([stored, id, bytes, newest, isLast]) => {
      const table = names.get(stored as string) as string
      return {
        kind: KEPT_TABLES.get(table) as KeptKind,
        table,
        id: id as string,
        bytes: Number(bytes),
        newest: Number(newest),
        isLast: Number(isLast) === 1,
      }
    })
  }

  async function drop({ table, id, bytes, newest }: Partition, most: number): Promise<void> {
    const { stored, on } = store.home
    await store.execute(`INSERT INTO ${stored('dropped')} SELECT '${table}', toDateTime(${newest + 1}, 'UTC')`)
    await store.execute(`ALTER TABLE ${stored(table)}${on} DROP PARTITION ID '${id}'`)
    log?.info(`store: dropped ${bytes} bytes of ${table} of ${id}: more than ${most} bytes`)
  }

  /** Drops partitions of the kinds, the oldest first, while all that is given is larger than it may be. Answers what is left. */
  async function dropAbove(
    all: readonly Partition[],
    maxBytes: number | undefined,
    kinds: readonly KeptKind[],
  ): Promise<Partition[]> {
    let total = all.reduce((sum, partition) => sum + partition.bytes, 0)
    if (maxBytes === undefined) return [...all]
    const kept: Partition[] = []
    for (const partition of all) {
      if (total > maxBytes && kinds.includes(partition.kind) && !partition.isLast) {
        await drop(partition, maxBytes)
        total -= partition.bytes
      } else kept.push(partition)
    }
    return kept
  }

  async function run(): Promise<void> {
    if (!isBounded) return
    let all = await partitions()
    for (const [kind, { maxBytes }] of Object.entries(config.keep ?? {}) as [KeptKind, Keep][]) {
      const left = await dropAbove(
        all.filter((partition) => partition.kind === kind),
        maxBytes,
        [kind],
      )
      all = all.filter((partition) => partition.kind !== kind || left.includes(partition))
    }
    for (const kinds of FIRST_TO_GO) all = await dropAbove(all, config.maxBytes, kinds)
  }

  return {
    start() {
      timer = setInterval(() => {
        if (store.status().state !== 'ready') return
        run().catch((error: Error) => log?.warn(`store: retention failed: ${error.message}`))
      }, EVERY_MS)
      timer.unref()
    },
    stop() {
      clearInterval(timer)
    },
    run,
  }
}
