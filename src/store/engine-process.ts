import { fork, type ChildProcess } from 'node:child_process'
import { extname } from 'node:path'
import { OperatorError } from '../base/errors.ts'
import type { EngineFailure, EngineReply, EngineRequest, Numbered, StopRequest } from './engine-protocol.ts'

// One life of the engine's process, seen from the server: numbered requests and their answers.

export interface EngineProcess {
  readonly pid: number | undefined
  /** Resolves with the bytes of the answer; rejects with an EngineFailed, or with `store_away` when the process dies. */
  request(request: EngineRequest): EngineCall
  /** Asks it to end and waits; kills it after the grace and a little more. */
  stop(graceMs: number): Promise<void>
  kill(): void
}

export interface EngineCall {
  readonly id: number
  readonly answer: Promise<Uint8Array | undefined>
}

/** The engine refused a statement. */
export class EngineFailed extends Error {
  readonly failure: EngineFailure

  constructor(failure: EngineFailure) {
    super(failure.message)
    this.name = 'EngineFailed'
    this.failure = failure
  }
}

interface Waiting {
  readonly resolve: (bytes: Uint8Array | undefined) => void
  readonly reject: (error: Error) => void
}

/** The process loads 200 MB of library and starts the engine; a heap of its own it hardly needs. */
const NODE_OPTIONS = ['--max-semi-space-size=2', '--disable-warning=ExperimentalWarning']

/** libuv threads: each running statement holds one. */
const UV_THREADS = '16'

const KEPT_STDERR = 4096

/** @param exited called once, with what the engine printed last. */
export function startEngineProcess(exited: (lastWords: string) => void): EngineProcess {
  const module = new URL(`./engine-child${extname(import.meta.filename)}`, import.meta.url)
  const child = fork(module, [], {
    execArgv: NODE_OPTIONS,
    env: { ...process.env, UV_THREADPOOL_SIZE: UV_THREADS },
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let lastWords = ''
  let gone = false

  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    lastWords = (lastWords + text).slice(-KEPT_STDERR)
  })
  child.on('message', (reply: EngineReply) => {
    const call = waiting.get(reply.id)
    waiting.delete(reply.id)
    if (reply.ok) call?.resolve(reply.bytes)
    else call?.reject(new EngineFailed(reply.failure))
  })
  const end = (): void => {
    if (gone) return
    gone = true
    for (const call of waiting.values()) call.reject(storeAway())
    waiting.clear()
    exited(lastWords.trim())
  }
  child.on('error', end)
  child.on('close', end)

  return {
    pid: child.pid,
    request(request) {
      const id = ++lastId
      const answer = new Promise<Uint8Array | undefined>((resolve, reject) => {
        if (gone || !child.connected) return reject(storeAway())
        // Cancelling has no answer of its own: the query that it ends has one.
        if (request.kind !== 'cancel') waiting.set(id, { resolve, reject })
        send(child, { ...request, id }, (error) => {
          if (!error) return request.kind === 'cancel' ? resolve(undefined) : undefined
          waiting.delete(id)
          reject(storeAway())
        })
      })
      return { id, answer }
    },
    async stop(graceMs) {
      if (gone) return
      const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
      const stop: Numbered<StopRequest> = { kind: 'stop', graceMs, id: 0 }
      send(child, stop, () => undefined)
      const force = setTimeout(() => child.kill('SIGKILL'), graceMs + 500)
      await closed
      clearTimeout(force)
    },
    kill: () => void child.kill('SIGKILL'),
  }
}

function send(child: ChildProcess, message: Numbered<EngineRequest>, done: (error: Error | null) => void): void {
  try {
    child.send(message, done)
  } catch (error) {
    done(error as Error)
  }
}

export function storeAway(why = 'the store is away'): OperatorError {
  return new OperatorError('store_away', why, { retryable: true, hint: 'it is started again by itself' })
}
