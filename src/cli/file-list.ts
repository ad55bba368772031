import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative } from 'node:path'
import { UserError } from '../base/errors.ts'

/** What `query` is told to read: nfdump's -r, -R and -M. */
export interface Asked {
  readonly r?: readonly string[]
  readonly R?: readonly string[]
  readonly M?: string
}

export interface FileList {
  readonly files: readonly string[]
  /** Those of them that nobody named: they were found in a directory. */
  readonly found: ReadonlySet<string>
}

/** The files in the order in which they are read. @throws UserError if something that was named is not there */
export function filesToRead({ r = [], R = [], M }: Asked): FileList {
  const named = (paths: readonly string[]): readonly string[] =>
    M === undefined ? paths : directoriesOf(M).flatMap((dir) => paths.map((path) => join(dir, path)))
  const single = named(r)
  const files = [...filesOf(single), ...named(R).flatMap(rangeOf)]
  return { files, found: new Set(files.filter((file) => !single.includes(file))) }
}

/** nfdump's `-M`: `/data/dir1:dir2` → `/data/dir1`, `/data/dir2`. */
function directoriesOf(text: string): string[] {
  const [first = '', ...others] = text.split(':')
  return [first, ...others.map((dir) => (isAbsolute(dir) ? dir : join(dirname(first), dir)))]
}

/** Files and directories → files, those of a directory and of all below it by name. Files under way (`nfcapd.current…`) are left out. */
function filesOf(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (path === '-') return [path]
    if (!existsSync(path)) throw new UserError(`there is no file ${path}`)
    return statSync(path).isDirectory() ? inside(path) : [path]
  })
}

/**
 * nfdump's `-R`: a directory; a file, for it and those after it in its directory; `DIR/first:last`; or, over several
 * directories, `DIR/a/b/first:c/d/last`.
 * @throws UserError if nothing is there
 */
function rangeOf(text: string): string[] {
  const colon = text.lastIndexOf(':')
  const [first, last] =
    colon > 0 && !existsSync(text) ? [text.slice(0, colon), text.slice(colon + 1)] : [text, undefined]
  if (!existsSync(first)) throw new UserError(`-R ${text}: there is no ${first}`)
  if (statSync(first).isDirectory()) return inside(first)
  if (last === undefined) return inside(dirname(first), false).filter((file) => basename(file) >= basename(first))
  // The last is named from as far up as it has directories.
  const dir = last.split('/').reduce((path) => dirname(path), first)
  if (!existsSync(join(dir, last))) throw new UserError(`-R ${text}: there is no ${join(dir, last)}`)
  const from = relative(dir, first)
  return inside(dir, last.includes('/')).filter((file) => {
    const name = relative(dir, file)
    return name >= from && name <= last
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
