import { accessSync, constants } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { makeDirectory } from '../base/directory.ts'
import { BugError, OperatorError } from '../base/errors.ts'
import { readJsonFile, writeJsonFile } from '../base/json-file.ts'
import { readAnswer } from './answer.ts'
import { queryError, writeError } from './engine-failure.ts'
import { EngineFailed, startEngineProcess, storeAway, type EngineProcess } from './engine-process.ts'
import { checkStatement, insertStatement } from './insert.ts'
import { bindParams } from './literal.ts'
import { createRetention, type Retention, type RetentionConfig } from './retention.ts'
import { migrate } from './migrate.ts'
import { largestPart } from './schema.ts'
import { settleMovedDirectory } from './moved-directory.ts'
import { roomOf } from './room.ts'
import type { StoreLog } from './store-log.ts'
import type { ExecuteOptions, QueryOptions, Store, StoreStatus } from './store.ts'

// The store of a single machine: the chDB engine in a process of its own, started again when it dies.

export interface EmbeddedStoreConfig {
  /** Data directory of the engine; made if missing. */
  readonly dir: string
  /** Days for which flows and counters are kept. Default 30. */
  readonly keepDays?: number
  /** What is kept otherwise, by kind of table. */
  readonly keep?: RetentionConfig['keep']
  /** Bytes of all tables above which the oldest parts go. Default: no limit. */
  readonly maxBytes?: number
  /** Memory of the whole engine, bytes. Default: two fifths of the machine, 1 to 8 GiB. */
  readonly memoryBytes?: number
  /** Memory of one query, bytes, above which it fails; it spills to disk from half of it. Default: half of the engine's. */
  readonly queryMemoryBytes?: number
  /** Longest time of a query, ms. Default 30 s. */
  readonly queryTimeoutMs?: number
  /** Queries that run at the same time. Default 3. */
  readonly readers?: number
}

export interface EmbeddedStoreDeps {
  readonly clock: Clock
  /** Milliseconds that go on whatever the clock does. Default: those of the process. */
  readonly elapsed?: () => number
  /** Resolves when those who plan questions know what is noted in `dropped` and about to go. */
  readonly noted?: () => Promise<void>
  /** True if flows received before (ms) are still to be summed up, and wait for that. */
  readonly owes?: (before: number) => boolean
  readonly log?: StoreLog
}

export interface EmbeddedStore extends Store {
  /** Reads a Native file without storing it; rejects if it cannot be read. */
  checkFile(table: string, file: string): Promise<void>
  /** Drops what is older or larger than may be kept; runs by itself every minute. */
  retain(): Promise<void>
}

const GIB = 2 ** 30
const STOP_GRACE_MS = 1500
const LOCK_WAIT_MS = 3000
const BACKOFF_MS = [100, 200, 500, 1000, 2000, 5000, 10_000]
const STEADY_AFTER_MS = 60_000

