import { createReadStream } from 'node:fs'
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress, zstdDecompress } from 'node:zlib'
import { BugError } from '../base/errors.ts'
import type { EngineFailure } from './engine-protocol.ts'

// ClickHouse's HTTP interface: one request a statement. A client of our own, because the official one takes settings
// and values of a session, but neither streams Native files nor tells apart what a replay needs to know: whether a
// statement was refused, or its outcome is unknown.

export interface ServerAddress {
  /** `http://` or `https://`, host and port; a path is kept. */
  readonly url: string
  readonly user?: string
  readonly password?: string
  /** PEM texts: authorities instead of the system's, certificate and key to show. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
}

export interface HttpStatement {
  readonly sql: string
  /** Data of an INSERT: these files, one after another. */
  readonly files?: readonly string[]
  /** Settings and `param_…` of the URL. */
  readonly settings: Readonly<Record<string, string | number>>
  readonly queryId?: string
  readonly signal?: AbortSignal
  readonly timeoutMs: number
  /** Longest answer, bytes. */
  readonly maxAnswerBytes?: number
}

export interface ServerConnection {
  readonly url: string
  /** Resolves with the answer's body. Rejects with a `ServerRefused`, or an `Unanswered` when the outcome is unknown. */
  send(statement: HttpStatement): Promise<Uint8Array>
  close(): void
}

/** The server answered that it did not do it. */
export class ServerRefused extends Error {
  readonly failure: EngineFailure

  constructor(failure: EngineFailure) {
    super(failure.message)
    this.name = 'ServerRefused'
    this.failure = failure
  }
}

/** There was no whole answer: the statement may have been carried out or not. */
export class Unanswered extends Error {
  /** Whether our own time limit or signal ended the wait. */
  readonly ours: 'timeout' | 'abort' | undefined

  constructor(message: string, ours?: 'timeout' | 'abort') {
    super(message)
    this.name = 'Unanswered'
    this.ours = ours
  }
}

const CONNECT_MS = 5000
const MAX_ANSWER = 512 * 2 ** 20
const MAX_SOCKETS = 32
/** Level 1 is a third of the size of Native columns at some 300 MB/s of one core. */
const COMPRESS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

export function createServerConnection(address: ServerAddress): ServerConnection {
  const base = new URL(address.url)
  const secure = base.protocol === 'https:'
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, maxSockets: MAX_SOCKETS, ...address.tls })
    : new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS })

  function open(statement: HttpStatement): ClientRequest {
    const url = new URL(base)
    const query = url.searchParams
    if (statement.files) query.set('query', statement.sql)
    for (const [name, value] of Object.entries(statement.settings)) query.set(name, String(value))
    if (statement.queryId !== undefined) query.set('query_id', statement.queryId)
    query.set('enable_http_compression', '1')
    const headers: Record<string, string> = { 'accept-encoding': 'zstd', 'user-agent': 'vnetscope' }
    if (address.user !== undefined) headers['x-clickhouse-user'] = address.user
    if (address.password !== undefined) headers['x-clickhouse-key'] = address.password
    if (statement.files) headers['content-encoding'] = 'zstd'
    return (secure ? httpsRequest : httpRequest)(url, { method: 'POST', agent, headers })
  }

  /** A server closes idle sockets when it likes, which may cross a request: that one is sent again, over a new one. */
  async function send(statement: HttpStatement): Promise<Uint8Array> {
    if (statement.signal?.aborted) throw new Unanswered('cancelled', 'abort')
    const request = open(statement)
    try {
      return await exchange(request, statement)
    } catch (error) {
      const crossed = error instanceof Unanswered && error.ours === undefined && request.reusedSocket
      if (!crossed) throw error
      return exchange(open(statement), statement)
    }
  }

  async function exchange(request: ClientRequest, statement: HttpStatement): Promise<Uint8Array> {
    let ours: Unanswered | undefined
    const end = (why: Unanswered): void => {
      ours ??= why
      request.destroy(why)
    }
    const aborted = (): void => end(new Unanswered('cancelled', 'abort'))
    const limit = setTimeout(
      () => end(new Unanswered(`no answer within ${statement.timeoutMs} ms`, 'timeout')),
      statement.timeoutMs,
    )
    const connect = connectLimit(request, secure, end)
    statement.signal?.addEventListener('abort', aborted, { once: true })
    try {
      const answered = new Promise<IncomingMessage>((resolve, reject) => {
        request.once('response', resolve)
        request.once('error', reject)
        request.once('close', () => reject(new Unanswered('the connection was closed')))
      })
      // A server that refuses before it has read all ends the writing; what it answered counts, not that.
      const written = write(request, statement)
      written.catch(() => undefined)
      const response = await answered
      return await readResponse(response, statement.maxAnswerBytes ?? MAX_ANSWER)
    } catch (error) {
      if (error instanceof ServerRefused) throw error
      throw ours ?? (error instanceof Unanswered ? error : new Unanswered((error as Error).message))
    } finally {
      clearTimeout(limit)
      clearTimeout(connect)
      statement.signal?.removeEventListener('abort', aborted)
    }
  }

  return {
    url: `${base.origin}${base.pathname === '/' ? '' : base.pathname}`,
    send,
    close: () => agent.destroy(),
  }
}

