import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../src/base/clock.ts'
import { createPipeline } from '../src/collect/pipeline.ts'

interface Sent {
  readonly datagrams: number
  readonly templates: number
  readonly records: number
  readonly bytes: number
  readonly packets: number
}

async function blast(...args: readonly string[]): Promise<Sent> {
  const file = new URL('../bench/udp-blast.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await once(child, 'close')
  return JSON.parse(output) as Sent
}

for (const kind of ['v9', 'sflow'] as const) {
  test(`bursts as fast as a machine can send become rows to the last byte (${kind})`, async (t) => {
    const kept = { rows: 0, bytes: 0, packets: 0 }
    const warnings: string[] = []
    const pipeline = createPipeline(
      { listeners: [{ host: '127.0.0.1', port: 0 }], batchRows: 8_192, batches: 32 },
      {
        enrich: () => [''],
        spool: {
          write: (batch) => {
            kept.rows += batch.n
            for (let i = 0; i < batch.n * 2; i += 2) {
              kept.bytes += (batch.bytes[i] as number) + (batch.bytes[i + 1] as number) * 2 ** 32
              kept.packets += (batch.packets[i] as number) + (batch.packets[i + 1] as number) * 2 ** 32
            }
            return Promise.resolve({ accepted: batch.n, refused: 0 })
          },
          writeMetrics: ({ n }) => Promise.resolve({ accepted: n, refused: 0 }),
        },
        onSighting: () => {},
        nameOf: () => null,
        log: { info: () => {}, warn: (_details, message) => warnings.push(message) },
        clock: systemClock,
      },
    )
    t.after(() => pipeline.stop())
    await pipeline.start()
    const to = `127.0.0.1:${pipeline.status().listeners[0]?.port}`
    const total = { datagrams: 0, records: 0, bytes: 0, packets: 0 }
    // Each burst fits into the receive buffer whole; the next one comes when it has been read.
    for (let burst = 0; burst < 4; burst++) {
      const sent = await blast(
        '--to',
        to,
        '--kind',
        kind,
        '--rate',
        '0',
        '--datagrams',
        '2048',
        '--variety',
        '1024',
        '--hosts',
        '5000',
      )
      total.datagrams += sent.datagrams + sent.templates
      total.records += sent.records
      total.bytes += sent.bytes
      total.packets += sent.packets
      const signal = AbortSignal.timeout(20_000)
      while (pipeline.status().ledger.datagrams.received < total.datagrams) {
        assert.ok(!signal.aborted, JSON.stringify(pipeline.status().ledger))
        await pause(10)
      }
    }
    await pipeline.stop()
    const { ledger, problems } = pipeline.status()
    assert.deepEqual(ledger.datagrams, { received: total.datagrams, kernelDropped: 0, rejected: 0 })
    assert.deepEqual(kept, { rows: total.records, bytes: total.bytes, packets: total.packets })
    assert.deepEqual(problems, {})
    assert.deepEqual(
      warnings.filter((message) => !message.includes('receive buffer')),
      [],
    )
    assert.equal(
      pipeline.exporters().exporters.reduce((sum, { datagrams }) => sum + datagrams, 0),
      total.datagrams,
    )
  })
}
