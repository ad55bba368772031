import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Room } from './retention.ts'

/** Name of the file, in the store's directory. */
export const ROOM = 'room'

/** The engine wants 1 MiB for each thing that it writes. */
const BYTES = 8 * 2 ** 20
/** Free bytes above which some are taken. */
const PLENTY = 256 * 2 ** 20

/** To delete takes a little room: a file that can be given up for it when the disk is full. */
export function roomOf(dir: string): Room {
  const file = join(dir, ROOM)
  return {
    async take() {
      if (existsSync(file)) return
      try {
        const { bavail, bsize } = await statfs(dir)
        // Not zeros, which some file systems keep in no space at all.
        if (bavail * bsize > PLENTY) await writeFile(file, randomBytes(BYTES))
      } catch {
        await rm(file, { force: true }).catch(() => undefined)
      }
    },
    async give() {
      const isThere = existsSync(file)
      await rm(file, { force: true })
      return isThere
    },
  }
}
