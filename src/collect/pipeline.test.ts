import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../base/clock.ts'
import { OperatorError } from '../base/errors.ts'
import type { FlowBatch } from '../flow/flow-batch.ts'
import { counterSample, sflowDatagram, tlv, xdr } from '../../test/fixtures/xdr.ts'
import { createPipeline, type Pipeline, type PipelineConfig, type PipelineDeps } from './pipeline.ts'

const LOCAL: PipelineConfig = { listeners: [{ host: '::', port: 0 }], flushMs: 50 }

/** What the rows of a test say: how many, and of which exporters. */
interface Kept {
  rows: number
  packets: number
}

function deps(kept: Kept, change: Partial<PipelineDeps> = {}): PipelineDeps {
  return {
    enrich: () => [''],
    spool: {
      write: (batch: FlowBatch) => {
        kept.rows += batch.n
        for (let i = 0; i < batch.n; i++) kept.packets += batch.packets[i * 2] as number
        return Promise.resolve({ accepted: batch.n, refused: 0 })
      },
      writeMetrics: ({ n }) => Promise.resolve({ accepted: n, refused: 0 }),
    },
    onSighting: () => {},
    nameOf: () => null,
    log: { info: () => {}, warn: () => {} },
    clock: systemClock,
    ...change,
  }
}

/** A pipeline that is stopped when its test ends, whatever happens. */
async function running(t: TestContext, config: PipelineConfig, dependencies: PipelineDeps): Promise<Pipeline> {
  const pipeline = createPipeline(config, dependencies)
  t.after(() => pipeline.stop())
  await pipeline.start()
  return pipeline
}

function portOf(pipeline: Pipeline, listener = 0): number {
  return pipeline.status().listeners[listener]?.port ?? 0
}

function sender(
  t: TestContext,
  type: 'udp4' | 'udp6' = 'udp4',
): (bytes: Uint8Array, port: number, host?: string) => Promise<void> {
  const socket: Socket = createSocket(type)
  t.after(() => socket.close())
  return (bytes, port, host = type === 'udp4' ? '127.0.0.1' : '::1') =>
    new Promise((resolve, reject) => socket.send(bytes, port, host, (error) => (error ? reject(error) : resolve())))
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const signal = AbortSignal.timeout(20_000)
  while (!condition()) {
    if (signal.aborted) assert.fail(`waited in vain until ${what}`)
    await pause(10)
  }
}

/** NetFlow v5 (header 24 bytes, record 48): `records` flows of one packet each. */
function netflow5(records: number, sequence = 0): Uint8Array {
  const bytes = new Uint8Array(24 + records * 48)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, 5)
  view.setUint16(2, records)
  view.setUint32(4, 1_000_000)
  view.setUint32(8, Math.floor(Date.now() / 1000))
  view.setUint32(16, sequence)
  for (let i = 0; i < records; i++) {
    const at = 24 + i * 48
    view.setUint32(at, 0x0a000001)
    view.setUint32(at + 4, 0x0a000002)
    view.setUint32(at + 16, 1)
    view.setUint32(at + 20, 100)
    view.setUint32(at + 24, 999_000)
    view.setUint32(at + 28, 999_500)
    view.setUint8(at + 38, 17)
  }
  return bytes
}

/** NetFlow v9: a template of packets (4 bytes) and octets (4 bytes), or one record of it. */
function netflow9(part: 'template' | 'data', sequence: number): Uint8Array {
  const set =
    part === 'template' ? [0, 0, 0, 16, 1, 0, 0, 2, 0, 2, 0, 4, 0, 1, 0, 4] : [1, 0, 0, 12, 0, 0, 0, 7, 0, 0, 1, 0]
  const bytes = new Uint8Array(20 + set.length)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, 9)
  view.setUint16(2, 1)
  view.setUint32(4, 1_000_000)
  view.setUint32(8, Math.floor(Date.now() / 1000))
  view.setUint32(12, sequence)
  view.setUint32(16, 1)
  bytes.set(set, 20)
  return bytes
}

