// What .ci/run does: install, check, test, and test on the corpus where there is one.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ensureInstalled, pinnedNode, root } from './install.mjs'
import { corpus, runCorpusTests } from './test-corpus.mjs'
import { prepareTests, runAllTests } from './test.mjs'
import { lastLine } from './tests.mjs'

const total = { passed: 0, failed: 0 }
const add = (name, { passed, failed }) => {
  console.log(`${name}: ${lastLine({ passed, failed })}`)
  total.passed += passed
  total.failed += failed
}

ensureInstalled()
const check = spawnSync(pinnedNode, [join(root, 'scripts', 'check.ts')], { stdio: ['ignore', 'inherit', 'inherit'] })
add('check', check.status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 })
prepareTests()
add('test', runAllTests())
if (existsSync(corpus)) add('test:corpus', runCorpusTests())
else console.log(`test:corpus: not run, there is no corpus at ${corpus}`)

console.log(lastLine(total))
process.exitCode = total.failed === 0 ? 0 : 1
