import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { backup as copyDatabase } from 'node:sqlite'
import { makeDirectory, syncDirectory } from '../base/directory.ts'
import { OperatorError } from '../base/errors.ts'
import { readStateDatabase } from '../base/state-database.ts'
import { settleMovedDirectory } from './moved-directory.ts'
import { SCHEMA_VERSION } from './schema.ts'
import { parseSpoolFile } from './spool-files.ts'
import { copyTree, isEngineRunning, linkFile, linkStore, sizeOf } from './snapshot.ts'

// A data directory into a backup and back. A backup is a directory like it:
//
//   vnetscope-backup.json   what it is; written last
//   store/  state/  spool/  as in the data directory

export interface BackupManifest {
  readonly format: 1
  /** Version of the tables that the program writes that took it. */
  readonly schema: number
  /** Milliseconds since 1970. */
  readonly taken: number
  /** True if the server ran meanwhile. */
  readonly running: boolean
  readonly bytes: number
  /** Number and bytes of all files but this one; not told by earlier versions. */
  readonly files?: Size
  /** Files of the spool that wait for the store in it. */
  readonly waiting: number
}

export interface Size {
  readonly count: number
  readonly bytes: number
}

const MANIFEST = 'vnetscope-backup.json'
const STATE_DATABASE = 'state.sqlite'
/** The store last: a directory with one is complete. */
const PARTS = ['spool', 'state', 'store']
/** What is being restored, in the directory that it is for. */
const RESTORING = 'restoring'

/**
 * Copies a data directory. Of a running server all is there that its store had, and what waits in its spool, but for one
 * insert that is under way. The target must not be there yet.
 */
export async function backUp(data: string, target: string, now: number): Promise<BackupManifest> {
  const store = join(data, 'store')
  if (!existsSync(join(store, 'metadata')))
    throw new OperatorError('backup_source', `${data} holds no store`, { hint: 'name the data directory with --data' })
  if (isMountPoint(target))
    throw new OperatorError('backup_target', `${target} is a disk of its own`, {
      hint: 'name a directory on it that is new',
    })
  if (!isEmptyOrMissing(target))
    throw new OperatorError('backup_target', `${target} is there already and not empty`, {
      hint: 'name a directory that is new',
    })
  if (PARTS.some((name) => isWithin(target, join(data, name))))
    throw new OperatorError('backup_target', `${target} is in what is to be backed up`, {
      hint: 'name a directory elsewhere, best on another disk',
    })
  const running = isEngineRunning(store)
  // Beside the store, because links do not lead from one disk to another.
  const links = join(data, `backup-${process.pid}.links`)
  await removeLeftLinks(data)
  const partial = `${resolve(target)}.partial`
  try {
    makeDirectory(dirname(resolve(target)))
    await rm(partial, { recursive: true, force: true })
    await mkdir(partial)
    await linkStore(store, join(links, 'store'), !running)
    const waiting = await linkSpool(join(data, 'spool'), join(links, 'spool'), running)
    const state = await copyState(join(data, 'state'), join(partial, 'state'))
    let bytes = state
    for (const name of await readdir(links)) bytes += await copyTree(join(links, name), join(partial, name))
    const files = await sizeOf(partial)
    const manifest = { format: 1, schema: SCHEMA_VERSION, taken: now, running, bytes, files, waiting } as const
    await writeManifest(partial, manifest)
    await rm(target, { recursive: true, force: true })
    await rename(partial, target)
    await syncDirectory(dirname(resolve(target)))
    return manifest
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    throw described(error, `${data} could not be backed up to ${target}`)
  } finally {
    await rm(links, { recursive: true, force: true })
  }
}

/** Makes a data directory of a backup. The directory must be empty or not be there. */
export async function restore(source: string, data: string): Promise<BackupManifest> {
  const manifest = readManifest(source)
  if (!isEmptyOrMissing(data, [RESTORING, 'lost+found']))
    throw new OperatorError('restore_target', `${data} is not empty`, {
      hint: 'move what is there away first, or name another directory with --data',
    })
  if (manifest.schema > SCHEMA_VERSION)
    throw new OperatorError(
      'restore_version',
      `${source} was taken by a later version of vnetscope (schema ${manifest.schema}; this one knows up to ${SCHEMA_VERSION})`,
      { hint: 'restore it with that version' },
    )
  // Within it: it may be a disk of its own.
  const partial = join(data, RESTORING)
  const isNew = !existsSync(data)
  try {
    makeDirectory(data)
    await rm(partial, { recursive: true, force: true })
    await mkdir(partial)
    for (const name of PARTS)
      if (existsSync(join(source, name))) await copyTree(join(source, name), join(partial, name))
    refuseDamaged(source, manifest, await sizeOf(partial))
    for (const name of PARTS) if (existsSync(join(partial, name))) await rename(join(partial, name), join(data, name))
    await rm(partial, { recursive: true })
    settleMovedDirectory(join(data, 'store'))
    await syncDirectory(data)
    await syncDirectory(dirname(resolve(data)))
    return manifest
  } catch (error) {
    await rm(isNew ? data : partial, { recursive: true, force: true })
    throw described(error, `${source} could not be restored to ${data}`)
  }
}

