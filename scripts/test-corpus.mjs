// `npm run test:corpus`: what needs the corpus of captures, which is not part of the project.

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ensureInstalled, root } from './install.mjs'
import { lastLine, runTests, testFiles } from './tests.mjs'

export const corpus = resolve(root, process.env.VNETSCOPE_CAPTURES ?? '../shared/captures')

export function runCorpusTests() {
  process.env.VNETSCOPE_CAPTURES = corpus
  return runTests(testFiles('test/corpus'))
}

if (process.argv[1] === join(root, 'scripts', 'test-corpus.mjs')) {
  ensureInstalled()
  if (existsSync(corpus)) {
    const counts = runCorpusTests()
    console.log(lastLine(counts))
    process.exitCode = counts.failed === 0 ? 0 : 1
  } else {
    console.error(`vnetscope: there is no corpus of captures at ${corpus}; name its folder by VNETSCOPE_CAPTURES`)
    console.log(lastLine({ passed: 0, failed: 1 }))
    process.exitCode = 1
  }
}
