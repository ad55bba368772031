import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { XMLParser } from 'fast-xml-parser'
import { parse, parseAllDocuments } from 'yaml'
import { parseConfig } from '../src/app/config-file.ts'
import type { Config } from '../src/app/config.ts'

// That the files of deploy/cluster fit together: there is no Docker and no Kubernetes here to start them in.

const folder = join(import.meta.dirname, '..', 'deploy', 'cluster')
const textOf = (name: string): string => readFileSync(join(folder, name), 'utf8')

interface Service {
  readonly image: string
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes: readonly string[]
}

const compose = parse(textOf('compose.yaml'), { merge: true }) as {
  services: Record<string, Service>
  volumes: Record<string, null>
}

function configOf(name: string, text: string): Config {
  const { config, problems } = parseConfig(text)
  assert.deepEqual(problems, [], name)
  return config as Config
}

test('every image has a version, every file and volume that a service mounts is there', () => {
  for (const [name, { image, volumes }] of Object.entries(compose.services)) {
    assert.match(image, /^vnetscope$|:\d+\.\d+$/, name)
    for (const volume of volumes) {
      const [from] = volume.split(':') as [string]
      assert.ok(from.startsWith('./') ? existsSync(join(folder, from)) : from in compose.volumes, volume)
    }
  }
  for (const [, variable] of textOf('compose.yaml').matchAll(/\$\{(\w+):\?/g))
    assert.match(textOf('env.example'), new RegExp(`^${variable}=`, 'm'))
})

test('the engine reads the cluster out of the servers’ configuration as it is meant, and each server its place in it', () => {
  const dir = mkdtempSync(join(tmpdir(), 'vnetscope-deploy-'))
  const servers = Object.entries(compose.services).filter(([name]) => name.startsWith('clickhouse-'))
  assert.equal(servers.length, 4)
  try {
    // The first and the last: a process with the engine for each takes its time.
    for (const [name, { environment }] of [servers[0], servers[3]] as typeof servers) {
      const script = `
        const { Session } = require('chdb')
        const session = new Session(${JSON.stringify(join(dir, name))}, {
          connectionArgs: ['--config-file=${join(folder, 'clickhouse/cluster.xml')}'],
        })
        const rows = (sql) => JSON.parse(session.query(sql, 'JSONCompact').toString()).data
        console.log(JSON.stringify({
          macros: rows('SELECT macro, substitution FROM system.macros ORDER BY macro'),
          hosts: rows("SELECT shard_num, host_name FROM system.clusters WHERE cluster = 'vnetscope' ORDER BY ALL"),
        }))`
      const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=commonjs', '-e', script], {
        encoding: 'utf8',
        cwd: folder,
        env: { ...process.env, ...environment, CLUSTER_SECRET: 'x' },
      })
      assert.notEqual(stdout, '', stderr)
      const { macros, hosts } = JSON.parse(stdout) as { macros: string[][]; hosts: [number, string][] }
      assert.deepEqual(macros, [
        ['replica', name],
        ['shard', environment?.['SHARD']],
      ])
      assert.equal(hosts.find(([, host]) => host === name)?.[0], Number(environment?.['SHARD']))
      assert.deepEqual(
        hosts.map(([, host]) => host),
        servers.map(([server]) => server),
      )
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

test('keepers and servers name the same keepers', () => {
  const parser = new XMLParser()
  const { clickhouse: servers } = parser.parse(textOf('clickhouse/cluster.xml')) as {
    clickhouse: { zookeeper: { node: { host: string; port: number }[] } }
  }
  const { clickhouse: keepers } = parser.parse(textOf('keeper/keeper.xml')) as {
    clickhouse: {
      keeper_server: { tcp_port: number; raft_configuration: { server: { id: number; hostname: string }[] } }
    }
  }
  const { tcp_port: port, raft_configuration: raft } = keepers.keeper_server
  assert.deepEqual(
    servers.zookeeper.node,
    raft.server.map(({ hostname }) => ({ host: hostname, port })),
  )
  for (const { id, hostname } of raft.server)
    assert.equal(compose.services[hostname]?.environment?.['KEEPER'], String(id))
})

test('each collector’s configuration is right, and stores in a shard of its own', () => {
  const shards = ['collector-1', 'collector-2'].map((name) => {
    const { storage } = configOf(name, textOf(`${name}.yaml`))
    assert.equal(storage.cluster, 'vnetscope')
    const hosts = (storage.url as string[]).map((url) => new URL(url).hostname)
    for (const host of hosts) assert.ok(host in compose.services, host)
    return compose.services[hosts[0] as string]?.environment?.['SHARD']
  })
  assert.deepEqual(shards, ['1', '2'])
})

test('the configurations for Kubernetes are right, name the servers as the operator does, and mount what they read', () => {
  const values = parse(textOf('kubernetes/clickhouse-values.yaml')) as {
    clickhouse: { shardsCount: number; replicasCount: number; users: { name: string; password_secret_name: string }[] }
  }
  const documents = parseAllDocuments(textOf('kubernetes/collectors.yaml')).map(
    (document) =>
      document.toJS() as {
        kind: string
        data?: Record<string, string>
        spec?: { template?: { spec: { volumes: { secret?: { secretName: string } }[] } } }
      },
  )
  const { shardsCount, replicasCount, users } = values.clickhouse
  const known = new Set<string>()
  for (let shard = 0; shard < shardsCount; shard++) {
    for (let replica = 0; replica < replicasCount; replica++)
      known.add(`chi-vnetscope-clickhouse-vnetscope-${shard}-${replica}`)
  }
  const configs = documents.filter(({ kind }) => kind === 'ConfigMap')
  assert.equal(configs.length, shardsCount)
  for (const [i, { data }] of configs.entries()) {
    const { storage } = configOf(`collector-${i}`, data?.['vnetscope.yaml'] as string)
    const hosts = (storage.url as string[]).map((url) => new URL(url).hostname)
    assert.deepEqual(new Set(hosts), known)
    assert.equal(hosts[0], `chi-vnetscope-clickhouse-vnetscope-${i}-0`)
    assert.equal(storage.user, users[0]?.name)
  }
  for (const { kind, spec } of documents) {
    if (kind !== 'StatefulSet') continue
    const secrets = spec?.template?.spec.volumes.flatMap(({ secret }) => (secret ? [secret.secretName] : []))
    assert.deepEqual(secrets, [users[0]?.password_secret_name])
  }
})
