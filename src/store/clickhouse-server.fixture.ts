import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { createZstdDecompress, zstdCompressSync } from 'node:zlib'
import type { Session } from 'chdb'

// A stand-in for the servers of a ClickHouse cluster: its HTTP interface, as far as vnetscope uses it, over the real
// engine. The whole cluster is this one process; each shard is a database of it. What it does in place of a server:
//
//   ON CLUSTER            the statement runs in every shard's database
//   Replicated…MergeTree  …MergeTree: the replicas of a shard are doors to the same tables
//   Distributed           Merge over the shards' tables, and _shard_num the number in their database's name
//   cluster(…, view(…))   the same over all shards' tables at once
//   SYSTEM SYNC REPLICA   nothing: replicas are always alike
//   data of an INSERT     a file that is read by file(): the engine, embedded, runs what follows inline data as SQL
//
// Started by clickhouse.fixture.ts, with its plan as the only argument.

export interface Plan {
  readonly dir: string
  readonly database: string
  readonly cluster: string | undefined
  readonly shards: number
  readonly replicas: number
  /** Of each door, in order of shard and replica; 0 lets the system choose. */
  readonly ports: readonly number[]
  readonly user?: string
  readonly password?: string
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string }
}

/** What goes wrong at one door, for so many statements. */
export interface Fault {
  readonly on: 'insert' | 'query' | 'any'
  readonly times: number
  readonly what:
    | { readonly kind: 'slow'; readonly ms: number }
    /** Answered with an exception, without doing anything. */
    | { readonly kind: 'refuse'; readonly code: number; readonly message: string }
    /** A proxy in front of the server answers. */
    | { readonly kind: 'proxy'; readonly status: number }
    /** The connection is closed before the data was read. */
    | { readonly kind: 'cut-before' }
    /** The connection is closed when it has been done. */
    | { readonly kind: 'cut-after' }
    /** Status 200, half of the answer, then an exception; with the tag of today's servers or without. */
    | { readonly kind: 'late'; readonly tag: boolean }
}

interface Door {
  readonly shard: number
  readonly replica: number
  faults: { fault: Fault; left: number }[]
}

interface Failure {
  readonly code: number
  readonly message: string
}

const plan = JSON.parse(process.argv[2] as string) as Plan
const chdb = createRequire(import.meta.url)('chdb') as { Session: new (dir: string, options: object) => Session }
const openSession = (): Session =>
  new chdb.Session(join(plan.dir, 'engine'), { connectionArgs: ['--max_server_memory_usage=2000000000'] })
/** Keeps the engine open between statements. */
const keeper = openSession()
const uploads = join(plan.dir, 'uploads')
let uploaded = 0
/** Names of what is answered by the interface itself, and not by the engine as a setting. */
const OF_HTTP = new Set(['query', 'database', 'default_format', 'query_id', 'wait_end_of_query', 'buffer_size'])

function databaseOf(shard: number): string {
  return plan.cluster === undefined ? plan.database : `${plan.database}__${shard}`
}