export function createEmbeddedStore(config: EmbeddedStoreConfig, deps: EmbeddedStoreDeps): EmbeddedStore {
  const memory = config.memoryBytes ?? Math.min(8 * GIB, Math.max(GIB, Math.floor(totalmem() * 0.4)))
  const queryMemory = config.queryMemoryBytes ?? Math.floor(memory / 2)
  const queryTimeoutMs = config.queryTimeoutMs ?? 30_000
  const clockFile = join(config.dir, 'clock.json')
  const schema = {
    keepDays: config.keepDays ?? 30,
    ...(config.keep ? { keep: config.keep } : {}),
    maxPartBytes: maxPartBytes(config.maxBytes),
  }
  let engine: EngineProcess | undefined
  let state: StoreStatus['state'] = 'stopped'
  let since = deps.clock.now()
  let error: string | undefined
  let restarts = 0
  let failuresInRow = 0
  let retry: NodeJS.Timeout | undefined
  let stopping = false

  function enter(next: StoreStatus['state'], why?: string): void {
    state = next
    since = deps.clock.now()
    error = why
  }

  /** One attempt. Rejects with what the operator has to mend. */
  async function open(): Promise<void> {
    if (stopping) throw storeAway('the store was stopped while it started')
    prepareDirectory(config.dir)
    let lastWords = ''
    let ended = false
    const mine: EngineProcess = startEngineProcess((words) => {
      lastWords = words
      ended = true
      if (engine === mine && state === 'ready') away(words)
    })
    engine = mine
    try {
      await mine.request({
        kind: 'open',
        dir: config.dir,
        options: engineOptions(memory),
        // One more, on which the rollups are looked at: no question waits for that.
        maxReaders: (config.readers ?? 3) + 1,
        settings: sessionSettings(queryMemory),
      }).answer
      await migrate({ execute: (sql) => writeOn(mine, sql), query: (sql) => queryOn(mine, sql) }, schema)
      if (ended) throw storeAway()
    } catch (failure) {
      engine = undefined
      await mine.stop(0)
      throw stopping ? storeAway('the store was stopped while it started') : openError(failure, lastWords, config.dir)
    }
    enter('ready')
  }

  function away(lastWords: string): void {
    engine = undefined
    if (stopping) return
    if (deps.clock.now() - since > STEADY_AFTER_MS) failuresInRow = 0
    enter('away', `the engine ended${lastWords === '' ? '' : `: ${lastWords.split('\n').at(-1)?.slice(0, 300)}`}`)
    restartLater()
  }

  function restartLater(): void {
    const wait = BACKOFF_MS[Math.min(failuresInRow++, BACKOFF_MS.length - 1)] as number
    deps.log?.warn(`store: ${error}; starting it again in ${wait} ms`)
    retry = setTimeout(() => {
      restarts++
      open().then(
        () => deps.log?.info('store: ready again'),
        (failure: Error) => {
          if (stopping) return
          enter('away', failure.message)
          restartLater()
        },
      )
    }, wait)
  }

  function ready(): EngineProcess {
    if (engine && state === 'ready') return engine
    throw storeAway(error ?? 'the store is not running')
  }

  async function writeOn(at: EngineProcess, sql: string, options: ExecuteOptions = {}): Promise<void> {
    await at.request({ kind: 'write', sql, ...options }).answer.catch((failure: unknown) => {
      throw failure instanceof EngineFailed ? writeError(failure.failure) : failure
    })
  }

  async function queryOn(at: EngineProcess, sql: string): Promise<ReturnType<typeof readAnswer>> {
    return readAnswer(await ask(at, sql, 'JSONCompact', {}))
  }

  /** The timer here is what ends a query on time; the engine's own limit only backs it, and knows no queue. */
  function ask(at: EngineProcess, sql: string, format: string, options: QueryOptions): Promise<Uint8Array> {
    const timeoutMs = options.timeoutMs ?? queryTimeoutMs
    const memoryBytes = Math.min(options.maxMemoryBytes ?? queryMemory, queryMemory)
    if (options.signal?.aborted) return Promise.reject(queryError({ code: 394, message: 'cancelled' }))
    const call = at.request({
      kind: 'query',
      sql: bindParams(sql, options.params ?? {}),
      format,
      settings: querySettings(timeoutMs, memoryBytes),
    })
    return new Promise((resolve, reject) => {
      const endWith = (code: number): void => {
        at.request({ kind: 'cancel', target: call.id }).answer.catch(() => undefined)
        settle(() => reject(queryError({ code, message: 'ended' })))
      }
      const aborted = (): void => endWith(394)
      const timer = setTimeout(() => endWith(159), timeoutMs)
      const settle = (how: () => void): void => {
        clearTimeout(timer)
        options.signal?.removeEventListener('abort', aborted)
        how()
      }
      options.signal?.addEventListener('abort', aborted, { once: true })
      call.answer.then(
        (bytes) => settle(() => resolve(bytes ?? new Uint8Array(0))),
        (failure: Error) =>
          settle(() => reject(failure instanceof EngineFailed ? queryError(failure.failure) : failure)),
      )
    })
  }

  const store: EmbeddedStore = {
    async start() {
      if (state !== 'stopped') throw new BugError('the store is started twice')
      stopping = false
      enter('starting')
      try {
        await openWhenUnlocked(open)
      } catch (failure) {
        enter('stopped', (failure as Error).message)
        throw failure
      }
      retention.start()
    },
    async stop() {
      stopping = true
      clearTimeout(retry)
      retention.stop()
      const last = engine
      engine = undefined
      enter('stopped')
      await last?.stop(STOP_GRACE_MS)
    },
    hasSlots: true,
    query: async (sql, options = {}) => readAnswer(await ask(ready(), sql, 'JSONCompact', options)),
    queryBytes: async (sql, format, options = {}) => ask(ready(), sql, format, options),
    execute: async (sql, options) => writeOn(ready(), sql, options),
    insertFiles: async (table, files, token) => writeOn(ready(), insertStatement(table, files, token)),
    checkFile: async (table, file) => writeOn(ready(), checkStatement(table, file)),
    retain: () => retention.run(),
    status: () => ({
      state,
      since,
      restarts,
      ...(error === undefined ? {} : { error }),
      ...(engine?.pid === undefined ? {} : { pid: engine.pid }),
    }),
  }
  const retention: Retention = createRetention(
    {
      keep: { flows: { days: schema.keepDays }, counters: { days: schema.keepDays }, ...config.keep },
      ...(config.maxBytes === undefined ? {} : { maxBytes: config.maxBytes }),
    },
    {
      store,
      room: roomOf(config.dir),
      clockFile: { read: () => readJsonFile(clockFile), write: (state) => writeJsonFile(clockFile, state) },
      ...deps,
    },
  )
  return store
}

