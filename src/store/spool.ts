import { open, readdir, readFile, rename, rm, stat, statfs, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { makeDirectory, syncDirectory } from '../base/directory.ts'
import { OperatorError } from '../base/errors.ts'
import type { FlowBatch } from '../flow/flow-batch.ts'
import type { MetricBatch } from '../flow/metric-batch.ts'
import { createFlowEncoder, encodeMetrics } from './native.ts'
import { epochFile, epochOf, parseSpoolFile, spoolFileName } from './spool-files.ts'

// Rows are accepted once they stand in a file of their own that has been flushed and renamed into place. The loader,
// in another thread or process, finds the files by listing the directory and deletes them when the store has them.

export interface SpoolConfig {
  readonly dir: string
  /** Bytes of files waiting for the store, above which rows are refused. */
  readonly maxBytes: number
  /** Bytes of the disk that are left to the store, which needs room to take over what the spool holds. Default 128 MiB. */
  readonly minFreeBytes?: number
}

export interface SpoolDeps {
  readonly clock: Clock
  /** Called with the name of each file that has become visible. */
  readonly written?: (file: string) => void
}

export interface SpoolResult {
  readonly accepted: number
  readonly refused: number
}

export interface SpoolStatus {
  readonly accepted: number
  readonly refused: number
  readonly bytesWaiting: number
  /** Why rows were refused last, until rows are accepted again. */
  readonly problem?: string
}

export interface Spool {
  start(): Promise<void>
  /** Waits for the writes under way. */
  stop(): Promise<void>
  /** The batch may be reused once this resolves; it never rejects. */
  write(batch: FlowBatch, names: readonly string[]): Promise<SpoolResult>
  writeMetrics(batch: MetricBatch): Promise<SpoolResult>
  status(): SpoolStatus
}

/** How often stock is taken; and at most, when space gets short. */
const LIST_EVERY_MS = 2000
const LIST_AGAIN_MS = 250

export function createSpool(config: SpoolConfig, deps: SpoolDeps): Spool {
  const minFreeBytes = config.minFreeBytes ?? 128 * 2 ** 20
  const encoder = createFlowEncoder()
  const waiting = new Map<string, number>()
  const writing = new Set<string>()
  const underWay = new Set<Promise<SpoolResult>>()
  let epoch = -1
  let sequence = 0
  let bytesWaiting = 0
  let listedAt = Number.NEGATIVE_INFINITY
  let room = 0
  let stockTaking: Promise<void> | undefined
  let accepted = 0
  let refused = 0
  let problem: string | undefined

  /** Looks at what the loader has taken away and at what the disk has left. */
  async function takeStock(): Promise<void> {
    const disk = await statfs(config.dir)
    room = disk.bavail * disk.bsize - minFreeBytes
    const there = new Set(await readdir(config.dir))
    for (const [file, bytes] of waiting) {
      if (there.has(file) || writing.has(file)) continue
      waiting.delete(file)
      bytesWaiting -= bytes
    }
    listedAt = deps.clock.now()
  }

  async function put(table: string, rows: number, parts: Uint8Array[]): Promise<SpoolResult> {
    const file = spoolFileName(epoch, ++sequence, table, rows)
    try {
      const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0)
      const isShort = bytesWaiting + bytes > config.maxBytes / 2 || bytes > room
      const listAfter = isShort ? LIST_AGAIN_MS : LIST_EVERY_MS
      if (Math.abs(deps.clock.now() - listedAt) >= listAfter)
        await (stockTaking ??= takeStock().finally(() => (stockTaking = undefined)))
      if (bytesWaiting + bytes > config.maxBytes) {
        throw new OperatorError(
          'spool_full',
          `the spool holds ${bytesWaiting} of ${config.maxBytes} bytes: the store takes rows more slowly than they come, or not at all`,
        )
      }
      if (bytes > room) {
        throw new OperatorError(
          'spool_disk',
          `the disk of ${config.dir} has less than ${minFreeBytes} bytes left, which the store needs to take over what is in the spool`,
        )
      }
      writing.add(file)
      waiting.set(file, bytes)
      bytesWaiting += bytes
      room -= bytes
      await writeFile(join(config.dir, file), parts)
    } catch (error) {
      bytesWaiting -= waiting.get(file) ?? 0
      waiting.delete(file)
      refused += rows
      problem = describe(error, config.dir)
      return { accepted: 0, refused: rows }
    } finally {
      writing.delete(file)
    }
    accepted += rows
    problem = undefined
    deps.written?.(file)
    return { accepted: rows, refused: 0 }
  }

  function tracked(table: string, rows: number, encode: () => Uint8Array[]): Promise<SpoolResult> {
    if (rows === 0) return Promise.resolve({ accepted: 0, refused: 0 })
    const writing = put(table, rows, encode())
    underWay.add(writing)
    return writing.finally(() => underWay.delete(writing))
  }

  return {
    async start() {
      try {
        makeDirectory(config.dir)
        let greatest = 0
        for (const file of await readdir(config.dir)) {
          // Those of groups are the loader's, which may be at work already.
          if (file.endsWith('.tmp') && !file.endsWith('.group.tmp')) await rm(join(config.dir, file), { force: true })
          const found = parseSpoolFile(file)
          if (!found) continue
          greatest = Math.max(greatest, epochOf(found.id))
          const bytes = await sizeOf(join(config.dir, file))
          waiting.set(file, bytes)
          bytesWaiting += bytes
        }
        epoch = await nextEpoch(config.dir, greatest, deps.clock)
      } catch (error) {
        throw new OperatorError('spool_unusable', describe(error, config.dir), {
          cause: error,
          hint: `make ${config.dir} a directory that this user may write to`,
        })
      }
    },
    async stop() {
      await Promise.all(underWay)
    },
    write: (batch, names) => tracked('flows', batch.n, () => encoder.encode(batch, names)),
    writeMetrics: (batch) => tracked('metrics', batch.n, () => encodeMetrics(batch)),
    status: () => ({ accepted, refused, bytesWaiting, ...(problem === undefined ? {} : { problem }) }),
  }
}