/** What each shard would read for itself before it is put together is read here of all of them. */
function everywhere(sql: string): string {
  if (!/\bcluster\('[\w-]+', view\(/.test(sql)) return sql
  return sql
    .replace(/\bcluster\('[\w-]+', view\(/g, "remote('127.0.0.1', view(")
    .replace(
      /\bFROM \w+\.(\w+_local)\b/g,
      (_all, table: string) => `FROM merge(REGEXP('^${plan.database}__[0-9]+$'), '^${table}$')`,
    )
}

/** The statement as it runs in the database of one shard. */
function inShard(sql: string, door: Pick<Door, 'shard' | 'replica'>): string {
  const killing = sql.replace(/^KILL QUERY WHERE query_id =/, "KILL QUERY WHERE Settings['log_comment'] =")
  if (plan.cluster === undefined) return killing
  if (killing.startsWith('SYSTEM SYNC REPLICA ')) return 'SELECT 1'
  const here = databaseOf(door.shard)
  return everywhere(killing)
    .replace(/ ON CLUSTER '[\w-]+'/g, '')
    .replace(/Replicated(\w*MergeTree)\('[^']*', '[^']*'(?:, )?/g, '$1(')
    .replace(/MergeTree\(\)/g, 'MergeTree')
    .replace(
      /Distributed\('[\w-]+', '\w+', '(\w+)'\)/g,
      (_all, table: string) => `Merge(REGEXP('^${plan.database}__[0-9]+$'), '^${table}$')`,
    )
    .replace(
      /cluster\('[\w-]+', system\.parts\)/g,
      () =>
        `(SELECT * REPLACE('${here}' AS database) FROM system.parts WHERE match(database, '^${plan.database}__[0-9]+$'))`,
    )
    .replace(
      /system\.macros/g,
      `values('macro String, substitution String', ('shard', '${door.shard}'), ('replica', 'r${door.replica}'))`,
    )
    .replace(
      /system\.clusters/g,
      `values('cluster String, shard_num UInt32, is_local UInt8', ${Array.from({ length: plan.shards }, (_, i) => `('${plan.cluster}', ${i + 1}, ${i + 1 === door.shard ? 1 : 0})`).join(', ')})`,
    )
    .replace(/\b_shard_num\b/g, "toUInt32(splitByString('__', _database)[2])")
    .replaceAll(`'${plan.database}'`, `'${here}'`)
    .replace(new RegExp(`\\b(EXISTS |AS |TO |FROM )${plan.database}\\b`, 'g'), `$1${here}`)
}

/** To compile statements over a few rows, and to spread them over threads, costs more than it saves. */
const FOR_SMALL_ONES = [
  'compile_expressions = 0',
  'compile_aggregate_expressions = 0',
  'compile_sort_description = 0',
  'max_threads = 1',
]

function settingsOf(query: URLSearchParams): string[] {
  const settings = [...FOR_SMALL_ONES]
  for (const [name, value] of query) {
    if (OF_HTTP.has(name)) continue
    // The last of a statement's settings, because it forbids to change any other.
    if (name === 'readonly') continue
    const shard = plan.cluster !== undefined && value === plan.database && name.startsWith('param_')
    settings.push(`${name} = '${(shard ? databaseOf(1) : value).replace(/[\\']/g, (c) => `\\${c}`)}'`)
  }
  const id = query.get('query_id')
  if (id !== null) settings.push(`log_comment = '${id}'`)
  if (query.has('readonly')) settings.push(`readonly = ${query.get('readonly')}`)
  return settings
}

/** The INSERT of a file that was uploaded, in the engine's words. */
async function insertOf(sql: string, file: string, session: Session): Promise<string> {
  const into = /^INSERT INTO (\w+) \(([^)]*)\) FORMAT Native$/.exec(sql)
  if (!into) {
    const [, structure] = /^INSERT INTO FUNCTION null\((.*)\) FORMAT Native$/s.exec(sql) ?? []
    if (structure === undefined) throw Object.assign(new Error(`no such insert here: ${sql}`), { clickhouseCode: 62 })
    return `SELECT * FROM file('${file}', 'Native', ${structure}) FORMAT Null`
  }
  const [, table, columns] = into as unknown as [string, string, string]
  const asked = await session.queryAsync(
    `SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = '${table}'`,
    { format: 'JSONCompact' },
  )
  const types = new Map((JSON.parse(asked.text()) as { data: [string, string][] }).data)
  const structure = columns.split(', ').map((name) => `${name} ${types.get(name)}`)
  const literal = structure.join(', ').replace(/[\\']/g, (c) => `\\${c}`)
  return `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM file('${file}', 'Native', '${literal}')`
}

async function run(door: Door, query: URLSearchParams, sql: string, file: string | undefined): Promise<Uint8Array> {
  const everywhere = plan.cluster !== undefined && / ON CLUSTER /.test(sql)
  const shards = everywhere ? Array.from({ length: plan.shards }, (_, i) => i + 1) : [door.shard]
  let answer: Uint8Array = new Uint8Array(0)
  for (const shard of shards) {
    const session = openSession()
    try {
      const database = query.get('database') ?? 'default'
      await session.queryAsync(`USE ${database === plan.database ? databaseOf(shard) : database}`)
      const settings = settingsOf(query)
      if (settings.length > 0) await session.queryAsync(`SET ${settings.join(', ')}`)
      const statement = inShard(sql, { shard, replica: door.replica })
      const words = file === undefined ? statement : await insertOf(statement, file, session)
      const result = await session.queryAsync(words, { format: query.get('default_format') ?? 'TabSeparated' })
      answer = result.bytes()
    } finally {
      session.close()
    }
  }
  return answer
}

function failureOf(error: unknown): Failure {
  const { clickhouseCode, message } = error as { clickhouseCode?: number | string; message: string }
  const text = message.replace(/^Query failed: /, '').replace(/^Code: \d+\. DB::\w*Exception: /, '')
  return { code: Number(clickhouseCode ?? 1002), message: text }
}

function exceptionText({ code, message }: Failure): string {
  return `Code: ${code}. DB::Exception: ${message} (version 26.7.2.1)\n`
}

function refuse(response: ServerResponse, failure: Failure): void {
  const status = failure.code === 516 ? 403 : failure.code === 60 || failure.code === 81 ? 404 : 500
  response.writeHead(status, {
    'content-type': 'text/plain; charset=UTF-8',
    'x-clickhouse-exception-code': String(failure.code),
  })
  response.end(exceptionText(failure))
}

/** What has begun with status 200 ends with an exception. */
function endLate(response: ServerResponse, answer: Uint8Array, hasTag: boolean): void {
  const failure = { code: 241, message: 'Query memory limit exceeded: would use 1.00 GiB.' }
  const tag = 'abcdefghijklmnop'
  const text = exceptionText(failure)
  response.writeHead(200, hasTag ? { 'x-clickhouse-exception-tag': tag } : {})
  response.write(answer.subarray(0, answer.length / 2))
  if (hasTag) response.end(`\r\n__exception__\r\n${tag}\r\n${text}${text.length} ${tag}\r\n__exception__\r\n`)
  else response.end(`\n${text}`)
}

async function handle(door: Door, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://here')
  if (pathname === '/-/fault') {
    const fault = JSON.parse((await buffer(request)).toString()) as Fault
    door.faults.push({ fault, left: fault.times })
    response.end()
    return
  }
  const isInsert = searchParams.has('query')
  const taken = door.faults.find(({ fault, left }) => left > 0 && fault.on !== (isInsert ? 'query' : 'insert'))
  if (taken) taken.left--
  const fault = taken?.fault.what
  if (fault?.kind === 'cut-before') {
    request.socket.destroy()
    return
  }
  const body = request.headers['content-encoding'] === 'zstd' ? request.pipe(createZstdDecompress()) : request
  let file: string | undefined
  let sql: string
  if (isInsert) {
    file = join(uploads, `${++uploaded}.native`)
    await pipeline(body, createWriteStream(file))
    sql = searchParams.get('query') as string
  } else {
    sql = (await buffer(body)).toString()
  }
  try {
    const keyed = plan.password === undefined || request.headers['x-clickhouse-key'] === plan.password
    const named = plan.user === undefined || request.headers['x-clickhouse-user'] === plan.user
    if (!keyed || !named) {
      refuse(response, {
        code: 516,
        message: 'default: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)',
      })
      return
    }
    if (fault?.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, fault.ms))
    if (fault?.kind === 'refuse') {
      refuse(response, fault)
      return
    }
    if (fault?.kind === 'proxy') {
      response.writeHead(fault.status, { 'content-type': 'text/html' })
      response.end('<html><h1>Bad gateway</h1></html>')
      return
    }
    const id = searchParams.get('query_id')
    response.once('close', () => {
      if (!response.writableFinished && id !== null) void kill(id)
    })
    const answer = await run(door, searchParams, sql, file)
    if (fault?.kind === 'cut-after') return void request.socket.destroy()
    if (fault?.kind === 'late') {
      endLate(response, answer, fault.tag)
      return
    }
    const packed = /\bzstd\b/.test(String(request.headers['accept-encoding'])) && answer.length > 1000
    response.writeHead(200, packed ? { 'content-encoding': 'zstd' } : {})
    response.end(packed ? zstdCompressSync(answer) : answer)
  } catch (error) {
    refuse(response, failureOf(error))
  } finally {
    if (file !== undefined) await rm(file, { force: true })
  }
}

async function kill(id: string): Promise<void> {
  const session = openSession()
  try {
    await session.queryAsync(`KILL QUERY WHERE Settings['log_comment'] = '${id}' ASYNC`, { format: 'Null' })
  } finally {
    session.close()
  }
}

async function listen(door: Door, port: number): Promise<number> {
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    handle(door, request, response).catch((error: Error) => {
      process.stderr.write(`stand-in: ${error.stack}\n`)
      response.destroy()
    })
  }
  const server = plan.tls
    ? createTlsServer(
        { cert: plan.tls.cert, key: plan.tls.key, ...(plan.tls.ca ? { ca: plan.tls.ca, requestCert: true } : {}) },
        serve,
      )
    : createServer(serve)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

await mkdir(uploads, { recursive: true })
const ports: number[] = []
for (let shard = 1; shard <= plan.shards; shard++) {
  for (let replica = 1; replica <= plan.replicas; replica++)
    ports.push(await listen({ shard, replica, faults: [] }, plan.ports[ports.length] ?? 0))
}
void keeper
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
process.send?.({ ports })
