// `npm run test:cluster`: what takes too long for every day. The tests of the store that hold for every home run over
// HTTP, a store is gone for ten minutes (VNETSCOPE_OUTAGE_SECONDS) while flows come at full rate, and servers are killed
// while rollups are built (VNETSCOPE_KILLS).

import { ensureInstalled } from './install.mjs'
import { lastLine, runTests } from './tests.mjs'

ensureInstalled()
process.env.VNETSCOPE_OUTAGE_SECONDS ??= '600'
process.env.VNETSCOPE_KILLS ??= '20'
const counts = { passed: 0, failed: 0 }
for (const [home, files] of [
  ['server', ['src/store/exactly-once.test.ts', 'src/store/round-trip.test.ts', 'src/store/literal.test.ts']],
  ['cluster', ['src/query/ask.test.ts']],
  ['', ['src/store/cluster-outage.test.ts', 'src/store/cluster-roller.test.ts']],
]) {
  process.env.VNETSCOPE_TEST_HOME = home
  const { passed, failed } = runTests(files, { concurrency: 1 })
  counts.passed += passed
  counts.failed += failed
}
console.log(lastLine(counts))
process.exitCode = counts.failed === 0 ? 0 : 1
