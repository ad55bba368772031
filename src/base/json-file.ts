import { readFileSync, renameSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeDirectory } from './directory.ts'

/** Writes a JSON file whole or not at all: another name, to disk, then renamed into place. */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  makeDirectory(dirname(path))
  const temporary = `${path}.tmp`
  const file = await open(temporary, 'w')
  try {
    await file.writeFile(JSON.stringify(value))
    await file.datasync()
  } finally {
    await file.close()
  }
  renameSync(temporary, path)
}

/** What `writeJsonFile` wrote; undefined if there is none or it can't be read. */
export function readJsonFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown
  } catch {
    return undefined
  }
}
