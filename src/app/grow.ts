import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import type { ServerAddress } from '../store/cluster-http.ts'
import { createServers } from '../store/cluster-servers.ts'
import { createClusterStore, NOT_YET, type ClusterStore, type ClusterStoreConfig } from '../store/cluster.ts'
import { identityFile } from '../store/collector-identity.ts'
import { createEmbeddedStore, type EmbeddedStore } from '../store/embedded.ts'
import { createLoader } from '../store/loader.ts'
import { moveStore } from '../store/move.ts'
import type { StoreLog } from '../store/store-log.ts'
import type { Config } from './config.ts'
import { clusterStoreOf } from './storage-config.ts'

export interface GrowDeps {
  readonly clock: Clock
  readonly log: StoreLog
  readonly say: (words: string) => void
  /** Rows of a piece; for tests. */
  readonly pieceRows?: number
}

const FOREVER_DAYS = 36_500
const MAKING_MS = 300_000

/** Moves what the embedded store of a data directory holds to the servers that the configuration names. */
export async function grow(config: Config, deps: GrowDeps): Promise<Record<string, number>> {
  const data = resolve(config.data)
  const dir = join(data, 'grow')
  const servers = clusterStoreOf(config, join(dir, 'collector'))
  if (!servers) throw new UserError('the configuration names no servers', { hint: 'set storage.url' })
  const storeDir = join(data, 'store')
  if (!existsSync(storeDir)) throw new UserError(`there is no embedded store in ${data}`)
  const source = createEmbeddedStore({ dir: storeDir, keepDays: FOREVER_DAYS }, { clock: deps.clock, log: deps.log })
  const targets: ClusterStore[] = []
  await source.start()
  try {
    await settle(join(data, 'spool'), source, deps)
    deps.say('The server can be started with this configuration now; what the old store holds goes on being moved.')
    targets.push(...(await openShards(servers, dir, deps)))
    return await moveStore(
      { dir, ...(deps.pieceRows === undefined ? {} : { pieceRows: deps.pieceRows }) },
      { source, targets, say: deps.say },
    )
  } finally {
    for (const target of targets) await target.stop()
    await source.stop()
  }
}

/** Inserts that the old server had begun have to end in the old store, which knows their tokens. */
async function settle(spoolDir: string, store: EmbeddedStore, { clock, log }: GrowDeps): Promise<void> {
  if (!existsSync(spoolDir) || existsSync(identityFile(spoolDir))) return
  if (!readdirSync(spoolDir).some((name) => name.endsWith('.native'))) return
  const loader = createLoader({ dir: spoolDir }, { store, clock, log })
  await loader.start()
  await loader.drained()
  await loader.stop()
}

/** A store for each shard of which the list has a server, in the order of their names. */
async function openShards(config: ClusterStoreConfig, dir: string, deps: GrowDeps): Promise<ClusterStore[]> {
  const servers = createServers(config.servers, config.cluster)
  await servers.probe()
  servers.close()
  if (servers.problems() !== '')
    throw new OperatorError('store_away', `not every server is ready: ${servers.problems()}`, { retryable: true })
  const firsts = new Map<string, ServerAddress>()
  for (const { address, shard } of servers.of(undefined))
    if (!firsts.has(shard as string)) firsts.set(shard as string, address)
  const stores: ClusterStore[] = []
  for (const [shard, first] of [...firsts].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const others = config.servers.filter((server) => server !== first)
    const spoolDir = join(dir, `shard-${shard}`)
    const store = createClusterStore(
      { ...config, servers: [first, ...others], spoolDir },
      { clock: deps.clock, log: deps.log },
    )
    stores.push(store)
    await store.start()
    // A cluster takes its time to make all tables on all servers.
    for (const until = performance.now() + MAKING_MS; store.status().error === NOT_YET && performance.now() < until;)
      await new Promise((resolve) => setTimeout(resolve, 100))
    const { state, error } = store.status()
    if (state === 'ready') continue
    for (const opened of stores) await opened.stop()
    throw new OperatorError('store_away', `shard ${shard} is not ready: ${error}`, { retryable: true })
  }
  return stores
}
