import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { UserError } from '../base/errors.ts'

/** Files and directories → files, those of a directory and of all below it by name. Files under way (`nfcapd.current…`) are left out. */
export function filesOf(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (path === '-') return [path]
    if (!existsSync(path)) throw new UserError(`there is no file ${path}`)
    return statSync(path).isDirectory() ? inside(path) : [path]
  })
}

/**
 * nfdump's `-R`: a directory; a file, for it and those after it in its directory; or `DIR/first:last`.
 * @throws UserError if nothing is there
 */
export function rangeOf(text: string): string[] {
  const colon = text.lastIndexOf(':')
  const [first, last] =
    colon > 0 && !existsSync(text) ? [text.slice(0, colon), text.slice(colon + 1)] : [text, undefined]
  if (!existsSync(first)) throw new UserError(`-R ${text}: there is no ${first}`)
  if (statSync(first).isDirectory()) return inside(first)
  const dir = dirname(first)
  const to = last === undefined ? undefined : basename(last)
  if (to !== undefined && !existsSync(join(dir, to))) throw new UserError(`-R ${text}: there is no ${join(dir, to)}`)
  return inside(dir, false).filter((file) => {
    const name = basename(file)
    return name >= basename(first) && (to === undefined || name <= to)
  })
}

function inside(dir: string, deep = true): string[] {
  return readdirSync(dir, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(dir, entry.name)
      if (entry.isDirectory()) return deep ? inside(path) : []
      return entry.name.startsWith('.') || entry.name.startsWith('nfcapd.current') ? [] : [path]
    })
}
