import type { Home } from './home.ts'
import { TABLES } from './schema.ts'
import type { StoreLog } from './store-log.ts'
import type { Store } from './store.ts'

// Size of what the cluster keeps: above it the oldest day goes, on every shard, one day at a time. The age is followed
// by the servers themselves, by the tables' TTL. Every collector does this; dropping a day twice is dropping it once.

export interface ClusterRetentionConfig {
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

export function createClusterRetention(
  config: ClusterRetentionConfig,
  { store, log }: ClusterRetentionDeps,
): ClusterRetention {
  let timer: NodeJS.Timeout | undefined

  async function run(): Promise<void> {
    if (config.maxBytes === undefined) return
    const { rows } = await store.query(
      `SELECT table, partition_id, sum(bytes_on_disk), max(partition_id) OVER () FROM ${store.home.parts}
       WHERE active AND table IN {tables:Array(String)}
       GROUP BY table, partition_id ORDER BY partition_id, table`,
      { params: { tables: TABLES.map((t) => store.home.stored(t.name)) } },
    )
    let total = rows.reduce((sum, row) => sum + Number(row[2]), 0)
    for (const [table, day, bytes, newest] of rows as [string, string, number, string][]) {
      // The day that is being written stays, whatever the size.
      if (total <= config.maxBytes || day === newest) return
      await store.execute(`ALTER TABLE ${table}${store.home.on} DROP PARTITION ID '${day}'`)
      total -= Number(bytes)
      log?.info(`store: dropped ${bytes} bytes of ${table} of ${day}: more than ${config.maxBytes} bytes`)
    }
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
