import { randomUUID } from 'node:crypto'
import { open, readdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory, syncDirectory } from '../base/directory.ts'
import { OperatorError } from '../base/errors.ts'

// Who inserts: tokens of several collectors must never be alike, and a group that may have been inserted must be
// repeated in the place where it may be. Both are kept beside the groups, in the spool.

export interface Identity {
  /** Unlike that of every other collector. */
  readonly id: string
  /** Where groups were inserted last; undefined before the first time. */
  readonly place: string | undefined
  /** Groups that an earlier life left under way. */
  readonly groups: number
}

interface Kept {
  readonly id: string
  readonly place?: string
}

/** Read before the loader starts, which makes new groups. */
export async function readIdentity(spoolDir: string): Promise<Identity> {
  try {
    makeDirectory(spoolDir)
    const groups = (await readdir(spoolDir)).filter((name) => name.endsWith('.group')).length
    const kept = await read(spoolDir)
    if (kept) return { id: kept.id, place: kept.place, groups }
    const id = randomUUID()
    await write(spoolDir, { id })
    return { id, place: undefined, groups }
  } catch (cause) {
    throw new OperatorError('spool_unusable', `${spoolDir} cannot be used: ${(cause as Error).message}`, {
      cause,
      hint: `make ${spoolDir} a directory that this user may write to`,
    })
  }
}

export async function keepPlace(spoolDir: string, id: string, place: string): Promise<void> {
  await write(spoolDir, { id, place })
}

export function identityFile(spoolDir: string): string {
  return join(spoolDir, 'collector')
}

async function read(spoolDir: string): Promise<Kept | undefined> {
  try {
    return JSON.parse(await readFile(identityFile(spoolDir), 'utf8')) as Kept
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function write(spoolDir: string, kept: Kept): Promise<void> {
  const temporary = `${identityFile(spoolDir)}.new`
  const handle = await open(temporary, 'w')
  try {
    await handle.writeFile(`${JSON.stringify(kept)}\n`)
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await rename(temporary, identityFile(spoolDir))
  await syncDirectory(spoolDir)
}
