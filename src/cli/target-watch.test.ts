import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTargetWatch } from './target-watch.ts'

test('a target that can’t be reached is named once, and once more when it can', () => {
  const said: string[] = []
  const watch = createTargetWatch((sentence) => void said.push(sentence))
  const look = (sent: number, failed: number): void =>
    watch([
      { host: '192.0.2.1', port: 6343, sent, failed, ...(failed > 0 ? { error: 'ENETUNREACH' } : {}) },
      { host: '192.0.2.2', port: 6343, sent: 100 * said.length, failed: 0 },
    ])
  look(5, 0)
  look(9, 0)
  assert.deepEqual(said, [])
  for (let failed = 1; failed < 50; failed++) look(9, failed)
  // Now one of them gets through, now none: that is not over
  for (let i = 1; i < 10; i++) look(9 + i, i % 2 === 0 ? 49 + i : 48 + i)
  const away = '192.0.2.1:6343 can’t be reached (ENETUNREACH); what is sent there is lost meanwhile'
  assert.deepEqual(said, [away])
  for (let i = 0; i < 3; i++) look(19, 57)
  assert.deepEqual(said, [away], 'nothing was sent')
  for (let i = 0; i < 6; i++) look(20 + i, 57)
  assert.deepEqual(said, [away, '192.0.2.1:6343 is reached again'])
  look(25, 58)
  assert.deepEqual(said, [away, '192.0.2.1:6343 is reached again', away])
})
