import { randomUUID } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { BugError } from '../base/errors.ts'
import { readAnswer } from './answer.ts'
import { clusterAway, clusterQueryError, clusterWriteError, isElsewhere, isMissing } from './cluster-failure.ts'
import { Unanswered, type HttpStatement, type ServerAddress } from './cluster-http.ts'
import { createClusterRetention } from './cluster-retention.ts'
import { createServers, type Server } from './cluster-servers.ts'
import { keepPlace, readIdentity, identityFile, type Identity } from './collector-identity.ts'
import { clusterHome, serverHome, type Home } from './home.ts'
import { bindParams, paramTexts, quoted } from './literal.ts'
import { migrate } from './migrate.ts'
import { structureOf, TABLES, type SchemaOptions, type TableDefinition } from './schema.ts'
import type { StoreLog } from './store-log.ts'
import type { QueryOptions, Store, StoreStatus } from './store.ts'

// The store of several machines: ClickHouse servers over HTTP.
//
// A collector inserts into the tables of one shard, the one of the first server in its list, by any of that shard's
// replicas: they remember an insert's token together, so that a replay after an unknown outcome changes nothing,
// whichever of them gets it. Another shard would not know the token. Questions go to the tables that ask all shards.

export interface ClusterStoreConfig {
  /** Servers; the first says to which shard this collector's flows go. */
  readonly servers: readonly ServerAddress[]
  /** Name of the cluster in the servers' configuration; without it the one server is all there is. */
  readonly cluster?: string
  readonly database: string
  /** The spool directory, where this collector's identity is kept. */
  readonly spoolDir: string
  /** Days for which rows are kept. Default 30. */
  readonly keepDays?: number
  /** What is kept otherwise, by kind of table. */
  readonly keep?: SchemaOptions['keep']
  /** Bytes on all shards, replicas counted once, above which the oldest days go. Default: no limit. */
  readonly maxBytes?: number
  /** Memory of one query on each server, bytes. Default 1 GiB. */
  readonly queryMemoryBytes?: number
  /** Longest time of a query, ms. Default 30 s. */
  readonly queryTimeoutMs?: number
  /** Replicas that must have an insert before its files leave the spool. Default 1. */
  readonly quorum?: number
  /** Longest time of an insert, ms, after which it is repeated under its token. Default 2 minutes. */
  readonly insertTimeoutMs?: number
}

export interface ClusterStoreDeps {
  readonly clock: Clock
  readonly log?: StoreLog
}

export interface ClusterStore extends Store {
  /** Reads a Native file without storing it; rejects with `insert_rejected` if it cannot be read. */
  checkFile(table: string, file: string): Promise<void>
  /** Drops the oldest days above the size that may be kept; runs by itself every minute. Age is the servers' to follow. */
  retain(): Promise<void>
  /** As `insertFiles`, into a table that is named as it stands on the servers. */
  insertInto(stored: string, columns: readonly string[], files: readonly string[], token: string): Promise<void>
  readonly home: Home
  /** How tables are made here. */
  readonly schema: SchemaOptions
  /** Shards of which the configuration lists a server that answers, by name; the one that this collector stores in first. */
  shards(): string[]
  /** Statements for the servers of one shard alone, whose tables are named as they stand there. */
  at(shard: string): Pick<Store, 'query' | 'execute'>
  /** Unlike that of every other collector. */
  collector(): string
}

const LOOK_EVERY_MS = 10_000
const START_WAIT_MS = 5000
export const NOT_YET = 'the servers have not answered yet'
const BACKOFF_MS = [100, 200, 500, 1000, 2000, 5000]
const DDL_MS = 180_000
/** Longest time of a statement that builds rollups. */
const BUILD_MS = 1_800_000
const CHECK_MEMORY = 512 * 2 ** 20
const MAX_PART_BYTES = 20 * 2 ** 30
/** Of all parameters: proxies and servers take URLs of some kilobytes. Longer values go into the statement as literals. */
const MAX_URL_PARAMS = 4000

