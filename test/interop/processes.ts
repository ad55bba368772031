// Programs that a test starts, waits for and ends.

import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** A program that runs; ended for good when its variable goes out of scope (`await using`). */
export interface Program extends AsyncDisposable {
  readonly child: ChildProcess
  /** What it has said so far, on both streams. */
  output(): string
  /** Resolves when it has said this; fails with all that it said if it ends without. */
  said(words: string): Promise<void>
  /** Ends it and answers its exit status. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
  /** Resolves with its exit status when it ends by itself. */
  readonly ended: Promise<number | null>
}

export function start(command: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv } = {}): Program {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } })
  let output = ''
  let hasClosed = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = new Promise<number | null>((done, fail) => {
    child.on('error', fail)
    child.on('close', (status) => {
      hasClosed = true
      done(status)
    })
  })
  // Reported where it is awaited, not as unhandled where nobody does.
  ended.catch(() => undefined)
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    return await ended
  }
  const kill = async (): Promise<void> => {
    await stop('SIGKILL')
  }
  const said = async (words: string): Promise<void> => {
    await until(`“${words}”`, () => {
      if (output.includes(words)) return true
      if (hasClosed) throw new Error(`${command} ended: ${output}`)
      return undefined
    })
  }
  return { child, output: () => output, said, stop, ended, [Symbol.asyncDispose]: kill }
}

/** Runs a program to its end and answers what it printed; its failure is the test's. */
export function run(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; seconds?: number } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    timeout: (options.seconds ?? 60) * 1000,
    env: { ...process.env, ...options.env },
  })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr}${stdout}`)
  return stdout
}

/** Asks again and again until the answer is one; a minute at most. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | Promise<T | undefined>,
  everyMs = 50,
): Promise<T> {
  const end = Date.now() + 60_000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > end) throw new Error(`waited a minute for ${what}`)
    await new Promise((done) => setTimeout(done, everyMs))
  }
}

/** A UDP port that nothing uses now. */
export async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

/** Waits until some process has the UDP port open, as /proc/net shows it. */
export async function udpBound(port: number): Promise<void> {
  const needle = `:${port.toString(16).toUpperCase().padStart(4, '0')} `
  await until(`UDP port ${port} to be open`, () => {
    for (const table of ['/proc/net/udp', '/proc/net/udp6']) {
      for (const line of readFileSync(table, 'utf8').split('\n').slice(1))
        if (line.slice(0, 55).includes(needle)) return true
    }
    return undefined
  })
}

/** Bytes that wait in the UDP sockets of this port on 127.0.0.1, together; 0 if there is none. */
export function unreadUdp(port: number): number {
  const needle = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} `
  let bytes = 0
  for (const line of readFileSync('/proc/net/udp', 'utf8').split('\n'))
    if (line.slice(0, 25).includes(needle))
      bytes += Number.parseInt(/ [0-9A-F]{8}:([0-9A-F]{8}) /.exec(line)?.[1] ?? '0', 16)
  return bytes
}