for (const receiver of ['recvmmsg', 'dgram'] as const) {
  test(`every datagram over IPv4 and IPv6 is counted once and its flows reach the spool (${receiver})`, async (t) => {
    const kept = { rows: 0, packets: 0 }
    const pipeline = await running(
      t,
      {
        ...LOCAL,
        listeners: [
          { host: '::', port: 0 },
          { host: '127.0.0.1', port: 0 },
        ],
        receiver,
      },
      deps(kept),
    )
    const v4 = sender(t)
    const v6 = sender(t, 'udp6')
    for (let i = 0; i < 500; i++) {
      await v4(netflow5(3, i * 3), portOf(pipeline))
      await v6(netflow5(2, i * 2), portOf(pipeline))
      await v4(netflow5(1, i), portOf(pipeline, 1))
    }
    await until('all are received', () => pipeline.status().ledger.datagrams.received === 1500)
    await pipeline.stop()
    const { ledger, listeners, kind } = pipeline.status()
    assert.equal(kind, receiver)
    assert.deepEqual(ledger.datagrams, { received: 1500, kernelDropped: 0, rejected: 0 })
    assert.deepEqual(ledger.flows, { decoded: 3000, queueDropped: 0, spoolRefused: 0, spooled: 3000, inFlight: 0 })
    assert.deepEqual(kept, { rows: 3000, packets: 3000 })
    assert.deepEqual(
      listeners.map(({ datagrams }) => datagrams),
      [1000, 500],
    )
    const heard = pipeline.exporters().exporters.map(({ address }) => address)
    assert.deepEqual(new Set(heard), new Set(['127.0.0.1', '::1']))
  })
}

test('several receivers share a port, and each datagram is counted once', async (t) => {
  const kept = { rows: 0, packets: 0 }
  const pipeline = await running(t, { ...LOCAL, receivers: 2 }, deps(kept))
  for (let socket = 0; socket < 16; socket++) {
    const send = sender(t)
    for (let i = 0; i < 20; i++) await send(netflow5(1, i), portOf(pipeline))
  }
  await until('all are received', () => pipeline.status().ledger.datagrams.received === 320)
  await pipeline.stop()
  assert.equal(pipeline.status().listeners.length, 1)
  assert.equal(pipeline.status().ledger.flows.spooled, 320)
  assert.equal(kept.rows, 320)
})

test('what is no export protocol is rejected, counted and told with its source', async (t) => {
  const pipeline = await running(t, LOCAL, deps({ rows: 0, packets: 0 }))
  const send = sender(t)
  await send(new Uint8Array(0), portOf(pipeline))
  await send(Uint8Array.of(0, 9), portOf(pipeline))
  await send(Buffer.from('<13>Jan 1 00:00:00 host app: text'), portOf(pipeline))
  await send(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 1), portOf(pipeline))
  await send(netflow5(30).subarray(0, 20), portOf(pipeline))
  await send(netflow5(1), portOf(pipeline))
  await until('all are received', () => pipeline.status().ledger.datagrams.received === 6)
  await pipeline.stop()
  const { ledger } = pipeline.status()
  assert.equal(ledger.datagrams.rejected, 5)
  assert.equal(ledger.flows.spooled, 1)
  const refused = pipeline.exporters().refused
  assert.equal(
    refused.reduce((sum, { count }) => sum + count, 0),
    5,
  )
  assert.ok(refused.some(({ text }) => text.startsWith('From 127.0.0.1: datagrams begin with sFlow version 4')))
})

test('when the spool does not take batches, rows are dropped and counted while receiving goes on', async (t) => {
  let release: () => void = () => {}
  const gate = new Promise<void>((resolve) => (release = resolve))
  let written = 0
  const pipeline = await running(
    t,
    { ...LOCAL, batchRows: 64, batches: 3 },
    deps(
      { rows: 0, packets: 0 },
      {
        spool: {
          write: async (batch) => {
            await gate
            written += batch.n
            return { accepted: batch.n, refused: 0 }
          },
          writeMetrics: ({ n }) => Promise.resolve({ accepted: n, refused: 0 }),
        },
      },
    ),
  )
  t.after(release)
  const send = sender(t)
  for (let i = 0; i < 100; i++) await send(netflow5(30, i * 30), portOf(pipeline))
  await until('all are received', () => pipeline.status().ledger.datagrams.received === 100)
  const before = pipeline.status().ledger.flows
  assert.ok(before.queueDropped > 0)
  assert.equal(before.spooled, 0)
  release()
  await until('the queue is empty', () => pipeline.status().queue.rows === 0)
  await send(netflow5(30, 3000), portOf(pipeline))
  await until('all are received', () => pipeline.status().ledger.datagrams.received === 101)
  await pipeline.stop()
  const { flows } = pipeline.status().ledger
  assert.equal(flows.decoded, 101 * 30)
  assert.equal(flows.spooled, written)
  assert.equal(flows.queueDropped + flows.spooled, flows.decoded)
  assert.ok(flows.queueDropped < flows.decoded - 128, 'rows were taken again once there was room')
})

