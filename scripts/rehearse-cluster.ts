// `node scripts/rehearse-cluster.ts [folder]`: sharding, replication and the loss of nodes, on real servers. A modern
// ClickHouse server is in no package repository of Debian; 18.16 is, with ZooKeeper. Two collectors of today's code store
// in a cluster of two shards with two replicas each, through doors that translate (rehearsal/dialect.ts), while servers
// and ZooKeeper are killed and come back. The folder keeps the unpacked packages for the next time.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../src/base/clock.ts'
import { createClusterStore } from '../src/store/cluster.ts'
import { createEmbeddedStore } from '../src/store/embedded.ts'
import { createLoader } from '../src/store/loader.ts'
import { createSpool } from '../src/store/spool.ts'
import { randomBatch } from '../src/store/store.fixture.ts'
import { freePort, oldServers, unpackedPackages, zooKeeper, type OldServer } from './rehearsal/servers.ts'
import { openDoor } from './rehearsal/dialect.ts'

const root = unpackedPackages(process.argv[2] ?? join(tmpdir(), 'vnetscope-rehearsal'))
const dir = mkdtempSync(join(tmpdir(), 'vnetscope-cluster-'))
const began = performance.now()
const MOST_MS = 60_000

function say(what: string): void {
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${what}`)
}

async function until(what: string | (() => string), condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + MOST_MS
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${MOST_MS} ms: ${typeof what === 'string' ? what : what()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const keeperPort = await freePort()
const keeper = zooKeeper(root, join(dir, 'keeper'), keeperPort)
const servers = await oldServers(root, dir, keeperPort, 2, 2)
const [a1, a2, b1, b2] = servers as [OldServer, OldServer, OldServer, OldServer]
const converter = createEmbeddedStore({ dir: join(dir, 'converter') }, { clock: systemClock })
const ends: (() => Promise<unknown>)[] = []

/** Rows of a table as one server has them, asked directly. */
async function rowsAt(server: OldServer, table: string): Promise<string> {
  const query = new URLSearchParams({ query: `SELECT count(), uniqExact(observation) FROM vnetscope.${table}` })
  const response = await fetch(`http://127.0.0.1:${server.http}/?${query.toString()}`)
  return (await response.text()).trim()
}

/** Flows that the view has counted, as one server has it. */
async function arrivedAt(server: OldServer): Promise<string> {
  const query = new URLSearchParams({ query: 'SELECT sum(flows) FROM vnetscope.arrivals_local' })
  return (await (await fetch(`http://127.0.0.1:${server.http}/?${query.toString()}`)).text()).trim()
}

async function collector(name: string, doors: readonly number[], quorum: number, firstRow: number) {
  const spoolDir = join(dir, `spool-${name}`)
  const store = createClusterStore(
    {
      servers: doors.map((port) => ({ url: `http://127.0.0.1:${port}` })),
      cluster: 'blue',
      database: 'vnetscope',
      spoolDir,
      quorum,
      insertTimeoutMs: 20_000,
    },
    { clock: systemClock },
  )
  const loader = createLoader({ dir: spoolDir, waitMs: 50, maxRows: 20_000 }, { store, clock: systemClock })
  const spool = createSpool(
    { dir: spoolDir, maxBytes: 2 ** 30 },
    { clock: systemClock, written: (file) => loader.notify(file) },
  )
  await spool.start()
  await store.start()
  await until(
    () => `collector ${name}: ${store.status().error}`,
    () => store.status().state === 'ready',
  )
  await loader.start()
  ends.push(async () => {
    await loader.stop()
    await spool.stop()
    await store.stop()
  })
  let accepted = 0
  return {
    store,
    loader,
    accepted: () => accepted,
    async write(batches: number): Promise<void> {
      for (let i = 0; i < batches; i++) {
        const batch = randomBatch(firstRow + accepted, 1000, systemClock.now(), 1, firstRow + accepted)
        accepted += (await spool.write(batch, [''])).accepted
      }
    },
  }
}

