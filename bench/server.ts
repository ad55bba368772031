import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Health } from '../src/api/contract/system.ts'

/** A server of its own in a new directory, on ports that the system chose. */
export interface BenchServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly data: string
  /** Milliseconds from its start to its ready line. */
  readonly startedIn: number
  health(): Promise<Health>
  ask(question: string, body: object): Promise<Record<string, unknown>>
  stop(): Promise<void>
}

const ROOT = join(import.meta.dirname, '..')

export interface ServerOptions {
  /** A data directory that is there already, and stays when the server ends. */
  readonly data?: string
  /** Lines of its configuration beside the ports. */
  readonly config?: string
}

export async function startServer(flags: readonly string[] = [], options: ServerOptions = {}): Promise<BenchServer> {
  const data = options.data ?? mkdtempSync(join(tmpdir(), 'vnetscope-bench-'))
  const config = join(data, 'vnetscope.yaml')
  writeFileSync(
    config,
    `http: { port: 0 }\nlisteners: [{ address: 127.0.0.1, ports: [0] }]\nlog: { level: warn }\n${options.config ?? ''}`,
  )
  const began = performance.now()
  const child = spawn(join(ROOT, 'bin/vnetscope'), ['serve', '--config', config, '--data', data, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), failed(child)])) as [string]
  const startedIn = performance.now() - began
  const url = /https?:\/\/\S+/.exec(line)?.[0] ?? ''
  const port = Number(/UDP (\d+)/.exec(line)?.[1])
  return {
    url,
    port,
    pid: child.pid as number,
    data,
    startedIn,
    health: async () => (await (await fetch(`${url}/api/v1/health`)).json()) as Health,
    ask: async (question, body) => {
      const answer = await fetch(`${url}/api/v1/query/${question}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      const value = (await answer.json()) as Record<string, unknown>
      if (!answer.ok) throw new Error(`${question}: ${JSON.stringify(value)}`)
      return value
    },
    stop: async () => {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      if (options.data === undefined) rmSync(data, { recursive: true, force: true })
    },
  }
}

async function failed(child: ChildProcess): Promise<never> {
  const [status] = (await once(child, 'exit')) as [number | null]
  throw new Error(`the server ended before it was ready (status ${status})`)
}

/** Polls until the condition holds; gives up after so long. */
export async function until(condition: () => Promise<boolean>, seconds: number, what: string): Promise<void> {
  const end = performance.now() + seconds * 1000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`${what}: not after ${seconds} s`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

export interface Sent {
  readonly datagrams: number
  readonly templates: number
  readonly records: number
  readonly bytes: number
  readonly packets: number
  readonly seconds: number
  readonly recordsPerSecond: number
}

/** Runs the sender in a process of its own. */
export async function blast(options: Readonly<Record<string, string | number>>): Promise<Sent> {
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  const child = spawn(process.execPath, [join(ROOT, 'bench/udp-blast.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  const [status] = (await once(child, 'exit')) as [number | null]
  if (status !== 0) throw new Error(`udp-blast ended with status ${status}`)
  return JSON.parse(out) as Sent
}
