import { existsSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../base/clock.ts'
import { BugError, OperatorError, UserError } from '../base/errors.ts'
import { openStateDatabase, readStateDatabase, type StatePart } from '../base/state-database.ts'
import { expandFilter, namesIn } from './filter/expand.ts'
import { FILTER_NAME, parsedFilter } from './filter/parse.ts'

// Filters and views that are kept by a name. A filter is saved only if it and all that it uses can be understood, and is removed
// only if none uses it: so what is kept always means something.

export interface SavedFilter {
  readonly name: string
  readonly filter: string
  readonly describe: string
  /** Names of the saved filters that it uses itself. */
  readonly uses: readonly string[]
  /** Names of those that use it themselves. */
  readonly usedBy: readonly string[]
  readonly updatedAt: number
}

export interface SavedView {
  readonly name: string
  /** Path and query of a page of the console. */
  readonly url: string
  readonly updatedAt: number
}

/** Nothing is kept by that name. */
export class NotSavedError extends UserError {}
/** It can't be removed as long as something uses it. */
export class InUseError extends UserError {}

const MOST = 1000
const MOST_DESCRIBE = 500
const MOST_URL = 8000
const VIEW_NAME = /^[^\p{Cc}\p{Cs}]{1,100}$/u

const PART: StatePart = {
  name: 'saved',
  steps: [
    `CREATE TABLE filters (
       name TEXT PRIMARY KEY COLLATE NOCASE, filter TEXT NOT NULL, describe TEXT NOT NULL, updated_at INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE views (name TEXT PRIMARY KEY, url TEXT NOT NULL, updated_at INTEGER NOT NULL) STRICT`,
  ],
}

export interface Saved {
  /** @throws OperatorError `state_database` */
  start(): void
  stop(): void
  readonly filters: {
    list(): SavedFilter[]
    /** @throws NotSavedError */
    get(name: string): SavedFilter
    /** Text of a filter by its name, upper and lower case alike; for FilterSqlOptions. */
    text(name: string): string | undefined
    names(): string[]
    /** @throws FilterError, UserError */
    put(name: string, filter: string, describe?: string): SavedFilter
    /** @throws NotSavedError, InUseError */
    remove(name: string): void
  }
  readonly views: {
    list(): SavedView[]
    get(name: string): SavedView
    put(name: string, url: string): SavedView
    remove(name: string): void
  }
}

/** What is saved in this file: of a server that runs or of none, if it is only read. */
export function createSaved(config: { file: string; readOnly?: boolean }, deps: { clock: Clock }): Saved {
  let opened: DatabaseSync | undefined
  /** Texts by lower-case name: asked for with each question. */
  let texts: Map<string, string> | undefined

  function database(): DatabaseSync {
    if (!opened) throw new BugError('what is saved was asked for before it was opened')
    return opened
  }

  function changed<T>(work: () => T): T {
    texts = undefined
    try {
      return work()
    } catch (cause) {
      if ((cause as { code?: string }).code !== 'ERR_SQLITE_ERROR') throw cause
      throw new OperatorError('state_database', `it can't be saved: ${(cause as Error).message}`, {
        cause,
        retryable: true,
        hint: `see that ${config.file} can be written and that its disk has room`,
      })
    }
  }

  function all(): Map<string, string> {
    if (texts) return texts
    const rows = opened ? opened.prepare('SELECT name, filter FROM filters').all() : []
    const found = new Map(rows.map((row) => [String(row['name']).toLowerCase(), String(row['filter'])]))
    // Who only reads doesn't hear of changes.
    if (!config.readOnly) texts = found
    return found
  }

  function list(): SavedFilter[] {
    const rows = database().prepare('SELECT name, filter, describe, updated_at FROM filters ORDER BY name').all()
    const names = new Map(rows.map((row) => [String(row['name']).toLowerCase(), String(row['name'])]))
    const kept = rows.map((row) => {
      const filter = String(row['filter'])
      const uses = [...namesIn(parsedFilter(filter))].map((name) => names.get(name.toLowerCase()) ?? name)
      return {
        name: String(row['name']),
        filter,
        describe: String(row['describe']),
        uses: [...new Set(uses)].toSorted(),
        updatedAt: Number(row['updated_at']),
      }
    })
    return kept.map((one) => ({
      ...one,
      usedBy: kept.filter(({ uses }) => uses.includes(one.name)).map(({ name }) => name),
    }))
  }

  function get(name: string): SavedFilter {
    const found = list().find((one) => one.name.toLowerCase() === name.toLowerCase())
    if (!found) throw new NotSavedError(`no filter is saved under the name “${name.slice(0, 100)}”`)
    return found
  }

  function view(name: string): SavedView {
    const row = database().prepare('SELECT name, url, updated_at FROM views WHERE name = ?').get(name)
    if (!row) throw new NotSavedError(`no view is saved under the name “${name.slice(0, 100)}”`)
    return viewOf(row)
  }

  function checkRoom(table: 'filters' | 'views', name: string): void {
    const others = database().prepare(`SELECT count(*) AS kept FROM ${table} WHERE name != ?`).get(name)
    if (Number(others?.['kept']) >= MOST)
      throw new UserError(`${MOST} ${table} are saved, which is as many as are kept`, { hint: 'remove one first' })
  }

  return {
    start() {
      if (!config.readOnly) opened = openStateDatabase(config.file, [PART])
      else opened = existsSync(config.file) ? readStateDatabase(config.file) : openStateDatabase(':memory:', [PART])
    },
    stop() {
      opened?.close()
      opened = undefined
      texts = undefined
    },
    filters: {
      list,
      get,
      text: (name) => all().get(name.toLowerCase()),
      names: () => [...all().keys()],
      put(name, filter, describe = '') {
        if (!FILTER_NAME.test(name) || name.toLowerCase() === 'include')
          throw new UserError(`“${name.slice(0, 100)}” can't be the name of a filter`, {
            hint: 'a name is a letter, then letters, digits and _ . -, at most 64 in all; “include” is nfdump’s',
          })
        if (describe.length > MOST_DESCRIBE)
          throw new UserError(`the description is longer than ${MOST_DESCRIBE} characters`)
        const same = (other: string): boolean => other.toLowerCase() === name.toLowerCase()
        const texts_ = all()
        const namedFilter = (other: string): string | undefined =>
          same(other) ? filter : texts_.get(other.toLowerCase())
        const tree = parsedFilter(filter)
        expandFilter(tree, { namedFilter, filterNames: () => texts_.keys() })
        // Those that use it must go on meaning something.
        for (const [other, text] of texts_) {
          if (same(other)) continue
          try {
            expandFilter(parsedFilter(text), { namedFilter })
          } catch (cause) {
            throw new UserError(`“@${other}”, which uses it, would be wrong with it: ${(cause as Error).message}`, {
              cause,
            })
          }
        }
        checkRoom('filters', name)
        changed(() =>
          database()
            .prepare(
              `INSERT INTO filters (name, filter, describe, updated_at) VALUES (?, ?, ?, ?)
               ON CONFLICT (name) DO UPDATE SET filter = excluded.filter, describe = excluded.describe, updated_at = excluded.updated_at`,
            )
            .run(name, filter, describe, deps.clock.now()),
        )
        return get(name)
      },
      remove(name) {
        const { usedBy } = get(name)
        if (usedBy.length > 0)
          throw new InUseError(`“@${name}” is used by ${usedBy.map((one) => `“@${one}”`).join(', ')}`, {
            hint: 'change or remove what uses it first',
          })
        changed(() => database().prepare('DELETE FROM filters WHERE name = ?').run(name))
      },
    },
    views: {
      list: () =>
        database().prepare('SELECT name, url, updated_at FROM views ORDER BY name COLLATE NOCASE').all().map(viewOf),
      get: view,
      put(name, url) {
        if (!VIEW_NAME.test(name) || name.trim() !== name)
          throw new UserError('a view’s name has 1 to 100 characters, with no blank at either end')
        if (url.length > MOST_URL || !/^\/(?![/\\])[^\p{Cc}\s\\]*$/u.test(url))
          throw new UserError(
            `a view is a page of this console: a path such as /explore?…, of at most ${MOST_URL} characters`,
          )
        checkRoom('views', name)
        changed(() =>
          database()
            .prepare(
              `INSERT INTO views (name, url, updated_at) VALUES (?, ?, ?)
               ON CONFLICT (name) DO UPDATE SET url = excluded.url, updated_at = excluded.updated_at`,
            )
            .run(name, url, deps.clock.now()),
        )
        return view(name)
      },
      remove(name) {
        view(name)
        changed(() => database().prepare('DELETE FROM views WHERE name = ?').run(name))
      },
    },
  }
}

function viewOf(row: Record<string, unknown>): SavedView {
  return { name: String(row['name']), url: String(row['url']), updatedAt: Number(row['updated_at']) }
}
