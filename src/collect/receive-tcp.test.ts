import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { systemClock } from '../base/clock.ts'
import { OperatorError } from '../base/errors.ts'
import { rowAsJson } from '../flow/row-json.ts'
import { BASIC, basic } from '../../test/fixtures/netflow-ingest.ts'
import { ip, ipfix, netflow5, set, template, u32 } from '../../test/fixtures/netflow-messages.ts'
import type { Ingest } from './ingest.ts'
import { createPipeline, type Pipeline, type PipelineConfig } from './pipeline.ts'
import { openTcp } from './receive-tcp.ts'

const TEMPLATE = set(2, template(256, BASIC))
const data = (...records: number[][]): number[] => set(256, ...records)

interface Kept {
  readonly rows: Record<string, unknown>[]
  /** While it is set, the spool takes its time. */
  hold: Promise<void> | undefined
}

async function running(t: TestContext, config: Partial<PipelineConfig>): Promise<{ pipeline: Pipeline; kept: Kept }> {
  const kept: Kept = { rows: [], hold: undefined }
  const pipeline = createPipeline(
    { listeners: [], tcp: [{ host: '127.0.0.1', port: 0 }], flushMs: 50, ...config },
    {
      enrich: () => [''],
      spool: {
        write: async (batch) => {
          await kept.hold
          for (let row = 0; row < batch.n; row++) kept.rows.push(rowAsJson(batch, row))
          return { accepted: batch.n, refused: 0 }
        },
        writeMetrics: ({ n }) => Promise.resolve({ accepted: n, refused: 0 }),
      },
      onSighting: () => {},
      nameOf: () => null,
      log: { info: () => {}, warn: () => {} },
      clock: systemClock,
    },
  )
  t.after(() => pipeline.stop())
  await pipeline.start()
  return { pipeline, kept }
}

function portOf(pipeline: Pipeline, receiver: 'tcp' | 'tls'): number {
  return pipeline.status().listeners.find((listener) => listener.receiver === receiver)?.port ?? 0
}

async function connected(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const signal = AbortSignal.timeout(20_000)
  while (!condition()) {
    if (signal.aborted) assert.fail(`waited in vain until ${what}`)
    await pause(10)
  }
}

