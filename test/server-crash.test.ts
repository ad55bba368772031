import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { createEmbeddedStore } from '../src/store/embedded.ts'
import { createLoader } from '../src/store/loader.ts'

const ROOT = join(import.meta.dirname, '..')
const KILLS = 5
const RECORDS = 30
/** Flows that each life has accepted at least when it ends, however slow the machine is. */
const ACCEPTED = 1_500

interface Running {
  readonly child: ChildProcess
  readonly url: string
  readonly port: number
}

/** Starts the real command on the directory; resolves when it says that it is ready. */
async function serve(data: string): Promise<Running> {
  const config = join(data, 'vnetscope.yaml')
  writeFileSync(config, 'http: { port: 0 }\nlisteners: [{ address: 127.0.0.1, ports: [0] }]\nlog: { level: error }\n')
  const child = spawn(join(ROOT, 'bin/vnetscope'), ['serve', '--config', config, '--data', data], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  return { child, url: /http:\/\/\S+/.exec(line)?.[0] ?? '', port: Number(/UDP (\d+)/.exec(line)?.[1]) }
}

/** NetFlow v5 datagrams whose records are all different: the source address counts them. */
function createSender() {
  const socket = createSocket('udp4')
  const datagram = Buffer.alloc(24 + 48 * RECORDS)
  datagram.writeUInt16BE(5, 0)
  datagram.writeUInt16BE(RECORDS, 2)
  let sent = 0
  return {
    sent: () => sent,
    async send(port: number): Promise<void> {
      datagram.writeUInt32BE(Math.floor(Date.now() / 1000), 8)
      datagram.writeUInt32BE(sent, 16)
      for (let i = 0; i < RECORDS; i++) {
        const at = 24 + 48 * i
        datagram.writeUInt32BE(sent + i, at)
        datagram.writeUInt32BE(1, at + 16)
        datagram.writeUInt32BE(100, at + 20)
      }
      sent += RECORDS
      await new Promise((resolve) => socket.send(datagram, port, '127.0.0.1', resolve))
    },
    close: () => socket.close(),
  }
}

async function spooled(url: string): Promise<number> {
  const answer = await fetch(`${url}/api/v1/health`)
  return ((await answer.json()) as { ledger: { flows: { spooled: number } } }).ledger.flows.spooled
}

test('a server killed at random moments under load loses and doubles nothing that it had accepted', async () => {
  const data = mkdtempSync(join(tmpdir(), 'vnetscope-crash-'))
  const sender = createSender()
  let accepted = 0
  let seed = 7
  const random = (): number => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) / 2 ** 32
  try {
    for (let round = 0; round < KILLS; round++) {
      const server = await serve(data)
      const until = Date.now() + 1100 + random() * 1500
      let inThisLife = 0
      while (Date.now() < until || inThisLife < ACCEPTED) {
        for (let i = 0; i < 20; i++) await sender.send(server.port)
        inThisLife = await spooled(server.url)
        await wait(5)
      }
      accepted += inThisLife
      const ended = once(server.child, 'exit')
      server.child.kill('SIGKILL')
      await ended
    }
    const last = await serve(data)
    const ended = once(last.child, 'exit')
    last.child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
    assert.ok(accepted >= KILLS * ACCEPTED)
    const stored = await contents(data)
    assert.equal(stored.rows, stored.different, 'rows are doubled')
    assert.ok(stored.rows >= accepted, `${accepted} accepted, ${stored.rows} stored`)
    assert.ok(stored.rows <= sender.sent())
  } finally {
    sender.close()
    rmSync(data, { recursive: true, force: true })
  }
})

/** What the store holds once the spool is empty. */
async function contents(data: string): Promise<{ rows: number; different: number }> {
  const clock = { now: () => Date.now() }
  const store = createEmbeddedStore({ dir: join(data, 'store') }, { clock })
  await store.start()
  const loader = createLoader({ dir: join(data, 'spool') }, { store, clock })
  await loader.start()
  await loader.drained()
  await loader.stop()
  const { rows } = await store.query('SELECT count(), uniqExact(src_addr) FROM flows')
  await store.stop()
  return { rows: Number(rows[0]?.[0]), different: Number(rows[0]?.[1]) }
}
