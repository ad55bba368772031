import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { makeDirectory } from '../base/directory.ts'
import type { OperatorError } from '../base/errors.ts'
import {
  deleteGroup,
  fixGroup,
  groupOf,
  markDone,
  MAX_FILES,
  recoverGroups,
  rowsOf,
  undoGroup,
  type Group,
} from './groups.ts'
import { headerProblem } from './native-header.ts'
import { setAside } from './rejected.ts'
import { parseSpoolFile, type SpoolFile } from './spool-files.ts'
import type { StoreLog } from './store-log.ts'
import type { Store } from './store.ts'

// Takes files from the spool to the store, each row once. Files are merged into groups; a group is fixed on disk before
// its insert, so that after a crash the same files go under the same token:
//
//   list → <token>.group → insert → rename to <token>.done → delete its files → delete <token>.done

export interface LoaderConfig {
  /** The spool directory. */
  readonly dir: string
  /** Longest time that a file waits for others, ms. Default 2 s. */
  readonly waitMs?: number
  /** Rows that are inserted without waiting for more, and about the most in one insert. Default 500,000: twice as many cost a tenth less CPU and 160 MB more memory. */
  readonly maxRows?: number
}

export interface LoaderDeps {
  readonly store: Pick<Store, 'insertFiles'> & { checkFile(table: string, file: string): Promise<void> }
  readonly clock: Clock
  readonly log?: StoreLog
  /** Called when rows of a table have been stored; never rejects. The next insert waits for it. */
  readonly stored?: (table: string) => Promise<void>
}

export interface LoaderStatus {
  readonly rowsWaiting: number
  readonly filesWaiting: number
  readonly rowsStored: number
  /** Rows by table: in the store, still in the spool, and, of both, those that an earlier life had left in the spool. */
  readonly tables: Readonly<
    Record<string, { readonly stored: number; readonly waiting: number; readonly found: number }>
  >
  readonly rowsRejected: number
  readonly inserts: number
  /** When the file that waits longest was first seen. */
  readonly waitingSince?: number
  /** Why the last insert failed, until one succeeds. */
  readonly problem?: string
}

export interface Loader {
  start(): Promise<void>
  /** Lets an insert under way end, for a moment; what is not stored stays in the spool. */
  stop(): Promise<void>
  /** A file has become visible. Saves the wait for the next look into the directory. */
  notify(file: string): void
  /** Resolves when nothing that the spool holds now waits any more; for tests and for a tidy end. */
  drained(): Promise<void>
  status(): LoaderStatus
}

interface Pending extends SpoolFile {
  readonly seen: number
}

const LOOK_EVERY_MS = 1000
const SUSPECT_EVERY = 5
const STOP_WAIT_MS = 1500
/** Codes that say nothing of the files. */
const AWAY: ReadonlySet<string> = new Set(['store_away', 'store_disk', 'store_busy'])
const BACKOFF_MS = [50, 100, 200, 500, 1000, 2000, 5000]

