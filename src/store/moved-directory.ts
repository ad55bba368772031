import { existsSync, lstatSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'

/**
 * The engine links `metadata/<database>` to `store/…` by its whole path. In a directory that was moved or copied that leads
 * nowhere, or, worse, into the directory that it was copied from. Links that have their target here are set right.
 */
export function settleMovedDirectory(dir: string): void {
  const metadata = join(dir, 'metadata')
  if (!existsSync(metadata)) return
  for (const name of readdirSync(metadata)) {
    const link = join(metadata, name)
    if (!lstatSync(link).isSymbolicLink()) continue
    const inside = /store\/[0-9a-f]{3}\/[0-9a-f-]{36}\/?$/.exec(readlinkSync(link))?.[0]
    const target = inside === undefined ? undefined : join(resolve(dir), inside)
    if (target === undefined || target === readlinkSync(link) || !existsSync(target)) continue
    rmSync(`${link}.new`, { force: true })
    symlinkSync(target, `${link}.new`)
    renameSync(`${link}.new`, link)
  }
}
