// A real server and a real browser for the tests of the console.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Browser } from 'playwright-core'

export const ROOT = new URL('../..', import.meta.url).pathname
const CHROMIUM = '/usr/bin/chromium'
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
/** A machine that runs other tests beside is slow, but not this slow. */
export const WAIT = 60_000

export interface Running {
  readonly url: string
  readonly child: ChildProcess
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit' })
  const [status] = (await once(child, 'exit')) as [number | null]
  assert.equal(status, 0, `${command} ${args.join(' ')}`)
}

/** Starts the server and resolves with the URL of its ready line. */
export async function serve(dir: string, http: string, ...more: string[]): Promise<Running> {
  const config = join(dir, 'vnetscope.yaml')
  writeFileSync(config, 'listeners:\n  - address: 127.0.0.1\n    ports: [0]\n')
  const child = spawn(
    join(ROOT, 'bin/vnetscope'),
    ['serve', '--config', config, '--data', join(dir, 'data'), '--http', http, ...more],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let said = ''
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      said += chunk.toString()
      const ready = /vnetscope is ready: (http:\S+)/.exec(said)
      if (ready?.[1] !== undefined) resolve(ready[1])
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('exit', (status) => reject(new Error(`the server ended with ${status}: ${said}`)))
  })
  return { url, child }
}

export async function stop(server: Running | undefined): Promise<void> {
  if (!server || server.child.exitCode !== null) return
  const ended = once(server.child, 'exit')
  server.child.kill('SIGTERM')
  await ended
}

/** Builds the console if it is not built, and starts the browser. */
export async function launch(): Promise<Browser> {
  if (!existsSync(join(ROOT, 'web/dist/index.html'))) await run('npm', ['run', 'build', '-w', 'web'])
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS })
}