/** A host that does not answer at all would else keep its caller for minutes. */
function connectLimit(request: ClientRequest, secure: boolean, end: (why: Unanswered) => void): NodeJS.Timeout {
  const timer = setTimeout(() => end(new Unanswered(`no connection within ${CONNECT_MS} ms`)), CONNECT_MS)
  request.once('socket', (socket) => {
    if (!socket.connecting) clearTimeout(timer)
    else socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(timer))
  })
  return timer
}

async function write(request: ClientRequest, { sql, files }: HttpStatement): Promise<void> {
  if (!files) {
    request.end(sql)
    return
  }
  await pipeline(Readable.from(bytesOf(files)), createZstdCompress(COMPRESS), request)
}

async function* bytesOf(files: readonly string[]): AsyncGenerator<Buffer> {
  for (const file of files) yield* createReadStream(file, { highWaterMark: 2 ** 18 }) as AsyncIterable<Buffer>
}

async function readResponse(response: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBytes) throw new ServerRefused(tooLong(maxBytes))
    chunks.push(chunk)
  }
  if (!response.complete) throw new Unanswered('the connection was closed within the answer')
  const body = await decoded(Buffer.concat(chunks), response.headers['content-encoding'], maxBytes)
  const failure = failureIn(response, body)
  if (failure) throw new ServerRefused(failure)
  if (response.statusCode !== 200) {
    // Not ClickHouse's own words: a proxy in front of it, or something else altogether.
    throw new Unanswered(`HTTP status ${response.statusCode}: ${body.toString('utf8', 0, 200).trim()}`)
  }
  return body
}

async function decoded(body: Buffer, encoding: string | undefined, maxBytes: number): Promise<Buffer> {
  if (encoding === undefined || encoding === 'identity' || body.length === 0) return body
  if (encoding !== 'zstd') throw new BugError(`an answer in the encoding ${encoding}, which was not asked for`)
  return new Promise((resolve, reject) => {
    zstdDecompress(body, { maxOutputLength: maxBytes }, (error, bytes) => {
      if (!error) resolve(bytes)
      else if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
        reject(new ServerRefused(tooLong(maxBytes)))
      else reject(new Unanswered(`the answer cannot be decompressed: ${error.message}`))
    })
  })
}

/** ClickHouse: TOO_MANY_ROWS_OR_BYTES. */
function tooLong(maxBytes: number): EngineFailure {
  return { code: 396, message: `the answer is longer than ${maxBytes} bytes` }
}

const EXCEPTION = /Code: (\d+)\. DB::\w*Exception: /
/** Bytes at the end of an answer in which an exception that came after its beginning is looked for. */
const TAIL = 64 * 1024

/**
 * What the server says went wrong. By status and header when it knew at once; else at the end of what it had begun to
 * answer with status 200, between marks that the header `X-ClickHouse-Exception-Tag` announces, or bare from servers
 * before 25.11.
 */
function failureIn(response: IncomingMessage, body: Buffer): EngineFailure | undefined {
  const code = Number(response.headers['x-clickhouse-exception-code'] ?? 0)
  if (response.statusCode !== 200 || code > 0) {
    const message = body.toString('utf8', 0, 4096).trim()
    const told = Number(EXCEPTION.exec(message)?.[1] ?? code)
    return told > 0 ? { code: told, message: messageOf(message) } : undefined
  }
  const tail = body.subarray(Math.max(0, body.length - TAIL)).toString('utf8')
  const tag = response.headers['x-clickhouse-exception-tag']
  const marked = typeof tag === 'string' ? tail.lastIndexOf(`__exception__\r\n${tag}`) : -1
  const text = marked >= 0 ? tail.slice(marked) : bareException(tail)
  const found = text === undefined ? undefined : EXCEPTION.exec(text)
  return found ? { code: Number(found[1]), message: messageOf((text as string).slice(found.index)) } : undefined
}

/** Such text could be data; at the very end of a line of its own, followed by the version, it is none of ours. */
function bareException(tail: string): string | undefined {
  return /(?:^|\n)(Code: \d+\. DB::\w*Exception: [^]*\(version [\d.]+[^)\n]*\)\)?)\s*$/.exec(tail)?.[1]
}

function messageOf(text: string): string {
  return text
    .replace(EXCEPTION, '')
    .replace(/\s*\(version [^)]*\)+\s*[^]*$/, '')
    .trim()
}
