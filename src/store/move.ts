import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../base/directory.ts'
import { OperatorError } from '../base/errors.ts'
import { readJsonFile, writeJsonFile } from '../base/json-file.ts'
import type { ClusterStore } from './cluster.ts'
import { createTable, TABLES, type TableDefinition } from './schema.ts'
import type { Cell, Store } from './store.ts'

// Takes what an embedded store holds to servers, while they store what comes now. Day by day, each row once:
//
//   rows of the day → <table>_moving, in pieces under tokens → counted → journal: 'there'
//     → MOVE PARTITION to <table> → journal: 'moved'
//
// A piece that is repeated after a break changes nothing, and neither does moving a day that has been moved. Days take
// turns among the shards.

export interface MoveConfig {
  /** For pieces under way and for the journal; the same for each attempt. */
  readonly dir: string
  /** Rows of a piece, about. Default 250,000. */
  readonly pieceRows?: number
}

export interface MoveDeps {
  readonly source: Pick<Store, 'query' | 'queryBytes'>
  /** One store a shard, inserting into it, in the order of their names. */
  readonly targets: readonly Pick<ClusterStore, 'home' | 'schema' | 'query' | 'execute' | 'insertInto'>[]
  readonly say?: (words: string) => void
}

type Progress = 'there' | 'moved'

interface Journal {
  /** Days keep their shard from one attempt to the next. */
  readonly shards: number
  readonly days: Record<string, Progress>
}

interface Piece {
  /** Seconds since 1970, from the first to the last. */
  readonly from: number
  to: number
  rows: number
}

const STEP_MS = 600_000
const MOVE_TRIES = 20

/** Rows moved, by table, by this attempt and those before it. */
export async function moveStore(config: MoveConfig, deps: MoveDeps): Promise<Record<string, number>> {
  const { source, targets } = deps
  const journalFile = join(config.dir, 'journal.json')
  makeDirectory(config.dir)
  const journal = (readJsonFile(journalFile) as Journal | undefined) ?? { shards: targets.length, days: {} }
  if (journal.shards !== targets.length)
    throw new OperatorError(
      'move_shards',
      `the move began with ${journal.shards} shards, and the configuration has ${targets.length} now`,
      { hint: 'list the servers of the same shards again until it is done' },
    )

  async function note(name: string, progress: Progress): Promise<void> {
    journal.days[name] = progress
    await writeJsonFile(journalFile, journal)
  }

  async function rowsOf(sql: string): Promise<readonly (readonly Cell[])[]> {
    return (await source.query(sql, { timeoutMs: STEP_MS })).rows
  }

  /** Whole seconds, so many that they hold about so many rows; the same ones each time. */
  async function piecesOf({ name, time }: TableDefinition, day: string): Promise<Piece[]> {
    const pieces: Piece[] = []
    const most = config.pieceRows ?? 250_000
    for (const [second, rows] of await rowsOf(
      `SELECT toUnixTimestamp64Milli(${time}) DIV 1000 AS second, count() FROM ${name} WHERE toYYYYMMDD(${time}) = ${day} GROUP BY second ORDER BY second`,
    )) {
      const last = pieces.at(-1)
      if (last && last.rows + Number(rows) <= most) {
        last.to = Number(second)
        last.rows += Number(rows)
      } else pieces.push({ from: Number(second), to: Number(second), rows: Number(rows) })
    }
    return pieces
  }

  async function moveDay(
    table: TableDefinition,
    day: string,
    rows: number,
    target: MoveDeps['targets'][number],
  ): Promise<void> {
    const { name, time } = table
    const { stored } = target.home
    const key = `${name}/${day}`
    const columns = table.columns.map((c) => c.name)
    const count = async (): Promise<number> => {
      const there = await target.query(
        `SELECT count() FROM ${stored(`${name}_moving`)} WHERE toYYYYMMDD(${time}) = ${day}`,
      )
      return Number(there.rows[0]?.[0])
    }
    if (journal.days[key] === undefined) {
      for (const { from, to } of await piecesOf(table, day)) {
        const bytes = await source.queryBytes(
          `SELECT ${columns.join(', ')} FROM ${name} WHERE toYYYYMMDD(${time}) = ${day} AND toUnixTimestamp64Milli(${time}) DIV 1000 BETWEEN ${from} AND ${to}`,
          'Native',
          { timeoutMs: STEP_MS },
        )
        const file = join(config.dir, 'piece.native')
        await writeFile(file, bytes)
        await again(() => target.insertInto(stored(`${name}_moving`), columns, [file], `move-${name}-${day}-${from}`))
        await rm(file)
      }
      const there = await again(count)
      if (there !== rows)
        throw new OperatorError('move_count', `of ${rows} rows of ${name} of ${day}, ${there} got to the servers`, {
          hint: 'the old store must not change meanwhile; delete the journal, drop the tables whose names end in _moving, and begin again',
        })
      await note(key, 'there')
    }
    for (let i = 0; i < MOVE_TRIES; i++) {
      // A replica moves what it has fetched.
      if (target.home.on !== '') await again(() => target.execute(`SYSTEM SYNC REPLICA ${stored(`${name}_moving`)}`))
      await again(() =>
        target.execute(`ALTER TABLE ${stored(`${name}_moving`)} MOVE PARTITION ID '${day}' TO TABLE ${stored(name)}`),
      )
      if ((await again(count)) === 0) return note(key, 'moved')
    }
    throw new OperatorError('move_partition', `${name} of ${day} could not be moved to its table`, { retryable: true })
  }

  const moved: Record<string, number> = {}
  for (const table of TABLES) {
    const days = (await rowsOf(
      `SELECT toString(toYYYYMMDD(${table.time})) AS day, count() FROM ${table.name} GROUP BY day ORDER BY day`,
    )) as [string, number][]
    for (const target of targets) {
      const staging = createTable({ ...table, name: `${table.name}_moving` }, { ...target.schema, keepDays: 36_500 })
      await again(() => target.execute(staging))
    }
    for (const [i, [day, rows]] of days.entries()) {
      const shard = i % targets.length
      if (journal.days[`${table.name}/${day}`] !== 'moved') {
        await moveDay(table, day, rows, targets[shard] as MoveDeps['targets'][number])
        deps.say?.(`${table.name} of ${day}: ${rows} rows`)
      }
      moved[table.name] = (moved[table.name] ?? 0) + rows
    }
    const [first] = targets
    if (first)
      await again(() =>
        first.execute(`DROP TABLE IF EXISTS ${first.home.stored(`${table.name}_moving`)}${first.home.on} SYNC`),
      )
  }
  return moved
}

const TRY_AGAIN_MS = [200, 500, 1000, 2000, 5000, 10_000, 20_000]

/** Servers that are away for a minute do not end it. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (const wait of TRY_AGAIN_MS) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof OperatorError) || !error.retryable) throw error
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
  }
  return work()
}