describe('IPFIX over TCP', () => {
  test('becomes rows in whatever pieces it comes, and is counted and listed like any exporter', async (t) => {
    const { pipeline, kept } = await running(t, { listeners: [{ host: '127.0.0.1', port: 0 }] })
    const socket = await connected(t, portOf(pipeline, 'tcp'))
    socket.setNoDelay(true)
    const whole = Buffer.concat([
      ipfix({ sequence: 0 }, TEMPLATE, data(basic('192.0.2.1', 100))),
      ipfix({ sequence: 1 }, data(basic('192.0.2.2', 200), basic('192.0.2.3', 300))),
    ])
    for (const at of [1, 3, 17, 40, 90]) {
      socket.write(whole.subarray(0, at).subarray([1, 3, 17, 40, 90].findLast((place) => place < at) ?? 0))
      await pause(1)
    }
    socket.write(whole.subarray(90))
    const udp = createSocket('udp4')
    t.after(() => udp.close())
    udp.send(netflow5({}, [{}]), pipeline.status().listeners.find((one) => one.receiver !== 'tcp')?.port)
    await until('all rows are there', () => kept.rows.length === 4)
    assert.deepEqual(
      kept.rows.map((row) => Number(row['bytes'])).toSorted((a, b) => a - b),
      [100, 200, 300, 1000],
    )
    await until('it is told', () => pipeline.exporters().exporters.some(({ protocols }) => protocols.includes('ipfix')))
    await until('it is counted', () => pipeline.status().ledger.datagrams.received === 3)
    const { listeners, ledger } = pipeline.status()
    const tcp = listeners.find((one) => one.receiver === 'tcp')
    assert.deepEqual([tcp?.datagrams, tcp?.bytes], [2, whole.length])
    assert.deepEqual([ledger.datagrams.rejected, ledger.flows.decoded, ledger.flows.queueDropped], [0, 4, 0])
    const heard = pipeline.exporters().exporters[0]?.streams.find(({ protocol }) => protocol === 'ipfix')
    assert.deepEqual(
      [heard?.datagrams, heard?.flows, heard?.lost, heard?.restarts, heard?.templates.length],
      [2, 3, 0, 0, 1],
    )
  })

  test('has templates that are of one connection and end with it', async (t) => {
    const { pipeline, kept } = await running(t, {})
    const port = portOf(pipeline, 'tcp')
    const first = await connected(t, port)
    const second = await connected(t, port)
    first.write(ipfix({}, TEMPLATE, data(basic('192.0.2.1', 100))))
    second.write(
      ipfix(
        {},
        set(
          2,
          template(256, [
            [8, 4],
            [1, 4],
          ]),
        ),
        set(256, [...ip('192.0.2.2'), ...u32(200)]),
      ),
    )
    await until('both are read', () => kept.rows.length === 2)
    assert.deepEqual(kept.rows.map((row) => [row['src_addr'], Number(row['bytes'])]).toSorted(), [
      ['192.0.2.1', 100],
      ['192.0.2.2', 200],
    ])
    first.end()
    const third = await connected(t, port)
    third.end(ipfix({}, data(basic('192.0.2.3', 300))))
    await until('what waits in vain is told', () => (pipeline.status().problems.no_template ?? 0) === 1)
    assert.equal(kept.rows.length, 2)
    const stream = pipeline.exporters().exporters[0]?.streams[0]
    assert.deepEqual([stream?.flows, stream?.lost], [2, 0])
  })

  test('has templates that can be withdrawn, one or all', async (t) => {
    const { pipeline, kept } = await running(t, {})
    const socket = await connected(t, portOf(pipeline, 'tcp'))
    const other = set(2, template(257, BASIC))
    socket.write(ipfix({}, TEMPLATE, other, data(basic('192.0.2.1', 1)), set(257, basic('192.0.2.1', 2))))
    socket.write(ipfix({ sequence: 2 }, set(2, template(256, []))))
    socket.write(ipfix({ sequence: 2 }, data(basic('192.0.2.1', 4)), set(257, basic('192.0.2.1', 8))))
    await until('the other template still holds', () => kept.rows.length === 3)
    assert.deepEqual(
      kept.rows.map((row) => Number(row['bytes'])),
      [1, 2, 8],
    )
    socket.end(ipfix({ sequence: 4 }, set(2, template(2, [])), set(257, basic('192.0.2.1', 16))))
    await until('both wait in vain', () => (pipeline.status().problems.no_template ?? 0) === 2)
    assert.equal(kept.rows.length, 3)
  })

  test('that is none ends its connection, with the reason told', async (t) => {
    const { pipeline } = await running(t, {})
    const socket = await connected(t, portOf(pipeline, 'tcp'))
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await once(socket, 'close')
    await until('it is told', () => pipeline.exporters().refused.length === 1)
    assert.match(pipeline.exporters().refused[0]?.text ?? '', /^From 127\.0\.0\.1: A TCP connection sent something/)
    assert.equal(pipeline.status().problems.bad_stream, 1)
  })

  test('waits at its sender while the spool is busy: nothing is dropped', async (t) => {
    const { pipeline, kept } = await running(t, { batches: 2, batchRows: 16_384 })
    let release = (): void => undefined
    kept.hold = new Promise((resolve) => (release = resolve))
    const socket = await connected(t, portOf(pipeline, 'tcp'))
    socket.write(ipfix({}, TEMPLATE))
    const records = Array.from({ length: 1000 }, (_, i) => basic('192.0.2.1', i))
    const sent = 80
    for (let n = 0; n < sent; n++) socket.write(ipfix({ sequence: n * 1000 }, data(...records)))
    await until('every batch is full', () => pipeline.status().queue.batchesFree === 0)
    release()
    await until('all of it is there', () => kept.rows.length === sent * 1000)
    assert.equal(pipeline.status().ledger.flows.queueDropped, 0)
  })

  test('is served to so many at a time, in all and from one address, and not to the silent', async (t) => {
    const refused: string[] = []
    let made = 0
    const ingest = {} as Ingest
    const tcp = await openTcp(
      [{ host: '127.0.0.1', port: 0 }],
      {
        connected: () => (made++, ingest),
        disconnected: () => made--,
        message: () => undefined,
        refused: (_from, code) => refused.push(code),
        ready: () => true,
      },
      systemClock,
      { maxOfAddress: 2, idleMs: 200 },
    )
    t.after(() => tcp.close())
    const port = tcp.listeners[0]?.port as number
    const sockets = [await connected(t, port), await connected(t, port), await connected(t, port)]
    await once(sockets[2] as Socket, 'close')
    assert.deepEqual([made, refused], [2, ['connection_limit']])
    await Promise.all(sockets.slice(0, 2).map(async (socket) => socket.closed || (await once(socket, 'close'))))
    await until('both are gone', () => made === 0)
    await connected(t, port)
    await until('there is room again', () => made === 1)
  })

  test('makes room for new connections at the cost of those that say nothing', async (t) => {
    const refused: string[] = []
    const ingest = {} as Ingest
    const messages: number[] = []
    const tcp = await openTcp(
      [{ host: '127.0.0.1', port: 0 }],
      {
        connected: () => ingest,
        disconnected: () => undefined,
        message: ({ length }) => messages.push(length),
        refused: (_from, code) => refused.push(code),
        ready: () => true,
      },
      systemClock,
      { maxConnections: 2, givesWayMs: 0 },
    )
    t.after(() => tcp.close())
    const port = tcp.listeners[0]?.port as number
    const speaking = await connected(t, port)
    const silent = await connected(t, port)
    speaking.write(ipfix({}))
    await until('it is heard', () => messages.length === 1)
    silent.write(Uint8Array.of(0, 10, 0))
    const third = await connected(t, port)
    await once(silent, 'close')
    third.write(ipfix({}))
    speaking.write(ipfix({}))
    await until('both are heard', () => messages.length === 3)
    assert.equal(refused[0], 'connection_limit')
  })

  test('does not take a port that is taken', async (t) => {
    const { pipeline } = await running(t, {})
    const again = createPipeline(
      { listeners: [], tcp: [{ host: '127.0.0.1', port: portOf(pipeline, 'tcp') }] },
      {
        enrich: () => [''],
        spool: {
          write: ({ n }) => Promise.resolve({ accepted: n, refused: 0 }),
          writeMetrics: ({ n }) => Promise.resolve({ accepted: n, refused: 0 }),
        },
        onSighting: () => {},
        nameOf: () => null,
        log: { info: () => {}, warn: () => {} },
        clock: systemClock,
      },
    )
    await assert.rejects(again.start(), (error) => {
      assert.ok(error instanceof OperatorError)
      assert.equal(error.code, 'port_in_use')
      assert.match(error.message, /^TCP port \d+ on 127\.0\.0\.1 is already in use/)
      return true
    })
  })
})

