import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completed, missingFrom, platform } from './complete-lock.ts'

test('the platform of a prebuilt package is read from its name', () => {
  assert.deepEqual(platform('@chdb/lib-linux-arm64-gnu'), { os: ['linux'], cpu: ['arm64'], libc: ['glibc'] })
  assert.deepEqual(platform('@oxfmt/binding-win32-x64-msvc'), { os: ['win32'], cpu: ['x64'] })
  assert.deepEqual(platform('@oxfmt/binding-linux-arm-musleabihf'), { os: ['linux'], cpu: ['arm'], libc: ['musl'] })
})

test('an optional dependency that no entry stands for is added in its place, and nothing else changes', () => {
  const lock = {
    packages: {
      '': {},
      'node_modules/a': {
        version: '1.0.0',
        dev: true,
        optionalDependencies: { 'a-darwin-arm64': '1.0.0', 'a-linux-x64': '1.0.0', 'a-nested': '1' },
      },
      'node_modules/a-linux-x64': { version: '1.0.0', optional: true },
      'node_modules/a/node_modules/a-nested': { version: '1.0.0', optional: true },
      'node_modules/b': { version: '2.0.0' },
    },
  }
  assert.deepEqual(
    missingFrom(lock).map(({ path }) => path),
    ['node_modules/a-darwin-arm64'],
  )
  const whole = completed(lock)
  assert.deepEqual(missingFrom(whole), [])
  assert.deepEqual(whole.packages['node_modules/a-darwin-arm64'], {
    version: '1.0.0',
    cpu: ['arm64'],
    os: ['darwin'],
    dev: true,
    optional: true,
  })
  assert.deepEqual(completed(whole), whole)
})