test('rows that the spool refuses, or on which it fails, are counted as refused', async (t) => {
  let calls = 0
  const pipeline = await running(
    t,
    { ...LOCAL, batchRows: 30, batches: 8 },
    deps(
      { rows: 0, packets: 0 },
      {
        spool: {
          write: (batch) => {
            calls++
            if (calls === 1) return Promise.reject(new Error('disk full'))
            return Promise.resolve({ accepted: batch.n - 10, refused: 10 })
          },
          writeMetrics: ({ n }) => Promise.resolve({ accepted: n, refused: 0 }),
        },
      },
    ),
  )
  const send = sender(t)
  await send(netflow5(30), portOf(pipeline))
  await send(netflow5(30), portOf(pipeline))
  await until('all are received', () => pipeline.status().ledger.datagrams.received === 2)
  await pipeline.stop()
  assert.deepEqual(pipeline.status().ledger.flows, {
    decoded: 60,
    queueDropped: 0,
    spoolRefused: 40,
    spooled: 20,
    inFlight: 0,
  })
})

test('counters that the spool refuses are counted as dropped', async (t) => {
  const kept = { rows: 0, packets: 0 }
  const { spool } = deps(kept)
  const refusing = { ...spool, writeMetrics: () => Promise.resolve({ accepted: 1, refused: 2 }) }
  const pipeline = await running(t, LOCAL, deps(kept, { spool: refusing }))
  const send = sender(t)
  await send(sflowDatagram([counterSample([tlv(2101, xdr(1, 5000, 2))], 0x03000011)]), portOf(pipeline))
  await until('it is received', () => pipeline.status().ledger.datagrams.received === 1)
  await pipeline.stop()
  assert.deepEqual(pipeline.status().ledger.metrics, { decoded: 3, dropped: 2, spooled: 1 })
})

test('a datagram burst that overflows a small receive buffer shows as kernel drops', async (t) => {
  for (const receiver of ['recvmmsg', 'dgram'] as const) {
    const pipeline = await running(
      t,
      { ...LOCAL, receiver, receiveBufferBytes: 4_096, listeners: [{ host: '127.0.0.1', port: 0 }] },
      deps({ rows: 0, packets: 0 }),
    )
    const socket = createSocket('udp4')
    t.after(() => socket.close())
    const bytes = netflow5(29)
    await Promise.all(
      Array.from(
        { length: 3_000 },
        () => new Promise((resolve) => socket.send(bytes, portOf(pipeline), '127.0.0.1', resolve)),
      ),
    )
    await until('each datagram is accounted for', () => {
      const { received, kernelDropped } = pipeline.status().ledger.datagrams
      return received + kernelDropped === 3_000
    })
    assert.ok(pipeline.status().ledger.datagrams.kernelDropped > 0)
    await pipeline.stop()
  }
})

test('a port in use is one clear error that names it', async (t) => {
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const { port } = socket.address()
  for (const receiver of ['recvmmsg', 'dgram'] as const) {
    for (const receivers of [1, 2]) {
      const pipeline = createPipeline(
        {
          listeners: [
            { host: '127.0.0.1', port: 0 },
            { host: '127.0.0.1', port },
          ],
          receiver,
          receivers,
        },
        deps({ rows: 0, packets: 0 }),
      )
      await assert.rejects(pipeline.start(), (error) => {
        assert.ok(error instanceof OperatorError)
        assert.equal(error.code, 'port_in_use')
        assert.equal(error.message, `UDP port ${port} on 127.0.0.1 is already in use by another program`)
        return true
      })
      await pipeline.stop()
    }
  }
})

