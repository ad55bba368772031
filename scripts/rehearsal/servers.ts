import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

// ClickHouse 18.16 and ZooKeeper 3.8 as Debian 12 has them, unpacked into a folder of their own: nothing is installed.

const PACKAGES = ['clickhouse-server', 'clickhouse-client', 'zookeeper']

/** Downloads and unpacks what is missing. Answers the folder of the unpacked files. */
export function unpackedPackages(folder: string): string {
  const root = join(folder, 'root')
  if (existsSync(join(root, 'usr/sbin/clickhouse-server'))) return root
  const debs = join(folder, 'debs')
  mkdirSync(debs, { recursive: true })
  const plan = execFileSync('apt-get', ['install', '-s', '--no-install-recommends', ...PACKAGES], { encoding: 'utf8' })
  const names = [...plan.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] as string)
  execFileSync('apt-get', ['download', '-q', ...names], { cwd: debs, stdio: ['ignore', 'ignore', 'inherit'] })
  for (const deb of readdirSync(debs)) execFileSync('dpkg', ['-x', join(debs, deb), root])
  return root
}

export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** A program that is started, killed and started again in the same place. */
export interface Program {
  start(): Promise<void>
  /** By SIGKILL, as a machine that loses power. */
  kill(): Promise<void>
}

function program(name: string, run: () => ChildProcess, isUp: () => Promise<boolean>): Program {
  let child: ChildProcess | undefined
  return {
    async start() {
      const started = run()
      child = started
      const until = Date.now() + 60_000
      while (!(await isUp())) {
        if (started.exitCode !== null) throw new Error(`${name} ended with status ${started.exitCode}`)
        if (Date.now() > until) throw new Error(`${name} does not answer`)
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    },
    async kill() {
      const last = child
      child = undefined
      if (!last || last.exitCode !== null || last.signalCode !== null) return
      last.kill('SIGKILL')
      await once(last, 'exit')
    },
  }
}

export function zooKeeper(root: string, dir: string, port: number): Program {
  const java = join(root, 'usr/share/java')
  const names = ['zookeeper', 'zookeeper-jute', 'netty-all', 'snappy-java', 'jctools', 'commons-logging']
  const jars = [
    ...names.map((name) => join(java, `${name}.jar`)),
    ...readdirSync(java)
      .filter((name) => name.startsWith('metrics-core'))
      .map((name) => join(java, name)),
    '/usr/share/java/slf4j-api.jar',
    join(java, 'slf4j-api.jar'),
  ]
  mkdirSync(dir, { recursive: true })
  const words = ['-Xmx256m', '-cp', jars.join(':'), 'org.apache.zookeeper.server.ZooKeeperServerMain', `${port}`, dir]
  return program(
    'ZooKeeper',
    () => spawn('java', words, { stdio: 'ignore' }),
    async () => (await connects(port)) === true,
  )
}

async function connects(port: number): Promise<boolean> {
  const { connect } = await import('node:net')
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

export interface OldServer extends Program {
  readonly shard: number
  readonly replica: number
  readonly http: number
  readonly tcp: number
}

/** Servers of a cluster `blue`, so many shards of so many replicas. */
export async function oldServers(
  root: string,
  dir: string,
  keeper: number,
  shards: number,
  replicas: number,
): Promise<OldServer[]> {
  const ports: { shard: number; replica: number; http: number; tcp: number; other: number }[] = []
  for (let shard = 1; shard <= shards; shard++) {
    for (let replica = 1; replica <= replicas; replica++)
      ports.push({ shard, replica, http: await freePort(), tcp: await freePort(), other: await freePort() })
  }
  const shardXml = Array.from({ length: shards }, (_, i) => {
    const of = ports.filter(({ shard }) => shard === i + 1)
    const hosts = of.map(({ tcp }) => `<replica><host>127.0.0.1</host><port>${tcp}</port></replica>`).join('')
    return `<shard><internal_replication>true</internal_replication>${hosts}</shard>`
  }).join('')
  const libraries = execFileSync('find', [root, '-name', '*.so*', '-printf', '%h\\n'], { encoding: 'utf8' })
  const env = { ...process.env, LD_LIBRARY_PATH: [...new Set(libraries.trim().split('\n'))].join(':') }
  return ports.map(({ shard, replica, http, tcp, other }) => {
    const here = join(dir, `s${shard}r${replica}`)
    mkdirSync(here, { recursive: true })
    const config = join(here, 'config.xml')
    writeFileSync(
      config,
      `<yandex>
<logger><level>warning</level><log>${here}/log</log><errorlog>${here}/err</errorlog></logger>
<http_port>${http}</http_port><tcp_port>${tcp}</tcp_port><interserver_http_port>${other}</interserver_http_port>
<listen_host>127.0.0.1</listen_host><interserver_http_host>127.0.0.1</interserver_http_host>
<path>${here}/data/</path><tmp_path>${here}/tmp/</tmp_path>
<users_config>users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database>
<mark_cache_size>67108864</mark_cache_size>
<macros><shard>${shard}</shard><replica>r${replica}</replica></macros>
<zookeeper><node><host>127.0.0.1</host><port>${keeper}</port></node><session_timeout_ms>4000</session_timeout_ms></zookeeper>
<remote_servers><blue>${shardXml}</blue></remote_servers>
<distributed_ddl><path>/clickhouse/ddl</path></distributed_ddl>
</yandex>\n`,
    )
    writeFileSync(
      join(here, 'users.xml'),
      `<yandex><profiles><default><max_memory_usage>2000000000</max_memory_usage></default></profiles>
<users><default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></default></users>
<quotas><default></default></quotas></yandex>\n`,
    )
    const server = program(
      `the server of shard ${shard}, replica ${replica}`,
      () =>
        spawn(join(root, 'usr/sbin/clickhouse-server'), [`--config-file=${config}`], {
          cwd: here,
          env,
          stdio: 'ignore',
        }),
      async () =>
        fetch(`http://127.0.0.1:${http}/`).then(
          (response) => response.ok,
          () => false,
        ),
    )
    return { ...server, shard, replica, http, tcp }
  })
}
