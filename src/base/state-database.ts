import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { makeDirectory } from './directory.ts'
import { BugError, OperatorError } from './errors.ts'

// The small state that an operator makes (saved filters, views, …), in one SQLite file. It has a rollback journal, no WAL: a copy
// that is taken while nothing is written is whole, and another process may read beside the server.

/** What a part of the program keeps there: statements that bring its tables from each version to the next. */
export interface StatePart {
  readonly name: string
  readonly steps: readonly string[]
}

const BUSY_MS = 2000

/** Opens the file, or makes it, and brings the tables of each part up to date. @throws OperatorError `state_database` */
export function openStateDatabase(file: string, parts: readonly StatePart[]): DatabaseSync {
  return openedAs(file, () => {
    if (file !== ':memory:') makeDirectory(dirname(file))
    const database = new DatabaseSync(file, { timeout: BUSY_MS, enableForeignKeyConstraints: true })
    try {
      database.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL')
      database.exec('CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT')
      for (const part of parts) bringUpToDate(database, part)
      return database
    } catch (error) {
      database.close()
      throw error
    }
  })
}

/** Opens the file of a server for reading alone. @throws OperatorError `state_database` */
export function readStateDatabase(file: string): DatabaseSync {
  return openedAs(file, () => new DatabaseSync(file, { timeout: BUSY_MS, readOnly: true }))
}

function openedAs(file: string, open: () => DatabaseSync): DatabaseSync {
  try {
    return open()
  } catch (cause) {
    if (cause instanceof OperatorError || cause instanceof BugError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new OperatorError(
      'state_database',
      `${file}, which holds saved filters and views, can't be used: ${reason}`,
      {
        cause,
        hint: 'see that this user may write to it; restore it from a backup, or move it away to begin with none',
      },
    )
  }
}

function bringUpToDate(database: DatabaseSync, part: StatePart): void {
  database.exec('BEGIN IMMEDIATE')
  try {
    const row = database.prepare('SELECT version FROM parts WHERE name = ?').get(part.name)
    const version = Number(row?.['version'] ?? 0)
    if (version > part.steps.length)
      throw new OperatorError('state_newer', `the state was written by a newer version (${part.name} ${version})`, {
        hint: 'use that version, or restore a backup that is older',
      })
    for (const step of part.steps.slice(version)) database.exec(step)
    database
      .prepare(
        'INSERT INTO parts (name, version) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET version = excluded.version',
      )
      .run(part.name, part.steps.length)
    database.exec('COMMIT')
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}
