import { constants, existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { copyFile, link, lstat, mkdir, readdir, readlink, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { OperatorError } from '../base/errors.ts'
import { ROOM } from './room.ts'

// A copy of the engine's directory as a sudden death at this moment would have left it, while the engine runs or not.
// Parts are directories whose files never change: all of them are linked first, which takes moments, and copied then.
// A merged part leaves those that it came from in place for two minutes (old_parts_lifetime), so that all that is listed
// can be linked; one that is dropped meanwhile may go.

/** Within this the parts that are listed are there. */
const MOST_LINKING_MS = 90_000
/** Of the engine's run, not of the data. */
const NOT_COPIED: ReadonlySet<string> = new Set([
  ROOM,
  'status',
  'tmp',
  'preprocessed_configs',
  'user_scripts',
  'flags',
])
const UNFINISHED = /^(tmp|delete_tmp|tmp-fetch)_/

/** True if an engine has the directory open. */
export function isEngineRunning(dir: string): boolean {
  const status = join(dir, 'status')
  if (!existsSync(status)) return false
  const pid = Number(/PID:\s*(\d+)/.exec(readFileSync(status, 'utf8'))?.[1])
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  // The number may be another program's by now.
  const command = `/proc/${pid}/cmdline`
  return !existsSync(command) || readFileSync(command, 'utf8').includes('engine-child')
}

/** @param logs also what the tables remember of inserts: right only if nothing runs */
export async function linkStore(from: string, to: string, logs: boolean): Promise<void> {
  const until = performance.now() + MOST_LINKING_MS
  await mkdir(to, { recursive: true })
  for (const name of await readdir(from)) {
    if (NOT_COPIED.has(name) || UNFINISHED.test(name)) continue
    if (name !== 'store') await linkAny(join(from, name), join(to, name))
  }
  await mkdir(join(to, 'store'), { recursive: true })
  for (const table of tablesInOrder(from)) {
    const relative = join('store', table)
    await mkdir(join(to, relative), { recursive: true })
    for (const name of await readdir(join(from, relative))) {
      if (UNFINISHED.test(name) || (name === 'deduplication_logs' && !logs)) continue
      if (performance.now() > until)
        throw new OperatorError('backup_slow', `linking the files of ${from} takes longer than ${MOST_LINKING_MS} ms`, {
          hint: 'stop the server and try again',
        })
      const path = join(to, relative, name)
      try {
        await linkAny(join(from, relative, name), path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        await rm(path, { recursive: true, force: true })
      }
    }
  }
}

/**
 * What says that something is there comes before it, and what says that something has come or gone after it: then no rollup
 * is taken for whole that is not. Flows that came meanwhile may be told of and not be there, which the roller finds out.
 */
const FIRST = ['rolled']
const LAST = ['flows', 'arrivals', 'dropped']

function tablesInOrder(from: string): string[] {
  const place = new Map<string, string>()
  const data = join(from, 'data', 'default')
  const uuids = new Map<string, string>()
  for (const group of readdirSync(join(from, 'store')))
    for (const uuid of readdirSync(join(from, 'store', group))) uuids.set(uuid, join(group, uuid))
  if (existsSync(data))
    for (const name of readdirSync(data)) {
      const uuid = /[0-9a-f-]{36}$/.exec(readlinkOf(join(data, name)))?.[0]
      if (uuid !== undefined) place.set(uuid, name)
    }
  const rank = (uuid: string): number => {
    const name = place.get(uuid) ?? ''
    return FIRST.includes(name) ? -1 : LAST.indexOf(name) + 1
  }
  return [...uuids].sort(([a], [b]) => rank(a) - rank(b)).map(([, path]) => path)
}

function readlinkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

async function linkAny(from: string, to: string): Promise<void> {
  const stat = await lstat(from)
  if (stat.isDirectory()) {
    await mkdir(to, { recursive: true })
    for (const name of await readdir(from)) await linkAny(join(from, name), join(to, name))
  } else if (stat.isSymbolicLink()) await symlink(await readlink(from), to)
  else if (stat.isFile()) await linkFile(from, to)
}

/** Some file systems have no links. */
export async function linkFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EMLINK') throw error
    await copyFile(from, to)
  }
}

/** Copies a tree; answers its bytes. Links stay links. */
export async function copyTree(from: string, to: string): Promise<number> {
  const stat = await lstat(from)
  if (stat.isSymbolicLink()) {
    await symlink(await readlink(from), to)
    return 0
  }
  if (!stat.isDirectory()) {
    await copyFile(from, to, constants.COPYFILE_FICLONE)
    return stat.size
  }
  await mkdir(to, { recursive: true })
  let bytes = 0
  for (const name of await readdir(from)) bytes += await copyTree(join(from, name), join(to, name))
  return bytes
}

/** Files of a tree, and the bytes in them. */
export async function sizeOf(path: string): Promise<{ count: number; bytes: number }> {
  const stat = await lstat(path)
  if (!stat.isDirectory()) return stat.isFile() ? { count: 1, bytes: stat.size } : { count: 0, bytes: 0 }
  let [count, bytes] = [0, 0]
  for (const name of await readdir(path)) {
    const each = await sizeOf(join(path, name))
    count += each.count
    bytes += each.bytes
  }
  return { count, bytes }
}
