import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'

const ROOT = join(import.meta.dirname, '..')
/** Longer than any stop; a server that is still there then hangs. */
const HANGS_MS = 20_000

/** The real command on a new directory. */
function serve(data: string, udpPort = 0): ChildProcess {
  const config = join(data, 'vnetscope.yaml')
  writeFileSync(
    config,
    `http: { port: 0 }\nlisteners: [{ address: 127.0.0.1, ports: [${udpPort}] }]\nlog: { level: error }\n`,
  )
  return spawn(process.execPath, [join(ROOT, 'src/cli/main.ts'), 'serve', '--config', config, '--data', data], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function statusOf(child: ChildProcess): Promise<unknown> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? child.signalCode
  const hangs = setTimeout(() => child.kill('SIGKILL'), HANGS_MS)
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  clearTimeout(hangs)
  return code ?? signal
}

async function inDirectory(work: (data: string) => Promise<void>): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'vnetscope-stop-'))
  try {
    await work(data)
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
}

test('a server that is asked to end while it starts, at whatever moment, ends with status 0', async () => {
  // Each has come as far as it has after so long: some are loading the engine, some open ports, some are ready.
  for (const delay of [0, 150, 300, 450, 600, 800, 1000]) {
    await inDirectory(async (data) => {
      const child = serve(data)
      // The directory is made by the first step of the start, so the handlers of signals are there.
      await until(() => existsSync(join(data, 'store')))
      await wait(delay)
      child.kill('SIGTERM')
      child.kill('SIGTERM')
      assert.equal(await statusOf(child), 0, `after ${delay} ms`)
    })
  }
})

test('a server whose engine hangs ends all the same', async () => {
  await inDirectory(async (data) => {
    const child = serve(data)
    const [line] = (await once(createInterface(child.stdout as NodeJS.ReadableStream), 'line')) as [string]
    const url = /http:\/\/\S+/.exec(line)?.[0] ?? ''
    const engine = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ')[0])
    process.kill(engine, 'SIGSTOP')
    // A question to an engine that does not answer must not keep the server.
    const asked = fetch(`${url}/api/v1/health`).catch(() => undefined)
    child.kill('SIGTERM')
    assert.equal(await statusOf(child), 0)
    await asked
  })
})

test('a port that is taken ends the start with status 1, and nothing is left running', async () => {
  const taken = createSocket('udp4')
  taken.bind(0, '127.0.0.1')
  await once(taken, 'listening')
  await inDirectory(async (data) => {
    assert.equal(await statusOf(serve(data, taken.address().port)), 1)
  })
  taken.close()
})

async function until(condition: () => boolean): Promise<void> {
  const signal = AbortSignal.timeout(HANGS_MS)
  while (!condition()) await wait(5, undefined, { signal })
}
