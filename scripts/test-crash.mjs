// `npm run test:crash`: 50 kills of server and engine in inserts, rolls and retention, 20 of a server that brings an older
// store up, a death of the engine at every statement of a migration, and 15 of it in rolls alone.

import { ensureInstalled } from './install.mjs'
import { lastLine, runTests } from './tests.mjs'

ensureInstalled()
process.env.VNETSCOPE_LONG ??= '1'
process.env.VNETSCOPE_MIGRATION_KILLS ??= '20'
const counts = { passed: 0, failed: 0 }
for (const [file, kills] of [
  ['test/crash.test.ts', '50'],
  ['test/crash-migration.test.ts', '0'],
  ['src/store/migrate.test.ts', '0'],
  ['src/store/roller.test.ts', '15'],
]) {
  process.env.VNETSCOPE_KILLS = kills
  const { passed, failed } = runTests([file], { concurrency: 1 })
  counts.passed += passed
  counts.failed += failed
}
console.log(lastLine(counts))
process.exitCode = counts.failed === 0 ? 0 : 1
