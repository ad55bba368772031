// Runs test files by node:test with the pinned Node, and counts.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pinnedNode, root } from './install.mjs'

/** The test files in a folder, in those below it too if `deep`. */
export function testFiles(folder, { deep = false } = {}) {
  const path = join(root, folder)
  if (!existsSync(path)) return []
  const names = readdirSync(path, { recursive: deep }).filter(
    (name) => name.endsWith('.test.ts') && !name.includes('node_modules'),
  )
  return names.sort().map((name) => join(folder, name))
}

/**
 * Answers { passed, failed }. A run that ends without a summary, or that has nothing to run, counts as one failed test;
 * so does a skipped one.
 */
export function runTests(files, { concurrency = 2 } = {}) {
  if (files.length === 0) {
    process.stderr.write('vnetscope: there is no test to run\n')
    return { passed: 0, failed: 1 }
  }
  const folder = mkdtempSync(join(tmpdir(), 'vnetscope-tests-'))
  const summary = join(folder, 'summary.json')
  const { status } = spawnSync(
    pinnedNode,
    [
      '--test',
      `--test-concurrency=${concurrency}`,
      '--test-timeout=600000',
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${join(root, 'scripts', 'count-reporter.mjs')}`,
      `--test-reporter-destination=${summary}`,
      ...files,
    ],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: testEnvironment() },
  )
  const text = existsSync(summary) ? readFileSync(summary, 'utf8') : ''
  rmSync(folder, { recursive: true, force: true })
  const counts = text === '' ? { passed: 0, failed: 1, skipped: 0 } : JSON.parse(text)
  const failed = counts.failed + counts.skipped
  return { passed: counts.passed, failed: failed === 0 && status !== 0 ? 1 : failed }
}

function testEnvironment() {
  const env = { ...process.env }
  // A runner inside a runner would report to the outer one.
  delete env.NODE_TEST_CONTEXT
  return env
}

/** The line that every run ends with. */
export function lastLine({ passed, failed }) {
  return `${passed} passed, ${failed} failed`
}