/**
 * Counts on from the last epoch. Seconds since 1970 are the floor: ids stay new even if the file is lost, and a clock
 * that is set back does not repeat them while it is there.
 */
async function nextEpoch(dir: string, greatestSeen: number, clock: Clock): Promise<number> {
  const kept = Number.parseInt(await readFile(epochFile(dir), 'utf8').catch(() => '0'), 10)
  const epoch = Math.max(Number.isFinite(kept) ? kept + 1 : 0, greatestSeen + 1, Math.floor(clock.now() / 1000))
  await writeFile(epochFile(dir), [Buffer.from(`${epoch}\n`)])
  return epoch
}

/** All or nothing: temp name, flush, rename. */
async function writeFile(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}.tmp`
  try {
    const handle = await open(temporary, 'w')
    try {
      await writeAll(handle, parts)
      await handle.datasync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
}

/** writev may stop short, on a disk that has just become full above all; the next call says why. */
async function writeAll(handle: FileHandle, parts: readonly Uint8Array[]): Promise<void> {
  let rest = parts.filter((part) => part.byteLength > 0)
  while (rest.length > 0) {
    let { bytesWritten } = await handle.writev(rest)
    let i = 0
    while (i < rest.length && bytesWritten >= (rest[i] as Uint8Array).byteLength)
      bytesWritten -= (rest[i++] as Uint8Array).byteLength
    rest = rest.slice(i)
    if (bytesWritten > 0) rest[0] = (rest[0] as Uint8Array).subarray(bytesWritten)
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (s) => s.size,
    () => 0,
  )
}

function describe(error: unknown, dir: string): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOSPC' || code === 'EDQUOT') return `the disk of ${dir} is full`
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return `${dir} cannot be written to (${code})`
  return error instanceof Error ? error.message : String(error)
}
