// `npm run test:crash`: 50 kills of server and engine in inserts, rolls and retention, and a death of the engine at every
// statement of a migration.

import { ensureInstalled } from './install.mjs'
import { lastLine, runTests } from './tests.mjs'

ensureInstalled()
process.env.VNETSCOPE_KILLS ??= '50'
process.env.VNETSCOPE_LONG ??= '1'
const counts = runTests(['test/crash.test.ts', 'src/store/migrate.test.ts', 'src/store/roller.test.ts'], {
  concurrency: 1,
})
console.log(lastLine(counts))
process.exitCode = counts.failed === 0 ? 0 : 1
