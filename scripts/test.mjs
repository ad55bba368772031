// `npm test`: everything that is proved without the corpus of captures. `npm test -- FILE…` runs those files alone.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ensureConsole } from './console.mjs'
import { ensureInstalled, root } from './install.mjs'
import { lastLine, runTests, testFiles } from './tests.mjs'

/** Unit tests side by side; then, one after the other, those that start servers and peers. */
export function runAllTests() {
  const units = runTests([
    ...testFiles('src', { deep: true }),
    ...testFiles('scripts'),
    ...testFiles('web/src', { deep: true }),
  ])
  const together = testFiles('test', { deep: true }).filter((file) => !file.startsWith(join('test', 'corpus')))
  const whole = runTests([...together, ...testFiles('web/test')], { concurrency: 1 })
  return { passed: units.passed + whole.passed, failed: units.failed + whole.failed }
}

export function prepareTests() {
  ensureInstalled()
  const peers = spawnSync(join(root, 'scripts', 'install-peers.sh'), { stdio: ['ignore', 2, 2] })
  if (peers.status !== 0) process.exit(1)
  ensureConsole()
}

if (process.argv[1] === join(root, 'scripts', 'test.mjs')) {
  prepareTests()
  const named = process.argv.slice(2)
  const counts = named.length > 0 ? runTests(named, { concurrency: 1 }) : runAllTests()
  console.log(lastLine(counts))
  process.exitCode = counts.failed === 0 ? 0 : 1
}
