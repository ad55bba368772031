// The top 20 sources over 10 million flows, and the bytes that they take on disk, beside nfdump on the same flows.
//
//   npm run bench -- query [--flows 10000000] [--rounds 7]

import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { machineLine, median } from './machine.ts'
import { startNfdumpCollector } from './nfdump-collector.ts'
import { blast, startServer, until } from './server.ts'

const { values } = parseArgs({
  options: { flows: { type: 'string', default: '10000000' }, rounds: { type: 'string', default: '7' } },
})
const rounds = Number(values.rounds)
const datagrams = Math.ceil(Number(values.flows) / 24)
const stream = { kind: 'v9', rate: 10_000, seconds: 600, datagrams }

const server = await startServer()
const rival = await startNfdumpCollector('nfcapd')
const began = Date.now()
const sent = await blast({ ...stream, to: `127.0.0.1:${server.port}` })
await until(async () => (await server.health()).ledger.flows.stored >= sent.records, 300, 'everything in the store')
await blast({ ...stream, to: `127.0.0.1:${rival.port}` })
await new Promise((resolve) => setTimeout(resolve, 2000))
await rival.stop()
const kept = rival.totals()
process.stdout.write(`${machineLine()}\n${sent.records} flows sent to each, nfcapd kept ${kept.flows}\n\n`)

// Merges settle before anything is timed.
await new Promise((resolve) => setTimeout(resolve, 20_000))
const question = { from: began - 60_000, to: Date.now() + 60_000, by: ['src_addr'], limit: 20 }
const ours: number[] = []
const theirs: number[] = []
let agree = true
for (let round = 0; round < rounds + 1; round++) {
  let started = performance.now()
  const answer = await server.ask('top', question)
  const tookUs = performance.now() - started
  started = performance.now()
  const out = execFileSync('nfdump', ['-R', rival.dir, '-s', 'srcip/bytes', '-n', '20', '-q', '-o', 'csv'], {
    encoding: 'utf8',
  })
  const tookThem = performance.now() - started
  if (round === 0) {
    agree = sameOrder(answer['rows'] as { key: { src_addr: string } }[], out)
    continue
  }
  ours.push(tookUs)
  theirs.push(tookThem)
}
const health = await server.health()
process.stdout
  .write(`top 20 sources by bytes, median of ${rounds} (both see the same addresses in the same order: ${agree})
  vnetscope  ${median(ours).toFixed(0)} ms (best ${Math.min(...ours).toFixed(0)}), over HTTP, with totals and intervals
  nfdump     ${median(theirs).toFixed(0)} ms (best ${Math.min(...theirs).toFixed(0)})
  ratio      ${(median(theirs) / median(ours)).toFixed(1)}
bytes a flow on disk
  vnetscope  ${(health.store.bytesOnDisk / health.store.flows).toFixed(1)} (every column)
  nfcapd -z  ${(rival.bytesOnDisk() / kept.flows).toFixed(1)}
`)
await server.stop()
rival.remove()
process.exit(agree ? 0 : 1)

function sameOrder(rows: readonly { key: { src_addr: string } }[], csv: string): boolean {
  const addresses = csv
    .split('\n')
    .map((line) => line.split(',')[4] ?? '')
    .filter((field) => /^\d+\.\d+\.\d+\.\d+$/.test(field))
  return rows.length === 20 && rows.every((row, i) => row.key.src_addr === addresses[i])
}
