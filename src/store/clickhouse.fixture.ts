import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { systemClock } from '../base/clock.ts'
import type { Fault, Plan } from './clickhouse-server.fixture.ts'
import { createClusterStore, NOT_YET, type ClusterStore, type ClusterStoreConfig } from './cluster.ts'
import type { StoreStatus } from './store.ts'

// The stand-in of clickhouse-server.fixture.ts, started, made to fail, killed and started again.

export interface ClickHouse {
  readonly pid: number | undefined
  /** URLs of the servers, in order of shard and replica. */
  readonly urls: readonly string[]
  fault(server: number, fault: Fault): Promise<void>
  /** It answers nothing, and refuses connections. */
  kill(): Promise<void>
  /** Comes back where it was, with what it had. */
  revive(): Promise<void>
  /** Connections are taken, and nothing is answered. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

export type ClickHouseOptions = Partial<Pick<Plan, 'cluster' | 'shards' | 'replicas' | 'user' | 'password' | 'tls'>>

export const DATABASE = 'vnetscope'

/** @param died called when it ended without being told to. */
export async function startClickHouse(
  dir: string,
  options: ClickHouseOptions = {},
  died?: () => void,
): Promise<ClickHouse> {
  let child: ChildProcess | undefined
  let ports: readonly number[] = []

  async function start(): Promise<void> {
    const plan: Plan = { dir, database: DATABASE, cluster: undefined, shards: 1, replicas: 1, ...options, ports }
    const started = fork(new URL('./clickhouse-server.fixture.ts', import.meta.url), [JSON.stringify(plan)], {
      env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    started.once('exit', () => {
      if (child !== started) return
      child = undefined
      died?.()
    })
    const [told] = (await once(started, 'message')) as [{ ports: number[] }]
    ports = told.ports
    child = started
  }

  async function end(): Promise<void> {
    const last = child
    child = undefined
    if (!last || last.exitCode !== null) return
    last.kill('SIGKILL')
    await once(last, 'exit')
  }

  await start()
  const scheme = options.tls ? 'https' : 'http'
  return {
    get pid() {
      return child?.pid
    },
    urls: ports.map((port) => `${scheme}://127.0.0.1:${port}`),
    async fault(server, fault) {
      await fetch(`http://127.0.0.1:${ports[server]}/-/fault`, { method: 'POST', body: JSON.stringify(fault) })
    },
    kill: end,
    revive: start,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    stop: end,
  }
}

export async function startClusterStore(
  urls: readonly string[],
  config: Partial<ClusterStoreConfig> & Pick<ClusterStoreConfig, 'spoolDir'>,
): Promise<ClusterStore> {
  const store = createClusterStore(
    { servers: urls.map((url) => ({ url })), database: DATABASE, ...config },
    { clock: systemClock },
  )
  await store.start()
  // On a busy machine it takes longer than a collector waits for it.
  while (store.status().error === NOT_YET) await new Promise((resolve) => setTimeout(resolve, 10))
  return store
}

/** A store with servers of its own, which come back by themselves when they are killed. */
export async function startStoreOverHttp(dir: string, kind: 'server' | 'cluster', config: Partial<ClusterStoreConfig>) {
  const options = kind === 'cluster' ? { cluster: 'blue-green', shards: 2, replicas: 2 } : {}
  let revived = 0
  const servers: ClickHouse = await startClickHouse(`${dir}-servers`, options, () => {
    void servers.revive().then(() => revived++)
  })
  const store = await startClusterStore(servers.urls, {
    spoolDir: dirname(dir),
    ...(kind === 'cluster' ? { cluster: 'blue-green' } : {}),
    ...config,
  })
  return {
    ...store,
    /** As the embedded store's: away while the process is. */
    status(): StoreStatus {
      const told = store.status()
      if (servers.pid === undefined) return { ...told, state: 'away', restarts: revived }
      return { ...told, pid: servers.pid, restarts: revived }
    },
    async stop() {
      await store.stop()
      await servers.stop()
    },
  }
}