export function createLoader(config: LoaderConfig, deps: LoaderDeps): Loader {
  const waitMs = config.waitMs ?? 2000
  const maxRows = config.maxRows ?? 500_000
  const pending = new Map<string, Pending>()
  /** Files of groups, and since when each has been seen. */
  const grouped = new Map<string, number>()
  /** Groups fixed on disk; the first is being carried. */
  const underWay: Group[] = []
  const tables = new Map<string, { stored: number; found: number }>()
  let rowsStored = 0
  let rowsRejected = 0
  let inserts = 0
  let problem: string | undefined
  let stopping = false
  let draining = 0
  let running: Promise<void> = Promise.resolve()
  let wake: () => void = () => undefined

  const at = (file: string): string => join(config.dir, file)

  function add(file: string): void {
    if (grouped.has(file) || pending.has(file)) return
    const parsed = parseSpoolFile(file)
    if (parsed) pending.set(file, { ...parsed, seen: deps.clock.now() })
  }

  function rowsPending(): number {
    let rows = 0
    for (const file of pending.values()) rows += file.rows
    return rows
  }

  async function look(): Promise<void> {
    for (const file of await readdir(config.dir)) add(file)
  }

  async function recover(): Promise<void> {
    makeDirectory(at('rejected'))
    underWay.push(...(await recoverGroups(config.dir, deps.log)))
    for (const group of underWay) for (const file of group.files) grouped.set(file, deps.clock.now())
  }

  /** True if the file is there and begins as it should. */
  async function isSound(file: string): Promise<boolean> {
    try {
      const why = await headerProblem(at(file), parseSpoolFile(file)?.rows ?? 0)
      if (why !== undefined) await reject(file, why)
      return why === undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      deps.log?.warn(`loader: ${file} has gone from the spool`)
      pending.delete(file)
      return false
    }
  }

  /** The next files of one table that are many enough or have waited long enough. */
  function nextGroup(): Group | undefined {
    for (const table of new Set([...pending.values()].map((file) => file.table))) {
      const files = [...pending.values()].filter((file) => file.table === table)
      const oldest = files.reduce((least, file) => Math.min(least, file.seen), Infinity)
      const rows = files.reduce((sum, file) => sum + file.rows, 0)
      // A clock that was set back must not make files wait until it has caught up.
      const isDue = draining > 0 || Math.abs(deps.clock.now() - oldest) >= waitMs
      if (isDue || rows >= maxRows || files.length >= MAX_FILES) return groupOf(table, files, maxRows)
    }
    return undefined
  }

  function tableOf(name: string): { stored: number; found: number } {
    let table = tables.get(name)
    if (!table) tables.set(name, (table = { stored: 0, found: 0 }))
    return table
  }

  /** Insert, mark, delete. Whatever fails is tried again from there. */
  async function carry(group: Group, failures: number): Promise<void> {
    if (!group.stored) {
      try {
        await deps.store.insertFiles(group.table, group.files.map(at), group.token)
      } catch (error) {
        if (!isSuspect(error, failures) || !(await dissolved(group))) throw error
        underWay.shift()
        return
      }
      group.stored = true
      inserts++
      rowsStored += rowsOf(group)
      tableOf(group.table).stored += rowsOf(group)
      await deps.stored?.(group.table)
    }
    await markDone(config.dir, group)
    await deleteGroup(config.dir, group.token, group.files)
    for (const file of group.files) grouped.delete(file)
    underWay.shift()
  }

  /** Takes the group apart if some of its files cannot be read. */
  async function dissolved(group: Group): Promise<boolean> {
    const bad = await unreadable(group)
    if (bad.size > 0) await dissolve(group, bad)
    return bad.size > 0
  }

  async function unreadable(group: Group): Promise<Map<string, string>> {
    const bad = new Map<string, string>()
    for (const file of group.files) {
      try {
        await deps.store.checkFile(group.table, at(file))
      } catch (error) {
        if (isAway(error)) throw error
        bad.set(file, (error as Error).message)
      }
    }
    return bad
  }

  /** A group is one block, so nothing of it was stored if a file could not be read: the others may go in another group. */
  async function dissolve(group: Group, bad: ReadonlyMap<string, string>): Promise<void> {
    await undoGroup(config.dir, group)
    for (const file of group.files) {
      grouped.delete(file)
      const why = bad.get(file)
      if (why === undefined) add(file)
      else await reject(file, why)
    }
  }

  async function reject(file: string, why: string): Promise<void> {
    const rows = parseSpoolFile(file)?.rows ?? 0
    rowsRejected += rows
    pending.delete(file)
    await setAside(config.dir, file)
    deps.log?.warn(`loader: ${file} cannot be read, ${rows} rows are set aside in ${at('rejected')}: ${why}`)
  }

  /** Until woken or so long. A file that has just come still has others to wait for. */
  function pause(ms: number): Promise<void> {
    if (stopping) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** How long until the file that has waited longest has waited enough, at most until the next look. */
  function untilDue(): number {
    const now = deps.clock.now()
    let due = LOOK_EVERY_MS
    for (const file of pending.values()) due = Math.min(due, waitMs - Math.abs(now - file.seen))
    return Math.max(5, due)
  }

  async function step(failures: number): Promise<void> {
    const first = underWay[0]
    if (first) return await carry(first, failures)
    const group = nextGroup()
    if (!group) {
      await pause(untilDue())
      if (!stopping) await look()
      return
    }
    for (const file of group.files) if (!(await isSound(file))) return
    await fixGroup(config.dir, group)
    for (const file of group.files) {
      grouped.set(file, pending.get(file)?.seen ?? deps.clock.now())
      pending.delete(file)
    }
    underWay.push(group)
  }

  async function run(): Promise<void> {
    let failures = 0
    while (!stopping) {
      try {
        await step(failures)
        failures = 0
        problem = undefined
      } catch (error) {
        problem = (error as Error).message
        if (failures === 0) deps.log?.warn(`loader: ${problem}; trying again`)
        await pause(BACKOFF_MS[Math.min(failures++, BACKOFF_MS.length - 1)] as number)
      }
    }
  }

  return {
    async start() {
      stopping = false
      await recover()
      await look()
      for (const file of [...pending.keys(), ...grouped.keys()]) {
        const found = parseSpoolFile(file)
        if (found) tableOf(found.table).found += found.rows
      }
      running = run()
    },
    async stop() {
      stopping = true
      wake()
      await Promise.race([running, new Promise((resolve) => setTimeout(resolve, STOP_WAIT_MS).unref())])
    },
    notify(file) {
      add(file)
      if (rowsPending() >= maxRows) wake()
    },
    async drained() {
      draining++
      wake()
      try {
        await look()
        while (!stopping && (pending.size > 0 || grouped.size > 0))
          await new Promise((resolve) => setTimeout(resolve, 10))
      } finally {
        draining--
      }
    },
    status() {
      const waiting = new Map<string, number>()
      let rowsWaiting = 0
      let waitingSince: number | undefined
      for (const file of pending.values()) {
        rowsWaiting += file.rows
        waiting.set(file.table, (waiting.get(file.table) ?? 0) + file.rows)
        waitingSince = Math.min(waitingSince ?? Infinity, file.seen)
      }
      for (const [name, seen] of grouped) {
        waitingSince = Math.min(waitingSince ?? Infinity, seen)
        const file = parseSpoolFile(name)
        if (!file) continue
        rowsWaiting += file.rows
        waiting.set(file.table, (waiting.get(file.table) ?? 0) + file.rows)
      }
      return {
        tables: Object.fromEntries(
          [...new Set([...tables.keys(), ...waiting.keys()])].map((table) => [
            table,
            { stored: 0, found: 0, ...tables.get(table), waiting: waiting.get(table) ?? 0 },
          ]),
        ),
        rowsWaiting,
        filesWaiting: pending.size + grouped.size,
        rowsStored,
        rowsRejected,
        inserts,
        ...(waitingSince === undefined ? {} : { waitingSince }),
        ...(problem === undefined ? {} : { problem }),
      }
    },
  }
}

/** Failures that a file's bytes may have caused: those that say so, and the unexplained ones that do not pass. */
function isSuspect(error: unknown, attempt: number): boolean {
  return (
    (error as OperatorError).code === 'insert_rejected' ||
    (!isAway(error) && attempt % SUSPECT_EVERY === SUSPECT_EVERY - 1)
  )
}

function isAway(error: unknown): boolean {
  return AWAY.has((error as OperatorError).code)
}
