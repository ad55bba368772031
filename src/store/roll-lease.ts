import { quoted } from './literal.ts'
import type { Store } from './store.ts'

// Who builds the rollups of a shard. Whoever wrote into `rolling` last goes on; another takes over when nothing was written
// for a while. It spares double work and proves nothing: replicas lag, and two may write at once. Two that build the same
// unit are harmless, by the tokens of their INSERTs.

export interface RollLease {
  /** True if this collector is to build now. */
  mine(): Promise<boolean>
}

/** Written again after so long. */
const RENEW_SECONDS = 20
const LEFT_AFTER_SECONDS = 60
/** A shard into which this collector stores nothing is left to those that do for so much longer. */
const PATIENCE_SECONDS = 120

/** @param table where it stands on the servers */
export function createRollLease(
  config: { readonly table: string; readonly collector: string; readonly isOwn: boolean },
  store: Pick<Store, 'query' | 'execute'>,
): RollLease {
  /** Ages are the server's: clocks of collectors need not agree. */
  async function last(): Promise<{ collector: string; age: number }> {
    const { rows } = await store.query(
      `SELECT argMax(collector, at), dateDiff('second', max(at), now64(3)) FROM ${config.table} WHERE at <= now64(3)`,
    )
    const [collector, age] = rows[0] ?? []
    return { collector: String(collector ?? ''), age: Number(age ?? 0) }
  }

  async function write(): Promise<void> {
    await store.execute(`INSERT INTO ${config.table} SELECT now64(3), ${quoted(config.collector)}`)
  }

  const since = performance.now()

  return {
    async mine() {
      const { collector, age } = await last()
      if (collector === config.collector) {
        if (age >= RENEW_SECONDS) await write()
        return true
      }
      const patience = config.isOwn ? 0 : PATIENCE_SECONDS
      const isLeft =
        collector === '' ? performance.now() - since >= patience * 1000 : age >= LEFT_AFTER_SECONDS + patience
      if (!isLeft) return false
      await write()
      return (await last()).collector === config.collector
    },
  }
}
