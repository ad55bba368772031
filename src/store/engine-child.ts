import { createRequire } from 'node:module'
import type { Session } from 'chdb'
import {
  CANCELLED,
  type EngineFailure,
  type EngineReply,
  type EngineRequest,
  type Numbered,
  type QueryRequest,
} from './engine-protocol.ts'

// The engine's own process. One session runs one statement at a time, so there is one for inserts, one for long work in
// the background, a few for reading, opened when they are first needed, and one that only ends queries.

interface Job {
  readonly id: number
  readonly request: QueryRequest
  cancelled: boolean
}

interface Reader {
  readonly session: Session
  busy: Job | undefined
}

interface Engine {
  readonly writer: Lane
  readonly background: Lane
  readonly open: () => Session
  readonly maxReaders: number
  readonly readers: Reader[]
  readonly waiting: Job[]
  control: Session | undefined
}

/** Statements one after another. */
interface Lane {
  session: Session | undefined
  writing: Promise<unknown>
}

/** A query is not known to the engine at once, so it is asked again until it has ended. */
const KILL_AGAIN_MS = 100

let engine: Engine | undefined

function openEngine(dir: string, options: readonly string[], settings: string, maxReaders: number): Engine {
  // Loaded here, and not above, so that a missing library becomes an answer.
  const chdb = createRequire(import.meta.url)('chdb') as { Session: new (dir: string, options: object) => Session }
  const open = (): Session => {
    const session = new chdb.Session(dir, { connectionArgs: options })
    session.query(`SET ${settings}`)
    return session
  }
  const lane = (session?: Session): Lane => ({ session, writing: Promise.resolve() })
  return {
    writer: lane(open()),
    background: lane(),
    open,
    maxReaders,
    readers: [],
    waiting: [],
    control: undefined,
  }
}

async function write(at: Engine, lane: Lane, sql: string): Promise<void> {
  const turn = lane.writing.then(() => (lane.session ??= at.open()).queryAsync(sql, { format: 'Null' }))
  lane.writing = turn.catch(() => undefined)
  await turn
}

function enqueue(at: Engine, job: Job): void {
  at.waiting.push(job)
  dispatch(at)
}

function dispatch(at: Engine): void {
  while (at.waiting.length > 0) {
    const reader = idleReader(at)
    if (!reader) return
    const job = at.waiting.shift() as Job
    reader.busy = job
    void run(at, reader, job)
  }
}

function idleReader(at: Engine): Reader | undefined {
  const idle = at.readers.find((reader) => !reader.busy)
  if (idle || at.readers.length >= at.maxReaders) return idle
  const reader: Reader = { session: at.open(), busy: undefined }
  at.readers.push(reader)
  return reader
}

async function run(at: Engine, reader: Reader, job: Job): Promise<void> {
  try {
    await reader.session.queryAsync(`SET ${job.request.settings}, log_comment = '${mark(job.id)}'`)
    if (job.cancelled) throw cancelledError()
    const result = await reader.session.queryAsync(job.request.sql, { format: job.request.format })
    reply({ id: job.id, ok: true, bytes: result.bytes() })
  } catch (error) {
    reply({
      id: job.id,
      ok: false,
      failure: job.cancelled ? { code: CANCELLED, message: 'cancelled' } : failureOf(error),
    })
  } finally {
    reader.busy = undefined
    dispatch(at)
  }
}

function mark(id: number): string {
  return `vnetscope-${id}`
}

async function cancel(at: Engine, target: number): Promise<void> {
  const queued = at.waiting.findIndex((job) => job.id === target)
  if (queued >= 0) {
    at.waiting.splice(queued, 1)
    reply({ id: target, ok: false, failure: { code: CANCELLED, message: 'cancelled' } })
    return
  }
  const reader = at.readers.find((r) => r.busy?.id === target)
  const job = reader?.busy
  if (!job) return
  job.cancelled = true
  at.control ??= at.open()
  while (reader.busy === job) {
    await at.control
      .queryAsync(`KILL QUERY WHERE Settings['log_comment'] = '${mark(target)}' ASYNC`, { format: 'Null' })
      .catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, KILL_AGAIN_MS))
  }
}

async function stop(at: Engine | undefined, graceMs: number): Promise<void> {
  setTimeout(die, graceMs)
  if (at) {
    at.waiting.length = 0
    const ending = at.readers.flatMap((reader) => (reader.busy ? [cancel(at, reader.busy.id)] : []))
    const lanes = [at.writer, at.background]
    await Promise.all([...ending, ...lanes.map((lane) => lane.writing)])
    const sessions = [...at.readers, ...lanes].map((holder) => holder.session)
    for (const session of [...sessions, at.control]) session?.close()
  }
  process.exit(0)
}

/** An ordinary exit waits for the statement under way; what it had begun is replayed from the spool. */
function die(): void {
  process.kill(process.pid, 'SIGKILL')
}

async function handle(message: Numbered<EngineRequest>): Promise<void> {
  switch (message.kind) {
    case 'open':
      engine = openEngine(message.dir, message.options, message.settings, message.maxReaders)
      reply({ id: message.id, ok: true })
      return
    case 'query':
      enqueue(opened(), { id: message.id, request: message, cancelled: false })
      return
    case 'write':
      await write(opened(), message.background ? opened().background : opened().writer, message.sql)
      reply({ id: message.id, ok: true })
      return
    case 'cancel':
      await cancel(opened(), message.target)
      return
    case 'stop':
      await stop(engine, message.graceMs)
  }
}

function opened(): Engine {
  if (!engine) throw new Error('the engine is not open')
  return engine
}

function reply(message: EngineReply): void {
  if (process.connected) process.send?.(message)
}

function failureOf(error: unknown): EngineFailure {
  const { clickhouseCode, message } = error as { clickhouseCode?: number | string; message?: string }
  return { code: Number(clickhouseCode ?? 0), message: message ?? String(error) }
}

function cancelledError(): Error & { clickhouseCode: number } {
  return Object.assign(new Error('cancelled'), { clickhouseCode: CANCELLED })
}

process.on('message', (message: Numbered<EngineRequest>) => {
  handle(message).catch((error: unknown) => reply({ id: message.id, ok: false, failure: failureOf(error) }))
})
// The server alone decides when the engine stops: a Ctrl-C reaches the whole process group. When the server is gone,
// the directory has to be free for the next one at once.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => undefined)
process.on('disconnect', die)