try {
  await mkdir(join(dir, 'uploads'))
  await keeper.start()
  await Promise.all(servers.map((server) => server.start()))
  await converter.start()
  const doors: number[] = []
  for (const server of servers) {
    const port = await freePort()
    const door = await openDoor(port, server.http, converter, join(dir, 'uploads'))
    ends.push(async () => {
      door.close().closeAllConnections()
    })
    doors.push(port)
  }
  const [da1, da2, db1, db2] = doors as [number, number, number, number]
  say('two shards of two replicas and ZooKeeper are up')

  const one = await collector('one', [da1, da2, db1, db2], 1, 0)
  const two = await collector('two', [db1, db2, da1, da2], 2, 1_000_000_000)
  say('tables made with ON CLUSTER, on all four servers, by two collectors at once')

  const total = (): string => String(one.accepted() + two.accepted())
  const seen = async (): Promise<string> => {
    const { rows } = await one.store.query('SELECT count(), uniqExact(observation) FROM flows')
    return (rows[0] as number[]).join(' ')
  }
  const settled = async (what: string): Promise<void> => {
    for (const { loader } of [one, two]) {
      void loader.drained()
      await until(
        () => `${what}: ${loader.status().problem}`,
        () => loader.status().rowsWaiting === 0,
      )
    }
    for (const [mine, x, y] of [
      [one.accepted(), a1, a2],
      [two.accepted(), b1, b2],
    ] as const) {
      for (const server of [x, y])
        await until(`${what}: replica at ${server.http}`, async () => {
          const rows = await rowsAt(server, 'flows_local').catch(() => '')
          return rows === `${mine}\t${mine}`
        })
    }
    assert.equal(await seen(), `${total()} ${total()}`)
    say(`${what}: ${total()} rows, each once, on both replicas of its shard`)
  }

  await Promise.all([one.write(10), two.write(10)])
  await settled('written')
  for (const [mine, x, y] of [
    [one.accepted(), a1, a2],
    [two.accepted(), b1, b2],
  ] as const) {
    for (const server of [x, y])
      await until(`arrivals at ${server.http}`, async () => (await arrivedAt(server)) === String(mine))
  }
  say('the views of both shards have counted them, and the counts are on all replicas')

  // The same files again, as after an answer that was lost, to the other replica of the shard.
  const files: string[] = []
  const spool = createSpool(
    { dir: join(dir, 'again'), maxBytes: 1e9 },
    { clock: systemClock, written: (file) => files.push(join(dir, 'again', file)) },
  )
  await spool.start()
  await spool.write(randomBatch(5, 3000, systemClock.now(), 1, 500_000_000), [''])
  await one.store.insertFiles('flows', files, 'again')
  const other = await collector('three', [da2], 1, 0)
  await other.store.insertFiles('flows', files, 'again')
  const { rows } = await one.store.query(
    'SELECT count() FROM flows WHERE observation >= 500000000 AND observation < 600000000',
  )
  assert.deepEqual(rows, [[3000]])
  await one.store.execute(
    `ALTER TABLE flows_local ON CLUSTER blue DELETE WHERE observation >= 500000000 AND observation < 600000000`,
  )
  await until('delete', async () => (await seen()) === `${total()} ${total()}`)
  say('an insert repeated at the other replica of its shard changed nothing')

  await a1.kill()
  await Promise.all([one.write(10), two.write(10)])
  await one.loader.drained()
  await until('questions while a replica is dead', async () => {
    const rows = one.accepted() + (await twoStored())
    return (await seen()) === `${rows} ${rows}`
  })
  say('with a replica of the first shard dead, its collector went on with the other, and questions are answered')
  await a1.start()
  await settled('the replica is back and has caught up')

  await b1.kill()
  await two.write(5)
  await new Promise((resolve) => setTimeout(resolve, 3000))
  assert.equal(two.loader.status().rowsWaiting, 5000)
  say('a collector that wants two replicas to have its flows keeps them in the spool while one is dead')
  await b1.start()
  await settled('both replicas are back')

  await Promise.all([b1.kill(), b2.kill()])
  await Promise.all([one.write(5), two.write(5)])
  await one.loader.drained()
  await assert.rejects(one.store.query('SELECT count() FROM flows'), { code: 'store_away' })
  assert.equal(two.loader.status().rowsWaiting, 5000)
  say('with a whole shard dead, the other collector stores; questions are refused rather than answered in part')
  await Promise.all([b1.start(), b2.start()])
  await settled('the shard is back')

  await keeper.kill()
  await Promise.all([one.write(5), two.write(5)])
  await until(
    'inserts fail',
    () => one.loader.status().problem !== undefined && two.loader.status().problem !== undefined,
  )
  assert.notEqual(one.loader.status().rowsWaiting, 0)
  say(
    `without ZooKeeper: ${one.loader
      .status()
      .problem?.replace(/^http:\S+ /, '')
      .slice(0, 100)}`,
  )
  await keeper.start()
  await settled('ZooKeeper is back')

  for (let i = 0; i < 6; i++) {
    const victim = servers[i % 4] as OldServer
    const writing = Promise.all([one.write(8), two.write(8)])
    await new Promise((resolve) => setTimeout(resolve, 100 * i))
    await victim.kill()
    await writing
    await victim.start()
  }
  await settled('six servers killed in the middle of inserts')
  console.log('rehearsal passed')
} finally {
  for (const end of ends.reverse()) await end().catch(() => undefined)
  await converter.stop()
  await Promise.all(servers.map((server) => server.kill()))
  await keeper.kill()
  if (process.env['VNETSCOPE_KEEP'] === undefined) rmSync(dir, { recursive: true, force: true })
}

/** What the second collector has stored, by its shard. */
async function twoStored(): Promise<number> {
  return Number((await rowsAt(b1, 'flows_local')).split('\t')[0])
}
