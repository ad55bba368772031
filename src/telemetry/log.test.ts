import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog, rateLimited } from './log.ts'

function sinkLog(): { lines: Record<string, unknown>[]; log: ReturnType<typeof createLog> } {
  const lines: Record<string, unknown>[] = []
  return {
    lines,
    log: createLog({
      destination: { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
    }),
  }
}

test('a repeated warning is told once, then with its number after the interval', () => {
  const { lines, log } = sinkLog()
  let now = 0
  const limited = rateLimited(log, { now: () => now }, 60_000)
  for (let i = 0; i < 5; i++) limited.warn({ disk: 'full' }, 'the spool could not be written')
  assert.equal(lines.length, 1)
  now = 60_000
  limited.warn({ disk: 'full' }, 'the spool could not be written')
  assert.equal(lines.length, 2)
  assert.equal(lines[1]?.['repeated'], 4)
  assert.equal(lines[1]?.['msg'], 'the spool could not be written')
})

test('different warnings do not hide each other', () => {
  const { lines, log } = sinkLog()
  const limited = rateLimited(log, { now: () => 0 })
  limited.warn({}, 'one')
  limited.warn({}, 'two')
  limited.info({}, 'three')
  assert.deepEqual(
    lines.map((line) => line['msg']),
    ['one', 'two', 'three'],
  )
})

test('a log at level silent writes nothing', () => {
  const lines: string[] = []
  createLog({ level: 'silent', destination: { write: (line: string) => void lines.push(line) } }).error('no')
  assert.deepEqual(lines, [])
})