describe('IPFIX over TLS', () => {
  /** An authority, and a certificate of it for each name. */
  function certificates(t: TestContext, ...names: string[]): Record<string, { cert: string; key: string }> {
    const dir = mkdtempSync(join(tmpdir(), 'vnetscope-tls-'))
    t.after(() => rmSync(dir, { recursive: true }))
    const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=authority', '-days', '2')
    for (const name of names) {
      openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-out',
        `${name}.pem`,
        '-days',
        '2',
      )
    }
    const text = (file: string): string => readFileSync(join(dir, file), 'utf8')
    return Object.fromEntries(
      ['ca', ...names].map((name) => [name, { cert: text(`${name}.pem`), key: text(`${name}.key`) }]),
    )
  }

  test('is read from exporters whose certificate is of the authority, and from no other', async (t) => {
    const { ca, collector, exporter } = certificates(t, 'collector', 'exporter')
    assert.ok(ca && collector && exporter)
    const { pipeline, kept } = await running(t, {
      tcp: [{ host: '127.0.0.1', port: 0, tls: { ...collector, ca: ca.cert } }],
    })
    const port = portOf(pipeline, 'tls')
    const to = { port, host: '127.0.0.1', ca: ca.cert, servername: 'collector' }
    const socket = connectTls({ ...to, ...exporter })
    t.after(() => socket.destroy())
    await once(socket, 'secureConnect')
    socket.write(ipfix({}, TEMPLATE, data(basic('192.0.2.1', 100))))
    await until('it is there', () => kept.rows.length === 1)

    const stranger = connectTls(to)
    stranger.on('error', () => undefined)
    await new Promise((resolve) => stranger.once('close', resolve))
    await until('it is told', () => (pipeline.status().problems.tls_failed ?? 0) === 1)
    assert.match(pipeline.exporters().refused[0]?.text ?? '', /A TLS connection could not be made/)
    assert.equal(kept.rows.length, 1)
  })

  test('with a key that is none is refused at the start', async () => {
    const hooks = {
      connected: () => ({}) as Ingest,
      disconnected: () => undefined,
      message: () => undefined,
      refused: () => undefined,
      ready: () => true,
    }
    const config = [{ host: '127.0.0.1', port: 0, tls: { cert: 'none', key: 'none' } }]
    await assert.rejects(openTcp(config, hooks, systemClock), { name: 'OperatorError', code: 'tls_files' })
  })
})
