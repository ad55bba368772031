// CPU time a row of a filter compiled over batches, on rows of the simulated data center, and of compiling it.
// Run: npm run bench -- predicate [thousand rows]
import { parsedFilter } from '../src/query/filter/parse.ts'
import { createPredicate } from '../src/query/predicate.ts'
import { simulateRows } from './simulated-rows.ts'

const ROWS = Number(process.argv[2] ?? 60) * 1000
const REPEATS = 60
const list = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join(', ')
const FILTERS: readonly (readonly [what: string, filter: string])[] = [
  ['any', 'any'],
  ['dst port 443', 'dst port 443'],
  ['proto tcp and port in [80, 443]', 'proto tcp and port in [80, 443]'],
  ['src vm web* and not dst net 10.0.0.0/8', 'src vm web* and not dst net 10.0.0.0/8'],
  ['vm like "*7*" or locality inter_host', 'vm like "*7*" or locality inter_host'],
  ['bytes > 1000 * packets and bps > 1M', 'bytes > 1000 * packets and bps > 1M'],
  ['port in a list of 300', `port in [${list(300, (i) => String(1000 + 7 * i))}]`],
  ['ip in a list of 300', `ip in [${list(300, (i) => `10.110.${i & 15}.${i & 255}`)}]`],
  [
    '50 tests joined by or',
    list(50, (i) => `(dst port ${2000 + i} and ttl > ${i} and src mask ${i % 32})`).replaceAll(', ', ' or '),
  ],
]

const cpuMicros = (): number => {
  const { user, system } = process.cpuUsage()
  return user + system
}

let done = false
await simulateRows(
  ROWS,
  { startAt: Date.UTC(2031, 0, 15, 12), pps: 2_000_000, vms: 400, hosts: 12, protocol: 'mixed' },
  async (batch, names) => {
    if (done) return
    done = true
    const into = new Uint32Array(batch.n)
    console.log(`${batch.n} rows a batch`)
    for (const [what, filter] of FILTERS) {
      const tree = parsedFilter(filter)
      const begun = cpuMicros()
      const predicate = createPredicate(tree)
      predicate.select(batch, names, into)
      const compiled = cpuMicros() - begun
      let best = Number.POSITIVE_INFINITY
      let found = 0
      for (let i = 0; i < REPEATS; i++) {
        const before = cpuMicros()
        found = predicate.select(batch, names, into)
        best = Math.min(best, cpuMicros() - before)
      }
      const share = ((found / batch.n) * 100).toFixed(1)
      console.log(
        `${what.padEnd(42)} ${((best * 1000) / batch.n).toFixed(1).padStart(6)} ns a row, finds ${share.padStart(5)} %; compiled and first run ${(compiled / 1000).toFixed(1)} ms`,
      )
    }
  },
)
