import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Health } from '../src/api/contract/system.ts'
import { startClickHouse } from '../src/store/clickhouse.fixture.ts'
import { createPlace } from '../src/store/store.fixture.ts'

// The server over a cluster, from the datagram to the answer, with servers that are not there at first.

const FLOWS = 30

/** A datagram of NetFlow version 5, of flows of 1000 bytes and 10 packets each. */
function netflow5(flows: number): Buffer {
  const datagram = Buffer.alloc(24 + 48 * flows)
  datagram.writeUInt16BE(5, 0)
  datagram.writeUInt16BE(flows, 2)
  datagram.writeUInt32BE(100_000, 4)
  datagram.writeUInt32BE(Math.floor(Date.now() / 1000), 8)
  for (let i = 0; i < flows; i++) {
    const at = 24 + 48 * i
    datagram.writeUInt32BE(0x0a000001 + i, at)
    datagram.writeUInt32BE(0x0a000101, at + 4)
    datagram.writeUInt32BE(10, at + 16)
    datagram.writeUInt32BE(1000, at + 20)
    datagram.writeUInt32BE(90_000, at + 24)
    datagram.writeUInt32BE(95_000, at + 28)
    datagram.writeUInt16BE(40_000 + i, at + 32)
    datagram.writeUInt16BE(443, at + 34)
    datagram.writeUInt8(6, at + 38)
  }
  return datagram
}

async function until<T>(what: string, take: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + 60_000
  for (;;) {
    const value = await take()
    if (value !== undefined) return value
    assert.ok(performance.now() < end, `not within a minute: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

test('a server whose cluster is away receives, says so, and stores and answers when it is there', async () => {
  const place = await createPlace()
  const servers = await startClickHouse(join(place.dir, 'servers'), { cluster: 'blue', shards: 2, replicas: 2 })
  await servers.kill()
  const file = join(place.dir, 'vnetscope.yaml')
  const config = {
    http: { port: 0 },
    listeners: [{ address: '127.0.0.1', ports: [0] }],
    storage: { url: servers.urls, cluster: 'blue' },
  }
  writeFileSync(file, JSON.stringify(config))
  const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts')
  const words = [main, 'serve', '--config', file, '--data', join(place.dir, 'data')]
  const server = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'ignore'] })
  const socket = createSocket('udp4')
  try {
    const [line] = (await once(server.stdout.setEncoding('utf8'), 'data')) as [string]
    const [, url, port] = /ready: (\S+) \(.*UDP (\d+)/.exec(line) ?? []
    const health = async (): Promise<Health> => (await (await fetch(`${url}/api/v1/health`)).json()) as Health
    const ask = async (): Promise<Response> =>
      fetch(`${url}/api/v1/query/top`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ from: Date.now() - 3_600_000, to: Date.now() + 60_000, by: ['dst_port'] }),
      })
    socket.send(netflow5(FLOWS), Number(port), '127.0.0.1')

    const waiting = await until('flows in the spool', async () => {
      const current = await health()
      return current.spool.rows === FLOWS ? current : undefined
    })
    assert.equal(waiting.status, 'degraded')
    assert.equal(waiting.store.state, 'away')
    assert.match(waiting.reasons.join(' '), /The store is away: .*ECONNREFUSED/)
    assert.equal((await ask()).status, 503)

    await servers.revive()
    await until('flows in the store', async () => {
      const { ledger } = await health()
      return ledger.flows.stored === FLOWS ? true : undefined
    })
    const answer = (await (await ask()).json()) as { rows: unknown[]; total: { bytes: number; flows: number } }
    assert.equal(answer.rows.length, 1)
    assert.deepEqual([answer.total.flows, answer.total.bytes], [FLOWS, FLOWS * 1000])
    server.kill('SIGTERM')
    const [status] = (await once(server, 'exit')) as [number]
    assert.equal(status, 0)
  } finally {
    socket.close()
    server.kill('SIGKILL')
    await servers.stop()
    await place.remove()
  }
})
