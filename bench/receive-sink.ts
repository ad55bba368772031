import { systemClock } from '../src/base/clock.ts'
import { createPipeline } from '../src/collect/pipeline.ts'

// The receiving half of the collector as a process of its own, for measuring: flows are received, decoded and counted, and
// go nowhere. Prints its port when ready, and its ledger as JSON when it is told to end (SIGTERM).

let bytes = 0
let packets = 0
const pipeline = createPipeline(
  { listeners: [{ host: '127.0.0.1', port: Number(process.argv[2] ?? 0) }], receivers: 1 },
  {
    enrich: () => [''],
    spool: {
      write: (batch) => {
        for (let i = 0; i < batch.n; i++) {
          bytes += batch.bytes[i * 2] as number
          packets += batch.packets[i * 2] as number
        }
        return Promise.resolve({ accepted: batch.n, refused: 0 })
      },
      writeMetrics: ({ n }) => Promise.resolve({ accepted: n, refused: 0 }),
    },
    onSighting: () => {},
    nameOf: () => null,
    log: {
      info: () => {},
      warn: (details, message) => process.stderr.write(`${message} ${JSON.stringify(details)}\n`),
    },
    clock: systemClock,
  },
)
await pipeline.start()
process.stdout.write(`${pipeline.status().listeners[0]?.port}\n`)
process.once('SIGTERM', () => {
  void pipeline.stop().then(() => {
    const { ledger, problems } = pipeline.status()
    const lost = pipeline.exporters().exporters.reduce((sum, one) => sum + one.lost, 0)
    const { user, system } = process.cpuUsage()
    process.stdout.write(
      `${JSON.stringify({ ledger, problems, lost, bytes, packets, cpuSeconds: (user + system) / 1e6, rssMb: process.memoryUsage.rss() >> 20 })}\n`,
    )
    process.exit(0)
  })
})
