import { readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Files that the store cannot read are kept for a look at them, up to so many bytes; the oldest go first. */
const KEPT_BYTES = 256 * 2 ** 20

/** Moves a file of the spool into `rejected/`. */
export async function setAside(dir: string, file: string, keptBytes = KEPT_BYTES): Promise<void> {
  const rejected = join(dir, 'rejected')
  await rename(join(dir, file), join(rejected, file))
  let kept = 0
  // Names begin with ids, which go up.
  for (const name of (await readdir(rejected)).sort().reverse()) {
    const path = join(rejected, name)
    kept += (await stat(path)).size
    if (kept > keptBytes && name !== file) await rm(path, { recursive: true, force: true })
  }
}
