import { open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../base/directory.ts'
import { parseSpoolFile, type SpoolFile } from './spool-files.ts'
import type { StoreLog } from './store-log.ts'

// Groups of spool files that go in one insert, as they are fixed on disk: `<token>.group` while they are under way,
// `<token>.done` from when the store has them until their files are deleted. Both hold {"table", "files"}.

export interface Group {
  readonly token: string
  readonly table: string
  readonly files: readonly string[]
  stored: boolean
}

interface Manifest {
  readonly table: string
  readonly files: readonly string[]
}

export const MAX_FILES = 200

/** The first of the files, by id, that make about so many rows. Its token occurs once: a file is in one group only. */
export function groupOf(table: string, files: readonly SpoolFile[], maxRows: number): Group {
  const chosen: string[] = []
  let rows = 0
  for (const file of files.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    if (chosen.length >= MAX_FILES || (chosen.length > 0 && rows + file.rows > maxRows)) break
    chosen.push(file.file)
    rows += file.rows
  }
  return {
    token: `${table}-${parseSpoolFile(chosen[0] ?? '')?.id}-${chosen.length}`,
    table,
    files: chosen,
    stored: false,
  }
}

export function rowsOf(group: Group): number {
  return group.files.reduce((sum, file) => sum + (parseSpoolFile(file)?.rows ?? 0), 0)
}

export async function fixGroup(dir: string, { token, table, files }: Group): Promise<void> {
  const temporary = join(dir, `${token}.group.tmp`)
  const handle = await open(temporary, 'w')
  try {
    await handle.writeFile(JSON.stringify({ table, files } satisfies Manifest))
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await rename(temporary, join(dir, `${token}.group`))
  // Else a power failure after the insert may leave the files without their group, and in another they would go in twice.
  await syncDirectory(dir)
}

/** The store has it. From here on nothing of it is inserted again. */
export async function markDone(dir: string, { token }: Group): Promise<void> {
  await rename(join(dir, `${token}.group`), join(dir, `${token}.done`)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}

export async function deleteGroup(dir: string, token: string, files: readonly string[]): Promise<void> {
  for (const file of files) await rm(join(dir, file), { force: true })
  await rm(join(dir, `${token}.done`), { force: true })
}

export async function undoGroup(dir: string, { token }: Group): Promise<void> {
  await rm(join(dir, `${token}.group`), { force: true })
}

/** Groups that an earlier life left under way, with the files that are there; those that were done are deleted. */
export async function recoverGroups(dir: string, log: StoreLog | undefined): Promise<Group[]> {
  const names = (await readdir(dir)).sort()
  const there = new Set(names)
  const groups: Group[] = []
  for (const name of names) {
    const token = name.slice(0, name.lastIndexOf('.'))
    if (name.endsWith('.group.tmp')) await rm(join(dir, name), { force: true })
    else if (name.endsWith('.done')) await deleteGroup(dir, token, (await readManifest(dir, name, log))?.files ?? [])
    else if (name.endsWith('.group')) {
      const manifest = await readManifest(dir, name, log)
      const files = manifest?.files.filter((file) => there.has(file)) ?? []
      if (manifest && files.length > 0) groups.push({ token, table: manifest.table, files, stored: false })
      else await rm(join(dir, name), { force: true })
    }
  }
  return groups
}

/** They are flushed before they get their name, so only a damaged disk makes them unreadable. */
async function readManifest(dir: string, name: string, log: StoreLog | undefined): Promise<Manifest | undefined> {
  try {
    return JSON.parse(await readFile(join(dir, name), 'utf8')) as Manifest
  } catch (error) {
    log?.warn(`loader: ${join(dir, name)} cannot be read and is dropped: ${(error as Error).message}`)
    return undefined
  }
}