/** False of what is no directory, too. @param ignored names of what may be there all the same */
function isEmptyOrMissing(path: string, ignored: readonly string[] = []): boolean {
  if (!existsSync(path)) return true
  return statSync(path).isDirectory() && readdirSync(path).every((name) => ignored.includes(name))
}

function isMountPoint(path: string): boolean {
  return existsSync(path) && statSync(path).dev !== statSync(dirname(resolve(path))).dev
}

/** Whether a path, of which the end need not be there, leads into a directory. */
function isWithin(path: string, dir: string): boolean {
  let there = resolve(path)
  while (!existsSync(there)) there = dirname(there)
  return existsSync(dir) && `${realpathSync(there)}${sep}`.startsWith(`${realpathSync(dir)}${sep}`)
}

/** A backup that was killed leaves its links, which would keep on the disk what the store deletes. */
async function removeLeftLinks(data: string): Promise<void> {
  for (const name of await readdir(data)) {
    const pid = /^backup-(\d+)\.links$/.exec(name)?.[1]
    if (pid !== undefined && !existsSync(join('/proc', pid)))
      await rm(join(data, name), { recursive: true, force: true })
  }
}

/** What was cut short or left out on the way here; the engine finds by its checksums what was changed. */
function refuseDamaged(source: string, { files }: BackupManifest, found: Size): void {
  if (!files || (files.count === found.count && files.bytes === found.bytes)) return
  throw new OperatorError(
    'restore_source',
    `${source} is damaged: it had ${files.count} files of ${files.bytes} bytes, and has ${found.count} of ${found.bytes}`,
    { hint: 'restore another backup' },
  )
}

/**
 * Of a running server those files that no insert can have had before the store was linked: they are there after it, and in
 * no group. Otherwise all: what the tables remember of inserts is in the backup then, too.
 */
async function linkSpool(from: string, to: string, running: boolean): Promise<number> {
  if (!existsSync(from)) return 0
  await mkdir(to, { recursive: true })
  const names = (await readdir(from)).filter((name) => name !== 'rejected' && !name.endsWith('.tmp'))
  const taken = new Set<string>()
  if (running) {
    for (const name of names.filter((n) => n.endsWith('.group') || n.endsWith('.done')))
      for (const file of groupFiles(join(from, name))) taken.add(file)
  }
  let waiting = 0
  for (const name of names) {
    const isFile = parseSpoolFile(name) !== undefined
    if (running && (!isFile || taken.has(name)) && name !== 'epoch') continue
    try {
      await linkFile(join(from, name), join(to, name))
      if (isFile) waiting++
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return waiting
}

function groupFiles(path: string): readonly string[] {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { files: string[] }).files
  } catch {
    return []
  }
}

/** The files of the state are replaced as a whole; the database is copied by SQLite, which waits for who writes. */
async function copyState(from: string, to: string): Promise<number> {
  if (!existsSync(from)) return 0
  await mkdir(to, { recursive: true })
  let bytes = 0
  for (const name of await readdir(from)) {
    if (name.startsWith(STATE_DATABASE) || name.endsWith('.tmp')) continue
    bytes += await copyTree(join(from, name), join(to, name))
  }
  if (existsSync(join(from, STATE_DATABASE))) {
    const database = readStateDatabase(join(from, STATE_DATABASE))
    try {
      await copyDatabase(database, join(to, STATE_DATABASE))
    } finally {
      database.close()
    }
  }
  return bytes
}

async function writeManifest(dir: string, manifest: BackupManifest): Promise<void> {
  const handle = await open(join(dir, MANIFEST), 'w')
  try {
    await handle.writeFile(`${JSON.stringify(manifest, null, 2)}\n`)
    await handle.datasync()
  } finally {
    await handle.close()
  }
}

function readManifest(source: string): BackupManifest {
  let manifest: BackupManifest | undefined
  try {
    manifest = JSON.parse(readFileSync(join(source, MANIFEST), 'utf8')) as BackupManifest
  } catch {
    // Said below.
  }
  const isWhole =
    manifest?.format === 1 &&
    [manifest.schema, manifest.taken, manifest.bytes, manifest.waiting].every((value) => Number.isSafeInteger(value)) &&
    Number.isFinite(new Date(manifest.taken).getTime())
  if (!manifest || !isWhole)
    throw new OperatorError('restore_source', `${source} is no backup of vnetscope, or was not finished`, {
      hint: `a finished one holds ${MANIFEST}`,
    })
  return manifest
}

function described(error: unknown, what: string): OperatorError {
  if (error instanceof OperatorError) return error
  const { code, message } = error as NodeJS.ErrnoException
  const why = code === 'ENOSPC' ? 'the disk is full' : (code ?? message)
  return new OperatorError('backup_failed', `${what}: ${why}`, { cause: error })
}
