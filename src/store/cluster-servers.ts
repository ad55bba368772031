import { readAnswer } from './answer.ts'
import { createServerConnection, type ServerAddress, type ServerConnection } from './cluster-http.ts'
import type { QueryAnswer } from './store.ts'

// The servers that the configuration lists: which answer, and which shard each belongs to.

export interface Server {
  readonly address: ServerAddress
  readonly connection: ServerConnection
  /** Shard of the cluster, as its macro names it; undefined until it has answered. Empty without a cluster. */
  shard: string | undefined
  /** Why it is not used at the moment. */
  problem: string | undefined
}

export interface Servers {
  /** Asks each who it is. */
  probe(): Promise<void>
  /** Those of a shard (or all), usable ones, in the order in which to try them. */
  of(shard: string | undefined): Server[]
  /** Not to be used until it answers a probe. */
  failed(server: Server, why: string): void
  readonly first: Server
  /** What is wrong, of all servers that are not usable. */
  problems(): string
  close(): void
}

const PROBE_MS = 5000

export function createServers(addresses: readonly ServerAddress[], cluster: string | undefined): Servers {
  const all: Server[] = addresses.map((address) => ({
    address,
    connection: createServerConnection(address),
    shard: undefined,
    problem: 'not asked yet',
  }))
  /** The one that did the last statement comes first: its caches are warm. */
  let preferred: Server | undefined

  async function identify(server: Server): Promise<void> {
    try {
      const shard = cluster === undefined ? await reachable(server) : await shardOf(server, cluster)
      if (server.shard !== undefined && server.shard !== shard)
        throw new Error(
          `it was shard ${server.shard} and is shard ${shard} now: an address must lead to servers of one shard, not to a balancer over all of them`,
        )
      server.shard = shard
      server.problem = undefined
    } catch (error) {
      server.problem = (error as Error).message
    }
  }

  return {
    probe: async () => void (await Promise.all(all.map(identify))),
    of(shard) {
      const usable = all.filter((s) => s.problem === undefined && (shard === undefined || s.shard === shard))
      return preferred && usable.includes(preferred) ? [preferred, ...usable.filter((s) => s !== preferred)] : usable
    },
    failed(server, why) {
      server.problem = why
      if (preferred === server) preferred = undefined
    },
    first: all[0] as Server,
    problems: () =>
      all
        .filter((s) => s.problem !== undefined)
        .map((s) => `${s.connection.url}: ${s.problem}`)
        .join('; '),
    close() {
      for (const server of all) server.connection.close()
    },
  }
}

async function reachable(server: Server): Promise<string> {
  await ask(server, 'SELECT 1')
  return ''
}

async function shardOf(server: Server, cluster: string): Promise<string> {
  const macros = await ask(server, "SELECT macro, substitution FROM system.macros WHERE macro IN ('shard', 'replica')")
  const shard = macros.rows.find(([name]) => name === 'shard')?.[1]
  if (shard === undefined || !macros.rows.some(([name]) => name === 'replica'))
    throw new Error('the server has not both of the macros shard and replica in its configuration')
  const clusters = await ask(server, 'SELECT DISTINCT cluster FROM system.clusters')
  const names = clusters.rows.map(([name]) => String(name))
  if (!names.includes(cluster))
    throw new Error(`the server knows no cluster ${cluster}, only ${names.join(', ') || 'none'}`)
  return String(shard)
}

async function ask(server: Server, sql: string): Promise<QueryAnswer> {
  const body = await server.connection.send({
    sql: `${sql} FORMAT JSONCompact`,
    settings: { wait_end_of_query: 1 },
    timeoutMs: PROBE_MS,
  })
  return readAnswer(body)
}