test('two collectors that each use several receivers do not share a port without a word', async (t) => {
  const first = await running(t, { ...LOCAL, receivers: 2 }, deps({ rows: 0, packets: 0 }))
  const second = createPipeline(
    { listeners: [{ host: '::', port: portOf(first) }], receivers: 2 },
    deps({ rows: 0, packets: 0 }),
  )
  await assert.rejects(second.start(), { code: 'port_in_use' })
})

test('an address that this machine has not is one clear error', async () => {
  for (const receiver of ['recvmmsg', 'dgram'] as const) {
    const pipeline = createPipeline(
      { listeners: [{ host: '192.0.2.1', port: 0 }], receiver },
      deps({ rows: 0, packets: 0 }),
    )
    await assert.rejects(pipeline.start(), { code: 'listen_failed', message: /this machine has no such address/ })
  }
})

test('stopping under load ends, and the ledger balances', async (t) => {
  const kept = { rows: 0, packets: 0 }
  const pipeline = await running(t, { ...LOCAL, batchRows: 1_024 }, deps(kept))
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  let sending = true
  const port = portOf(pipeline)
  const bytes = netflow5(20)
  const flood = (async () => {
    while (sending) {
      for (let i = 0; i < 64; i++) socket.send(bytes, port, '127.0.0.1')
      await new Promise(setImmediate)
    }
  })()
  await until('some were received', () => pipeline.status().ledger.datagrams.received > 1_000)
  await pipeline.stop()
  sending = false
  await flood
  const { flows, datagrams } = pipeline.status().ledger
  assert.equal(flows.inFlight, 0)
  assert.equal(flows.decoded, flows.spooled + flows.queueDropped)
  assert.equal(flows.decoded, datagrams.received * 20)
  assert.equal(kept.rows, flows.spooled)
})

test('templates outlive a restart', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'vnetscope-state-'))
  t.after(() => rm(dir, { recursive: true }))
  const stateFile = join(dir, 'state', 'templates.json')
  const first = await running(t, { ...LOCAL, stateFile }, deps({ rows: 0, packets: 0 }))
  const port = portOf(first)
  const send = sender(t)
  await send(netflow9('template', 0), port)
  await until('it is received', () => first.status().ledger.datagrams.received === 1)
  await first.stop()
  assert.equal((JSON.parse(await readFile(stateFile, 'utf8')) as { version: number }).version, 1)

  const kept = { rows: 0, packets: 0 }
  const second = await running(t, { ...LOCAL, listeners: [{ host: '::', port }], stateFile }, deps(kept))
  await send(netflow9('data', 1), port)
  await until('its flow is spooled', () => second.status().ledger.flows.spooled === 1)
  assert.deepEqual(kept, { rows: 1, packets: 7 })
})

test('a broken file of templates is told and does not keep the collector from starting', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'vnetscope-state-'))
  t.after(() => rm(dir, { recursive: true }))
  for (const content of ['', '{', '[]', 'null', '{"version":1,"receivers":[{"netflow":42,"sflow":"no"},null,7]}']) {
    const stateFile = join(dir, 'templates.json')
    await writeFile(stateFile, content)
    const pipeline = await running(t, { ...LOCAL, stateFile }, deps({ rows: 0, packets: 0 }))
    const send = sender(t)
    await send(netflow5(1), portOf(pipeline))
    await until('it is received', () => pipeline.status().ledger.flows.spooled === 1)
    await pipeline.stop()
  }
})

test('an enricher that fails costs the names, not the flows', async (t) => {
  const kept = { rows: 0, packets: 0 }
  const pipeline = await running(
    t,
    LOCAL,
    deps(kept, {
      enrich: () => {
        throw new Error('bug')
      },
    }),
  )
  await sender(t)(netflow5(5), portOf(pipeline))
  await until('they are spooled', () => pipeline.status().ledger.flows.spooled === 5)
  assert.equal(kept.rows, 5)
})

