// `npm run test:crash`: 50 kills of server and engine in inserts, rolls and retention, 20 of a server that brings an older
// store up, a death of the engine at every statement of a migration, and 50 in rolls alone.

import { ensureInstalled } from './install.mjs'
import { lastLine, runTests } from './tests.mjs'

ensureInstalled()
process.env.VNETSCOPE_KILLS ??= '50'
process.env.VNETSCOPE_MIGRATION_KILLS ??= '20'
process.env.VNETSCOPE_LONG ??= '1'
const files = [
  'test/crash.test.ts',
  'test/crash-migration.test.ts',
  'src/store/migrate.test.ts',
  'src/store/roller.test.ts',
]
const counts = { passed: 0, failed: 0 }
// One after the other: node:test would take them in an order of its own.
for (const file of files) {
  const { passed, failed } = runTests([file], { concurrency: 1 })
  counts.passed += passed
  counts.failed += failed
}
console.log(lastLine(counts))
process.exitCode = counts.failed === 0 ? 0 : 1
