// The probe in the background: whoever starts it is told whether it works.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { temporaryFolder } from './server.ts'

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')
const folder = temporaryFolder()
after(() => folder.remove())

/** Starts it; by a shell that puts its own number into the PID file before it becomes the probe, if `isOwn`. */
function background(device: string, pidFile: string, isOwn = false): { status: number | null; stderr: string } {
  const config = join(folder.path, `${device}.conf`)
  writeFileSync(
    config,
    `sflow {\n agentip = 192.0.2.1\n collector { ip = 127.0.0.1 udpport = 9 }\n virtualswitch { pcap { device = ${device} } uplink { mac = 00:14:22:59:22:77 } }\n}\n`,
  )
  const file = join(folder.path, pidFile)
  const words = [process.execPath, MAIN, 'probe', '--config', config, '--daemon', '--pid-file', file]
  const own = ['-c', 'echo $$ > "$0"; exec "$@"', file, ...words]
  const [program = '', ...args] = isOwn ? ['sh', ...own] : words
  return spawnSync(program, args, { encoding: 'utf8', timeout: 60_000 })
}

test('a second probe with the PID file of one that runs is refused, and that one goes on', () => {
  // The number of a process that is no probe hinders nobody.
  writeFileSync(join(folder.path, 'a.pid'), `${process.pid}\n`)
  assert.deepEqual(background('lo', 'a.pid').status, 0)
  const pid = Number(readFileSync(join(folder.path, 'a.pid'), 'utf8'))
  try {
    const second = background('lo', 'a.pid')
    assert.equal(second.status, 1)
    assert.match(second.stderr, new RegExp(`process ${pid} of .*a\\.pid is running already`))
    assert.equal(readFileSync(join(folder.path, 'a.pid'), 'utf8'), `${pid}\n`)
    assert.ok(process.kill(pid, 0))
  } finally {
    process.kill(pid, 'SIGTERM')
  }
})

test('a device that is not there is told to whoever starts it', () => {
  const { status, stderr } = background('none0', 'b.pid')
  assert.equal(status, 1)
  assert.match(stderr, /there is no network device “none0”/)
  assert.equal(existsSync(join(folder.path, 'b.pid')), false)
})

test('a PID file left behind that has the number of who starts it hinders nobody', () => {
  // In a container numbers begin anew with each start, while the file may stay
  assert.match(background('none0', 'c.pid', true).stderr, /there is no network device “none0”/)
})