function maxPartBytes(maxBytes = Infinity): number {
  return Math.min(20 * GIB, largestPart(maxBytes, 16 * 2 ** 20))
}

/** Small caches: an idle server has to fit small machines, and the kernel caches the files anyway. */
function engineOptions(memoryBytes: number): string[] {
  const options = {
    max_server_memory_usage: memoryBytes,
    mark_cache_size: 64 * 2 ** 20,
    primary_index_cache_size: 32 * 2 ** 20,
    index_mark_cache_size: 2 ** 20,
    query_condition_cache_size: 4 * 2 ** 20,
    compiled_expression_cache_size: 4 * 2 ** 20,
    max_thread_pool_free_size: 8,
    background_pool_size: 2,
    background_schedule_pool_size: 2,
    // Questions and inserts go first, but what is put off is only owed.
    os_threads_nice_value_merge_mutate: 4,
  }
  return Object.entries(options).map(([name, value]) => `--${name}=${value}`)
}

function sessionSettings(queryMemory: number): string {
  return [
    `max_memory_usage = ${queryMemory}`,
    'output_format_json_quote_64bit_integers = 1',
    // Sizes hash tables by earlier runs, which defeats the limits and the spilling of later ones.
    'collect_hash_table_stats_during_aggregation = 0',
    `max_threads = ${availableParallelism()}`,
    // By default a second thread needs another free GiB, and a small memory limit halves the speed of every question.
    'max_threads_min_free_memory_per_thread = 0',
    // A filter is bounded where it is read: what is allowed there must not fail here.
    `max_query_size = ${16 * 2 ** 20}`,
    'max_ast_elements = 1000000',
    'max_expanded_ast_elements = 2000000',
  ].join(', ')
}

function querySettings(timeoutMs: number, memoryBytes: number): string {
  const spill = Math.floor(memoryBytes / 2)
  return [
    `max_execution_time = ${timeoutMs / 1000}`,
    `max_memory_usage = ${memoryBytes}`,
    `max_bytes_before_external_group_by = ${spill}`,
    `max_bytes_before_external_sort = ${spill}`,
  ].join(', ')
}

function prepareDirectory(dir: string): void {
  try {
    makeDirectory(dir)
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK)
    settleMovedDirectory(dir)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? ''
    throw new OperatorError('store_directory', `the data directory ${dir} cannot be used (${code})`, {
      cause,
      hint:
        code === 'ENOSPC'
          ? 'free space on its disk'
          : 'make it a directory that this user may write to, or name another with --data',
    })
  }
}

/** A server that was killed leaves its engine a moment to notice. */
async function openWhenUnlocked(open: () => Promise<void>): Promise<void> {
  const until = performance.now() + LOCK_WAIT_MS
  for (;;) {
    try {
      return await open()
    } catch (failure) {
      if ((failure as OperatorError).code !== 'store_locked' || performance.now() > until) throw failure
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

function openError(failure: unknown, lastWords: string, dir: string): OperatorError {
  if (failure instanceof OperatorError && failure.code === 'store_version') return failure
  const message = failure instanceof Error ? failure.message : String(failure)
  if (/Cannot lock file|already running/i.test(lastWords)) {
    return new OperatorError('store_locked', `the data directory ${dir} is in use by another server`, {
      hint: 'stop the other one, or name another directory with --data',
      cause: failure,
    })
  }
  if (/ERR_DLOPEN|MODULE_NOT_FOUND|Cannot find module|unsupported|prebuilt|libchdb/i.test(message)) {
    return new OperatorError('store_library', `the engine's library cannot be loaded: ${message.split('\n', 1)[0]}`, {
      hint: `run npm install on this machine; the engine exists for Linux and macOS on x64 and arm64 (this is ${process.platform} ${process.arch})`,
      cause: failure,
    })
  }
  if (/No space left|ENOSPC|NOT_ENOUGH_SPACE/i.test(message + lastWords)) {
    return new OperatorError('store_disk', `the disk of ${dir} is full`, { hint: 'free space on it', cause: failure })
  }
  const detail = lastWords === '' ? message.split('\n', 1)[0] : lastWords.split('\n').at(-1)
  return new OperatorError('store_open', `the store in ${dir} cannot be opened: ${detail?.slice(0, 500)}`, {
    cause: failure,
    retryable: true,
  })
}