export function createClusterStore(config: ClusterStoreConfig, deps: ClusterStoreDeps): ClusterStore {
  const { cluster, database } = config
  const home = cluster === undefined ? serverHome(database) : clusterHome(cluster, database)
  const servers = createServers(config.servers, cluster)
  const schema: SchemaOptions = {
    keepDays: config.keepDays ?? 30,
    ...(config.keep ? { keep: config.keep } : {}),
    maxPartBytes: MAX_PART_BYTES,
    home,
  }
  const quorum = cluster !== undefined && (config.quorum ?? 1) > 1 ? { insert_quorum: config.quorum as number } : {}
  const queryMemory = config.queryMemoryBytes ?? 2 ** 30
  const queryTimeoutMs = config.queryTimeoutMs ?? 30_000
  let identity: Identity | undefined
  /** Shard into which this process inserts; fixed once known. */
  let shard: string | undefined
  let migrated = false
  let state: StoreStatus['state'] = 'stopped'
  let since = deps.clock.now()
  let problem: string | undefined
  let returns = 0
  let failuresInRow = 0
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | undefined
  const stopped = new AbortController()

  function enter(next: StoreStatus['state'], why?: string): void {
    if (next === state && why === problem) return
    if (next !== state) since = deps.clock.now()
    state = next
    problem = why
  }

  function away(why: string): void {
    if (state === 'stopped') return
    if (state === 'ready') deps.log?.warn(`store: ${why}; flows wait in the spool`)
    enter('away', why)
    lookLater()
  }

  function lookLater(): void {
    clearTimeout(timer)
    if (state === 'stopped') return
    const wait =
      state === 'ready' ? LOOK_EVERY_MS : (BACKOFF_MS[Math.min(failuresInRow, BACKOFF_MS.length - 1)] as number)
    timer = setTimeout(() => void look(), wait)
  }

  /** Finds out which servers answer, and makes the tables where they have not been looked at. Never rejects. */
  function look(): Promise<void> {
    looking ??= lookNow().finally(() => {
      looking = undefined
      lookLater()
    })
    return looking
  }

  async function lookNow(): Promise<void> {
    try {
      await servers.probe()
      await choosePlace()
      if (servers.of(shard).length === 0) throw new Error(servers.problems())
      if (!migrated) await makeTables()
      if (state === 'stopped') return
      if (state === 'away') {
        returns++
        deps.log?.info('store: ready again')
      }
      failuresInRow = 0
      enter('ready')
    } catch (error) {
      if (state === 'stopped') return
      if (failuresInRow++ === 0) deps.log?.warn(`store: ${(error as Error).message}`)
      enter('away', (error as Error).message)
    }
  }

  /** A group that an earlier life may have inserted must not be repeated where its token is unknown. */
  async function choosePlace(): Promise<void> {
    if (shard !== undefined || !identity) return
    const kept = identity.place
    const placeOf = (name: string): string =>
      cluster === undefined ? `${servers.first.connection.url} ${database}` : `${cluster} ${database} shard ${name}`
    if (servers.first.shard === undefined) {
      const known = [...servers.of(undefined)].find((s) => placeOf(s.shard as string) === kept)
      if (!known) throw new Error(servers.problems())
      shard = known.shard
      return
    }
    const place = placeOf(servers.first.shard)
    if (identity.groups > 0 && kept !== place) {
      throw new Error(
        `the spool holds ${identity.groups} inserts under way to ${kept ?? 'the embedded store'}, and the first server is ${place}: start once as before, so that they end there; or, if that place is gone for ever, delete ${identityFile(config.spoolDir)} and the .group files beside it`,
      )
    }
    if (kept !== place) await keepPlace(config.spoolDir, identity.id, place)
    shard = servers.first.shard
  }

  async function makeTables(): Promise<void> {
    const there = await ask(`SELECT count() FROM system.databases WHERE name = ${quoted(database)}`, {}, 'default')
    if (there.rows[0]?.[0] !== 1) await change(`CREATE DATABASE IF NOT EXISTS ${database}${home.on}`, 'default')
    await migrate({ execute: (sql) => change(sql, database), query: (sql) => ask(sql, {}, database) }, schema)
    migrated = true
  }

  /** Sends to one usable server after another until one has taken it. */
  async function sendTo(
    candidates: readonly Server[],
    statement: HttpStatement,
    failed: (error: unknown, at: string) => Error,
  ): Promise<Uint8Array> {
    let last: Error | undefined
    for (const server of candidates) {
      const { url } = server.connection
      try {
        return await server.connection.send(statement)
      } catch (error) {
        last = failed(error, url)
        if (error instanceof Unanswered && error.ours === undefined) servers.failed(server, error.message)
        if (isMissing(error)) migrated = false
        if (statement.queryId !== undefined && error instanceof Unanswered) kill(server, statement.queryId)
        // What took too long here would take as long elsewhere.
        if (!isElsewhere(error) || (error instanceof Unanswered && error.ours !== undefined)) break
      }
    }
    if (servers.of(shard).length === 0 || !migrated) away(servers.problems() || (last?.message ?? 'no server'))
    throw last ?? clusterAway(problem ?? servers.problems())
  }

  /** A server ends what its client has left, but not while it is busy in a place that does not look. */
  function kill(server: Server, queryId: string): void {
    server.connection
      .send({
        sql: `KILL QUERY WHERE query_id = ${quoted(queryId)} ASYNC`,
        settings: {},
        timeoutMs: 5000,
      })
      .catch(() => undefined)
  }

  async function ask(sql: string, options: QueryOptions, inDatabase: string): Promise<ReturnType<typeof readAnswer>> {
    return readAnswer(await askBytes(sql, 'JSONCompact', options, inDatabase))
  }

  function askBytes(
    sql: string,
    format: string,
    options: QueryOptions,
    inDatabase: string,
    at?: readonly Server[],
  ): Promise<Uint8Array> {
    const timeoutMs = options.timeoutMs ?? queryTimeoutMs
    const memory = Math.min(options.maxMemoryBytes ?? queryMemory, queryMemory)
    const texts = paramTexts(sql, options.params ?? {})
    const length = [...texts].reduce((sum, [name, text]) => sum + name.length + urlLength(text), 0)
    const inUrl = length <= MAX_URL_PARAMS
    const spill = Math.floor(memory / 2)
    const statement: HttpStatement = {
      sql: inUrl ? sql : bindParams(sql, options.params ?? {}),
      settings: {
        ...(inUrl ? Object.fromEntries([...texts].map(([name, text]) => [`param_${name}`, text])) : {}),
        database: inDatabase,
        default_format: format,
        readonly: 2,
        cancel_http_readonly_queries_on_client_close: 1,
        wait_end_of_query: 1,
        output_format_json_quote_64bit_integers: 1,
        collect_hash_table_stats_during_aggregation: 0,
        // A filter is bounded where it is read: what is allowed there must not fail here.
        max_query_size: 16 * 2 ** 20,
        max_ast_elements: 1_000_000,
        max_expanded_ast_elements: 2_000_000,
        max_execution_time: timeoutMs / 1000,
        max_memory_usage: memory,
        max_bytes_before_external_group_by: spill,
        max_bytes_before_external_sort: spill,
        // A shard that does not answer fails the question: part of an answer would be a wrong one.
        ...(cluster === undefined ? {} : { skip_unavailable_shards: 0, distributed_product_mode: 'global' }),
      },
      queryId: `vnetscope-${randomUUID()}`,
      timeoutMs,
      ...(options.signal ? { signal: options.signal } : {}),
    }
    const near = servers.of(shard)
    return sendTo(at ?? (near.length > 0 ? near : servers.of(undefined)), statement, clusterQueryError)
  }

  async function change(sql: string, inDatabase: string): Promise<void> {
    const ddl = {
      distributed_ddl_task_timeout: Math.floor(DDL_MS / 2000),
      // A server that is down makes the tables when it is back; those that are up must have made them.
      distributed_ddl_output_mode: 'null_status_on_timeout_only_active',
    }
    const statement: HttpStatement = {
      sql,
      settings: {
        database: inDatabase,
        wait_end_of_query: 1,
        async_insert: 0,
        max_execution_time: 0,
        ...(cluster === undefined ? {} : ddl),
      },
      timeoutMs: DDL_MS,
    }
    await sendTo(servers.of(shard), statement, clusterWriteError)
  }

  /** What others may do as well: one that a server has given up goes on nowhere. */
  async function build(sql: string, at: readonly Server[]): Promise<void> {
    const settings = {
      database,
      wait_end_of_query: 1,
      async_insert: 0,
      max_execution_time: 0,
      max_query_size: 2 ** 20,
      ...quorum,
    }
    const queryId = `vnetscope-${randomUUID()}`
    await sendTo(at, { sql, settings, queryId, timeoutMs: BUILD_MS, signal: stopped.signal }, clusterWriteError)
  }

  async function insert(sql: string, files: readonly string[], settings: Record<string, string | number>) {
    await sendTo(
      servers.of(shard),
      {
        sql,
        files,
        settings: { database, ...INSERT_SETTINGS, ...settings },
        timeoutMs: config.insertTimeoutMs ?? 120_000,
        signal: stopped.signal,
      },
      clusterWriteError,
    )
  }

  function ready(): void {
    if (state !== 'ready') throw clusterAway(problem ?? 'the store is not running')
  }

  function status(): StoreStatus {
    return { state, since, restarts: returns, ...(problem === undefined ? {} : { error: problem }) }
  }

  const store: ClusterStore = {
    home,
    schema,
    async start() {
      if (state !== 'stopped' || stopped.signal.aborted) throw new BugError('the store is started twice')
      identity = await readIdentity(config.spoolDir)
      enter('starting')
      // A cluster that is away must not keep flows from being received.
      await Promise.race([look(), new Promise((resolve) => setTimeout(resolve, START_WAIT_MS).unref())])
      if (status().state === 'starting') enter('away', NOT_YET)
      retention.start()
    },
    async stop() {
      enter('stopped')
      clearTimeout(timer)
      retention.stop()
      stopped.abort()
      await looking
      servers.close()
    },
    async query(sql, options = {}) {
      ready()
      return ask(sql, options, database)
    },
    async queryBytes(sql, format, options = {}) {
      ready()
      return askBytes(sql, format, options, database)
    },
    async execute(sql) {
      ready()
      await change(sql, database)
    },
    async insertFiles(table, files, token) {
      const columns = tableNamed(table).columns.map((c) => c.name)
      await store.insertInto(home.stored(table), columns, files, token)
    },
    async insertInto(stored, columns, files, token) {
      ready()
      await insert(`INSERT INTO ${stored} (${columns.join(', ')}) FORMAT Native`, files, {
        insert_deduplication_token: `${(identity as Identity).id}-${token}`,
        ...quorum,
      })
    },
    async checkFile(table, file) {
      ready()
      const structure = structureOf(tableNamed(table))
      await insert(`INSERT INTO FUNCTION null(${quoted(structure)}) FORMAT Native`, [file], {
        max_memory_usage: CHECK_MEMORY,
      })
    },
    retain: () => retention.run(),
    shards() {
      const names = servers.of(undefined).map((server) => server.shard as string)
      return [...new Set(shard === undefined ? names : [shard, ...names])]
    },
    at: (name) => ({
      async query(sql, options = {}) {
        ready()
        return readAnswer(await askBytes(sql, 'JSONCompact', options, database, servers.of(name)))
      },
      async execute(sql) {
        ready()
        await build(sql, servers.of(name))
      },
    }),
    collector: () => identity?.id ?? '',
    status,
  }
  const retention = createClusterRetention(
    {
      ...(config.keep ? { keep: config.keep } : {}),
      ...(config.maxBytes === undefined ? {} : { maxBytes: config.maxBytes }),
    },
    { store, ...(deps.log ? { log: deps.log } : {}) },
  )
  return store
}

/** All of an insert is one block, whole or not at all, which its token tells from every other. */
const INSERT_SETTINGS = {
  async_insert: 0,
  insert_deduplicate: 1,
  deduplicate_blocks_in_dependent_materialized_views: 1,
  min_insert_block_size_rows: 1_000_000_000,
  min_insert_block_size_bytes: 0,
  max_insert_threads: 1,
  // A group may hold rows of many days, after a clock was set.
  max_partitions_per_insert_block: 0,
  max_execution_time: 0,
  max_memory_usage: 0,
  wait_end_of_query: 1,
}

function urlLength(text: string): number {
  return new URLSearchParams([['', text]]).toString().length
}

function tableNamed(table: string): TableDefinition {
  const definition = TABLES.find((t) => t.name === table)
  if (!definition) throw new BugError(`there is no table ${table}`)
  return definition
}