test('a receiver whose socket fails is started again, and nothing that it had received is lost', async (t) => {
  const kept = { rows: 0, packets: 0 }
  const pipeline = await running(
    t,
    { ...LOCAL, flushMs: 60_000, listeners: [{ host: '127.0.0.1', port: 0 }], receiver: 'recvmmsg' },
    deps(kept),
  )
  const port = portOf(pipeline)
  const send = sender(t)
  await send(netflow5(4), port)
  await until('it is received', () => pipeline.status().ledger.datagrams.received === 1)
  const failing = fdBoundTo(port)
  // Something else takes its place, as when other code closes a number that is not its own.
  closeSync(failing)
  const other = openSync('/dev/null', 'r')
  t.after(() => closeSync(other))
  await until('a receiver listens anew and its flow is spooled', () => {
    void send(netflow5(1), port).catch(() => {})
    return pipeline.status().ledger.flows.decoded > 4
  })
  await pipeline.stop()
  const { flows, datagrams } = pipeline.status().ledger
  assert.equal(flows.spooled, kept.rows)
  assert.ok(kept.rows > 4)
  assert.equal(datagrams.received, kept.rows - 3, 'the count goes on where the lost receiver left it')
  assert.equal(flows.inFlight, 0)
})

/** Number of the file that is bound to a local UDP port of 127.0.0.1. */
function fdBoundTo(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const line = readFileSync('/proc/net/udp', 'latin1')
    .split('\n')
    .find((one) => one.includes(local))
  const inode = line?.trim().split(/\s+/)[9]
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) === `socket:[${inode}]`) return Number(fd)
    } catch {
      // The directory's own number is gone by now.
    }
  }
  return assert.fail('no such socket')
}

test('a process ends at once though its receiver waits for datagrams', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'vnetscope-exit-'))
  t.after(() => rm(dir, { recursive: true }))
  const script = `
    import { createPipeline } from '${new URL('./pipeline.ts', import.meta.url).href}'
    const pipeline = createPipeline({ listeners: [{ host: '127.0.0.1', port: 0 }] }, {
      enrich: () => [''], spool: { write: async (b) => ({ accepted: b.n, refused: 0 }), writeMetrics: async (b) => ({ accepted: b.n, refused: 0 }) },
      onSighting() {}, nameOf: () => null, log: { info() {}, warn() {} }, clock: { now: () => Date.now() },
    })
    await pipeline.start()
    process.exit(7)`
  const file = join(dir, 'exit.mjs')
  await writeFile(file, script)
  const child = spawn(process.execPath, [file], { stdio: 'inherit' })
  const [status] = (await once(child, 'exit')) as [number]
  assert.equal(status, 7)
})

test('without the native library datagrams are received by dgram, and it is said why', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'vnetscope-fallback-'))
  t.after(() => rm(dir, { recursive: true }))
  const hook = join(dir, 'without-koffi.mjs')
  await writeFile(
    hook,
    `import { registerHooks } from 'node:module'
    registerHooks({ resolve(specifier, context, next) {
      if (specifier === 'koffi') throw Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' })
      return next(specifier, context)
    } })`,
  )
  const file = join(dir, 'start.mjs')
  const start = (receiver: string): string => `
    import { createPipeline } from '${new URL('./pipeline.ts', import.meta.url).href}'
    const pipeline = createPipeline({ listeners: [{ host: '127.0.0.1', port: 0 }], receiver: '${receiver}', receiveBufferBytes: 65536 }, {
      enrich: () => [''], spool: { write: async (b) => ({ accepted: b.n, refused: 0 }), writeMetrics: async (b) => ({ accepted: b.n, refused: 0 }) },
      onSighting() {}, nameOf: () => null, log: { info() {}, warn: (details, message) => console.log(message + ': ' + details.reason) },
      clock: { now: () => Date.now() },
    })
    await pipeline.start().then(() => console.log(pipeline.status().kind), (error) => console.log(error.code))
    await pipeline.stop()`
  const said = async (receiver: string): Promise<string> => {
    await writeFile(file, start(receiver))
    const child = spawn(process.execPath, ['--import', hook, file], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    await once(child, 'close')
    return output
  }
  assert.equal(
    await said('auto'),
    'receiving by dgram, which takes a quarter of the rate of recvmmsg: ' +
      'the native library koffi could not be loaded, so recvmmsg is not available\ndgram\n',
  )
  assert.equal(await said('recvmmsg'), 'recvmmsg_unavailable\n')
})
